//! Which driver is offered to which rider, given edges between riders and the drivers within their reach.
//!
//! Costs are whole millimetres of distance. The contract's cost is km + ETA seconds x `eta_weight`, and the
//! ETA is km at a constant 40 km/h: for every weight >= 0 the cost is proportional to the distance, so the
//! same matches are cheapest. Sums of whole numbers are exact, so the best assignment is the same on every
//! machine.
//!
//! - `simple`: riders in order; each takes the first free driver in order of ids.
//! - `cost_based`: riders in order; each takes the cheapest free driver, and the first of equally cheap ones.
//! - `hungarian`: as many matches as the edges allow, with the least total cost.
//!
//! In all of them a driver is matched once. (A known bug of the earlier simulator: its greedy passes did not
//! remove matched drivers from the list.)

mod components;
mod dense;
mod sparse;
#[cfg(test)]
mod tests;

use super::settings::Algorithm;
use components::Components;
use dense::Dense;
use sparse::Sparse;

/// Components of at most this many pairs, with or without an edge, are solved as a matrix.
const DENSE_PAIRS: usize = 4096;

/// A driver within reach of a rider. Sorted by rider, then driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) rider: u32,
    pub(crate) driver: u32,
    /// Distance, mm.
    pub(crate) cost: i64,
}

/// The cost of a pair without an edge: more than all edges that can be chosen together.
fn prohibitive(edges: &[components::Link], rows: usize) -> i64 {
    let rows = i64::try_from(rows).expect("entities have u32 ids");
    1 + edges.iter().map(|edge| edge.cost).max().unwrap_or(0) * rows
}

/// A rider and a driver who are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    pub(crate) rider: u32,
    pub(crate) driver: u32,
}

/// Assigns drivers to riders, with memory that is reused.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// Whether a driver is matched, by id; all false between calls.
    taken: Vec<bool>,
    components: Components,
    dense: Dense,
    sparse: Sparse,
    matches: Vec<Match>,
}

impl Assignment {
    /// The matches, in order of riders. Sorts the edges, which must be distinct.
    pub(crate) fn solve(&mut self, algorithm: Algorithm, edges: &mut [Edge]) -> &[Match] {
        edges.sort_unstable();
        debug_assert!(
            edges.windows(2).all(|pair| (pair[0].rider, pair[0].driver) != (pair[1].rider, pair[1].driver))
        );
        self.matches.clear();
        match algorithm {
            Algorithm::Simple => self.greedy(edges, |edge| (0, edge.driver)),
            Algorithm::CostBased => self.greedy(edges, |edge| (edge.cost, edge.driver)),
            Algorithm::Hungarian => self.optimal(edges),
        }
        self.matches.sort_unstable();
        debug_assert!(self.matches.windows(2).all(|pair| pair[0].rider != pair[1].rider));
        &self.matches
    }

    fn greedy(&mut self, edges: &[Edge], rank: impl Fn(&Edge) -> (i64, u32)) {
        if let Some(last) = edges.iter().map(|edge| edge.driver).max() {
            self.taken.resize(self.taken.len().max(last as usize + 1), false);
        }
        for reach in edges.chunk_by(|one, other| one.rider == other.rider) {
            let free = reach.iter().filter(|edge| !self.taken[edge.driver as usize]);
            if let Some(Edge { rider, driver, .. }) = free.min_by_key(|edge| rank(edge)).copied() {
                self.taken[driver as usize] = true;
                self.matches.push(Match { rider, driver });
            }
        }
        for Match { driver, .. } in &self.matches {
            self.taken[*driver as usize] = false;
        }
    }

    fn optimal(&mut self, edges: &[Edge]) {
        self.components.split(edges);
        for part in self.components.parts() {
            if let [only] = part.edges {
                self.matches.push(Match {
                    rider: part.riders[only.row as usize],
                    driver: part.drivers[only.column as usize],
                });
                continue;
            }
            let small = part.riders.len() * part.drivers.len() <= DENSE_PAIRS;
            let pairs = if small { self.dense.solve(&part) } else { self.sparse.solve(&part) };
            let named = |(row, column): &(u32, u32)| Match {
                rider: part.riders[*row as usize],
                driver: part.drivers[*column as usize],
            };
            self.matches.extend(pairs.iter().map(named));
        }
    }
}
