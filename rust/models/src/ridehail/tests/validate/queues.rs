//! Checks 2, 3 and 4, in a depot, where trips have the service times of queueing theory.

use crate::ridehail::entities::{NOT_YET, RiderState};
use crate::ridehail::tests::theory::{Depot, Service, tireless, whole};

use super::*;

/// Mean service, ms.
const MEAN: f64 = 1e8;
const DRIVERS: u32 = 20;
const REPLICATIONS: u32 = 400;
/// c = 20 drivers, load a = 18: mean wait x service rate.
const ERLANG_C_WAIT: f64 = 0.275_385;

/// Simulates a depot with a load, once per replication, and measures all riders except the first ones.
fn depot<const N: usize>(
    depot: &Depot,
    load: f64,
    replications: u32,
    change: impl Fn(&Settings) -> Settings,
    measure: impl Fn(&Arena<Depot>, std::ops::Range<usize>) -> [f64; N],
) -> [Vec<f64>; N] {
    let riders = 20_000;
    let settings = change(&tireless(DRIVERS, riders, whole(f64::from(riders) * MEAN / load)));
    let mut arena: Arena<Depot> = Arena::default();
    let mut all = [const { vec![] }; N];
    for replicate in 0..replications {
        simulate(&settings, depot, &Streams::new(42, replicate), &mut arena, None).unwrap();
        // The first ones arrive in an empty city.
        let measured = measure(&arena, 3_000..arena.riders.states.len());
        all.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
    }
    all
}

/// The mean wait in services, and the share of riders who wait.
fn waited(arena: &Arena<Depot>, riders: std::ops::Range<usize>) -> [f64; 2] {
    let count = riders.len() as f64;
    let wait =
        |at: usize| (arena.riders.journeys[at].matched_at - arena.riders.requests[at].requested_at) as f64;
    // Quote, answer, pass and offer take 4 to 5 s of a service of 28 h.
    let waiting = riders.clone().filter(|at| wait(*at) > 10_000.0).count() as f64;
    [riders.map(wait).sum::<f64>() / count / MEAN, waiting / count]
}

#[test]
#[ignore = "make validate"]
fn validate_02_erlang_c() {
    let mut lines = Lines::of(2);
    let [waits, waiting] = depot(&Depot::exponential(MEAN), 18.0, REPLICATIONS, Settings::clone, waited);
    lines.tell_mean("Erlang C, mean wait x service rate", &waits, ERLANG_C_WAIT);
    lines.tell_mean("Erlang C, share of riders who wait", &waiting, 0.550_769);
    lines.end();
}

/// Trips of the real map, in units of their mean.
fn real_trips() -> Vec<f64> {
    let mut arena: Arena<Map> = Arena::default();
    run(&settings(), 0, &mut arena);
    let journeys = arena.riders.journeys.iter().filter(|journey| journey.dropoff_at != NOT_YET);
    let times: Vec<f64> = journeys.map(|journey| (journey.dropoff_at - journey.pickup_at) as f64).collect();
    assert!(times.len() > 100);
    let (mean, _) = mean_and_error(&times);
    times.iter().map(|time| time / mean).collect()
}

/// The share of riders who lost patience.
fn cancelled(arena: &Arena<Depot>, riders: std::ops::Range<usize>) -> [f64; 1] {
    let lost = |at: &usize| arena.riders.states[*at] == RiderState::Cancelled;
    [riders.clone().filter(lost).count() as f64 / riders.len() as f64]
}

/// One search a second after acceptance, and an answer two seconds later; riders without a driver by then are
/// lost.
fn impatient(settings: &Settings) -> Settings {
    Settings { batch: None, patience: [6_000, 6_000], ..settings.clone() }
}

#[test]
#[ignore = "make validate"]
fn validate_03_erlang_b() {
    let all = [
        ("exponential", Service::Exponential),
        ("deterministic", Service::Deterministic),
        ("empirical", Service::Empirical(real_trips())),
    ];
    let mut lines = Lines::of(3);
    for (name, service) in all {
        let place = Depot { mean_service: MEAN, service, mean_patience: None };
        let [lost] = depot(&place, 18.0, REPLICATIONS, impatient, cancelled);
        lines.tell_mean(&format!("Erlang B, share of riders lost, {name} trips"), &lost, 0.109_213);
    }
    lines.end();
}

