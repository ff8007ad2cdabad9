//! The description of an engine's models, as JSON.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Serialize, Serializer};
use sweep_space::ValueRef;

use crate::model::catalog::{Body, Entry};
use crate::model::declaration::{Column, Dataset, Declaration, Parameter, Type};
use crate::program::ProgramDescription;
use crate::run::record::PROTOCOL;

/// The version of the protocol between host and child.
const MODEL_PROTOCOL: &str = "v1";

/// The answer to `describe`.
#[derive(Serialize)]
pub(crate) struct Description<'a> {
    protocol: &'a str,
    engine_version: &'a str,
    target: &'a str,
    /// Whether there is a `host`: always, from the runtime that has one on.
    host: bool,
    /// Whether points can be written in columns: always, from the runtime that can on.
    columns: bool,
    /// Whether there is `run --again`: not with programs.
    again: bool,
    models: Vec<ModelDescription<'a>>,
}

#[derive(Serialize)]
struct ModelDescription<'a> {
    name: &'a str,
    version: &'a str,
    doc: &'a str,
    parameters: Vec<ParameterDescription<'a>>,
    metrics: &'a [Column],
    datasets: &'a [Dataset],
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<ProgramDescription<'a>>,
}

#[derive(Serialize)]
struct ParameterDescription<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: Type,
    nullable: bool,
    unit: &'a str,
    default: Literal<'a>,
    range: String,
    minimum: Literal<'a>,
    maximum: Literal<'a>,
    exclusive_minimum: Literal<'a>,
    exclusive_maximum: Literal<'a>,
    choices: Option<&'a [&'a str]>,
    /// Other texts for a choice; case is ignored if there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    spellings: BTreeMap<&'a str, &'a str>,
    doc: &'a str,
}

/// A value as a literal of its own type: a float always has a point or an exponent.
struct Literal<'a>(ValueRef<'a>);

impl Serialize for Literal<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ValueRef::Null => out.serialize_none(),
            ValueRef::Bool(value) => out.serialize_bool(value),
            ValueRef::Int(value) => out.serialize_i64(value),
            ValueRef::Float(value) => out.serialize_f64(value),
            ValueRef::Text(value) => out.serialize_str(value),
        }
    }
}

/// Describes an engine of this version with these models.
pub(crate) fn describe<'a>(engine_version: &'a str, models: &'a [Entry]) -> Description<'a> {
    let again = !models.iter().any(|entry| matches!(entry.body, Body::Program(_)));
    let models = models.iter().map(describe_entry).collect();
    Description {
        protocol: PROTOCOL,
        engine_version,
        target: env!("SWEEP_TARGET"),
        host: true,
        columns: true,
        again,
        models,
    }
}

/// The first line of a child that serves one model.
#[derive(Serialize)]
pub(crate) struct Hello<'a> {
    protocol: &'a str,
    model: ModelDescription<'a>,
}

/// Introduces the child that serves this model.
pub(crate) fn hello(model: &Declaration) -> Hello<'_> {
    Hello { protocol: MODEL_PROTOCOL, model: describe_model(model) }
}

fn describe_entry(entry: &Entry) -> ModelDescription<'_> {
    let description = describe_model(&entry.declaration);
    match entry.body {
        Body::Program(program) => ModelDescription { program: Some(program.description()), ..description },
        Body::Native(_) | Body::Absent => description,
    }
}

fn describe_model(model: &Declaration) -> ModelDescription<'_> {
    ModelDescription {
        name: model.name,
        version: model.version,
        doc: model.doc,
        parameters: model.parameters.iter().map(describe_parameter).collect(),
        metrics: &model.metrics,
        datasets: &model.datasets,
        program: None,
    }
}

fn describe_parameter(parameter: &Parameter) -> ParameterDescription<'_> {
    let included = |bound| Literal(if let Bound::Included(bound) = bound { bound } else { ValueRef::Null });
    let excluded = |bound| Literal(if let Bound::Excluded(bound) = bound { bound } else { ValueRef::Null });
    ParameterDescription {
        name: parameter.name,
        kind: parameter.kind,
        nullable: parameter.nullable,
        unit: parameter.unit,
        default: Literal(parameter.default),
        range: parameter.range(),
        minimum: included(parameter.lower),
        maximum: included(parameter.upper),
        exclusive_minimum: excluded(parameter.lower),
        exclusive_maximum: excluded(parameter.upper),
        choices: parameter.choices,
        spellings: parameter.spellings.iter().copied().collect(),
        doc: parameter.doc,
    }
}
