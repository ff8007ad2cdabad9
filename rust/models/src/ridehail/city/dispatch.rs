//! Riders and drivers are brought together: in passes, or rider by rider.
//!
//! A pass looks only at edges that have somebody new at one end. Every algorithm leaves no edge between two who stay
//! free, so between a rider and a driver who both were free after an earlier pass there is none now. With that, a pass
//! costs what has changed, not what is waiting.

use super::demand::logistic;
use super::{Arena, City};
use crate::ridehail::Time;
use crate::ridehail::assignment::{Edge, Match};
use crate::ridehail::entities::{DriverState, Request, RiderState, Task};
use crate::ridehail::events::Kind;
use crate::ridehail::purposes;
use crate::ridehail::settings::Algorithm;
use crate::ridehail::space::{Index as _, Space};

/// From the offer to the driver's answer, ms.
const EVALUATION: Time = 2000;
/// Between two searches for one rider, ms.
const RETRY: Time = 30_000;
const MM_IN_KM: f64 = 1e6;

impl<S: Space> City<'_, S> {
    /// Makes a rider one for the passes to look at.
    pub(super) fn open(&mut self, rider: u32) {
        self.arena.seeking.insert(rider, self.arena.riders.requests[rider as usize].pickup);
        self.arena.fresh_riders.push(rider);
        self.plan_pass();
    }

    /// Takes a rider from what passes look at.
    pub(super) fn close(&mut self, rider: u32) {
        if self.settings.batch.is_some() {
            self.arena.seeking.remove(rider, self.arena.riders.requests[rider as usize].pickup);
        }
    }

    /// Matches everybody who can be.
    pub(super) fn pass(&mut self) {
        self.gather();
        let mut assignment = std::mem::take(&mut self.arena.assignment);
        let mut edges = std::mem::take(&mut self.arena.edges);
        for Match { rider, driver } in assignment.solve(self.settings.algorithm, &mut edges) {
            self.offer(*rider, *driver);
        }
        (self.arena.assignment, self.arena.edges) = (assignment, edges);
        debug_assert!(self.nobody_is_left_out(), "a pass leaves no edge between two who stay free");
    }

    /// Whether no rider is still looked a driver for while one is within reach: what the next pass relies on.
    fn nobody_is_left_out(&self) -> bool {
        let Arena { riders, idle, .. } = &*self.arena;
        let mut seeking = (0..riders.states.len()).filter(|at| riders.states[*at] == RiderState::Seeking);
        seeking.all(|at| {
            let mut reached = 0;
            idle.within(riders.requests[at].pickup, self.settings.radius, |_, _| reached += 1);
            reached == 0
        })
    }

    /// Collects the edges with somebody new.
    fn gather(&mut self) {
        let arena = &mut *self.arena;
        arena.edges.clear();
        arena.fresh.resize(arena.riders.states.len(), false);
        arena.fresh_riders.retain(|rider| arena.riders.states[*rider as usize] == RiderState::Seeking);
        arena.fresh_drivers.retain(|driver| arena.drivers.states[*driver as usize] == DriverState::Idle);
        for rider in &arena.fresh_riders {
            arena.fresh[*rider as usize] = true;
        }
        for driver in arena.fresh_drivers.drain(..) {
            let place = arena.drivers.tasks[driver as usize].place;
            arena.seeking.within(place, self.settings.radius, |rider, pickup| {
                if !arena.fresh[rider as usize] {
                    let cost = millimetres(self.space.km(pickup, place));
                    arena.edges.push(Edge { rider, driver, cost });
                }
            });
        }
        // At least as many as there are riders in the pass.
        let riders = arena.edges.len() + arena.fresh_riders.len();
        for rider in arena.fresh_riders.drain(..) {
            arena.fresh[rider as usize] = false;
            let pickup = arena.riders.requests[rider as usize].pickup;
            let first = arena.edges.len();
            arena.idle.within(pickup, self.settings.radius, |driver, place| {
                let cost = millimetres(self.space.km(pickup, place));
                arena.edges.push(Edge { rider, driver, cost });
            });
            // Of n riders, each needs its n best drivers only: the others can take all but one of them.
            if arena.edges.len() - first > riders {
                let key = |edge: &Edge| rank(self.settings.algorithm, edge);
                arena.edges[first..].select_nth_unstable_by_key(riders, key);
                arena.edges.truncate(first + riders);
            }
        }
    }

    /// Looks for a driver for one rider by itself.
    pub(super) fn seek(&mut self, rider: u32) {
        let at = rider as usize;
        if self.arena.riders.states[at] != RiderState::Seeking {
            return;
        }
        let pickup = self.arena.riders.requests[at].pickup;
        let mut best: Option<Edge> = None;
        self.arena.idle.within(pickup, self.settings.radius, |driver, place| {
            let edge = Edge { rider, driver, cost: millimetres(self.space.km(pickup, place)) };
            let key = |edge: &Edge| rank(self.settings.algorithm, edge);
            if best.is_none_or(|best| key(&edge) < key(&best)) {
                best = Some(edge);
            }
        });
        match best {
            Some(edge) => self.offer(rider, edge.driver),
            None => self.arena.events.schedule(self.now + RETRY, Kind::SeekAgain, rider),
        }
    }

    fn offer(&mut self, rider: u32, driver: u32) {
        let arena = &mut *self.arena;
        let task = &mut arena.drivers.tasks[driver as usize];
        debug_assert_eq!(
            arena.riders.states[rider as usize],
            RiderState::Seeking,
            "rider {rider} is offered once"
        );
        debug_assert_eq!(
            arena.drivers.states[driver as usize],
            DriverState::Idle,
            "driver {driver} has one rider"
        );
        task.rider = rider;
        task.offers += 1;
        task.offered_at = self.now;
        arena.idle.remove(driver, task.place);
        arena.riders.journeys[rider as usize].driver = driver;
        arena.riders.become_(rider, RiderState::Offered);
        arena.drivers.become_(driver, DriverState::Evaluating, self.now);
        arena.events.schedule(self.now + EVALUATION, Kind::DriverAnswers, driver);
        self.close(rider);
    }

    /// A driver answers the last offer. (The rider may have cancelled, and another offer may be running since.)
    pub(super) fn driver_answers(&mut self, driver: u32) {
        let Task { rider, offers, offered_at, place } = self.arena.drivers.tasks[driver as usize];
        let evaluating = self.arena.drivers.states[driver as usize] == DriverState::Evaluating;
        if !evaluating || offered_at + EVALUATION != self.now {
            return;
        }
        let pickup_km = self.space.km(place, self.arena.riders.requests[rider as usize].pickup);
        let mut chance = self.streams.stream(purposes::DRIVER_ANSWERS, driver).from_block(offers);
        if chance.uniform() < self.acceptance(driver, rider, pickup_km) {
            self.arena.riders.journeys[rider as usize].pickup_km = pickup_km;
            self.set_out(driver, rider);
            return;
        }
        self.arena.riders.become_(rider, RiderState::Seeking);
        if self.settings.batch.is_some() {
            self.open(rider);
        } else {
            // The clock of searches runs on from the one that found this driver.
            self.arena.events.schedule(self.now + RETRY - EVALUATION, Kind::SeekAfterRefusal, rider);
        }
        self.free(driver);
    }

    /// The probability that a driver accepts a rider.
    fn acceptance(&self, driver: u32, rider: u32, pickup_km: f64) -> f64 {
        let weights = &self.settings.acceptance;
        let shift = &self.arena.drivers.shifts[driver as usize];
        let Request { fare, km, .. } = self.arena.riders.requests[rider as usize];
        let tired = (self.now - shift.since) as f64 / shift.fatigue as f64;
        logistic(
            weights.base
                + weights.fare * fare
                + weights.pickup_km * pickup_km
                + weights.trip_km * km
                + weights.earnings * (shift.earned / shift.target)
                + weights.fatigue * tired,
        )
    }
}

/// By which a rider's drivers are ordered.
fn rank(algorithm: Algorithm, edge: &Edge) -> (i64, u32) {
    match algorithm {
        Algorithm::Simple => (0, edge.driver),
        Algorithm::CostBased | Algorithm::Hungarian => (edge.cost, edge.driver),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most half the earth's circumference")]
fn millimetres(km: f64) -> i64 {
    (km * MM_IN_KM).round_ties_even() as i64
}
