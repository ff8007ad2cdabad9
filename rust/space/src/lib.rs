//! The space of points: the parameters, identity and random numbers that belong to a point's index.
//!
//! Everything here is a pure function with the same result on every machine, without I/O and independent of
//! models.

mod axis;
mod broken_rule;
mod canonical;
mod decimal;
mod design;
mod distribution;
mod draws;
mod fingerprint;
mod joe_kuo;
mod latin_hypercube;
mod normal;
mod number;
mod permutation;
mod philox;
mod points;
mod quantile;
mod range;
mod sobol;
mod streams;
mod unit;
mod value;

pub use axis::Axis;
pub use broken_rule::BrokenRule;
pub use canonical::{Json, canonical, escape_into, write_plain, write_text};
pub use decimal::Decimal;
pub use design::Design;
pub use distribution::Distribution;
pub use fingerprint::{CellFingerprint, Fingerprinter, Hex};
pub use number::{EXACT_INTEGER_MAX, write_float, write_int};
pub use philox::philox4x32_10;
pub use points::Points;
pub use range::Range;
pub use streams::{Stream, Streams};
pub use value::{Value, ValueRef};
