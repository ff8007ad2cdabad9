//! The tails of the standard normal distribution, and their inverse.
//!
//! Source: M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Applied
//! Statistics 37 (1988), 477-484: PPND16, with its coefficients.

#[expect(clippy::excessive_precision, clippy::unreadable_literal, reason = "as published")]
const NEAR: [[f64; 8]; 2] = [
    [
        3.3871328727963666080e0,
        1.3314166789178437745e+2,
        1.9715909503065514427e+3,
        1.3731693765509461125e+4,
        4.5921953931549871457e+4,
        6.7265770927008700853e+4,
        3.3430575583588128105e+4,
        2.5090809287301226727e+3,
    ],
    [
        1.0,
        4.2313330701600911252e+1,
        6.8718700749205790830e+2,
        5.3941960214247511077e+3,
        2.1213794301586595867e+4,
        3.9307895800092710610e+4,
        2.8729085735721942674e+4,
        5.2264952788528545610e+3,
    ],
];
#[expect(clippy::excessive_precision, clippy::unreadable_literal, reason = "as published")]
const MIDDLE: [[f64; 8]; 2] = [
    [
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ],
    [
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ],
];
#[expect(clippy::excessive_precision, clippy::unreadable_literal, reason = "as published")]
const FAR: [[f64; 8]; 2] = [
    [
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ],
    [
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ],
];
/// The share of the standard normal distribution above `deviation`.
pub(crate) fn upper_tail(deviation: f64) -> f64 {
    0.5 * libm::erfc(deviation * std::f64::consts::FRAC_1_SQRT_2)
}

/// The deviation that has these shares of the standard normal distribution below and above it. It follows from
/// the smaller share, which has all its digits.
pub(crate) fn deviation(below: f64, above: f64) -> f64 {
    if below < above { -quantile(below) } else { quantile(above) }
}

/// The deviation with this share of the standard normal distribution above it, for shares from 1e-300 to a
/// half: about 16 digits.
fn quantile(above: f64) -> f64 {
    let from_middle = 0.5 - above;
    if from_middle <= 0.425 {
        return from_middle * ratio(&NEAR, 0.180_625 - from_middle * from_middle);
    }
    let root = (-libm::log(above)).sqrt();
    if root <= 5.0 { ratio(&MIDDLE, root - 1.6) } else { ratio(&FAR, root - 5.0) }
}

/// A rational function: coefficients of the numerator and the denominator, constant terms first.
fn ratio(coefficients: &[[f64; 8]; 2], at: f64) -> f64 {
    let [numerator, denominator] = coefficients
        .map(|polynomial| polynomial.iter().rev().fold(0.0, |sum, coefficient| sum * at + coefficient));
    numerator / denominator
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_literature() {
        // The test values of AS 241, and mpmath's for 1e-100 and 1e-300.
        close(quantile(0.25), 0.674_489_750_196_081_7, 1e-15);
        close(quantile(0.001), 3.090_232_306_167_813_5, 1e-15);
        close(quantile(1e-20), 9.262_340_089_798_408, 1e-15);
        close(quantile(1e-100), 21.273_453_560_965_324, 1e-15);
        close(quantile(1e-300), 37.047_096_299_361_2, 1e-15);
        assert_eq!(quantile(0.5).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn quantiles_invert_the_tail() {
        for step in 1..3000 {
            let share = libm::pow(10.0, -f64::from(step) / 10.0) / 2.0;
            let deviation = quantile(share);
            // The effect on the tail of an error in the deviation's last digit.
            close(upper_tail(deviation), share, 1e-15 * (1.0 + deviation * deviation));
        }
    }
}
