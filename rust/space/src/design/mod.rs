//! Designs: the values of the dimensions in each cell. Computing a cell takes time in proportion to the
//! number of dimensions, whatever its index.

pub(crate) mod axis;
pub(crate) mod distribution;
mod joe_kuo;
mod latin_hypercube;
mod morris;
mod normal;
pub(crate) mod points;
pub(crate) mod range;
mod saltelli;
mod sobol;

use std::ops::Range;

use crate::broken_rule::BrokenRule;
use crate::design::axis::Axis;
use crate::design::distribution::Distribution;
use crate::design::latin_hypercube::LatinHypercube;
use crate::design::morris::Morris;
use crate::design::saltelli::Saltelli;
use crate::design::sobol::Sobol;
use crate::random::draws::{Draws, Purpose, SampleSeed};
use crate::random::unit::Unit;
use crate::value::{Value, ValueRef};

/// A space of cells. Dimensions are numbered, in byte order of their names; the caller keeps the names. Those of a
/// cross have the numbers of its parts, one part after the other.
#[derive(Clone, Debug)]
pub struct Design {
    /// Every combination of their cells, the last varying fastest: several in a cross, else one.
    parts: Vec<Part>,
    cells: u64,
}

#[derive(Clone, Debug)]
struct Part {
    kind: Kind,
    cells: u64,
}

#[derive(Clone, Debug)]
enum Kind {
    Grid(Vec<Axis>),
    Zip(Vec<Axis>),
    Sampled(Sampler, Vec<Distribution>),
    Morris(Morris, Vec<Distribution>),
    Table { columns: usize, first_row: u64, values: Vec<Value> },
}

#[derive(Clone, Debug)]
enum Sampler {
    Random(Draws),
    LatinHypercube(LatinHypercube),
    Sobol(Sobol),
    Saltelli(Saltelli),
}

