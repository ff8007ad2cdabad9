//! Designs of every kind through the engine: independence of shard bounds, and identities.
//!
//! `UPDATE_GOLDEN=1 cargo test -p sweep-engine designs` rewrites tests/golden/designs.json.

use std::path::Path;
use std::{env, fs};

use crate::ENGINE;
use crate::common::{parsed, records, request, with};
use crate::refused_designs::refusal;
use serde_json::{Value, json};

/// A request for all points of a design of `queue`.
pub(crate) fn asking(design: &Value, points: u64) -> Value {
    with(&request("queue", &json!({}), points), &json!({"design": design}))
}

fn golden_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/designs.json")
}

fn golden() -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(golden_path()).unwrap()).unwrap()
}

fn parameters(request: &Value, names: &Value) -> Vec<Value> {
    let names: Vec<_> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let chosen = |line: &String| {
        let point = parsed(line);
        names.iter().map(|name| point["parameters"][name].clone()).collect()
    };
    records(ENGINE, "points", request).iter().map(chosen).collect()
}

#[test]
fn points_are_the_golden_ones() {
    let mut cases = golden();
    for case in &mut cases {
        let found = parameters(&case["request"], &case["names"]);
        if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            case["points"] = found.into();
        } else {
            assert_eq!(case["points"], json!(found), "{}", case["request"]["design"]);
        }
    }
    if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let lines: Vec<_> = cases.iter().map(Value::to_string).collect();
        fs::write(golden_path(), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
}

/// One design of every kind except the table, each with 1000 cells.
fn designs() -> Vec<Value> {
    let axes = |count: u64| {
        json!({
            "arrival_rate": {"linspace": {"start": 0.1, "stop": 0.9, "num": count}},
            "service_rate": {"logspace": {"start": 0, "stop": 1, "num": count}},
            "customers": {"range": {"start": 10, "stop": 10 + 3 * count, "step": 3}},
        })
    };
    let distributions = json!({
        "arrival_rate": {"log_uniform": {"low": 0.1, "high": 10}},
        "service_rate": {"normal": {"mean": 5, "std": 2, "low": 1}},
        "customers": {"integer": {"low": 1, "high": 1000}},
        "servers": {"choice": [1, 2, 4]},
    });
    let sampled = |kind: &str| json!({"kind": kind, "samples": 1000, "dimensions": distributions});
    vec![
        json!({"kind": "grid", "dimensions": axes(10)}),
        json!({"kind": "zip", "dimensions": axes(1000)}),
        sampled("random"),
        sampled("latin_hypercube"),
        sampled("sobol"),
        json!({"kind": "saltelli", "base_samples": 100, "second_order": true, "dimensions": distributions}),
        json!({"kind": "morris", "trajectories": 200, "levels": 6, "dimensions": with(
            &distributions, &json!({"service_rate": {"normal": {"mean": 5, "std": 2, "low": 1, "high": 9}}})
        )}),
        json!({"kind": "cross", "parts": [
            {"kind": "table", "columns": ["servers"], "rows": [[3], [1]]},
            {"kind": "latin_hypercube", "samples": 100, "dimensions": {
                "service_rate": {"uniform": {"low": 1, "high": 2}}, "customers": {"integer": {"low": 1, "high": 9}},
            }},
            {"kind": "zip", "dimensions": {"arrival_rate": [0.1, 0.2, 0.3, 0.4, 0.5]}},
        ]}),
    ]
}

#[test]
fn any_split_into_shards_gives_the_same_points() {
    for design in designs() {
        let all = with(&asking(&design, 3000), &json!({"replications": 3}));
        let expected = records(ENGINE, "points", &all);
        assert_eq!(expected.len(), 3000);
        // Irregular bounds, in any order.
        let mut bounds: Vec<u64> = (1..12).map(|step| step * step * 7919 % 3000).chain([0, 3000]).collect();
        bounds.sort_unstable();
        bounds.dedup();
        for pair in bounds.windows(2).rev() {
            let shard = json!({"start_index": pair[0], "end_index_exclusive": pair[1]});
            let found = records(ENGINE, "points", &with(&all, &shard));
            let span = usize::try_from(pair[0]).unwrap()..usize::try_from(pair[1]).unwrap();
            assert!(found == expected[span], "{pair:?} of {design}");
        }
    }
}