/// The share of riders who abandon in M/M/c+M, from the stationary distribution of the birth-death process.
fn erlang_a(load: f64, impatience: f64) -> f64 {
    let servers = f64::from(DRIVERS);
    let (mut weight, mut total, mut queue) = (1.0, 1.0, 0.0);
    for number in 1..5_000_u32 {
        let number = f64::from(number);
        weight *= load / (number.min(servers) + impatience * (number - servers).max(0.0));
        total += weight;
        queue += weight * (number - servers).max(0.0);
    }
    impatience * queue / total / load
}

/// The same in M/M/c+G with a patience uniform up to `most` services: Baccelli and Hebuterne's integrals, by
/// Simpson.
fn erlang_a_uniform(load: f64, most: f64) -> f64 {
    let servers = f64::from(DRIVERS);
    let integrand = |x: f64| {
        let patient = if x < most { x - x * x / (2.0 * most) } else { most / 2.0 };
        libm::exp(load * patient - servers * x)
    };
    let (steps, end) = (200_000_u32, 20.0);
    let step = end / f64::from(steps);
    let simpson = |at: u32| if at == 0 || at == steps { 1.0 } else { 2.0 + 2.0 * f64::from(at % 2) };
    let j = (0..=steps).map(|at| simpson(at) * integrand(f64::from(at) * step)).sum::<f64>() * step / 3.0;
    let (mut term, mut sum) = (1.0, 0.0);
    for number in (0..DRIVERS).rev() {
        sum += term;
        term *= f64::from(number) / load;
    }
    (1.0 + (load - servers) * j) / (sum + load * j)
}

/// The rider who has waited longest is served first.
fn fifo(settings: &Settings) -> Settings {
    Settings { algorithm: Algorithm::Simple, ..settings.clone() }
}

#[test]
#[ignore = "make validate"]
fn validate_04_erlang_a() {
    let mut lines = Lines::of(4);
    for load in [18.0, 22.0] {
        let place = Depot { mean_patience: Some(MEAN * 2.0), ..Depot::exponential(MEAN) };
        let [lost] = depot(&place, load, REPLICATIONS, fifo, cancelled);
        lines.tell_mean(&format!("Erlang A, load {load}, share who abandon"), &lost, erlang_a(load, 0.5));
        let uniform = |settings: &Settings| Settings { patience: [0, whole(MEAN)], ..fifo(settings) };
        let [lost] = depot(&Depot::exponential(MEAN), load, REPLICATIONS, uniform, cancelled);
        let what = format!("M/M/c+G, uniform patience, load {load}, share who abandon");
        lines.tell_mean(&what, &lost, erlang_a_uniform(load, 1.0));
    }
    lines.end();
}

/// Points of the figure: shares by load. The checks use one or two of them.
#[test]
#[ignore = "make validate"]
fn validate_00_erlang_figure() {
    tell_constant("servers", DRIVERS.into());
    let place = Depot::exponential(MEAN);
    for load in [10.0, 12.0, 14.0, 16.0, 18.0, 19.0] {
        let [_, waiting] = depot(&place, load, 20, Settings::clone, waited);
        draw("erlang", "wait", load, &waiting);
    }
    for load in [10.0, 13.0, 16.0, 19.0, 22.0, 25.0] {
        let [lost] = depot(&place, load, 20, impatient, cancelled);
        draw("erlang", "lost at once", load, &lost);
        let patient = Depot { mean_patience: Some(MEAN * 2.0), ..Depot::exponential(MEAN) };
        let [lost] = depot(&patient, load, 20, fifo, cancelled);
        draw("erlang", "lose patience", load, &lost);
    }
}

mod statistical {
    use super::*;

    /// The same for `make test`, with few replications.
    #[test]
    fn waiting_is_as_erlang_says() {
        let [waits, _] = depot(&Depot::exponential(MEAN), 18.0, 25, Settings::clone, waited);
        let (mean, error) = mean_and_error(&waits);
        assert!(error < 0.02 && (mean - ERLANG_C_WAIT).abs() < 3.0 * error, "{mean} +- {error}");
    }
}
