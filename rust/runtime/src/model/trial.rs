//! Single points of a model, without design, threads or records: for tests and benchmarks of a model.

use std::collections::BTreeMap;
use std::fmt;

use sweep_space::{Streams, Value, ValueRef};

use crate::model::declaration::Declaration;
use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::model::{AnyModel, Parameters, Runner};

/// Runs one point with the `given` parameters, and defaults for the others, and returns its metrics by name.
///
/// # Errors
/// See [`Trial::run`].
///
/// # Panics
/// See [`Trial::new`]. Also if the model panics.
pub fn trial(
    model: &dyn AnyModel,
    given: &[(&str, ValueRef<'_>)],
    seed: i64,
    replicate: u32,
) -> Result<BTreeMap<&'static str, Value>, DomainError> {
    let mut trial = Trial::new(model, given);
    trial.run(seed, replicate)?;
    Ok(trial.output.into_metrics())
}

/// Runs points with the same parameters one after another in the same scratch memory, as a thread of an
/// engine does. The crate's documentation has an example.
pub struct Trial<'a> {
    declaration: Declaration,
    values: Vec<(&'static str, ValueRef<'a>)>,
    runner: Box<dyn Runner + 'a>,
    output: Output,
}

impl<'a> Trial<'a> {
    /// Takes the `given` parameters, and defaults for the others, and creates the scratch memory. Runs
    /// nothing.
    ///
    /// # Panics
    /// If the model has not declared a parameter, or does not allow its value.
    pub fn new(model: &'a dyn AnyModel, given: &[(&str, ValueRef<'a>)]) -> Self {
        let declaration = model.declaration();
        let mut values: Vec<(_, ValueRef<'a>)> =
            declaration.parameters.iter().map(|known| (known.name, known.default)).collect();
        for (name, value) in given {
            let place = values.iter().position(|(known, _)| known == name);
            let place = place.unwrap_or_else(|| panic!("the model does not declare parameter {name:?}"));
            let parameter = &declaration.parameters[place];
            assert!(parameter.fits(*value), "{name} = {value:?}: must be {}", parameter.range());
            values[place].1 = *value;
        }
        let output = Output::new(&declaration.metrics, &[]);
        Self { declaration, values, runner: model.runner(), output }
    }

    /// Asks for these extra datasets, as a request's `outputs` do. Without it the model writes no rows.
    ///
    /// # Panics
    /// If the model has not declared a dataset.
    #[must_use]
    pub fn outputs(mut self, datasets: &[&str]) -> Self {
        let known = |name: &&str| {
            let found = self.declaration.datasets.iter().find(|dataset| dataset.name == *name);
            found.unwrap_or_else(|| panic!("the model does not declare dataset {name:?}")).clone()
        };
        let datasets: Vec<_> = datasets.iter().map(known).collect();
        self.output = Output::new(&self.declaration.metrics, &datasets);
        self
    }

    /// Runs a point, and keeps its metrics until the next one.
    ///
    /// # Errors
    /// The point's domain error, or `non_finite_metric`.
    ///
    /// # Panics
    /// If the model panics.
    pub fn run(&mut self, seed: i64, replicate: u32) -> Result<(), DomainError> {
        self.output.clear();
        self.runner.run(&Parameters(&self.values), &Streams::new(seed, replicate), &mut self.output)?;
        self.output.check()
    }

    /// A metric of the last point.
    ///
    /// # Panics
    /// If the model has not declared the metric.
    pub fn metric(&self, name: &str) -> ValueRef<'_> {
        self.output.value(name)
    }

    /// The rows that the last point wrote to a dataset, each by the names of its columns.
    ///
    /// # Panics
    /// If the dataset was not asked for.
    pub fn rows(&self, dataset: &str) -> Vec<BTreeMap<&'static str, Value>> {
        let rows = self.output.written(dataset);
        rows.unwrap_or_else(|| panic!("dataset {dataset:?} is not among the outputs of this trial")).values()
    }
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trial").field("values", &self.values).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::model::declaration::{Column, Dataset, Parameter};

    /// Repeats `x`, and writes as many rows.
    struct Echo;

    impl Model for Echo {
        type Scratch = ();

        fn declaration(&self) -> Declaration {
            let rows = Dataset::new("rows", "").column(Column::int("x")).column(Column::float("half"));
            let notes = Dataset::new("notes", "").column(Column::string("note").nullable());
            Declaration::new("echo", "1", "")
                .parameter(Parameter::int("x", 2).at_least(0))
                .metric(Column::int("x"))
                .dataset(rows)
                .dataset(notes)
        }

        fn run(
            &self,
            given: &Parameters<'_>,
            _: &Streams,
            (): &mut (),
            output: &mut Output,
        ) -> Result<(), DomainError> {
            let x = given.int("x");
            for row in 0..x {
                if let Some(rows) = output.rows("rows") {
                    rows.push(&[row.into(), (row as f64 / 2.0).into()]);
                }
                if let Some(notes) = output.rows("notes") {
                    notes.push(&[if row == 0 { ValueRef::Null } else { "a,\"b".into() }]);
                }
            }
            output.metric("x", x);
            Ok(())
        }
    }

    #[test]
    fn rows_are_those_of_the_last_point() {
        let mut trial = Trial::new(&Echo, &[("x", 3.into())]).outputs(&["notes", "rows"]);
        for replicate in 0..2 {
            trial.run(1, replicate).unwrap();
            let rows = trial.rows("rows");
            assert_eq!(rows.len(), 3);
            assert_eq!(rows[2], BTreeMap::from([("half", Value::Float(1.0)), ("x", Value::Int(2))]));
            let notes: Vec<_> = trial.rows("notes").into_iter().map(|mut row| row.remove("note")).collect();
            let note = Some(Value::Text("a,\"b".into()));
            assert_eq!(notes, [Some(Value::Null), note.clone(), note]);
        }
        let mut none = Trial::new(&Echo, &[("x", 0.into())]).outputs(&["rows"]);
        none.run(1, 0).unwrap();
        assert_eq!(none.rows("rows"), []);
    }

    #[test]
    #[should_panic(expected = "does not declare dataset \"columns\"")]
    fn unknown_datasets_are_refused() {
        let _ = Trial::new(&Echo, &[]).outputs(&["columns"]);
    }

    #[test]
    #[should_panic(expected = "not among the outputs")]
    fn datasets_that_were_not_asked_for_have_no_rows() {
        let mut trial = Trial::new(&Echo, &[]).outputs(&["rows"]);
        trial.run(1, 0).unwrap();
        trial.rows("notes");
    }
}
