//! Rows of an extra dataset, collected column by column as JSON text while their point runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sweep_space::{Value, ValueRef, write_int, write_plain};

use crate::host::reply::value;
use crate::model::declaration::{Column, Dataset};
use crate::model::domain_error::DomainError;
use crate::request::literal::Literal;
use crate::request::refusal::shortened;

/// Most bytes of the rows that a point writes to one dataset, and to all of them. Reader and engine both hold
/// them in memory.
const MAX_BYTES: usize = 32 << 20;
const MAX_BYTES_OF_ALL: usize = 64 << 20;

/// The rows that one point writes to one dataset.
#[derive(Clone, Debug)]
pub struct Rows {
    dataset: Dataset,
    /// One text per column, each value followed by a comma.
    texts: Vec<Vec<u8>>,
    bytes: usize,
    fault: Option<RowsFault>,
}

/// Why the rows of a point cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsFault {
    NonFinite(&'static str),
    TooMany,
}

impl Rows {
    pub(crate) fn new(dataset: Dataset) -> Self {
        let texts = vec![Vec::new(); dataset.columns.len()];
        Self { dataset, texts, bytes: 0, fault: None }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.dataset.name
    }

    pub(crate) fn clear(&mut self) {
        self.texts.iter_mut().for_each(Vec::clear);
        self.bytes = 0;
        self.fault = None;
    }

