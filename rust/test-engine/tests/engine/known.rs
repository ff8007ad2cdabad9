//! Known metrics of every type are written unchanged.

use crate::ENGINE;
use crate::common::{parsed, records, request, with};
use serde_json::{Value, json};

#[test]
fn metrics_of_every_type_are_the_same_bytes() {
    let bases = [
        json!({}),
        json!({
            "flag": true, "flag_or_null": false, "int": i64::MIN, "int_or_null": i64::MAX, "real": 1e300,
            "real_or_null": 5e-324, "text": "é😀\"\\\n\u{1}", "text_or_null": "null",
        }),
    ];
    for base in bases {
        let request = with(&request("typed", &json!({}), 1), &json!({"base": base}));
        let expected = records(ENGINE, "run", &request);
        let metrics: Value = parsed(&expected[0])["metrics"].take();
        let known = json!({"known": [{"point_index": 0, "metrics": metrics}]});
        assert_eq!(records(ENGINE, "run", &with(&request, &known)), expected);
    }
}

#[test]
fn a_known_point_may_be_one_that_would_fail() {
    // A parent's known metrics are trusted: a point that is not run cannot fail.
    let request = with(
        &request("faulty", &json!({"x": [0, 1]}), 2),
        &json!({"base": {"mode": "abort"}, "known": [{"point_index": 0, "metrics": {"half": 0}}]}),
    );
    let points = records(ENGINE, "run", &request);
    assert!(points.iter().all(|point| parsed(point)["status"] == "success"));
}
