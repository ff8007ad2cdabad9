//! Lays out a box: the frame around it, the centre of every cell, and each cell's share of the box.

use h3o::{CellIndex, CoordIJ, LatLng, LocalIJ, Resolution};
use sweep_runtime::DomainError;

use super::alias::Alias;
use super::hex::{DIRECTIONS, Hex};
use super::{EARTH_KM, Map};
use crate::ridehail::settings::Bounds;

const RESOLUTION: Resolution = Resolution::Nine;
/// Most cells of a frame, about 48,000 square km. A cell takes forty bytes, and each thread holds one map.
const MOST_CELLS: i64 = 500_000;
/// Most cells along a side of a frame: coordinates must fit 16 bits.
const LONGEST_SIDE: i64 = 30_000;
/// Less than any cell of resolution 9, square km. Used to refuse a huge box before searching it.
const SMALL_CELL: f64 = 0.05;
/// Cells along the border are found by steps of this many km: a border crosses few cells in much less ...
const BORDER_STEP_KM: f64 = 0.05;
/// ... and the frame extends this many cells beyond them, for missed cells and for all neighbours.
const MARGIN: i32 = 2;
/// Distances between neighbours of resolution 9, km. Anything outside means that a pentagon distorts the
/// lattice.
const SPACING: std::ops::Range<f64> = 0.2..0.5;
/// Within the largest box, a straight line is at least this share of the sum of its steps' heights.
const CURVATURE: f64 = 0.98;
/// The cells' shares of the box add up to it, except for rounding.
const TILING_ERROR: f64 = 1e-6;
const KM_IN_DEGREE: f64 = EARTH_KM * DEGREE;
const DEGREE: f64 = std::f64::consts::PI / 180.0;

/// See [`Map::new`].
pub(super) fn lay_out(bounds: Bounds) -> Result<Map, DomainError> {
    let frame = Frame::around(bounds)?;
    let mut map = Map {
        bounds,
        width: frame.width,
        centres: Vec::with_capacity(frame.width * frame.height),
        numbers: Vec::with_capacity(frame.width * frame.height),
        inside: Vec::with_capacity(frame.width * frame.height),
        cells: vec![],
        touching: vec![],
        shares: Alias::new(&[1.0]),
        least_km_a_step: f64::INFINITY,
    };
    let plane = place_cells(&mut map, &frame);
    let mut areas = vec![];
    for cell in frame.inner() {
        let area = clipped_area(bounds, corners(&map, &plane, cell));
        if area > 0.0 {
            let height = height(&map, cell).ok_or_else(|| not_planar(bounds))?;
            map.least_km_a_step = map.least_km_a_step.min(CURVATURE * height);
            map.touching.push(cell);
            areas.push(area);
        }
        if map.inside[map.slot(cell)] {
            map.cells.push(cell);
        }
    }
    if map.cells.is_empty() {
        return Err(DomainError::new(
            "box_without_cells",
            format!("no H3 cell has its centre in the box {}", words(bounds)),
        ));
    }
    // The cells tile the box, unless a pentagon's missing sixth is in it: then some are missing or occur
    // twice.
    let whole = (bounds.lat[1] - bounds.lat[0]) * (bounds.lng[1] - bounds.lng[0]);
    if (areas.iter().sum::<f64>() / whole - 1.0).abs() > TILING_ERROR {
        return Err(not_planar(bounds));
    }
    map.shares = Alias::new(&areas);
    Ok(map)
}

/// Fills the frame's arrays, and returns the centres as (latitude, longitude), degrees. For a cell that H3
/// does not have, the centre's coordinates are NaN.
fn place_cells(map: &mut Map, frame: &Frame) -> Vec<[f64; 2]> {
    let Bounds { lat, lng } = map.bounds;
    let mut plane = Vec::with_capacity(frame.width * frame.height);
    for cell in frame.cells() {
        let Some((number, [latitude, longitude])) = frame.centre(cell) else {
            map.numbers.push(0);
            map.centres.push([f64::NAN; 3]);
            map.inside.push(false);
            plane.push([f64::NAN; 2]);
            continue;
        };
        map.numbers.push(number);
        map.centres.push(on_sphere(latitude, longitude));
        let within = |value: f64, [low, high]: [f64; 2]| low <= value && value <= high;
        map.inside.push(within(latitude, lat) && within(longitude, lng));
        plane.push([latitude, longitude]);
    }
    plane
}

