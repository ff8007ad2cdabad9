//! The purposes of random numbers. Each purpose has a stream per entity, so that an entity's numbers do not
//! depend on what others do, and points of a run share them.
//!
//! Entities are riders or drivers by their position in the order of arrival. A repeated choice, such as an
//! answer to another quote or offer, uses the next block of its stream: with the same block, answers would
//! never change.

pub(super) const RIDER_GAPS: u32 = 0;
pub(super) const RIDER_STAYS: u32 = 1;
pub(super) const DRIVER_GAPS: u32 = 2;
pub(super) const DRIVER_STAYS: u32 = 3;
pub(super) const PICKUPS: u32 = 4;
pub(super) const DESTINATIONS: u32 = 5;
pub(super) const DRIVER_PLACES: u32 = 6;
pub(super) const ANSWERS: u32 = 7;
pub(super) const PATIENCE: u32 = 8;
pub(super) const DRIVER_TRAITS: u32 = 9;
pub(super) const DRIVER_ANSWERS: u32 = 10;
/// By rider, because each rider has at most one pickup and one trip.
pub(super) const PICKUP_HOPS: u32 = 11;
pub(super) const TRIP_HOPS: u32 = 12;
