//! A place in [0, 1): samplers draw it, and distributions turn it into a value.

use crate::random::streams::SPACING;

/// The number of places in [0, 1): 2^53.
pub(crate) const PLACES: u64 = 1 << 53;

/// A multiple of 2^-53 in [0, 1), stored as the number of steps, so that arithmetic on it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unit(u64);

impl Unit {
    pub(crate) const FIRST: Self = Self(0);
    pub(crate) const LAST: Self = Self(PLACES - 1);

    /// The `place`-th multiple of 2^-53.
    pub(crate) fn new(place: u64) -> Self {
        debug_assert!(place < PLACES);
        Self(place)
    }

    /// The largest place at or below 64 bits read as a binary fraction.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits >> 11)
    }

    /// The place as a float.
    pub(crate) fn float(self) -> f64 {
        self.0 as f64 * SPACING
    }

    /// The shares below and above the middle of the place's step. Each is at least 2^-54, and exact if it is
    /// below one half: no place has an infinite inverse.
    pub(crate) fn tails(self) -> [f64; 2] {
        let half = SPACING / 2.0;
        [self.float() + half, (PLACES - self.0) as f64 * SPACING - half]
    }

    /// The index of the place's part, if [0, 1) is cut into `count` equal parts. Exact.
    pub(crate) fn part(self, count: u128) -> u128 {
        debug_assert!(count <= 1 << 64);
        (u128::from(self.0) * count) >> 53
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends() {
        assert_eq!(Unit::FIRST.float().to_bits(), 0.0_f64.to_bits());
        assert_eq!(Unit::LAST.float().to_bits(), 1.0_f64.next_down().to_bits());
        assert_eq!(Unit::from_bits(u64::MAX), Unit::LAST);
        let tails = |unit: Unit| unit.tails().map(f64::to_bits);
        assert_eq!(tails(Unit::FIRST), [SPACING / 2.0, 1.0].map(f64::to_bits));
        assert_eq!(tails(Unit::LAST), [1.0, SPACING / 2.0].map(f64::to_bits));
    }

    #[test]
    fn parts_are_exact() {
        assert_eq!(Unit::LAST.part(1 << 64), (1 << 64) - (1 << 11));
        assert_eq!(Unit::new(PLACES / 3).part(3), 0);
        assert_eq!(Unit::new(PLACES / 3 + 1).part(3), 1);
    }
}
