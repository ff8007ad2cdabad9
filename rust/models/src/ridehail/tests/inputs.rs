//! Valid parameters, and the errors for invalid ones.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sweep_runtime::{
    Declaration, DomainError, Model, Output, Parameters, Streams, Trial, Value, ValueRef, trial,
};

use crate::ridehail::calendar;
use crate::ridehail::report::Report;
use crate::ridehail::settings::{Acceptance, Algorithm, Arriving, Bounds, Choice, SHIFTS, Settings, Surge};
use crate::ridehail::{Ridehail, declare};

type Given<'a> = &'a [(&'a str, ValueRef<'a>)];

fn point(given: Given) -> Result<BTreeMap<&'static str, Value>, DomainError> {
    trial(&Ridehail, given, 42, 0)
}

/// Reads settings as the model does, and keeps them.
#[derive(Default)]
struct Reader(Mutex<Option<Settings>>);

impl Model for Reader {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        declare::declaration()
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        _: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        *self.0.lock().unwrap() = Some(Settings::read(given)?);
        Report::default().write(output);
        Ok(())
    }
}

fn read(given: Given) -> Settings {
    let reader = Reader::default();
    Trial::new(&reader, given).run(42, 0).unwrap();
    reader.0.into_inner().unwrap().unwrap()
}

#[test]
fn speeds_are_ten_either_way_and_five_at_least() {
    let speeds = |base: ValueRef<'static>| read(&[("base_speed_kmh", base)]).speeds.map(f64::to_bits);
    let expected = [(ValueRef::Null, [20.0, 60.0]), (30.0.into(), [20.0, 40.0]), (8.0.into(), [5.0, 18.0])];
    for (base, bounds) in expected {
        assert_eq!(speeds(base), bounds.map(f64::to_bits), "{base:?}");
    }
}

/// Distinct values that differ from all defaults.
const GIVEN: [(&str, ValueRef<'static>); 40] = [
    ("num_riders", ValueRef::Int(11)),
    ("num_drivers", ValueRef::Int(12)),
    ("initial_rider_count", ValueRef::Int(3)),
    ("initial_driver_count", ValueRef::Int(4)),
    ("request_window_ms", ValueRef::Int(5_001)),
    ("driver_spread_ms", ValueRef::Int(6_001)),
    ("epoch_ms", ValueRef::Int(7_001)),
    ("simulation_duration_hours", ValueRef::Int(2)),
    ("warmup_ms", ValueRef::Int(8_001)),
    ("lat_min", ValueRef::Float(52.4)),
    ("lat_max", ValueRef::Float(52.5)),
    ("lng_min", ValueRef::Float(13.1)),
    ("lng_max", ValueRef::Float(13.2)),
    ("min_trip_cells", ValueRef::Int(6)),
    ("max_trip_cells", ValueRef::Int(16)),
    ("max_quote_rejections", ValueRef::Int(7)),
    ("re_quote_delay_secs", ValueRef::Int(17)),
    ("choice_model", ValueRef::Text("logit")),
    ("choice_intercept", ValueRef::Float(1.5)),
    ("choice_fare_coefficient", ValueRef::Float(-0.5)),
    ("choice_eta_coefficient", ValueRef::Float(-6.0)),
    ("cancel_min_wait_secs", ValueRef::Int(18)),
    ("cancel_max_wait_secs", ValueRef::Int(19)),
    ("base_fare", ValueRef::Float(3.5)),
    ("per_km_rate", ValueRef::Float(0.75)),
    ("commission_rate", ValueRef::Float(0.25)),
    ("surge_enabled", ValueRef::Bool(true)),
    ("surge_radius_k", ValueRef::Int(8)),
    ("surge_max_multiplier", ValueRef::Float(4.5)),
    ("match_radius", ValueRef::Int(9)),
    ("matching_algorithm_type", ValueRef::Text("simple")),
    ("batch_interval_secs", ValueRef::Int(21)),
    ("traffic_profile", ValueRef::Text("berlin")),
    ("dynamic_congestion_enabled", ValueRef::Bool(true)),
    ("base_acceptance_score", ValueRef::Float(1.25)),
    ("fare_weight", ValueRef::Float(2.25)),
    ("pickup_distance_penalty", ValueRef::Float(3.25)),
    ("trip_distance_bonus", ValueRef::Float(4.25)),
    ("earnings_progress_weight", ValueRef::Float(5.25)),
    ("fatigue_penalty", ValueRef::Float(6.25)),
];

#[test]
fn parameters_are_read_in_the_simulations_units() {
    let expected = Settings {
        riders: Arriving { cap: 11, initial: 3, window: 5_001, week: &calendar::RIDERS, divisor: 1.3 },
        drivers: Arriving { cap: 12, initial: 4, window: 6_001, week: &calendar::DRIVERS, divisor: 1.2 },
        epoch: 7_001,
        end: 7_200_000,
        warmup: 8_001,
        bounds: Bounds { lat: [52.4, 52.5], lng: [13.1, 13.2] },
        trip_cells: [6, 16],
        most_rejections: 7,
        requote_delay: 17_000,
        choice: Choice::Logit { intercept: 1.5, fare: -0.5, eta: -0.0001 },
        patience: [18_000, 19_000],
        base_fare: 3.5,
        per_km: 0.75,
        commission: 0.25,
        surge: Some(Surge { radius: 8, most: 4.5 }),
        radius: 9,
        algorithm: Algorithm::Simple,
        batch: Some(21_000),
        acceptance: Acceptance {
            base: 1.25,
            fare: 2.25,
            pickup_km: 3.25,
            trip_km: 4.25,
            earnings: 5.25,
            fatigue: 6.25,
        },
        shifts: SHIFTS,
        berlin_traffic: true,
        congestion: true,
        speeds: [20.0, 60.0],
        most_events: 1 << 32,
    };
    assert_eq!(read(&GIVEN), expected);
}

#[test]
fn the_defaults_run() {
    let metrics = point(&[]).unwrap();
    assert_eq!(metrics.len(), 29);
    for name in ["total_riders", "spawned_riders", "spawned_drivers", "events"] {
        assert!(matches!(metrics[name], Value::Int(count) if count > 0), "{name}");
    }
}

#[test]
fn nobody_is_a_defined_result() {
    let nobody = point(&[("num_riders", 0_i64.into()), ("num_drivers", 0_i64.into())]).unwrap();
    for (name, value) in &nobody {
        let expected = match value {
            Value::Float(_) => Value::Float(0.0),
            Value::Int(_) => Value::Int(0),
            other => other.clone(),
        };
        assert_eq!(*value, expected, "{name}");
    }
    assert_eq!(nobody["avg_time_to_match_ms"], Value::Null);
    assert_eq!(nobody["driver_utilisation"], Value::Null);
    let riders = point(&[("num_drivers", 0_i64.into())]).unwrap();
    assert_eq!(riders["completed_riders"], Value::Int(0));
    assert_eq!(riders["conversion_rate"], Value::Float(0.0));
    assert!(matches!(riders["cancelled_riders"], Value::Int(count) if count > 0));
    let drivers = point(&[("num_riders", 0_i64.into())]).unwrap();
    assert_eq!(drivers["driver_utilisation"], Value::Float(0.0));
    assert!(matches!(drivers["mean_idle_drivers"], Value::Float(idle) if idle > 0.0));
}

#[test]
fn contradictions_name_their_parameters() {
    let cases: [(Given, &str, &str); 9] = [
        (&[("lat_min", 53.0.into())], "parameters_contradict", "lat_min = 53 must be below lat_max = 52.68"),
        (&[("lng_max", 13.08.into())], "parameters_contradict", "lng_min = 13.08 must be below lng_max"),
        (
            &[("min_trip_cells", 61_i64.into())],
            "parameters_contradict",
            "min_trip_cells = 61 must be at most max_trip_cells",
        ),
        (
            &[("cancel_min_wait_secs", 2401_i64.into())],
            "parameters_contradict",
            "cancel_max_wait_secs = 2400",
        ),
        (
            &[("initial_rider_count", 501_i64.into())],
            "parameters_contradict",
            "initial_rider_count = 501 must be at most num_riders",
        ),
        (&[("initial_driver_count", 101_i64.into())], "parameters_contradict", "num_drivers = 100"),
        (
            &[("warmup_ms", 10_800_000_i64.into())],
            "parameters_contradict",
            "warmup_ms = 10800000 must be before",
        ),
        (
            &[("lat_max", 52.340_000_1.into()), ("lng_max", 13.080_000_1.into())],
            "box_without_cells",
            "lat_max = 52.3400001",
        ),
        (
            &[("min_trip_cells", 500_i64.into()), ("max_trip_cells", 600_i64.into())],
            "no_destination",
            "min_trip_cells = 500",
        ),
    ];
    for (given, code, words) in cases {
        let error = point(given).unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().contains(words), "{}", error.message());
    }
}

