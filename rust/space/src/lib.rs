//! The space of points: what a point's index means, what identifies it and where its random numbers come from.
//!
//! Everything here is a pure function, the same on every machine. Nothing here reads, writes, runs or knows a model.

mod canonical;
mod fingerprint;
mod grid;
mod number;
mod philox;
mod streams;
mod value;

pub use canonical::{Json, canonical, escape_into, write_plain, write_text};
pub use fingerprint::{CellFingerprint, Fingerprinter, Hex};
pub use grid::{Grid, GridError};
pub use number::{EXACT_INTEGER_MAX, write_float, write_int};
pub use philox::philox4x32_10;
pub use streams::{Stream, Streams};
pub use value::{Value, ValueRef};
