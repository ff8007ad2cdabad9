//! Drivers drive: to the pickup, then to the drop-off.
//!
//! A leg is one event, unless speeds depend on the drivers in the cells: then each hop is one. In both cases
//! a hop takes the same number from the same stream, so in empty streets they agree to the ms.

use super::City;
use crate::ridehail::Time;
use crate::ridehail::drive::congestion;
use crate::ridehail::entities::{DriverState, Leg, NOT_YET, RiderState};
use crate::ridehail::events::Kind;
use crate::ridehail::purposes;
use crate::ridehail::space::Space;

/// From reaching the pickup to the trip's start, and from reaching the drop-off to the trip's completion, ms.
const STOP: Time = 1000;

impl<S: Space> City<'_, S> {
    /// A driver has accepted and drives to the pickup.
    pub(super) fn set_out(&mut self, driver: u32, rider: u32) {
        let at = rider as usize;
        self.arena.trips.push(rider);
        self.arena.riders.become_(rider, RiderState::Matched);
        self.arena.drivers.become_(driver, DriverState::EnRoute, self.now);
        self.arena.riders.journeys[at].matched_at = self.now;
        let pickup = self.arena.riders.requests[at].pickup;
        if self.settings.congestion {
            self.begin_leg(driver, pickup);
            return;
        }
        // Patience is known already: if it ends before the pickup, the pickup is not scheduled, and the
        // driver stops where the rider cancels. Of a pickup and a cancellation at the same time, the
        // cancellation was scheduled first.
        let until = self.arena.riders.journeys[at].cancel_at;
        let hops = self.streams.stream(purposes::PICKUP_HOPS, rider);
        let from = self.arena.drivers.tasks[driver as usize].place;
        let (time, place) = self.space.drive(from, pickup, &self.drive, hops, self.now, until);
        self.arena.drivers.tasks[driver as usize].place = place;
        if time + STOP < until {
            self.arena.events.schedule(time + STOP, Kind::Pickup, rider);
        }
    }

    /// The trip starts, unless the rider has cancelled.
    pub(super) fn pick_up(&mut self, rider: u32) {
        let at = rider as usize;
        if self.arena.riders.states[at] != RiderState::Matched {
            return;
        }
        let driver = self.arena.riders.journeys[at].driver;
        self.arena.riders.become_(rider, RiderState::InTransit);
        self.withdraw(rider);
        self.arena.drivers.become_(driver, DriverState::OnTrip, self.now);
        self.arena.riders.journeys[at].pickup_at = self.now;
        let dropoff = self.arena.riders.requests[at].dropoff;
        if self.settings.congestion {
            self.begin_leg(driver, dropoff);
            return;
        }
        let hops = self.streams.stream(purposes::TRIP_HOPS, rider);
        let from = self.arena.drivers.tasks[driver as usize].place;
        let (time, place) = self.space.drive(from, dropoff, &self.drive, hops, self.now, NOT_YET);
        self.arena.drivers.tasks[driver as usize].place = place;
        self.drop_off(rider, time);
    }

    fn drop_off(&mut self, rider: u32, time: Time) {
        self.arena.riders.journeys[rider as usize].dropoff_at = time;
        self.arena.events.schedule(time + STOP, Kind::Complete, rider);
    }

    /// The trip is completed: the fare is shared, and the driver becomes idle or goes off duty.
    pub(super) fn complete(&mut self, rider: u32) {
        let at = rider as usize;
        let driver = self.arena.riders.journeys[at].driver;
        self.arena.riders.become_(rider, RiderState::Completed);
        let fare = self.arena.riders.requests[at].fare;
        let shift = &mut self.arena.drivers.shifts[driver as usize];
        shift.earned += fare - fare * self.settings.commission;
        if shift.earned >= shift.target || self.now - shift.since >= shift.fatigue {
            self.leave(driver);
        } else {
            self.free(driver);
        }
    }

    fn begin_leg(&mut self, driver: u32, to: S::Place) {
        let from = self.arena.drivers.tasks[driver as usize].place;
        let leg = Leg { from, to, hop: 0, hops: self.space.hops(from, to), due: NOT_YET };
        let legs = &mut self.arena.drivers.legs;
        legs.resize(legs.len().max(driver as usize + 1), leg);
        legs[driver as usize] = leg;
        self.next_hop(driver);
    }

    /// Enters the next cell. (The leg may have been broken off, and another one begun, since this was
    /// scheduled.)
    pub(super) fn hop(&mut self, driver: u32) {
        let at = driver as usize;
        let Leg { from, to, hop, due, .. } = self.arena.drivers.legs[at];
        let driving = matches!(self.arena.drivers.states[at], DriverState::EnRoute | DriverState::OnTrip);
        if !driving || due != self.now {
            return;
        }
        let next = self.space.on_the_way(from, to, hop + 1);
        let place = std::mem::replace(&mut self.arena.drivers.tasks[at].place, next);
        self.arena.crowds[self.space.cell(place)] -= 1;
        self.arena.crowds[self.space.cell(next)] += 1;
        self.arena.drivers.legs[at].hop += 1;
        self.next_hop(driver);
    }

    /// Starts for the next cell, or ends the leg.
    fn next_hop(&mut self, driver: u32) {
        let at = driver as usize;
        let Leg { from, to, hop, hops, .. } = self.arena.drivers.legs[at];
        let rider = self.arena.drivers.tasks[at].rider;
        let to_pickup = self.arena.drivers.states[at] == DriverState::EnRoute;
        if hop == hops {
            self.arena.drivers.legs[at].due = NOT_YET;
            if to_pickup {
                self.arena.events.schedule(self.now + STOP, Kind::Pickup, rider);
            } else {
                self.drop_off(rider, self.now);
            }
            return;
        }
        let purpose = if to_pickup { purposes::PICKUP_HOPS } else { purposes::TRIP_HOPS };
        let mut draws = self.streams.stream(purpose, rider).from_block(hop / 2);
        if hop % 2 == 1 {
            draws.bits();
        }
        let place = self.arena.drivers.tasks[at].place;
        let km = self.space.km(place, self.space.on_the_way(from, to, hop + 1));
        let slow = congestion(self.arena.crowds[self.space.cell(place)]);
        let due = self.now + self.drive.hop(km, self.now, slow, &mut draws);
        self.arena.drivers.legs[at].due = due;
        self.arena.events.schedule(due, Kind::Hop, driver);
    }
}
