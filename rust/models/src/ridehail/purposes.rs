//! What random numbers are for. Each purpose has a stream for each entity, so that one entity's numbers depend on
//! nothing that others do, and points of a run share them.
//!
//! Entities are riders or drivers by their place in the order of arrival. A choice that is made again, an answer to
//! another quote or offer, is made with the next block of its stream: with the first one again, nobody would ever
//! change an answer.

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
/// By rider, as a rider is driven to at most once, and driven at most once.
pub(super) const PICKUP_HOPS: u32 = 11;
pub(super) const TRIP_HOPS: u32 = 12;
