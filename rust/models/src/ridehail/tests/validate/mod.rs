//! The checks of docs/validation.md: `make validate` runs them, and writes its table and figures.
//!
//! Each prints a JSON line for each number and for each point of a figure, and fails where a number is off. Seeds are
//! fixed.

mod arrivals;
mod assignment;
mod little;
mod queues;
mod replication;
mod torus;

use super::*;

/// A mean over replications, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|one| (one - mean) * (one - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Prints a line of the table, and fails where it says so.
fn tell(
    check: u32,
    what: &str,
    measured: f64,
    expected: &str,
    error: Option<f64>,
    number: usize,
    passes: bool,
) {
    let error = error.map_or("null".to_owned(), |error| error.to_string());
    println!(
        "\n{{\"check\":{check},\"what\":\"{what}\",\"measured\":{measured},\"expected\":\"{expected}\",\"error\":{error},\
         \"number\":{number},\"passes\":{passes}}}"
    );
    assert!(passes, "{what}: {measured}, not {expected}, {error}");
}

/// The same for a mean that is to be within three standard errors of theory.
fn tell_mean(check: u32, what: &str, values: &[f64], theory: f64) {
    let (mean, error) = mean_and_error(values);
    let passes = (mean - theory).abs() < 3.0 * error;
    tell(check, what, mean, &format!("{theory:.6}"), Some(error), values.len(), passes);
}

/// Prints a simulated point of a figure; theory is drawn by tools/validate.py.
fn draw(figure: &str, series: &str, x: f64, values: &[f64]) {
    let (mean, error) = mean_and_error(values);
    println!(
        "\n{{\"figure\":\"{figure}\",\"series\":\"{series}\",\"x\":{x},\"y\":{mean},\"error\":{error}}}"
    );
}

/// A whole number that fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, and not negative")]
fn small(number: f64) -> u32 {
    number as u32
}

/// What tools/validate.py computes, too.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
