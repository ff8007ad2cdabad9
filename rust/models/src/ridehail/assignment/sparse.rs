//! The assignment problem over edges only: shortest augmenting paths by Dijkstra's algorithm, row by row.
//!
//! Source: R. Jonker, A. Volgenant (1987), as in [`super::dense`]. Here every row also has a column of its
//! own, which means no match and costs more than all edges together. So every row is assigned, as many as
//! possible to edges, and memory is proportional to the number of edges.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::components::{Link, Part};

const NOBODY: u32 = u32::MAX;

/// Solves assignments, with memory that is reused.
#[derive(Debug, Default)]
pub(super) struct Sparse {
    /// Where each row's edges begin; one more for the end.
    starts: Vec<usize>,
    row_prices: Vec<i64>,
    column_prices: Vec<i64>,
    row_of: Vec<u32>,
    /// By column: the length of the shortest path found so far, and the previous column on it.
    shortest: Vec<i64>,
    before: Vec<u32>,
    /// Columns whose `shortest` is set, and columns whose shortest path is final.
    seen: Vec<u32>,
    settled: Vec<u32>,
    heap: BinaryHeap<Reverse<(i64, u32)>>,
    pairs: Vec<(u32, u32)>,
}

impl Sparse {
    /// Pairs of (row, column): as many as possible, then as cheap as possible.
    pub(super) fn solve(&mut self, part: &Part<'_>) -> &[(u32, u32)] {
        let (rows, columns) = (part.riders.len(), part.drivers.len());
        let alone = super::prohibitive(part.edges, rows);
        self.starts.clear();
        self.starts.push(0);
        self.starts.extend(part.edges.chunk_by(|one, other| one.row == other.row).map(<[_]>::len));
        for row in 0..rows {
            self.starts[row + 1] += self.starts[row];
        }
        reset(&mut self.row_prices, rows, 0);
        reset(&mut self.column_prices, columns, 0);
        reset(&mut self.row_of, columns, NOBODY);
        reset(&mut self.shortest, columns, i64::MAX);
        reset(&mut self.before, columns, NOBODY);
        for row in 0..u32::try_from(rows).expect("entities have u32 ids") {
            self.assign(row, part.edges, alone);
        }
        self.pairs.clear();
        let assigned = (0..).zip(&self.row_of).filter(|(_, row)| **row != NOBODY);
        self.pairs.extend(assigned.map(|(column, row)| (*row, column)));
        &self.pairs
    }

    /// Assigns one more row, or leaves it or another row without a match, whichever costs least.
    fn assign(&mut self, new: u32, edges: &[Link], alone: i64) {
        let (mut row, mut from, mut distance) = (new, NOBODY, 0);
        // The cheapest end so far at which a row stays without a match: the path's length, and the column it
        // gives up.
        let mut staying = (i64::MAX, NOBODY);
        let end = loop {
            let stay = distance + alone - self.row_prices[row as usize];
            if stay < staying.0 {
                staying = (stay, from);
            }
            self.relax(row, from, distance, edges);
            let Some(column) = self.nearest(staying.0) else {
                distance = staying.0;
                break None;
            };
            distance = self.shortest[column as usize];
            if self.row_of[column as usize] == NOBODY {
                break Some(column);
            }
            self.settled.push(column);
            (row, from) = (self.row_of[column as usize], column);
        };
        self.reprice(new, distance);
        match end {
            Some(column) => self.flip(new, column),
            None if staying.1 != NOBODY => self.flip(new, staying.1),
            None => {}
        }
        self.forget();
    }

    fn relax(&mut self, row: u32, from: u32, distance: i64, edges: &[Link]) {
        let row = row as usize;
        for edge in &edges[self.starts[row]..self.starts[row + 1]] {
            let column = edge.column as usize;
            let path = distance + edge.cost - self.row_prices[row] - self.column_prices[column];
            if path < self.shortest[column] {
                if self.shortest[column] == i64::MAX {
                    self.seen.push(edge.column);
                }
                self.shortest[column] = path;
                self.before[column] = from;
                self.heap.push(Reverse((path, edge.column)));
            }
        }
    }

    /// The next column to settle, unless a path of length `limit` ends sooner.
    fn nearest(&mut self, limit: i64) -> Option<u32> {
        while let Some(Reverse((path, column))) = self.heap.pop() {
            if path >= limit {
                return None;
            }
            // Otherwise a shorter path has been found since. The shortest one is here once: only shorter ones
            // are pushed, and none is shorter than a final one, because every reduced cost is >= 0.
            if path == self.shortest[column as usize] {
                return Some(column);
            }
        }
        None
    }

    /// Keeps every reduced cost >= 0, and those of assigned pairs 0.
    fn reprice(&mut self, new: u32, distance: i64) {
        self.row_prices[new as usize] += distance;
        for column in &self.settled {
            let slack = distance - self.shortest[*column as usize];
            self.column_prices[*column as usize] -= slack;
            self.row_prices[self.row_of[*column as usize] as usize] += slack;
        }
    }

    /// Reassigns the columns along the path that ends in `end`. The row of `end`, if any, loses its match.
    fn flip(&mut self, new: u32, end: u32) {
        let mut column = end as usize;
        loop {
            let before = self.before[column];
            if before == NOBODY {
                self.row_of[column] = new;
                return;
            }
            self.row_of[column] = self.row_of[before as usize];
            column = before as usize;
        }
    }

    fn forget(&mut self) {
        for column in self.seen.drain(..) {
            self.shortest[column as usize] = i64::MAX;
            self.before[column as usize] = NOBODY;
        }
        self.settled.clear();
        self.heap.clear();
    }
}

fn reset<T: Clone>(list: &mut Vec<T>, length: usize, value: T) {
    list.clear();
    list.resize(length, value);
}
