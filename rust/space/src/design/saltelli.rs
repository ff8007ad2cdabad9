//! Saltelli's sample for Sobol indices: two samples A and B, and copies of each in which one column is the other's.
//!
//! Sources: A. Saltelli et al., "Variance based sensitivity analysis of model output. Design and estimator for the
//! total sensitivity index", Comput. Phys. Commun. 181 (2010); with second-order indices: A. Saltelli, "Making best
//! use of model evaluations to compute sensitivity indices", Comput. Phys. Commun. 145 (2002).

use crate::broken_rule::BrokenRule;
use crate::design::joe_kuo::MAX_DIMENSIONS;
use crate::design::sobol::Sobol;
use crate::random::draws::SampleSeed;
use crate::random::unit::Unit;

#[derive(Clone, Debug)]
pub(crate) struct Saltelli {
    /// A's columns, then B's.
    sequence: Sobol,
    dimensions: usize,
    /// How many cells a base sample has.
    block: u64,
}

impl Saltelli {
    pub(crate) fn new(dimensions: usize, second_order: bool, seed: SampleSeed) -> Result<Self, BrokenRule> {
        if dimensions < 2 {
            return Err(BrokenRule("a saltelli design needs at least two dimensions"));
        }
        if dimensions > MAX_DIMENSIONS / 2 {
            return Err(BrokenRule("a saltelli design has at most 128 dimensions"));
        }
        let sequence = Sobol::new(2 * dimensions, Some(seed))?;
        let swaps = if second_order { 2 * dimensions } else { dimensions };
        let block = swaps as u64 + 2;
        Ok(Self { sequence, dimensions, block })
    }

    pub(crate) fn cells(&self, base_samples: u64) -> Option<u64> {
        base_samples.checked_mul(self.block)
    }

    /// A block has the base sample's row of A; with each column in turn from B; with second order, that of B with each
    /// column in turn from A; and that of B.
    pub(crate) fn unit(&self, dimension: usize, cell: u64) -> Unit {
        let (base, place) = (cell / self.block, cell % self.block);
        let (swap_in_a, dimensions) = (dimension as u64 + 1, self.dimensions as u64);
        let is_of_b = if place <= dimensions {
            place == swap_in_a
        } else {
            place != dimensions + swap_in_a || place == self.block - 1
        };
        let first = if is_of_b { self.dimensions } else { 0 };
        self.sequence.unit(first + dimension, base)
    }
}
