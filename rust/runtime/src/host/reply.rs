//! A child's reply to one point. What a model in Rust cannot do, or panics at, fails the point here as well.

use serde::Deserialize;
use serde_json::value::RawValue;
use sweep_space::Value;

use crate::model::declaration::{Column, Type};
use crate::model::domain_error::DomainError;
use crate::model::kept::KeptFile;
use crate::model::output::Output;
use crate::names::is_name;
use crate::request::literal::Literal;
use crate::request::members::Members;
use crate::request::refusal::shortened;

/// Failures of a point that depend on the machine: a later attempt may not have them.
const RESERVED: [&str; 3] = ["point_crashed", "point_timeout", "point_out_of_memory"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply<'a> {
    id: i64,
    #[serde(borrow)]
    metrics: Option<Members<Literal<'a>>>,
    #[serde(borrow, default)]
    rows: Members<Members<&'a RawValue>>,
    error_code: Option<String>,
    error_message: Option<String>,
    #[serde(default)]
    kept: Vec<KeptFile>,
}

/// Puts metrics and rows into the output; an error of the point is the inner one.
///
/// # Errors
/// The problem, if the line is not a reply.
pub(super) fn read(line: &[u8], id: i64, output: &mut Output) -> Result<Result<(), DomainError>, String> {
    let mut reply: Reply = serde_json::from_slice(line).map_err(|error| {
        let shown = shortened(&String::from_utf8_lossy(line), 100);
        format!("{error} in {shown:?}{}", remedy(line))
    })?;
    if reply.id != id {
        return Err(format!("it answers request {}, and {id} was asked", reply.id));
    }
    output.keep(std::mem::take(&mut reply.kept));
    match reply {
        Reply { metrics: Some(metrics), rows, error_code: None, error_message: None, .. } => {
            let filled = fill_metrics(&metrics, output).and_then(|()| fill_rows(rows, output));
            Ok(filled.map_err(|wrong| DomainError::new("panic", wrong)).and_then(|()| output.check()))
        }
        Reply { metrics: None, rows, error_code: Some(code), error_message: Some(message), .. }
            if rows.0.is_empty() =>
        {
            if !is_name(&code) {
                return Err(format!("error_code {:?} is not a name", shortened(&code, 100)));
            }
            if RESERVED.contains(&code.as_str()) {
                return Err(format!("error_code {code:?} is for what only the host can see"));
            }
            Ok(Err(DomainError::new(code, message)))
        }
        _ => Err("a reply has either metrics, and rows perhaps, or error_code and error_message".to_owned()),
    }
}

/// Many writers of JSON write what JSON has no number for, and many programs print what is no reply.
fn remedy(line: &[u8]) -> &'static str {
    let has = |text: &str| line.windows(text.len()).any(|part| part == text.as_bytes());
    if has(":NaN") || has(": NaN") || has("Infinity") {
        "; JSON has no NaN and no Infinity: write them in quotes, \"NaN\""
    } else if line.starts_with(b"{") {
        ""
    } else {
        "; standard output is for replies alone: print to standard error"
    }
}

fn fill_metrics(given: &Members<Literal<'_>>, output: &mut Output) -> Result<(), String> {
    let mut rest = given.0.iter().peekable();
    let mut missing = None;
    for (column, slot) in output.slots() {
        match rest.next_if(|(name, _)| name == column.name) {
            Some((_, literal)) => *slot = value(column, *literal)?,
            None if column.nullable => *slot = Value::Null,
            None => missing = missing.or(Some(column.name)),
        }
    }
    if missing.is_none() && rest.peek().is_none() {
        return Ok(());
    }
    // A name that is not declared stops the walk: those after it were not looked at.
    let declared: Vec<_> = output.slots().map(|(column, _)| column.name).collect();
    Err(match given.0.iter().find(|(name, _)| !declared.contains(&name.as_str())) {
        Some((name, _)) => format!("the model does not declare metric {:?}", shortened(name, 100)),
        None => format!("the model did not set {}", missing.unwrap_or_default()),
    })
}

fn fill_rows(given: Members<Members<&RawValue>>, output: &mut Output) -> Result<(), String> {
    for (name, columns) in given.0 {
        let Some(rows) = output.rows(&name) else {
            return Err(format!("rows of {:?}, which was not asked for", shortened(&name, 100)));
        };
        rows.fill(&columns.0)?;
    }
    Ok(())
}

