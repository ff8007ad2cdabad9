//! Check 5: Little's law, state by state. The mean number in a state is the rate of entering it times the
//! mean time in it. If spells that the end of the run cuts off are included, it holds exactly: both sides are
//! whole numbers of ms, and equal.
//!
//! L is counted between any two events. Lambda W comes from the riders' journeys only: they also give the
//! drivers' spells, and with fares and targets the ends of shifts. Only the split of a driver's time without
//! a rider into waiting and having an offer is recorded nowhere else (a refused offer leaves no trace).
//! There, drivers with an offer are compared with riders who are offered.

use crate::ridehail::Time;
use crate::ridehail::city::{Census, Observer};
use crate::ridehail::entities::{DRIVER_STATES, DriverState, NOT_YET, RIDER_STATES, RiderState};

use super::*;

/// Entities in each state, integrated over time.
#[derive(Default)]
struct Stocks {
    riders: [u64; RIDER_STATES],
    drivers: [u64; DRIVER_STATES],
    since: Time,
}

impl Observer for Stocks {
    fn advance(&mut self, time: Time, census: Census) {
        let add = |sums: &mut [u64], counts: &[u32]| {
            sums.iter_mut()
                .zip(counts)
                .for_each(|(sum, count)| *sum += u64::from(*count) * (time - self.since));
        };
        add(&mut self.riders, &census.riders);
        add(&mut self.drivers, &census.drivers);
        self.since = time;
    }

    fn finish(&mut self, end: Time, census: Census) {
        self.advance(end, census);
    }
}

#[test]
fn littles_law_is_exact_in_every_state() {
    let differences = little();
    assert!(differences.iter().all(|(_, difference)| *difference == 0.0), "{differences:?}");
}

#[test]
#[ignore = "make validate"]
fn validate_05_little() {
    let mut lines = Lines::of(5);
    let differences = little();
    let runs = differences.len() / STATES.len();
    for state in STATES {
        let of = differences.iter().filter(|(known, _)| *known == state);
        let worst = of.map(|(_, difference)| *difference).fold(0.0, f64::max);
        let what = format!("Little's law, {state}, worst |L - lambda W| / L");
        lines.row(&what, worst, "0, < 0.01", None, runs, Verdict::of(worst == 0.0));
    }
    lines.end();
}

const STATES: [&str; 9] = [
    "riders browsing",
    "riders seeking or offered",
    "riders matched",
    "riders in transit",
    "drivers en route",
    "drivers on trips",
    "drivers off duty",
    "drivers idle or evaluating",
    "drivers evaluating (against riders offered: bookkeeping only)",
];

/// By state, |L - lambda W| / L of each run.
fn little() -> Vec<(&'static str, f64)> {
    let mut differences = vec![];
    let mut met = [false; STATES.len()];
    for settings in varied().into_iter().filter(|settings| settings.warmup == 0) {
        let (mut arena, mut stocks): (Arena<Map>, _) = (Arena::default(), Stocks::default());
        simulate(&settings, map(), &Streams::new(42, 2), &mut arena, Some(&mut stocks)).unwrap();
        let sides = counted(&stocks).into_iter().zip(spells(&settings, &arena, &stocks));
        for (place, (stock, spells)) in sides.enumerate() {
            met[place] |= stock > 0;
            differences.push((STATES[place], stock.abs_diff(spells) as f64 / stock.max(1) as f64));
        }
    }
    assert_eq!(met, [true; STATES.len()]);
    differences
}

/// By state, entity-milliseconds by counting.
fn counted(stocks: &Stocks) -> [u64; STATES.len()] {
    use DriverState::{EnRoute, Evaluating, Idle, OffDuty, OnTrip};
    use RiderState::{Browsing, InTransit, Matched, Offered, Seeking};
    let rider = |state: RiderState| stocks.riders[state as usize];
    let driver = |state: DriverState| stocks.drivers[state as usize];
    [
        rider(Browsing),
        rider(Seeking) + rider(Offered),
        rider(Matched),
        rider(InTransit),
        driver(EnRoute),
        driver(OnTrip),
        driver(OffDuty),
        driver(Idle) + driver(Evaluating),
        driver(Evaluating),
    ]
}

/// The same as the sum of all spells.
fn spells(settings: &Settings, arena: &Arena<Map>, stocks: &Stocks) -> [u64; STATES.len()] {
    let [browsing, unmatched, en_route, on_trip] = journeys(settings, arena);
    let [on_duty, off_duty] = shifts(settings, arena);
    let free = on_duty - en_route - on_trip;
    let offered = stocks.riders[RiderState::Offered as usize];
    [browsing, unmatched, en_route, on_trip, en_route, on_trip, off_duty, free, offered]
}

/// From riders' journeys: time spent browsing, waiting for a driver, waiting for the pickup, and on the trip.
fn journeys(settings: &Settings, arena: &Arena<Map>) -> [u64; 4] {
    let mut sums = [0; 4];
    let spell = |from: Time, to: Time| to.min(settings.end).saturating_sub(from.min(settings.end));
    for (at, state) in arena.riders.states.iter().enumerate() {
        let (request, journey) = (&arena.riders.requests[at], &arena.riders.journeys[at]);
        // A quote and its answer take a second each; another quote comes after the delay.
        let answer =
            |number: u32| request.requested_at + 2_000 + u64::from(number) * (settings.requote_delay + 1_000);
        let decided = match state {
            RiderState::Abandoned => answer(request.rejections - 1),
            RiderState::Browsing => NOT_YET,
            _ => answer(request.rejections),
        };
        sums[0] += spell(request.requested_at, decided);
        if *state == RiderState::Abandoned {
            continue;
        }
        let cancelled = if *state == RiderState::Cancelled { journey.cancel_at } else { NOT_YET };
        sums[1] += spell(decided, journey.matched_at.min(cancelled));
        sums[2] += spell(journey.matched_at, journey.pickup_at.min(cancelled));
        sums[3] += spell(journey.pickup_at, journey.dropoff_at.saturating_add(1_000));
    }
    sums
}

/// Time on duty and off duty: a shift ends with the trip that reaches the earnings target. No run is long
/// enough for fatigue.
fn shifts(settings: &Settings, arena: &Arena<Map>) -> [u64; 2] {
    let mut earned = vec![0.0; arena.drivers.shifts.len()];
    let mut ends = vec![settings.end; arena.drivers.shifts.len()];
    // In order of acceptance, which is also the order of each driver's trips.
    for at in arena.trips.iter().map(|rider| *rider as usize) {
        let (fare, journey) = (arena.riders.requests[at].fare, &arena.riders.journeys[at]);
        let driver = journey.driver as usize;
        if arena.riders.states[at] == RiderState::Completed {
            earned[driver] += fare - fare * settings.commission;
            if earned[driver] >= arena.drivers.shifts[driver].target {
                ends[driver] = journey.dropoff_at + 1_000;
            }
        }
    }
    let mut sums = [0; 2];
    for (shift, end) in arena.drivers.shifts.iter().zip(ends) {
        assert!(shift.since + shift.fatigue > settings.end);
        sums[0] += end - shift.since;
        sums[1] += settings.end - end;
    }
    sums
}
