//! The map: H3 cells of resolution 9 over a box, as one planar lattice in axial coordinates.
//!
//! H3 is used once per box, to lay out the map: the position of each cell and its centre. From then on a cell
//! is a pair of small integers; H3's local IJ axes are 120 degrees apart, so (i, j) is (i, -j) in axial
//! coordinates. The lattice is slightly sheared: in Berlin neighbours are 0.315, 0.330 or 0.344 km apart, by
//! direction. Distances are therefore measured between centres: on the sphere, from the chord, which is
//! equivalent to the haversine formula.
//!
//! Places of arrivals are uniform over the box and snapped to the cell that contains them. So a cell is drawn
//! in proportion to its area within the box, and cells across the border count with the part that is inside.
//! A cell belongs to the box if its centre does.

mod alias;
mod buckets;
mod hex;
mod layout;
#[cfg(test)]
mod tests;

use sweep_runtime::{DomainError, Stream};

pub(crate) use buckets::Buckets;

use super::Time;
use super::drive::Drive;
use super::settings::Bounds;
use super::space::Space;
use alias::Alias;
use hex::{Hex, Way, disk_size, spiral};

/// Radius of H3's sphere, which has the earth's area, km.
const EARTH_KM: f64 = 6_371.007_180_918_475;
/// Half a chord below which the arc is computed from the first three terms of its series.
const SMALL_CHORD: f64 = 0.008;
/// Proposals for a destination before the box is searched cell by cell; most boxes take one to four.
const PROPOSALS: u32 = 64;

/// The map; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Map {
    bounds: Bounds,
    /// Cells in a row of the frame, which contains all cells of the map and more.
    width: usize,
    /// Centres of the frame's cells on the unit sphere.
    centres: Vec<[f64; 3]>,
    /// H3's numbers of the frame's cells.
    numbers: Vec<i64>,
    /// Whether a cell's centre is in the box.
    inside: Vec<bool>,
    /// The cells whose centre is in the box, in a fixed order.
    cells: Vec<Hex>,
    /// The cells that touch the box, and the share of it in each.
    touching: Vec<Hex>,
    shares: Alias,
    /// Less than the km between two cells for each step between them.
    least_km_a_step: f64,
}

impl Map {
    /// Lays out the box.
    ///
    /// # Errors
    /// `box_without_cells`, `box_too_large`, or `map_not_planar` if one of the twelve pentagons breaks the
    /// lattice.
    pub(crate) fn new(bounds: Bounds) -> Result<Self, DomainError> {
        layout::lay_out(bounds)
    }

    /// The box of this map.
    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    #[inline]
    fn slot(&self, cell: Hex) -> usize {
        #[expect(clippy::cast_sign_loss, reason = "a cell of the frame, which starts at 0")]
        let (q, r) = (cell.q as usize, cell.r as usize);
        r * self.width + q
    }

    fn has(&self, cell: Hex) -> bool {
        let row = 0..self.width;
        let column = usize::try_from(cell.q).is_ok_and(|q| row.contains(&q));
        column && cell.r >= 0 && self.inside.get(self.slot(cell)).copied().unwrap_or(false)
    }

    /// The square of the chord on the unit sphere: a monotone function of the distance.
    #[inline]
    fn chord_squared(&self, one: Hex, other: Hex) -> f64 {
        let [one, other] = [self.centres[self.slot(one)], self.centres[self.slot(other)]];
        let [dx, dy, dz] = [one[0] - other[0], one[1] - other[1], one[2] - other[2]];
        dx * dx + dy * dy + dz * dz
    }

    /// One of the cells within the distances, uniformly, or `None` if there are none. Used when proposals
    /// fail.
    fn search(&self, from: Hex, [least, most]: [u32; 2], stream: &mut Stream) -> Option<Hex> {
        let fits = |cell: &&Hex| (least..=most).contains(&from.distance(**cell));
        let count = self.cells.iter().filter(fits).count();
        self.cells.iter().filter(fits).nth(below(count as u64, stream)?).copied()
    }
}

/// Uniform in `0..count`, or `None` if that is empty.
fn below(count: u64, stream: &mut Stream) -> Option<usize> {
    let product = u128::from(stream.bits()) * u128::from(count);
    (count > 0).then(|| usize::try_from(product >> 64).expect("below a count of cells"))
}

/// 2 R asin(chord / 2), the haversine formula. Up to about 100 km the next term of the series is below 1e-11
/// of the sum.
#[inline]
fn km_of_chord(squared: f64) -> f64 {
    let half = squared.sqrt() / 2.0;
    if half < SMALL_CHORD {
        let square = half * half;
        return 2.0 * EARTH_KM * half * (1.0 + square * (1.0 / 6.0 + square * (3.0 / 40.0)));
    }
    2.0 * EARTH_KM * libm::asin(half.min(1.0))
}

impl Space for Map {
    type Place = Hex;
    type Index = Buckets;

    fn arrival(&self, stream: &mut Stream) -> Hex {
        self.touching[self.shares.draw(stream)]
    }

    /// Uniform by rejection: cells of the rings around `from` until one is in the box, or cells of the box
    /// until one is within the distances, whichever are fewer. After some proposals all cells are searched,
    /// which gives the same distribution and is sure to end.
    fn destination(&self, from: Hex, cells: [u32; 2], stream: &mut Stream) -> Option<Hex> {
        let [least, most] = cells.map(u64::from);
        let nearer = least.checked_sub(1).map_or(0, disk_size);
        let around = disk_size(most) - nearer;
        for _ in 0..PROPOSALS {
            if around < self.cells.len() as u64 {
                let index = nearer + below(around, stream)? as u64;
                if let Some(cell) = from.offset(spiral(index)).filter(|cell| self.has(*cell)) {
                    return Some(cell);
                }
            } else {
                let cell = self.cells[below(self.cells.len() as u64, stream)?];
                if (cells[0]..=cells[1]).contains(&from.distance(cell)) {
                    return Some(cell);
                }
            }
        }
        self.search(from, cells, stream)
    }

    #[inline]
    fn km(&self, one: Hex, other: Hex) -> f64 {
        km_of_chord(self.chord_squared(one, other))
    }

    fn hops(&self, from: Hex, to: Hex) -> u32 {
        from.distance(to)
    }

    fn on_the_way(&self, from: Hex, to: Hex, hop: u32) -> Hex {
        Way::new(from, to).at(hop)
    }

    /// One event per leg is exact in distribution: the hops are drawn here one after the other, each with its
    /// own number of the leg's stream, its own length and the hour at which it starts, just as one event per
    /// hop would draw them.
    fn drive(
        &self,
        from: Hex,
        to: Hex,
        drive: &Drive,
        mut hops: Stream,
        start: Time,
        until: Time,
    ) -> (Time, Hex) {
        let way = Way::new(from, to);
        let (mut time, mut place) = (start, from);
        for hop in 1..=way.hops {
            let next = way.at(hop);
            let arrival = time + drive.hop(self.km(place, next), time, 1.0, &mut hops);
            // In the same ms the cancellation comes first, because it was scheduled first.
            if arrival >= until {
                return (until, place);
            }
            (time, place) = (arrival, next);
        }
        (time, place)
    }

    fn cells(&self) -> usize {
        self.centres.len()
    }

    fn cell(&self, place: Hex) -> usize {
        self.slot(place)
    }

    fn public(&self, place: Hex) -> i64 {
        self.numbers[self.slot(place)]
    }
}
