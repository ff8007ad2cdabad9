//! Random streams of one point. The distributions that are drawn from them are in `distributions`.
//!
//! A stream's numbers depend on (seed, replicate, purpose, entity) only, never on the point's index: points
//! of a run share their random numbers, so that differences between them have little noise.

use crate::random::philox::philox4x32_10;

/// Purposes from here on are reserved for the samplers of designs.
pub(crate) const SAMPLER_PURPOSES: u32 = 1 << 31;
/// The purpose of the bits that seed a generator which is not ours.
const FOREIGN_PURPOSE: u32 = u32::MAX;

/// All random streams of one point.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    key: [u32; 2],
    replicate: u32,
}

impl Streams {
    /// The streams of a replicate with a seed.
    pub fn new(seed: i64, replicate: u32) -> Self {
        Self { key: key(seed), replicate }
    }

    /// The seed.
    pub fn seed(&self) -> i64 {
        let [low, high] = self.key.map(u64::from);
        (low | high << 32).cast_signed()
    }

    /// The replicate.
    pub fn replicate(&self) -> u32 {
        self.replicate
    }

    /// 128 bits to seed another random number generator with: the same for all points of a replicate, which
    /// therefore share its random numbers, and independent of every stream.
    pub fn foreign_seed(&self) -> [u32; 4] {
        philox4x32_10([0, 0, FOREIGN_PURPOSE, self.replicate], self.key)
    }

    /// The stream for one purpose (arrivals, services, ...) of one entity (customer, agent, ...).
    ///
    /// # Panics
    /// If the purpose is 2^31 or more: those are reserved for the samplers of designs.
    pub fn stream(&self, purpose: u32, entity: u32) -> Stream {
        assert!(purpose < SAMPLER_PURPOSES, "purpose {purpose} is reserved for samplers");
        Stream {
            key: self.key,
            counter: [0, entity, purpose, self.replicate],
            block: [0; 4],
            used: 2,
            spent: false,
        }
    }
}

/// Philox's key of a seed: its 64 bits, low word first.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the seed's bits, not its value")]
pub(crate) fn key(seed: i64) -> [u32; 2] {
    let bits = seed as u64;
    [bits as u32, (bits >> 32) as u32]
}

/// A sequence of 2^33 random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    /// How many of the block's two 64-bit halves have been used.
    used: u8,
    spent: bool,
}

impl Stream {
    /// The same stream from its `block`-th pair of numbers on: gives the n-th choice of an entity without the
    /// choices before it.
    ///
    /// # Panics
    /// If numbers have been drawn already.
    #[must_use]
    pub fn from_block(mut self, block: u32) -> Self {
        assert!(self.counter[0] == 0 && !self.spent, "skip to a block before drawing from the stream");
        self.counter[0] = block;
        self
    }

    /// 64 random bits.
    ///
    /// # Panics
    /// After 2^33 numbers, rather than repeating them.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        if self.used == 2 {
            self.next_block();
        }
        let half = usize::from(self.used) * 2;
        self.used += 1;
        u64::from(self.block[half]) | u64::from(self.block[half + 1]) << 32
    }

    /// The same stream with other bits as its next number.
    #[cfg(test)]
    pub(crate) fn with_next_bits(mut self, bits: u64) -> Self {
        self.bits();
        (self.block[0], self.block[1], self.used) =
            (key(bits.cast_signed())[0], key(bits.cast_signed())[1], 0);
        self
    }

    #[inline]
    fn next_block(&mut self) {
        assert!(!self.spent, "a random stream is spent after 2^33 numbers");
        self.block = philox4x32_10(self.counter, self.key);
        self.used = 0;
        (self.counter[0], self.spent) = self.counter[0].overflowing_add(1);
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * SPACING
    }

    /// Uniform in (0, 1], a multiple of 2^-53: safe to take the logarithm of.
    #[inline]
    pub fn positive_uniform(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 * SPACING
    }
}

/// 2^-53.
pub(crate) const SPACING: f64 = 1.0 / (1_u64 << 53) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_words_are_block_entity_purpose_replicate() {
        let mut stream = Streams::new(0x0123_4567_89AB_CDEF, 9).stream(7, 5);
        for block in 0..3 {
            let words = philox4x32_10([block, 5, 7, 9], [0x89AB_CDEF, 0x0123_4567]).map(u64::from);
            assert_eq!(stream.bits(), words[0] | words[1] << 32);
            assert_eq!(stream.bits(), words[2] | words[3] << 32);
        }
    }

    #[test]
    fn a_block_is_a_pair_of_numbers() {
        let mut whole = Streams::new(3, 1).stream(2, 4);
        for block in 0..5 {
            let mut entered = Streams::new(3, 1).stream(2, 4).from_block(block);
            assert_eq!([entered.bits(), entered.bits()], [whole.bits(), whole.bits()]);
        }
    }

    #[test]
    fn a_foreign_seed_is_of_seed_and_replicate() {
        let streams = Streams::new(-2, 9);
        assert_eq!((streams.seed(), streams.replicate()), (-2, 9));
        assert_eq!(streams.foreign_seed(), philox4x32_10([0, 0, u32::MAX, 9], [u32::MAX - 1, u32::MAX]));
    }

    #[test]
    fn negative_seeds_use_all_their_bits() {
        assert_eq!(Streams::new(-1, 0).key, [u32::MAX; 2]);
        assert_eq!(Streams::new(i64::MIN, 0).key, [0, 1 << 31]);
    }

    #[test]
    fn uniforms_have_the_right_moments() {
        let mut stream = Streams::new(42, 0).stream(0, 0);
        let draws = 1_000_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..draws {
            let uniform = stream.uniform();
            assert!((0.0..1.0).contains(&uniform));
            sum += uniform;
            squares += uniform * uniform;
        }
        let draws = f64::from(draws);
        // Standard errors: sqrt(1/12/n) = 0.00029 and sqrt(4/45/n) = 0.0003.
        assert!((sum / draws - 0.5).abs() < 3.0 * 0.00029);
        assert!((squares / draws - 1.0 / 3.0).abs() < 3.0 * 0.0003);
    }

    #[test]
    #[should_panic(expected = "spent")]
    fn a_spent_stream_does_not_repeat() {
        let mut stream = Streams::new(0, 0).stream(0, 0);
        stream.counter[0] = u32::MAX;
        for _ in 0..3 {
            stream.bits();
        }
    }
}
