//! `sweep-engine` as its parent sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod designs;
mod golden;
mod known;
mod order;
mod process;
mod refused;
mod refused_designs;
mod ridehail;

const ENGINE: &str = env!("CARGO_BIN_EXE_sweep-engine");
