//! Random numbers: each a pure function of a seed and its position. Turning them into the values of a dimension
//! is up to the design.

mod distributions;
pub(crate) mod draws;
pub(crate) mod permutation;
pub(crate) mod philox;
mod poisson;
pub(crate) mod quantile;
#[cfg(feature = "rand_core")]
mod rng;
pub(crate) mod streams;
pub(crate) mod unit;
