//! The dataset `snapshots`: the numbers in each state, at each whole second before which something happened,
//! and at the end.

use sweep_runtime::{Rows, ValueRef};

use super::Time;
use super::city::{Census, Observer};
use super::entities::{DriverState, RiderState};

const SECOND: Time = 1000;

/// Writes rows as time advances.
#[derive(Debug)]
pub(super) struct Snapshots<'a> {
    rows: &'a mut Rows,
    /// The second at which the last event is to be written.
    due: Time,
    /// The second that was written last.
    written: Option<Time>,
    /// The end of the simulation, which is always written.
    end: Time,
}

impl<'a> Snapshots<'a> {
    pub(super) fn new(rows: &'a mut Rows, end: Time) -> Self {
        Self { rows, due: 0, written: None, end }
    }

    /// Writes the second that is due, unless that is done already, or the end is less than a second later and
    /// replaces it.
    fn write_due(&mut self, census: Census) {
        if self.written != Some(self.due) && self.due + SECOND <= self.end {
            self.write(self.due, census);
        }
    }

    fn write(&mut self, time: Time, Census { riders, drivers, trips }: Census) {
        use RiderState::{Abandoned, Browsing, Cancelled, Completed, InTransit, Matched, Offered, Seeking};
        self.written = Some(time);
        let rider = |state: RiderState| i64::from(riders[state as usize]);
        let driver = |state: DriverState| i64::from(drivers[state as usize]);
        let (en_route, on_trip) = (driver(DriverState::EnRoute), driver(DriverState::OnTrip));
        let trips = i64::try_from(trips).expect("at most one a rider");
        let values: [i64; 16] = [
            i64::try_from(time).expect("within ten years and some days"),
            rider(Browsing),
            rider(Seeking) + rider(Offered) + rider(Matched),
            rider(InTransit),
            rider(Completed),
            rider(Cancelled),
            rider(Abandoned),
            driver(DriverState::Idle),
            driver(DriverState::Evaluating),
            en_route,
            on_trip,
            driver(DriverState::OffDuty),
            en_route,
            on_trip,
            rider(Completed),
            trips - en_route - on_trip - rider(Completed),
        ];
        self.rows.push(&values.map(ValueRef::Int));
    }
}

impl Observer for Snapshots<'_> {
    /// Writes the previous numbers, if a second with events is over.
    fn advance(&mut self, time: Time, census: Census) {
        if self.due < time {
            self.write_due(census);
        }
        self.due = time.div_ceil(SECOND) * SECOND;
    }

    fn finish(&mut self, end: Time, census: Census) {
        self.write_due(census);
        self.write(end, census);
    }
}
