//! The built-in models. Each is a folder: the model, and beside it the statistical tests of what it computes.
//!
//! A model knows nothing of designs, threads or records; it only declares itself and runs one point.

mod epidemic;
mod queue;
mod ridehail;

pub use epidemic::Epidemic;
pub use queue::Queue;
pub use ridehail::Ridehail;
