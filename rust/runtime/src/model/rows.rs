//! Rows of an extra dataset, collected column by column as JSON text while their point runs.

use sweep_space::{ValueRef, write_int, write_plain};

use crate::model::declaration::Dataset;
use crate::model::domain_error::DomainError;

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

    /// Appends the `rows` record, unless there are no rows.
    pub(crate) fn write(&self, out: &mut Vec<u8>, index: i64, replicate: u32) {
        if self.bytes == 0 {
            return;
        }
        out.extend_from_slice(br#"{"record":"rows","dataset":""#);
        out.extend_from_slice(self.dataset.name.as_bytes());
        out.extend_from_slice(br#"","point_index":"#);
        write_int(out, index);
        out.extend_from_slice(br#","replicate":"#);
        write_int(out, replicate.into());
        out.extend_from_slice(br#","columns":"#);
        for (place, (text, column)) in self.texts.iter().zip(&self.dataset.columns).enumerate() {
            out.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
            out.extend_from_slice(column.name.as_bytes());
            out.extend_from_slice(b"\":[");
            out.extend_from_slice(&text[..text.len() - 1]);
            out.push(b']');
        }
        out.extend_from_slice(b"}}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::declaration::Column;

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
