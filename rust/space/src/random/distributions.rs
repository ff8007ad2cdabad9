//! The distributions that are drawn from a stream.
//!
//! A value takes one number of the stream and is monotone in it, so that points with other parameters, which
//! share the numbers, have values that move together. The exception is `poisson` from a mean of 10 on.

use std::ops::RangeInclusive;

use crate::random::poisson;
use crate::random::quantile::deviation;
use crate::random::streams::Stream;
use crate::random::unit::Unit;

/// The largest mean of [`Stream::poisson`]: values are computed as floats, which have every integer up to
/// 2^53.
const MAX_POISSON_MEAN: f64 = 1e15;

impl Stream {
    /// Exponential with this mean, by inversion: from 0 to 53 ln 2, about 36.7, times the mean.
    #[inline]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -libm::log(self.positive_uniform()) * mean
    }

    /// Normal with this mean and standard deviation, by inversion: up to 8.3 standard deviations from the mean.
    pub fn normal(&mut self, mean: f64, std: f64) -> f64 {
        let [below, above] = Unit::from_bits(self.bits()).tails();
        mean + std * deviation(below, above)
    }

    /// Poisson with this mean: by inversion below a mean of 10, else by rejection, which takes two numbers of the
    /// stream or more. A model whose points should share the numbers that follow takes a stream for each value.
    ///
    /// # Panics
    /// If the mean is not a number from 0 to 10^15.
    pub fn poisson(&mut self, mean: f64) -> i64 {
        assert!((0.0..=MAX_POISSON_MEAN).contains(&mean), "a Poisson mean of {mean}: must be from 0 to 1e15");
        if mean < poisson::LARGE { poisson::small(mean, self) } else { poisson::large(mean, self) }
    }

    /// One of the integers of the range, all exactly equally likely: `integer(1..=6)` is a die.
    ///
    /// # Panics
    /// If the range is empty.
    pub fn integer(&mut self, range: RangeInclusive<i64>) -> i64 {
        let (low, high) = range.into_inner();
        assert!(low <= high, "no integer is from {low} to {high}");
        // Of all 2^64 integers any bits are one.
        let offset = match high.abs_diff(low).checked_add(1) {
            Some(count) => self.below(count),
            None => self.bits(),
        };
        low.wrapping_add_unsigned(offset)
    }

    /// One of the indices of a slice of this length, all exactly equally likely.
    ///
    /// # Panics
    /// If the slice is empty.
    pub fn index(&mut self, length: usize) -> usize {
        assert!(length > 0, "an empty slice has no index");
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// Puts a slice into random order, all orders equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for length in (2..=slice.len()).rev() {
            slice.swap(length - 1, self.index(length));
        }
    }

    /// Uniform in 0..count.
    ///
    /// Source: D. Lemire, "Fast random integer generation in an interval", ACM Trans. Model. Comput. Simul. 29
    /// (2019). The loop is entered once in 2^64 / `count` draws.
    fn below(&mut self, count: u64) -> u64 {
        let mut product = u128::from(self.bits()) * u128::from(count);
        if low_half(product) < count {
            // 2^64 modulo `count`: so many products are left over when each result has equally many.
            let left_over = count.wrapping_neg() % count;
            while low_half(product) < left_over {
                product = u128::from(self.bits()) * u128::from(count);
            }
        }
        u64::try_from(product >> 64).expect("the high half")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half of a product")]
fn low_half(product: u128) -> u64 {
    product as u64
}

#[cfg(test)]
mod tests;
