//! Hexagons in axial coordinates: distances, rings, and paths from one to another.
//!
//! The six neighbours of (q, r) are at +-(1, 0), +-(0, 1) and +-(1, -1). Source for the arithmetic: A. Patel,
//! "Hexagonal Grids" (redblobgames.com).

/// A cell of the lattice, counted from a corner of the map's frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hex {
    pub(super) q: i16,
    pub(super) r: i16,
}

/// The six directions in turn, counter-clockwise: from a cell to its neighbours.
pub(super) const DIRECTIONS: [(i32, i32); 6] = [(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)];

impl Hex {
    /// A cell from wide coordinates, or `None` if they do not fit: such a cell is on no map.
    pub(super) fn new(q: i32, r: i32) -> Option<Self> {
        Some(Self { q: i16::try_from(q).ok()?, r: i16::try_from(r).ok()? })
    }

    fn towards(self, other: Self) -> (i32, i32) {
        (i32::from(other.q) - i32::from(self.q), i32::from(other.r) - i32::from(self.r))
    }

    /// Grid distance: the fewest steps between neighbours from one to the other.
    #[inline]
    pub(crate) fn distance(self, other: Self) -> u32 {
        let (q, r) = self.towards(other);
        q.unsigned_abs().max(r.unsigned_abs()).max((q + r).unsigned_abs())
    }

    /// The cell `(q, r)` away.
    pub(super) fn offset(self, (q, r): (i32, i32)) -> Option<Self> {
        Self::new(i32::from(self.q) + q, i32::from(self.r) + r)
    }
}

/// The number of cells within a grid distance, including the middle one.
pub(super) fn disk_size(radius: u64) -> u64 {
    3 * radius * (radius + 1) + 1
}

/// The `index`-th cell around the origin, counted outwards ring by ring: a bijection from 0.. to the lattice.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a ring's number is at most the farthest distance, 10,000"
)]
pub(super) fn spiral(index: u64) -> (i32, i32) {
    if index == 0 {
        return (0, 0);
    }
    // Ring d holds the indices from disk_size(d - 1) to disk_size(d) - 1: the root of 3 d (d - 1) + 1 =
    // index, then one step either way against rounding.
    let mut ring = ((3.0 + ((12 * index - 3) as f64).sqrt()) / 6.0) as u64;
    if disk_size(ring - 1) > index {
        ring -= 1;
    } else if disk_size(ring) <= index {
        ring += 1;
    }
    let along = index - disk_size(ring - 1);
    let (side, step) = ((along / ring) as usize, (along % ring) as i32);
    let (corner, edge) = (DIRECTIONS[(side + 4) % 6], DIRECTIONS[side]);
    let ring = ring as i32;
    (corner.0 * ring + edge.0 * step, corner.1 * ring + edge.1 * step)
}

/// A shortest path between two cells that stays close to the straight line: steps in at most two directions,
/// spread evenly. Any step can be computed on its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    from: Hex,
    /// The total number of steps.
    pub(super) hops: u32,
    major: (i32, i32),
    minor: (i32, i32),
    minor_hops: u32,
}

impl Way {
    pub(super) fn new(from: Hex, to: Hex) -> Self {
        let (q, r) = from.towards(to);
        let hops = from.distance(to);
        let along = ((q.signum(), 0), q.unsigned_abs());
        let across = ((0, r.signum()), r.unsigned_abs());
        let (one, two) = if i64::from(q) * i64::from(r) >= 0 {
            (along, across)
        } else {
            // Steps (1, -1) or (-1, 1) advance both; the rest go along the longer one.
            let both = q.unsigned_abs().min(r.unsigned_abs());
            let rest = if along.1 > across.1 { along.0 } else { across.0 };
            (((q.signum(), r.signum()), both), (rest, hops - both))
        };
        let (major, minor) = if one.1 >= two.1 { (one, two) } else { (two, one) };
        Self { from, hops, major: major.0, minor: minor.0, minor_hops: minor.1 }
    }

    /// The cell after `hop` steps, at most the total.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "between two cells of one map, so within its frame"
    )]
    pub(super) fn at(&self, hop: u32) -> Hex {
        let hops = u64::from(self.hops.max(1));
        let minor = ((u64::from(hop) * u64::from(self.minor_hops) + hops / 2) / hops) as i32;
        let major = hop as i32 - minor;
        let q = i32::from(self.from.q) + major * self.major.0 + minor * self.minor.0;
        let r = i32::from(self.from.r) + major * self.major.1 + minor * self.minor.1;
        Hex { q: q as i16, r: r as i16 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_spiral_visits_every_cell_once_ring_by_ring() {
        let origin = Hex::default();
        let mut seen = HashSet::new();
        for index in 0..disk_size(60) {
            let cell = origin.offset(spiral(index)).unwrap();
            let ring = u64::from(origin.distance(cell));
            assert!(index < disk_size(ring) && (ring == 0 || index >= disk_size(ring - 1)));
            assert!(seen.insert(cell));
        }
        for ring in [1_000, 9_999, 10_000] {
            for index in [disk_size(ring - 1), disk_size(ring) - 1] {
                assert_eq!(u64::from(origin.distance(origin.offset(spiral(index)).unwrap())), ring);
            }
        }
    }

    #[test]
    fn ways_are_shortest_and_step_between_neighbours() {
        let from = Hex { q: 20, r: 20 };
        for index in 0..disk_size(12) {
            let to = from.offset(spiral(index)).unwrap();
            let way = Way::new(from, to);
            assert_eq!(way.hops, from.distance(to));
            assert_eq!((way.at(0), way.at(way.hops)), (from, to));
            for hop in 0..way.hops {
                assert_eq!(way.at(hop).distance(way.at(hop + 1)), 1);
            }
        }
    }
}
