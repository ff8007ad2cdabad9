//! Splits edges into connected components: no match of one touches another, so each is solved by itself.

use super::Edge;

/// An edge within a component, its ends by their places there.
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

/// Splits, with memory that is used again.
#[derive(Debug, Default)]
pub(super) struct Components {
    /// The riders and the drivers that have edges, sorted.
    riders: Vec<u32>,
    drivers: Vec<u32>,
    /// Union-find over riders' places, then drivers'; the root is the smallest, so always a rider.
    parent: Vec<u32>,
    /// (component, ends) to sort by.
    tagged: Vec<(u32, u32, u32, i64)>,
    members: Vec<(u32, u32)>,
    links: Vec<Link>,
    ends: Vec<[usize; 3]>,
    /// Place within the component, for riders' places, then drivers'.
    local: Vec<u32>,
    grouped: [Vec<u32>; 2],
}

impl Components {
    /// Splits edges that are sorted by rider and driver.
    pub(super) fn split(&mut self, edges: &[Edge]) {
        self.name(edges);
        self.unite(edges);
        self.group();
        self.links.clear();
        self.tagged.sort_unstable();
        for &(_, row, column, cost) in &self.tagged {
            let (row, column) = (self.local[row as usize], self.local[column as usize]);
            self.links.push(Link { row, column, cost });
        }
        self.ends.clear();
        let mut end = [0; 3];
        for tagged in self.tagged.chunk_by(|one, other| one.0 == other.0) {
            let root = tagged[0].0;
            let members = |list: &[(u32, u32)], from: usize, riders: usize, wanted: bool| {
                let same = list[from..].iter().take_while(|(component, _)| *component == root);
                same.filter(|(_, node)| ((*node as usize) < riders) == wanted).count()
            };
            let from = end[0] + end[1];
            let rows = members(&self.members, from, self.riders.len(), true);
            let columns = members(&self.members, from, self.riders.len(), false);
            end = [end[0] + rows, end[1] + columns, end[2] + tagged.len()];
            self.ends.push(end);
        }
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
        let nodes = self.riders.len() + self.drivers.len();
        self.parent.clear();
        self.parent.extend((0..).take(nodes));
        self.local.clear();
        self.local.resize(nodes, 0);
    }

    fn unite(&mut self, edges: &[Edge]) {
        self.tagged.clear();
        let mut row = 0;
        for edge in edges {
            while self.riders[row] != edge.rider {
                row += 1;
            }
            let column = self.drivers.binary_search(&edge.driver).expect("every driver was named");
            let (row, column) = (place(row), place(self.riders.len() + column));
            let (one, other) = (self.root(row), self.root(column));
            self.parent[one.max(other) as usize] = one.min(other);
            self.tagged.push((0, row, column, edge.cost));
        }
        for at in 0..self.tagged.len() {
            self.tagged[at].0 = self.root(self.tagged[at].1);
        }
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

    /// Gathers the nodes of each component, in order, and gives them places.
    fn group(&mut self) {
        self.members.clear();
        for node in 0..place(self.parent.len()) {
            let root = self.root(node);
            self.members.push((root, node));
        }
        self.members.sort_unstable();
        let riders = self.riders.len();
        self.grouped.iter_mut().for_each(Vec::clear);
        for component in self.members.chunk_by(|one, other| one.0 == other.0) {
            let mut places = [0; 2];
            for (_, node) in component {
                let node = *node as usize;
                let side = usize::from(node >= riders);
                self.local[node] = places[side];
                places[side] += 1;
                self.grouped[side].push(if side == 0 {
                    self.riders[node]
                } else {
                    self.drivers[node - riders]
                });
            }
        }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("entities have u32 ids")
}
