//! Check 6, on a unit torus, where distances to the nearest driver are known, and what checks 7 and 8 share.

use sweep_runtime::Stream;

use crate::ridehail::Time;
use crate::ridehail::drive::Drive;
use crate::ridehail::entities::DriverState;
use crate::ridehail::space::{Index, Space, Visitor};
use crate::ridehail::tests::theory::{tireless, whole};

use super::*;

/// The time to drive one unit, ms: so long that the seconds of quotes and offers do not show.
const PACE: f64 = 1e10;
/// The mean distance to the nearest of many is KAPPA / sqrt(n).
pub(super) const KAPPA: f64 = 0.5;
const TWO_53: f64 = (1_u64 << 53) as f64;

/// The unit square with opposite sides joined. Pickups are driven straight. A trip ends anywhere, after an
/// exponential time that is independent of the place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Torus {
    /// Mean trip, in units of [`PACE`].
    pub(super) trip: f64,
    /// Riders who find no more idle drivers than this are lost: their ETA is infinite. So this many stay
    /// idle, on either branch, as long as enough riders arrive.
    pub(super) kept: usize,
    /// Whether each rider finds idle drivers at new uniform and independent places, as theory assumes;
    /// otherwise they stay where their last trip ended.
    pub(super) roam: bool,
    /// Whether all places are on a ring of length 1: this has another law of the nearest, and therefore of
    /// staffing.
    pub(super) ring: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    at: [f64; 2],
    dropoff: bool,
}

impl Torus {
    fn apart(&self, one: Spot, other: Spot) -> f64 {
        let [x, y] = [0, 1].map(|axis| {
            if self.roam {
                // A number that belongs to this pair: no one else has their last places.
                let bits = one.at[axis].to_bits().wrapping_add(other.at[axis].to_bits());
                return (mix(bits) >> 11) as f64 / TWO_53 / 2.0;
            }
            let gap = (one.at[axis] - other.at[axis]).abs();
            gap.min(1.0 - gap)
        });
        if self.ring { x } else { (x * x + y * y).sqrt() }
    }
}

#[derive(Default)]
pub(super) struct Standing {
    all: Vec<(u32, Spot)>,
    kept: usize,
}

impl Index<Torus> for Standing {
    fn clear(&mut self, torus: &Torus) {
        self.all.clear();
        self.kept = torus.kept;
    }

    fn insert(&mut self, id: u32, at: Spot) {
        self.all.push((id, at));
    }

    fn remove(&mut self, id: u32, _: Spot) {
        let place = self.all.iter().position(|(known, _)| *known == id).unwrap();
        self.all.swap_remove(place);
    }

    fn nearest(&self, torus: &Torus, from: Spot) -> Option<f64> {
        if self.all.len() <= self.kept {
            return Some(f64::INFINITY);
        }
        if self.kept > 0 {
            // Any finite ETA will do; this one halves the time of these checks.
            return Some(0.0);
        }
        self.all.iter().map(|(_, at)| torus.apart(from, *at)).reduce(f64::min)
    }

    fn within(&self, _: Spot, _: u32, mut visit: impl FnMut(u32, Spot)) {
        self.all.iter().for_each(|(id, at)| visit(*id, *at));
    }

    fn outwards(&self, _: &Torus, _: Spot, _: u32, visitor: &mut impl Visitor<Spot>) {
        self.all.iter().for_each(|(id, at)| visitor.visit(*id, *at));
        visitor.horizon();
    }
}

fn anywhere(stream: &mut Stream, dropoff: bool) -> Spot {
    Spot { at: [stream.uniform(), stream.uniform()], dropoff }
}

impl Space for Torus {
    type Place = Spot;
    type Index = Standing;

    fn arrival(&self, stream: &mut Stream) -> Spot {
        anywhere(stream, false)
    }

    fn destination(&self, _: Spot, _: [u32; 2], stream: &mut Stream) -> Option<Spot> {
        Some(anywhere(stream, true))
    }

    fn km(&self, one: Spot, other: Spot) -> f64 {
        self.apart(one, other)
    }

    fn hops(&self, _: Spot, _: Spot) -> u32 {
        1
    }

    fn on_the_way(&self, _: Spot, to: Spot, _: u32) -> Spot {
        to
    }