fn on_sphere(latitude: f64, longitude: f64) -> [f64; 3] {
    let (lat_sin, lat_cos) = libm::sincos(latitude * DEGREE);
    let (lng_sin, lng_cos) = libm::sincos(longitude * DEGREE);
    [lat_cos * lng_cos, lat_cos * lng_sin, lat_sin]
}

/// The corners of a cell: the centres of the triangles that it forms with pairs of neighbours. H3's own
/// corners are these on the face of the icosahedron; on the map they differ by about 1e-5 of a side.
fn corners(map: &Map, plane: &[[f64; 2]], cell: Hex) -> [[f64; 2]; 6] {
    let centre = |place: Option<Hex>| place.map_or([f64::NAN; 2], |cell| plane[map.slot(cell)]);
    let own = centre(Some(cell));
    let around = DIRECTIONS.map(|offset| centre(cell.offset(offset)));
    std::array::from_fn(|corner| {
        let (one, two) = (around[corner], around[(corner + 1) % 6]);
        [0, 1].map(|axis| (own[axis] + one[axis] + two[axis]) / 3.0)
    })
}

/// The least km between the cell's row and the next one, over the three directions. `None` if the lattice is
/// broken.
fn height(map: &Map, cell: Hex) -> Option<f64> {
    let km = |one: Hex, other: Hex| EARTH_KM * map.chord_squared(one, other).sqrt();
    let mut least = f64::INFINITY;
    for corner in 0..6 {
        let (one, two) = (cell.offset(DIRECTIONS[corner])?, cell.offset(DIRECTIONS[(corner + 1) % 6])?);
        let sides = [km(cell, one), km(cell, two), km(one, two)];
        if !sides.iter().all(|side| SPACING.contains(side)) {
            return None;
        }
        let half = sides.iter().sum::<f64>() / 2.0;
        // Heron's formula.
        let area = sides.iter().fold(half, |product, side| product * (half - side)).sqrt();
        least = least.min(2.0 * area / sides.into_iter().fold(0.0, f64::max));
    }
    Some(least)
}

/// Area of the part of a convex polygon that is in the box, in square degrees of the plane of latitude and
/// longitude. 0 if a corner is NaN.
///
/// Source: I. E. Sutherland, G. W. Hodgman, "Reentrant polygon clipping" (1974).
fn clipped_area(bounds: Bounds, corners: [[f64; 2]; 6]) -> f64 {
    let sides = [
        (0, 1.0, bounds.lat[0]),
        (0, -1.0, bounds.lat[1]),
        (1, 1.0, bounds.lng[0]),
        (1, -1.0, bounds.lng[1]),
    ];
    let mut polygon = corners.to_vec();
    for (axis, sign, bound) in sides {
        let depth = |corner: &[f64; 2]| sign * (corner[axis] - bound);
        if polygon.iter().all(|corner| depth(corner) >= 0.0) {
            continue;
        }
        let mut kept = Vec::with_capacity(polygon.len() + 1);
        for (place, corner) in polygon.iter().enumerate() {
            let next = &polygon[(place + 1) % polygon.len()];
            let (here, there) = (depth(corner), depth(next));
            if here >= 0.0 {
                kept.push(*corner);
            }
            if (here >= 0.0) != (there >= 0.0) {
                let share = here / (here - there);
                kept.push([0, 1].map(|axis| corner[axis] + share * (next[axis] - corner[axis])));
            }
        }
        polygon = kept;
    }
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    let twice: f64 = edges
        .map(|(a, b)| {
            (a[0] - bounds.lat[0]) * (b[1] - bounds.lng[0]) - (b[0] - bounds.lat[0]) * (a[1] - bounds.lng[0])
        })
        .sum();
    if twice.is_nan() { 0.0 } else { twice.abs() / 2.0 }
}

/// A parallelogram of the lattice that contains the box.
struct Frame {
    origin: CellIndex,
    /// Local IJ of the frame's (0, 0).
    corner: (i32, i32),
    width: usize,
    height: usize,
    middle_lng: f64,
}