/// A value of a metric or of a column. What JSON has no number for is a string: `"NaN"`, `"Infinity"`.
pub(crate) fn value(column: &Column, literal: Literal<'_>) -> Result<Value, String> {
    match (column.kind, literal.text()) {
        (Type::Float, "\"NaN\"") => Ok(Value::Float(f64::NAN)),
        (Type::Float, "\"Infinity\"") => Ok(Value::Float(f64::INFINITY)),
        (Type::Float, "\"-Infinity\"") => Ok(Value::Float(f64::NEG_INFINITY)),
        _ => literal
            .written(column.kind, column.nullable)
            .map_err(|problem| format!("{} = {literal}: {problem}", column.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::declaration::Dataset;

    fn output() -> Output {
        let metrics = [Column::string("note").nullable(), Column::int("served"), Column::float("wait")];
        let rows = Dataset::new("queue", "").column(Column::int("at")).column(Column::float("length"));
        Output::new(&metrics, &[rows])
    }

    fn records(line: &str) -> Result<String, String> {
        let mut output = output();
        let result = read(line.as_bytes(), 7, &mut output)?;
        let mut text = Vec::new();
        match result {
            Ok(()) => output.write_reply(7, &mut text),
            Err(error) => return Ok(format!("{}: {}", error.code(), error.message())),
        }
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_reply_may_be_in_any_order_and_omit_what_may_be_null() {
        let line = concat!(
            r#"{"id":7,"rows":{"queue":{"length":[1,2.5,1e300],"at":[1,2,3]}},"#,
            r#""metrics":{"wait":5, "served":-1}}"#
        );
        let expected = concat!(
            r#"{"id":7,"metrics":{"note":null,"served":-1,"wait":5},"#,
            r#""rows":{"queue":{"at":[1,2,3],"length":[1,2.5,1e+300]}}}"#
        );
        assert_eq!(records(line).as_deref(), Ok(expected));
        assert_eq!(records(expected).as_deref(), Ok(expected));
        let large = r#"{"id":7,"metrics":{"note":"é\n","served":0,"wait":100000000000000000000},"rows":{}}"#;
        assert_eq!(records(large).as_deref(), Ok(large));
    }

    #[test]
    fn what_a_model_must_not_say_fails_its_point() {
        let cases = [
            (r#"{"id":7,"metrics":{"wait":5}}"#, "panic: the model did not set served"),
            (r#"{"id":7,"metrics":{"served":5}}"#, "panic: the model did not set wait"),
            (
                r#"{"id":7,"metrics":{"served":1,"wait":5,"x":1}}"#,
                r#"panic: the model does not declare metric "x""#,
            ),
            (
                r#"{"id":7,"metrics":{"served":1,"cost":2,"wait":5}}"#,
                r#"panic: the model does not declare metric "cost""#,
            ),
            (r#"{"id":7,"metrics":{"served":1.5,"wait":5}}"#, "panic: served = 1.5: must be an integer"),
            (r#"{"id":7,"metrics":{"served":1,"wait":null}}"#, "panic: wait = null: must be a number"),
            (r#"{"id":7,"metrics":{"served":1,"wait":"NaN"}}"#, "non_finite_metric: wait is NaN"),
            (r#"{"id":7,"metrics":{"served":1,"wait":"-Infinity"}}"#, "non_finite_metric: wait is -inf"),
            (r#"{"id":7,"metrics":{"served":1,"wait":1},"rows":{"other":{}}}"#, r#"panic: rows of "other""#),
            (r#"{"id":7,"error_code":"too_dry","error_message":"no rain"}"#, "too_dry: no rain"),
        ];
        for (line, expected) in cases {
            let found = records(line).unwrap();
            assert!(found.starts_with(expected), "{found:?} does not begin with {expected:?}");
        }
    }

    #[test]
    fn rows_that_a_model_must_not_give_fail_its_point() {
        let cases = [
            (r#"{"at":[1]}"#, "panic: rows of queue: the model did not set column length"),
            (
                r#"{"at":[1],"length":[1],"depth":[1]}"#,
                "panic: rows of queue: the model does not declare column \"depth\"",
            ),
            (
                r#"{"at":[1],"depth":[1]}"#,
                "panic: rows of queue: the model does not declare column \"depth\"",
            ),
            (r#"{"at":[1],"length":[]}"#, "panic: rows of queue have columns of different lengths"),
            (
                r#"{"at":[1, 1.5],"length":[1,2]}"#,
                "panic: rows of queue: at = 1.5: must be an integer, written without point or exponent",
            ),
            (r#"{"at":7,"length":[]}"#, "panic: rows of queue: at must be an array"),
            (
                r#"{"at":[1],"length":["NaN"]}"#,
                "non_finite_metric: queue.length is not a finite number in a row",
            ),
        ];
        for (columns, expected) in cases {
            let line =
                format!(r#"{{"id":7,"metrics":{{"served":1,"wait":1}},"rows":{{"queue":{columns}}}}}"#);
            assert_eq!(records(&line).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_reply_is_not_the_points_error() {
        for line in [
            "",
            "{}",
            "null",
            r#"{"metrics":{"served":1,"wait":1}}"#,
            r#"{"id":6,"metrics":{"served":1,"wait":1}}"#,
            r#"{"id":8,"error_code":"a","error_message":"b"}"#,
            "{\"id\":7,\"metrics\":{\"wait\":NaN,\"served\":1}}",
            r#"{"id":7,"metrics":{},"error_code":"a","error_message":"b"}"#,
            r#"{"id":7,"error_code":"a"}"#,
            r#"{"id":7,"error_code":"Not a name","error_message":""}"#,
            r#"{"id":7,"error_code":"point_timeout","error_message":""}"#,
            r#"{"id":7,"metrics":{"served":1,"served":1,"wait":1}}"#,
            r#"{"id":7,"metrics":{},"more":1}"#,
        ] {
            assert!(records(line).is_err(), "{line}");
        }
        let told = records("{\"id\":7,\"metrics\":{\"wait\": NaN,\"served\":1}}").unwrap_err();
        assert!(told.ends_with("JSON has no NaN and no Infinity: write them in quotes, \"NaN\""), "{told}");
        let told = records("debug print").unwrap_err();
        assert!(told.ends_with("standard output is for replies alone: print to standard error"), "{told}");
        assert!(read(b"{\"id\":7,\"metrics\":{\"note\":\"\xff\"}}", 7, &mut output()).is_err());
    }
}
