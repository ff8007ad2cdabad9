//! The cities with a promised speed: three hours each, with passes every five seconds.

use std::fmt;

use sweep_models::Ridehail;
use sweep_runtime::{Trial, ValueRef};

const MATCH_RADIUS: i64 = 10;
const HOURS: i64 = 3;
const HOUR_MS: i64 = 3_600_000;

/// A city, and when its three hours begin: around midnight a third arrive, from 8 h on all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) riders: i64,
    pub(crate) drivers: i64,
    pub(crate) from_hour: i64,
}

/// Every row of the table.
pub(crate) const ROWS: [Row; 8] = [
    Row { riders: 500, drivers: 100, from_hour: 0 },
    Row { riders: 500, drivers: 100, from_hour: 8 },
    Row { riders: 1_000, drivers: 500, from_hour: 0 },
    Row { riders: 1_000, drivers: 500, from_hour: 8 },
    Row { riders: 10_000, drivers: 7_000, from_hour: 0 },
    Row { riders: 10_000, drivers: 7_000, from_hour: 8 },
    Row { riders: 100_000, drivers: 20_000, from_hour: 0 },
    Row { riders: 100_000, drivers: 20_000, from_hour: 8 },
];

impl Row {
    /// Points of the city in new scratch memory, still empty.
    pub(crate) fn trial(self) -> Trial<'static> {
        let given: [(&str, ValueRef<'static>); 6] = [
            ("num_riders", self.riders.into()),
            ("num_drivers", self.drivers.into()),
            ("epoch_ms", (self.from_hour * HOUR_MS).into()),
            ("simulation_duration_hours", HOURS.into()),
            ("match_radius", MATCH_RADIUS.into()),
            ("matching_algorithm_type", "hungarian".into()),
        ];
        Trial::new(&Ridehail, &given)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} / {}, from {} h", self.riders, self.drivers, self.from_hour)
    }
}