impl Frame {
    fn around(bounds: Bounds) -> Result<Self, DomainError> {
        let [lat, lng] = [bounds.lat, bounds.lng];
        let area = (libm::sin(lat[1] * DEGREE) - libm::sin(lat[0] * DEGREE)) * (lng[1] - lng[0]) * DEGREE;
        if area * EARTH_KM * EARTH_KM / SMALL_CELL > MOST_CELLS as f64 {
            return Err(too_large(bounds));
        }
        let middle = [f64::midpoint(lat[0], lat[1]), f64::midpoint(lng[0], lng[1])];
        let origin = cell_at(middle);
        let (mut least, mut most) = ((i32::MAX, i32::MAX), (i32::MIN, i32::MIN));
        for point in border(bounds) {
            let local = cell_at(point).to_local_ij(origin).map_err(|_| not_planar(bounds))?;
            let (q, r) = (local.coord.i, -local.coord.j);
            least = (least.0.min(q), least.1.min(r));
            most = (most.0.max(q), most.1.max(r));
        }
        let side = |least: i32, most: i32| i64::from(most) - i64::from(least) + 1 + 2 * i64::from(MARGIN);
        let [width, height] = [side(least.0, most.0), side(least.1, most.1)];
        if width.max(height) > LONGEST_SIDE || width * height > MOST_CELLS {
            return Err(too_large(bounds));
        }
        let [width, height] = [width, height].map(|side| usize::try_from(side).expect("a bounded side"));
        let corner = (least.0 - MARGIN, least.1 - MARGIN);
        Ok(Self { origin, corner, width, height, middle_lng: middle[1] })
    }

    /// All cells, row by row.
    fn cells(&self) -> impl Iterator<Item = Hex> + use<> {
        let [width, height] =
            [self.width, self.height].map(|side| i16::try_from(side).expect("a bounded side"));
        (0..height).flat_map(move |r| (0..width).map(move |q| Hex { q, r }))
    }

    /// The cells that have all neighbours in the frame.
    fn inner(&self) -> impl Iterator<Item = Hex> + use<> {
        let [right, top] =
            [self.width - 1, self.height - 1].map(|side| i16::try_from(side).expect("a bounded side"));
        self.cells().filter(move |cell| cell.q > 0 && cell.r > 0 && cell.q < right && cell.r < top)
    }

    /// H3's number of a cell and its centre in degrees, the longitude within half a turn of the box's middle.
    fn centre(&self, cell: Hex) -> Option<(i64, [f64; 2])> {
        let (q, r) = (self.corner.0 + i32::from(cell.q), self.corner.1 + i32::from(cell.r));
        let index = CellIndex::try_from(LocalIJ::new(self.origin, CoordIJ::new(q, -r))).ok()?;
        let centre = LatLng::from(index);
        let mut lng = centre.lng();
        if lng - self.middle_lng > 180.0 {
            lng -= 360.0;
        } else if self.middle_lng - lng > 180.0 {
            lng += 360.0;
        }
        Some((i64::try_from(u64::from(index)).ok()?, [centre.lat(), lng]))
    }
}

fn cell_at([lat, lng]: [f64; 2]) -> CellIndex {
    LatLng::new(lat, lng).expect("within the declared ranges, so finite").to_cell(RESOLUTION)
}

/// Points along the four sides.
fn border(bounds: Bounds) -> impl Iterator<Item = [f64; 2]> {
    let steps = |[low, high]: [f64; 2]| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 360 degrees")]
        let count = ((high - low) * KM_IN_DEGREE / BORDER_STEP_KM).ceil() as u32;
        (0..=count).map(move |step| low + (high - low) * f64::from(step) / f64::from(count.max(1)))
    };
    let along = steps(bounds.lng).flat_map(move |lng| bounds.lat.map(|lat| [lat, lng]));
    let across = steps(bounds.lat).flat_map(move |lat| bounds.lng.map(|lng| [lat, lng]));
    along.chain(across)
}

fn words(Bounds { lat, lng }: Bounds) -> String {
    format!("lat_min = {}, lat_max = {}, lng_min = {}, lng_max = {}", lat[0], lat[1], lng[0], lng[1])
}

fn too_large(bounds: Bounds) -> DomainError {
    let message = format!("the box {} needs a frame of more than {MOST_CELLS} H3 cells", words(bounds));
    DomainError::new("box_too_large", message)
}

fn not_planar(bounds: Bounds) -> DomainError {
    let message =
        format!("H3's cells over the box {} are no plane lattice: a pentagon is near", words(bounds));
    DomainError::new("map_not_planar", message)
}
