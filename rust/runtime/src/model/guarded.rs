//! A model's runner whose panics and unfit output fail one point.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sweep_space::Streams;

use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::model::{AnyModel, Parameters, Runner};
use crate::run::panics::payload_text;

/// Runs points in this process.
pub(crate) struct Guarded<'a> {
    model: &'a dyn AnyModel,
    runner: Box<dyn Runner + 'a>,
}

impl<'a> Guarded<'a> {
    pub(crate) fn new(model: &'a dyn AnyModel) -> Self {
        Self { model, runner: model.runner() }
    }
}

impl Runner for Guarded<'_> {
    fn run(
        &mut self,
        given: &Parameters<'_>,
        streams: &Streams,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        // A panic can leave the scratch memory in any state, so it is replaced.
        catch_unwind(AssertUnwindSafe(|| {
            self.runner.run(given, streams, output)?;
            output.check()
        }))
        .unwrap_or_else(|payload| {
            self.runner = self.model.runner();
            Err(DomainError::new("panic", payload_text(payload.as_ref())))
        })
    }
}
