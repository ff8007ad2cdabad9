//! What the parameters may be, and what is said when they may not.

use std::collections::BTreeMap;

use sweep_runtime::{DomainError, Value, ValueRef, trial};

use crate::ridehail::Ridehail;

type Given<'a> = &'a [(&'a str, ValueRef<'a>)];

fn point(given: Given) -> Result<BTreeMap<&'static str, Value>, DomainError> {
    trial(&Ridehail, given, 42, 0)
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
    let nobody = point(&[("num_riders", 0.into()), ("num_drivers", 0.into())]).unwrap();
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
    let riders = point(&[("num_drivers", 0.into())]).unwrap();
    assert_eq!(riders["completed_riders"], Value::Int(0));
    assert_eq!(riders["conversion_rate"], Value::Float(0.0));
    assert!(matches!(riders["cancelled_riders"], Value::Int(count) if count > 0));
    let drivers = point(&[("num_riders", 0.into())]).unwrap();
    assert_eq!(drivers["driver_utilisation"], Value::Float(0.0));
    assert!(matches!(drivers["mean_idle_drivers"], Value::Float(idle) if idle > 0.0));
}

#[test]
fn contradictions_are_told_by_name() {
    let cases: [(Given, &str, &str); 9] = [
        (&[("lat_min", 53.0.into())], "parameters_contradict", "lat_min = 53 must be below lat_max = 52.68"),
        (&[("lng_max", 13.08.into())], "parameters_contradict", "lng_min = 13.08 must be below lng_max"),
        (
            &[("min_trip_cells", 61.into())],
            "parameters_contradict",
            "min_trip_cells = 61 must be at most max_trip_cells",
        ),
        (&[("cancel_min_wait_secs", 2401.into())], "parameters_contradict", "cancel_max_wait_secs = 2400"),
        (
            &[("initial_rider_count", 501.into())],
            "parameters_contradict",
            "initial_rider_count = 501 must be at most num_riders",
        ),
        (&[("initial_driver_count", 101.into())], "parameters_contradict", "num_drivers = 100"),
        (&[("warmup_ms", 10_800_000.into())], "parameters_contradict", "warmup_ms = 10800000 must be before"),
        (
            &[("lat_max", 52.340_000_1.into()), ("lng_max", 13.080_000_1.into())],
            "box_without_cells",
            "lat_max = 52.3400001",
        ),
        (
            &[("min_trip_cells", 500.into()), ("max_trip_cells", 600.into())],
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
    // The ETA is km at a constant speed: costs are in proportion, whatever its weight is.
    let given = |weight: f64| {
        [("eta_weight", weight.into()), ("match_radius", 20.into()), ("epoch_ms", (8 * 3_600_000_i64).into())]
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
            ("match_radius", 10_000.into()),
        ],
        &[("commission_rate", 1.0.into()), ("match_radius", 60.into()), ("base_speed_kmh", 0.0.into())],
        &[("request_window_ms", 1.into()), ("driver_spread_ms", 1.into())],
        &[
            ("re_quote_delay_secs", 0.into()),
            ("accept_probability", 0.0.into()),
            ("max_quote_rejections", 1000.into()),
        ],
        &[("cancel_min_wait_secs", 0.into()), ("cancel_max_wait_secs", 0.into())],
        &[("min_trip_cells", 0.into()), ("max_trip_cells", 0.into()), ("match_radius", 40.into())],
    ];
    for given in cases {
        let metrics = point(given).unwrap();
        assert!(matches!(metrics["spawned_riders"], Value::Int(count) if count > 0), "{given:?}");
    }
}
