//! The points of a run: the cells of its design, each repeated.

use crate::broken_rule::BrokenRule;

/// `cells` x `replications` points. Replicates vary fastest.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    replications: u64,
    total: u64,
}

impl Points {
    /// Every cell, repeated from once to 2^32 times: a random stream's counter has room for as many
    /// replicates.
    ///
    /// # Errors
    /// For other numbers of replications, and if there are more than 2^63 - 1 points.
    pub fn new(cells: u64, replications: u64) -> Result<Self, BrokenRule> {
        if !(1..=1 << 32).contains(&replications) {
            return Err(BrokenRule("replications must be from 1 to 2^32"));
        }
        let total = cells.checked_mul(replications).filter(|total| i64::try_from(*total).is_ok());
        let total = total.ok_or(BrokenRule("the design has more than 2^63 - 1 points"))?;
        Ok(Self { replications, total })
    }

    /// The number of points, replicates included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The cell of a point, which its replicates share, and its replicate.
    ///
    /// # Panics
    /// If the point does not exist.
    pub fn split(&self, point: u64) -> (u64, u32) {
        assert!(point < self.total, "point {point} of {}", self.total);
        let replicate = u32::try_from(point % self.replications).expect("replications <= 2^32");
        (point / self.replications, replicate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicates_vary_fastest() {
        let points = Points::new(3, 2).unwrap();
        let all: Vec<_> = (0..points.total()).map(|point| points.split(point)).collect();
        assert_eq!(all, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]);
    }

    #[test]
    fn a_product_past_the_bound_is_an_error() {
        assert!(Points::new((1 << 31) - 1, 1 << 32).is_ok());
        assert!(Points::new(1 << 31, 1 << 32).is_err());
        assert!(Points::new(u64::MAX, 1).is_err());
        for replications in [0, (1 << 32) + 1] {
            assert!(Points::new(1, replications).unwrap_err().to_string().starts_with("replications"));
        }
    }
}
