//! Ride-hailing.
#![allow(dead_code)]
mod arrivals;
mod assignment;
mod calendar;
mod declare;
mod drive;
mod hex;
mod map;
mod settings;
mod space;

/// A time or a duration, ms.
pub(crate) type Time = u64;
