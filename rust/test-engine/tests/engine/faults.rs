//! A point that fails does not affect others.

use std::io::{BufRead as _, BufReader, Read as _};
use std::thread::sleep;
use std::time::Duration;

use crate::ENGINE;
use crate::common::{finish, lines, parsed, records, request, start, with};
use serde_json::{Value, json};

const AT: usize = 700;

fn faulty(mode: &str) -> Value {
    let numbers: Vec<usize> = (0..2000).collect();
    with(&request("faulty", &json!({"x": numbers}), 2000), &json!({"base": {"mode": mode, "at": AT}}))
}

#[test]
fn one_points_fault_leaves_its_neighbours_alone() {
    let good = records(ENGINE, "run", &faulty("ok"));
    let cases = [
        ("domain_error", "at_fault", "x = 700 is at fault"),
        ("panic", "panic", "x = 700, \"quoted\" and\nbroken"),
        ("nan", "non_finite_metric", "half is NaN"),
    ];
    for (mode, code, message) in cases {
        let metrics = |line: &String| parsed(line)["metrics"].clone();
        let records = records(ENGINE, "run", &faulty(mode));
        assert_eq!(records.len(), good.len());
        let others = records.iter().zip(&good).enumerate().filter(|(index, _)| *index != AT);
        for (_, (found, expected)) in others {
            assert_eq!(metrics(found), metrics(expected));
        }
        let fault = parsed(&records[AT]);
        assert_eq!(fault["status"], "failure");
        assert_eq!(fault["error_code"], code);
        assert_eq!(fault["error_message"], message);
        assert_eq!(fault.get("metrics"), None);
    }
}

#[test]
fn finished_counts_failures() {
    let last = lines(ENGINE, "run", &faulty("panic").to_string()).pop().unwrap();
    assert_eq!(last, r#"{"record":"finished","points":2000,"succeeded":1999,"failed":1}"#);
}

#[test]
fn a_panic_is_one_line_on_standard_error() {
    let errors =
        String::from_utf8(finish(ENGINE, "run", faulty("panic").to_string().as_bytes()).stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("panic at ") && errors.contains("x = 700"), "{errors}");
}

#[test]
fn an_engine_that_dies_does_not_finish() {
    for (mode, status) in [("abort", None), ("exit", Some(7))] {
        let output = finish(ENGINE, "run", faulty(mode).to_string().as_bytes());
        assert_eq!(output.status.code(), status);
        assert!(!String::from_utf8(output.stdout).unwrap().contains("finished"));
    }
}

#[test]
fn a_hung_engine_ends_with_its_parent() {
    let (child, input) = start(ENGINE, "run", faulty("hang").to_string().as_bytes());
    sleep(Duration::from_millis(300));
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("finished"));
}

#[test]
fn points_behind_a_slow_one_wait_for_it() {
    let numbers: Vec<usize> = (0..300).collect();
    let request = with(
        &request("faulty", &json!({"x": numbers}), 300),
        &json!({"base": {"mode": "sleep", "at": 1, "milliseconds": 500}, "threads": 2}),
    );
    let records = records(ENGINE, "run", &request);
    let order: Vec<_> = records.iter().map(|line| parsed(line)["point_index"].as_u64().unwrap()).collect();
    assert_eq!(order, (0..300).collect::<Vec<_>>());
}

#[test]
fn too_many_rows_fail_their_point() {
    let request = request("typed", &json!({"rows": [0, 2, 2_000_000, 1]}), 4);
    let records = records(ENGINE, "run", &with(&request, &json!({"outputs": ["echoes"]})));
    let kinds: Vec<_> = records.iter().map(|line| parsed(line)["record"].clone()).collect();
    assert_eq!(kinds, ["point", "rows", "point", "point", "rows", "point"]);
    let fault = parsed(&records[3]);
    assert_eq!(fault["error_code"], "too_many_rows");
    assert_eq!(fault["error_message"], "the rows of echoes are more than 32 MiB for one point");
}

mod slow {
    use super::*;

    #[test]
    fn slow_points_come_one_by_one() {
        let slow = request("burn", &json!({"x": [0, 1, 2]}), 3);
        let slow = with(&slow, &json!({"base": {"milliseconds": 400}, "threads": 1}));
        let (mut child, input) = start(ENGINE, "run", slow.to_string().as_bytes());
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..2 {
            output.read_line(&mut String::new()).unwrap();
        }
        // The first point has been written before the others are done.
        assert_eq!(child.try_wait().unwrap(), None);
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.lines().count(), 3);
        drop(input);
    }
}
