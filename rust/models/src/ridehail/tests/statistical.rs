//! Many simulated riders and drivers, compared with theory or with plain counting.

use crate::ridehail::entities::{DriverState, NOT_YET, Refusal, RiderState};

use super::validate::{correlation, gaps_and_latitudes};
use super::*;

/// Expected arrivals from a given hour of the first week on, without a cap: the integral of the rate.
pub(super) fn expected(cap: f64, week: &calendar::Week, divisor: f64, first: u64, hours: u64) -> f64 {
    (first..first + hours).map(|hour| calendar::busyness(week, hour * HOUR)).sum::<f64>() * cap
        / hours as f64
        / divisor
}

#[test]
fn arrivals_are_the_integral_of_their_rate() {
    // 11 to 13 h on a Friday, 0.5 and then 0.4 for riders: so few that no cap is reached.
    let mut settings = settings();
    settings.epoch = 35 * HOUR;
    settings.riders = Arriving { cap: 2_000, initial: 0, window: 2 * HOUR, ..settings.riders };
    settings.drivers = Arriving { cap: 300, initial: 0, window: HOUR, ..settings.drivers };
    let replicates = 40;
    let (mut early, mut late, mut drivers) = (0.0, 0.0, 0.0);
    for replicate in 0..replicates {
        let mut arena = Arena::default();
        run(&settings, replicate, &mut arena);
        for request in &arena.riders.requests {
            *(if request.requested_at < HOUR { &mut early } else { &mut late }) += 1.0;
        }
        drivers += f64::from(arena.drivers.count());
    }
    let close = |count: f64, mean: f64| {
        let mean = mean * f64::from(replicates);
        assert!((count - mean).abs() < 3.5 * mean.sqrt(), "{count} {mean}");
    };
    close(early, expected(1_000.0, &calendar::RIDERS, 1.3, 35, 1));
    close(late, 1_000.0 * 0.4 / 1.3);
    close(drivers, expected(300.0, &calendar::DRIVERS, 1.2, 35, 1));
}

#[test]
fn the_default_hour_brings_a_third_of_riders_and_half_of_drivers() {
    let mut settings = settings();
    settings.epoch = 0;
    let shares = (0..50).fold([0.0; 2], |[riders, drivers], replicate| {
        let report = report(&settings, replicate);
        [
            riders + report.spawned_riders as f64 / 400.0 / 50.0,
            drivers + report.spawned_drivers as f64 / 150.0 / 50.0,
        ]
    });
    assert!((shares[0] - 0.4 / 1.3).abs() < 0.015 && (shares[1] - 0.5).abs() < 0.03, "{shares:?}");
}

#[test]
fn gaps_know_nothing_of_places() {
    let mut settings = settings();
    settings.riders.cap = 20_000;
    let mut arena: Arena<Map> = Arena::default();
    run(&settings, 0, &mut arena);
    let (gaps, latitudes) = gaps_and_latitudes(&arena);
    assert!(correlation(&gaps, &latitudes).abs() < 3.0 / (gaps.len() as f64).sqrt());
}

#[test]
fn every_quote_is_accepted_with_the_given_probability() {
    // Also after a refusal: with one number for all quotes of a rider, acceptance would be 0.65 to 0.75.
    let mut settings = settings();
    settings.choice = Choice::Threshold { fare: 1e9, eta: 1e9, probability: 0.6 };
    settings.riders.cap = 20_000;
    settings.drivers.cap = 0;
    settings.most_rejections = 4;
    let mut arena: Arena<Map> = Arena::default();
    let report = run(&settings, 0, &mut arena);
    let refused: Vec<u32> = arena.riders.requests.iter().map(|request| request.rejections).collect();
    for number in 0..=4 {
        let quoted = refused.iter().filter(|count| **count >= number).count() as f64;
        let accepted = refused.iter().filter(|count| **count == number).count() as f64;
        assert!(
            (accepted / quoted - 0.6).abs() < 3.5 * (0.24 / quoted).sqrt(),
            "quote {number}: {accepted} of {quoted}"
        );
    }
    let (spawned, abandoned) =
        (report.spawned_riders as f64, report.riders[RiderState::Abandoned as usize] as f64);
    let expected = 0.4 * 0.4 * 0.4 * 0.4 * 0.4;
    assert!(
        (abandoned / spawned - expected).abs() < 3.5 * (expected / spawned).sqrt(),
        "{abandoned} of {spawned}"
    );
    assert_eq!(report.refusals[Refusal::Chance as usize], report.riders[RiderState::Abandoned as usize]);
}

