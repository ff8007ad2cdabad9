//! The simulation: one city from time 0 to its end, event by event.
//!
//! The parts are in [`demand`] (riders request and answer), [`dispatch`] (riders and drivers are matched),
//! [`travel`] (drivers drive) and here (arrivals and departures, and the order of events).

mod demand;
mod dispatch;
mod travel;

use sweep_runtime::{DomainError, Streams};

use super::Time;
use super::arrivals::Arrivals;
use super::assignment::{Assignment, Edge};
use super::drive::Drive;
use super::entities::{DRIVER_STATES, DriverState, Drivers, NOT_YET, RIDER_STATES, Riders, Shift};
use super::events::{Event, Events, Kind};
use super::purposes;
use super::settings::Settings;
use super::space::{Index as _, Space};

/// Time between two checks of a driver's time on duty, ms.
const CHECK_INTERVAL: Time = 300_000;
const RIDERS: [u32; 2] = [purposes::RIDER_GAPS, purposes::RIDER_STAYS];
const DRIVERS: [u32; 2] = [purposes::DRIVER_GAPS, purposes::DRIVER_STAYS];

/// The memory of a simulation, reused by the next one.
#[derive(Debug)]
pub(super) struct Arena<S: Space> {
    pub(super) riders: Riders<S::Place>,
    pub(super) drivers: Drivers<S::Place>,
    /// Riders whom a driver accepted, in that order.
    pub(super) trips: Vec<u32>,
    events: Events,
    idle: S::Index,
    /// Riders in `Seeking`, where passes are made.
    seeking: S::Index,
    /// Riders not picked up yet, where surge counts them.
    demand: S::Index,
    /// Riders who began to seek, and drivers who became idle, since the last pass.
    fresh_riders: Vec<u32>,
    fresh_drivers: Vec<u32>,
    /// By rider, during a pass: whether the rider is in `fresh_riders`.
    fresh: Vec<bool>,
    edges: Vec<Edge>,
    assignment: Assignment,
    /// Drivers on duty by cell, where congestion counts them.
    crowds: Vec<u32>,
}

impl<S: Space> Default for Arena<S> {
    fn default() -> Self {
        Self {
            riders: Riders::default(),
            drivers: Drivers::default(),
            trips: vec![],
            events: Events::default(),
            idle: S::Index::default(),
            seeking: S::Index::default(),
            demand: S::Index::default(),
            fresh_riders: vec![],
            fresh_drivers: vec![],
            fresh: vec![],
            edges: vec![],
            assignment: Assignment::default(),
            crowds: vec![],
        }
    }
}

impl<S: Space> Arena<S> {
    fn clear(&mut self, settings: &Settings, space: &S) {
        self.riders.clear();
        self.drivers.clear(settings.warmup);
        self.trips.clear();
        self.events.clear();
        self.idle.clear(space);
        self.seeking.clear(space);
        self.demand.clear(space);
        self.fresh_riders.clear();
        self.fresh_drivers.clear();
        self.fresh.clear();
        self.crowds.clear();
        if settings.congestion {
            self.crowds.resize(space.cells(), 0);
        }
    }
}

/// Numbers of riders, drivers and trips.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census {
    pub(super) riders: [u32; RIDER_STATES],
    pub(super) drivers: [u32; DRIVER_STATES],
    /// Trips begun so far.
    pub(super) trips: usize,
}

/// Receives the numbers each time before they can change.
pub(super) trait Observer {
    /// Called before the events at `time`.
    fn advance(&mut self, time: Time, census: Census);
    /// Called at the end.
    fn finish(&mut self, end: Time, census: Census);
}

/// Simulates a point from start to end, and leaves the final state of riders and drivers in the arena.
/// Returns the number of events.
///
/// # Errors
/// `no_destination` if a rider has no destination within the distances; `too_many_events` if there are more
/// than the settings allow.
pub(super) fn simulate<'a, S: Space>(
    settings: &'a Settings,
    space: &'a S,
    streams: &'a Streams,
    arena: &'a mut Arena<S>,
    observer: Option<&'a mut dyn Observer>,
) -> Result<u64, DomainError> {
    arena.clear(settings, space);
    let Settings { epoch, .. } = *settings;
    let mut city = City {
        settings,
        space,
        streams,
        arena,
        observer,
        rider_arrivals: Arrivals::new(&settings.riders, epoch, streams, RIDERS),
        driver_arrivals: Arrivals::new(&settings.drivers, epoch, streams, DRIVERS),
        drive: Drive { speeds: settings.speeds, berlin: settings.berlin_traffic, epoch },
        now: 0,
        next_pass: NOT_YET,
        handled: 0,
    };
    city.run()?;
    Ok(city.handled)
}

/// A city at one time.
struct City<'a, S: Space> {
    settings: &'a Settings,
    space: &'a S,
    streams: &'a Streams,
    arena: &'a mut Arena<S>,
    observer: Option<&'a mut dyn Observer>,
    rider_arrivals: Arrivals,
    driver_arrivals: Arrivals,
    drive: Drive,
    now: Time,
    /// The next pass that has anything to match.
    next_pass: Time,
    handled: u64,
}

