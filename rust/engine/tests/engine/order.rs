//! The bytes of points depend only on the run, not on threads or shard bounds.

use crate::ENGINE;
use crate::common::{parsed, records, request, with};
use serde_json::{Value, json};

const POINTS: u64 = 2 * 40 * 3 * 25;

/// Points with rows and very different costs; some fail.
fn sweep() -> Value {
    let rates: Vec<f64> = (1..=40).map(|step| f64::from(step) * 0.05).collect();
    let dimensions = json!({"arrival_rate": rates, "customers": [1, 20, 2000], "warmup": [0, 5]});
    with(&request("queue", &dimensions, POINTS), &json!({"replications": 25}))
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let expected = records(ENGINE, "run", &with(&sweep(), &json!({"threads": 1})));
    assert_eq!(expected.len() as u64, POINTS);
    for threads in [2, 7] {
        assert!(
            records(ENGINE, "run", &with(&sweep(), &json!({"threads": threads}))) == expected,
            "{threads}"
        );
    }
    for (index, line) in expected.iter().enumerate() {
        let point = parsed(line);
        assert_eq!(point["point_index"], index);
        assert_eq!(point["replicate"], index % 25);
        let failed = point["parameters"]["customers"] == 1 && point["parameters"]["warmup"] == 5;
        assert_eq!(point["status"], if failed { "failure" } else { "success" });
    }
}

#[test]
fn any_split_into_shards_gives_the_same_bytes() {
    let all = records(ENGINE, "run", &sweep());
    for shard in [1777, 2500, 5999] {
        let mut parts = Vec::new();
        for start in (0..POINTS).step_by(shard) {
            let end = POINTS.min(start + shard as u64);
            let bounds = json!({"start_index": start, "end_index_exclusive": end});
            parts.extend(records(ENGINE, "run", &with(&sweep(), &bounds)));
        }
        assert!(parts == all, "{shard}");
    }
}

#[test]
fn rows_come_before_their_point_for_any_number_of_threads() {
    let dimensions = json!({"customers": [3, 700], "warmup": [0, 5]});
    let sweep =
        with(&request("queue", &dimensions, 400), &json!({"replications": 100, "outputs": ["customers"]}));
    let lines = records(ENGINE, "run", &sweep);
    assert!(records(ENGINE, "run", &with(&sweep, &json!({"threads": 7}))) == lines);
    let mut rows = None;
    for line in lines {
        let record = parsed(&line);
        if record["record"] == "rows" {
            assert!(rows.is_none());
            rows = Some(record);
        } else if record["status"] == "success" {
            let rows = rows.take().unwrap();
            assert_eq!(rows["point_index"], record["point_index"]);
            assert_eq!(rows["replicate"], record["replicate"]);
            let wait = rows["columns"]["wait"].as_array().unwrap();
            let counted = record["parameters"]["customers"].as_u64().unwrap()
                - record["parameters"]["warmup"].as_u64().unwrap();
            assert_eq!(wait.len() as u64, counted);
            let mean = wait.iter().map(|wait| wait.as_f64().unwrap()).sum::<f64>() / counted as f64;
            assert_eq!(Some(mean), record["metrics"]["mean_wait"].as_f64());
        } else {
            assert!(rows.is_none());
        }
    }
}

#[test]
fn points_are_the_same_records_without_results() {
    let run = records(ENGINE, "run", &sweep());
    let points = records(ENGINE, "points", &sweep());
    assert_eq!(points.len(), run.len());
    for (point, run) in points.iter().zip(&run) {
        let identity = run.replace(r#""status":"success","#, "").replace(r#""status":"failure","#, "");
        assert!(identity.starts_with(point.strip_suffix('}').unwrap()), "{point}");
    }
}

#[test]
fn the_far_end_of_a_huge_design_is_reached_at_once() {
    // 1290^3 * 2^32 is 9.2200e18; 2^63 is 9.2234e18.
    let rates: Vec<f64> = (1..=1290).map(f64::from).collect();
    let counts: Vec<u32> = (1..=1290).collect();
    let total = 1290_u64.pow(3) << 32;
    let huge = with(
        &request("queue", &json!({"arrival_rate": rates, "service_rate": rates, "servers": counts}), total),
        &json!({"replications": 1_u64 << 32, "start_index": total - 3, "base": {"customers": 2}}),
    );
    let last = parsed(&records(ENGINE, "run", &huge)[2]);
    assert_eq!(last["point_index"], total - 1);
    assert_eq!(last["replicate"], u32::MAX);
    for name in ["arrival_rate", "service_rate", "servers"] {
        assert_eq!(last["parameters"][name], 1290);
    }
}
