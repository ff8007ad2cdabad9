//! Designs: the values of the dimensions in each cell. Computing a cell takes time in proportion to the
//! number of dimensions, whatever its index.

pub(crate) mod axis;
pub(crate) mod distribution;
mod joe_kuo;
mod latin_hypercube;
mod normal;
pub(crate) mod points;
pub(crate) mod range;
mod sobol;

use std::ops::Range;

use crate::broken_rule::BrokenRule;
use crate::design::axis::Axis;
use crate::design::distribution::Distribution;
use crate::design::latin_hypercube::LatinHypercube;
use crate::design::sobol::Sobol;
use crate::random::draws::{Draws, Purpose};
use crate::random::unit::Unit;
use crate::value::{Value, ValueRef};

/// A space of cells. Dimensions are numbered, in byte order of their names; the caller keeps the names.
#[derive(Clone, Debug)]
pub struct Design {
    kind: Kind,
    cells: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Grid(Vec<Axis>),
    Zip(Vec<Axis>),
    Sampled(Sampler, Vec<Distribution>),
    Table { columns: usize, first_row: u64, values: Vec<Value> },
}

#[derive(Clone, Debug)]
enum Sampler {
    Random(Draws),
    LatinHypercube(LatinHypercube),
    Sobol(Sobol),
}

const TOO_LARGE: BrokenRule = BrokenRule("the design has more than 2^63 - 1 points");

impl Design {
    /// Every combination of the axes' values; the last axis varies fastest. Without any axis there is one
    /// cell.
    ///
    /// # Errors
    /// If there are more than 2^63 - 1 cells.
    pub fn grid(axes: Vec<Axis>) -> Result<Self, BrokenRule> {
        let cells = axes.iter().try_fold(1_u64, |product, axis| product.checked_mul(axis.count()));
        Self::new(Kind::Grid(axes), cells.ok_or(TOO_LARGE)?)
    }

    /// The first values of all axes, then the second ones, and so on.
    ///
    /// # Errors
    /// Unless there is at least one axis, and all have the same length.
    pub fn zip(axes: Vec<Axis>) -> Result<Self, BrokenRule> {
        let cells = axes.first().ok_or(BrokenRule("a zip design needs a dimension"))?.count();
        if axes.iter().any(|axis| axis.count() != cells) {
            return Err(BrokenRule("all dimensions of a zip design need the same number of values"));
        }
        Self::new(Kind::Zip(axes), cells)
    }

    /// Independent draws. More samples leave the first ones unchanged.
    ///
    /// # Errors
    /// Unless there are dimensions, and from 1 to 2^63 - 1 samples.
    pub fn random(samples: u64, distributions: Vec<Distribution>, seed: i64) -> Result<Self, BrokenRule> {
        Self::sampled(Sampler::Random(Draws::new(seed, Purpose::Random)), samples, distributions)
    }

    /// A Latin hypercube: each dimension has as many equal strata as there are samples, with one cell in
    /// each.
    ///
    /// # Errors
    /// Unless there are dimensions, and from 1 to 2^52 samples.
    pub fn latin_hypercube(
        samples: u64,
        distributions: Vec<Distribution>,
        seed: i64,
    ) -> Result<Self, BrokenRule> {
        let strata = LatinHypercube::new(samples, distributions.len(), seed)?;
        Self::sampled(Sampler::LatinHypercube(strata), samples, distributions)
    }

    /// Sobol's sequence, scrambled if a seed is given. More samples leave the first ones unchanged.
    ///
    /// # Errors
    /// Unless there are from 1 to 256 dimensions, and from 1 to 2^63 - 1 samples.
    pub fn sobol(
        samples: u64,
        distributions: Vec<Distribution>,
        scramble: Option<i64>,
    ) -> Result<Self, BrokenRule> {
        let sequence = Sobol::new(distributions.len(), scramble)?;
        Self::sampled(Sampler::Sobol(sequence), samples, distributions)
    }

    /// A table of `total_rows` rows, one cell each. `values` has the rows from `first_row` on, row by row;
    /// the others are absent.
    ///
    /// # Errors
    /// Unless there are columns and rows, and the rows are within the table.
    pub fn table(
        columns: usize,
        first_row: u64,
        values: Vec<Value>,
        total_rows: u64,
    ) -> Result<Self, BrokenRule> {
        if columns == 0 {
            return Err(BrokenRule("a table needs a column"));
        }
        assert!(values.len().is_multiple_of(columns), "whole rows");
        if values.is_empty() {
            return Err(BrokenRule("a table needs a row"));
        }
        let end = first_row.checked_add((values.len() / columns) as u64);
        if end.is_none_or(|end| end > total_rows) {
            return Err(BrokenRule("the given rows exceed total_rows"));
        }
        Self::new(Kind::Table { columns, first_row, values }, total_rows)
    }

    fn sampled(kind: Sampler, samples: u64, distributions: Vec<Distribution>) -> Result<Self, BrokenRule> {
        if distributions.is_empty() {
            return Err(BrokenRule("a sampled design needs a dimension"));
        }
        if samples == 0 {
            return Err(BrokenRule("samples must be at least 1"));
        }
        Self::new(Kind::Sampled(kind, distributions), samples)
    }

    fn new(kind: Kind, cells: u64) -> Result<Self, BrokenRule> {
        if i64::try_from(cells).is_err() {
            return Err(TOO_LARGE);
        }
        Ok(Self { kind, cells })
    }

    /// The number of cells, from 1 to 2^63 - 1.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// The cells whose values are present: all, except in a table of which only some rows were given.
    pub fn present(&self) -> Range<u64> {
        match &self.kind {
            Kind::Table { columns, first_row, values } => {
                *first_row..first_row + (values.len() / columns) as u64
            }
            _ => 0..self.cells,
        }
    }

