//! A model's output for one point: its metrics, and rows of the extra datasets that were requested.

use std::collections::BTreeMap;

use sweep_space::{Value, ValueRef, write_int, write_plain};

use crate::model::declaration::{Column, Dataset};
use crate::model::domain_error::DomainError;
use crate::model::kept::KeptFile;
use crate::model::rows::Rows;

/// Collects the metrics and rows of one point.
#[derive(Clone, Debug)]
pub struct Output {
    /// In byte order of their names.
    metrics: Vec<Metric>,
    /// The requested datasets, in byte order of their names.
    datasets: Vec<Rows>,
    kept: Vec<KeptFile>,
}

#[derive(Clone, Debug)]
struct Metric {
    column: Column,
    /// `"name":`, with the separator from the metric before.
    head: Vec<u8>,
    value: Value,
}

impl Output {
    pub(crate) fn new(metrics: &[Column], datasets: &[Dataset]) -> Self {
        let metric = |(place, column): (usize, &Column)| {
            let head = format!("{}\"{}\":", if place == 0 { "" } else { "," }, column.name).into_bytes();
            Metric { column: column.clone(), head, value: Value::Null }
        };
        Self {
            metrics: metrics.iter().enumerate().map(metric).collect(),
            datasets: datasets.iter().cloned().map(Rows::new).collect(),
            kept: vec![],
        }
    }

    pub(crate) fn clear(&mut self) {
        for metric in &mut self.metrics {
            metric.value = Value::Null;
        }
        self.datasets.iter_mut().for_each(Rows::clear);
        self.kept.clear();
    }

    /// The names of the requested datasets.
    pub(crate) fn dataset_names(&self) -> impl Iterator<Item = &'static str> {
        self.datasets.iter().map(Rows::name)
    }

    /// The columns of the metrics, in byte order of their names, and where each value goes.
    pub(crate) fn slots(&mut self) -> impl Iterator<Item = (&Column, &mut Value)> {
        self.metrics.iter_mut().map(|metric| (&metric.column, &mut metric.value))
    }

    /// Sets all metrics, given in byte order of their names, of a point that has no more than these.
    pub(crate) fn restore(&mut self, metrics: &[Value]) {
        for (metric, value) in self.metrics.iter_mut().zip(metrics) {
            metric.value.clone_from(value);
        }
        self.kept.clear();
    }

    /// Sets a metric. A metric that is never set is null.
    ///
    /// # Panics
    /// If the model has not declared the metric, or declared it with another type.
    pub fn metric<'a>(&mut self, name: &str, value: impl Into<ValueRef<'a>>) {
        let value = value.into();
        let found = self.metrics.iter_mut().find(|metric| metric.column.name == name);
        let metric = found.unwrap_or_else(|| panic!("the model does not declare metric {name:?}"));
        assert!(metric.column.fits(value), "{name} is {value:?}, declared {}", metric.column.kind.name());
        metric.value = value.into_owned();
    }

    /// The value a metric was set to.
    ///
    /// # Panics
    /// If the model has not declared the metric.
    pub(crate) fn value(&self, name: &str) -> ValueRef<'_> {
        let found = self.metrics.iter().find(|metric| metric.column.name == name);
        found.unwrap_or_else(|| panic!("the model does not declare metric {name:?}")).value.borrow()
    }

    /// Where to write rows of a dataset, or `None` if it was not requested.
    pub fn rows(&mut self, dataset: &str) -> Option<&mut Rows> {
        self.datasets.iter_mut().find(|rows| rows.name() == dataset)
    }

    /// Takes files that are kept with the shard.
    pub(crate) fn keep(&mut self, files: Vec<KeptFile>) {
        self.kept = files;
    }

    pub(crate) fn kept(&self) -> &[KeptFile] {
        &self.kept
    }

    /// The rows of a dataset, if it was requested.
    pub(crate) fn written(&self, dataset: &str) -> Option<&Rows> {
        self.datasets.iter().find(|rows| rows.name() == dataset)
    }

    /// Checks the model's output.
    ///
    /// # Errors
    /// If a number is not finite, or there are too many rows.
    ///
    /// # Panics
    /// If a metric is missing.
    pub(crate) fn check(&self) -> Result<(), DomainError> {
        for Metric { column, value, .. } in &self.metrics {
            assert!(column.fits(value.borrow()), "the model did not set {}", column.name);
            if let Value::Float(float) = value
                && !float.is_finite()
            {
                return Err(DomainError::new("non_finite_metric", format!("{} is {float}", column.name)));
            }
        }
        Rows::check_all(&self.datasets)
    }

    /// The metrics by name.
    pub(crate) fn into_metrics(self) -> BTreeMap<&'static str, Value> {
        self.metrics.into_iter().map(|metric| (metric.column.name, metric.value)).collect()
    }

    /// The metrics' values, in byte order of their names.
    pub(crate) fn values(&self) -> impl Iterator<Item = ValueRef<'_>> {
        self.metrics.iter().map(|metric| metric.value.borrow())
    }

    /// Appends the `rows` records, in byte order of the datasets' names.
    pub(crate) fn write_rows(&self, out: &mut Vec<u8>, index: i64, replicate: u32) {
        for rows in &self.datasets {
            rows.write(out, index, replicate);
        }
    }

    /// Appends metrics and rows as the reply to a host.
    pub(crate) fn write_reply(&self, id: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"id":"#);
        write_int(out, id);
        out.extend_from_slice(br#","metrics":"#);
        self.write_metrics(out);
        out.extend_from_slice(br#","rows":{"#);
        for (place, rows) in self.datasets.iter().filter(|rows| !rows.is_empty()).enumerate() {
            out.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(rows.name().as_bytes());
            out.extend_from_slice(b"\":");
            rows.write_columns(out);
        }
        out.push(b'}');
        self.write_kept(out);
        out.push(b'}');
    }

    /// Appends the member of a reply that has the kept files, if there are any.
    pub(crate) fn write_kept(&self, out: &mut Vec<u8>) {
        if !self.kept.is_empty() {
            out.extend_from_slice(br#","kept":"#);
            serde_json::to_writer(out, &self.kept).expect("a vector takes all");
        }
    }

    /// Appends the metrics as a JSON object.
    pub(crate) fn write_metrics(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for Metric { head, value, .. } in &self.metrics {
            out.extend_from_slice(head);
            write_plain(out, value.borrow());
        }
        out.push(b'}');
    }
}
