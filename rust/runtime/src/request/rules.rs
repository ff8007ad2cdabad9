//! The rules of a run: parameters that follow from others, and constraints that every point must meet. Both are
//! expressions (docs/expressions.md), checked against the model before any point runs.

use sweep_space::{Expression, ExpressionType, Scope, ValueRef, Variable};

use crate::model::declaration::{Number, Parameter, Type};
use crate::model::domain_error::DomainError;
use crate::names::suggestion;
use crate::request::design;
use crate::request::plan::Slot;
use crate::request::refusal::{Refusal, shortened};

const MAX_CONSTRAINTS: usize = 256;

/// Checked rules. Parameters are named by their places.
pub(crate) struct Rules {
    /// Each after those that it needs.
    derived: Vec<Derived>,
    constraints: Vec<Constraint>,
}

struct Derived {
    place: usize,
    text: String,
    expression: Expression,
}

struct Constraint {
    text: String,
    expression: Expression,
}

/// Why a point is not run.
pub(crate) enum Barred<'a> {
    /// It breaks this constraint.
    Excluded(&'a str),
    /// A derived parameter or a constraint has no value, or one that is not allowed.
    Failed(DomainError),
}

impl Rules {
    /// Checks rules against the parameters, in byte order of their names. `varied` are those of the design.
    ///
    /// # Errors
    /// `invalid_parameters`.
    pub(crate) fn new(
        derived: Vec<(String, String)>,
        constraints: Vec<String>,
        parameters: &[Parameter],
        varied: &[&str],
    ) -> Result<Self, Refusal> {
        let derived = derived.into_iter().map(|(name, text)| Derived::new(&name, text, parameters, varied));
        let derived = in_order(derived.collect::<Result<_, _>>()?, parameters)?;
        if constraints.len() > MAX_CONSTRAINTS {
            return Err(Refusal::bad_request(format!("constraints: at most {MAX_CONSTRAINTS}")));
        }
        let constraints = constraints.into_iter().map(|text| Constraint::new(text, parameters));
        Ok(Self { derived, constraints: constraints.collect::<Result<_, _>>()? })
    }

    /// The places of the derived parameters.
    pub(crate) fn derived(&self) -> impl Iterator<Item = usize> {
        self.derived.iter().map(|derived| derived.place)
    }

    /// Sets the derived parameters among a cell's values, and says why its points are not run, if they are not. A
    /// derived parameter without a value is null. A broken constraint comes before all failures.
    pub(crate) fn apply<'a>(
        &'a self,
        slots: &[Slot],
        values: &mut [(&'static str, ValueRef<'a>)],
    ) -> Option<Barred<'a>> {
        let (mut absent, mut failed) = (vec![], None);
        for derived in &self.derived {
            let parameter = &slots[derived.place].parameter;
            let (value, problem) = derived.value(parameter, values, &absent);
            values[derived.place].1 = value.unwrap_or(ValueRef::Null);
            if value.is_none() {
                absent.push(derived.place);
            }
            failed = failed.or(problem);
        }
        for Constraint { text, expression } in &self.constraints {
            match expression.value(&present(values, &absent)) {
                Ok(ValueRef::Bool(true)) => {}
                Ok(ValueRef::Bool(false)) => return Some(Barred::Excluded(text)),
                result => {
                    let problem = result.err().map_or_else(|| "it is null".to_owned(), |why| why.to_string());
                    let problem = format!("{text} is neither true nor false: {problem}");
                    failed = failed.or(Some(DomainError::new("undefined_constraint", problem)));
                }
            }
        }
        failed.map(Barred::Failed)
    }
}

/// The values, where there are any.
fn present<'a>(
    values: &[(&'static str, ValueRef<'a>)],
    absent: &[usize],
) -> impl Fn(usize) -> Option<ValueRef<'a>> {
    |place| (!absent.contains(&place)).then(|| values[place].1)
}

impl Derived {
    fn new(name: &str, text: String, parameters: &[Parameter], varied: &[&str]) -> Result<Self, Refusal> {
        let parameter = design::find(parameters, name)?;
        let refuse = |problem: String| Refusal::invalid_parameter(name, problem);
        if varied.contains(&name) {
            return Err(refuse(format!("{name} is both a dimension and derived")));
        }
        let expression = read(name, &text, parameters).map_err(refuse)?;
        let fits = match (expression.kind(), parameter.kind) {
            (None, _) => parameter.nullable,
            (Some(ExpressionType::Int), Type::Float) => true,
            (Some(kind), wanted) => kind == type_of(wanted),
        };
        if !fits {
            let found = expression.kind().map_or("null".to_owned(), |kind| kind.to_string());
            let remedy = if parameter.kind == Type::Int { "; ceil, floor or round makes one" } else { "" };
            let (text, wanted) = (shortened(&text, 100), type_of(parameter.kind));
            return Err(refuse(format!("{name} = {text:?}: must be {wanted}, and is {found}{remedy}")));
        }
        let place = parameters.iter().position(|known| known.name == name).expect("found above");
        Ok(Self { place, text, expression })
    }

