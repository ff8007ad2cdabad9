//! The built-in models. Each has a folder with the model and the tests of what it computes. Tests that
//! compare many simulated points with theory are in a module `statistical`, other long ones in a module
//! `slow`: a quick test run leaves both out.
//!
//! A model is independent of designs, threads and records: it declares itself and runs one point.

mod epidemic;
mod queue;
mod ridehail;

pub use epidemic::Epidemic;
pub use queue::Queue;
pub use ridehail::Ridehail;
