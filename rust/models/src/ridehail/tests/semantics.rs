//! The contract for single riders and drivers, to the ms.

use crate::ridehail::entities::{DriverState, Journey, RiderState};
use crate::ridehail::purposes;
use crate::ridehail::space::Space as _;

use super::*;

const INDIFFERENT: Acceptance =
    Acceptance { base: 0.0, fare: 0.0, pickup_km: 0.0, trip_km: 0.0, earnings: 0.0, fatigue: 0.0 };
/// A logit with weights this large is a hard limit.
const SHARP: f64 = 1e6;

/// One rider from time 0 on, and one driver who arrives later or is on duty from the start. Both are willing
/// and within reach; no passes.
fn couple(driver_is_there: bool) -> Settings {
    let mut settings = Settings {
        choice: Choice::Threshold { fare: f64::INFINITY, eta: f64::INFINITY, probability: 1.0 },
        acceptance: Acceptance { base: SHARP, ..INDIFFERENT },
        patience: [10 * HOUR, 10 * HOUR],
        radius: 10_000,
        batch: None,
        ..settings()
    };
    settings.riders = Arriving { cap: 1, initial: 1, ..settings.riders };
    settings.drivers = Arriving { cap: 1, initial: u32::from(driver_is_there), ..settings.drivers };
    settings
}

/// The rider's journey and the driver's arrival in some replicates.
fn couples(settings: &Settings) -> Vec<(Journey, u64)> {
    let mut arena = Arena::default();
    let mut all = vec![];
    for replicate in 0..20 {
        run(settings, replicate, &mut arena);
        if let Some(shift) = arena.drivers.shifts.first() {
            all.push((arena.riders.journeys[0], shift.since));
        }
    }
    assert!(all.len() > 10);
    all
}

#[test]
fn a_driver_is_looked_for_a_second_after_acceptance_and_every_30_s() {
    // Quote at 1 s, acceptance at 2 s, searches from 3 s on, and the driver answers after two more.
    for (journey, _) in couples(&couple(true)) {
        assert_eq!(journey.matched_at, 5_000);
    }
    for (journey, since) in couples(&couple(false)) {
        let search = (3_000..).step_by(30_000).find(|search| *search > since).unwrap();
        assert_eq!(journey.matched_at, search + 2_000);
    }
}

#[test]
fn passes_are_made_at_multiples_of_their_interval() {
    let passes = |there| Settings { batch: Some(7_000), ..couple(there) };
    for (journey, _) in couples(&passes(true)) {
        assert_eq!(journey.matched_at, 9_000);
    }
    for (journey, since) in couples(&passes(false)) {
        let pass = (7_000..).step_by(7_000).find(|pass| *pass > since).unwrap();
        assert_eq!(journey.matched_at, pass + 2_000);
    }
}

#[test]
fn an_eta_is_km_at_40_an_hour_and_five_minutes_without_drivers() {
    let mut arena: Arena<Map> = Arena::default();
    run(&couple(true), 0, &mut arena);
    let (request, journey) = (arena.riders.requests[0], arena.riders.journeys[0]);
    assert!((request.eta - journey.pickup_km / 40.0 * HOUR as f64).abs() < 1e-6);
    let mut without_driver = couple(false);
    without_driver.drivers.cap = 0;
    run(&without_driver, 0, &mut arena);
    assert_eq!(arena.riders.requests[0].eta.to_bits(), 300_000.0_f64.to_bits());
}

/// Runs a busy morning whose drivers accept by a limit; some offers are refused, and some accepted.
fn morning(acceptance: Acceptance) -> Arena<Map> {
    let mut arena = Arena::default();
    run(&Settings { acceptance, patience: [HOUR, HOUR], ..settings() }, 0, &mut arena);
    let offers: u32 = arena.drivers.tasks.iter().map(|task| task.offers).sum();
    assert!(arena.trips.len() > 20 && offers as usize > arena.trips.len() + 20, "{acceptance:?}");
    arena
}

