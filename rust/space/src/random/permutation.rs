//! A keyed permutation of [0, size) without a table: a Feistel network over the next power of four, repeated
//! until the number is below `size` again.
//!
//! Sources: M. Luby, C. Rackoff, "How to construct pseudorandom permutations from pseudorandom functions",
//! SIAM J. Comput. 17 (1988); cycle walking: J. Black, P. Rogaway, "Ciphers with arbitrary finite domains",
//! CT-RSA 2002.

/// Luby and Rackoff's four rounds are enough for large domains. With eight, as in FF3-1 (NIST SP 800-38G),
/// permutations of five numbers were still uneven by some percent; with twelve they are even.
pub(crate) const ROUNDS: usize = 12;

#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    size: u64,
    /// Bits of each half of a number. The network's domain is 4^`half_bits`, less than four times `size`.
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// A permutation of the numbers below `size`, which is from 1 to 2^62.
    pub(crate) fn new(size: u64, keys: [u64; ROUNDS]) -> Self {
        assert!((1..=1 << 62).contains(&size), "a permutation of {size} numbers");
        let bits = u64::BITS - (size - 1).leading_zeros();
        Self { size, half_bits: bits.div_ceil(2).max(1), keys }
    }

    /// The number that `place` is sent to, after fewer than four steps on average. The loop ends, because the
    /// network is itself a permutation.
    pub(crate) fn image(&self, place: u64) -> u64 {
        debug_assert!(place < self.size);
        let mut image = self.network(place);
        while image >= self.size {
            image = self.network(image);
        }
        image
    }

    fn network(&self, number: u64) -> u64 {
        let low_half = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & low_half);
        for key in self.keys {
            (left, right) = (right, left ^ (mixed(key ^ right) >> (u64::BITS - self.half_bits)));
        }
        left << self.half_bits | right
    }
}

/// 64 bits, each of which depends on all input bits: the finalizer of `SplitMix64` (G. L. Steele, D. Lea, C.
/// H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::streams::Streams;

    fn permutation(size: u64, seed: i64) -> Permutation {
        let mut stream = Streams::new(seed, 0).stream(0, 0);
        Permutation::new(size, std::array::from_fn(|_| stream.bits()))
    }

    #[test]
    fn every_number_is_hit_once() {
        let sizes = (1..=70).chain([127, 128, 251, 255, 256, 257, 1000, 4096, 4097, 65_537, 1_000_000]);
        for size in sizes {
            let permutation = permutation(size, 1);
            let mut hit = vec![false; usize::try_from(size).unwrap()];
            for place in 0..size {
                let image = usize::try_from(permutation.image(place)).unwrap();
                assert!(!std::mem::replace(&mut hit[image], true), "{image} of {size} twice");
            }
        }
    }

    /// Chi-square of counts that should be equal, in standard deviations from its expected value.
    fn unevenness(counts: &[u64]) -> f64 {
        let (sum, freedom) = (counts.iter().sum::<u64>() as f64, counts.len() as f64 - 1.0);
        let mean = sum / counts.len() as f64;
        let chi: f64 =
            counts.iter().map(|count| *count as f64 - mean).map(|excess| excess * excess / mean).sum();
        (chi - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn small_permutations_send_any_two_numbers_anywhere() {
        for size in [2, 3, 4, 5, 6, 10, 15, 16, 17, 24] {
            let mut counts = std::collections::BTreeMap::new();
            for seed in 0..50_000 {
                let permutation = permutation(size, seed);
                *counts.entry([permutation.image(0), permutation.image(size - 1)]).or_insert(0) += 1;
            }
            assert_eq!(counts.len() as u64, size * (size - 1));
            let found = unevenness(&counts.into_values().collect::<Vec<_>>());
            assert!(found < 5.0, "{size}: {found}");
        }
    }

    /// Correlation of two sequences of numbers below `size`, times the root of their length: standard normal
    /// if they are independent.
    fn correlation(size: u64, pairs: impl Iterator<Item = (u64, u64)>) -> f64 {
        let scaled = |number: u64| (number as f64 / (size - 1) as f64 - 0.5) * 12_f64.sqrt();
        let (mut sum, mut count) = (0.0, 0.0);
        for (one, other) in pairs {
            sum += scaled(one) * scaled(other);
            count += 1.0;
        }
        sum / f64::sqrt(count)
    }

    #[test]
    fn images_look_random() {
        for size in [1000, 1 << 16, 1 << 40, 1 << 52] {
            let (one, other) = (permutation(size, 1), permutation(size, 2));
            let places = || 0..1000;
            for found in [
                correlation(size, places().map(|place| (place * (size / 1000), one.image(place)))),
                correlation(size, places().map(|place| (one.image(place), other.image(place)))),
                correlation(size, places().map(|place| (one.image(place), one.image((place + 1) % 1000)))),
            ] {
                assert!(found.abs() < 4.0, "{size}: {found}");
            }
        }
    }
}
