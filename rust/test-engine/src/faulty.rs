//! A point that fails in a chosen way, among points that succeed.

use std::time::Duration;

use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

const MODES: [&str; 8] = ["ok", "domain_error", "panic", "nan", "abort", "exit", "hang", "sleep"];

pub(crate) struct Faulty;

impl Model for Faulty {
    /// Counts the points that have used this memory.
    type Scratch = i64;

    fn declaration(&self) -> Declaration {
        Declaration::new("faulty", "1", "fails at the point where x = at")
            .parameter(Parameter::string("mode", "ok").choices(&MODES).doc("what happens there"))
            .parameter(Parameter::int("at", 0).doc("where it happens"))
            .parameter(Parameter::int("x", 0).doc("distinguishes points"))
            .parameter(Parameter::int("milliseconds", 100).unit("ms").at_least(0).doc("how long to sleep"))
            .metric(Column::float("half").doc("x / 2"))
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        _: &Streams,
        seen: &mut i64,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        assert!(*seen >= 0, "scratch memory of a panicked point is used again");
        *seen += 1;
        let x = given.int("x");
        output.metric("half", x as f64 / 2.0);
        if x != given.int("at") {
            return Ok(());
        }
        match given.string("mode") {
            "domain_error" => return Err(DomainError::new("at_fault", format!("x = {x} is at fault"))),
            "panic" => {
                *seen = i64::MIN;
                panic!("x = {x}, \"quoted\" and\nbroken");
            }
            "nan" => output.metric("half", f64::NAN),
            "abort" => std::process::abort(),
            "exit" => std::process::exit(7),
            "hang" => loop {
                std::thread::park();
            },
            "sleep" => std::thread::sleep(Duration::from_millis(given.count("milliseconds"))),
            _ => {}
        }
        Ok(())
    }
}
