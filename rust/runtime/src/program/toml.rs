//! A manifest's TOML, read key by key, so that every problem is found at once and has its line.

use std::collections::BTreeMap;

use sweep_space::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::declaration::Type;
use crate::names::suggestion;
use crate::program::problems::Problems;

/// A table whose members are taken one after another; what is left is unknown.
pub(super) struct Section<'a> {
    path: String,
    members: Vec<Entry<'a>>,
    known: Vec<&'static str>,
}

/// A member of a table.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    /// Its name within its table.
    pub(super) name: &'a str,
    /// From the top: `parameters.prey.range`.
    pub(super) path: String,
    pub(super) at: usize,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    pub(super) fn new(path: String, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self::of(path, table.get_ref())
    }

    fn of(path: String, table: &'a DeTable<'a>) -> Self {
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            Entry { name, path, at: key.span().start, value: value.get_ref() }
        };
        let mut members: Vec<_> = table.iter().map(entry).collect();
        members.sort_by_key(|entry| entry.at); // as written
        Self { path, members, known: vec![] }
    }

    /// Where each member is, and what is within it, by its path from the top.
    pub(super) fn places(&self) -> BTreeMap<String, usize> {
        let mut places = BTreeMap::new();
        for entry in &self.members {
            if let Some(table) = entry.value.as_table() {
                places.extend(Section::of(entry.path.clone(), table).places());
            }
            places.insert(entry.path.clone(), entry.at);
        }
        places
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Entry<'a>> {
        self.known.push(name);
        let place = self.members.iter().position(|entry| entry.name == name)?;
        Some(self.members.swap_remove(place))
    }

    /// All members, where the names are free.
    pub(super) fn all(self) -> Vec<Entry<'a>> {
        self.members
    }

    /// Tells every member that was not taken.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for entry in &self.members {
            let hint = suggestion(entry.name, self.known.iter().copied());
            let place = if self.path.is_empty() { String::new() } else { format!(" in {}", self.path) };
            problems.add(entry.at, format!("unknown key {:?}{place}; {hint}", entry.name));
        }
    }
}

impl<'a> Entry<'a> {
    /// Tells a problem of this member.
    pub(super) fn problem(&self, problems: &mut Problems<'_>, rule: impl AsRef<str>) {
        problems.add(self.at, format!("{}: {}", self.path, rule.as_ref()));
    }

    /// Text.
    pub(super) fn text(&self, problems: &mut Problems<'_>) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.problem(problems, "must be text in quotes");
        }
        text
    }

    /// True or false.
    pub(super) fn flag(&self, problems: &mut Problems<'_>) -> bool {
        self.value.as_bool().unwrap_or_else(|| {
            self.problem(problems, "must be true or false");
            false
        })
    }

    /// A list of texts, or one text as a list.
    pub(super) fn texts(&self, problems: &mut Problems<'_>) -> Vec<String> {
        if let Some(text) = self.value.as_str() {
            return vec![text.to_owned()];
        }
        let items: Option<Vec<_>> = self
            .value
            .as_array()
            .and_then(|array| array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect());
        items.unwrap_or_else(|| {
            self.problem(problems, "must be a list of texts in quotes");
            vec![]
        })
    }

    /// A table.
    pub(super) fn section(&self, problems: &mut Problems<'_>) -> Option<Section<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.problem(problems, "must be a table");
        }
        table.map(|table| Section::of(self.path.clone(), table))
    }

    /// A type by its name.
    pub(super) fn kind(&self, problems: &mut Problems<'_>) -> Option<Type> {
        let kind = match self.value.as_str() {
            Some("int") => Some(Type::Int),
            Some("float") => Some(Type::Float),
            Some("bool") => Some(Type::Bool),
            Some("string") => Some(Type::String),
            _ => None,
        };
        if kind.is_none() {
            self.problem(problems, r#"must be "int", "float", "bool" or "string""#);
        }
        kind
    }

    /// A value of a type; an integer is a valid float.
    pub(super) fn value(&self, kind: Type, problems: &mut Problems<'_>) -> Option<Value> {
        let value = value(self.value, kind);
        if value.is_none() {
            self.problem(problems, format!("must be {}", article(kind)));
        }
        value
    }
}

/// The type that a literal has by itself.
pub(super) fn kind_of(value: &DeValue<'_>) -> Option<Type> {
    match value {
        DeValue::Integer(_) => Some(Type::Int),
        DeValue::Float(_) => Some(Type::Float),
        DeValue::Boolean(_) => Some(Type::Bool),
        DeValue::String(_) => Some(Type::String),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// A literal as a value of a type.
pub(super) fn value(literal: &DeValue<'_>, kind: Type) -> Option<Value> {
    match (literal, kind) {
        (DeValue::Integer(integer), Type::Int) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Value::Int)
        }
        (DeValue::Integer(integer), Type::Float) if integer.radix() == 10 => finite(integer.as_str()),
        (DeValue::Float(float), Type::Float) => finite(float.as_str()),
        (DeValue::Boolean(flag), Type::Bool) => Some(Value::Bool(*flag)),
        (DeValue::String(text), Type::String) => Some(Value::Text(text.as_ref().into())),
        _ => None,
    }
}

fn finite(text: &str) -> Option<Value> {
    // Adding 0.0 turns -0.0 into 0.0: both are the same point.
    text.parse::<f64>().ok().filter(|float| float.is_finite()).map(|float| Value::Float(float + 0.0))
}

fn article(kind: Type) -> &'static str {
    match kind {
        Type::Int => "an integer of 64 bits",
        Type::Float => "a finite number",
        Type::Bool => "true or false",
        Type::String => "text in quotes",
    }
}
