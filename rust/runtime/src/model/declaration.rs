//! A model's declaration: its parameters, metrics and extra datasets. [`crate::model::validate`] checks it.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use sweep_space::ValueRef;

/// The type of a parameter's, metric's or column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Signed 64 bits.
    Int,
    /// Binary64, finite.
    Float,
    /// True or false.
    Bool,
    /// Unicode text.
    String,
}

impl Type {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::String => "string",
        }
    }

    /// The type of a value; null has none.
    pub fn of(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => None,
            ValueRef::Bool(_) => Some(Self::Bool),
            ValueRef::Int(_) => Some(Self::Int),
            ValueRef::Float(_) => Some(Self::Float),
            ValueRef::Text(_) => Some(Self::String),
        }
    }
}

/// A model's declaration.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) metrics: Vec<Column>,
    pub(crate) datasets: Vec<Dataset>,
}

impl Declaration {
    /// A model with this name and version. The version must change whenever any output changes.
    pub fn new(name: &'static str, version: &'static str, doc: &'static str) -> Self {
        Self { name, version, doc, parameters: vec![], metrics: vec![], datasets: vec![] }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// Adds a metric.
    #[must_use]
    pub fn metric(mut self, metric: Column) -> Self {
        self.metrics.push(metric);
        self
    }

    /// Parameters, metrics and datasets in byte order of their names, as in records.
    pub(crate) fn ordered(mut self) -> Self {
        self.parameters.sort_by_key(|parameter| parameter.name);
        self.metrics.sort_by_key(|metric| metric.name);
        self.datasets.sort_by_key(|dataset| dataset.name);
        self
    }

    /// The datasets with these names.
    pub(crate) fn datasets(&self, names: &[String]) -> Vec<Dataset> {
        let is_named = |dataset: &&Dataset| names.iter().any(|name| name == dataset.name);
        self.datasets.iter().filter(is_named).cloned().collect()
    }

    /// Adds a dataset, which a request's `outputs` may name.
    #[must_use]
    pub fn dataset(mut self, dataset: Dataset) -> Self {
        self.datasets.push(dataset);
        self
    }
}

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    pub(crate) unit: &'static str,
    pub(crate) default: ValueRef<'static>,
    pub(crate) lower: Bound<ValueRef<'static>>,
    pub(crate) upper: Bound<ValueRef<'static>>,
    pub(crate) choices: Option<&'static [&'static str]>,
    /// Other spellings, each with the choice that it means. If there are any, case is ignored.
    pub(crate) spellings: &'static [(&'static str, &'static str)],
    pub(crate) doc: &'static str,
}

impl Parameter {
    fn new(name: &'static str, kind: Type, default: ValueRef<'static>) -> Self {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        Self {
            name,
            kind,
            nullable: false,
            unit: "",
            default,
            lower,
            upper,
            choices: None,
            spellings: &[],
            doc: "",
        }
    }

    /// An integer parameter with its default.
    pub fn int(name: &'static str, default: i64) -> Self {
        Self::new(name, Type::Int, default.into())
    }

    /// A float parameter with its default.
    pub fn float(name: &'static str, default: f64) -> Self {
        Self::new(name, Type::Float, default.into())
    }

    /// A truth value with its default.
    pub fn bool(name: &'static str, default: bool) -> Self {
        Self::new(name, Type::Bool, default.into())
    }

    /// A text parameter with its default.
    pub fn string(name: &'static str, default: &'static str) -> Self {
        Self::new(name, Type::String, default.into())
    }

    /// Allows null.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Allows null, and makes it the default.
    #[must_use]
    pub fn null_by_default(mut self) -> Self {
        self.default = ValueRef::Null;
        self.nullable()
    }

    /// Sets the unit, shown to users.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Allows only values >= `bound`, which has the parameter's type.
    #[must_use]
    pub fn at_least(mut self, bound: impl Into<ValueRef<'static>>) -> Self {
        self.lower = Bound::Included(bound.into());
        self
    }

    /// Allows only values > `bound`.
    #[must_use]
    pub fn above(mut self, bound: impl Into<ValueRef<'static>>) -> Self {
        self.lower = Bound::Excluded(bound.into());
        self
    }

    /// Allows only values <= `bound`.
    #[must_use]
    pub fn at_most(mut self, bound: impl Into<ValueRef<'static>>) -> Self {
        self.upper = Bound::Included(bound.into());
        self
    }

    /// Allows only values < `bound`.
    #[must_use]
    pub fn below(mut self, bound: impl Into<ValueRef<'static>>) -> Self {
        self.upper = Bound::Excluded(bound.into());
        self
    }

