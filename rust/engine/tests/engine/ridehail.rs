//! The ride-hailing model as a parent sees it: messages in use, refusals, and the rows of its datasets.

use serde_json::{Value, json};

use crate::ENGINE;
use crate::common::{finish, parsed, records, request, with};

/// A busy morning: points with different costs, some of which fail.
fn sweep() -> Value {
    let dimensions = json!({
        "matching_algorithm_type": ["simple", "Cost-Based", "HUNGARIAN"],
        "dynamic_congestion_enabled": [true, false],
        "lng_min": [13.08, 13.3, 14.0],
    });
    let base = json!({"epoch_ms": 28_800_000, "match_radius": 12, "surge_enabled": true});
    with(&request("ridehail", &dimensions, 36), &json!({"replications": 2, "base": base}))
}

#[test]
fn the_message_in_use_runs_as_written() {
    let dimensions = json!({"commission_rate": [0.1, 0.2], "num_drivers": [100, 200]});
    let shard =
        with(&request("ridehail", &dimensions, 4), &json!({"start_index": 2, "end_index_exclusive": 4}));
    let lines = records(ENGINE, "run", &shard);
    for (line, drivers) in lines.iter().zip([100, 200]) {
        let point = parsed(line);
        assert_eq!(
            (&point["parameters"]["commission_rate"], &point["parameters"]["num_drivers"]),
            (&json!(0.2), &json!(drivers))
        );
        assert_eq!(point["status"], "success");
    }
    assert_eq!(lines.len(), 2);
}

#[test]
fn neither_threads_nor_order_nor_shards_change_a_byte() {
    let all = with(&sweep(), &json!({"threads": 1, "outputs": ["trips", "snapshots"]}));
    let expected = records(ENGINE, "run", &all);
    assert!(records(ENGINE, "run", &with(&all, &json!({"threads": 5}))) == expected);
    let mut parts = vec![];
    for start in (0..36).step_by(7) {
        let bounds = json!({"start_index": start, "end_index_exclusive": 36.min(start + 7)});
        parts.extend(records(ENGINE, "run", &with(&all, &bounds)));
    }
    assert!(parts == expected);
    for point in expected.iter().map(|line| parsed(line)).filter(|line| line["record"] == "point") {
        let failed = point["parameters"]["lng_min"] == 14.0;
        assert_eq!(point["status"], if failed { "failure" } else { "success" });
        assert_eq!(point["error_code"], if failed { json!("parameters_contradict") } else { Value::Null });
    }
}

/// How often bytes are the same over threads, shards, their order, and a shard that continues where another
/// one ended, as a line for tools/validate.py. The queue's own tests stop workers midway.
#[test]
#[ignore = "make validate"]
fn validate_11_determinism() {
    let all = with(&sweep(), &json!({"threads": 1, "outputs": ["trips", "snapshots"]}));
    let part = |start: u64, end: u64, threads: u32| {
        let bounds = json!({"start_index": start, "end_index_exclusive": end, "threads": threads});
        records(ENGINE, "run", &with(&all, &bounds))
    };
    let expected = part(0, 36, 1);
    let (mut ways, mut same) = (0, 0);
    let mut count = |lines: Vec<String>| {
        ways += 1;
        same += u32::from(lines == expected);
    };
    for threads in [1, 2, 3, 5] {
        for size in [1_usize, 5, 12, 36] {
            let starts: Vec<u64> = (0..36).step_by(size).collect();
            let run = |start: &u64| part(*start, 36.min(start + size as u64), threads);
            let forwards: Vec<_> = starts.iter().map(run).collect();
            let mut backwards: Vec<_> = starts.iter().rev().map(run).collect();
            backwards.reverse();
            count(forwards.concat());
            count(backwards.concat());
        }
    }
    for end in 1..36 {
        count([part(0, end, 2), part(end, 36, 3)].concat());
    }
    let what = "Combinations of threads, shards, order and resumption with identical bytes";
    let verdict = if same == ways { "passes" } else { "fails" };
    let row = json!({"check": 11, "what": what, "measured": same, "expected": ways.to_string(), "error": null,
        "number": ways, "verdict": verdict});
    println!("\n{row}");
    assert_eq!(same, ways);
}

