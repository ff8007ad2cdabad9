//! A ride-hailing marketplace: riders and drivers on a hexagonal map, event by event.
//!
//! Riders arrive, get a quote of fare and ETA, accept or refuse it, and wait with limited patience. The
//! platform offers waiting riders to idle drivers within reach, in passes or one by one, and drivers accept
//! or refuse. An accepted driver drives to the pickup and then to the drop-off, hop by hop over H3 cells of
//! resolution 9. Drivers go off duty when they have earned or worked enough. All times are in ms from the
//! start; money is in any one currency.
//!
//! Not modelled: streets (paths follow the lattice), repositioning (idle drivers stay where they are),
//! pooling, and demand that learns. What the contract of the parameter names leaves open is decided in
//! docs/decisions/0008-ridehail.md.
//!
//! The names, the defaults and the order of events follow github.com/dpapukchiev/ride-hailing-simulation,
//! which first defined them; none of its code is here.

mod arrivals;
mod assignment;
mod calendar;
mod city;
mod declare;
mod drive;
mod entities;
mod events;
mod map;
mod purposes;
mod report;
mod settings;
mod snapshots;
mod space;
#[cfg(test)]
mod tests;

use sweep_runtime::{Declaration, DomainError, Model, Output, Parameters, Streams};

use city::{Arena, Observer, simulate};
use map::Map;
use report::{Report, Times, write_trips};
use settings::{Bounds, Settings};
use snapshots::Snapshots;

/// A time or a duration, ms.
pub(crate) type Time = u64;

/// The model; see the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Ridehail;

/// The map of the last box, and the memory of the last simulation.
#[derive(Debug, Default)]
pub struct Scratch {
    map: Option<Map>,
    arena: Arena<Map>,
    times: Times,
}

impl Model for Ridehail {
    type Scratch = Scratch;

    fn declaration(&self) -> Declaration {
        declare::declaration()
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        streams: &Streams,
        scratch: &mut Scratch,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let settings = Settings::read(given)?;
        let Scratch { map, arena, times } = scratch;
        let map = map_of(map, settings.bounds)?;
        let mut snapshots = output.rows("snapshots").map(|rows| Snapshots::new(rows, settings.end));
        let observer = snapshots.as_mut().map(|snapshots| snapshots as &mut dyn Observer);
        let events = simulate(&settings, map, streams, arena, observer)?;
        if let Some(rows) = output.rows("trips") {
            write_trips(map, arena, settings.end, rows);
        }
        Report::of(&settings, arena, events, times).write(output);
        Ok(())
    }
}

/// The map of a box, laid out again only if the box has changed.
fn map_of(kept: &mut Option<Map>, bounds: Bounds) -> Result<&Map, DomainError> {
    let map = match kept.take() {
        Some(map) if map.bounds() == bounds => map,
        _ => Map::new(bounds)?,
    };
    Ok(kept.insert(map))
}
