//! The simulation in a special space, for which queueing theory is exact.
//!
//! Pickups take no time, and trips an exponential time that does not depend on places: the city is then an
//! M/M/c queue, with drivers as servers. The delays of quotes and offers, some seconds, are small compared
//! with a service of hours.

use sweep_runtime::Stream;

use crate::ridehail::Time;
use crate::ridehail::calendar::Week;
use crate::ridehail::drive::Drive;
use crate::ridehail::settings::Shifts;
use crate::ridehail::space::{Index, Space, Visitor, whole_seconds};

use super::*;

const FLAT: Week = [[1.0; 24]; 2];

/// One place for all pickups, and another for all drop-offs.
pub(super) struct Depot {
    /// Mean, ms.
    pub(super) mean_service: f64,
    pub(super) service: Service,
    /// The mean of an exponential patience, ms; `None` for the settings' patience.
    pub(super) mean_patience: Option<f64>,
}

/// How long trips are, in units of their mean.
pub(super) enum Service {
    Exponential,
    Deterministic,
    /// One of these, all equally likely.
    Empirical(Vec<f64>),
}

impl Depot {
    pub(super) fn exponential(mean_service: f64) -> Self {
        Self { mean_service, service: Service::Exponential, mean_patience: None }
    }

    fn trip(&self, stream: &mut Stream) -> f64 {
        self.mean_service
            * match &self.service {
                Service::Exponential => stream.exponential(1.0),
                Service::Deterministic => 1.0,
                Service::Empirical(known) => {
                    known[usize::try_from(whole(stream.uniform() * known.len() as f64)).unwrap()]
                }
            }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spot {
    Stand,
    Elsewhere,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "far below 2^53, and not negative"
)]
pub(super) fn whole(time: f64) -> Time {
    time as Time
}

/// All entities, in no order.
#[derive(Default)]
pub(super) struct Everybody(Vec<u32>);

impl Index<Depot> for Everybody {
    fn clear(&mut self, _: &Depot) {
        self.0.clear();
    }

    fn insert(&mut self, id: u32, _: Spot) {
        self.0.push(id);
    }

    fn remove(&mut self, id: u32, _: Spot) {
        let place = self.0.iter().position(|known| *known == id).unwrap();
        self.0.swap_remove(place);
    }

    fn nearest(&self, _: &Depot, _: Spot) -> Option<f64> {
        (!self.0.is_empty()).then_some(0.0)
    }

    fn within(&self, _: Spot, _: u32, mut visit: impl FnMut(u32, Spot)) {
        self.0.iter().for_each(|id| visit(*id, Spot::Stand));
    }

    fn outwards(&self, _: &Depot, _: Spot, _: u32, visitor: &mut impl Visitor<Spot>) {
        self.0.iter().for_each(|id| visitor.visit(*id, Spot::Stand));
        visitor.horizon();
    }
}

impl Space for Depot {
    type Place = Spot;
    type Index = Everybody;

    fn arrival(&self, _: &mut Stream) -> Spot {
        Spot::Stand
    }

    fn destination(&self, _: Spot, _: [u32; 2], _: &mut Stream) -> Option<Spot> {
        Some(Spot::Elsewhere)
    }

    fn km(&self, _: Spot, _: Spot) -> f64 {
        0.0
    }

    fn hops(&self, _: Spot, _: Spot) -> u32 {
        1
    }

    fn on_the_way(&self, _: Spot, to: Spot, _: u32) -> Spot {
        to
    }

    fn drive(&self, _: Spot, to: Spot, _: &Drive, mut hops: Stream, start: Time, _: Time) -> (Time, Spot) {
        let time = if to == Spot::Stand { 0.0 } else { self.trip(&mut hops) };
        (start + whole(time), to)
    }

    fn patience(&self, bounds: [Time; 2], stream: &mut Stream) -> Time {
        match self.mean_patience {
            Some(mean) => whole(stream.exponential(mean)),
            None => whole_seconds(bounds, stream),
        }
    }

    fn cells(&self) -> usize {
        2
    }

    fn cell(&self, place: Spot) -> usize {
        place as usize
    }

    fn public(&self, place: Spot) -> i64 {
        place as i64
    }
}

/// Infinite patience and willingness, drivers who never tire and always accept, riders at a constant rate.
pub(super) fn tireless(drivers: u32, riders: u32, window: Time) -> Settings {
    let flat = |cap, initial, window| Arriving { cap, initial, window, week: &FLAT, divisor: 1.0 };
    Settings {
        riders: flat(riders, 0, window),
        drivers: flat(drivers, drivers, 1),
        end: 2 * window,
        choice: Choice::Threshold { fare: f64::INFINITY, eta: f64::INFINITY, probability: 1.0 },
        patience: [4 * window, 4 * window],
        acceptance: Acceptance {
            base: 1e6,
            fare: 0.0,
            pickup_km: 0.0,
            trip_km: 0.0,
            earnings: 0.0,
            fatigue: 0.0,
        },
        shifts: Shifts { targets: [1e300; 2], fatigues: [1e15; 2] },
        batch: Some(1_000),
        ..settings()
    }
}