#[test]
fn every_spelling_is_one_point() {
    let spellings = ["cost_based", "costbased", "cost-based", "Cost_Based", "COST-BASED"];
    let sweep = request("ridehail", &json!({"matching_algorithm_type": spellings}), 5);
    let fingerprints: Vec<Value> = records(ENGINE, "points", &sweep)
        .iter()
        .map(|line| parsed(line))
        .inspect(|point| assert_eq!(point["parameters"]["matching_algorithm_type"], "cost_based"))
        .map(|point| point["point_fingerprint"].clone())
        .collect();
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
}

#[test]
fn nulls_of_the_contract_are_accepted() {
    let nulls = json!({
        "epoch_ms": [null, 0], "simulation_duration_hours": [null, 3], "base_speed_kmh": [null, 40.0],
    });
    let lines = records(ENGINE, "run", &request("ridehail", &nulls, 8));
    let metrics: Vec<Value> = lines.iter().map(|line| parsed(line)["metrics"].clone()).collect();
    // Dimensions in byte order: base_speed_kmh, epoch_ms, simulation_duration_hours. Only the first one
    // matters.
    assert!(metrics[..4].iter().all(|other| *other == metrics[0]));
    assert!(metrics[4..].iter().all(|other| *other == metrics[4]));
    assert_ne!(metrics[0], metrics[4]);
}

#[test]
fn what_is_out_of_range_is_refused_before_any_point_runs() {
    let cases = [
        (json!({"batch_interval_secs": [5, 0]}), "batch_interval_secs = 0: must be >= 1, <= 315360000 (s)"),
        (json!({"request_window_ms": [0]}), "request_window_ms = 0: must be >= 1"),
        (json!({"driver_spread_ms": [-1]}), "driver_spread_ms = -1: must be >= 1"),
        (json!({"num_riders": [-1]}), "num_riders = -1: must be >= 0"),
        (json!({"num_drivers": [1.5]}), "num_drivers = 1.5: must be an integer"),
        (json!({"commission_rate": [1.01]}), "commission_rate = 1.01: must be >= 0, <= 1"),
        (
            json!({"matching_algorithm_type": ["best"]}),
            "must be one of \"simple\", \"cost_based\", \"hungarian\"",
        ),
        (json!({"surge_max_multiplier": [0.5]}), "surge_max_multiplier = 0.5: must be >= 1"),
        (json!({"num_driver": [1]}), "num_drivers"),
        (json!({"num_drivers": []}), "design.dimensions.num_drivers: has no values"),
    ];
    for (dimensions, words) in cases {
        let output = finish(ENGINE, "run", request("ridehail", &dimensions, 1).to_string().as_bytes());
        let line = String::from_utf8(output.stdout).unwrap();
        let refused = parsed(line.lines().next().unwrap());
        assert_eq!(refused["record"], "refused", "{line}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{line}");
    }
}

