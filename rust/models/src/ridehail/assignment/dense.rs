//! The assignment problem as a matrix: shortest augmenting paths over all columns, row by row.
//!
//! Source: R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
//! assignment problems" (1987), its augmentation phase only. A pair without an edge costs more than all edges
//! together, so an assignment of least cost has the fewest such pairs; they are then dropped.

use super::components::Part;

const NOBODY: usize = usize::MAX;

/// Solves assignments, with memory that is reused.
#[derive(Debug, Default)]
pub(super) struct Dense {
    costs: Vec<i64>,
    row_prices: Vec<i64>,
    column_prices: Vec<i64>,
    /// The row that each column is assigned to.
    row_of: Vec<usize>,
    shortest: Vec<i64>,
    before: Vec<usize>,
    done: Vec<bool>,
    pairs: Vec<(u32, u32)>,
}

impl Dense {
    /// Pairs of (row, column): as many as possible, then as cheap as possible.
    pub(super) fn solve(&mut self, part: &Part<'_>) -> &[(u32, u32)] {
        // The smaller side becomes the rows, so that every row gets a column.
        let turned = part.riders.len() > part.drivers.len();
        let [rows, columns] = if turned {
            [part.drivers.len(), part.riders.len()]
        } else {
            [part.riders.len(), part.drivers.len()]
        };
        let missing = super::prohibitive(part.edges, rows);
        self.costs.clear();
        self.costs.resize(rows * columns, missing);
        for edge in part.edges {
            let (row, column) = (edge.row as usize, edge.column as usize);
            let (row, column) = if turned { (column, row) } else { (row, column) };
            self.costs[row * columns + column] = edge.cost;
        }
        reset(&mut self.row_prices, rows, 0);
        reset(&mut self.column_prices, columns, 0);
        reset(&mut self.row_of, columns, NOBODY);
        for row in 0..rows {
            self.assign(row, columns);
        }
        self.pairs.clear();
        for (column, row) in self.row_of.iter().enumerate() {
            if *row != NOBODY && self.costs[row * columns + column] < missing {
                let (row, column) = if turned { (column, *row) } else { (*row, column) };
                let small = |index| u32::try_from(index).expect("a component below the dense limit");
                self.pairs.push((small(row), small(column)));
            }
        }
        &self.pairs
    }

    /// Finds the cheapest way to assign one more row, by Dijkstra's algorithm over reduced costs.
    fn assign(&mut self, new: usize, columns: usize) {
        reset(&mut self.shortest, columns, i64::MAX);
        reset(&mut self.before, columns, NOBODY);
        reset(&mut self.done, columns, false);
        let (mut row, mut from, mut distance) = (new, NOBODY, 0);
        let end = loop {
            let mut next = NOBODY;
            for column in 0..columns {
                if self.done[column] {
                    continue;
                }
                let reduced =
                    self.costs[row * columns + column] - self.row_prices[row] - self.column_prices[column];
                if distance + reduced < self.shortest[column] {
                    self.shortest[column] = distance + reduced;
                    self.before[column] = from;
                }
                if next == NOBODY || self.shortest[column] < self.shortest[next] {
                    next = column;
                }
            }
            distance = self.shortest[next];
            if self.row_of[next] == NOBODY {
                break next;
            }
            self.done[next] = true;
            (row, from) = (self.row_of[next], next);
        };
        self.reprice(new, distance);
        self.flip(new, end);
    }

    /// Keeps every reduced cost >= 0, and those of assigned pairs 0.
    fn reprice(&mut self, new: usize, distance: i64) {
        self.row_prices[new] += distance;
        for (column, done) in self.done.iter().enumerate() {
            if *done {
                let slack = distance - self.shortest[column];
                self.column_prices[column] -= slack;
                self.row_prices[self.row_of[column]] += slack;
            }
        }
    }

    /// Reassigns the columns along the path that ends in a free one.
    fn flip(&mut self, new: usize, end: usize) {
        let mut column = end;
        loop {
            let before = self.before[column];
            if before == NOBODY {
                self.row_of[column] = new;
                return;
            }
            self.row_of[column] = self.row_of[before];
            column = before;
        }
    }
}

fn reset<T: Clone>(list: &mut Vec<T>, length: usize, value: T) {
    list.clear();
    list.resize(length, value);
}
