//! The results of a simulation: the metrics, and the dataset `trips`.
//!
//! A rider who arrives before the end of the warm-up is not counted in any metric, so for the counted ones
//! spawned = completed + abandoned + cancelled + in the system. Stocks of drivers are averages over the time
//! after the warm-up.

use sweep_runtime::{Output, Rows, ValueRef};

use super::Time;
use super::city::Arena;
use super::entities::{DriverState, NOT_YET, RIDER_STATES, Refusal, RiderState};
use super::settings::Settings;
use super::space::Space;

/// Mean, median and 90th percentile of some times, ms; `None` if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spread(pub(super) Option<[f64; 3]>);

impl Spread {
    /// Sorts the times.
    fn of(times: &mut [Time]) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else { return Self(None) };
        let mean = times.iter().sum::<Time>() as f64 / times.len() as f64;
        // For an even number, the mean of the middle two.
        let median = f64::midpoint(times[last / 2] as f64, times[times.len() / 2] as f64);
        // floor(0.9 last), in integers.
        Self(Some([mean, median, times[last * 9 / 10] as f64]))
    }

    fn write(self, output: &mut Output, names: [&str; 3]) {
        for (place, name) in names.into_iter().enumerate() {
            output.metric(name, self.0.map(|values| values[place]));
        }
    }
}

/// All metrics of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Report {
    /// Counted riders by state at the end.
    pub(super) riders: [i64; RIDER_STATES],
    pub(super) spawned_riders: i64,
    /// Abandoned riders by the reason of their last refusal.
    pub(super) refusals: [i64; 3],
    pub(super) fares: f64,
    pub(super) revenue: f64,
    pub(super) payouts: f64,
    pub(super) matched: i64,
    pub(super) match_times: Spread,
    pub(super) pickup_times: Spread,
    pub(super) all_match_times: Spread,
    pub(super) spawned_drivers: i64,
    pub(super) on_duty: i64,
    pub(super) utilisation: Option<f64>,
    pub(super) idle: f64,
    pub(super) events: u64,
}

/// Memory for the times, reused.
#[derive(Debug, Default)]
pub(super) struct Times {
    completed: Vec<Time>,
    pickups: Vec<Time>,
    matched: Vec<Time>,
}

impl Report {
    /// Counts the riders and drivers in the arena.
    pub(super) fn of<S: Space>(
        settings: &Settings,
        arena: &Arena<S>,
        events: u64,
        times: &mut Times,
    ) -> Self {
        let mut report = Self { events, ..Self::default() };
        report.count_riders(settings, arena, times);
        report.match_times = Spread::of(&mut times.completed);
        report.pickup_times = Spread::of(&mut times.pickups);
        report.all_match_times = Spread::of(&mut times.matched);
        report.count_drivers(settings, arena);
        report
    }

    fn count_riders<S: Space>(&mut self, settings: &Settings, arena: &Arena<S>, times: &mut Times) {
        let Times { completed, pickups, matched } = times;
        [&mut *completed, pickups, matched].into_iter().for_each(Vec::clear);
        let riders = &arena.riders;
        for ((state, request), journey) in riders.states.iter().zip(&riders.requests).zip(&riders.journeys) {
            if request.requested_at < settings.warmup {
                continue;
            }
            self.spawned_riders += 1;
            self.riders[*state as usize] += 1;
            if journey.matched_at != NOT_YET {
                self.matched += 1;
                matched.push(journey.matched_at - request.requested_at);
            }
            if *state == RiderState::Completed {
                completed.push(journey.matched_at - request.requested_at);
                pickups.push(journey.pickup_at - journey.matched_at);
                let share = request.fare * settings.commission;
                self.fares += request.fare;
                self.revenue += share;
                self.payouts += request.fare - share;
            }
            if *state == RiderState::Abandoned {
                self.refusals[request.last_refusal as usize] += 1;
            }
        }
    }

    fn count_drivers<S: Space>(&mut self, settings: &Settings, arena: &Arena<S>) {
        let stocks = &arena.drivers.stocks;
        let time_in = |state| stocks.time_in(state, settings.end) as f64;
        let busy = time_in(DriverState::EnRoute) + time_in(DriverState::OnTrip);
        let on_duty = busy + time_in(DriverState::Idle) + time_in(DriverState::Evaluating);
        self.spawned_drivers = i64::from(arena.drivers.count());
        self.on_duty = self.spawned_drivers - i64::from(stocks.counts[DriverState::OffDuty as usize]);
        self.utilisation = (on_duty > 0.0).then(|| busy / on_duty);
        self.idle = time_in(DriverState::Idle) / (settings.end - settings.warmup) as f64;
    }

