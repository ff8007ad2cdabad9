//! A parameter, a metric and a column of every type: outputs repeat inputs.

use sweep_runtime::{
    Column, Dataset, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams,
};

const NAMES: [&str; 8] =
    ["flag", "flag_or_null", "int", "int_or_null", "real", "real_or_null", "text", "text_or_null"];

/// More than a point may have, so that a request for any number of rows comes to its end.
const MOST_ROWS: i64 = 10_000_000;

pub(crate) struct Typed;

impl Model for Typed {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        let declaration = Declaration::new("typed", "1", "echoes a parameter of every type")
            .parameter(Parameter::bool("flag", false).doc("a truth value"))
            .parameter(Parameter::bool("flag_or_null", false).null_by_default().doc("a truth value or null"))
            .parameter(Parameter::int("int", 0).doc("an integer"))
            .parameter(Parameter::int("int_or_null", 0).null_by_default().doc("an integer or null"))
            .parameter(Parameter::float("real", 0.0).doc("a float"))
            .parameter(Parameter::float("real_or_null", 0.0).null_by_default().doc("a float or null"))
            .parameter(Parameter::string("text", "").doc("a text"))
            .parameter(Parameter::string("text_or_null", "").null_by_default().doc("a text or null"))
            .parameter(Parameter::int("rows", 1).at_least(0).doc("rows to write to the dataset"));
        let declaration = columns().into_iter().fold(declaration, Declaration::metric);
        let dataset = Dataset::new("echoes", "the parameters, repeated");
        declaration.dataset(columns().into_iter().fold(dataset, Dataset::column))
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        _: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let values = NAMES.map(|name| given.value(name));
        for (name, value) in NAMES.into_iter().zip(values) {
            output.metric(name, value);
        }
        if let Some(rows) = output.rows("echoes") {
            for _ in 0..given.int("rows").min(MOST_ROWS) {
                rows.push(&values);
            }
        }
        Ok(())
    }
}

/// In the order of `NAMES`.
fn columns() -> [Column; 8] {
    [
        Column::bool("flag"),
        Column::bool("flag_or_null").nullable(),
        Column::int("int"),
        Column::int("int_or_null").nullable(),
        Column::float("real"),
        Column::float("real_or_null").nullable(),
        Column::string("text"),
        Column::string("text_or_null").nullable(),
    ]
}
