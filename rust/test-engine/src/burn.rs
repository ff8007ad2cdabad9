//! Points that take a given CPU time and compute nothing.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

pub(crate) struct Burn;

impl Model for Burn {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        let milliseconds = Parameter::float("milliseconds", 1.0).unit("ms").at_least(0.0).at_most(1e6);
        Declaration::new("burn", "1", "uses CPU time")
            .parameter(milliseconds.doc("how long a point takes"))
            .parameter(Parameter::int("x", 0).doc("distinguishes points"))
            .metric(Column::int("x").doc("the parameter"))
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        _: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        burn(Duration::from_secs_f64(given.float("milliseconds") / 1e3));
        output.metric("x", given.int("x"));
        Ok(())
    }
}

/// Uses CPU time.
pub(crate) fn burn(time: Duration) {
    let end = cpu_time() + time;
    while cpu_time() < end {
        std::hint::spin_loop();
    }
}

/// CPU time of this thread. Wall time would also pass while a benchmark's other processes have the core, and
/// hide their cost.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).expect("below a second");
    Duration::new(time.tv_sec.unsigned_abs(), nanoseconds)
}
