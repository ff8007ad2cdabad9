//! A table: a design whose rows are given, not computed.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use sweep_space::{BrokenRule, Design, Value};

use crate::model::declaration::Parameter;
use crate::request::literal::Literal;
use crate::request::object::{Field, Object};
use crate::request::refusal::Refusal;

/// Reads a table with these columns, and checks the rows that are given, which may be only some of it.
pub(super) fn read(
    design: &mut Object<'_>,
    columns: &[&Parameter],
) -> Result<Result<Design, BrokenRule>, Refusal> {
    let count = |field: Option<Field<'_>>| field.map(|field| field.count()).transpose();
    let first_row = count(design.optional("first_row"))?.unwrap_or(0);
    let total_rows = count(design.optional("total_rows"))?;
    let rows = design.required("rows")?;
    let literals = Rows { columns: columns.len() }
        .deserialize(&mut serde_json::Deserializer::from_str(rows.text()))
        .map_err(|error| Refusal::bad_request(format!("{}: {error}", rows.path)))?;
    let given = (literals.len() / columns.len()) as u64;
    let values = values(columns, literals, first_row)?;
    let total_rows = total_rows.unwrap_or(first_row + given);
    Ok(Design::table(columns.len(), first_row, values, total_rows))
}

fn values(columns: &[&Parameter], literals: Vec<Literal<'_>>, first_row: u64) -> Result<Vec<Value>, Refusal> {
    let typed = literals.into_iter().enumerate().map(|(place, literal)| {
        // From 1, as people count rows.
        let (row, column) = (first_row + (place / columns.len()) as u64 + 1, columns[place % columns.len()]);
        let refuse = |problem| Refusal::invalid_parameter(column.name, format!("row {row}: {problem}"));
        literal.value_of(column).map_err(refuse)
    });
    typed.collect()
}

/// Reads all rows into one list: one list per row would take more memory than the values.
struct Rows {
    columns: usize,
}

impl<'a> DeserializeSeed<'a> for Rows {
    type Value = Vec<Literal<'a>>;

    fn deserialize<D: Deserializer<'a>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Rows {
    type Value = Vec<Literal<'a>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of rows")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut rows: S) -> Result<Self::Value, S::Error> {
        let mut values = Vec::new();
        while rows.next_element_seed(Row { values: &mut values, columns: self.columns })?.is_some() {}
        Ok(values)
    }
}

struct Row<'v, 'a> {
    values: &'v mut Vec<Literal<'a>>,
    columns: usize,
}

impl<'a> DeserializeSeed<'a> for Row<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Row<'_, 'a> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a row as a list of values")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut row: S) -> Result<(), S::Error> {
        let before = self.values.len();
        while let Some(value) = row.next_element()? {
            self.values.push(value);
        }
        let found = self.values.len() - before;
        if found == self.columns {
            return Ok(());
        }
        Err(S::Error::custom(format_args!("a row has {found} values for {} columns", self.columns)))
    }
}
