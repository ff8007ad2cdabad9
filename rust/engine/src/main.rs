//! `sweep-engine`: the built-in models as a program. For an engine with your own models, copy this file and
//! change the list.

use std::process::ExitCode;

use sweep_models::{Epidemic, Queue, Ridehail};

fn main() -> ExitCode {
    sweep_runtime::main(&[&Queue, &Epidemic, &Ridehail])
}
