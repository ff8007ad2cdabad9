//! A program's parameters: what the manifest says, joined with what the function's signature says.

use std::cmp::Ordering;
use std::ops::Bound;

use sweep_space::{Value, ValueRef};
use toml::de::DeValue;

use crate::model::declaration::{Parameter, Type, order};
use crate::model::declared::{kept, kept_all, kept_value};
use crate::names::suggestion;
use crate::program::manifest::Reader;
use crate::program::signature::{Signature, SignatureParameter};
use crate::program::toml::{Entry, Section, kind_of, value};
use crate::request::literal::Literal;

/// What a manifest says of a parameter, before it is joined with the function's signature.
#[derive(Default)]
pub(super) struct Partial<'a> {
    pub(super) entry: Option<Entry<'a>>,
    kind: Option<Type>,
    default: Option<Entry<'a>>,
    range: Option<Entry<'a>>,
    choices: Option<Vec<String>>,
    nullable: Option<bool>,
    unit: &'a str,
    doc: &'a str,
}

impl Reader<'_> {
    pub(super) fn parameters<'t>(&mut self, top: &mut Section<'t>) -> Vec<(String, Partial<'t>)> {
        let Some(entry) = top.take("parameters") else { return vec![] };
        let Some(section) = entry.section(&mut self.problems) else { return vec![] };
        let mut parameters = vec![];
        for entry in section.all() {
            let partial = if entry.value.is_table() {
                let Some(section) = entry.section(&mut self.problems) else { continue };
                self.partial(section)
            } else {
                Partial { default: Some(entry.clone()), ..Partial::default() }
            };
            parameters.push((entry.name.to_owned(), Partial { entry: Some(entry), ..partial }));
        }
        parameters
    }

    fn partial<'t>(&mut self, mut section: Section<'t>) -> Partial<'t> {
        let problems = &mut self.problems;
        let partial = Partial {
            entry: None,
            kind: section.take("type").and_then(|entry| entry.kind(problems)),
            default: section.take("default"),
            range: section.take("range"),
            choices: section.take("choices").map(|entry| entry.texts(problems)),
            nullable: section.take("nullable").map(|entry| entry.flag(problems)),
            unit: section.take("unit").and_then(|entry| entry.text(problems)).unwrap_or_default(),
            doc: section.take("doc").and_then(|entry| entry.text(problems)).unwrap_or_default(),
        };
        section.finish(problems);
        partial
    }

    /// The parameters of the manifest, or those of the function with what the manifest says of them.
    pub(super) fn joined(
        &mut self,
        mut given: Vec<(String, Partial<'_>)>,
        signature: Option<&Signature>,
    ) -> Vec<Parameter> {
        let mut parameters = vec![];
        if let Some(signature) = signature {
            for known in &signature.parameters {
                let place = given.iter().position(|(name, _)| *name == known.name);
                let partial = place.map_or_else(Partial::default, |place| given.swap_remove(place).1);
                parameters.push(self.parameter(&known.name, &partial, Some(known)));
            }
            for (name, partial) in given {
                let names = signature.parameters.iter().map(|known| known.name.as_str());
                let hint = suggestion(&name, names);
                if let Some(entry) = partial.entry {
                    entry.problem(&mut self.problems, format!("the function has no such parameter; {hint}"));
                }
            }
            return parameters;
        }
        for (name, partial) in &given {
            parameters.push(self.parameter(name, partial, None));
        }
        parameters
    }

    /// A parameter, or its placeholder if something is wrong with it.
    fn parameter(
        &mut self,
        name: &str,
        given: &Partial<'_>,
        known: Option<&SignatureParameter>,
    ) -> Parameter {
        let literal = given.default.as_ref().and_then(|entry| kind_of(entry.value));
        let kind = given.kind.or(known.and_then(|known| known.kind)).or(literal);
        let range = given.range.as_ref().map_or(Some(ALL), |entry| self.bounds(entry, kind));
        let Some(kind) = kind else {
            let how = if known.is_some() { "an annotation in the function, or " } else { "" };
            self.told(name, given, &format!("has no type; give it {how}type = \"float\""));
            return placeholder(name);
        };
        let nullable = given.nullable.unwrap_or_else(|| known.is_some_and(|known| known.nullable));
        let default = self.default(name, given, known, kind, nullable);
        let (Some((lower, upper)), Some(default)) = (range, default) else { return placeholder(name) };
        let choices = given.choices.as_ref().or(known.and_then(|known| known.choices.as_ref()));
        Parameter {
            name: kept(name),
            kind,
            nullable,
            unit: kept(given.unit),
            default: kept_value(&default),
            lower,
            upper,
            choices: choices.map(|choices| kept_all(choices)),
            spellings: &[],
            doc: kept(if given.doc.is_empty() { known.map_or("", |known| &known.doc) } else { given.doc }),
        }
    }

    fn default(
        &mut self,
        name: &str,
        given: &Partial<'_>,
        known: Option<&SignatureParameter>,
        kind: Type,
        nullable: bool,
    ) -> Option<Value> {
        match (&given.default, known) {
            (Some(entry), _) => entry.value(kind, &mut self.problems),
            (None, Some(known)) if known.has_default => serde_json::from_str::<Literal>(known.default.get())
                .ok()?
                .written(kind, nullable)
                .map_err(|rule| self.told(name, given, &format!("default: {rule}")))
                .ok(),
            _ if nullable => Some(Value::Null),
            _ => {
                self.told(name, given, "has no default; a point that does not name it needs one");
                None
            }
        }
    }

    fn told(&mut self, name: &str, given: &Partial<'_>, rule: &str) {
        match &given.entry {
            Some(entry) => entry.problem(&mut self.problems, rule),
            None => self.problems.add_whole(format!("parameters.{name}: {rule}")),
        }
    }

    fn bounds(&mut self, given: &Entry<'_>, kind: Option<Type>) -> Option<Range> {
        let found = range(given.value, kind.unwrap_or(Type::Float));
        match found {
            None => given.problem(&mut self.problems, RANGE),
            Some(range) if is_empty(range) => {
                given.problem(&mut self.problems, "allows no value: its lower end is above its upper end");
                return None;
            }
            Some(_) => {}
        }
        found
    }
}

