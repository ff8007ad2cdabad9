//! What the simulation needs of space. The model has one, the hexagonal [`super::map`]; tests have others, where
//! theory is exact: a torus, and trips whose length does not depend on places.

use std::fmt::Debug;

use sweep_runtime::Stream;

use super::Time;
use super::drive::Drive;

const SECOND: Time = 1000;

/// Places, the distances between them, and the time that driving takes.
pub(crate) trait Space {
    /// Where somebody is.
    type Place: Copy + PartialEq + Debug;
    /// Entities by the place that they are at.
    type Index: Index<Self> + Default;

    /// A place for somebody who arrives.
    fn arrival(&self, stream: &mut Stream) -> Self::Place;

    /// Where a rider at `from` wants to go, the grid distance being within `cells`; nothing where there is no such
    /// place.
    fn destination(&self, from: Self::Place, cells: [u32; 2], stream: &mut Stream) -> Option<Self::Place>;

    /// The distance, km.
    fn km(&self, one: Self::Place, other: Self::Place) -> f64;

    /// Steps of the way between two places.
    fn hops(&self, from: Self::Place, to: Self::Place) -> u32;

    /// The place after `hop` of those steps.
    fn on_the_way(&self, from: Self::Place, to: Self::Place, hop: u32) -> Self::Place;

    /// Drives from `start` on, until it is there or, if that is not later, until `until`; returns when and where that
    /// is. A place is left when the next one is reached, and at `until` no more is.
    fn drive(
        &self,
        from: Self::Place,
        to: Self::Place,
        drive: &Drive,
        hops: Stream,
        start: Time,
        until: Time,
    ) -> (Time, Self::Place);

    /// How long a rider waits who has accepted a quote; [`whole_seconds`] unless a theory wants it otherwise.
    fn patience(&self, bounds: [Time; 2], stream: &mut Stream) -> Time {
        whole_seconds(bounds, stream)
    }

    /// How many different places there are for counting drivers in them, and the number of one of them.
    fn cells(&self) -> usize;
    /// See [`Space::cells`].
    fn cell(&self, place: Self::Place) -> usize;

    /// The number by which the outside knows a place: the H3 index.
    fn public(&self, place: Self::Place) -> i64;
}

/// A set of entities, each at a place. What it answers may not depend on the order in which they came.
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
    /// Shows the visitor the entities within a grid distance, from near to far in groups, as far as it looks.
    fn outwards(&self, space: &S, from: S::Place, radius: u32, visitor: &mut impl Visitor<S::Place>);
}

/// Who is shown entities from near to far.
pub(crate) trait Visitor<P> {
    /// An entity.
    fn visit(&mut self, id: u32, at: P);
    /// The km up to which it looks on, after a group; asked at least once, after the last one.
    fn horizon(&mut self) -> f64;
}

/// Whole seconds within the bounds, each as likely as another.
pub(crate) fn whole_seconds([least, most]: [Time; 2], stream: &mut Stream) -> Time {
    let spread = (most - least) / SECOND + 1;
    // The high half of the product is uniform in 0..spread.
    let seconds =
        u64::try_from((u128::from(stream.bits()) * u128::from(spread)) >> 64).expect("below spread");
    least + seconds * SECOND
}