impl<S: Space> City<'_, S> {
    fn run(&mut self) -> Result<(), DomainError> {
        for _ in 0..self.settings.drivers.initial {
            self.driver_arrives();
        }
        for _ in 0..self.settings.riders.initial {
            self.rider_arrives()?;
        }
        self.await_rider();
        self.await_driver();
        let end = self.settings.end;
        while self.handled <= self.settings.most_events {
            // A pass comes before all other events of its time, and sees what happened before that time. So
            // passes without anything new can be skipped without changing results.
            if self.next_pass <= self.arena.events.next_time().min(end) {
                self.advance(self.next_pass);
                self.next_pass = NOT_YET;
                self.pass();
                continue;
            }
            let Some(event) = self.arena.events.take(end) else { break };
            self.advance(event.time);
            self.handle(event)?;
        }
        if self.handled > self.settings.most_events {
            return Err(self.too_many_events());
        }
        let census = self.census();
        if let Some(observer) = &mut self.observer {
            observer.finish(end, census);
        }
        Ok(())
    }

    fn too_many_events(&self) -> DomainError {
        let Settings { most_events, end, .. } = *self.settings;
        let message = format!(
            "by {} of {end} ms there were more than the {most_events} events that a point may have: shorten \
             simulation_duration_hours, lower num_riders, num_drivers or max_quote_rejections, or raise \
             re_quote_delay_secs or batch_interval_secs",
            self.now
        );
        DomainError::new("too_many_events", message)
    }

    fn advance(&mut self, time: Time) {
        debug_assert!(time >= self.now, "time goes forward");
        self.now = time;
        self.handled += 1;
        if self.observer.is_some() {
            let census = self.census();
            self.observer.iter_mut().for_each(|observer| observer.advance(time, census));
        }
    }

    fn census(&self) -> Census {
        let Arena { riders, drivers, trips, .. } = &*self.arena;
        Census { riders: riders.counts, drivers: drivers.stocks.counts, trips: trips.len() }
    }

    fn handle(&mut self, Event { kind, entity, .. }: Event) -> Result<(), DomainError> {
        match kind {
            Kind::RiderArrives => {
                self.rider_arrives()?;
                self.await_rider();
            }
            Kind::DriverArrives => {
                self.driver_arrives();
                self.await_driver();
            }
            Kind::Quote | Kind::Requote => self.quote(entity),
            Kind::Answer => self.answer(entity),
            Kind::Seek | Kind::SeekAgain | Kind::SeekAfterRefusal => self.seek(entity),
            Kind::DriverAnswers => self.driver_answers(entity),
            Kind::Cancel => self.cancel(entity),
            Kind::Pickup => self.pick_up(entity),
            Kind::Complete => self.complete(entity),
            Kind::Hop => self.hop(entity),
            Kind::FatigueCheck => self.check_fatigue(entity),
        }
        Ok(())
    }

    fn await_rider(&mut self) {
        if self.arena.riders.count() < self.settings.riders.cap
            && let Some(time) = self.rider_arrivals.next()
        {
            self.arena.events.schedule(time, Kind::RiderArrives, 0);
        }
    }

    fn await_driver(&mut self) {
        if self.arena.drivers.count() < self.settings.drivers.cap
            && let Some(time) = self.driver_arrivals.next()
        {
            self.arena.events.schedule(time, Kind::DriverArrives, 0);
        }
    }

    fn driver_arrives(&mut self) {
        let driver = self.arena.drivers.count();
        let place = self.space.arrival(&mut self.streams.stream(purposes::DRIVER_PLACES, driver));
        let mut traits = self.streams.stream(purposes::DRIVER_TRAITS, driver);
        let mut between = |[low, high]: [f64; 2]| low + (high - low) * traits.uniform();
        let target = between(self.settings.shifts.targets);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hours in ms")]
        let fatigue = between(self.settings.shifts.fatigues) as Time;
        let shift = Shift { since: self.now, fatigue, target, earned: 0.0 };
        self.arena.drivers.arrive(place, shift);
        if self.settings.congestion {
            self.arena.crowds[self.space.cell(place)] += 1;
        }
        self.arena.idle.insert(driver, place);
        self.refresh_driver(driver);
        self.schedule_check(driver, self.now + fatigue);
    }

    /// A driver has no rider any more.
    fn free(&mut self, driver: u32) {
        self.arena.drivers.become_(driver, DriverState::Idle, self.now);
        self.arena.idle.insert(driver, self.arena.drivers.tasks[driver as usize].place);
        self.refresh_driver(driver);
        let Shift { since, fatigue, .. } = self.arena.drivers.shifts[driver as usize];
        if since + fatigue <= self.now {
            self.schedule_check(driver, self.now + 1);
        }
    }

    /// Schedules the first check from `time` on. Checks are due every five minutes of a shift, but those
    /// before fatigue change nothing (reaching the earnings target is noticed after the trip that does so),
    /// nor do those of busy drivers.
    fn schedule_check(&mut self, driver: u32, time: Time) {
        let since = self.arena.drivers.shifts[driver as usize].since;
        let check = since + (time - since).div_ceil(CHECK_INTERVAL) * CHECK_INTERVAL;
        if check <= self.settings.end {
            self.arena.events.schedule(check, Kind::FatigueCheck, driver);
        }
    }

    fn check_fatigue(&mut self, driver: u32) {
        let at = driver as usize;
        if self.arena.drivers.states[at] == DriverState::Idle {
            self.arena.idle.remove(driver, self.arena.drivers.tasks[at].place);
            self.leave(driver);
        }
    }

    fn leave(&mut self, driver: u32) {
        self.arena.drivers.become_(driver, DriverState::OffDuty, self.now);
        if self.settings.congestion {
            self.arena.crowds[self.space.cell(self.arena.drivers.tasks[driver as usize].place)] -= 1;
        }
    }

    /// Adds a driver who became idle to those of the next pass.
    fn refresh_driver(&mut self, driver: u32) {
        if self.settings.batch.is_some() {
            self.arena.fresh_drivers.push(driver);
            self.plan_pass();
        }
    }

    /// Plans the next pass after now, if none is planned.
    fn plan_pass(&mut self) {
        if let Some(interval) = self.settings.batch
            && self.next_pass == NOT_YET
        {
            self.next_pass = (self.now / interval + 1) * interval;
        }
    }
}
