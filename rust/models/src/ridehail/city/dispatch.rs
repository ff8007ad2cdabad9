//! Riders and drivers are matched: in passes, or rider by rider.
//!
//! A pass considers only edges with a new rider or driver at one end. No algorithm leaves an edge between a
//! rider and a driver who both stay free, so two who were both free after an earlier pass have no edge now.
//! The cost of a pass is therefore proportional to what has changed, not to what is waiting.

use super::demand::logistic;
use super::{Arena, City};
use crate::ridehail::Time;
use crate::ridehail::assignment::{Assignment, Edge, Match};
use crate::ridehail::entities::{DriverState, Request, RiderState, Task};
use crate::ridehail::events::Kind;
use crate::ridehail::purposes;
use crate::ridehail::settings::Algorithm;
use crate::ridehail::space::{Index as _, Space, Visitor};

/// From the offer to the driver's answer, ms.
const EVALUATION: Time = 2000;
/// Between two searches for one rider, ms.
const RETRY: Time = 30_000;
const MM_IN_KM: f64 = 1e6;
/// Builds with debug assertions check the passes of cities with up to this many riders.
const CHECKED_RIDERS: u32 = 2_000;
/// The most rivals that are counted. More than this on both sides do not stay free for long.
const MOST_RIVALS: usize = 64;

