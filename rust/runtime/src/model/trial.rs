//! Single points of a model, without design, threads or records: for tests and benchmarks of a model.

use std::collections::BTreeMap;
use std::fmt;

use sweep_space::{Streams, Value, ValueRef};

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
/// engine does.
pub struct Trial<'a> {
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
        Self { values, runner: model.runner(), output: Output::new(&declaration.metrics, &[]) }
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
}

impl fmt::Debug for Trial<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trial").field("values", &self.values).finish_non_exhaustive()
    }
}