#[test]
fn refusals_are_counted_by_limit() {
    let dear =
        Settings { choice: Choice::Threshold { fare: 10.0, eta: 600_000.0, probability: 1.0 }, ..settings() };
    let far =
        Settings { choice: Choice::Threshold { fare: 1e9, eta: 60_000.0, probability: 1.0 }, ..settings() };
    let [price, eta, chance] = report(&dear, 0).refusals;
    assert!(price > 100 && eta < price && chance == 0);
    let [price, eta, chance] = report(&far, 0).refusals;
    assert!(price == 0 && eta > 20 && chance == 0);
}

#[test]
fn surge_acts_on_riders_who_choose_by_price() {
    let mut settings = settings();
    settings.choice = Choice::Logit { intercept: 4.0, fare: -0.15, eta: 0.0 };
    settings.drivers.cap = 60;
    let surging = Settings { surge: Some(Surge { radius: 20, most: 3.0 }), ..settings.clone() };
    let abandoned = |settings: &Settings| {
        (0..5)
            .map(|replicate| report(settings, replicate).riders[RiderState::Abandoned as usize])
            .sum::<i64>()
    };
    assert!(abandoned(&surging) > 2 * abandoned(&settings));
}

#[test]
fn fares_stay_within_the_surge() {
    let mut settings = settings();
    settings.surge = Some(Surge { radius: 3, most: 2.5 });
    let mut arena: Arena<Map> = Arena::default();
    run(&settings, 0, &mut arena);
    let multipliers: Vec<f64> = arena
        .riders
        .requests
        .iter()
        .filter(|ask| ask.fare > 0.0)
        .map(|ask| ask.fare / (2.5 + 1.5 * ask.km))
        .collect();
    assert!(multipliers.iter().all(|surge| (1.0 - 1e-12..=2.5 + 1e-12).contains(surge)));
    for bound in [1.0, 2.5] {
        assert!(multipliers.iter().any(|surge| (surge - bound).abs() < 1e-12), "{bound}");
    }
}

#[test]
fn drivers_accept_by_their_logit() {
    let mut settings = settings();
    settings.acceptance =
        Acceptance { base: 0.5, fare: 0.0, pickup_km: 0.0, trip_km: 0.0, earnings: 0.0, fatigue: 0.0 };
    settings.patience = [2_400_000, 2_400_000];
    let (mut offers, mut trips) = (0.0, 0.0);
    for replicate in 0..20 {
        let mut arena: Arena<Map> = Arena::default();
        run(&settings, replicate, &mut arena);
        offers += arena.drivers.tasks.iter().map(|task| f64::from(task.offers)).sum::<f64>();
        trips += arena.trips.len() as f64;
    }
    let probability = 1.0 / (1.0 + libm::exp(-0.5));
    let error = (probability * (1.0 - probability) / offers).sqrt();
    assert!((trips / offers - probability).abs() < 3.5 * error, "{trips} of {offers}");
}

