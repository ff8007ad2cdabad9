//! A point's parameters in the units of the simulation. Contradictory ones are refused.

use sweep_runtime::{DomainError, Parameters, ValueRef};

use super::Time;
use super::calendar::{self, Week};

const SECOND: Time = 1000;
const HOUR: Time = 3_600_000;
const AFTER_REQUESTS: Time = 2 * HOUR;
const RIDERS: Names = Names {
    cap: "num_riders",
    initial: "initial_rider_count",
    window: "request_window_ms",
    week: &calendar::RIDERS,
    divisor: 1.3,
};
const DRIVERS: Names = Names {
    cap: "num_drivers",
    initial: "initial_driver_count",
    window: "driver_spread_ms",
    week: &calendar::DRIVERS,
    divisor: 1.2,
};
/// 100 to 300 of the currency, or 8 to 12 hours.
pub(super) const SHIFTS: Shifts =
    Shifts { targets: [100.0, 300.0], fatigues: [8.0 * HOUR as f64, 12.0 * HOUR as f64] };

/// Most events of a point: tens of minutes of computing. With more, the shard could run out of time and lose
/// its other points, too.
const MOST_EVENTS: u64 = 1 << 32;

/// The parameters of an [`Arriving`].
#[derive(Clone, Copy)]
struct Names {
    cap: &'static str,
    initial: &'static str,
    window: &'static str,
    week: &'static Week,
    divisor: f64,
}

/// How entities of one kind arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arriving {
    /// The most that arrive, and the scale of the rate.
    pub(super) cap: u32,
    /// The number present at time 0.
    pub(super) initial: u32,
    /// When arrivals end.
    pub(super) window: Time,
    /// How busy each hour is, and the divisor K: the rate is cap / window / K x busyness.
    pub(super) week: &'static Week,
    pub(super) divisor: f64,
}

/// When a driver goes off duty: uniform between two bounds, which no parameter sets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shifts {
    /// Earnings, currency.
    pub(super) targets: [f64; 2],
    /// Time on duty, ms.
    pub(super) fatigues: [f64; 2],
}

/// The box, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) lat: [f64; 2],
    pub(super) lng: [f64; 2],
}

/// How riders answer a quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// Limits of fare and of ETA in ms, then a probability.
    Threshold { fare: f64, eta: f64, probability: f64 },
    /// Utilities of the ride itself, of a unit of fare, and of a ms of ETA.
    Logit { intercept: f64, fare: f64, eta: f64 },
}

/// How a pass matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Simple,
    CostBased,
    Hungarian,
}

/// Weights of a driver's decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Acceptance {
    pub(super) base: f64,
    pub(super) fare: f64,
    pub(super) pickup_km: f64,
    pub(super) trip_km: f64,
    pub(super) earnings: f64,
    pub(super) fatigue: f64,
}

/// When fares rise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surge {
    pub(super) radius: u32,
    pub(super) most: f64,
}

/// All of a point's parameters. Times are in ms, speeds in km/h.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) riders: Arriving,
    pub(super) drivers: Arriving,
    pub(super) epoch: Time,
    pub(super) end: Time,
    pub(super) warmup: Time,
    pub(super) bounds: Bounds,
    /// Least and most grid distance of a trip.
    pub(super) trip_cells: [u32; 2],
    pub(super) most_rejections: u32,
    pub(super) requote_delay: Time,
    pub(super) choice: Choice,
    /// Least and most patience.
    pub(super) patience: [Time; 2],
    pub(super) base_fare: f64,
    pub(super) per_km: f64,
    pub(super) commission: f64,
    pub(super) surge: Option<Surge>,
    pub(super) radius: u32,
    pub(super) algorithm: Algorithm,
    /// Time between passes; `None` if riders are matched one by one.
    pub(super) batch: Option<Time>,
    pub(super) acceptance: Acceptance,
    pub(super) shifts: Shifts,
    pub(super) berlin_traffic: bool,
    pub(super) congestion: bool,
    /// Lowest and highest speed of a hop.
    pub(super) speeds: [f64; 2],
    /// Events after which the point fails; no parameter sets them.
    pub(super) most_events: u64,
}

