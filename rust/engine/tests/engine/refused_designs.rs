//! Designs that the engine refuses.

use crate::ENGINE;
use crate::common::{finish, parsed, records, with};
use crate::designs::asking;
use serde_json::{Value, json};

/// The code, message and parameter of a refusal.
pub(crate) fn refusal(request: &Value) -> (Value, String, Value) {
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
    check_malformed(&cases);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn malformed_structured_designs_are_bad_requests_that_name_the_path() {
    let uniform = json!({"uniform": {"low": 1, "high": 2}});
    let rates = json!({"arrival_rate": uniform, "service_rate": uniform});
    let saltelli = json!({"kind": "saltelli", "base_samples": 5, "dimensions": rates});
    let morris = json!({"kind": "morris", "trajectories": 5, "dimensions": rates});
    let grid = json!({"kind": "grid", "dimensions": {"servers": [1, 2]}});
    let cross = |other: &Value| json!({"kind": "cross", "parts": [grid, other]});
    let most = i64::MAX;
    let cases = [
        (with(&saltelli, &json!({"base_samples": 0})), "design: base_samples must be at least 1"),
        (with(&saltelli, &json!({"base_samples": most})), "design: the design has more than 2^63 - 1 points"),
        (with(&saltelli, &json!({"second_order": 1})), "design.second_order = 1: must be true or false"),
        (with(&saltelli, &json!({"samples": 1})), "design: unknown field `samples`"),
        (
            with(&saltelli, &json!({"dimensions": {"arrival_rate": uniform}})),
            "design: a saltelli design needs at least two dimensions",
        ),
        (json!({"kind": "morris", "dimensions": rates}), "design: missing field `trajectories`"),
        (with(&morris, &json!({"trajectories": 0})), "design: trajectories must be at least 1"),
        (with(&morris, &json!({"trajectories": most})), "design: the design has more than 2^63 - 1 points"),
        (with(&morris, &json!({"levels": 5})), "design: levels of a morris design must be even"),
        (with(&morris, &json!({"dimensions": {}})), "design: a sampled design needs a dimension"),
        (
            with(&morris, &json!({"dimensions": {"arrival_rate": {"normal": {"mean": 50, "std": 1}}}})),
            "design.dimensions.arrival_rate: must have low and high",
        ),
        (json!({"kind": "cross"}), "design: missing field `parts`"),
        (json!({"kind": "cross", "parts": grid}), "design.parts = "),
        (json!({"kind": "cross", "parts": [grid]}), "design: a cross needs from 2 to 256 parts"),
        (with(&cross(&saltelli), &json!({"seed": 1})), "design: unknown field `seed`"),
        (cross(&json!({})), "design.parts.1: missing field `kind`"),
        (cross(&json!(1)), "design.parts.1 must be a JSON object"),
        (cross(&cross(&saltelli)), "design.parts.1.kind = \"cross\": must be one of"),
        (cross(&with(&morris, &json!({"levels": 5}))), "design.parts.1: levels of a morris design must be"),
        (cross(&with(&morris, &json!({"level": 4}))), "design.parts.1: unknown field `level`"),
        (
            cross(&json!({"kind": "random", "samples": 1, "dimensions": {"arrival_rate": {"uniform": {}}}})),
            "design.parts.1.dimensions.arrival_rate.uniform: missing field `low`",
        ),
        (
            cross(&json!({"kind": "table", "columns": ["servers"], "rows": [[1]]})),
            "design.parts.1: servers is varied by an earlier part, too",
        ),
        (
            cross(&json!({"kind": "table", "columns": ["customers"], "rows": [[1]], "total_rows": 2})),
            "design: a table in a cross needs all its rows",
        ),
        (
            cross(&json!({"kind": "random", "samples": most, "dimensions": rates})),
            "design: the design has more than 2^63 - 1 points",
        ),
    ];
    check_malformed(&cases);
}

fn check_malformed(cases: &[(Value, &str)]) {
    for (design, problem) in cases {
        let (code, message, parameter) = refusal(&asking(design, 1));
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
            "row 9: servers = 0: must be >= 1",
        ),
        (
            json!({"kind": "table", "columns": ["sevrers"], "rows": [[1], [0]]}),
            "sevrers",
            "did you mean \"servers\"?",
        ),
        (
            // Unlike in a random design, `high` is a value.
            json!({"kind": "morris", "trajectories": 1, "dimensions": {
                "arrival_rate": {"uniform": {"low": 1, "high": 1_000_000_000.000_000_1}},
            }}),
            "arrival_rate",
            "arrival_rate = 1000000000.0000001: must be",
        ),
        (
            json!({"kind": "cross", "parts": [grid("customers", json!([1])), grid("servers", json!([1, 0]))]}),
            "servers",
            "servers = 0: must be >= 1",
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