#[test]
fn the_weight_of_the_eta_changes_no_match() {
    // The ETA is km at a constant speed: costs are proportional for every weight.
    let given = |weight: f64| {
        [
            ("eta_weight", weight.into()),
            ("match_radius", 20_i64.into()),
            ("epoch_ms", (8 * 3_600_000_i64).into()),
        ]
    };
    assert_eq!(point(&given(0.0)).unwrap(), point(&given(1000.0)).unwrap());
}

#[test]
fn extremes_give_numbers() {
    let cases: [Given; 8] = [
        &[("base_fare", 1e9.into()), ("per_km_rate", 1e9.into()), ("max_willingness_to_pay", 1e9.into())],
        &[("choice_model", "logit".into()), ("choice_intercept", 1e6.into()), ("base_fare", 1e9.into())],
        &[
            ("fare_weight", 1e6.into()),
            ("pickup_distance_penalty", (-1e6).into()),
            ("match_radius", 10_000_i64.into()),
        ],
        &[("commission_rate", 1.0.into()), ("match_radius", 60_i64.into()), ("base_speed_kmh", 0.0.into())],
        &[("request_window_ms", 1_i64.into()), ("driver_spread_ms", 1_i64.into())],
        &[
            ("re_quote_delay_secs", 0_i64.into()),
            ("accept_probability", 0.0.into()),
            ("max_quote_rejections", 1000_i64.into()),
        ],
        &[("cancel_min_wait_secs", 0_i64.into()), ("cancel_max_wait_secs", 0_i64.into())],
        &[
            ("min_trip_cells", 0_i64.into()),
            ("max_trip_cells", 0_i64.into()),
            ("match_radius", 40_i64.into()),
        ],
    ];
    for given in cases {
        let metrics = point(given).unwrap();
        assert!(matches!(metrics["spawned_riders"], Value::Int(count) if count > 0), "{given:?}");
    }
}