    fn riders(&self, state: RiderState) -> i64 {
        self.riders[state as usize]
    }

    /// Riders without a final state yet.
    pub(super) fn in_system(&self) -> i64 {
        use RiderState::{Browsing, InTransit, Matched, Offered, Seeking};
        [Browsing, Seeking, Offered, Matched, InTransit].map(|state| self.riders(state)).iter().sum()
    }

    /// Riders in a final state.
    pub(super) fn total(&self) -> i64 {
        [RiderState::Completed, RiderState::Abandoned, RiderState::Cancelled]
            .map(|state| self.riders(state))
            .iter()
            .sum()
    }

    /// Sets every metric.
    pub(super) fn write(&self, output: &mut Output) {
        let (completed, total) = (self.riders(RiderState::Completed), self.total());
        output.metric("total_riders", total);
        output.metric("completed_riders", completed);
        output.metric("abandoned_quote_riders", self.riders(RiderState::Abandoned));
        output.metric("cancelled_riders", self.riders(RiderState::Cancelled));
        output.metric("conversion_rate", if total == 0 { 0.0 } else { completed as f64 / total as f64 });
        output.metric("platform_revenue", self.revenue);
        output.metric("driver_payouts", self.payouts);
        output.metric("total_fares_collected", self.fares);
        output.metric("completed_trips", completed);
        output.metric("riders_abandoned_price", self.refusals[Refusal::Price as usize]);
        output.metric("riders_abandoned_eta", self.refusals[Refusal::Eta as usize]);
        output.metric("riders_abandoned_stochastic", self.refusals[Refusal::Chance as usize]);
        let names = ["avg_time_to_match_ms", "median_time_to_match_ms", "p90_time_to_match_ms"];
        self.match_times.write(output, names);
        let names = ["avg_time_to_pickup_ms", "median_time_to_pickup_ms", "p90_time_to_pickup_ms"];
        self.pickup_times.write(output, names);
        let names = ["avg_time_to_match_all_ms", "median_time_to_match_all_ms", "p90_time_to_match_all_ms"];
        self.all_match_times.write(output, names);
        output.metric("matched_riders", self.matched);
        output.metric("spawned_riders", self.spawned_riders);
        output.metric("spawned_drivers", self.spawned_drivers);
        output.metric("riders_in_system_at_end", self.in_system());
        output.metric("drivers_on_duty_at_end", self.on_duty);
        output.metric("driver_utilisation", self.utilisation);
        output.metric("mean_idle_drivers", self.idle);
        output.metric("events", i64::try_from(self.events).expect("years of computing"));
    }
}

/// Writes the dataset `trips`.
pub(super) fn write_trips<S: Space>(space: &S, arena: &Arena<S>, end: Time, rows: &mut Rows) {
    let ms = |time: Time| i64::try_from(time).expect("within ten years and some days");
    let reached = |time: Time| ValueRef::from((time <= end).then(|| ms(time)));
    for (trip, rider) in (0_i64..).zip(&arena.trips) {
        let at = *rider as usize;
        let (request, journey) = (&arena.riders.requests[at], &arena.riders.journeys[at]);
        let state = arena.riders.states[at];
        let name = match state {
            RiderState::Completed => "completed",
            RiderState::Cancelled => "cancelled",
            RiderState::InTransit => "on_trip",
            _ => "en_route",
        };
        let cancelled_at = if state == RiderState::Cancelled { journey.cancel_at } else { NOT_YET };
        rows.push(&[
            trip.into(),
            i64::from(*rider).into(),
            i64::from(journey.driver).into(),
            name.into(),
            space.public(request.pickup).into(),
            space.public(request.dropoff).into(),
            journey.pickup_km.into(),
            ms(request.requested_at).into(),
            ms(journey.matched_at).into(),
            reached(journey.pickup_at),
            reached(journey.dropoff_at),
            reached(cancelled_at),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_elements_and_medians_may_be_between_two() {
        let of = |times: &[Time]| Spread::of(&mut times.to_vec()).0;
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), Some([7.0; 3]));
        // Elements floor(0.9 x 9) = 8 and floor(0.9 x 10) = 9, from 0.
        assert_eq!(of(&[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]), Some([4.5, 4.5, 8.0]));
        assert_eq!(of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100]), Some([145.0 / 11.0, 5.0, 9.0]));
    }
}
