//! Riders and drivers: arrays by id. Fields that are read together are grouped.

use super::Time;

/// A time that has not come, or an entity that does not exist.
pub(super) const NOT_YET: Time = Time::MAX;
pub(super) const NOBODY: u32 = u32::MAX;

/// A rider's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RiderState {
    /// Has not accepted a quote yet.
    Browsing,
    /// Has accepted a quote, and no driver has the offer.
    Seeking,
    /// A driver has the offer.
    Offered,
    /// A driver is on the way.
    Matched,
    InTransit,
    Completed,
    Cancelled,
    Abandoned,
}

pub(super) const RIDER_STATES: usize = 8;

/// A driver's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DriverState {
    Idle,
    /// Has the offer of a rider.
    Evaluating,
    EnRoute,
    OnTrip,
    OffDuty,
}

pub(super) const DRIVER_STATES: usize = 5;

/// Why a quote was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Price,
    Eta,
    Chance,
}

/// A rider's request, and the last quote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<P> {
    pub(super) pickup: P,
    pub(super) dropoff: P,
    /// Pickup to drop-off.
    pub(super) km: f64,
    pub(super) requested_at: Time,
    /// Of the last quote; the ETA in ms.
    pub(super) fare: f64,
    pub(super) eta: f64,
    pub(super) rejections: u32,
    pub(super) last_refusal: Refusal,
}

/// The journey of a rider who has accepted a quote. Times may be in the future.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journey {
    pub(super) driver: u32,
    /// Driver to pickup, when the driver accepted.
    pub(super) pickup_km: f64,
    /// When patience ends.
    pub(super) cancel_at: Time,
    pub(super) matched_at: Time,
    pub(super) pickup_at: Time,
    pub(super) dropoff_at: Time,
}

/// All riders, by id.
#[derive(Debug)]
pub(super) struct Riders<P> {
    pub(super) states: Vec<RiderState>,
    pub(super) requests: Vec<Request<P>>,
    pub(super) journeys: Vec<Journey>,
    pub(super) counts: [u32; RIDER_STATES],
}

impl<P> Default for Riders<P> {
    fn default() -> Self {
        Self { states: vec![], requests: vec![], journeys: vec![], counts: [0; RIDER_STATES] }
    }
}

impl<P> Riders<P> {
    pub(super) fn clear(&mut self) {
        self.states.clear();
        self.requests.clear();
        self.journeys.clear();
        self.counts = [0; RIDER_STATES];
    }

    /// How many have arrived.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.states.len()).expect("the declared range ends below 2^32")
    }

    /// Adds a browsing rider.
    pub(super) fn arrive(&mut self, request: Request<P>) {
        self.states.push(RiderState::Browsing);
        self.requests.push(request);
        self.journeys.push(Journey {
            driver: NOBODY,
            pickup_km: 0.0,
            cancel_at: NOT_YET,
            matched_at: NOT_YET,
            pickup_at: NOT_YET,
            dropoff_at: NOT_YET,
        });
        self.counts[RiderState::Browsing as usize] += 1;
    }

    pub(super) fn become_(&mut self, rider: u32, state: RiderState) {
        let before = std::mem::replace(&mut self.states[rider as usize], state);
        self.counts[before as usize] -= 1;
        self.counts[state as usize] += 1;
    }
}

/// A driver's limits and earnings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    pub(super) since: Time,
    /// Time on duty after which the driver leaves.
    pub(super) fatigue: Time,
    /// Earnings after which the driver leaves.
    pub(super) target: f64,
    pub(super) earned: f64,
}

/// What a driver is doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<P> {
    /// The cell; between cells, the last one. If a leg is a single event, the cell where it will end.
    pub(super) place: P,
    /// The rider, if there is one.
    pub(super) rider: u32,
    /// Offers so far.
    pub(super) offers: u32,
    pub(super) offered_at: Time,
}

/// A leg that is driven hop by hop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg<P> {
    pub(super) from: P,
    pub(super) to: P,
    pub(super) hop: u32,
    pub(super) hops: u32,
    /// When the next cell is reached.
    pub(super) due: Time,
}

/// All drivers, by id.
#[derive(Debug)]
pub(super) struct Drivers<P> {
    pub(super) states: Vec<DriverState>,
    pub(super) tasks: Vec<Task<P>>,
    pub(super) shifts: Vec<Shift>,
    /// Empty if a leg is a single event.
    pub(super) legs: Vec<Leg<P>>,
    pub(super) stocks: Stocks,
}

impl<P> Default for Drivers<P> {
    fn default() -> Self {
        Self { states: vec![], tasks: vec![], shifts: vec![], legs: vec![], stocks: Stocks::default() }
    }
}

impl<P> Drivers<P> {
    pub(super) fn clear(&mut self, warmup: Time) {
        self.states.clear();
        self.tasks.clear();
        self.shifts.clear();
        self.legs.clear();
        self.stocks = Stocks { warmup, ..Stocks::default() };
    }

    /// How many have arrived.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.states.len()).expect("the declared range ends below 2^32")
    }

    /// Adds an idle driver.
    pub(super) fn arrive(&mut self, place: P, shift: Shift) {
        self.states.push(DriverState::Idle);
        self.tasks.push(Task { place, rider: NOBODY, offers: 0, offered_at: NOT_YET });
        self.shifts.push(shift);
        self.stocks.enter(DriverState::Idle, shift.since);
    }

    pub(super) fn become_(&mut self, driver: u32, state: DriverState, now: Time) {
        let before = std::mem::replace(&mut self.states[driver as usize], state);
        self.stocks.leave(before, now);
        self.stocks.enter(state, now);
    }
}

/// How many drivers are in each state, and for how long after the warm-up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stocks {
    warmup: Time,
    pub(super) counts: [u32; DRIVER_STATES],
    /// Sum of the times of leaving minus the times of entering. Drivers still in a state have not been
    /// subtracted yet.
    sums: [i128; DRIVER_STATES],
}

impl Stocks {
    fn enter(&mut self, state: DriverState, now: Time) {
        self.counts[state as usize] += 1;
        self.sums[state as usize] -= i128::from(now.max(self.warmup));
    }

    fn leave(&mut self, state: DriverState, now: Time) {
        self.counts[state as usize] -= 1;
        self.sums[state as usize] += i128::from(now.max(self.warmup));
    }

    /// Driver-milliseconds spent in a state from the warm-up to `end`.
    pub(super) fn time_in(&self, state: DriverState, end: Time) -> i128 {
        self.sums[state as usize] + i128::from(self.counts[state as usize]) * i128::from(end)
    }
}
