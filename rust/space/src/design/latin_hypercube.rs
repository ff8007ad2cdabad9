//! Latin hypercube sampling: in each dimension, each of N equal strata of [0, 1) is hit by exactly one of the
//! N cells.
//!
//! Source: M. D. McKay, R. J. Beckman, W. J. Conover, "A comparison of three methods for selecting values of
//! input variables in the analysis of output from a computer code", Technometrics 21 (1979).

use crate::broken_rule::BrokenRule;
use crate::random::draws::{Draws, Purpose, SampleSeed};
use crate::random::permutation::Permutation;
use crate::random::unit::{PLACES, Unit};

#[derive(Clone, Debug)]
pub(crate) struct LatinHypercube {
    samples: u64,
    /// Per dimension: maps a cell to its stratum.
    strata: Vec<Permutation>,
    jitter: Draws,
}

impl LatinHypercube {
    pub(crate) fn new(samples: u64, dimensions: usize, seed: SampleSeed) -> Result<Self, BrokenRule> {
        // Every stratum then has at least two places.
        if !(1..=PLACES / 2).contains(&samples) {
            return Err(BrokenRule("samples of a latin_hypercube must be from 1 to 2^52"));
        }
        let draws = Draws::new(seed, Purpose::Strata);
        let keys = |dimension| std::array::from_fn(|round| draws.bits(dimension, round as u64));
        let strata = (0..dimensions).map(|dimension| Permutation::new(samples, keys(dimension))).collect();
        Ok(Self { samples, strata, jitter: Draws::new(seed, Purpose::Jitter) })
    }

    pub(crate) fn unit(&self, dimension: usize, cell: u64) -> Unit {
        let stratum = self.strata[dimension].image(cell);
        let (start, end) = (self.start(stratum), self.start(stratum + 1));
        let jitter = u128::from(self.jitter.bits(dimension, cell));
        let step = (jitter * u128::from(end - start)) >> 64;
        Unit::new(start + u64::try_from(step).expect("less than the stratum has places"))
    }

    /// The first place of a stratum. In integers, because a sum and a quotient of floats could round into the
    /// next one.
    fn start(&self, stratum: u64) -> u64 {
        let places = u128::from(stratum) * u128::from(PLACES);
        u64::try_from(places.div_ceil(self.samples.into())).expect("at most 2^53")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stratum_is_hit_exactly_once() {
        let sizes = (1..=33).chain([64, 97, 128, 243, 256, 1000, 1021, 4096, 65_536, 65_537, 1_000_000]);
        for samples in sizes {
            let design = LatinHypercube::new(samples, 2, 42.into()).unwrap();
            for dimension in 0..2 {
                let mut hit = vec![false; usize::try_from(samples).unwrap()];
                for cell in 0..samples {
                    let stratum = design.unit(dimension, cell).part(samples.into());
                    let stratum = usize::try_from(stratum).unwrap();
                    assert!(!std::mem::replace(&mut hit[stratum], true), "{stratum} of {samples} twice");
                }
            }
        }
    }

    #[test]
    fn the_largest_design_stays_in_its_strata() {
        let samples = 1 << 52;
        let design = LatinHypercube::new(samples, 1, 7.into()).unwrap();
        for cell in (0..1000).chain(samples - 1000..samples) {
            let stratum = design.strata[0].image(cell);
            assert_eq!(design.unit(0, cell).part(samples.into()), stratum.into());
        }
        assert!(LatinHypercube::new(samples + 1, 1, 7.into()).is_err());
    }

    #[test]
    fn places_within_strata_are_spread() {
        let samples = 10_000;
        let design = LatinHypercube::new(samples, 1, 3.into()).unwrap();
        let within = |cell| (design.unit(0, cell).float() * samples as f64).fract();
        let mean = (0..samples).map(within).sum::<f64>() / samples as f64;
        // Standard error: sqrt(1/12/n) = 0.0029.
        assert!((mean - 0.5).abs() < 3.0 * 0.0029, "{mean}");
    }
}
