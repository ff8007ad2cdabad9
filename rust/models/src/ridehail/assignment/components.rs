//! Splits edges into connected components. A match in one does not affect another, so each is solved
//! separately.

use super::Edge;

/// An edge within a component; its ends are indices within the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) cost: i64,
}

/// A connected component: riders are rows, drivers columns, both in order of ids; edges by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) riders: &'a [u32],
    pub(super) drivers: &'a [u32],
    pub(super) edges: &'a [Link],
}

/// Splits edges, with memory that is reused.
#[derive(Debug, Default)]
pub(super) struct Components {
    /// The riders and the drivers that have edges, sorted.
    riders: Vec<u32>,
    drivers: Vec<u32>,
    /// By driver id: the index in `drivers`, if the driver is there.
    places: Vec<u32>,
    /// Union-find over riders' indices, then drivers'. The root is the smallest, so always a rider.
    parent: Vec<u32>,
    /// By node: its component. Components are numbered in order of their roots.
    component: Vec<u32>,
    /// By node: its index within the component.
    local: Vec<u32>,
    grouped: [Vec<u32>; 2],
    links: Vec<Link>,
    /// By component: where its riders, drivers and links end.
    ends: Vec<[usize; 3]>,
}

impl Components {
    /// Splits edges that are sorted by rider and driver.
    pub(super) fn split(&mut self, edges: &[Edge]) {
        self.name(edges);
        self.unite(edges);
        self.number();
        self.distribute(edges);
    }

    /// The components of the last split.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let starts = std::iter::once(&[0; 3]).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| Part {
            riders: &self.grouped[0][start[0]..end[0]],
            drivers: &self.grouped[1][start[1]..end[1]],
            edges: &self.links[start[2]..end[2]],
        })
    }

    fn name(&mut self, edges: &[Edge]) {
        self.riders.clear();
        self.riders.extend(edges.iter().map(|edge| edge.rider));
        self.riders.dedup();
        self.drivers.clear();
        self.drivers.extend(edges.iter().map(|edge| edge.driver));
        self.drivers.sort_unstable();
        self.drivers.dedup();
        if let Some(last) = self.drivers.last() {
            self.places.resize(self.places.len().max(*last as usize + 1), 0);
        }
        for (place, driver) in (0..).zip(&self.drivers) {
            self.places[*driver as usize] = place;
        }
    }

    fn unite(&mut self, edges: &[Edge]) {
        self.parent.clear();
        self.parent.extend((0..).take(self.riders.len() + self.drivers.len()));
        for (row, reach) in (0..).zip(edges.chunk_by(|one, other| one.rider == other.rider)) {
            for edge in reach {
                let (one, other) = (self.root(row), self.root(self.driver(edge.driver)));
                self.parent[one.max(other) as usize] = one.min(other);
            }
        }
    }

    /// The node of a driver.
    fn driver(&self, id: u32) -> u32 {
        place(self.riders.len()) + self.places[id as usize]
    }

    fn root(&mut self, node: u32) -> u32 {
        let mut node = node;
        while self.parent[node as usize] != node {
            let above = self.parent[node as usize];
            self.parent[node as usize] = self.parent[above as usize];
            node = above;
        }
        node
    }

    /// Counts the components, and the riders and the drivers in each.
    fn number(&mut self) {
        self.component.clear();
        self.local.clear();
        self.ends.clear();
        for node in 0..place(self.parent.len()) {
            let root = self.root(node);
            let component = if root == node {
                self.ends.push([0; 3]);
                place(self.ends.len() - 1)
            } else {
                self.component[root as usize]
            };
            let side = usize::from(node as usize >= self.riders.len());
            let count = &mut self.ends[component as usize][side];
            self.local.push(place(*count));
            *count += 1;
            self.component.push(component);
        }
    }

    /// Groups the nodes and the links by component, in their existing order.
    fn distribute(&mut self, edges: &[Edge]) {
        let rows = || (0_usize..).zip(edges.chunk_by(|one, other| one.rider == other.rider));
        for (row, reach) in rows() {
            self.ends[self.component[row] as usize][2] += reach.len();
        }
        // From counts to start positions; filling moves each to its end.
        let mut total = [0; 3];
        for ends in &mut self.ends {
            for (end, total) in ends.iter_mut().zip(&mut total) {
                let count = std::mem::replace(end, *total);
                *total += count;
            }
        }
        let riders = self.riders.len();
        self.grouped[0].resize(riders, 0);
        self.grouped[1].resize(self.drivers.len(), 0);
        for (node, id) in self.riders.iter().chain(&self.drivers).enumerate() {
            let side = usize::from(node >= riders);
            let end = &mut self.ends[self.component[node] as usize][side];
            self.grouped[side][*end] = *id;
            *end += 1;
        }
        self.links.resize(edges.len(), Link { row: 0, column: 0, cost: 0 });
        for (row, reach) in rows() {
            let component = self.component[row] as usize;
            for edge in reach {
                let column = self.local[self.driver(edge.driver) as usize];
                let end = &mut self.ends[component][2];
                self.links[*end] = Link { row: self.local[row], column, cost: edge.cost };
                *end += 1;
            }
        }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("entities have u32 ids")
}
