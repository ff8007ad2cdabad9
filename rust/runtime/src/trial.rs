//! One point of a model by itself, without design, threads or records: what tests of a model need.

use std::collections::BTreeMap;

use sweep_space::{Streams, Value, ValueRef};

use crate::model::{AnyModel, DomainError, Parameters};
use crate::output::Output;

/// Runs one point with `given` parameters and the defaults of the others, and returns its metrics by name.
///
/// # Errors
/// The point's domain error, or `non_finite_metric`.
///
/// # Panics
/// If the model has no such parameter, or does not allow the value; and when the model panics.
pub fn trial(
    model: &dyn AnyModel,
    given: &[(&str, ValueRef<'_>)],
    seed: i64,
    replicate: u32,
) -> Result<BTreeMap<&'static str, Value>, DomainError> {
    let declaration = model.declaration();
    let mut values: Vec<_> = declaration.parameters.iter().map(|known| (known.name, known.default)).collect();
    for (name, value) in given {
        let place = values.iter().position(|(known, _)| known == name);
        let place = place.unwrap_or_else(|| panic!("the model declares no parameter {name:?}"));
        let parameter = &declaration.parameters[place];
        assert!(parameter.fits(*value), "{name} = {value:?}: must be {}", parameter.range());
        values[place].1 = *value;
    }
    let mut output = Output::new(&declaration.metrics, &[]);
    model.runner().run(&Parameters(&values), &Streams::new(seed, replicate), &mut output)?;
    output.check()?;
    Ok(output.into_metrics())
}
