//! Requests that are refused, and their refusals.

use crate::ENGINE;
use crate::common::{finish, lines, parsed, request, with};
use serde_json::{Value, json};

/// The code and message of the only line in the answer.
fn refusal(command: &str, request: &str) -> (String, String, Value) {
    let lines = lines(ENGINE, command, request);
    assert_eq!(lines.len(), 1, "{request:.200} is answered by {lines:.200?}");
    let mut record = parsed(&lines[0]);
    assert_eq!(record["record"], "refused");
    assert!(lines[0].len() < 2000);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&record["error_code"]), text(&record["message"]), record["parameter"].take())
}

fn good() -> Value {
    request("queue", &json!({"arrival_rate": [0.5, 0.8], "servers": [1, 2]}), 4)
}

/// A valid request with a part of its text replaced.
fn replaced(from: &str, to: &str) -> String {
    let text = good().to_string();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_requests() {
    let text = good().to_string();
    let cases = [
        (String::new(), "must be a JSON object"),
        ("null".into(), "must be a JSON object"),
        (r#"["v1","queue"]"#.into(), "must be a JSON object"),
        ("{".into(), "EOF"),
        (text.clone() + "{}", "trailing"),
        (text.replace('}', ""), "request"),
        ("[".repeat(100_000), "must be a JSON object"),
        (
            replaced(r#""base":{}"#, &format!(r#""base":{{"warmup":{}"#, "[".repeat(100_000))),
            "expected value",
        ),
        (replaced(r#""protocol":"v1""#, r#""protocol":"v2""#), "v1"),
        (replaced(r#""seed":42"#, r#""seed":42,"sead":1"#), "unknown field `sead`"),
        (replaced(r#""seed":42"#, r#""seed":42,"seed":42"#), "duplicate field `seed`"),
        (replaced(r#""base":{}"#, r#""base":{"warmup":1,"warmup":1}"#), "duplicate field `warmup`"),
        (replaced(r#""servers":[1,2]"#, r#""servers":[1],"servers":[2]"#), "duplicate field `servers`"),
        (replaced(r#""kind":"grid""#, r#""kind":"grid","kind":"grid""#), "duplicate field `kind`"),
        (
            replaced(r#""kind":"grid""#, r#""kind":"random_walk""#),
            "design.kind = \"random_walk\": must be one of \"grid\"",
        ),
        (replaced(r#""kind":"grid""#, r#""kind":"grid","more":1"#), "unknown field `more`"),
        (with(&good(), &json!({"design": ["grid", {}]})).to_string(), "design must be a JSON object"),
        (replaced(r#""seed":42,"#, ""), "missing field `seed`"),
        (replaced(r#""seed":42"#, r#""seed":42.0"#), "42.0"),
        (replaced(r#""seed":42"#, r#""seed":true"#), "boolean"),
        (replaced(r#""seed":42"#, r#""seed":"42""#), "string"),
        (replaced(r#""seed":42"#, r#""seed":9223372036854775808"#), "9223372036854775808"),
        (replaced(r#""seed":42"#, r#""seed":18446744073709551616"#), "expected i64"),
        (replaced(r#""seed":42"#, r#""seed":1e400"#), "out of range"),
        (replaced(r#""seed":42"#, r#""seed":NaN"#), "expected value"),
        (replaced(r#""threads":2"#, r#""threads":0"#), "threads"),
        (replaced(r#""threads":2"#, r#""threads":1025"#), "threads"),
        (replaced(r#""threads":2"#, r#""report_seconds":0"#), "report_seconds: must be above 0"),
        (replaced(r#""threads":2"#, r#""report_seconds":1e10"#), "report_seconds: must be above 0"),
        (replaced(r#""threads":2"#, r#""time":{"limit":1,"left":0}"#), "time: its numbers must be above 0"),
        (
            replaced(r#""threads":2"#, r#""time":{"limit":1,"left":1,"point":1}"#),
            "time.point: allowed for `host`",
        ),
        (replaced(r#""replications":1"#, r#""replications":0"#), "replications"),
        (replaced(r#""replications":1"#, r#""replications":4294967297"#), "replications"),
        (replaced("[1,2]", "[]"), "design.dimensions.servers: has no values"),
        (replaced("[1,2]", "1"), "design.dimensions.servers = 1: must be a list of values, or a formula"),
        (replaced(r#""start_index":0"#, r#""start_index":-1"#), "-1"),
        (replaced(r#""start_index":0"#, r#""start_index":4"#), "4 to 4 of 4"),
        (replaced(r#""end_index_exclusive":4"#, r#""end_index_exclusive":5"#), "0 to 5 of 4"),
        (replaced(r#""outputs":[]"#, r#""outputs":["customers","customers"]"#), "twice"),
        (replaced(r#""base":{}"#, r#""base":null"#), "object"),
        (format!("{{{}", " ".repeat(68 << 20)), "68 MiB"),
    ];
    for (request, problem) in cases {
        let (code, message, parameter) = refusal("run", &request);
        assert_eq!(code, "bad_request", "{request:.200}: {message}");
        assert!(message.contains(problem), "{request:.200}: {message:?} does not say {problem:?}");
        assert_eq!(parameter, Value::Null);
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let request = replaced(r#""protocol":"v1""#, r#""protocol":"vX""#).replace('X', "\u{e9}");
    let latin1: Vec<u8> = request.chars().map(|character| u8::try_from(character).unwrap()).collect();
    let answer = finish(ENGINE, "run", &latin1).stdout;
    assert!(String::from_utf8(answer).unwrap().contains("the request is not UTF-8"));
}

#[test]
fn a_product_past_the_bound_is_refused() {
    let ones = vec![1; 1300];
    let rates = vec![1.0; 1300];
    let dimensions =
        json!({"arrival_rate": rates, "service_rate": rates, "servers": ones, "customers": ones});
    let huge = with(&request("queue", &dimensions, 1), &json!({"replications": 1_u64 << 32}));
    assert_eq!(refusal("run", &huge.to_string()).1, "the design has more than 2^63 - 1 points");
}

#[test]
fn an_unknown_model_is_refused_with_the_known_ones() {
    let (code, message, _) = refusal("run", &replaced(r#""queue""#, r#""taxis""#));
    assert_eq!(code, "unknown_model");
    assert_eq!(message, "unknown model \"taxis\"; this engine has: queue, epidemic, ridehail");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn invalid_parameters() {
    let cases = [
        ("[0.5,0.8]", "[0.5,-1]", "arrival_rate", "arrival_rate = -1: must be > 0, <= 1000000000 (1/time)"),
        ("[0.5,0.8]", "[0.5,0]", "arrival_rate", "arrival_rate = 0: must be > 0, <= 1000000000 (1/time)"),
        (
            "[0.5,0.8]",
            "[0.5,1e400]",
            "arrival_rate",
            "arrival_rate = 1e400: must be a finite number of 64 bits",
        ),
        ("[0.5,0.8]", "[0.5,true]", "arrival_rate", "arrival_rate = true: must be a number"),
        ("[0.5,0.8]", "[0.5,null]", "arrival_rate", "arrival_rate = null: must be a number"),
        (
            "[1,2]",
            "[1,2.0]",
            "servers",
            "servers = 2.0: must be an integer, written without point or exponent",
        ),
        (
            "[1,2]",
            "[1,2e0]",
            "servers",
            "servers = 2e0: must be an integer, written without point or exponent",
        ),
        (
            "[1,2]",
            "[1,[2]]",
            "servers",
            "servers = [2]: must be an integer, written without point or exponent",
        ),
        (
            "[1,2]",
            "[1,\"2\"]",
            "servers",
            "servers = \"2\": must be an integer, written without point or exponent",
        ),
        (
            "[1,2]",
            "[1,9223372036854775808]",
            "servers",
            "servers = 9223372036854775808: must be an integer of 64 bits, from -2^63 to 2^63 - 1",
        ),
        ("\"servers\"", "\"server\"", "server", "unknown parameter \"server\"; did you mean \"servers\"?"),
        (
            "\"base\":{}",
            "\"base\":{\"servers\":1}",
            "servers",
            "servers is both a dimension and a base value",
        ),
        ("\"base\":{}", "\"base\":{\"warmup\":-1}", "warmup", "warmup = -1: must be >= 0, <= 1000000000"),
    ];
    for (from, to, parameter, message) in cases {
        let expected = ("invalid_parameters".to_owned(), message.to_owned(), json!(parameter));
        assert_eq!(refusal("run", &replaced(from, to)), expected);
        assert_eq!(refusal("points", &replaced(from, to)), expected);
        // All values are checked, whichever points are requested.
        let shard = replaced(from, to).replace("\"end_index_exclusive\":4", "\"end_index_exclusive\":1");
        assert_eq!(refusal("run", &shard), expected);
    }
}

#[test]
fn an_unknown_output_is_an_invalid_parameter() {
    let (code, message, parameter) =
        refusal("run", &replaced("\"outputs\":[]", "\"outputs\":[\"costumers\"]"));
    assert_eq!(code, "invalid_parameters");
    assert_eq!(message, "outputs: unknown dataset \"costumers\"; did you mean \"customers\"?");
    assert_eq!(parameter, Value::Null);
}

/// Every prefix, and every change of a single byte, gets a proper answer.
#[test]
fn mutilated_requests_are_answered() {
    let text = with(&good(), &json!({"end_index_exclusive": 1, "base": {"customers": 1}})).to_string();
    let step = 7;
    for place in (0..text.len()).step_by(step) {
        refusal("points", &text[..place]);
        for other in ["\"", "9", "}", ",", "\\"] {
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            let answer = lines(ENGINE, "points", &changed);
            assert!(answer.len() == 1 || answer.len() == 3, "{changed}");
        }
    }
}