    /// Its value, if it has one that its type can hold, and what is wrong with it, if anything is.
    fn value<'a>(
        &'a self,
        parameter: &Parameter,
        values: &[(&'static str, ValueRef<'a>)],
        absent: &[usize],
    ) -> (Option<ValueRef<'a>>, Option<DomainError>) {
        let Self { text, expression, .. } = self;
        let name = parameter.name;
        let invalid = |problem| DomainError::new("invalid_derived_parameter", problem);
        let value = match expression.value(&present(values, absent)) {
            Ok(ValueRef::Int(int)) if parameter.kind == Type::Float => ValueRef::Float(int as f64),
            Ok(ValueRef::Null) if !parameter.nullable => {
                return (None, Some(invalid(format!("{name} = {text} is null"))));
            }
            Ok(ValueRef::Text(text)) => ValueRef::Text(parameter.choice(text)),
            Ok(value) => value,
            Err(why) => return (None, Some(invalid(format!("{name} = {text} has no value: {why}")))),
        };
        let checked = parameter.check(value, &Number(value));
        (Some(value), checked.err().map(|problem| invalid(format!("{problem}; it is {text}"))))
    }
}

impl Constraint {
    fn new(text: String, parameters: &[Parameter]) -> Result<Self, Refusal> {
        let expression =
            read("constraint", &text, parameters).map_err(|problem| Refusal::invalid(&problem))?;
        if expression.kind() != Some(ExpressionType::Bool) {
            let found = expression.kind().map_or("null".to_owned(), |kind| kind.to_string());
            let text = shortened(&text, 100);
            return Err(Refusal::invalid(&format!(
                "constraint = {text:?}: must be true or false, and is {found}"
            )));
        }
        Ok(Self { text, expression })
    }
}

/// Reads the expression of a derived parameter or a constraint; the problem says where in the text it is.
fn read(name: &str, text: &str, parameters: &[Parameter]) -> Result<Expression, String> {
    Expression::parse(text, &Names(parameters)).map_err(|mistake| {
        let text = shortened(text, 100);
        format!("{name} = {text:?}, character {}: {}", mistake.place + 1, mistake.problem)
    })
}

/// The parameters, by name.
struct Names<'a>(&'a [Parameter]);

impl Scope for Names<'_> {
    fn find(&self, name: &str) -> Result<Variable, String> {
        let Some(number) = self.0.iter().position(|parameter| parameter.name == name) else {
            let suggestion = suggestion(name, self.0.iter().map(|parameter| parameter.name));
            return Err(format!("unknown parameter {:?}; {suggestion}", shortened(name, 100)));
        };
        let Parameter { kind, nullable, .. } = self.0[number];
        Ok(Variable { number, kind: type_of(kind), nullable })
    }

    fn meant(&self, variable: usize, text: &str) -> Result<Box<str>, String> {
        let parameter = &self.0[variable];
        let meant = parameter.choice(text);
        let choices = parameter.choices.unwrap_or_default().iter().copied();
        if parameter.allows(ValueRef::Text(meant)) {
            return Ok(meant.into());
        }
        let suggestion = suggestion(text, choices);
        Err(format!("{} is never {:?}; {suggestion}", parameter.name, shortened(text, 100)))
    }
}

fn type_of(kind: Type) -> ExpressionType {
    match kind {
        Type::Int => ExpressionType::Int,
        Type::Float => ExpressionType::Float,
        Type::Bool => ExpressionType::Bool,
        Type::String => ExpressionType::Text,
    }
}

/// Puts each derived parameter after those that it needs.
fn in_order(mut waiting: Vec<Derived>, parameters: &[Parameter]) -> Result<Vec<Derived>, Refusal> {
    let mut ordered: Vec<Derived> = vec![];
    while !waiting.is_empty() {
        let is_ready = |derived: &Derived| {
            let needed = derived.expression.variables();
            waiting.iter().all(|other| !needed.contains(&other.place))
        };
        let Some(ready) = waiting.iter().position(is_ready) else { return Err(cycle(&waiting, parameters)) };
        ordered.push(waiting.remove(ready));
    }
    Ok(ordered)
}

/// The refusal of derived parameters each of which needs another one.
fn cycle(waiting: &[Derived], parameters: &[Parameter]) -> Refusal {
    let mut path = vec![waiting[0].place];
    let first = loop {
        let last = waiting.iter().find(|derived| derived.place == path[path.len() - 1]).expect("it waits");
        let waits = |place: &&usize| waiting.iter().any(|other| other.place == **place);
        let next = *last.expression.variables().iter().find(waits).expect("each needs another one");
        if let Some(first) = path.iter().position(|place| *place == next) {
            path.push(next);
            break first;
        }
        path.push(next);
    };
    let names: Vec<_> = path[first..].iter().map(|place| parameters[*place].name).collect();
    let problem = format!("{} needs itself: {}", names[0], names.join(" -> "));
    Refusal::invalid_parameter(names[0], problem)
}

#[cfg(test)]
mod tests;
