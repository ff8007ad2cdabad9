//! Little's law, state by state: the mean number in a state is the rate of entering it times the mean time in it. With
//! the spells that the run's end cuts off it holds exactly, so both sides are whole numbers of ms, and equal.
//!
//! L comes from counting who is in each state between any two events; lambda W from what each rider and each driver
//! did.

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
    let differences = little();
    for state in [
        "riders browsing",
        "riders waiting",
        "riders in transit",
        "drivers idle",
        "drivers evaluating",
        "drivers en route",
        "drivers on trips",
    ] {
        let of = differences.iter().filter(|(known, _)| *known == state);
        let worst = of.clone().map(|(_, difference)| *difference).fold(0.0, f64::max);
        let what = format!("Little's law, {state}, worst |L - lambda W| / L");
        tell(5, &what, worst, "0, < 0.01", None, of.count(), worst == 0.0);
    }
}

/// By state, |L - lambda W| / L of each run.
fn little() -> Vec<(&'static str, f64)> {
    let mut differences = vec![];
    for settings in varied().into_iter().filter(|settings| settings.warmup == 0) {
        let (mut arena, mut stocks): (Arena<Map>, _) = (Arena::default(), Stocks::default());
        simulate(&settings, map(), &Streams::new(42, 2), &mut arena, Some(&mut stocks)).unwrap();
        for (state, stock, spells) in states(&settings, &arena, &stocks) {
            assert!(stock > 0, "{state}");
            differences.push((state, stock.abs_diff(spells) as f64 / stock as f64));
        }
    }
    differences
}

/// By state, entity-milliseconds by counting, and as the sum of everybody's spells.
fn states(settings: &Settings, arena: &Arena<Map>, stocks: &Stocks) -> [(&'static str, u64, u64); 7] {
    use RiderState::{Browsing, InTransit, Matched, Offered, Seeking};
    let rider =
        |states: &[RiderState]| states.iter().map(|state| stocks.riders[*state as usize]).sum::<u64>();
    let driver = |state: DriverState| stocks.drivers[state as usize];
    let shift = |state| u64::try_from(arena.drivers.stocks.time_in(state, settings.end)).unwrap();
    let [browsing, waiting, in_transit, en_route, on_trip] = spells(settings, arena);
    [
        ("riders browsing", rider(&[Browsing]), browsing),
        ("riders waiting", rider(&[Seeking, Offered, Matched]), waiting),
        ("riders in transit", rider(&[InTransit]), in_transit),
        ("drivers idle", driver(DriverState::Idle), shift(DriverState::Idle)),
        ("drivers evaluating", driver(DriverState::Evaluating), shift(DriverState::Evaluating)),
        ("drivers en route", driver(DriverState::EnRoute), en_route),
        ("drivers on trips", driver(DriverState::OnTrip), on_trip),
    ]
}

/// What riders' journeys say: time spent browsing, waiting, in transit, being driven to, and being driven.
fn spells(settings: &Settings, arena: &Arena<Map>) -> [u64; 5] {
    let mut sums = [0; 5];
    let spell = |from: Time, to: Time| to.min(settings.end).saturating_sub(from.min(settings.end));
    for (at, state) in arena.riders.states.iter().enumerate() {
        let (request, journey) = (&arena.riders.requests[at], &arena.riders.journeys[at]);
        // A quote and its answer take a second each; a quote anew comes after the delay.
        let answer =
            |number: u32| request.requested_at + 2_000 + u64::from(number) * (settings.requote_delay + 1_000);
        let decided = match state {
            RiderState::Abandoned => answer(request.rejections - 1),
            RiderState::Browsing => NOT_YET,
            _ => answer(request.rejections),
        };
        sums[0] += spell(request.requested_at, decided);
        let cancelled = *state == RiderState::Cancelled;
        let picked_up = if cancelled { journey.cancel_at } else { journey.pickup_at };
        if *state != RiderState::Abandoned {
            sums[1] += spell(decided, picked_up);
        }
        let completed = journey.dropoff_at.saturating_add(1_000);
        sums[2] += if cancelled { 0 } else { spell(journey.pickup_at, completed) };
        sums[3] += spell(journey.matched_at, picked_up);
        sums[4] += spell(journey.pickup_at, completed);
    }
    sums
}
