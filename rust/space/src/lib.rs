#![doc = include_str!("../README.md")]

mod broken_rule;
mod canonical;
mod decimal;
mod design;
mod expression;
mod fingerprint;
mod number;
mod random;
mod value;

pub use broken_rule::BrokenRule;
pub use canonical::{Json, canonical, escape_into, write_plain, write_text};
pub use decimal::Decimal;
pub use design::Design;
pub use design::axis::Axis;
pub use design::distribution::Distribution;
pub use design::points::Points;
pub use design::range::Range;
pub use expression::{Expression, ExpressionType, Mistake, Scope, Undefined, Variable};
pub use fingerprint::{CellFingerprint, Fingerprinter, Hex, hex};
pub use number::{EXACT_INTEGER_MAX, write_float, write_int};
pub use random::draws::SampleSeed;
pub use random::philox::philox4x32_10;
pub use random::streams::{Stream, Streams};
pub use value::{Value, ValueRef};