/// What stands for a parameter with which something is wrong: nothing else is wrong with it, and every format
/// for numbers fits it.
pub(super) fn placeholder(name: &str) -> Parameter {
    Parameter::int(kept(name), 0).null_by_default()
}

const RANGE: &str = "must be two numbers, [0, 10], or text such as \"> 0, <= 10\", of the parameter's type";

type Range = (Bound<ValueRef<'static>>, Bound<ValueRef<'static>>);

const ALL: Range = (Bound::Unbounded, Bound::Unbounded);

fn is_empty(range: Range) -> bool {
    use Bound::{Excluded, Included};
    match range {
        (Included(lower), Included(upper)) => order(lower, upper).is_some_and(Ordering::is_gt),
        (Included(lower) | Excluded(lower), Included(upper) | Excluded(upper)) => {
            order(lower, upper).is_some_and(Ordering::is_ge)
        }
        _ => false,
    }
}

/// `[0, 10]`, both included, or text as messages have it: `> 0, <= 10`.
fn range(given: &DeValue<'_>, kind: Type) -> Option<Range> {
    if !matches!(kind, Type::Int | Type::Float) {
        return None;
    }
    if let Some(array) = given.as_array() {
        let bound = |place: usize| value(array.get(place)?.get_ref(), kind).map(|value| kept_value(&value));
        return (array.iter().count() == 2)
            .then(|| Some((Bound::Included(bound(0)?), Bound::Included(bound(1)?))))
            .flatten();
    }
    let (mut lower, mut upper) = (Bound::Unbounded, Bound::Unbounded);
    for part in given.as_str()?.split(',').map(str::trim) {
        let number = |text: &str| {
            let literal = serde_json::from_str::<Literal>(text.trim()).ok()?;
            literal.written(kind, false).ok().map(|value| kept_value(&value))
        };
        match part.split_at(part.find(|each: char| !"<>=".contains(each)).unwrap_or(part.len())) {
            (">=", bound) => lower = Bound::Included(number(bound)?),
            (">", bound) => lower = Bound::Excluded(number(bound)?),
            ("<=", bound) => upper = Bound::Included(number(bound)?),
            ("<", bound) => upper = Bound::Excluded(number(bound)?),
            _ => return None,
        }
    }
    Some((lower, upper))
}
