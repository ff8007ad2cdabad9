#![doc = include_str!("../README.md")]
//!
//! ## Random numbers
//!
//! A stream is chosen by purpose (arrivals, services, ...) and entity (the number of a customer, ...); the numbers
//! for both are up to the model:
//!
//! ```
//! # use sweep_runtime::Streams;
//! # let streams = Streams::new(42, 0);
//! const ARRIVALS: u32 = 0;
//! const TURNS: u32 = 1;
//!
//! let mut arrivals = streams.stream(ARRIVALS, 0);
//! let (gap, size) = (arrivals.exponential(2.5), arrivals.poisson(3.0));
//! let (length, eyes) = (arrivals.normal(170.0, 10.0), arrivals.integer(1..=6));
//! let mut order = ["north", "east", "south", "west"];
//! streams.stream(TURNS, 0).shuffle(&mut order);
//! # assert!(gap > 0.0 && size >= 0 && length > 0.0 && (1..=6).contains(&eyes));
//! ```
//!
//! Points of a run share their random numbers. A [`Stream`] depends on the run's seed, the point's replicate,
//! purpose and entity, and on nothing else: neither on the point's index nor on its parameters. Replicates are
//! independent. So that numbers stay shared within a model, give each kind of decision a purpose of its own, and
//! each entity a stream of its own where the number of draws depends on parameters: otherwise one draw more shifts
//! all that follow.
//!
//! With the feature `rand_core` a [`Stream`] is a generator of that crate (0.10), for distributions of other crates;
//! these have to give the same numbers on every machine, too. [`Streams::foreign_seed`] has 128 bits to seed any
//! other generator with.
//!
//! ## Datasets, and tests
//!
//! What has many rows for each point is a [`Dataset`]: a trace, a time series, a table of customers. It is declared
//! with its columns, and is written only where a run asks for it with `outputs`; metrics must not depend on that.
//! All rows of a point are in memory, at most 32 MiB of text for one dataset and 64 MiB for all.
//!
//! [`trial()`] runs one point and returns its metrics. A [`Trial`] runs many with the same parameters, and reaches
//! the rows of datasets. To test a model against theory, fix the seed, run some hundred replicates, and allow three
//! or four standard errors.
//!
//! ```
//! use sweep_runtime::{
//!     Column, Dataset, Declaration, DomainError, Model, Output, Parameter, Parameters, Streams, Trial, trial,
//! };
//!
//! struct Walk;
//!
//! impl Model for Walk {
//!     type Scratch = ();
//!
//!     fn declaration(&self) -> Declaration {
//!         let path = Dataset::new("path", "one row per step")
//!             .column(Column::int("step").doc("number of the step, from 0"))
//!             .column(Column::float("position").unit("m").doc("where it ends"));
//!         Declaration::new("walk", "1", "A random walk.")
//!             .parameter(Parameter::int("steps", 100).at_least(1).at_most(1_000_000).doc("length of the walk"))
//!             .metric(Column::float("end").unit("m").doc("the last position"))
//!             .dataset(path)
//!     }
//!
//!     fn run(
//!         &self,
//!         given: &Parameters,
//!         streams: &Streams,
//!         (): &mut (),
//!         output: &mut Output,
//!     ) -> Result<(), DomainError> {
//!         let mut strides = streams.stream(0, 0);
//!         let mut position = 0.0;
//!         let mut path = output.rows("path");
//!         for step in 0..given.int("steps") {
//!             position += strides.normal(0.0, 1.0);
//!             if let Some(path) = &mut path {
//!                 path.push(&[step.into(), position.into()]);
//!             }
//!         }
//!         output.metric("end", position);
//!         Ok(())
//!     }
//! }
//!
//! let (seed, replicate) = (42, 0);
//! let metrics = trial(&Walk, &[("steps", 10.into())], seed, replicate)?;
//!
//! let mut walk = Trial::new(&Walk, &[("steps", 10.into())]).outputs(&["path"]);
//! walk.run(seed, replicate)?;
//! let path = walk.rows("path");
//! assert_eq!(path.len(), 10);
//! assert_eq!(path[9]["position"], metrics["end"]);
//! # Ok::<(), DomainError>(())
//! ```
//!
//! ## Errors
//!
//! - A value outside its declared range never reaches the model: the shard fails with `invalid_parameters`. Declare
//!   ranges with [`Parameter::at_least`], [`above`](Parameter::above), [`at_most`](Parameter::at_most),
//!   [`below`](Parameter::below) and [`choices`](Parameter::choices).
//! - Parameters that contradict each other, or a simulation that cannot continue, are a [`DomainError`] with a code
//!   of the model's own. It is that point's result, and other points are not affected.
//! - A panic fails its point with the code `panic`, and a metric that is infinite or not a number with
//!   `non_finite_metric`. A point that aborts, never ends or takes all memory is tried again in a process of its own,
//!   and then fails alone.
//!
//! ```
//! # use sweep_runtime::{DomainError, Parameters};
//! fn free_seats(given: &Parameters) -> Result<u64, DomainError> {
//!     let (seats, staff) = (given.count("seats"), given.count("staff"));
//!     if staff > seats {
//!         let message = format!("staff = {staff} must be at most seats = {seats}");
//!         return Err(DomainError::new("too_many_staff", message));
//!     }
//!     Ok(seats - staff)
//! }
//! ```

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
mod system;

pub use command::main;
pub use model::declaration::{Column, Dataset, Declaration, Parameter, Type};
pub use model::domain_error::DomainError;
pub use model::output::Output;
pub use model::rows::Rows;
pub use model::trial::{Trial, trial};
pub use model::{AnyModel, Model, Parameters, Runner};
pub use sweep_space::{Stream, Streams, Value, ValueRef};
