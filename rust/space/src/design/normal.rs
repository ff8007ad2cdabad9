//! The normal distribution, truncated at one end, at both, or at neither, by inversion.

use crate::broken_rule::BrokenRule;
use crate::random::quantile::{deviation, upper_tail};
use crate::random::unit::Unit;

// The rules of a distribution are sums, quotients and comparisons alone: the worker computes the same, bit for bit
// (sweepctl/design/distributions.py), so that both accept the same distributions.

/// No value lies further from the mean, in standard deviations: the tail beyond, 4e-284, is still a number with
/// all its digits.
const FURTHEST: f64 = 36.0;
/// The ends are at least so many standard deviations apart: nearer ones have few numbers, or none, between their
/// shares of the whole distribution.
const NEAREST_ENDS: f64 = 1e-12;
/// Beyond the deviation of every value that can be drawn, also from an end that is `FURTHEST` on.
const SUPPORT: f64 = 40.0;

/// A normal distribution between two ends, which are infinite if it is not truncated there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Normal {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
    /// The shares of the whole distribution below `low`, between the ends, and above `high`. All three are
    /// stored, because a share near 0 has digits that its complement near 1 has lost.
    below: f64,
    between: f64,
    above: f64,
}

impl Normal {
    pub(crate) fn new(mean: f64, std: f64, low: Option<f64>, high: Option<f64>) -> Result<Self, BrokenRule> {
        if std <= 0.0 {
            return Err(BrokenRule("std must be above 0"));
        }
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        if low >= high {
            return Err(BrokenRule("low must be below high"));
        }
        if !(mean.abs() + SUPPORT * std).is_finite() {
            return Err(BrokenRule("mean and std must be such that all values are finite"));
        }
        let (from, to) = ((low - mean) / std, (high - mean) / std);
        if from > FURTHEST || to < -FURTHEST {
            return Err(BrokenRule(
                "low and high must leave values within 36 standard deviations of the mean",
            ));
        }
        if to - from < NEAREST_ENDS {
            return Err(BrokenRule("low and high must be at least 1e-12 standard deviations apart"));
        }
        let (below, above) = (upper_tail(-from), upper_tail(to));
        // Each is a difference of small numbers.
        let between = if from > 0.0 {
            upper_tail(from) - above
        } else if to < 0.0 {
            upper_tail(-to) - below
        } else {
            1.0 - below - above
        };
        Ok(Self { mean, std, low, high, below, between, above })
    }

    /// Whether it is truncated at both ends.
    pub(crate) fn is_bounded(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// The smallest and the largest value: `low` and `high`, or the value beyond which 2^-54 of the
    /// distribution lies.
    pub(crate) fn support(&self) -> [f64; 2] {
        let low = if self.low.is_finite() { self.low } else { self.value(Unit::FIRST) };
        let high = if self.high.is_finite() { self.high } else { self.value(Unit::LAST) };
        [low, high]
    }

    pub(crate) fn value(&self, unit: Unit) -> f64 {
        let [low_part, high_part] = unit.tails();
        let (below, above) = (self.below + low_part * self.between, self.above + high_part * self.between);
        (self.mean + self.std * deviation(below, above)).clamp(self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::random::unit::PLACES;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} is not {expected}");
    }

    #[test]
    fn the_whole_distribution_is_symmetric_and_ends_at_8_3() {
        let normal = Normal::new(0.0, 1.0, None, None).unwrap();
        let [low, high] = normal.support();
        assert_eq!(low.to_bits(), (-high).to_bits());
        assert!((8.29..8.3).contains(&high));
        for place in (0..PLACES).step_by(1 << 40) {
            let (left, right) = (normal.value(Unit::new(place)), normal.value(Unit::new(PLACES - 1 - place)));
            assert_eq!(left.to_bits(), (-right).to_bits());
        }
    }

    #[test]
    fn moments() {
        let normal = Normal::new(3.0, 2.0, None, None).unwrap();
        let count = 1 << 16;
        let values =
            (0..count).map(|place| normal.value(Unit::new(place * (PLACES / count) + PLACES / count / 2)));
        let (sum, squares) =
            values.fold((0.0, 0.0), |(sum, squares), value| (sum + value, squares + value * value));
        let mean = sum / count as f64;
        close(mean, 3.0, 1e-12);
        close(squares / count as f64 - mean * mean, 4.0, 1e-3);
    }

    #[test]
    fn a_truncated_distribution_has_the_right_quartiles() {
        // mpmath's, of the standard normal distribution between low and high.
        let cases = [
            (-1.0, 2.0, [-0.349_641_429_292_465_47, 0.171_163_918_017_824_77, 0.747_440_723_964_059_2]),
            (5.0, 6.0, [5.054_964_580_371_361, 5.131_371_763_283_919, 5.259_044_729_009_615]),
            (-30.0, -29.0, [-29.047_707_465_732_32, -29.023_863_512_020_596, -29.009_906_629_634_408]),
        ];
        for (low, high, quartiles) in cases {
            let cut = Normal::new(0.0, 1.0, Some(low), Some(high)).unwrap();
            for (quarter, expected) in (1..4).zip(quartiles) {
                close(cut.value(Unit::new(PLACES / 4 * quarter)), expected, 2e-15);
            }
        }
    }

    #[test]
    fn values_stay_between_the_ends() {
        let ends = [
            (None, Some(-36.0)),
            (Some(36.0), None),
            (Some(0.1), Some(0.1 + 1e-12)),
            (Some(-50.0), Some(50.0)),
        ];
        for (low, high) in ends {
            let cut = Normal::new(0.0, 1.0, low, high).unwrap();
            let [low, high] = cut.support();
            let mut last = low;
            for place in (0..PLACES).step_by(1 << 42).chain([PLACES - 1]) {
                let value = cut.value(Unit::new(place));
                assert!((last..=high).contains(&value), "{value} after {last}, up to {high}");
                last = value;
            }
        }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        mean: f64,
        std: f64,
        low: Option<f64>,
        high: Option<f64>,
        valid: bool,
    }

    #[test]
    fn a_valid_distribution_is_one_to_the_worker_too() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/normals.json");
        let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        for Case { mean, std, low, high, valid } in cases {
            let found = Normal::new(mean, std, low, high);
            assert_eq!(found.is_ok(), valid, "{mean} {std} {low:?} {high:?}");
            if let Ok(normal) = found {
                let [low, high] = normal.support();
                assert!(low <= high && low.is_finite() && high.is_finite(), "{normal:?}");
                assert!(normal.between > 0.0, "{normal:?}");
                let middle = normal.value(Unit::new(PLACES / 2));
                assert!((low..=high).contains(&middle), "{normal:?}: {middle}");
            }
        }
    }

    #[test]
    fn invalid_normal_distributions_are_refused() {
        assert!(Normal::new(0.0, 0.0, None, None).is_err());
        assert!(Normal::new(0.0, 1.0, Some(1.0), Some(1.0)).is_err());
        assert!(Normal::new(0.0, 1.0, Some(40.0), None).is_err());
        assert!(Normal::new(0.0, 1.0, None, Some(-40.0)).is_err());
        assert!(Normal::new(0.0, 1e308, None, None).is_err());
        assert!(Normal::new(1e308, 5e-324, Some(0.0), Some(1.0)).is_err());
    }
}
