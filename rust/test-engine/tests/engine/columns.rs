//! Points in columns are the same points as in lines.

use std::collections::BTreeMap;

use crate::ENGINE;
use crate::common::{lines, parsed, records, request, with};
use serde_json::{Value, json};

const POINTS: u64 = 60;

fn faulty(fields: &Value) -> Value {
    let numbers: Vec<u64> = (0..POINTS / 3).collect();
    with(&with(&request("faulty", &json!({"x": numbers}), POINTS), &json!({"replications": 3})), fields)
}

/// The entry of a list that a point has: its only one, or that at `place`.
fn entry(list: &Value, place: u64) -> Value {
    let list = list.as_array().unwrap();
    let place = if list.len() == 1 { 0 } else { usize::try_from(place).unwrap() };
    list[place].clone()
}

/// The `point` records that a `points` record stands for.
fn unfolded(record: &Value, replications: u64) -> Vec<Value> {
    let (first, count) = (record["point_index"].as_u64().unwrap(), record["points"].as_u64().unwrap());
    let members = |name: &str, place: u64| -> Value {
        let lists = record[name].as_object().unwrap();
        lists
            .iter()
            .map(|(name, list)| (name.clone(), entry(list, place)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect()
    };
    let point = |place: u64| {
        let index = first + place;
        let cell = index / replications - first / replications;
        let mut point = json!({"record": "point", "point_index": index, "replicate": index % replications,
            "parameters": members("parameters", cell)});
        for name in ["effective_parameters_json", "parameter_fingerprint"] {
            point[name] = entry(&record[name], cell);
        }
        for name in ["point_fingerprint", "status", "error_code", "error_message"] {
            point[name] = entry(&record[name], place);
        }
        let metrics = members("metrics", place);
        if point["status"] == "success" {
            point["metrics"] = metrics;
        } else {
            assert!(metrics.as_object().unwrap().values().all(Value::is_null));
        }
        point.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        point
    };
    (0..count).map(point).collect()
}

fn require_alike(command: &str, request: &Value) {
    let replications = request["replications"].as_u64().unwrap();
    let expected: Vec<_> = records(ENGINE, command, request).iter().map(|line| parsed(line)).collect();
    let folded = records(ENGINE, command, &with(request, &json!({"columns": true})));
    assert!(folded.len() < expected.len());
    let found = folded.iter().flat_map(|line| unfolded(&parsed(line), replications));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn columns_have_the_values_of_lines() {
    for mode in ["ok", "domain_error", "panic", "nan"] {
        for command in ["run", "host"] {
            require_alike(command, &faulty(&json!({"base": {"mode": mode, "at": 7}, "start_index": 2})));
        }
    }
    let rules = json!({"constraints": ["x != 4"], "derived": {"milliseconds": "12 // (x - 9)"}});
    require_alike("run", &faulty(&rules));
    let values = json!({"real": [0.1, -0.0, 5, 1e21, 5e-324], "int": [0, i64::MAX], "text": ["", "é\u{2028}\"\\\n"],
        "flag": [true, false], "real_or_null": [null, 2.5], "int_or_null": [null, -7], "text_or_null": [null, "x"]});
    require_alike("run", &with(&request("typed", &values, 640), &json!({"replications": 2})));
}

#[test]
fn a_point_that_stands_still_when_the_time_ends_is_in_columns_too() {
    let hangs = json!({"base": {"mode": "hang", "at": 7}, "report_seconds": 0.1, "replications": 1,
        "end_index_exclusive": POINTS / 3, "time": {"limit": 1.0, "left": 1.0}, "columns": true});
    for command in ["run", "host"] {
        let told = lines(ENGINE, command, &faulty(&hangs).to_string());
        let of_points = told.iter().map(|line| parsed(line)).filter(|line| line["record"] == "points");
        let points: Vec<_> = of_points.flat_map(|record| unfolded(&record, 1)).collect();
        let indices: Vec<_> = points.iter().map(|point| point["point_index"].as_u64().unwrap()).collect();
        assert_eq!(indices, (0..POINTS / 3).collect::<Vec<_>>());
        assert_eq!(points[7]["error_code"], "point_timeout");
        assert_eq!(parsed(told.last().unwrap())["failed"], 1);
    }
}

#[test]
fn texts_that_many_points_share_do_not_make_records_without_end() {
    let base = json!({"base": {"text": "x".repeat(100_000)}, "replications": 1000, "columns": true});
    let folded = records(ENGINE, "run", &with(&request("typed", &json!({}), 1000), &base));
    assert!(folded.iter().all(|line| parsed(line)["points"].as_u64().unwrap() <= 11));
}

#[test]
fn where_columns_cannot_be_they_are_refused_or_not_written() {
    let outputs = json!({"columns": true, "outputs": ["echoes"]});
    for fields in [outputs, json!({"columns": true, "keep": true})] {
        let answer = lines(ENGINE, "run", &with(&request("typed", &json!({}), 1), &fields).to_string());
        let record = parsed(&answer[0]);
        assert_eq!(record["error_code"], "bad_request");
        assert_eq!(record["message"], "columns: cannot be combined with outputs or keep");
    }
    let request = faulty(&json!({}));
    let with_columns = with(&request, &json!({"columns": true}));
    assert_eq!(records(ENGINE, "points", &with_columns), records(ENGINE, "points", &request));
}
