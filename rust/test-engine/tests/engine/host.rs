//! A point in a child process: whatever it does, its neighbours are run as if nothing had happened.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::ENGINE;
use crate::common::{finish, parsed, records, request, start, with};
use serde_json::{Value, json};

const AT: usize = 57;
const POINTS: usize = 100;

fn faulty(mode: &str) -> Value {
    let numbers: Vec<usize> = (0..POINTS).collect();
    let request = request("faulty", &json!({"x": numbers}), POINTS as u64);
    with(&request, &json!({"base": {"mode": mode, "at": AT}}))
}

#[test]
fn a_host_writes_what_an_engine_writes() {
    for mode in ["ok", "domain_error", "panic", "nan"] {
        assert_eq!(records(ENGINE, "host", &faulty(mode)), records(ENGINE, "run", &faulty(mode)), "{mode}");
    }
    let values = json!({"real": [0.1, -0.0, 5, 1e21, 1e20, 5e-324, f64::MAX], "rows": [0, 3],
        "int": [0, i64::MAX, i64::MIN], "text": ["", "é\u{2028}\"\\\n\u{1}"], "flag": [true, false],
        "real_or_null": [null, 2.5], "int_or_null": [null, -7], "text_or_null": [null, "x"]});
    let typed = with(&request("typed", &values, 1344), &json!({"outputs": ["echoes"], "replications": 2}));
    assert_eq!(records(ENGINE, "host", &typed), records(ENGINE, "run", &typed));
}

#[test]
fn one_point_cannot_take_others_along() {
    let good = records(ENGINE, "run", &faulty("ok"));
    let limits = json!({"point_seconds": 1, "point_memory": 200 << 20});
    let cases = [
        ("abort", "point_crashed", "its process was ended by signal 6 (SIGABRT, it aborted)"),
        ("leave", "point_crashed", "its process was ended by signal 6 (SIGABRT, it aborted)"),
        ("exit", "point_crashed", "its process exited with status 7 (tried twice)"),
        ("overflow", "point_crashed", "its process was ended by signal 6 (SIGABRT, it aborted): "),
        ("hang", "point_timeout", "it ran for more than 1 s, the limit point_seconds (tried twice)"),
        ("loop", "point_timeout", "it ran for more than 1 s, the limit point_seconds (tried twice)"),
        ("memory", "point_out_of_memory", "its process held 2"),
    ];
    for (mode, code, message) in cases {
        let records = records(ENGINE, "host", &with(&faulty(mode), &json!({"limits": limits})));
        assert_eq!(records.len(), good.len());
        for (index, (found, expected)) in records.iter().zip(&good).enumerate() {
            let (found, expected) = (parsed(found), parsed(expected));
            if index == AT {
                assert_eq!(found["error_code"], code, "{mode}: {found}");
                let said = found["error_message"].as_str().unwrap();
                assert!(said.starts_with(message), "{said:?} does not begin with {message:?}");
            } else {
                assert_eq!(found["metrics"], expected["metrics"], "{mode}: {found}");
                assert_eq!(found["status"], "success");
            }
        }
    }
}

#[test]
fn what_a_point_prints_or_leaves_behind_does_no_harm() {
    for (command, mode) in [("run", "print"), ("host", "print"), ("host", "fork")] {
        let metrics = |line: &String| parsed(line)["metrics"].clone();
        // Ends when all processes that hold the host's pipes have ended.
        let found: Vec<_> = records(ENGINE, command, &faulty(mode)).iter().map(metrics).collect();
        let expected: Vec<_> = records(ENGINE, "run", &faulty("ok")).iter().map(metrics).collect();
        assert_eq!(found, expected, "{command} {mode}");
    }
    let printed = finish(ENGINE, "run", faulty("print").to_string().as_bytes()).stderr;
    assert_eq!(String::from_utf8(printed).unwrap(), "a point prints\n");
}

#[test]
fn a_point_that_crashes_once_has_its_result() {
    let marker = std::env::temp_dir().join(format!("sweep-abort-once-{}", std::process::id()));
    fs::write(&marker, "").unwrap();
    let base = json!({"mode": "abort_once", "at": AT, "marker": marker});
    let found = records(ENGINE, "host", &with(&faulty("ok"), &json!({"base": base})));
    assert!(!marker.exists(), "it has crashed");
    assert_eq!(parsed(&found[AT])["metrics"]["half"], 28.5);
}

#[test]
fn every_second_point_may_crash() {
    let crash = |index: usize| if index.is_multiple_of(2) { "abort" } else { "ok" };
    let rows: Vec<Value> = (0..200).map(|index| json!([crash(index), index, index])).collect();
    let design = json!({"kind": "table", "columns": ["mode", "at", "x"], "rows": rows});
    let request = with(&request("faulty", &json!({}), 200), &json!({"design": design}));
    let records = records(ENGINE, "host", &request);
    for (index, record) in records.iter().enumerate() {
        let code = parsed(record)["error_code"].clone();
        assert_eq!(code, if index.is_multiple_of(2) { json!("point_crashed") } else { Value::Null });
    }
}

#[test]
fn children_end_with_the_host() {
    for kill in [false, true] {
        let (mut host, input) = start(ENGINE, "host", faulty("loop").to_string().as_bytes());
        let children = || children_of(host.id());
        while children().is_empty() {
            sleep(Duration::from_millis(5));
        }
        let started = children();
        if kill {
            host.kill().unwrap();
        } else {
            drop(input);
        }
        let status = host.wait().unwrap();
        assert_eq!(status.code(), (!kill).then_some(3));
        while started.iter().any(|child| is_running(*child)) {
            sleep(Duration::from_millis(5));
        }
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let listed = fs::read_dir(format!("/proc/{parent}/task")).unwrap().flatten();
    let texts = listed.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    texts.flat_map(|text| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
}

fn is_running(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn limits_are_checked() {
    let cases = [
        ("host", json!({"point_seconds": 0}), "limits.point_seconds: must be above 0"),
        ("host", json!({"point_memory": 0}), "limits.point_memory: must be at least 1 byte"),
        ("host", json!({"point_second": 1}), "unknown field `point_second`"),
        ("run", json!({"point_seconds": 1}), "limits: allowed for `host` only"),
    ];
    for (command, limits, problem) in cases {
        let request = with(&faulty("ok"), &json!({"limits": limits}));
        let output = finish(ENGINE, command, request.to_string().as_bytes());
        let refused = parsed(String::from_utf8(output.stdout).unwrap().trim());
        assert_eq!(refused["error_code"], "bad_request");
        assert!(refused["message"].as_str().unwrap().contains(problem), "{refused}");
    }
}

#[test]
fn a_served_model_answers_line_by_line() {
    let mut serve = std::process::Command::new(ENGINE)
        .args(["serve", "faulty"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let point = |x: i64, at: i64| {
        json!({"id": x, "parameters": {"at": at, "marker": "", "milliseconds": 1, "mode": "domain_error", "x": x},
               "seed": 1, "replicate": 0, "random": [1, 2, 3, 4], "outputs": []})
    };
    let mut input = serve.stdin.take().unwrap();
    for line in [point(4, 9), point(9, 9)] {
        std::io::Write::write_all(&mut input, format!("{line}\n").as_bytes()).unwrap();
    }
    drop(input);
    let output = serve.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with(r#"{"protocol":"v1","model":{"name":"faulty","version":"1","#),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], r#"{"id":4,"metrics":{"half":2},"rows":{}}"#);
    assert_eq!(lines[2], r#"{"id":9,"error_code":"at_fault","error_message":"x = 9 is at fault"}"#);
}
