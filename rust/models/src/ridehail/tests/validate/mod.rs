//! The checks of docs/validation.md: `make validate` runs them, and writes its table and figures.
//!
//! Each prints a JSON line for each number and for each point of a figure. It fails only at its end, so that
//! a failure does not hide later numbers. Seeds are fixed.

mod arrivals;
mod assignment;
mod conservation;
mod goose_chase;
mod little;
mod queues;
mod replication;
mod staffing;
mod torus;

pub(super) use arrivals::{correlation, gaps_and_latitudes};

use super::*;

/// A mean over replications, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|one| (one - mean) * (one - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// The verdict of a line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
    /// Theory assumes something else: the difference is reported, and is not a failure.
    Outside,
    /// There is no theory.
    Told,
}

impl Verdict {
    fn of(passes: bool) -> Self {
        if passes { Self::Passes } else { Self::Fails }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Fails => "fails",
            Self::Outside => "outside",
            Self::Told => "told",
        }
    }
}

/// The lines of one check.
#[must_use = "it fails at its end"]
struct Lines {
    check: u32,
    failed: Vec<String>,
}

impl Lines {
    fn of(check: u32) -> Self {
        Self { check, failed: vec![] }
    }

    /// Prints a line of the table. [`Lines::end`] reports failures.
    fn row(
        &mut self,
        what: &str,
        measured: f64,
        expected: &str,
        error: Option<f64>,
        number: usize,
        verdict: Verdict,
    ) {
        let error = error.map_or("null".to_owned(), |error| error.to_string());
        let (check, word) = (self.check, verdict.word());
        println!(
            "\n{{\"check\":{check},\"what\":\"{what}\",\"measured\":{measured},\"expected\":\"{expected}\",\
             \"error\":{error},\"number\":{number},\"verdict\":\"{word}\"}}"
        );
        if verdict == Verdict::Fails {
            self.failed.push(format!("{what}: {measured}, not {expected}"));
        }
    }

    /// The same for a mean that is to be within three standard errors of theory.
    fn tell_mean(&mut self, what: &str, values: &[f64], theory: f64) {
        let (mean, error) = mean_and_error(values);
        let passes = Verdict::of((mean - theory).abs() < 3.0 * error);
        self.row(what, mean, &format!("{theory:.6}"), Some(error), values.len(), passes);
    }

    /// Fails if a line failed.
    fn end(self) {
        assert!(self.failed.is_empty(), "{:?}", self.failed);
    }
}

/// Prints a simulated point of a figure; theory is drawn by tools/validate.py.
fn draw(figure: &str, series: &str, x: f64, values: &[f64]) {
    let (mean, error) = mean_and_error(values);
    println!(
        "\n{{\"figure\":\"{figure}\",\"series\":\"{series}\",\"x\":{x},\"y\":{mean},\"error\":{error}}}"
    );
}

/// Prints a number that a figure's theory needs, so that it is defined only here.
fn tell_constant(name: &str, value: f64) {
    println!("\n{{\"constant\":\"{name}\",\"value\":{value}}}");
}

/// Converts a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not negative")]
fn small(number: f64) -> u32 {
    number as u32
}

/// tools/validate.py computes this, too.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
