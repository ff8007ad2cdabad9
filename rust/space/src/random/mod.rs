//! Random numbers: each a pure function of a seed and its position. Turning them into the values of a dimension
//! is up to the design.

pub(crate) mod draws;
pub(crate) mod permutation;
pub(crate) mod philox;
pub(crate) mod streams;
pub(crate) mod unit;
