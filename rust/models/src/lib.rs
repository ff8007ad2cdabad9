//! The built-in models. Each has a folder with the model and its tests.
//!
//! A model is independent of designs, threads and records: it declares itself and runs one point.
//!
//! In the whole workspace, tests that compare many draws with theory are in modules called `statistical`, and
//! other tests that take more than a second in modules called `slow`. A quick run leaves both out:
//! `cargo test --workspace -- --skip statistical:: --skip slow::`.

mod epidemic;
mod queue;
mod ridehail;

pub use epidemic::Epidemic;
pub use queue::Queue;
pub use ridehail::Ridehail;
