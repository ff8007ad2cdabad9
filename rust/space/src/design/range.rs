//! Ranges like Python's: from `start` in steps, without `stop`, in exact decimals.

#![expect(clippy::similar_names, reason = "start, stop and step are the usual names")]

use std::io::Write as _;

use crate::broken_rule::BrokenRule;
use crate::decimal::{Decimal, aligned};

/// The numbers `start + i x step` before `stop`: at least one, at most 2^63 - 1.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    start: i128,
    step: i128,
    /// Both in units of 10^exponent.
    exponent: i32,
    count: u64,
}

impl Range {
    /// A range of decimals.
    ///
    /// # Errors
    /// If it is empty, or cannot be counted exactly.
    pub fn new(start: Decimal, stop: Decimal, step: Decimal) -> Result<Self, BrokenRule> {
        let too_wide = BrokenRule("start, stop and step together have too many digits");
        let ([start, stop, step], exponent) = aligned([start, stop, step]).ok_or(too_wide)?;
        let length = stop.checked_sub(start).ok_or(too_wide)?;
        if step == 0 {
            return Err(BrokenRule("step must not be 0"));
        }
        if length.signum() != step.signum() {
            return Err(BrokenRule("has no values"));
        }
        // Both have the same sign, so nothing overflows. The number of whole steps, plus one for the first
        // number.
        let count =
            i64::try_from((length - step.signum()) / step).ok().and_then(|steps| steps.checked_add(1));
        let count = count.ok_or(BrokenRule("has more than 2^63 - 1 values"))?;
        Ok(Self { start, step, exponent, count: count.unsigned_abs() })
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    fn mantissa(&self, index: u64) -> i128 {
        debug_assert!(index < self.count);
        self.start + i128::from(index) * self.step
    }

    /// The number as an integer, if the range is one of integers and the number has 64 bits.
    pub(crate) fn integer(&self, index: u64) -> Option<i64> {
        if self.exponent != 0 {
            return None;
        }
        self.mantissa(index).try_into().ok()
    }

    /// The float nearest to the number, as its decimal literal is read.
    pub(crate) fn float(&self, index: u64) -> f64 {
        // An i128 has at most 40 characters, an exponent 11.
        let mut text = [0_u8; 64];
        let mut rest = &mut text[..];
        write!(rest, "{}e{}", self.mantissa(index), self.exponent).expect("it is long enough");
        let unused = rest.len();
        let text = str::from_utf8(&text[..64 - unused]).expect("digits");
        text.parse().expect("a number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, stop: &str, step: &str) -> Result<Range, BrokenRule> {
        let [start, stop, step] = [start, stop, step].map(|literal| Decimal::parse(literal).unwrap());
        Range::new(start, stop, step)
    }

    fn floats(start: &str, stop: &str, step: &str) -> Vec<f64> {
        let range = range(start, stop, step).unwrap();
        (0..range.count()).map(|index| range.float(index)).collect()
    }

    #[test]
    fn tenths_are_the_literals() {
        assert_eq!(floats("0", "1", "0.1"), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
        assert_eq!(floats("0.3", "0", "-0.1"), [0.3, 0.2, 0.1]);
        assert_eq!(floats("-0.2", "0.2001", "2e-1"), [-0.2, 0.0, 0.2]);
        assert_eq!(floats("1e300", "3.5e300", "1e300"), [1e300, 2e300, 3e300]);
        assert_eq!(floats("5e-324", "1e-323", "5e-324"), [5e-324]);
        assert!(floats("-0.0", "1", "1")[0].is_sign_positive());
    }

    #[test]
    fn integers_count_as_in_python() {
        // len(range(start, stop, step))
        let cases = [
            ("0", "10", "3", 4),
            ("0", "9", "3", 3),
            ("0", "10", "11", 1),
            ("10", "0", "-3", 4),
            ("9", "0", "-3", 3),
        ];
        for (start, stop, step, count) in cases {
            let range = range(start, stop, step).unwrap();
            assert_eq!(range.count(), count);
            let first: i64 = start.parse().unwrap();
            let last = first + i64::try_from(count - 1).unwrap() * step.parse::<i64>().unwrap();
            assert_eq!((range.integer(0), range.integer(count - 1)), (Some(first), Some(last)));
        }
    }

    #[test]
    fn the_longest_ranges() {
        let longest = range("-9223372036854775808", "9223372036854775807", "3").unwrap();
        assert_eq!(longest.integer(longest.count() - 1), Some(i64::MAX - 3));
        assert_eq!(range("0", "9223372036854775807", "1").unwrap().count(), i64::MAX.unsigned_abs());
        let problem = range("-1", "9223372036854775807", "1").unwrap_err();
        assert_eq!(problem.to_string(), "has more than 2^63 - 1 values");
        assert!(range("0", "1", "1e-30").is_err());
    }

    #[test]
    fn what_is_no_range() {
        for (start, stop, step) in [("0", "0", "1"), ("0", "1", "-1"), ("1", "0", "1")] {
            assert_eq!(range(start, stop, step).unwrap_err().to_string(), "has no values");
        }
        assert!(range("0", "1", "0").unwrap_err().to_string().contains("step must not be 0"));
        assert!(range("0", "1e300", "1").is_err());
        let (most, least) = (i128::MAX.to_string(), i128::MIN.to_string());
        for (start, stop, step) in [(&*least, &*most, "1"), (&*most, &*least, "-1"), ("0", &*least, "-1")] {
            assert!(range(start, stop, step).is_err());
        }
    }

    #[test]
    fn any_value_is_reached_at_once() {
        let fine = range("0", "1", "1e-18").unwrap();
        assert_eq!(fine.count(), 1_000_000_000_000_000_000);
        let literal: f64 = "0.123456789012345678".parse().unwrap();
        assert_eq!(fine.float(123_456_789_012_345_678).to_bits(), literal.to_bits());
    }
}
