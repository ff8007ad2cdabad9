//! One dimension: an axis or a distribution, checked against its parameter. Lists are checked value by value,
//! formulas at their ends.

use sweep_space::{Axis, BrokenRule, Distribution, Range, Value, ValueRef};

use crate::model::declaration::{Number, Parameter, Type};
use crate::request::literal::Literal;
use crate::request::object::{Field, Object};
use crate::request::refusal::Refusal;

/// Reads an axis: a list of values, or a formula.
pub(super) fn axis(parameter: &Parameter, field: Field<'_>) -> Result<Axis, Refusal> {
    let broken = field.breaks();
    if !field.text().starts_with('{') {
        let literals = field.list(", or a formula: linspace, logspace or range")?;
        return Axis::list(values(parameter, literals)?).map_err(broken);
    }
    let (name, formula) = field.only("linspace, logspace or range")?;
    let broken = formula.breaks();
    let axis = match name.as_str() {
        "linspace" | "logspace" => {
            check_takes_floats(parameter, &name)?;
            let build = if name == "linspace" { Axis::linspace } else { Axis::logspace };
            let mut formula = formula.object()?;
            let (start, stop) = (formula.required("start")?.float()?, formula.required("stop")?.float()?);
            let num = formula.required("num")?.count()?;
            formula.end()?;
            build(start, stop, num).map_err(broken)?
        }
        "range" => range(parameter, formula)?,
        _ => return Err(formula.unknown("linspace, logspace or range")),
    };
    check_all(parameter, axis.extremes().into_iter().flatten())?;
    Ok(axis)
}

fn range(parameter: &Parameter, field: Field<'_>) -> Result<Axis, Refusal> {
    let broken = field.breaks();
    let mut formula = field.object()?;
    let ends = [formula.required("start")?, formula.required("stop")?, formula.required("step")?];
    formula.end()?;
    let range = Range::new(ends[0].decimal()?, ends[1].decimal()?, ends[2].decimal()?).map_err(&broken)?;
    let integers = ends.iter().all(Field::is_integer);
    match parameter.kind {
        Type::Int if integers => Axis::integers(range).map_err(broken),
        Type::Int => Err(misfit(parameter, "a range with a point or an exponent gives floats")),
        Type::Float => Axis::floats(range).map_err(broken),
        Type::Bool | Type::String => Err(misfit(parameter, "range gives numbers")),
    }
}

/// Reads a distribution.
pub(super) fn distribution(parameter: &Parameter, field: Field<'_>) -> Result<Distribution, Refusal> {
    const KNOWN: &str = "uniform, log_uniform, normal, triangular, integer or choice";
    let (name, field) = field.only(KNOWN)?;
    let broken = field.breaks();
    if name == "choice" {
        return Distribution::choice(values(parameter, field.list("")?)?).map_err(broken);
    }
    let read = match name.as_str() {
        "uniform" => uniform,
        "log_uniform" => log_uniform,
        "normal" => normal,
        "triangular" => triangular,
        "integer" => match parameter.kind {
            Type::Int => integers,
            Type::Float => whole_floats,
            Type::Bool | Type::String => return Err(misfit(parameter, "integer gives numbers")),
        },
        _ => return Err(field.unknown(KNOWN)),
    };
    if name != "integer" {
        check_takes_floats(parameter, &name)?;
    }
    let mut object = field.object()?;
    let distribution = read(&mut object)?.map_err(broken)?;
    object.end()?;
    check_all(parameter, distribution.extremes().into_iter().flatten())?;
    Ok(distribution)
}

/// Reads a distribution whose upper end is a possible value.
pub(super) fn closed(parameter: &Parameter, field: Field<'_>) -> Result<Distribution, Refusal> {
    let broken = field.breaks();
    let closed = distribution(parameter, field)?.closed().map_err(broken)?;
    check_all(parameter, closed.extremes().into_iter().flatten())?;
    Ok(closed)
}

type Built = Result<Result<Distribution, BrokenRule>, Refusal>;

fn uniform(object: &mut Object<'_>) -> Built {
    let (low, high) = (object.required("low")?.float()?, object.required("high")?.float()?);
    Ok(Distribution::uniform(low, high))
}

fn log_uniform(object: &mut Object<'_>) -> Built {
    let (low, high) = (object.required("low")?.float()?, object.required("high")?.float()?);
    Ok(Distribution::log_uniform(low, high))
}

fn normal(object: &mut Object<'_>) -> Built {
    let (mean, std) = (object.required("mean")?.float()?, object.required("std")?.float()?);
    let mut end = |name| object.optional(name).map(|field| field.float()).transpose();
    Ok(Distribution::normal(mean, std, end("low")?, end("high")?))
}

fn triangular(object: &mut Object<'_>) -> Built {
    let (low, high) = (object.required("low")?.float()?, object.required("high")?.float()?);
    Ok(Distribution::triangular(low, object.required("mode")?.float()?, high))
}

fn integers(object: &mut Object<'_>) -> Built {
    let (low, high) = (object.required("low")?.integer()?, object.required("high")?.integer()?);
    Ok(Distribution::integers(low, high))
}

fn whole_floats(object: &mut Object<'_>) -> Built {
    let (low, high) = (object.required("low")?.integer()?, object.required("high")?.integer()?);
    Ok(Distribution::whole_floats(low, high))
}

/// Listed values, each converted to the parameter's type.
fn values(parameter: &Parameter, literals: Vec<Literal<'_>>) -> Result<Vec<Value>, Refusal> {
    let typed = literals.into_iter().map(|literal| literal.value_of(parameter));
    typed.collect::<Result<_, _>>().map_err(|problem| Refusal::invalid_parameter(parameter.name, problem))
}

/// Checks values between which all others lie.
fn check_all<'a>(
    parameter: &Parameter,
    values: impl IntoIterator<Item = ValueRef<'a>>,
) -> Result<(), Refusal> {
    for value in values {
        let checked = parameter.check(value, &Number(value));
        checked.map_err(|problem| Refusal::invalid_parameter(parameter.name, problem))?;
    }
    Ok(())
}

fn check_takes_floats(parameter: &Parameter, formula: &str) -> Result<(), Refusal> {
    if parameter.kind == Type::Float {
        return Ok(());
    }
    Err(misfit(parameter, &format!("{formula} gives floats")))
}

fn misfit(parameter: &Parameter, gives: &str) -> Refusal {
    let message =
        format!("{}: {gives}, and the parameter's type is {}", parameter.name, parameter.kind.name());
    Refusal::invalid_parameter(parameter.name, message)
}
