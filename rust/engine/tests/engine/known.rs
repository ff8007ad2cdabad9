//! Points that the parent knows: their records have the same bytes as simulated ones, without a simulation.

use crate::ENGINE;
use crate::common::{lines, parsed, records, request, with};
use serde_json::{Value, json};

fn sweep() -> Value {
    let rates: Vec<f64> = (1..=20).map(|step| f64::from(step) * 0.04).collect();
    let dimensions = json!({"arrival_rate": rates, "customers": [1, 200], "warmup": [0, 5]});
    with(&request("queue", &dimensions, 240), &json!({"replications": 3, "start_index": 5}))
}

/// The known points of a parent: those of `lines` that succeeded and that `take` accepts.
fn known(lines: &[String], take: impl Fn(u64) -> bool) -> Vec<Value> {
    let points = lines.iter().map(|line| parsed(line)).filter(|point| point["status"] == "success");
    points
        .filter(|point| take(point["point_index"].as_u64().unwrap()))
        .map(|point| json!({"point_index": point["point_index"], "metrics": point["metrics"]}))
        .collect()
}

#[test]
fn records_of_known_points_are_the_same_bytes() {
    let expected = records(ENGINE, "run", &sweep());
    let takes: [fn(u64) -> bool; 4] = [|_| true, |_| false, |index| index % 2 == 1, |index| index > 100];
    for take in takes {
        let given = json!({"known": known(&expected, take)});
        assert!(records(ENGINE, "run", &with(&sweep(), &given)) == expected);
    }
}

#[test]
fn a_known_point_is_not_simulated() {
    let simulated = records(ENGINE, "run", &sweep());
    let mut metrics = parsed(&simulated[1])["metrics"].take();
    for value in metrics.as_object_mut().unwrap().values_mut() {
        *value = json!(7);
    }
    let given = json!({"known": [{"point_index": 6, "metrics": metrics}]});
    let points = records(ENGINE, "run", &with(&sweep(), &given));
    assert_eq!(parsed(&points[1])["metrics"], metrics);
    assert_eq!((&points[0], &points[2..]), (&simulated[0], &simulated[2..]));
}

#[test]
fn what_cannot_be_known_is_refused() {
    let refusal = |command: &str, fields: &Value| {
        let answer = lines(ENGINE, command, &with(&sweep(), fields).to_string());
        assert_eq!(answer.len(), 1);
        let record = parsed(&answer[0]);
        assert_eq!(record["error_code"], "bad_request");
        record["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(refusal("points", &json!({"known": []})), "known: allowed for `run` only");
    let with_outputs = json!({"known": [], "outputs": ["customers"]});
    assert_eq!(
        refusal("run", &with_outputs),
        "known: cannot be combined with outputs, whose rows are not known"
    );
    let outside = json!({"known": [{"point_index": 4, "metrics": {}}]});
    assert_eq!(refusal("run", &outside), "known[0].point_index = 4: must be from 5 to below 240");
    let bare = json!({"known": [{"point_index": 5, "metrics": {}}]});
    assert!(refusal("run", &bare).ends_with("is missing"));
    assert!(refusal("run", &json!({"known": [{"point_index": 5}]})).contains("missing field `metrics`"));
    assert!(refusal("run", &json!({"known": {}})).contains("expected a sequence"));
}