impl<S: Space> City<'_, S> {
    /// Adds a rider to those whom passes consider.
    pub(super) fn open(&mut self, rider: u32) {
        self.arena.seeking.insert(rider, self.arena.riders.requests[rider as usize].pickup);
        self.arena.fresh_riders.push(rider);
        self.plan_pass();
    }

    /// Removes a rider from those whom passes consider.
    pub(super) fn close(&mut self, rider: u32) {
        if self.settings.batch.is_some() {
            self.arena.seeking.remove(rider, self.arena.riders.requests[rider as usize].pickup);
        }
    }

    /// Makes a pass: matches riders and drivers.
    pub(super) fn pass(&mut self) {
        self.gather();
        let mut assignment = std::mem::take(&mut self.arena.assignment);
        let mut edges = std::mem::take(&mut self.arena.edges);
        let matches = assignment.solve(self.settings.algorithm, &mut edges);
        debug_assert!(self.is_what_all_edges_give(matches, &edges), "no edge that matters was left out");
        for Match { rider, driver } in matches {
            self.offer(*rider, *driver);
        }
        (self.arena.assignment, self.arena.edges) = (assignment, edges);
    }

    /// Whether the matches equal those from all edges between free riders and drivers, or have equal number
    /// and cost.
    fn is_what_all_edges_give(&self, matches: &[Match], edges: &[Edge]) -> bool {
        let Arena { riders, idle, .. } = &*self.arena;
        if self.settings.riders.cap > CHECKED_RIDERS {
            return true;
        }
        let mut all = vec![];
        for rider in (0..riders.count()).filter(|rider| riders.states[*rider as usize] == RiderState::Seeking)
        {
            let pickup = riders.requests[rider as usize].pickup;
            idle.within(pickup, self.settings.radius, |driver, place| {
                all.push(Edge { rider, driver, cost: millimetres(self.space.km(pickup, place)) });
            });
        }
        let mut plain = Assignment::default();
        let expected = plain.solve(self.settings.algorithm, &mut all);
        let cost = |edges: &[Edge], matches: &[Match]| {
            let chosen = |edge: &&Edge| matches.contains(&Match { rider: edge.rider, driver: edge.driver });
            edges.iter().filter(chosen).map(|edge| edge.cost).sum::<i64>()
        };
        match self.settings.algorithm {
            Algorithm::Hungarian => {
                matches.len() == expected.len() && cost(edges, matches) == cost(&all, expected)
            }
            Algorithm::Simple | Algorithm::CostBased => matches == expected,
        }
    }

    /// Collects the edges with a new rider or driver.
    fn gather(&mut self) {
        let arena = &mut *self.arena;
        arena.edges.clear();
        arena.fresh.resize(arena.riders.states.len(), false);
        arena.fresh_riders.retain(|rider| arena.riders.states[*rider as usize] == RiderState::Seeking);
        arena.fresh_drivers.retain(|driver| arena.drivers.states[*driver as usize] == DriverState::Idle);
        for rider in &arena.fresh_riders {
            arena.fresh[*rider as usize] = true;
        }
        let (radius, algorithm, space) = (self.settings.radius, self.settings.algorithm, self.space);
        let Arena { edges, fresh, idle, seeking, .. } = arena;
        for driver in arena.fresh_drivers.drain(..) {
            let place = arena.drivers.tasks[driver as usize].place;
            let edge = |rider: u32, pickup| {
                let cost = || millimetres(space.km(pickup, place));
                (!fresh[rider as usize]).then(|| Edge { rider, driver, cost: cost() })
            };
            let rivals = |most| rivals(space, idle, place, 2 * radius, most);
            let mut gatherer = Gatherer::new(edges, edge, rivals, |edge| driver_rank(algorithm, edge));
            gatherer.nearest_first = algorithm == Algorithm::Hungarian;
            seeking.outwards(space, place, radius, &mut gatherer);
        }
        for rider in arena.fresh_riders.drain(..) {
            fresh[rider as usize] = false;
            let pickup = arena.riders.requests[rider as usize].pickup;
            let edge =
                |driver, place| Some(Edge { rider, driver, cost: millimetres(space.km(pickup, place)) });
            let rivals = |most| rivals(space, seeking, pickup, 2 * radius, most);
            let mut gatherer = Gatherer::new(edges, edge, rivals, |edge| rider_rank(algorithm, edge));
            gatherer.nearest_first = algorithm != Algorithm::Simple;
            idle.outwards(space, pickup, radius, &mut gatherer);
        }
    }

    /// Searches for a driver for a single rider.
    pub(super) fn seek(&mut self, rider: u32) {
        let at = rider as usize;
        if self.arena.riders.states[at] != RiderState::Seeking {
            return;
        }
        let pickup = self.arena.riders.requests[at].pickup;
        let mut best: Option<Edge> = None;
        self.arena.idle.within(pickup, self.settings.radius, |driver, place| {
            let edge = Edge { rider, driver, cost: millimetres(self.space.km(pickup, place)) };
            let key = |edge: Edge| rider_rank(self.settings.algorithm, edge);
            if best.is_none_or(|best| key(edge) < key(best)) {
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
            "rider {rider} has one offer"
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

    /// A driver answers the last offer. (The rider may have cancelled, and another offer may be running
    /// since.)
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
            // Searches continue at their interval from the one that found this driver.
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

/// Collects the edges of one end, without those that no assignment needs.
///
/// `rivals` counts all who can take one of the other ends, this one included; grid distances add up, so
/// rivals are within twice the radius. Of n rivals, each needs only its n best edges. For the best
/// assignment: the others take at most all but one of those ends, so a worse end can be exchanged for a
/// better one that is free. For a rider in a greedy pass: one of them is still free. For a driver in a greedy
/// pass: of the first n riders within reach, one is not served by another driver, and takes this one unless
/// an earlier rider has.
struct Gatherer<'a, E, N, R> {
    edges: &'a mut Vec<Edge>,
    /// The index at which this end's edges begin.
    first: usize,
    edge: E,
    rivals: N,
    /// How many edges are needed, once known.
    needed: Option<usize>,
    rank: R,
    /// Whether nearer edges rank before farther ones.
    nearest_first: bool,
}

impl<'a, E, N, R> Gatherer<'a, E, N, R> {
    fn new(edges: &'a mut Vec<Edge>, edge: E, rivals: N, rank: R) -> Self {
        let first = edges.len();
        Self { edges, first, edge, rivals, needed: None, rank, nearest_first: false }
    }
}

impl<P, E, N, R> Visitor<P> for Gatherer<'_, E, N, R>
where
    E: Fn(u32, P) -> Option<Edge>,
    N: Fn(usize) -> usize,
    R: Fn(Edge) -> (i64, u32),
{
    fn visit(&mut self, id: u32, at: P) {
        self.edges.extend((self.edge)(id, at));
    }

    fn horizon(&mut self) -> f64 {
        let own = &mut self.edges[self.first..];
        if own.is_empty() {
            return f64::INFINITY;
        }
        // With one more rival than edges, none is left out yet. A later call may need to count further.
        let most = MOST_RIVALS.min(own.len() + 1);
        let needed = self.needed.unwrap_or_else(|| (self.rivals)(most));
        if needed >= most {
            return f64::INFINITY;
        }
        self.needed = Some(needed);
        if needed < own.len() {
            own.select_nth_unstable_by_key(needed, |edge| (self.rank)(*edge));
            self.edges.truncate(self.first + needed);
        }
        if !self.nearest_first {
            return f64::INFINITY;
        }
        let farthest = self.edges[self.first..].iter().map(|edge| edge.cost).max();
        // An edge of the same length may rank before it by its id.
        farthest.map_or(0.0, |cost| (cost + 1) as f64 / MM_IN_KM)
    }
}

/// Counts up to `most`, or slightly more.
struct Rivals {
    count: usize,
    most: usize,
}

impl<P> Visitor<P> for Rivals {
    fn visit(&mut self, _: u32, _: P) {
        self.count += 1;
    }

    fn horizon(&mut self) -> f64 {
        if self.count < self.most { f64::INFINITY } else { 0.0 }
    }
}

fn rivals<S: Space>(space: &S, index: &S::Index, place: S::Place, radius: u32, most: usize) -> usize {
    let mut rivals = Rivals { count: 0, most };
    index.outwards(space, place, radius, &mut rivals);
    rivals.count
}

/// The sort key of a rider's drivers.
fn rider_rank(algorithm: Algorithm, edge: Edge) -> (i64, u32) {
    match algorithm {
        Algorithm::Simple => (0, edge.driver),
        Algorithm::CostBased | Algorithm::Hungarian => (edge.cost, edge.driver),
    }
}

/// The sort key of a driver's riders. Greedy passes serve riders in order.
fn driver_rank(algorithm: Algorithm, edge: Edge) -> (i64, u32) {
    match algorithm {
        Algorithm::Simple | Algorithm::CostBased => (0, edge.rider),
        Algorithm::Hungarian => (edge.cost, edge.rider),
    }
}

/// Rounds to the nearest.
#[expect(clippy::cast_possible_truncation, reason = "at most half the earth's circumference")]
fn millimetres(km: f64) -> i64 {
    (km * MM_IN_KM + 0.5) as i64
}