    /// Allows only these texts.
    #[must_use]
    pub fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = Some(choices);
        self
    }

    /// Accepts a choice in any case, and other spellings, each given with the choice that it means. The
    /// point's parameter is the choice itself, so all spellings give the same point with the same
    /// fingerprint.
    #[must_use]
    pub fn spellings(mut self, spellings: &'static [(&'static str, &'static str)]) -> Self {
        self.spellings = spellings;
        self
    }

    /// Sets the description, shown to users.
    #[must_use]
    pub fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// The choice that a text means, or the text itself if it means none.
    pub(crate) fn choice<'a>(&self, text: &'a str) -> &'a str {
        if self.spellings.is_empty() {
            return text;
        }
        let choices = self.choices.unwrap_or_default().iter().map(|choice| (*choice, *choice));
        let mut known = choices.chain(self.spellings.iter().copied());
        known.find(|(spelling, _)| spelling.eq_ignore_ascii_case(text)).map_or(text, |(_, choice)| choice)
    }

    /// Whether the parameter may be this value.
    pub(crate) fn fits(&self, value: ValueRef<'_>) -> bool {
        Type::of(value).map_or(self.nullable, |kind| kind == self.kind) && self.allows(value)
    }

    /// Whether a value of the right type is within the range and the choices. Null always is.
    pub(crate) fn allows(&self, value: ValueRef<'_>) -> bool {
        let above = match self.lower {
            Bound::Unbounded => true,
            Bound::Included(bound) => order(value, bound).is_none_or(Ordering::is_ge),
            Bound::Excluded(bound) => order(value, bound).is_none_or(Ordering::is_gt),
        };
        let below = match self.upper {
            Bound::Unbounded => true,
            Bound::Included(bound) => order(value, bound).is_none_or(Ordering::is_le),
            Bound::Excluded(bound) => order(value, bound).is_none_or(Ordering::is_lt),
        };
        let chosen = match (self.choices, value) {
            (Some(choices), ValueRef::Text(text)) => choices.contains(&text),
            _ => true,
        };
        above && below && chosen
    }

    /// Checks a value of the right type; `shown` is how the message shows it.
    ///
    /// # Errors
    /// The problem, if the value is out of range or not one of the choices.
    pub(crate) fn check(&self, value: ValueRef<'_>, shown: &dyn fmt::Display) -> Result<(), String> {
        if self.allows(value) {
            return Ok(());
        }
        let unit = if self.unit.is_empty() { String::new() } else { format!(" ({})", self.unit) };
        Err(format!("{} = {shown}: must be {}{unit}", self.name, self.range()))
    }

    /// The range in words: `> 0, <= 10`, `one of "a", "b"`, or nothing.
    pub(crate) fn range(&self) -> String {
        if let Some(choices) = self.choices {
            return format!("one of {choices:?}").replace(['[', ']'], "");
        }
        let lower = match self.lower {
            Bound::Unbounded => None,
            Bound::Included(bound) => Some(format!(">= {}", Number(bound))),
            Bound::Excluded(bound) => Some(format!("> {}", Number(bound))),
        };
        let upper = match self.upper {
            Bound::Unbounded => None,
            Bound::Included(bound) => Some(format!("<= {}", Number(bound))),
            Bound::Excluded(bound) => Some(format!("< {}", Number(bound))),
        };
        lower.into_iter().chain(upper).collect::<Vec<_>>().join(", ")
    }
}

/// Compares two numbers of the same type; `None` for other values.
/// How two numbers of one type compare.
pub(crate) fn order(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Ordering> {
    match (left, right) {
        (ValueRef::Int(left), ValueRef::Int(right)) => Some(left.cmp(&right)),
        (ValueRef::Float(left), ValueRef::Float(right)) => left.partial_cmp(&right),
        _ => None,
    }
}

/// A number in messages, written as in records.
pub(crate) struct Number<'a>(pub(crate) ValueRef<'a>);

impl fmt::Display for Number<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        sweep_space::write_plain(&mut text, self.0);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}

/// A declared metric, or a column of a dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Column {
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    pub(crate) unit: &'static str,
    pub(crate) doc: &'static str,
    /// Whether it is among the metrics that matter most.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) headline: bool,
}

impl Column {
    pub(crate) fn new(name: &'static str, kind: Type) -> Self {
        Self { name, kind, nullable: false, unit: "", doc: "", headline: false }
    }

    /// A column of integers.
    pub fn int(name: &'static str) -> Self {
        Self::new(name, Type::Int)
    }

    /// A column of floats.
    pub fn float(name: &'static str) -> Self {
        Self::new(name, Type::Float)
    }

    /// A column of truth values.
    pub fn bool(name: &'static str) -> Self {
        Self::new(name, Type::Bool)
    }

    /// A column of texts.
    pub fn string(name: &'static str) -> Self {
        Self::new(name, Type::String)
    }

    /// Allows null.
    #[must_use]
    pub fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// Sets the unit, shown to users.
    #[must_use]
    pub fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the description, shown to users.
    #[must_use]
    pub fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// Makes a metric one of those that matter most: they come first where only some are shown. No result depends
    /// on it.
    #[must_use]
    pub fn headline(mut self) -> Self {
        self.headline = true;
        self
    }

    /// Whether the column may hold this value.
    pub(crate) fn fits(&self, value: ValueRef<'_>) -> bool {
        Type::of(value).map_or(self.nullable, |kind| kind == self.kind)
    }
}

/// A declared extra dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Dataset {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) columns: Vec<Column>,
}

impl Dataset {
    /// A dataset without columns yet.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, columns: vec![] }
    }

    /// Adds a column.
    #[must_use]
    pub fn column(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }
}
