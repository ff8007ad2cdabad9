//! An engine with models that misbehave, and with values of every type.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod columns;
mod command;
#[path = "../../../engine/tests/engine/common.rs"]
mod common;
mod faults;
mod host;
mod known;
mod points;
mod running;
mod version;

const ENGINE: &str = env!("CARGO_BIN_EXE_sweep-test-engine");
