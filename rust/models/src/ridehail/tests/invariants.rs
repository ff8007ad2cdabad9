//! Properties of every point.

use crate::ridehail::entities::{DriverState, NOT_YET, RiderState};

use super::*;

#[test]
fn riders_and_money_are_conserved() {
    for settings in varied() {
        let mut arena = Arena::default();
        let report = run(&settings, 3, &mut arena);
        assert!(
            report.spawned_riders > 0 && report.riders[RiderState::Completed as usize] > 0,
            "{settings:?}"
        );
        assert_eq!(report.spawned_riders, report.total() + report.in_system());
        assert_eq!(report.refusals.iter().sum::<i64>(), report.riders[RiderState::Abandoned as usize]);
        assert!((report.fares - report.revenue - report.payouts).abs() <= 1e-9 * report.fares);
        assert!(report.revenue > 0.0 && (report.revenue / report.fares - 0.2).abs() < 1e-9);
        if settings.warmup == 0 {
            let earned: f64 = arena.drivers.shifts.iter().map(|shift| shift.earned).sum();
            assert!((earned - report.payouts).abs() <= 1e-9 * report.payouts);
            assert_eq!(report.matched, i64::try_from(arena.trips.len()).unwrap());
        }
    }
}

#[test]
fn every_journey_is_in_order_and_no_driver_has_two_at_once() {
    for settings in varied() {
        let mut arena = Arena::default();
        run(&settings, 1, &mut arena);
        let mut busy: Vec<(u32, u64, u64)> = vec![];
        for (at, journey) in arena.riders.journeys.iter().enumerate() {
            let (state, request) = (arena.riders.states[at], arena.riders.requests[at]);
            if journey.matched_at == NOT_YET {
                continue;
            }
            assert!(request.requested_at < journey.matched_at && journey.matched_at <= journey.cancel_at);
            let end = match state {
                RiderState::Cancelled => journey.cancel_at,
                RiderState::Completed => {
                    assert!(journey.matched_at < journey.pickup_at && journey.pickup_at < journey.cancel_at);
                    // At least a second per hop, and a second at each stop.
                    let hops = u64::from(request.pickup.distance(request.dropoff));
                    assert!(journey.dropoff_at >= journey.pickup_at + hops * 1000);
                    journey.dropoff_at + 1000
                }
                _ => settings.end,
            };
            // A driver has this rider's offer from two seconds before the acceptance.
            busy.push((journey.driver, journey.matched_at - 2000, end));
        }
        busy.sort_unstable();
        assert!(busy.len() > 50);
        for pair in busy.windows(2) {
            assert!(pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1, "{pair:?}");
        }
    }
}

#[test]
fn a_point_does_not_depend_on_the_one_before() {
    let mut used = Arena::default();
    for (replicate, settings) in varied().into_iter().enumerate() {
        let replicate = u32::try_from(replicate % 3).unwrap();
        assert_eq!(run(&settings, replicate, &mut used), report(&settings, replicate), "{settings:?}");
    }
}

#[test]
fn drivers_states_fill_their_time() {
    for settings in varied() {
        let mut arena = Arena::default();
        run(&settings, 0, &mut arena);
        let states = [
            DriverState::Idle,
            DriverState::Evaluating,
            DriverState::EnRoute,
            DriverState::OnTrip,
            DriverState::OffDuty,
        ];
        let counted: i128 =
            states.iter().map(|state| arena.drivers.stocks.time_in(*state, settings.end)).sum();
        let from = |since: u64| i128::from(settings.end - since.max(settings.warmup));
        assert_eq!(counted, arena.drivers.shifts.iter().map(|shift| from(shift.since)).sum());
        assert!(states.iter().all(|state| arena.drivers.stocks.time_in(*state, settings.end) >= 0));
    }
}

#[test]
fn points_share_their_random_numbers() {
    // Riders of a replicate have the same wishes for all parameters; riders of another replicate have others.
    let wishes = |settings: &Settings, replicate| {
        let mut arena: Arena<Map> = Arena::default();
        run(settings, replicate, &mut arena);
        arena
            .riders
            .requests
            .iter()
            .map(|ask| (ask.pickup, ask.dropoff, ask.requested_at))
            .collect::<Vec<_>>()
    };
    let few = wishes(&settings(), 0);
    let mut more = settings();
    more.drivers.cap = 900;
    more.surge = Some(Surge { radius: 1, most: 2.0 });
    assert_eq!(wishes(&more, 0), few);
    assert_ne!(wishes(&settings(), 1)[..10], few[..10]);
}

#[test]
fn congestion_in_empty_streets_changes_nothing() {
    // With one driver no cell is ever crowded: legs as hops take exactly the time of legs as single events,
    // and end in the same cells. With hops of one second, and riders matched one by one, riders with little
    // patience cancel in the same ms as a hop.
    let (patient, impatient) = ([10 * HOUR, 10 * HOUR], [5_000, 60_000]);
    for (patience, speeds, batch) in [(patient, [20.0, 60.0], Some(5_000)), (impatient, [1e6, 1e6], None)] {
        for berlin_traffic in [false, true] {
            let mut settings = Settings { berlin_traffic, radius: 200, end: 12 * HOUR, ..settings() };
            settings.drivers = Arriving { cap: 1, initial: 1, window: HOUR, ..settings.drivers };
            settings.acceptance.base = 1_000.0;
            // Without an earnings target, the driver has more trips to compare.
            settings.shifts.targets = [1e9; 2];
            (settings.patience, settings.speeds, settings.batch) = (patience, speeds, batch);
            let congested = Settings { congestion: true, ..settings.clone() };
            let (mut one, mut many) = (Arena::default(), Arena::default());
            for replicate in 0..5 {
                let reports = [run(&settings, replicate, &mut one), run(&congested, replicate, &mut many)];
                assert!(reports[1].riders[RiderState::Completed as usize] > 1);
                assert!(reports[1].events > reports[0].events);
                assert_eq!(Report { events: reports[0].events, ..reports[1] }, reports[0]);
                let pickups = |arena: &Arena<Map>| {
                    let km = arena.trips.iter().map(|rider| arena.riders.journeys[*rider as usize].pickup_km);
                    km.map(f64::to_bits).collect::<Vec<_>>()
                };
                assert_eq!(pickups(&one), pickups(&many));
            }
        }
    }
}

#[test]
fn warmup_counts_the_same_riders_without_the_first() {
    let whole = settings();
    let late = Settings { warmup: HOUR / 4, ..settings() };
    let mut arena = Arena::default();
    let (all, rest) = (run(&whole, 0, &mut Arena::default()), run(&late, 0, &mut arena));
    let first = arena.riders.requests.iter().filter(|request| request.requested_at < HOUR / 4).count();
    assert!(first > 50 && all.events == rest.events);
    assert_eq!(all.spawned_riders - rest.spawned_riders, i64::try_from(first).unwrap());
    assert_eq!(all.spawned_drivers, rest.spawned_drivers);
    assert!(rest.idle > 0.0 && rest.utilisation > Some(0.0));
}
