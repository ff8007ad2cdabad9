//! Results of the built-in models, pinned to the last bit: these lines change only with a model's version.
//!
//! `UPDATE_GOLDEN=1 cargo test -p sweep-engine golden` rewrites them.

use std::path::Path;
use std::{env, fs};

use crate::ENGINE;
use crate::common::records;
use serde_json::{Value, json};

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    let golden: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let lines = records(ENGINE, "run", &golden["request"]);
    if env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        let golden = json!({"request": golden["request"], "lines": lines});
        fs::write(&path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
        return;
    }
    let expected: Vec<_> =
        golden["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn queue() {
    check("queue.json");
}

#[test]
fn epidemic() {
    check("epidemic.json");
}

#[test]
fn ridehail() {
    check("ridehail.json");
}

/// Steady-state statistics and a logit choice at one speed, until every driver is off duty; with both
/// datasets.
#[test]
fn ridehail_until_drivers_leave() {
    check("ridehail_until_drivers_leave.json");
}