const TOO_LARGE: BrokenRule = BrokenRule("the design has more than 2^63 - 1 points");
const NO_DIMENSION: BrokenRule = BrokenRule("a sampled design needs a dimension");

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
    pub fn random(
        samples: u64,
        distributions: Vec<Distribution>,
        seed: impl Into<SampleSeed>,
    ) -> Result<Self, BrokenRule> {
        Self::sampled(Sampler::Random(Draws::new(seed.into(), Purpose::Random)), samples, distributions)
    }

    /// A Latin hypercube: each dimension has as many equal strata as there are samples, with one cell in
    /// each.
    ///
    /// # Errors
    /// Unless there are dimensions, and from 1 to 2^52 samples.
    pub fn latin_hypercube(
        samples: u64,
        distributions: Vec<Distribution>,
        seed: impl Into<SampleSeed>,
    ) -> Result<Self, BrokenRule> {
        let strata = LatinHypercube::new(samples, distributions.len(), seed.into())?;
        Self::sampled(Sampler::LatinHypercube(strata), samples, distributions)
    }

    /// Sobol's sequence, scrambled if a seed is given. More samples leave the first ones unchanged.
    ///
    /// # Errors
    /// Unless there are from 1 to 256 dimensions, and from 1 to 2^63 - 1 samples.
    pub fn sobol(
        samples: u64,
        distributions: Vec<Distribution>,
        scramble: Option<SampleSeed>,
    ) -> Result<Self, BrokenRule> {
        let sequence = Sobol::new(distributions.len(), scramble)?;
        Self::sampled(Sampler::Sobol(sequence), samples, distributions)
    }

    /// Saltelli's sample for Sobol indices, from a scrambled Sobol sequence. A base sample has two cells more than
    /// there are dimensions, or two more than twice as many for second-order indices. More base samples leave the
    /// first cells unchanged.
    ///
    /// # Errors
    /// Unless there are from 2 to 128 dimensions, and from 1 to 2^63 - 1 cells.
    pub fn saltelli(
        base_samples: u64,
        second_order: bool,
        distributions: Vec<Distribution>,
        seed: impl Into<SampleSeed>,
    ) -> Result<Self, BrokenRule> {
        let saltelli = Saltelli::new(distributions.len(), second_order, seed.into())?;
        let cells = saltelli.cells(base_samples).ok_or(TOO_LARGE)?;
        if cells == 0 {
            return Err(BrokenRule("base_samples must be at least 1"));
        }
        Self::sampled(Sampler::Saltelli(saltelli), cells, distributions)
    }

    /// Morris's trajectories for screening, on a grid of levels that includes both ends of each distribution. A
    /// trajectory has one cell more than there are dimensions. More trajectories leave the first ones unchanged.
    ///
    /// # Errors
    /// Unless there are dimensions, all of which have ends, levels are even and at most 2^52, and there are from 1 to
    /// 2^63 - 1 cells.
    pub fn morris(
        trajectories: u64,
        levels: u64,
        distributions: Vec<Distribution>,
        seed: impl Into<SampleSeed>,
    ) -> Result<Self, BrokenRule> {
        if distributions.is_empty() {
            return Err(NO_DIMENSION);
        }
        let closed = distributions.into_iter().map(Distribution::closed).collect::<Result<Vec<_>, _>>()?;
        let morris = Morris::new(closed.len(), levels, seed.into())?;
        let cells = morris.cells(trajectories).ok_or(TOO_LARGE)?;
        if cells == 0 {
            return Err(BrokenRule("trajectories must be at least 1"));
        }
        Self::new(Kind::Morris(morris, closed), cells)
    }

    /// Every combination of the cells of some designs; the last varies fastest. Its dimensions are those of the first
    /// design, then those of the second, and so on.
    ///
    /// # Errors
    /// Unless there are from 2 to 256 designs with at most 2^63 - 1 combinations, and all their cells are present.
    pub fn cross(designs: Vec<Self>) -> Result<Self, BrokenRule> {
        if !(2..=256).contains(&designs.len()) {
            return Err(BrokenRule("a cross needs from 2 to 256 parts"));
        }
        if designs.iter().any(|design| design.present() != (0..design.cells)) {
            return Err(BrokenRule("a table in a cross needs all its rows"));
        }
        let cells = designs.iter().try_fold(1_u64, |product, design| product.checked_mul(design.cells));
        let parts = designs.into_iter().flat_map(|design| design.parts).collect();
        Self::of(parts, cells.ok_or(TOO_LARGE)?)
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
            return Err(NO_DIMENSION);
        }
        if samples == 0 {
            return Err(BrokenRule("samples must be at least 1"));
        }
        Self::new(Kind::Sampled(kind, distributions), samples)
    }

    fn new(kind: Kind, cells: u64) -> Result<Self, BrokenRule> {
        Self::of(vec![Part { kind, cells }], cells)
    }

    fn of(parts: Vec<Part>, cells: u64) -> Result<Self, BrokenRule> {
        if i64::try_from(cells).is_err() {
            return Err(TOO_LARGE);
        }
        Ok(Self { parts, cells })
    }

    /// The number of cells, from 1 to 2^63 - 1.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// Whether any of its values are drawn.
    pub fn is_sampled(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.kind, Kind::Sampled(..) | Kind::Morris(..)))
    }

    /// The cells whose values are present: all, except in a table of which only some rows were given.
    pub fn present(&self) -> Range<u64> {
        match &self.parts[..] {
            [Part { kind: Kind::Table { columns, first_row, values }, .. }] => {
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
        let (mut following, mut first) = (self.cells, 0);
        let mut rest = cell;
        for part in &self.parts {
            following /= part.cells;
            part.kind.decode(rest / following, |dimension, value| place(first + dimension, value));
            rest %= following;
            first += part.kind.dimensions();
        }
    }
}

impl Kind {
    fn dimensions(&self) -> usize {
        match self {
            Self::Grid(axes) | Self::Zip(axes) => axes.len(),
            Self::Sampled(_, distributions) | Self::Morris(_, distributions) => distributions.len(),
            Self::Table { columns, .. } => *columns,
        }
    }

    fn decode<'a>(&'a self, cell: u64, mut place: impl FnMut(usize, ValueRef<'a>)) {
        match self {
            Self::Grid(axes) => {
                let mut rest = cell;
                for (dimension, axis) in axes.iter().enumerate().rev() {
                    place(dimension, axis.value(rest % axis.count()));
                    rest /= axis.count();
                }
            }
            Self::Zip(axes) => {
                for (dimension, axis) in axes.iter().enumerate() {
                    place(dimension, axis.value(cell));
                }
            }
            Self::Sampled(sampler, distributions) => {
                for (dimension, distribution) in distributions.iter().enumerate() {
                    place(dimension, distribution.value(sampler.unit(dimension, cell)));
                }
            }
            Self::Morris(morris, distributions) => morris.each_level(cell, |dimension, level| {
                place(dimension, distributions[dimension].value_at(level, morris.levels()));
            }),
            Self::Table { columns, first_row, values } => {
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
            Self::Saltelli(saltelli) => saltelli.unit(dimension, cell),
        }
    }
}

#[cfg(test)]
mod tests;
