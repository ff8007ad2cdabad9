//! Entities by their bucket of four by four cells: a coarse index over the map.
//!
//! Buckets and the list of all entities are plain vectors that keep their memory, so nothing is allocated
//! once a thread has run its largest point. Results do not depend on the order within them.

use super::hex::Hex;
use super::{Map, km_of_chord};
use crate::ridehail::space::{Index, Visitor};

/// A bucket is 2^SHIFT cells wide: few enough entities in the buckets around a place, few enough buckets in a
/// disk.
const SHIFT: i16 = 2;
/// Up to this many entities, a search for the nearest compares all of them.
const FEW: usize = 24;
/// Up to this many entities, a search within a radius compares all of them, unless there are fewer buckets
/// within it: visiting an entity or a bucket costs about the same.
const FEW_BUCKETS: u32 = 200;
/// Not in the list.
const NOWHERE: u32 = u32::MAX;
const EARTH_PER_KM: f64 = 1.0 / super::EARTH_KM;

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Hex,
    id: u32,
}

/// The index; see the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    columns: i16,
    rows: i16,
    grid: Vec<Vec<Entry>>,
    all: Vec<Entry>,
    /// The index of each entity in `all`.
    places: Vec<u32>,
}

impl Buckets {
    #[inline]
    fn bucket(&self, column: i16, row: i16) -> usize {
        #[expect(clippy::cast_sign_loss, reason = "a bucket of the frame, which starts at 0")]
        let (column, row, columns) = (column as usize, row as usize, self.columns as usize);
        row * columns + column
    }

    fn bucket_of(&self, at: Hex) -> usize {
        self.bucket(at.q >> SHIFT, at.r >> SHIFT)
    }

    /// Whether there are fewer entities than buckets within a radius.
    fn are_few(&self, radius: u32) -> bool {
        let side = 2 * (radius >> SHIFT) + 3;
        self.all.len() <= side.saturating_mul(side).min(FEW_BUCKETS) as usize
    }

    /// Calls `visit` for each bucket of a square ring: its column or row is `ring` from the middle's, the
    /// other at most that.
    fn ring(&self, middle: Hex, ring: i16, mut visit: impl FnMut(&[Entry])) {
        let (column, row) = (middle.q >> SHIFT, middle.r >> SHIFT);
        let columns = (column - ring).max(0)..=(column + ring).min(self.columns - 1);
        for edge in [row - ring, row + ring].into_iter().take(if ring == 0 { 1 } else { 2 }) {
            if (0..self.rows).contains(&edge) {
                columns.clone().for_each(|column| visit(&self.grid[self.bucket(column, edge)]));
            }
        }
        let rows = (row - ring + 1).max(0)..=(row + ring - 1).min(self.rows - 1);
        for edge in [column - ring, column + ring] {
            if (0..self.columns).contains(&edge) {
                rows.clone().for_each(|row| visit(&self.grid[self.bucket(edge, row)]));
            }
        }
    }
}

/// The least grid distance to a bucket of a ring: this many columns or rows of cells lie between.
fn steps_to_ring(ring: i16) -> u32 {
    let steps = ((ring - 1).max(0) << SHIFT) + i16::from(ring > 0);
    steps.unsigned_abs().into()
}

/// The nearest so far.
struct Nearest<'a> {
    map: &'a Map,
    from: Hex,
    /// The square of its chord.
    best: f64,
}

impl Nearest<'_> {
    /// Whether no entity at that grid distance or beyond can be nearer.
    fn beats(&self, steps: u32) -> bool {
        let least = f64::from(steps) * self.map.least_km_a_step * EARTH_PER_KM;
        least * least > self.best
    }

    fn visit(&mut self, entries: &[Entry]) {
        for entry in entries {
            if !self.beats(self.from.distance(entry.at)) {
                self.best = self.best.min(self.map.chord_squared(self.from, entry.at));
            }
        }
    }
}

impl Index<Map> for Buckets {
    fn clear(&mut self, map: &Map) {
        let side = |cells: usize| i16::try_from((cells >> SHIFT) + 1).expect("a frame's side fits 16 bits");
        (self.columns, self.rows) = (side(map.width), side(map.centres.len() / map.width));
        self.grid.iter_mut().for_each(Vec::clear);
        self.grid.resize_with(self.bucket(0, self.rows), Vec::new);
        self.all.clear();
        self.places.clear();
    }

    fn insert(&mut self, id: u32, at: Hex) {
        let place = id as usize;
        if self.places.len() <= place {
            self.places.resize(place + 1, NOWHERE);
        }
        debug_assert_eq!(self.places[place], NOWHERE, "{id} is in the index already");
        self.places[place] = u32::try_from(self.all.len()).expect("as many as there are ids");
        self.all.push(Entry { at, id });
        let bucket = self.bucket_of(at);
        self.grid[bucket].push(Entry { at, id });
    }

    fn remove(&mut self, id: u32, at: Hex) {
        let place = std::mem::replace(&mut self.places[id as usize], NOWHERE);
        self.all.swap_remove(place as usize);
        if let Some(moved) = self.all.get(place as usize) {
            self.places[moved.id as usize] = place;
        }
        let bucket = self.bucket_of(at);
        let bucket = &mut self.grid[bucket];
        let found = bucket.iter().position(|entry| entry.id == id).expect("an entity is where it was put");
        bucket.swap_remove(found);
    }

    fn nearest(&self, map: &Map, from: Hex) -> Option<f64> {
        if self.all.is_empty() {
            return None;
        }
        let mut nearest = Nearest { map, from, best: f64::INFINITY };
        if self.all.len() <= FEW {
            nearest.visit(&self.all);
            return Some(km_of_chord(nearest.best));
        }
        for ring in 0..self.columns.max(self.rows) {
            if nearest.beats(steps_to_ring(ring)) {
                break;
            }
            self.ring(from, ring, |entries| nearest.visit(entries));
        }
        Some(km_of_chord(nearest.best))
    }

    fn outwards(&self, map: &Map, from: Hex, radius: u32, visitor: &mut impl Visitor<Hex>) {
        let look = |entries: &[Entry], reach: u32, visitor: &mut _| {
            for entry in entries.iter().filter(|entry| from.distance(entry.at) <= reach) {
                Visitor::visit(visitor, entry.id, entry.at);
            }
        };
        if self.are_few(radius) {
            look(&self.all, radius, visitor);
            visitor.horizon();
            return;
        }
        let mut reach = radius;
        for ring in 0..self.columns.max(self.rows) {
            self.ring(from, ring, |entries| look(entries, reach, visitor));
            // From the next whole number on, steps reach beyond the horizon. Casts saturate.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates, not negative"
            )]
            let steps = (visitor.horizon() / map.least_km_a_step) as u32;
            reach = radius.min(steps);
            if steps_to_ring(ring + 1) > reach {
                break;
            }
        }
    }

    fn within(&self, from: Hex, radius: u32, mut visit: impl FnMut(u32, Hex)) {
        let mut look = |entries: &[Entry]| {
            for entry in entries {
                if from.distance(entry.at) <= radius {
                    visit(entry.id, entry.at);
                }
            }
        };
        if self.are_few(radius) {
            return look(&self.all);
        }
        let reach = i16::try_from(radius).expect("the declared range ends at 10,000");
        let span = |middle: i16, count: i16| {
            ((middle - reach) >> SHIFT).max(0)..=((middle.saturating_add(reach)) >> SHIFT).min(count - 1)
        };
        for row in span(from.r, self.rows) {
            for column in span(from.q, self.columns) {
                look(&self.grid[self.bucket(column, row)]);
            }
        }
    }
}
