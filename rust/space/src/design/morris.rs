//! Morris's trajectories for screening: from a random place on a grid of levels, one dimension after the other takes
//! a step, in random order.
//!
//! Source: M. D. Morris, "Factorial sampling plans for preliminary computational experiments", Technometrics 33
//! (1991).

use crate::broken_rule::BrokenRule;
use crate::random::draws::{Draws, Purpose, SampleSeed};
use crate::random::unit::{PLACES, Unit};

#[derive(Clone, Debug)]
pub(crate) struct Morris {
    dimensions: usize,
    levels: u64,
    order: Draws,
    starts: Draws,
}

impl Morris {
    pub(crate) fn new(dimensions: usize, levels: u64, seed: SampleSeed) -> Result<Self, BrokenRule> {
        if !levels.is_multiple_of(2) || !(2..=PLACES / 2).contains(&levels) {
            return Err(BrokenRule("levels of a morris design must be even, from 2 to 2^52"));
        }
        let draws = |purpose| Draws::new(seed, purpose);
        Ok(Self { dimensions, levels, order: draws(Purpose::Order), starts: draws(Purpose::Start) })
    }

    fn block(&self) -> u64 {
        self.dimensions as u64 + 1
    }

    pub(crate) fn cells(&self, trajectories: u64) -> Option<u64> {
        trajectories.checked_mul(self.block())
    }

    pub(crate) fn levels(&self) -> u64 {
        self.levels
    }

    /// Calls `place(dimension, level)` for every dimension of a cell. A step is half the number of levels, up or down,
    /// whichever stays among them.
    pub(crate) fn each_level(&self, cell: u64, mut place: impl FnMut(usize, u64)) {
        let (trajectory, steps) = (cell / self.block(), cell % self.block());
        for (turn, dimension) in (0..).zip(self.order(trajectory)) {
            let start = Unit::from_bits(self.starts.bits(dimension, trajectory)).part(self.levels.into());
            let start = u64::try_from(start).expect("below the number of levels");
            let moved = if turn < steps { self.levels / 2 } else { 0 };
            place(dimension, (start + moved) % self.levels);
        }
    }

    /// The dimensions in the order of their steps: a shuffle by Fisher and Yates.
    fn order(&self, trajectory: u64) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.dimensions).collect();
        for last in (1..self.dimensions).rev() {
            let chosen = Unit::from_bits(self.order.bits(last, trajectory)).part(last as u128 + 1);
            order.swap(last, usize::try_from(chosen).expect("at most `last`"));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::streams::Streams;

    fn levels(morris: &Morris, cell: u64) -> Vec<u64> {
        let mut found = vec![u64::MAX; morris.dimensions];
        morris.each_level(cell, |dimension, level| found[dimension] = level);
        found
    }

    #[test]
    fn one_dimension_after_the_other_takes_one_step_anywhere() {
        let mut stream = Streams::new(1, 0).stream(0, 0);
        for (dimensions, count) in [(1, 2), (3, 4), (7, 6), (40, 1 << 52)] {
            let morris = Morris::new(dimensions, count, 3.into()).unwrap();
            for _ in 0..10_000 / dimensions {
                let first = stream.integer(0..=1_000_000_000_000).unsigned_abs() * morris.block();
                let mut moved = vec![false; dimensions];
                let mut before = levels(&morris, first);
                assert!(before.iter().all(|level| *level < count));
                for cell in first + 1..first + morris.block() {
                    let after = levels(&morris, cell);
                    let changed: Vec<_> =
                        (0..dimensions).filter(|each| before[*each] != after[*each]).collect();
                    let [changed] = changed[..] else { panic!("{before:?} to {after:?}") };
                    assert_eq!(before[changed].abs_diff(after[changed]), count / 2);
                    assert!(after[changed] < count);
                    assert!(!std::mem::replace(&mut moved[changed], true), "{changed} twice");
                    before = after;
                }
            }
        }
    }

    #[test]
    fn orders_and_levels_are_equally_likely_and_dimensions_independent() {
        let trajectories = 24_000;
        let morris = Morris::new(4, 6, (-9).into()).unwrap();
        let mut orders = std::collections::BTreeMap::new();
        let (mut starts, mut pairs) = ([0_u32; 6], [0_u32; 36]);
        for trajectory in 0..trajectories {
            *orders.entry(morris.order(trajectory)).or_insert(0_u32) += 1;
            let found = levels(&morris, trajectory * morris.block());
            starts[usize::try_from(found[3]).unwrap()] += 1;
            pairs[usize::try_from(found[0] * 6 + found[3]).unwrap()] += 1;
        }
        // Pearson's statistic of equal counts; its mean is the number of counts less 1.
        let unevenness = |counts: &[u32]| {
            let expected = trajectories as f64 / counts.len() as f64;
            let off =
                |count: &u32| (f64::from(*count) - expected) * (f64::from(*count) - expected) / expected;
            counts.iter().map(off).sum::<f64>()
        };
        let orders: Vec<_> = orders.into_values().collect();
        assert_eq!(orders.len(), 24);
        // The 0.001 and 0.999 quantiles of chi-squared with 23, 5 and 35 degrees of freedom.
        for (counts, likely) in [(&orders[..], 7.5..49.7), (&starts, 0.2..20.5), (&pairs, 14.7..66.6)] {
            assert!(likely.contains(&unevenness(counts)), "{counts:?}");
        }
    }
}