    fn drive(&self, from: Spot, to: Spot, _: &Drive, mut hops: Stream, start: Time, _: Time) -> (Time, Spot) {
        let units = if to.dropoff { hops.exponential(self.trip) } else { self.apart(from, to) };
        (start + whole(units * PACE), to)
    }

    fn cells(&self) -> usize {
        1
    }

    fn cell(&self, _: Spot) -> usize {
        0
    }

    fn public(&self, _: Spot) -> i64 {
        0
    }
}

/// Mean distance to the nearest of n places that are uniform on a unit torus: the exact one in the plane,
/// whose share beyond half the torus is negligible.
pub(super) fn nearest(n: f64) -> f64 {
    0.5 * libm::exp(libm::lgamma(n + 1.0) - libm::lgamma(n + 1.5))
}

#[test]
#[ignore = "make validate"]
fn validate_06_nearest_driver() {
    let torus = Torus { trip: 0.0, kept: 0, roam: false, ring: false };
    let mut lines = Lines::of(6);
    for drivers in [10, 30, 100, 300, 1_000] {
        let settings = Settings {
            choice: Choice::Threshold { fare: 1e300, eta: 1e300, probability: 0.0 },
            most_rejections: 0,
            ..tireless(drivers, 150, HOUR)
        };
        let mut arena: Arena<Torus> = Arena::default();
        let means: Vec<f64> = (0..2_000)
            .map(|replicate| {
                simulate(&settings, &torus, &Streams::new(42, replicate), &mut arena, None).unwrap();
                let distances = arena.riders.requests.iter().map(|request| request.eta / 90_000.0);
                distances.sum::<f64>() / arena.riders.requests.len() as f64
            })
            .collect();
        draw("pickup", "nearest of n idle drivers", drivers.into(), &means);
        if [10, 100, 1_000].contains(&drivers) {
            let theory = nearest(drivers.into());
            let what = format!("Nearest of {drivers} idle drivers on a unit torus, mean distance");
            lines.tell_mean(&what, &means, theory);
            let miss = (mean_and_error(&means).0 / theory - 1.0).abs();
            let what = format!("The same, difference to theory, of {drivers}");
            lines.row(&what, miss, "< 0.01", None, means.len(), Verdict::of(miss < 0.01));
        }
    }
    lines.end();
}

/// A city in a steady state with a given number of idle drivers: averages over time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    /// Drivers.
    pub(super) idle: f64,
    /// Drivers on trips: by Little's law the throughput times the mean trip, with less noise than counted
    /// trips have.
    pub(super) load: f64,
    /// Completed trips in the time to drive one unit.
    pub(super) throughput: f64,
    /// Distance to the rider.
    pub(super) pickup: f64,
}

/// Simulates one replication: some mean services until the initial state is forgotten, and some that count.
/// The number of riders is 1.5 times what all drivers could serve if pickups took no time.
pub(super) fn steady(
    drivers: u32,
    torus: &Torus,
    [forgotten, counted]: [f64; 2],
    replicate: u32,
    arena: &mut Arena<Torus>,
) -> Steady {
    let service = torus.trip + nearest(torus.kept as f64);
    let (warmup, end) = (forgotten * service, (forgotten + counted) * service);
    let riders = small(1.5 * f64::from(drivers) / torus.trip * end);
    let settings = Settings {
        end: whole(end * PACE),
        warmup: whole(warmup * PACE),
        batch: None,
        most_rejections: 0,
        choice: Choice::Threshold { fare: f64::INFINITY, eta: f64::MAX, probability: 1.0 },
        ..tireless(drivers, riders, whole(end * PACE))
    };
    simulate(&settings, torus, &Streams::new(42, replicate), arena, None).unwrap();
    let counts = |time: Time| (settings.warmup..settings.end).contains(&time);
    let dropped = arena.riders.journeys.iter().filter(|journey| counts(journey.dropoff_at)).count();
    let matched = arena.riders.journeys.iter().filter(|journey| counts(journey.matched_at));
    let pickups: Vec<f64> = matched.map(|journey| journey.pickup_km).collect();
    let length = end - warmup;
    let mean = |state| arena.drivers.stocks.time_in(state, settings.end) as f64 / PACE / length;
    Steady {
        idle: mean(DriverState::Idle),
        load: mean(DriverState::OnTrip),
        throughput: dropped as f64 / length,
        pickup: mean_and_error(&pickups).0,
    }
}
