//! Sobol's low-discrepancy sequence, plain or scrambled, in the order of the Gray code.
//!
//! Sources: S. Joe, F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM
//! J. Sci. Comput. 30 (2008); scrambling by a random lower triangular matrix and a digital shift: J.
//! Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 14 (1998); order: I. A. Antonov, V. M.
//! Saleev (1979).

use crate::broken_rule::BrokenRule;
use crate::design::joe_kuo::{JOE_KUO, MAX_DIMENSIONS};
use crate::random::draws::{Draws, Purpose, SampleSeed};
use crate::random::unit::Unit;

const BITS: usize = u64::BITS as usize;

#[derive(Clone, Debug)]
pub(crate) struct Sobol {
    dimensions: Vec<Dimension>,
}

#[derive(Clone, Debug)]
struct Dimension {
    /// One direction for each bit of the index, as binary fractions.
    directions: [u64; BITS],
    shift: u64,
}

impl Sobol {
    /// The sequence with this many dimensions, scrambled if a seed is given.
    pub(crate) fn new(dimensions: usize, seed: Option<SampleSeed>) -> Result<Self, BrokenRule> {
        if dimensions > MAX_DIMENSIONS {
            return Err(BrokenRule("a sobol design has at most 256 dimensions"));
        }
        let draws = seed.map(|seed| Draws::new(seed, Purpose::Scramble));
        let dimension = |number| match draws {
            None => Dimension { directions: directions(number), shift: 0 },
            Some(draws) => Dimension::scrambled(number, draws),
        };
        Ok(Self { dimensions: (0..dimensions).map(dimension).collect() })
    }

    /// The exclusive or of the directions whose bit is set in the index's Gray code.
    pub(crate) fn unit(&self, dimension: usize, cell: u64) -> Unit {
        let dimension = &self.dimensions[dimension];
        let mut bits = dimension.shift;
        let mut gray = cell ^ cell >> 1;
        while gray != 0 {
            bits ^= dimension.directions[gray.trailing_zeros() as usize];
            gray &= gray - 1;
        }
        Unit::from_bits(bits)
    }
}

impl Dimension {
    /// Each digit of a point is added to a random choice of the digits before it, and is then flipped or not:
    /// neither changes how many points an elementary interval has.
    fn scrambled(number: usize, draws: Draws) -> Self {
        let row = |digit: usize| {
            let before = !(u64::MAX >> digit);
            draws.bits(number, 1 + digit as u64) & before | 1 << (BITS - 1 - digit)
        };
        let rows: [u64; BITS] = std::array::from_fn(row);
        let scramble = |direction: u64| {
            rows.iter().fold(0, |product, row| product << 1 | u64::from((row & direction).count_ones() & 1))
        };
        Self { directions: directions(number).map(scramble), shift: draws.bits(number, 0) }
    }
}

/// The directions of a dimension, by the recurrence of its primitive polynomial (Joe and Kuo, equation 3).
fn directions(dimension: usize) -> [u64; BITS] {
    let (polynomial, initial) = JOE_KUO[dimension];
    let degree = initial.len();
    let mut directions = [0; BITS];
    for bit in 0..BITS {
        directions[bit] = if bit < degree {
            u64::from(initial[bit]) << (BITS - 1 - bit)
        } else {
            let oldest = directions[bit - degree];
            let chosen = (1..degree).filter(|back| polynomial >> (degree - back) & 1 == 1);
            chosen.fold(oldest ^ oldest >> degree, |sum, back| sum ^ directions[bit - back])
        };
    }
    directions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_known() {
        let plain = Sobol::new(3, None).unwrap();
        // In eighths.
        let expected =
            [[0, 0, 0], [4, 4, 4], [6, 2, 2], [2, 6, 6], [3, 3, 5], [7, 7, 1], [5, 1, 7], [1, 5, 3]];
        for (cell, point) in (0..).zip(expected) {
            let eighths = [0, 1, 2].map(|dimension| plain.unit(dimension, cell).part(8));
            assert_eq!(eighths, point);
        }
    }

    /// Whether each of the 2^bits equal parts of [0, 1) contains one of the places.
    fn fills_parts(places: impl Iterator<Item = Unit>, bits: u32) -> bool {
        let mut hit = vec![false; 1 << bits];
        places.for_each(|place| hit[usize::try_from(place.part(1 << bits)).unwrap()] = true);
        hit.into_iter().all(|hit| hit)
    }

    #[test]
    fn scrambled_points_fill_every_part_of_one_dimension() {
        let scrambled = Sobol::new(MAX_DIMENSIONS, Some(42.into())).unwrap();
        for dimension in 0..MAX_DIMENSIONS {
            for bits in [1, 5, 10] {
                let later = 7 << bits;
                for start in [0, later] {
                    let cells = start..start + (1 << bits);
                    assert!(
                        fills_parts(cells.map(|cell| scrambled.unit(dimension, cell)), bits),
                        "{dimension}"
                    );
                }
            }
        }
    }

    #[test]
    fn scrambled_points_fill_every_elementary_rectangle_of_the_first_two_dimensions() {
        for seed in [0, 1, -5] {
            let scrambled = Sobol::new(2, Some(seed.into())).unwrap();
            let bits = 10;
            for wide in 0..=bits {
                let mut hit = vec![false; 1 << bits];
                for cell in 0..1 << bits {
                    let column = scrambled.unit(0, cell).part(1 << wide);
                    let row = scrambled.unit(1, cell).part(1 << (bits - wide));
                    hit[usize::try_from(column << (bits - wide) | row).unwrap()] = true;
                }
                assert!(hit.into_iter().all(|hit| hit), "2^-{wide} wide");
            }
        }
    }

    #[test]
    fn seeds_and_dimensions_are_scrambled_differently() {
        let points = |seed, dimension| {
            let scrambled = Sobol::new(3, Some(SampleSeed::from(seed))).unwrap();
            (0..8).map(|cell| scrambled.unit(dimension, cell)).collect::<Vec<_>>()
        };
        assert_ne!(points(1, 0), points(2, 0));
        assert_ne!(points(1, 0), points(1, 1));
        assert_eq!(points(1, 2), points(1, 2));
    }

    #[test]
    fn indices_beyond_2_to_the_32_are_points_like_others() {
        let bits = 12;
        for seed in [None, Some(SampleSeed::from(3))] {
            let sobol = Sobol::new(5, seed).unwrap();
            for start in [1 << 32, 3 << 40, (1 << 62) + (1 << 61)] {
                for dimension in 0..5 {
                    let cells = start..start + (1 << bits);
                    assert!(fills_parts(cells.map(|cell| sobol.unit(dimension, cell)), bits));
                }
            }
        }
    }

    #[test]
    fn more_dimensions_than_numbers_are_refused() {
        assert!(Sobol::new(MAX_DIMENSIONS + 1, None).is_err());
    }
}
