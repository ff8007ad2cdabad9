//! `sweep-engine`: the built-in models as a program. An engine with models of your own is this file with another list.

use std::process::ExitCode;

use sweep_models::{Epidemic, Queue, Ridehail};

fn main() -> ExitCode {
    sweep_runtime::main(&[&Queue, &Epidemic, &Ridehail])
}
