//! A point that fails in a chosen way, among points that succeed.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::burn::burn;
use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};

const MODES: [&str; 18] = [
    "ok",
    "domain_error",
    "panic",
    "nan",
    "abort",
    "abort_once",
    "burn",
    "abort_in",
    "exit",
    "exit_0",
    "hang",
    "loop",
    "overflow",
    "memory",
    "print",
    "fork",
    "leave",
    "sleep",
];

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
            .parameter(
                Parameter::string("marker", "")
                    .doc("a file: abort_in aborts where it exists, abort_once removes it too"),
            )
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
            "abort_once" if std::fs::remove_file(given.string("marker")).is_ok() => std::process::abort(),
            "abort_in" if Path::new(given.string("marker")).exists() => std::process::abort(),
            "burn" => burn(Duration::from_millis(given.count("milliseconds"))),
            "exit" => std::process::exit(7),
            "exit_0" => std::process::exit(0),
            "hang" => loop {
                std::thread::park();
            },
            "loop" => loop {
                std::hint::spin_loop();
            },
            "overflow" => output.metric("half", depth(x) as f64),
            "memory" => fill_memory(),
            "print" => std::io::stdout().write_all(b"a point prints\n").expect("standard output"),
            "fork" => drop(Command::new("sleep").arg("600").spawn()),
            // A grandchild that keeps the pipes of a process that has ended.
            "leave" => {
                drop(Command::new("sleep").arg("600").spawn());
                std::process::abort();
            }
            "sleep" => std::thread::sleep(Duration::from_millis(given.count("milliseconds"))),
            _ => {}
        }
        Ok(())
    }
}

/// Calls itself without end.
#[expect(unconditional_recursion, reason = "it shall overflow the stack")]
fn depth(x: i64) -> i64 {
    let room = black_box([x; 1000]);
    1 + depth(black_box(x)) + room[7]
}

/// Takes memory until somebody objects.
fn fill_memory() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 4 << 20]));
        std::thread::sleep(Duration::from_millis(5));
    }
}
