//! The model as a whole. Seeds are fixed; tolerances are standard errors.

mod inputs;
mod invariants;
mod semantics;
mod statistical;
mod theory;
mod validate;

use std::sync::OnceLock;

use sweep_runtime::Streams;

use super::calendar;
use super::city::{Arena, simulate};
use super::map::Map;
use super::report::{Report, Times};
use super::settings::{Acceptance, Algorithm, Arriving, Bounds, Choice, SHIFTS, Settings, Surge};

const HOUR: u64 = 3_600_000;

/// The default box.
fn map() -> &'static Map {
    static MAP: OnceLock<Map> = OnceLock::new();
    MAP.get_or_init(|| Map::new(Bounds { lat: [52.34, 52.68], lng: [13.08, 13.76] }).unwrap())
}

/// A busy morning: up to 400 riders and 150 drivers, most of whom arrive.
fn settings() -> Settings {
    Settings {
        riders: Arriving { cap: 400, initial: 0, window: HOUR, week: &calendar::RIDERS, divisor: 1.3 },
        drivers: Arriving { cap: 150, initial: 0, window: HOUR, week: &calendar::DRIVERS, divisor: 1.2 },
        epoch: 8 * HOUR,
        end: 3 * HOUR,
        warmup: 0,
        bounds: map().bounds(),
        trip_cells: [5, 60],
        most_rejections: 3,
        requote_delay: 10_000,
        choice: Choice::Threshold { fare: 100.0, eta: 600_000.0, probability: 0.8 },
        patience: [120_000, 2_400_000],
        base_fare: 2.5,
        per_km: 1.5,
        commission: 0.2,
        surge: None,
        radius: 15,
        algorithm: Algorithm::Hungarian,
        batch: Some(5_000),
        acceptance: Acceptance {
            base: 1.0,
            fare: 0.1,
            pickup_km: -2.0,
            trip_km: 0.5,
            earnings: -0.5,
            fatigue: -1.0,
        },
        shifts: SHIFTS,
        berlin_traffic: false,
        congestion: false,
        speeds: [20.0, 60.0],
        most_events: u64::MAX,
    }
}

/// Settings that together use every branch of the simulation.
fn varied() -> Vec<Settings> {
    let mut all = vec![];
    for (place, algorithm) in
        [Algorithm::Simple, Algorithm::CostBased, Algorithm::Hungarian].into_iter().enumerate()
    {
        for batch in [None, Some(1_000), Some(60_000)] {
            for (congestion, berlin_traffic) in [(false, false), (true, true)] {
                let mut settings = Settings { algorithm, batch, berlin_traffic, congestion, ..settings() };
                settings.riders.initial = 40 * u32::try_from(place).unwrap();
                settings.drivers.initial = settings.riders.initial;
                settings.surge = batch.map(|_| Surge { radius: 5, most: 3.0 });
                settings.patience[0] = if place == 0 { 0 } else { 120_000 };
                settings.warmup = if congestion { HOUR / 6 } else { 0 };
                if place == 2 {
                    settings.choice = Choice::Logit { intercept: 4.0, fare: -0.1, eta: -0.2 / 60_000.0 };
                }
                all.push(settings);
            }
        }
    }
    all
}

fn run(settings: &Settings, replicate: u32, arena: &mut Arena<Map>) -> Report {
    let events = simulate(settings, map(), &Streams::new(42, replicate), arena, None).unwrap();
    Report::of(settings, arena, events, &mut Times::default())
}

fn report(settings: &Settings, replicate: u32) -> Report {
    run(settings, replicate, &mut Arena::default())
}
