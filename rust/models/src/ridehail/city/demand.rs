//! Riders request, get a quote, answer it, and lose patience.

use sweep_runtime::DomainError;

use super::City;
use crate::ridehail::Time;
use crate::ridehail::entities::{Refusal, Request, RiderState};
use crate::ridehail::events::Kind;
use crate::ridehail::purposes;
use crate::ridehail::settings::{Choice, Surge};
use crate::ridehail::space::{Index as _, Space};

/// From arrival to the quote, from the quote to the answer, and without passes from acceptance to the first
/// search, ms.
const DELAY: Time = 1000;
/// The ETA of a quote: at 40 km/h, and if no driver is idle, ms.
const MS_A_KM: f64 = 90_000.0;
const ETA_WITHOUT_DRIVERS: f64 = 300_000.0;

impl<S: Space> City<'_, S> {
    pub(super) fn rider_arrives(&mut self) -> Result<(), DomainError> {
        let rider = self.arena.riders.count();
        let pickup = self.space.arrival(&mut self.streams.stream(purposes::PICKUPS, rider));
        let mut choices = self.streams.stream(purposes::DESTINATIONS, rider);
        let cells = self.settings.trip_cells;
        let Some(dropoff) = self.space.destination(pickup, cells, &mut choices) else {
            let [least, most] = cells;
            let message = format!(
                "no cell of the box is from min_trip_cells = {least} to max_trip_cells = {most} away from \
                 rider {rider}"
            );
            return Err(DomainError::new("no_destination", message));
        };
        self.arena.riders.arrive(Request {
            pickup,
            dropoff,
            km: self.space.km(pickup, dropoff),
            requested_at: self.now,
            fare: 0.0,
            eta: 0.0,
            rejections: 0,
            last_refusal: Refusal::Chance,
        });
        if self.settings.surge.is_some() {
            self.arena.demand.insert(rider, pickup);
        }
        self.arena.events.schedule(self.now + DELAY, Kind::Quote, rider);
        Ok(())
    }

    pub(super) fn quote(&mut self, rider: u32) {
        let Request { pickup, km, .. } = self.arena.riders.requests[rider as usize];
        let surge = self.settings.surge.map_or(1.0, |surge| self.surge(surge, pickup));
        let nearest = self.arena.idle.nearest(self.space, pickup);
        let request = &mut self.arena.riders.requests[rider as usize];
        request.fare = (self.settings.base_fare + km * self.settings.per_km) * surge;
        request.eta = nearest.map_or(ETA_WITHOUT_DRIVERS, |km| km * MS_A_KM);
        self.arena.events.schedule(self.now + DELAY, Kind::Answer, rider);
    }

    /// The fare's multiplier if riders who wait for a pickup outnumber idle drivers.
    fn surge(&self, surge: Surge, pickup: S::Place) -> f64 {
        let count = |index: &S::Index| {
            let mut count = 0.0;
            index.within(pickup, surge.radius, |_, _| count += 1.0);
            count
        };
        let (demand, supply): (f64, f64) = (count(&self.arena.demand), count(&self.arena.idle));
        if demand <= supply {
            1.0
        } else if supply == 0.0 {
            surge.most
        } else {
            (1.0 + (demand - supply) / supply).min(surge.most)
        }
    }

    pub(super) fn answer(&mut self, rider: u32) {
        let at = rider as usize;
        match self.refusal(rider) {
            None => self.accept(rider),
            Some(reason) => {
                let request = &mut self.arena.riders.requests[at];
                request.last_refusal = reason;
                request.rejections += 1;
                if request.rejections > self.settings.most_rejections {
                    self.arena.riders.become_(rider, RiderState::Abandoned);
                    self.withdraw(rider);
                } else {
                    let next = self.now + self.settings.requote_delay;
                    self.arena.events.schedule(next, Kind::Requote, rider);
                }
            }
        }
    }

    /// Why the rider refuses the quote, or `None` if the rider accepts.
    fn refusal(&self, rider: u32) -> Option<Refusal> {
        let Request { fare, eta, rejections, .. } = self.arena.riders.requests[rider as usize];
        // A new number for each quote: with the same one, a refusal by chance would be permanent.
        let chance = || self.streams.stream(purposes::ANSWERS, rider).from_block(rejections).uniform();
        match self.settings.choice {
            Choice::Threshold { fare: dearest, .. } if fare > dearest => Some(Refusal::Price),
            Choice::Threshold { eta: latest, .. } if eta > latest => Some(Refusal::Eta),
            Choice::Threshold { probability, .. } => (chance() >= probability).then_some(Refusal::Chance),
            Choice::Logit { intercept, fare: a_unit, eta: a_ms } => {
                let utility = intercept + a_unit * fare + a_ms * eta;
                (chance() >= logistic(utility)).then_some(Refusal::Chance)
            }
        }
    }

    fn accept(&mut self, rider: u32) {
        let mut draw = self.streams.stream(purposes::PATIENCE, rider);
        let cancel_at = self.now + self.space.patience(self.settings.patience, &mut draw);
        self.arena.riders.journeys[rider as usize].cancel_at = cancel_at;
        if cancel_at <= self.settings.end {
            self.arena.events.schedule(cancel_at, Kind::Cancel, rider);
        }
        self.arena.riders.become_(rider, RiderState::Seeking);
        if self.settings.batch.is_some() {
            self.open(rider);
        } else {
            self.arena.events.schedule(self.now + DELAY, Kind::Seek, rider);
        }
    }

    /// Patience ends, unless the rider was picked up. A driver who is on the way, or has the offer, becomes
    /// free.
    pub(super) fn cancel(&mut self, rider: u32) {
        let at = rider as usize;
        match self.arena.riders.states[at] {
            RiderState::Seeking => self.close(rider),
            RiderState::Offered | RiderState::Matched => self.free(self.arena.riders.journeys[at].driver),
            _ => return,
        }
        self.arena.riders.become_(rider, RiderState::Cancelled);
        self.withdraw(rider);
    }

    /// A rider no longer waits for a pickup.
    pub(super) fn withdraw(&mut self, rider: u32) {
        if self.settings.surge.is_some() {
            self.arena.demand.remove(rider, self.arena.riders.requests[rider as usize].pickup);
        }
    }
}

/// The logistic function: the probability of a logit with this utility.
pub(super) fn logistic(utility: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-utility))
}