    /// Adds a row: a value for each column, in the declared order.
    ///
    /// # Panics
    /// If the row does not match the declared columns.
    pub fn push(&mut self, row: &[ValueRef<'_>]) {
        if self.fault.is_some() {
            return;
        }
        let name = self.dataset.name;
        assert_eq!(row.len(), self.texts.len(), "a row of {name} must have one value for each column");
        for ((text, column), value) in self.texts.iter_mut().zip(&self.dataset.columns).zip(row) {
            assert!(
                column.fits(*value),
                "{name}.{} is {value:?}, declared {}",
                column.name,
                column.kind.name()
            );
            if matches!(value, ValueRef::Float(float) if !float.is_finite()) {
                self.fault = Some(RowsFault::NonFinite(column.name));
                return;
            }
            let before = text.len();
            write_plain(text, *value);
            text.push(b',');
            self.bytes += text.len() - before;
        }
        if self.bytes > MAX_BYTES {
            self.fault = Some(RowsFault::TooMany);
        }
    }

    /// Checks the rows of all datasets of a point.
    pub(crate) fn check_all(datasets: &[Self]) -> Result<(), DomainError> {
        datasets.iter().try_for_each(Self::check)?;
        if datasets.iter().map(|rows| rows.bytes).sum::<usize>() > MAX_BYTES_OF_ALL {
            let limit = MAX_BYTES_OF_ALL >> 20;
            let message = format!("the rows of all datasets are more than {limit} MiB for one point");
            return Err(DomainError::new("too_many_rows", message));
        }
        Ok(())
    }

    /// Sets all rows, given as columns in byte order of their names, each an array of JSON.
    ///
    /// # Errors
    /// If they are not the declared columns, all equally long, or a value does not fit its column.
    pub(crate) fn fill(&mut self, given: &[(String, &RawValue)]) -> Result<(), String> {
        let name = self.dataset.name;
        let is_declared = |known: &str| self.dataset.columns.iter().any(|column| column.name == known);
        if let Some((other, _)) = given.iter().find(|(known, _)| !is_declared(known)) {
            let shown = shortened(other, 100);
            return Err(format!("rows of {name}: the model does not declare column {shown:?}"));
        }
        let mut lengths = Vec::new();
        for (text, column) in self.texts.iter_mut().zip(&self.dataset.columns) {
            let Some((_, values)) = given.iter().find(|(known, _)| known == column.name) else {
                return Err(format!("rows of {name}: the model did not set column {}", column.name));
            };
            let mut writer = Writer { column, text, count: 0, fault: &mut self.fault, problem: None };
            let mut json = serde_json::Deserializer::from_str(values.get());
            if json.deserialize_seq(&mut writer).is_err() {
                let problem = writer.problem.unwrap_or_else(|| format!("{} must be an array", column.name));
                return Err(format!("rows of {name}: {problem}"));
            }
            lengths.push(writer.count);
        }
        if lengths.iter().any(|length| *length != lengths[0]) {
            return Err(format!("rows of {name} have columns of different lengths"));
        }
        self.bytes = self.texts.iter().map(Vec::len).sum();
        if self.bytes > MAX_BYTES {
            self.fault = Some(RowsFault::TooMany);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), DomainError> {
        let name = self.dataset.name;
        match self.fault {
            None => Ok(()),
            Some(RowsFault::NonFinite(column)) => Err(DomainError::new(
                "non_finite_metric",
                format!("{name}.{column} is not a finite number in a row"),
            )),
            Some(RowsFault::TooMany) => {
                let limit = MAX_BYTES >> 20;
                Err(DomainError::new(
                    "too_many_rows",
                    format!("the rows of {name} are more than {limit} MiB for one point"),
                ))
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends the `rows` record, unless there are no rows.
    pub(crate) fn write(&self, out: &mut Vec<u8>, index: i64, replicate: u32) {
        if self.is_empty() {
            return;
        }
        out.extend_from_slice(br#"{"record":"rows","dataset":""#);
        out.extend_from_slice(self.dataset.name.as_bytes());
        out.extend_from_slice(br#"","point_index":"#);
        write_int(out, index);
        out.extend_from_slice(br#","replicate":"#);
        write_int(out, replicate.into());
        out.extend_from_slice(br#","columns":"#);
        self.write_columns(out);
        out.extend_from_slice(b"}\n");
    }

    /// The rows, each by the names of its columns.
    pub(crate) fn values(&self) -> Vec<BTreeMap<&'static str, Value>> {
        let mut rows = Vec::new();
        for (text, column) in self.texts.iter().zip(&self.dataset.columns) {
            let list = [b"[", text.strip_suffix(b",").unwrap_or_default(), b"]"].concat();
            let literals: Vec<Literal> = serde_json::from_slice(&list).expect("a list of JSON");
            rows.resize_with(literals.len(), BTreeMap::new);
            for (row, literal) in rows.iter_mut().zip(literals) {
                row.insert(column.name, value(column, literal).expect("written by this column"));
            }
        }
        rows
    }

    /// Appends the columns, name -> values. There is a row at least.
    pub(crate) fn write_columns(&self, out: &mut Vec<u8>) {
        for (place, (text, column)) in self.texts.iter().zip(&self.dataset.columns).enumerate() {
            out.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(column.name.as_bytes());
            out.extend_from_slice(b"\":[");
            out.extend_from_slice(&text[..text.len() - 1]);
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// Writes the values of one column as they are read, without a list of them in memory.
struct Writer<'a> {
    column: &'a Column,
    text: &'a mut Vec<u8>,
    count: usize,
    fault: &'a mut Option<RowsFault>,
    /// Of a value: an error of serde's would have its place in the text, too.
    problem: Option<String>,
}

impl<'de> Visitor<'de> for &mut Writer<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an array for {}", self.column.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(literal) = array.next_element()? {
            let value = value(self.column, literal).map_err(|problem| {
                self.problem = Some(problem);
                A::Error::custom("")
            })?;
            if matches!(value.borrow(), ValueRef::Float(float) if !float.is_finite()) {
                *self.fault = Some(RowsFault::NonFinite(self.column.name));
            } else {
                write_plain(self.text, value.borrow());
            }
            self.text.push(b',');
            self.count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_all_datasets_are_bounded_together() {
        let text = "x".repeat(22 << 20);
        let rows = |name| {
            let mut rows = Rows::new(Dataset::new(name, "").column(Column::string("text")));
            rows.push(&[ValueRef::Text(&text)]);
            rows
        };
        assert_eq!(Rows::check_all(&[rows("a"), rows("b")]), Ok(()));
        let error = Rows::check_all(&[rows("a"), rows("b"), rows("c")]).unwrap_err();
        assert_eq!(error.code(), "too_many_rows");
        assert_eq!(error.message(), "the rows of all datasets are more than 64 MiB for one point");
    }
}