    /// Calls `place(dimension, value)` for every dimension of a cell, in any order.
    ///
    /// # Panics
    /// If the cell is absent.
    pub fn decode<'a>(&'a self, cell: u64, mut place: impl FnMut(usize, ValueRef<'a>)) {
        assert!(self.present().contains(&cell), "cell {cell} of {:?}", self.present());
        match &self.kind {
            Kind::Grid(axes) => {
                let mut rest = cell;
                for (dimension, axis) in axes.iter().enumerate().rev() {
                    place(dimension, axis.value(rest % axis.count()));
                    rest /= axis.count();
                }
            }
            Kind::Zip(axes) => {
                for (dimension, axis) in axes.iter().enumerate() {
                    place(dimension, axis.value(cell));
                }
            }
            Kind::Sampled(sampler, distributions) => {
                for (dimension, distribution) in distributions.iter().enumerate() {
                    place(dimension, distribution.value(sampler.unit(dimension, cell)));
                }
            }
            Kind::Table { columns, first_row, values } => {
                let row = usize::try_from(cell - first_row).expect("an index into rows that are in memory");
                for (dimension, value) in values[row * columns..][..*columns].iter().enumerate() {
                    place(dimension, value.borrow());
                }
            }
        }
    }
}

impl Sampler {
    fn unit(&self, dimension: usize, cell: u64) -> Unit {
        match self {
            Self::Random(draws) => Unit::from_bits(draws.bits(dimension, cell)),
            Self::LatinHypercube(strata) => strata.unit(dimension, cell),
            Self::Sobol(sequence) => sequence.unit(dimension, cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(count: i64) -> Axis {
        Axis::list((0..count).map(Value::Int).collect()).unwrap()
    }

    fn cell(design: &Design, cell: u64) -> Vec<ValueRef<'_>> {
        let mut values = vec![];
        design.decode(cell, |dimension, value| values.push((dimension, value)));
        values.sort_by_key(|(dimension, _)| *dimension);
        values.into_iter().map(|(_, value)| value).collect()
    }

    fn ints(values: &[i64]) -> Vec<ValueRef<'static>> {
        values.iter().copied().map(ValueRef::Int).collect()
    }

    #[test]
    fn a_grid_counts_like_nested_loops() {
        let grid = Design::grid(vec![integers(2), integers(3), integers(4)]).unwrap();
        let mut next = 0;
        for a in 0..2 {
            for b in 0..3 {
                for c in 0..4 {
                    assert_eq!(cell(&grid, next), ints(&[a, b, c]));
                    next += 1;
                }
            }
        }
        assert_eq!(next, grid.cells());
    }

    #[test]
    fn a_grid_without_dimensions_is_one_cell() {
        let grid = Design::grid(vec![]).unwrap();
        assert_eq!((grid.cells(), cell(&grid, 0)), (1, vec![]));
    }

    #[test]
    fn the_largest_grid_is_exact() {
        // 2^63 - 1 = 7 * 7 * 73 * 127 * 337 * 92737 * 649657
        let lengths = [7, 7, 73, 127, 337, 92_737, 649_657];
        let grid = Design::grid(lengths.map(integers).to_vec()).unwrap();
        assert_eq!(grid.cells(), i64::MAX.unsigned_abs());
        assert_eq!(cell(&grid, grid.cells() - 1), ints(&lengths.map(|length| length - 1)));
        assert_eq!(Design::grid(vec![integers(1 << 16); 4]).unwrap_err(), TOO_LARGE);
        assert_eq!(
            Design::grid(vec![integers(1 << 21), integers(1 << 21), integers(1 << 21)]).unwrap_err(),
            TOO_LARGE
        );
    }

    #[test]
    fn a_zip_takes_its_axes_in_step() {
        let zip = Design::zip(vec![integers(3), Axis::linspace(0.0, 1.0, 3).unwrap()]).unwrap();
        assert_eq!(zip.cells(), 3);
        assert_eq!(cell(&zip, 1), [ValueRef::Int(1), ValueRef::Float(0.5)]);
        assert!(Design::zip(vec![]).is_err());
        assert!(Design::zip(vec![integers(3), integers(2)]).is_err());
    }

    #[test]
    fn a_table_has_the_rows_that_it_was_given() {
        let values: Vec<_> = (0..6).map(Value::Int).collect();
        let table = Design::table(2, 10, values.clone(), 100).unwrap();
        assert_eq!((table.cells(), table.present()), (100, 10..13));
        assert_eq!(cell(&table, 11), ints(&[2, 3]));
        assert!(Design::table(2, 98, values.clone(), 100).is_err());
        assert!(Design::table(2, u64::MAX, values, u64::MAX).is_err());
        assert!(Design::table(0, 0, vec![], 1).is_err());
    }

    #[test]
    fn samples_are_bounded() {
        let unit = || vec![Distribution::uniform(0.0, 1.0).unwrap()];
        let most = i64::MAX.unsigned_abs();
        assert!(Design::random(most, unit(), 1).is_ok());
        assert!(Design::random(most + 1, unit(), 1).is_err());
        assert!(Design::sobol(most, unit(), None).is_ok());
        assert!(Design::latin_hypercube(1 << 52, unit(), 1).is_ok());
        assert!(Design::latin_hypercube((1 << 52) + 1, unit(), 1).is_err());
        for design in [
            Design::random(0, unit(), 1),
            Design::latin_hypercube(0, unit(), 1),
            Design::random(5, vec![], 1),
        ] {
            assert!(design.is_err());
        }
        assert!(Design::sobol(1, vec![unit().remove(0); 256], None).is_ok());
        assert!(Design::sobol(1, vec![unit().remove(0); 257], None).is_err());
    }
}