#[test]
fn trips_and_snapshots_add_up_to_the_metrics() {
    // The end is not a whole second: the last snapshot is at the end, and the previous one at least a second
    // earlier.
    let base = json!({"epoch_ms": 28_800_000, "match_radius": 12, "request_window_ms": 3_600_567});
    let end = 10_800_567;
    let shard =
        with(&sweep(), &json!({"outputs": ["trips", "snapshots"], "end_index_exclusive": 4, "base": base}));
    let lines: Vec<Value> = records(ENGINE, "run", &shard).iter().map(|line| parsed(line)).collect();
    for group in lines.chunks(3) {
        let [snapshots, trips, point] = group else { panic!("two datasets and a point") };
        assert_eq!((&snapshots["dataset"], &trips["dataset"]), (&json!("snapshots"), &json!("trips")));
        let metric = |name: &str| point["metrics"][name].as_i64().unwrap();
        let column = |rows: &Value, name: &str| rows["columns"][name].as_array().unwrap().clone();
        let states = column(trips, "state");
        let in_state =
            |state: &str| i64::try_from(states.iter().filter(|known| **known == state).count()).unwrap();
        assert_eq!(in_state("completed"), metric("completed_trips"));
        assert_eq!(i64::try_from(states.len()).unwrap(), metric("matched_riders"));
        let reached = |name| column(trips, name).iter().filter(|time| !time.is_null()).count();
        assert_eq!(i64::try_from(reached("cancelled_at")).unwrap(), in_state("cancelled"));
        assert_eq!(i64::try_from(reached("pickup_at")).unwrap(), in_state("completed") + in_state("on_trip"));
        let times = column(snapshots, "timestamp_ms");
        assert!(
            times.iter().map(|time| time.as_i64().unwrap()).is_sorted_by(|one, other| one + 1_000 <= *other)
        );
        assert_eq!((&times[0], times.last().unwrap()), (&json!(0), &json!(end)));
        let last = |name: &str| column(snapshots, name).last().unwrap().as_i64().unwrap();
        assert_eq!(last("riders_completed"), metric("completed_riders"));
        assert_eq!(last("riders_cancelled"), metric("cancelled_riders"));
        assert_eq!(last("riders_abandoned"), metric("abandoned_quote_riders"));
        let present = ["riders_browsing", "riders_waiting", "riders_in_transit"].map(last);
        assert_eq!(present.iter().sum::<i64>(), metric("riders_in_system_at_end"));
        assert_eq!(last("trips_cancelled"), in_state("cancelled"));
        let drivers = ["drivers_idle", "drivers_evaluating", "drivers_en_route", "drivers_on_trip"].map(last);
        assert_eq!(drivers.iter().sum::<i64>(), metric("drivers_on_duty_at_end"));
        assert_eq!(metric("completed_trips"), metric("completed_riders"));
        trips_of_snapshots_are_those_of_the_rows(snapshots, trips);
    }
}

#[test]
fn snapshots_are_a_second_apart_up_to_an_end_within_one() {
    // Two drivers arrive per second, up to an end that is not a whole second.
    let base = json!({"num_riders": 10, "num_drivers": 30_000, "request_window_ms": 567,
        "driver_spread_ms": 7_200_567});
    let shard = with(
        &request("ridehail", &json!({"commission_rate": [0.1]}), 1),
        &json!({"outputs": ["snapshots"], "base": base}),
    );
    let snapshots = parsed(&records(ENGINE, "run", &shard)[0]);
    let times = snapshots["columns"]["timestamp_ms"].as_array().unwrap();
    let times: Vec<i64> = times.iter().map(|time| time.as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one + 1_000 <= *other));
    assert_eq!(times[times.len() - 2..], [7_199_000, 7_200_567]);
}

/// At each snapshot, its four columns of trips match the rows at that time, and agree with riders and
/// drivers.
fn trips_of_snapshots_are_those_of_the_rows(snapshots: &Value, trips: &Value) {
    let column = |rows: &Value, name: &str| -> Vec<Option<i64>> {
        rows["columns"][name].as_array().unwrap().iter().map(Value::as_i64).collect()
    };
    let at_snapshots = |name: &str| column(snapshots, name);
    let [matched, picked_up, dropped_off, cancelled] =
        ["matched_at", "pickup_at", "dropoff_at", "cancelled_at"].map(|name| column(trips, name));
    let names = ["trips_en_route", "trips_on_trip", "trips_completed", "trips_cancelled"];
    let [en_route, on_trip, completed, gone] = names.map(at_snapshots);
    for (row, time) in at_snapshots("timestamp_ms").into_iter().enumerate() {
        // A drop-off is completed a second later.
        let by = |times: &[Option<i64>], later: i64| {
            i64::try_from(times.iter().flatten().filter(|at| **at + later <= time.unwrap()).count()).ok()
        };
        assert_eq!((completed[row], gone[row]), (by(&dropped_off, 1_000), by(&cancelled, 0)));
        let begun =
            en_route[row].unwrap() + on_trip[row].unwrap() + completed[row].unwrap() + gone[row].unwrap();
        assert_eq!(Some(begun), by(&matched, 0));
        assert_eq!(Some(on_trip[row].unwrap() + completed[row].unwrap()), by(&picked_up, 0));
    }
    for (trips, others) in [
        (&en_route, ["drivers_en_route"].as_slice()),
        (&on_trip, &["drivers_on_trip", "riders_in_transit"]),
        (&completed, &["riders_completed"]),
    ] {
        for other in others {
            assert_eq!(*trips, at_snapshots(other), "{other}");
        }
    }
}