#[test]
fn replicates_share_their_cells_parameters() {
    for design in designs() {
        let all = with(&asking(&design, 2000), &json!({"replications": 2}));
        let points: Vec<Value> = records(ENGINE, "points", &all).iter().map(|line| parsed(line)).collect();
        for pair in points.chunks(2) {
            assert_eq!(pair[0]["parameters"], pair[1]["parameters"]);
            assert_ne!(pair[0]["point_fingerprint"], pair[1]["point_fingerprint"]);
        }
    }
}

#[test]
fn the_far_end_of_a_huge_design_is_reached_at_once() {
    let unit = json!({"arrival_rate": {"uniform": {"low": 1, "high": 2}}});
    for (kind, samples) in [("random", i64::MAX), ("sobol", i64::MAX), ("latin_hypercube", 1 << 52)] {
        let samples = samples.unsigned_abs();
        let huge = asking(&json!({"kind": kind, "samples": samples, "dimensions": unit}), samples);
        let last = records(ENGINE, "points", &with(&huge, &json!({"start_index": samples - 2})));
        assert_eq!(parsed(&last[1])["point_index"], samples - 1);
    }
}

#[test]
fn parts_of_one_kind_are_different_samples() {
    let uniform = json!({"uniform": {"low": 1, "high": 2}});
    let sample = |name: &str| json!({"kind": "random", "samples": 4, "dimensions": {name: uniform}});
    let grid = json!({"kind": "grid", "dimensions": {"servers": [1, 2]}});
    let cross = json!({"kind": "cross", "parts": [sample("arrival_rate"), grid, sample("service_rate")]});
    let found = |design: &Value, points, name: &str| parameters(&asking(design, points), &json!([name]));
    let alone: Vec<_> = found(&sample("arrival_rate"), 4, "arrival_rate");
    // The first is the sample that it would be alone, whatever other parts there are.
    let first = found(&cross, 32, "arrival_rate");
    assert_eq!(first.iter().step_by(8).collect::<Vec<_>>(), alone.iter().collect::<Vec<_>>());
    let last = found(&cross, 32, "service_rate");
    assert_eq!(last[..4], last[28..]);
    assert!(alone.iter().zip(&last).all(|(one, other)| one != other));
}

#[test]
fn more_samples_leave_random_and_sobol_points_as_they_are() {
    let dimensions = json!({"arrival_rate": {"uniform": {"low": 1, "high": 2}}});
    let first = |kind: &str, samples: u64| {
        let design = json!({"kind": kind, "samples": samples, "dimensions": dimensions});
        records(ENGINE, "points", &asking(&design, 10))
    };
    for kind in ["random", "sobol"] {
        assert_eq!(first(kind, 10), first(kind, 1_000_000));
    }
    assert_ne!(first("latin_hypercube", 10), first("latin_hypercube", 11));
}

#[test]
fn a_shard_of_a_table_needs_only_its_rows() {
    let rows: Vec<Value> = (0..100).map(|row| json!([row + 1, f64::from(row) / 4.0 + 0.5])).collect();
    let table = |span: std::ops::Range<usize>| {
        json!({
            "kind": "table", "columns": ["servers", "arrival_rate"], "first_row": span.start,
            "rows": rows[span], "total_rows": 100,
        })
    };
    let all = with(&asking(&table(0..100), 200), &json!({"replications": 2}));
    let expected = records(ENGINE, "points", &all);
    let last = parsed(&expected[199]);
    let found = [&last["parameters"]["servers"], &last["parameters"]["arrival_rate"]];
    assert_eq!(found, [&json!(100), &json!(25.25)]);
    // Points 31 to 77 are replicates of rows 15 to 38.
    let shard = json!({"start_index": 31, "end_index_exclusive": 77, "design": table(15..39)});
    assert_eq!(records(ENGINE, "points", &with(&all, &shard)), expected[31..77]);
    let short = with(&all, &with(&shard, &json!({"design": table(16..39)})));
    assert_eq!(
        refusal(&short).1,
        "design.rows: rows 16 to 39 are given, and points 31 to 77 need rows 15 to 39"
    );
    let whole = json!({"kind": "table", "columns": ["servers"], "rows": [[1], [2]]});
    assert_eq!(records(ENGINE, "points", &asking(&whole, 2)).len(), 2);
}
