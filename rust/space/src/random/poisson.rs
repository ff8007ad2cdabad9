//! The Poisson distribution, exact up to the rounding of floats.

use std::f64::consts::TAU;

use crate::random::streams::Stream;

/// From this mean on `large` holds; below it `small` is faster.
pub(super) const LARGE: f64 = 10.0;
/// The terms of Stirling's series suffice for the factorials of these numbers and of all above.
const STIRLING: f64 = 16.0;

/// Inversion: the first number whose cumulative probability is above one uniform.
pub(super) fn small(mean: f64, stream: &mut Stream) -> i64 {
    let uniform = stream.uniform();
    let mut probability = libm::exp(-mean);
    let (mut value, mut cumulative) = (0, probability);
    while uniform >= cumulative {
        value += 1;
        probability *= mean / f64::from(value);
        let next = cumulative + probability;
        if next <= cumulative {
            // What is left of the tail is less than a step of the uniform.
            break;
        }
        cumulative = next;
    }
    i64::from(value)
}

/// Transformed rejection with squeeze, two numbers of the stream a trial and fewer than 1.3 trials a value.
///
/// Source: W. Hörmann, "The transformed rejection method for generating Poisson random variables", Insurance:
/// Mathematics and Economics 12 (1993), 39-45: PTRS, with its constants.
pub(super) fn large(mean: f64, stream: &mut Stream) -> i64 {
    let slope = 0.931 + 2.53 * mean.sqrt();
    let bend = -0.059 + 0.024_83 * slope;
    let inverse_alpha = 1.1239 + 1.1328 / (slope - 3.4);
    let squeeze = 0.9277 - 3.6224 / (slope - 2.0);
    loop {
        let place = stream.uniform() - 0.5;
        let height = stream.positive_uniform();
        let edge = 0.5 - place.abs();
        let value = ((2.0 * bend / edge + slope) * place + mean + 0.43).floor();
        let inside = edge >= 0.07 && height <= squeeze;
        let outside = value < 0.0 || (edge < 0.013 && height > edge);
        if inside
            || !outside
                && libm::log(height * inverse_alpha / (bend / (edge * edge) + slope))
                    <= log_probability(value, mean)
        {
            return whole(value);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a whole number, near a mean of at most 1e15")]
fn whole(value: f64) -> i64 {
    value as i64
}

/// The logarithm of the probability of `value`, in a form whose terms do not cancel where it is large.
///
/// Source: C. Loader, "Fast and accurate computation of binomial probabilities" (2000).
fn log_probability(value: f64, mean: f64) -> f64 {
    if value == 0.0 {
        return -mean;
    }
    let excess = value - mean;
    excess - value * libm::log1p(excess / mean) - libm::log(TAU * value) / 2.0 - stirling_error(value)
}

/// ln(n!) minus Stirling's formula for it.
fn stirling_error(number: f64) -> f64 {
    if number < STIRLING {
        let formula = libm::log(TAU * number) / 2.0 + number * libm::log(number) - number;
        return libm::lgamma(number + 1.0) - formula;
    }
    let square = number * number;
    let series = 1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square;
    (1.0 / 12.0 - series / square) / number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_definition() {
        for mean in [10.0, 12.5, 100.0, 1e4] {
            for value in (0..400_u32).map(f64::from) {
                let expected = value * libm::log(mean) - mean - libm::lgamma(value + 1.0);
                let found = log_probability(value, mean);
                assert!((found / expected - 1.0).abs() < 1e-13, "{value} of {mean}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn probabilities_of_large_means_are_those_of_the_normal_distribution() {
        // At the mean itself the probability is 1 / sqrt(2 pi mean) but for 1 / (12 mean).
        for mean in [1e9, 1e12, 1e15] {
            let found = log_probability(mean, mean) + libm::log(TAU * mean) / 2.0;
            assert!(found.abs() < 1.0 / mean, "{mean}: {found}");
            let away = log_probability(mean + mean.sqrt().floor(), mean) + libm::log(TAU * mean) / 2.0;
            assert!((away + 0.5).abs() < 1e-4, "{mean}: {away}");
        }
    }
}
