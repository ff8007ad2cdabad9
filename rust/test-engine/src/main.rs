//! A custom engine whose models misbehave on request. For tests and benchmarks; never shipped.

mod burn;
mod faulty;
mod typed;

use std::process::ExitCode;

fn main() -> ExitCode {
    sweep_runtime::main(&[&burn::Burn, &faulty::Faulty, &typed::Typed])
}