#[test]
fn patience_has_the_declared_mean() {
    let mut settings = settings();
    settings.riders.cap = 5_000;
    settings.drivers.cap = 0;
    let mut arena: Arena<Map> = Arena::default();
    let report = run(&settings, 0, &mut arena);
    let waits: Vec<u64> = (0..arena.riders.states.len())
        .filter(|at| arena.riders.states[*at] == RiderState::Cancelled)
        .map(|at| arena.riders.journeys[at].cancel_at - arena.riders.requests[at].requested_at)
        .filter(|wait| *wait < 2_403_000)
        .collect();
    let count = waits.len() as f64;
    let mean = waits.iter().sum::<u64>() as f64 / count / 1000.0;
    // A request, a quote after one second, acceptance after another; patience is uniform on 120..=2400 s.
    // (The filter cuts off a few of those who asked again.)
    assert!(report.riders[RiderState::Completed as usize] == 0 && count > 3_000.0);
    assert!((mean - 1262.0).abs() < 3.5 * 658.0 / count.sqrt() + 5.0, "{mean}");
}

#[test]
fn tired_drivers_leave_when_they_are_free_and_rich_ones_after_a_trip() {
    let mut settings = settings();
    settings.riders.cap = 10;
    settings.drivers = Arriving { cap: 200, initial: 200, window: HOUR, ..settings.drivers };
    settings.end = 13 * HOUR;
    let mut arena: Arena<Map> = Arena::default();
    let report = run(&settings, 0, &mut arena);
    assert_eq!(report.on_duty, 0);
    // No one works: each leaves at the first check after a shift of U[8, 12] h, 2.5 minutes late on average.
    let idle = arena.drivers.stocks.time_in(DriverState::Idle, settings.end) as f64 / 200.0 / HOUR as f64;
    assert!((idle - 10.0 - 2.5 / 60.0).abs() < 3.5 * 1.155 / 200.0_f64.sqrt(), "{idle}");
    let mut rich = settings;
    rich.riders.cap = 2_000;
    rich.base_fare = 1_000.0;
    rich.choice = Choice::Threshold { fare: 1e9, eta: 1e9, probability: 1.0 };
    let report = self::report(&Settings { end: 4 * HOUR, ..rich }, 0);
    assert_eq!(report.spawned_drivers - report.on_duty, report.riders[RiderState::Completed as usize]);
}

#[test]
fn optimal_matching_drives_least() {
    // Mean pickup distance of accepted offers.
    let mean = |algorithm| {
        let settings = Settings { algorithm, batch: Some(60_000), ..settings() };
        let (mut km, mut trips) = (0.0, 0.0);
        for replicate in 0..10 {
            let mut arena: Arena<Map> = Arena::default();
            run(&settings, replicate, &mut arena);
            km +=
                arena.trips.iter().map(|rider| arena.riders.journeys[*rider as usize].pickup_km).sum::<f64>();
            trips += arena.trips.len() as f64;
        }
        km / trips
    };
    let [simple, cheapest, best] = [Algorithm::Simple, Algorithm::CostBased, Algorithm::Hungarian].map(mean);
    assert!(simple > cheapest && cheapest > 1.05 * best, "{simple} {cheapest} {best}");
}

#[test]
fn crowds_slow_all_drivers_down() {
    let mut settings = Settings { radius: 60, ..settings() };
    settings.drivers = Arriving { cap: 4_000, initial: 4_000, window: HOUR, ..settings.drivers };
    settings.bounds = Bounds { lat: [52.50, 52.52], lng: [13.38, 13.42] };
    settings.trip_cells = [3, 9];
    let map = Map::new(settings.bounds).unwrap();
    let pickup = |settings: &Settings| {
        let mut arena = Arena::default();
        let events = simulate(settings, &map, &Streams::new(1, 0), &mut arena, None).unwrap();
        let report = Report::of(settings, &arena, events, &mut Times::default());
        let journeys = arena.riders.journeys.iter().filter(|journey| journey.dropoff_at != NOT_YET);
        let (trips, time) = journeys.fold((0, 0), |(trips, time), journey| {
            (trips + 1, time + journey.dropoff_at - journey.pickup_at)
        });
        assert!(trips > 200, "{report:?}");
        time as f64 / f64::from(trips)
    };
    // Some 40 drivers a cell: speeds are 0.55 of free ones.
    let ratio = pickup(&Settings { congestion: true, ..settings.clone() }) / pickup(&settings);
    assert!((ratio - 1.0 / 0.55).abs() < 0.02, "{ratio}");
}