impl Settings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `parameters_contradict`, which names the two parameters.
    pub(super) fn read(given: &Parameters<'_>) -> Result<Self, DomainError> {
        let settings = Self {
            riders: arriving(given, RIDERS)?,
            drivers: arriving(given, DRIVERS)?,
            epoch: optional(given, "epoch_ms").unwrap_or(0),
            end: end(given),
            warmup: given.count("warmup_ms"),
            bounds: Bounds {
                lat: ordered(given, "lat_min", "lat_max")?,
                lng: ordered(given, "lng_min", "lng_max")?,
            },
            trip_cells: range(given, "min_trip_cells", "max_trip_cells")?.map(small),
            most_rejections: small(given.count("max_quote_rejections")),
            requote_delay: given.count("re_quote_delay_secs") * SECOND,
            choice: choice(given),
            patience: range(given, "cancel_min_wait_secs", "cancel_max_wait_secs")?.map(|secs| secs * SECOND),
            base_fare: given.float("base_fare"),
            per_km: given.float("per_km_rate"),
            commission: given.float("commission_rate"),
            surge: given.bool("surge_enabled").then(|| Surge {
                radius: small(given.count("surge_radius_k")),
                most: given.float("surge_max_multiplier"),
            }),
            radius: small(given.count("match_radius")),
            algorithm: algorithm(given),
            batch: given.bool("batch_matching_enabled").then(|| given.count("batch_interval_secs") * SECOND),
            acceptance: acceptance(given),
            shifts: SHIFTS,
            berlin_traffic: given.string("traffic_profile") == "berlin",
            congestion: given.bool("dynamic_congestion_enabled"),
            speeds: speeds(given),
            most_events: MOST_EVENTS,
        };
        if settings.warmup >= settings.end {
            let Self { warmup, end, .. } = settings;
            return Err(contradiction(format!(
                "warmup_ms = {warmup} must be before the simulation's end at {end} ms, which \
                 simulation_duration_hours or request_window_ms sets"
            )));
        }
        Ok(settings)
    }
}

fn contradiction(message: String) -> DomainError {
    DomainError::new("parameters_contradict", message)
}

fn small(value: u64) -> u32 {
    u32::try_from(value).expect("the declared range ends below 2^32")
}

fn optional(given: &Parameters<'_>, name: &str) -> Option<Time> {
    match given.value(name) {
        ValueRef::Null => None,
        _ => Some(given.count(name)),
    }
}

fn arriving(given: &Parameters<'_>, names: Names) -> Result<Arriving, DomainError> {
    let Names { cap, initial, window, week, divisor } = names;
    let (most, first) = (given.count(cap), given.count(initial));
    if first > most {
        return Err(contradiction(format!("{initial} = {first} must be at most {cap} = {most}")));
    }
    Ok(Arriving { cap: small(most), initial: small(first), window: given.count(window), week, divisor })
}

fn ordered(given: &Parameters<'_>, low: &str, high: &str) -> Result<[f64; 2], DomainError> {
    let (least, most) = (given.float(low), given.float(high));
    if least >= most {
        return Err(contradiction(format!("{low} = {least} must be below {high} = {most}")));
    }
    Ok([least, most])
}

fn range(given: &Parameters<'_>, low: &str, high: &str) -> Result<[u64; 2], DomainError> {
    let (least, most) = (given.count(low), given.count(high));
    if least > most {
        return Err(contradiction(format!("{low} = {least} must be at most {high} = {most}")));
    }
    Ok([least, most])
}

fn end(given: &Parameters<'_>) -> Time {
    optional(given, "simulation_duration_hours")
        .map_or_else(|| given.count("request_window_ms") + AFTER_REQUESTS, |hours| hours * HOUR)
}

fn choice(given: &Parameters<'_>) -> Choice {
    if given.string("choice_model") == "logit" {
        return Choice::Logit {
            intercept: given.float("choice_intercept"),
            fare: given.float("choice_fare_coefficient"),
            eta: given.float("choice_eta_coefficient") / 60_000.0,
        };
    }
    Choice::Threshold {
        fare: given.float("max_willingness_to_pay"),
        eta: given.int("max_acceptable_eta_ms") as f64,
        probability: given.float("accept_probability"),
    }
}

fn algorithm(given: &Parameters<'_>) -> Algorithm {
    match given.string("matching_algorithm_type") {
        "simple" => Algorithm::Simple,
        "cost_based" => Algorithm::CostBased,
        _ => Algorithm::Hungarian,
    }
}

fn acceptance(given: &Parameters<'_>) -> Acceptance {
    Acceptance {
        base: given.float("base_acceptance_score"),
        fare: given.float("fare_weight"),
        pickup_km: given.float("pickup_distance_penalty"),
        trip_km: given.float("trip_distance_bonus"),
        earnings: given.float("earnings_progress_weight"),
        fatigue: given.float("fatigue_penalty"),
    }
}

fn speeds(given: &Parameters<'_>) -> [f64; 2] {
    match given.value("base_speed_kmh") {
        ValueRef::Float(base) => [(base - 10.0).max(5.0), base + 10.0],
        _ => [20.0, 60.0],
    }
}
