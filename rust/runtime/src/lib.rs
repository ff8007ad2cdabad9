//! Runs points of models in parallel and speaks the engine protocol, v1 (docs/protocol.md).
//!
//! An engine is a list of models:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams};
//!
//! struct Coin;
//!
//! impl Model for Coin {
//!     type Scratch = ();
//!
//!     fn declaration(&self) -> Declaration {
//!         Declaration::new("coin", "1", "Tosses of a coin.")
//!             .parameter(Parameter::float("bias", 0.5).at_least(0.0).at_most(1.0).doc("P(heads)"))
//!             .metric(Column::bool("heads").doc("whether the coin shows heads"))
//!     }
//!
//!     fn run(
//!         &self,
//!         given: &Parameters,
//!         streams: &Streams,
//!         (): &mut (),
//!         output: &mut Output,
//!     ) -> Result<(), DomainError> {
//!         output.metric("heads", streams.stream(0, 0).uniform() < given.float("bias"));
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     sweep_runtime::main(&[&Coin])
//! }
//! ```
//!
//! It depends on no particular model, keeps no state between requests, and uses no network, and files only for
//! programs that manifests describe (docs/programs.md).

mod clock;
mod command;
mod describe;
#[cfg(test)]
mod fuzz;
mod host;
mod model;
mod names;
mod parent;
mod program;
mod request;
mod run;
mod serve;

pub use command::main;
pub use model::declaration::{Column, Dataset, Declaration, Parameter, Type};
pub use model::domain_error::DomainError;
pub use model::output::Output;
pub use model::rows::Rows;
pub use model::trial::{Trial, trial};
pub use model::{AnyModel, Model, Parameters, Runner};
pub use sweep_space::{Stream, Streams, Value, ValueRef};
