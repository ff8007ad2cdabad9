//! Designs of every kind through the engine: refusals, independence of shard bounds, and identities.
//!
//! `UPDATE_GOLDEN=1 cargo test -p sweep-engine designs` rewrites tests/golden/designs.json.

use std::path::Path;
use std::{env, fs};

use crate::ENGINE;
use crate::common::{finish, parsed, records, request, with};
use serde_json::{Value, json};

/// A request for all points of a design of `queue`.
fn asking(design: &Value, points: u64) -> Value {
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

/// The code, message and parameter of a refusal.
fn refusal(request: &Value) -> (Value, String, Value) {
    let output = finish(ENGINE, "points", request.to_string().as_bytes()).stdout;
    let refused = parsed(String::from_utf8(output).unwrap().lines().next().unwrap());
    assert_eq!(refused["record"], "refused", "{request}");
    let message = refused["message"].as_str().unwrap().to_owned();
    (refused["error_code"].clone(), message, refused["parameter"].clone())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn malformed_designs_are_bad_requests_that_name_the_path() {
    let on = |kind: &str, dimension: Value| json!({"kind": kind, "dimensions": {"arrival_rate": dimension}});
    let grid = |axis| on("grid", axis);
    let random = |distribution| {
        let mut design = on("random", distribution);
        design["samples"] = json!(5);
        design
    };
    let table = |columns, rows| json!({"kind": "table", "columns": columns, "rows": rows});
    let cases = [
        (json!({"dimensions": {}}), "design: missing field `kind`"),
        (json!({"kind": 5}), "design.kind = 5: must be a string"),
        (json!({"kind": "zip", "dimensions": {}}), "design: a zip design needs a dimension"),
        (
            json!({"kind": "zip", "dimensions": {"arrival_rate": [1, 2], "servers": [1]}}),
            "design: all dimensions of a zip design need the same number of values",
        ),
        (grid(json!({})), "design.dimensions.arrival_rate must have one field: linspace, logspace or range"),
        (
            grid(json!({"linspace": {}, "range": {}})),
            "design.dimensions.arrival_rate must have one field: linspace, logspace or range",
        ),
        (
            grid(json!({"geomspace": {}})),
            "design.dimensions.arrival_rate.geomspace is unknown: must be linspace, logspace or range",
        ),
        (
            grid(json!({"linspace": [0, 1, 5]})),
            "design.dimensions.arrival_rate.linspace must be a JSON object",
        ),
        (
            grid(json!({"linspace": {"start": 0, "num": 5}})),
            "design.dimensions.arrival_rate.linspace: missing field `stop`",
        ),
        (
            grid(json!({"linspace": {"start": 1, "stop": 2, "num": 5, "step": 1}})),
            "design.dimensions.arrival_rate.linspace: unknown field `step`",
        ),
        (
            grid(json!({"linspace": {"start": 1, "stop": true, "num": 5}})),
            "design.dimensions.arrival_rate.linspace.stop = true: must be a number",
        ),
        (
            grid(json!({"linspace": {"start": 1, "stop": 2, "num": 2.5}})),
            "design.dimensions.arrival_rate.linspace.num = 2.5: must be an integer, written without point or \
             exponent",
        ),
        (
            grid(json!({"linspace": {"start": 1, "stop": 2, "num": 1}})),
            "design.dimensions.arrival_rate.linspace: num must be at least 2",
        ),
        (
            grid(json!({"range": {"start": 1, "stop": 2, "step": 0}})),
            "design.dimensions.arrival_rate.range: step must not be 0",
        ),
        (
            grid(json!({"range": {"start": 1, "stop": 1, "step": 1}})),
            "design.dimensions.arrival_rate.range: has no values",
        ),
        (on("random", json!([1])), "design: missing field `samples`"),
        (random(json!([1])), "design.dimensions.arrival_rate must be a JSON object"),
        (
            random(json!({"uniform": {"low": 1, "high": 1}})),
            "design.dimensions.arrival_rate.uniform: low must be below high",
        ),
        (
            random(json!({"normal": {"mean": 1, "std": 0}})),
            "design.dimensions.arrival_rate.normal: std must be above 0",
        ),
        (
            random(json!({"integer": {"low": 1.0, "high": 2}})),
            "design.dimensions.arrival_rate.integer.low = 1.0: must be an integer, written without point or \
             exponent",
        ),
        (random(json!({"choice": []})), "design.dimensions.arrival_rate.choice: has no values"),
        (
            json!({"kind": "random", "samples": 0, "dimensions": {"servers": {"choice": [1]}}}),
            "design: samples must be at least 1",
        ),
        (
            json!({"kind": "random", "samples": -1, "dimensions": {}}),
            "design.samples = -1: must not be negative",
        ),
        (
            json!({"kind": "sobol", "samples": 1, "dimensions": {}}),
            "design: a sampled design needs a dimension",
        ),
        (
            json!({"kind": "sobol", "samples": 1, "scramble": 1, "dimensions": {}}),
            "design.scramble = 1: must be true or false",
        ),
        (
            json!({
                "kind": "random", "samples": 1, "scramble": true,
                "dimensions": {"servers": {"choice": [1]}},
            }),
            "design: unknown field `scramble`",
        ),
        (
            json!({
                "kind": "latin_hypercube", "samples": 1_u64 << 53,
                "dimensions": {"servers": {"choice": [1]}},
            }),
            "design: samples of a latin_hypercube must be from 1 to 2^52",
        ),
        (table(json!([]), json!([])), "design.columns = []: must name a parameter"),
        (
            table(json!(["servers", "servers"]), json!([])),
            "design.columns = [\"servers\",\"servers\"]: \"servers\" is listed twice",
        ),
        (table(json!(["servers"]), json!([])), "design: a table needs a row"),
        (table(json!(["servers"]), json!([1])), "a row as a list of values"),
        (table(json!(["servers"]), json!([[1], [1, 2]])), "design.rows: a row has 2 values for 1 columns"),
        (
            with(&table(json!(["servers"]), json!([[1]])), &json!({"first_row": 1, "total_rows": 1})),
            "design: the given rows exceed total_rows",
        ),
    ];
    for (design, problem) in cases {
        let (code, message, parameter) = refusal(&asking(&design, 1));
        assert!(message.contains(problem), "{design}: {message:?} does not say {problem:?}");
        assert!(message.starts_with("design"), "{message}");
        assert_eq!((code, parameter), (json!("bad_request"), Value::Null), "{message}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_that_do_not_match_their_parameter_are_invalid_parameters() {
    let grid = |name: &str, axis: Value| json!({"kind": "grid", "dimensions": {name: axis}});
    let random = |name: &str, distribution: Value| {
        let dimensions = json!({name: distribution});
        json!({"kind": "random", "samples": 1_u64 << 60, "dimensions": dimensions})
    };
    let cases = [
        (
            grid("server", json!({"range": {}})),
            "server",
            "unknown parameter \"server\"; did you mean \"servers\"?",
        ),
        (
            grid("arrival_rate", json!({"linspace": {"start": 0, "stop": 1, "num": 1_u64 << 60}})),
            "arrival_rate",
            "arrival_rate = 0: must be > 0, <= 1000000000 (1/time)",
        ),
        (
            grid("arrival_rate", json!({"logspace": {"start": 0, "stop": 10, "num": 3}})),
            "arrival_rate",
            "arrival_rate = 10000000000: must be > 0, <= 1000000000 (1/time)",
        ),
        (
            grid("arrival_rate", json!({"range": {"start": 1, "stop": -1, "step": -0.5}})),
            "arrival_rate",
            "arrival_rate = 0: must be > 0, <= 1000000000 (1/time)",
        ),
        (
            grid("servers", json!({"range": {"start": 1, "stop": 5, "step": 1.0}})),
            "servers",
            "servers: a range with a point or an exponent gives floats, and the parameter's type is int",
        ),
        (
            grid("servers", json!({"linspace": {"start": 1, "stop": 5, "num": 5}})),
            "servers",
            "servers: linspace gives floats, and the parameter's type is int",
        ),
        (
            random("servers", json!({"uniform": {"low": 1, "high": 5}})),
            "servers",
            "servers: uniform gives floats, and the parameter's type is int",
        ),
        (
            random("servers", json!({"integer": {"low": -1, "high": 5}})),
            "servers",
            "servers = -1: must be >= 1",
        ),
        (random("servers", json!({"choice": [1, 2.0]})), "servers", "servers = 2.0: must be an integer"),
        (
            random("arrival_rate", json!({"uniform": {"low": 0, "high": 1}})),
            "arrival_rate",
            "arrival_rate = 0: must be > 0",
        ),
        (
            random("arrival_rate", json!({"normal": {"mean": 8, "std": 1}})),
            "arrival_rate",
            "arrival_rate = -0.29",
        ),
        (
            random("arrival_rate", json!({"triangular": {"low": 1, "mode": 2, "high": 1e10}})),
            "arrival_rate",
            "arrival_rate = 10000000000: must be",
        ),
        (
            json!({"kind": "table", "columns": ["servers"], "first_row": 7, "rows": [[1], [0]]}),
            "servers",
            "row 8: servers = 0: must be >= 1",
        ),
        (
            json!({"kind": "table", "columns": ["sevrers"], "rows": [[1], [0]]}),
            "sevrers",
            "did you mean \"servers\"?",
        ),
    ];
    for (design, parameter, problem) in cases {
        let (code, message, found) = refusal(&asking(&design, 1));
        assert!(message.contains(problem), "{design}: {message:?} does not say {problem:?}");
        assert_eq!((code, found), (json!("invalid_parameters"), json!(parameter)));
    }
    // The ends of the range are within it.
    let within = [
        random("arrival_rate", json!({"normal": {"mean": 8.3, "std": 1}})),
        random("arrival_rate", json!({"normal": {"mean": 0.1, "std": 1, "low": 0.01, "high": 1}})),
        random("arrival_rate", json!({"integer": {"low": 1, "high": 1_000_000_000}})),
    ];
    for design in within {
        assert_eq!(records(ENGINE, "points", &asking(&design, 3)).len(), 3);
    }
}

#[test]
fn a_repeated_field_is_refused() {
    let rates = json!({"uniform": {"low": 1, "high": 2}});
    let design = json!({"kind": "random", "samples": 1, "dimensions": {"arrival_rate": rates}});
    let text = asking(&design, 1).to_string();
    for field in [r#""low":1"#, r#""uniform":{"high":2,"low":1}"#, r#""samples":1"#] {
        assert!(text.contains(field), "{text}");
        let twice = text.replace(field, &format!("{field},{field}"));
        let output = finish(ENGINE, "points", twice.as_bytes()).stdout;
        assert!(String::from_utf8(output).unwrap().contains("duplicate field"), "{field}");
    }
}
