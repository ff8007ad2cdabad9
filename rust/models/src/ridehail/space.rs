//! What the simulation needs from space. The model uses the hexagonal [`super::map`]. Tests use others, for
//! which theory is exact: a torus, and trips whose length does not depend on places.

use std::fmt::Debug;

use sweep_runtime::Stream;

use super::Time;
use super::drive::Drive;

const SECOND: Time = 1000;

/// Places, the distances between them, and the time that driving takes.
pub(crate) trait Space {
    /// A position.
    type Place: Copy + PartialEq + Debug;
    /// Entities by place.
    type Index: Index<Self> + Default;

    /// The place of an arrival.
    fn arrival(&self, stream: &mut Stream) -> Self::Place;

    /// The destination of a rider at `from`, with a grid distance within `cells`. `None` if there is no such
    /// place.
    fn destination(&self, from: Self::Place, cells: [u32; 2], stream: &mut Stream) -> Option<Self::Place>;

    /// The distance, km.
    fn km(&self, one: Self::Place, other: Self::Place) -> f64;

    /// Number of steps between two places.
    fn hops(&self, from: Self::Place, to: Self::Place) -> u32;

    /// The place after `hop` of those steps.
    fn on_the_way(&self, from: Self::Place, to: Self::Place, hop: u32) -> Self::Place;

    /// Drives from time `start` until arrival or until time `until`, whichever is first; returns when and
    /// where that is. A place is left when the next one is reached; none is reached at `until`.
    fn drive(
        &self,
        from: Self::Place,
        to: Self::Place,
        drive: &Drive,
        hops: Stream,
        start: Time,
        until: Time,
    ) -> (Time, Self::Place);

    /// The patience of a rider who has accepted a quote; [`whole_seconds`] unless a theory assumes another
    /// law.
    fn patience(&self, bounds: [Time; 2], stream: &mut Stream) -> Time {
        whole_seconds(bounds, stream)
    }

    /// The number of places in which drivers are counted.
    fn cells(&self) -> usize;
    /// The number of a place, below [`Space::cells`].
    fn cell(&self, place: Self::Place) -> usize;

    /// The public number of a place: the H3 index.
    fn public(&self, place: Self::Place) -> i64;
}

/// A set of entities, each at a place. Answers must not depend on the order of insertion.
pub(crate) trait Index<S: Space + ?Sized> {
    /// Empties it for a space.
    fn clear(&mut self, space: &S);
    /// Adds an entity that is not in it.
    fn insert(&mut self, id: u32, at: S::Place);
    /// Removes an entity that is in it.
    fn remove(&mut self, id: u32, at: S::Place);
    /// The distance to the nearest entity, km.
    fn nearest(&self, space: &S, from: S::Place) -> Option<f64>;
    /// Calls `visit` for every entity within a grid distance, in any order.
    fn within(&self, from: S::Place, radius: u32, visit: impl FnMut(u32, S::Place));
    /// Shows the visitor the entities within a grid distance, in groups from near to far, up to the visitor's
    /// horizon.
    fn outwards(&self, space: &S, from: S::Place, radius: u32, visitor: &mut impl Visitor<S::Place>);
}

/// Visits entities from near to far.
pub(crate) trait Visitor<P> {
    /// An entity.
    fn visit(&mut self, id: u32, at: P);
    /// Called after a group: the km up to which the visitor wants more. Called at least once, after the last
    /// group.
    fn horizon(&mut self) -> f64;
}

/// Whole seconds within the bounds, all equally likely.
pub(crate) fn whole_seconds([least, most]: [Time; 2], stream: &mut Stream) -> Time {
    let spread = (most - least) / SECOND + 1;
    // The high half of the product is uniform in 0..spread.
    let seconds =
        u64::try_from((u128::from(stream.bits()) * u128::from(spread)) >> 64).expect("below spread");
    least + seconds * SECOND
}
