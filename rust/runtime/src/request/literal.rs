//! A value's JSON literal, kept as text: only the text distinguishes 5 from 5.0, and 2^64 from
//! 1.8446744073709552e19.

use serde::Deserialize;
use serde_json::value::RawValue;
use sweep_space::Value;

use crate::model::declaration::{Column, Parameter, Type};
use crate::request::refusal::shortened;

/// A JSON literal from a request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Literal<'a>(#[serde(borrow)] &'a RawValue);

impl<'a> Literal<'a> {
    pub(crate) fn text(self) -> &'a str {
        self.0.get()
    }
}

impl Literal<'_> {
    /// The literal as a value of `parameter`.
    ///
    /// # Errors
    /// The problem, in a message that starts with the parameter's name.
    pub(crate) fn value_of(self, parameter: &Parameter) -> Result<Value, String> {
        let value = self.named(parameter.name, parameter.kind, parameter.nullable)?;
        let value = match value {
            Value::Text(text) => Value::Text(parameter.choice(&text).into()),
            other => other,
        };
        parameter.check(value.borrow(), &self)?;
        Ok(value)
    }

    /// The literal as a value of `metric`.
    ///
    /// # Errors
    /// The problem, in a message that starts with the metric's name.
    pub(crate) fn metric_of(self, metric: &Column) -> Result<Value, String> {
        self.named(metric.name, metric.kind, metric.nullable)
    }

    /// The literal as a value that was written as in records: a float of any size may look like an integer.
    ///
    /// # Errors
    /// The problem.
    pub(crate) fn written(self, kind: Type, nullable: bool) -> Result<Value, String> {
        match kind {
            Type::Float if is_number(self.0.get()) => float(self.0.get()).map(Value::Float),
            _ => self.typed(kind, nullable),
        }
    }

    fn named(self, name: &str, kind: Type, nullable: bool) -> Result<Value, String> {
        self.typed(kind, nullable).map_err(|wrong| format!("{name} = {self}: {wrong}"))
    }

    fn typed(self, kind: Type, nullable: bool) -> Result<Value, String> {
        let text = self.0.get();
        let (number, integer) = (is_number(text), is_integer(text));
        match kind {
            _ if text == "null" && nullable => Ok(Value::Null),
            Type::Int if integer => int(text).map(Value::Int),
            Type::Float if integer => int(text).map(|integer| Value::Float(integer as f64)),
            Type::Float if number => float(text).map(Value::Float),
            Type::Bool if text == "true" => Ok(Value::Bool(true)),
            Type::Bool if text == "false" => Ok(Value::Bool(false)),
            Type::String if text.starts_with('"') => string(text),
            kind => Err(format!("must be {}{}", words(kind), if nullable { ", or null" } else { "" })),
        }
    }
}

impl std::fmt::Display for Literal<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&shortened(self.0.get(), 100))
    }
}

/// Whether a JSON literal is a number.
pub(crate) fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether a JSON literal is a number without a decimal point or exponent.
pub(crate) fn is_integer(text: &str) -> bool {
    is_number(text) && !text.contains(['.', 'e', 'E'])
}

pub(crate) fn int(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "must be an integer of 64 bits, from -2^63 to 2^63 - 1".to_owned())
}

pub(crate) fn float(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Adding 0.0 turns -0.0 into 0.0: both are the same point.
        Ok(float) if float.is_finite() => Ok(float + 0.0),
        _ => Err("must be a finite number of 64 bits".to_owned()),
    }
}

fn string(text: &str) -> Result<Value, String> {
    let text: String = serde_json::from_str(text).map_err(|_| "must be Unicode text".to_owned())?;
    Ok(Value::Text(text.into()))
}

fn words(kind: Type) -> &'static str {
    match kind {
        Type::Int => "an integer, written without point or exponent",
        Type::Float => "a number",
        Type::Bool => "true or false",
        Type::String => "a string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, parameter: &Parameter) -> Result<Value, String> {
        serde_json::from_str::<Literal>(text).unwrap().value_of(parameter)
    }

    #[test]
    fn integers_and_floats_are_kept_apart() {
        let int = Parameter::int("n", 0);
        let float = Parameter::float("x", 0.0);
        assert_eq!(read("5", &int), Ok(Value::Int(5)));
        assert_eq!(read("-0", &int), Ok(Value::Int(0)));
        assert_eq!(read("-9223372036854775808", &int), Ok(Value::Int(i64::MIN)));
        assert_eq!(read("5", &float), Ok(Value::Float(5.0)));
        assert_eq!(read("5e-324", &float), Ok(Value::Float(5e-324)));
        for wrong in ["5.0", "5e0", "9223372036854775808", "true", "\"5\"", "null", "[5]", "{}"] {
            assert!(read(wrong, &int).is_err(), "{wrong}");
        }
        for wrong in ["1e400", "-1e400", "9223372036854775808", "true", "\"5\"", "null"] {
            assert!(read(wrong, &float).is_err(), "{wrong}");
        }
    }

    #[test]
    fn negative_zero_is_zero() {
        let Ok(Value::Float(zero)) = read("-0.0", &Parameter::float("x", 0.0)) else { panic!() };
        assert!(zero.is_sign_positive());
    }

    #[test]
    fn null_and_text() {
        let text = Parameter::string("name", "").nullable();
        assert_eq!(read("null", &text), Ok(Value::Null));
        assert_eq!(read(r#""é😀""#, &text), Ok(Value::Text("é😀".into())));
        assert!(read(r#""\ud800""#, &text).is_err());
    }

    #[test]
    fn every_spelling_of_a_choice_is_one_value() {
        let exact = Parameter::string("mode", "one_way").choices(&["one_way", "both"]);
        assert!(read(r#""One_Way""#, &exact).is_err());
        let free = exact.spellings(&[("oneway", "one_way"), ("one-way", "one_way")]);
        for spelling in ["one_way", "ONE_WAY", "oneway", "One-Way"] {
            assert_eq!(read(&format!("\"{spelling}\""), &free), Ok(Value::Text("one_way".into())));
        }
        assert_eq!(read(r#""BOTH""#, &free), Ok(Value::Text("both".into())));
        let wrong = read(r#""one way""#, &free);
        assert_eq!(wrong, Err("mode = \"one way\": must be one of \"one_way\", \"both\"".to_owned()));
    }

    #[test]
    fn a_message_names_parameter_value_bound_and_unit() {
        let rate = Parameter::float("rate", 1.0).above(0.0).unit("1/time");
        assert_eq!(read("-1", &rate), Err("rate = -1: must be > 0 (1/time)".to_owned()));
        let long = format!("\"{}\"", "x".repeat(1000));
        assert!(read(&long, &rate).unwrap_err().len() < 200);
    }
}
