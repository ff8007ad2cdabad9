//! Random numbers of samplers: each a pure function of (seed, purpose, dimension, number), computed without
//! the others.

use crate::random::philox::philox4x32_10;
use crate::random::streams::{SAMPLER_PURPOSES, key};

/// What a sampler draws for. These are Philox's purposes from 2^31 on, so models' streams share no numbers
/// with them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The places of a random design, per cell.
    Random,
    /// The keys of a Latin hypercube's permutations, per round.
    Strata,
    /// The places within the strata of a Latin hypercube, per cell.
    Jitter,
    /// The digital shift of a Sobol sequence, then the rows of its scrambling matrix.
    Scramble,
    /// The order of the steps of a Morris trajectory, per trajectory.
    Order,
    /// The levels at which a Morris trajectory starts, per trajectory.
    Start,
}

/// Between the purposes of two samples of one design.
const PURPOSES: u32 = 1 << 8;

/// The seed of a sampled design: a run's seed, and which of the samples of a cross it is for.
#[derive(Clone, Copy, Debug)]
pub struct SampleSeed {
    seed: i64,
    sample: u32,
}

impl SampleSeed {
    /// The seed of the `sample`-th sampled part of a cross, from 0: no two have numbers in common. A design that is no
    /// cross has the numbers of the first.
    pub fn new(seed: i64, sample: u8) -> Self {
        Self { seed, sample: sample.into() }
    }
}

impl From<i64> for SampleSeed {
    fn from(seed: i64) -> Self {
        Self::new(seed, 0)
    }
}

/// The numbers for one purpose with one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    key: [u32; 2],
    purpose: u32,
}

impl Draws {
    pub(crate) fn new(SampleSeed { seed, sample }: SampleSeed, purpose: Purpose) -> Self {
        Self { key: key(seed), purpose: SAMPLER_PURPOSES + sample * PURPOSES + purpose as u32 }
    }

    /// 64 random bits. Philox's counter is (number, low word first; purpose; dimension).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a number; dimensions are names in memory"
    )]
    pub(crate) fn bits(self, dimension: usize, number: u64) -> u64 {
        let counter = [number as u32, (number >> 32) as u32, self.purpose, dimension as u32];
        let [low, high, ..] = philox4x32_10(counter, self.key);
        u64::from(low) | u64::from(high) << 32
    }
}
