//! The grid design: every combination of the dimensions' values.

use std::fmt;

/// A full grid over named dimensions, repeated `replications` times.
///
/// Dimensions stand in byte order of their names. Counting up, replicates vary fastest, then the last dimension.
#[derive(Clone, Debug)]
pub struct Grid {
    lengths: Vec<u64>,
    replications: u64,
    total: u64,
}

/// Why a grid cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridError {
    /// The dimension at this place has no value.
    Empty(usize),
    /// There would be more than 2^63 - 1 points.
    TooLarge,
    /// Not from 1 to 2^32, which is what a random stream's counter can tell apart.
    Replications(u64),
}

impl fmt::Display for GridError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(place) => write!(out, "dimension {place} has no values"),
            Self::TooLarge => write!(out, "the design has more than 2^63 - 1 points"),
            Self::Replications(given) => write!(out, "replications = {given}: must be from 1 to 2^32"),
        }
    }
}

impl std::error::Error for GridError {}

impl Grid {
    /// A grid of dimensions with `lengths` values each; no dimension at all gives one cell.
    ///
    /// # Errors
    /// See [`GridError`].
    pub fn new(lengths: Vec<u64>, replications: u64) -> Result<Self, GridError> {
        if !(1..=1 << 32).contains(&replications) {
            return Err(GridError::Replications(replications));
        }
        if let Some(place) = lengths.iter().position(|length| *length == 0) {
            return Err(GridError::Empty(place));
        }
        let total = lengths
            .iter()
            .try_fold(replications, |product, length| product.checked_mul(*length))
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or(GridError::TooLarge)?;
        Ok(Self { lengths, replications, total })
    }

    /// The number of points, replicates counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The cell, which is what replicates share, and the replicate of a point.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn split(&self, point: u64) -> (u64, u32) {
        assert!(point < self.total, "point {point} of {}", self.total);
        let replicate = u32::try_from(point % self.replications).expect("replications <= 2^32");
        (point / self.replications, replicate)
    }

    /// Calls `place(dimension, index into its values)` for every dimension of a cell: mixed radix, last digit first.
    pub fn decode(&self, cell: u64, mut place: impl FnMut(usize, usize)) {
        let mut rest = cell;
        for (dimension, length) in self.lengths.iter().enumerate().rev() {
            let digit = usize::try_from(rest % length).expect("an index into values that are in memory");
            place(dimension, digit);
            rest /= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(grid: &Grid, point: u64) -> (Vec<usize>, u32) {
        let (cell, replicate) = grid.split(point);
        let mut digits = vec![usize::MAX; grid.lengths.len()];
        grid.decode(cell, |dimension, digit| digits[dimension] = digit);
        (digits, replicate)
    }

    #[test]
    fn counts_like_nested_loops() {
        let grid = Grid::new(vec![2, 3, 4], 5).unwrap();
        let mut point = 0;
        for a in 0..2 {
            for b in 0..3 {
                for c in 0..4 {
                    for replicate in 0..5 {
                        assert_eq!(digits(&grid, point), (vec![a, b, c], replicate));
                        point += 1;
                    }
                }
            }
        }
        assert_eq!(point, grid.total());
    }

    #[test]
    fn no_dimension_is_one_cell() {
        let grid = Grid::new(vec![], 1).unwrap();
        assert_eq!(grid.total(), 1);
        assert_eq!(digits(&grid, 0), (vec![], 0));
    }

    #[test]
    fn the_largest_grid_is_exact() {
        // 2^63 - 1 = 7 * 7 * 73 * 127 * 337 * 92737 * 649657
        let lengths = vec![7, 7, 73, 127, 337, 92_737, 649_657];
        let last = lengths.iter().map(|length| usize::try_from(length - 1).unwrap()).collect();
        let grid = Grid::new(lengths, 1).unwrap();
        assert_eq!(grid.total(), i64::MAX.unsigned_abs());
        assert_eq!(digits(&grid, grid.total() - 1), (last, 0));
    }

    #[test]
    fn a_product_past_the_bound_is_an_error() {
        assert_eq!(Grid::new(vec![1 << 31, 1 << 32], 1).unwrap_err(), GridError::TooLarge);
        assert_eq!(Grid::new(vec![1 << 31], 1 << 32).unwrap_err(), GridError::TooLarge);
        assert_eq!(Grid::new(vec![u64::MAX, u64::MAX], 1).unwrap_err(), GridError::TooLarge);
        assert!(Grid::new(vec![(1 << 31) - 1], 1 << 32).is_ok());
    }

    #[test]
    fn what_is_no_grid() {
        assert_eq!(Grid::new(vec![2, 0], 1).unwrap_err(), GridError::Empty(1));
        assert_eq!(Grid::new(vec![2], 0).unwrap_err(), GridError::Replications(0));
        assert_eq!(Grid::new(vec![], (1 << 32) + 1).unwrap_err(), GridError::Replications((1 << 32) + 1));
    }
}
