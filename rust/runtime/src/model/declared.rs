//! A declaration read from JSON, in the form that `describe` writes.

use std::ops::Bound;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sweep_space::{Value, ValueRef};

use crate::model::declaration::{Column, Dataset, Declaration, Parameter, Type};
use crate::model::validate::validate_model;
use crate::request::literal::Literal;
use crate::request::members::Members;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenModel<'a> {
    name: String,
    version: String,
    doc: String,
    #[serde(borrow)]
    parameters: Vec<GivenParameter<'a>>,
    metrics: Vec<GivenColumn>,
    datasets: Vec<GivenDataset>,
    #[serde(rename = "program")]
    _program: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenParameter<'a> {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    nullable: bool,
    unit: String,
    #[serde(borrow)]
    default: Literal<'a>,
    /// The bounds in words.
    #[serde(rename = "range")]
    _range: IgnoredAny,
    #[serde(borrow)]
    minimum: Literal<'a>,
    #[serde(borrow)]
    maximum: Literal<'a>,
    #[serde(borrow)]
    exclusive_minimum: Literal<'a>,
    #[serde(borrow)]
    exclusive_maximum: Literal<'a>,
    choices: Option<Vec<String>>,
    #[serde(default)]
    spellings: Members<String>,
    doc: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenColumn {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    nullable: bool,
    unit: String,
    doc: String,
    #[serde(default)]
    headline: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenDataset {
    name: String,
    doc: String,
    columns: Vec<GivenColumn>,
}

/// Text that is kept until the engine ends: declarations borrow for that long, and are read once.
pub(crate) fn kept(text: &str) -> &'static str {
    if text.is_empty() { "" } else { Box::leak(text.into()) }
}

/// Texts that are kept until the engine ends.
pub(crate) fn kept_all(texts: &[String]) -> &'static [&'static str] {
    Box::leak(texts.iter().map(|text| kept(text)).collect())
}

/// A value that is kept until the engine ends.
pub(crate) fn kept_value(value: &Value) -> ValueRef<'static> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Bool(value) => ValueRef::Bool(*value),
        Value::Int(value) => ValueRef::Int(*value),
        Value::Float(value) => ValueRef::Float(*value),
        Value::Text(value) => ValueRef::Text(kept(value)),
    }
}

impl GivenModel<'_> {
    /// The declaration.
    ///
    /// # Errors
    /// The first problem.
    pub(crate) fn declaration(&self) -> Result<Declaration, String> {
        let mut declaration = Declaration::new(kept(&self.name), kept(&self.version), kept(&self.doc));
        for parameter in &self.parameters {
            let problem = |wrong| format!("parameter {:?}: {wrong}", parameter.name);
            declaration = declaration.parameter(parameter.read().map_err(problem)?);
        }
        for metric in &self.metrics {
            declaration = declaration.metric(metric.read());
        }
        for given in &self.datasets {
            let mut dataset = Dataset::new(kept(&given.name), kept(&given.doc));
            for column in &given.columns {
                dataset = dataset.column(column.read());
            }
            declaration = declaration.dataset(dataset);
        }
        validate_model(&declaration)?;
        Ok(declaration)
    }
}

impl GivenParameter<'_> {
    fn read(&self) -> Result<Parameter, String> {
        let bound = |included: Literal, excluded: Literal| match (included.text(), excluded.text()) {
            ("null", "null") => Ok(Bound::Unbounded),
            ("null", _) => {
                excluded.written(self.kind, false).map(|value| Bound::Excluded(kept_value(&value)))
            }
            (_, "null") => {
                included.written(self.kind, false).map(|value| Bound::Included(kept_value(&value)))
            }
            _ => Err("two bounds on one side".to_owned()),
        };
        Ok(Parameter {
            name: kept(&self.name),
            kind: self.kind,
            nullable: self.nullable,
            unit: kept(&self.unit),
            default: kept_value(&self.default.written(self.kind, self.nullable)?),
            lower: bound(self.minimum, self.exclusive_minimum)?,
            upper: bound(self.maximum, self.exclusive_maximum)?,
            choices: self.choices.as_deref().map(kept_all),
            spellings: Box::leak(
                self.spellings.0.iter().map(|(spelling, choice)| (kept(spelling), kept(choice))).collect(),
            ),
            doc: kept(&self.doc),
        })
    }
}

impl GivenColumn {
    fn read(&self) -> Column {
        Column {
            name: kept(&self.name),
            kind: self.kind,
            nullable: self.nullable,
            unit: kept(&self.unit),
            doc: kept(&self.doc),
            headline: self.headline,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::hello;
    use crate::run::record::line;
    use serde_json::value::RawValue;

    #[derive(Deserialize)]
    struct Hello<'a> {
        #[serde(borrow)]
        model: &'a RawValue,
    }

    fn model() -> Declaration {
        Declaration::new("good", "1", "Docs.")
            .parameter(Parameter::float("rate", 5.0).above(0.0).at_most(1e300).unit("1/s").doc("é"))
            .parameter(Parameter::int("count", 1).null_by_default().at_least(i64::MIN))
            .parameter(Parameter::bool("on", true))
            .parameter(Parameter::string("mode", "a").choices(&["a", "b"]).spellings(&[("x", "b")]))
            .metric(Column::float("out").nullable().unit("m").headline())
            .dataset(Dataset::new("rows", "all").column(Column::int("number").doc("n")))
    }

    #[test]
    fn a_declaration_survives_its_description() {
        let written = line(&hello(&model()));
        let Hello { model } = serde_json::from_slice(&written).unwrap();
        let given: GivenModel = serde_json::from_str(model.get()).unwrap();
        assert_eq!(line(&hello(&given.declaration().unwrap())), written);
    }

    #[test]
    fn a_declaration_is_checked() {
        let written = String::from_utf8(line(&hello(&model()))).unwrap();
        for (from, to, problem) in [
            (r#""default":5.0"#, r#""default":-5.0"#, "the default of rate must be"),
            (r#""default":5.0"#, r#""default":"x""#, r#"parameter "rate": must be a number"#),
            (r#""exclusive_minimum":0.0"#, r#""exclusive_minimum":0.0,"more":1"#, "unknown field"),
            (
                r#""minimum":null,"maximum":1e+300"#,
                r#""minimum":1.0,"maximum":1e+300"#,
                "two bounds on one side",
            ),
            (r#""name":"out""#, r#""name":"Out""#, "must match"),
            (r#""doc":"n""#, r#""doc":"n","headline":true"#, "number is not a metric"),
        ] {
            let changed = written.replacen(from, to, 1);
            assert_ne!(changed, written, "{from}");
            let Hello { model } = serde_json::from_str(&changed).unwrap();
            let found = serde_json::from_str::<GivenModel>(model.get())
                .map_err(|error| error.to_string())
                .and_then(|given| given.declaration());
            let message = found.unwrap_err();
            assert!(message.contains(problem), "{message:?} does not say {problem:?}");
        }
    }
}
