//! Points that keep a core busy for a known time and compute nothing.

use std::time::{Duration, Instant};

use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

pub(crate) struct Burn;

impl Model for Burn {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        let milliseconds = Parameter::float("milliseconds", 1.0).unit("ms").at_least(0.0).at_most(1e6);
        Declaration::new("burn", "1", "keeps a core busy")
            .parameter(milliseconds.doc("how long a point takes"))
            .parameter(Parameter::int("x", 0).doc("tells points apart"))
            .metric(Column::int("x").doc("the parameter"))
    }

    #[expect(clippy::disallowed_methods, reason = "it burns time, which no metric depends on")]
    fn run(
        &self,
        given: &Parameters<'_>,
        _: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let start = Instant::now();
        let burning = Duration::from_secs_f64(given.float("milliseconds") / 1e3);
        while start.elapsed() < burning {
            std::hint::spin_loop();
        }
        output.metric("x", given.int("x"));
        Ok(())
    }
}
