//! Identities and values of every type, against tests/golden/points.json.

use std::fs;
use std::path::Path;

use crate::ENGINE;
use crate::common::{parsed, records, request, with};
use serde_json::{Value, json};

#[test]
fn points_have_the_golden_identities() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/points.json");
    let specs: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for spec in specs.as_array().unwrap() {
        let mut whole = request("typed", &json!({}), 1);
        for field in ["model", "design", "base", "replications", "seed"] {
            whole[field] = spec[field].clone();
        }
        for point in spec["points"].as_array().unwrap() {
            let index = point["point_index"].as_u64().unwrap();
            let bounds = json!({"start_index": index, "end_index_exclusive": index + 1});
            let found = parsed(&records(ENGINE, "points", &with(&whole, &bounds))[0]);
            for (field, expected) in point.as_object().unwrap() {
                assert!(same(expected, &found[field]), "{field} of {index}: {} != {expected}", found[field]);
            }
        }
    }
}

/// Whether two values are equal; a float without a fraction may be written as an integer.
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len() && expected.iter().all(|(name, value)| same(value, &found[name]))
        }
        (Value::Number(expected), Value::Number(_)) if expected.is_f64() => {
            found.as_f64() == expected.as_f64()
        }
        _ => expected == found,
    }
}

#[test]
fn values_are_written_as_they_were_read() {
    let base = json!({
        "flag": true, "flag_or_null": false, "int": i64::MIN, "int_or_null": i64::MAX, "real": 1e300,
        "real_or_null": 5, "text": "é😀\"\\\n\u{1}", "text_or_null": "null", "rows": 2,
    });
    let request = with(&request("typed", &json!({}), 1), &json!({"base": base, "outputs": ["echoes"]}));
    let [rows, point] = records(ENGINE, "run", &request).try_into().unwrap();
    let (rows, point) = (parsed(&rows), parsed(&point));
    assert!(same(&base, &point["parameters"]), "{point}");
    for (name, value) in point["metrics"].as_object().unwrap() {
        assert_eq!(value, &point["parameters"][name]);
        assert_eq!(rows["columns"][name], json!([value, value]));
    }
}

#[test]
fn nulls_stay_null() {
    let point = parsed(&records(ENGINE, "run", &request("typed", &json!({}), 1))[0]);
    for name in ["flag_or_null", "int_or_null", "real_or_null", "text_or_null"] {
        assert_eq!(point["parameters"][name], Value::Null);
        assert_eq!(point["metrics"][name], Value::Null);
    }
}
