//! A point that stands still is named, while it does.

use std::io::{BufRead as _, BufReader};

use crate::ENGINE;
use crate::common::{lines, parsed, records, request, start, with};
use serde_json::{Value, json};

const POINTS: u64 = 20;

fn faulty(fields: &Value) -> Value {
    let numbers: Vec<u64> = (0..POINTS).collect();
    with(&request("faulty", &json!({"x": numbers}), POINTS), fields)
}

/// Reads until a record of a running point is as awaited; the engine is ended then.
fn wait_for_report(command: &str, request: &Value, awaited: impl Fn(&Value) -> bool) -> Value {
    let (mut engine, _input) = start(ENGINE, command, request.to_string().as_bytes());
    let lines = BufReader::new(engine.stdout.take().unwrap()).lines();
    let mut records = lines.map(|line| parsed(&line.unwrap())).filter(|record| record["record"] == "running");
    let found = records.find(awaited).unwrap();
    engine.kill().unwrap();
    engine.wait().unwrap();
    found
}

#[test]
fn the_point_that_stands_still_is_named_again_and_again() {
    let hangs = faulty(&json!({"base": {"mode": "hang", "at": 7}, "report_seconds": 0.1}));
    for command in ["run", "host"] {
        // The other thread runs what is left first, and has nothing to do then.
        let alone =
            |record: &Value| record["point_index"] == 7 && record["others"] == 0 && record["waiting"] == 0;
        let first = wait_for_report(command, &hangs, alone)["seconds"].as_f64().unwrap();
        let later = |record: &Value| alone(record) && record["seconds"].as_f64().unwrap() > first + 0.5;
        let names: Vec<_> =
            wait_for_report(command, &hangs, later).as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["others", "point_index", "record", "seconds", "waiting"]);
    }
}

#[test]
fn points_that_stand_still_have_failed_when_the_time_ends_and_no_others_are_left() {
    let time = json!({"report_seconds": 0.1, "time": {"limit": 1.0, "left": 1.0}});
    let hangs = with(&faulty(&json!({"base": {"mode": "hang", "at": 7}})), &time);
    for command in ["run", "host"] {
        let told = lines(ENGINE, command, &hangs.to_string());
        let points: Vec<_> =
            told.iter().map(|line| parsed(line)).filter(|line| line["record"] == "point").collect();
        let indices: Vec<_> = points.iter().map(|point| point["point_index"].as_u64().unwrap()).collect();
        assert_eq!(indices, (0..POINTS).collect::<Vec<_>>());
        let failed: Vec<_> = points.iter().filter(|point| point["status"] == "failure").collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(
            (&failed[0]["point_index"], &failed[0]["error_code"]),
            (&json!(7), &json!("point_timeout"))
        );
        assert_eq!(parsed(told.last().unwrap())["failed"], 1);
    }
}

#[test]
fn what_stands_still_is_settled_when_the_time_ends_though_a_younger_point_is_left() {
    let rows = json!([["hang", 0, 0], ["sleep", 1, 1], ["hang", 2, 2]]);
    let design = json!({"kind": "table", "columns": ["mode", "at", "x"], "rows": rows});
    let time = json!({"report_seconds": 0.1, "time": {"limit": 2.0, "left": 2.0}});
    let request = with(&request("faulty", &json!({}), 3), &json!({"design": design, "threads": 2}));
    let request = with(&with(&request, &time), &json!({"base": {"milliseconds": 1200}}));
    for command in ["run", "host"] {
        let (mut engine, _input) = start(ENGINE, command, request.to_string().as_bytes());
        let lines = BufReader::new(engine.stdout.take().unwrap()).lines();
        let mut records =
            lines.map(|line| parsed(&line.unwrap())).skip_while(|line| line["record"] != "point");
        let told: Vec<_> = records.by_ref().take(2).map(|point| point["error_code"].clone()).collect();
        assert_eq!(told, [json!("point_timeout"), Value::Null]);
        // Named at once: the time is nearly over.
        let report = records.next().unwrap();
        assert_eq!((&report["point_index"], &report["others"]), (&json!(2), &json!(0)));
        engine.kill().unwrap();
        engine.wait().unwrap();
    }
}

#[test]
fn a_point_that_has_just_begun_does_not_stand_still() {
    // Of a limit that is much longer than the time which this engine has of it.
    let time = json!({"report_seconds": 0.1, "time": {"limit": 1000.0, "left": 0.2}});
    let sleeps = with(&faulty(&json!({"base": {"mode": "sleep", "at": 7, "milliseconds": 700}})), &time);
    let told = lines(ENGINE, "run", &sleeps.to_string());
    assert_eq!(parsed(told.last().unwrap())["succeeded"], POINTS);
}

#[test]
fn a_point_that_waits_to_be_tried_alone_is_not_running() {
    let rows = json!([["abort", 0, 0], ["hang", 1, 1], ["ok", 2, 2]]);
    let design = json!({"kind": "table", "columns": ["mode", "at", "x"], "rows": rows});
    let request = with(&request("faulty", &json!({}), 3), &json!({"design": design, "report_seconds": 0.1}));
    wait_for_report("host", &request, |record| record["point_index"] == 1 && record["others"] == 0);
}

#[test]
fn reports_come_between_records_and_change_none() {
    let sleeps = faulty(&json!({"base": {"mode": "sleep", "at": 7, "milliseconds": 1000}}));
    for command in ["run", "host"] {
        let told = records(ENGINE, command, &with(&sleeps, &json!({"report_seconds": 0.01})));
        let (reports, points): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|line| line.starts_with(r#"{"record":"running","#));
        assert!(!reports.is_empty());
        assert_eq!(points, records(ENGINE, command, &sleeps));
    }
}