#[test]
fn drivers_weigh_the_fare_and_both_distances() {
    let limit = |limit: f64| Acceptance { base: SHARP * limit, ..INDIFFERENT };
    let near = morning(Acceptance { pickup_km: -SHARP, ..limit(2.0) });
    assert!(near.trips.iter().all(|rider| near.riders.journeys[*rider as usize].pickup_km < 2.0));
    let far = morning(Acceptance { trip_km: SHARP, ..limit(-10.0) });
    assert!(far.trips.iter().all(|rider| far.riders.requests[*rider as usize].km > 10.0));
    let dear = morning(Acceptance { fare: SHARP, ..limit(-20.0) });
    assert!(dear.trips.iter().all(|rider| dear.riders.requests[*rider as usize].fare > 20.0));
}

#[test]
fn drivers_are_put_off_by_what_they_earned_and_by_their_hours() {
    let tired = morning(Acceptance { base: SHARP * 0.03, fatigue: -SHARP, ..INDIFFERENT });
    for journey in tired.trips.iter().map(|rider| tired.riders.journeys[*rider as usize]) {
        let shift = &tired.drivers.shifts[journey.driver as usize];
        assert!(journey.matched_at - shift.since < shift.fatigue * 3 / 100 + 1);
    }
    let rich = morning(Acceptance { base: SHARP * 0.1, earnings: -SHARP, ..INDIFFERENT });
    let mut earned = vec![0.0; rich.drivers.shifts.len()];
    for at in rich.trips.iter().map(|rider| *rider as usize) {
        let driver = rich.riders.journeys[at].driver as usize;
        assert!(earned[driver] < rich.drivers.shifts[driver].target * 0.1 + 1e-9);
        if rich.riders.states[at] == RiderState::Completed {
            earned[driver] += rich.riders.requests[at].fare * 0.8;
        }
    }
    assert!(earned.iter().any(|earned| *earned > 10.0));
}

#[test]
fn a_shift_ends_at_a_check_every_five_minutes() {
    let mut settings = couple(true);
    (settings.riders.cap, settings.riders.initial, settings.end) = (0, 0, 13 * HOUR);
    let mut arena: Arena<Map> = Arena::default();
    for replicate in 0..10 {
        run(&settings, replicate, &mut arena);
        let fatigue = arena.drivers.shifts[0].fatigue;
        let worked = arena.drivers.stocks.time_in(DriverState::Idle, settings.end);
        assert_eq!(worked, i128::from(fatigue.div_ceil(300_000) * 300_000));
    }
}

#[test]
fn a_driver_whose_rider_cancels_is_free_in_the_last_cell_reached() {
    // So fast that each hop takes the least time, a second: cells are entered at whole seconds from 5 s on,
    // the last one in the same ms as the cancellation, which then comes first.
    let mut cancelled = 0;
    for (congestion, patience) in [false, true].into_iter().flat_map(|way| (4..90).map(move |s| (way, s))) {
        let settings =
            Settings { congestion, patience: [patience * 1_000; 2], speeds: [1e6; 2], ..couple(true) };
        let mut arena: Arena<Map> = Arena::default();
        run(&settings, 1, &mut arena);
        let start = map().arrival(&mut Streams::new(42, 1).stream(purposes::DRIVER_PLACES, 0));
        let pickup = arena.riders.requests[0].pickup;
        let hops = start.distance(pickup);
        if arena.riders.states[0] != RiderState::Cancelled {
            assert!(patience > u64::from(hops) + 4);
            continue;
        }
        cancelled += 1;
        let entered = hops.min(u32::try_from(patience).unwrap() - 4);
        let place = arena.drivers.tasks[0].place;
        assert_eq!(
            (start.distance(place), place.distance(pickup)),
            (entered, hops - entered),
            "{settings:?}"
        );
    }
    assert!(cancelled > 20, "{cancelled}");
}

#[test]
fn a_point_of_too_many_events_fails() {
    let events = report(&settings(), 0).events;
    let run = |most_events| {
        let settings = Settings { most_events, ..settings() };
        simulate(&settings, map(), &Streams::new(42, 0), &mut Arena::default(), None)
    };
    assert_eq!(run(events).unwrap(), events);
    assert_eq!(run(events - 1).unwrap_err().code(), "too_many_events");
    let error = run(100).unwrap_err();
    let message = error.message();
    assert!(
        message.contains("more than the 100 events") && message.contains("max_quote_rejections"),
        "{message}"
    );
    // It stops before its end.
    let time: u64 = message.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(time < HOUR, "{message}");
}
