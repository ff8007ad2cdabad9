//! The checks of docs/validation.md: `make validate` runs them and writes its table.
//!
//! Each prints a JSON line for each number, and fails where one is off. Seeds are fixed.

use sweep_runtime::Stream;

use crate::ridehail::Time;
use crate::ridehail::assignment::{Assignment, Edge};
use crate::ridehail::drive::Drive;
use crate::ridehail::entities::{DriverState, NOT_YET, RiderState};
use crate::ridehail::space::{Index, Space, Visitor};

use super::theory::{Depot, Service, tireless, whole};
use super::*;

/// Of the simulations in a depot: mean service, ms.
const MEAN: f64 = 1e8;
const DRIVERS: u32 = 20;

/// A mean over replications, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|one| (one - mean) * (one - mean)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

/// Prints a line of the table, and fails where it says so.
fn tell(
    check: u32,
    what: &str,
    measured: f64,
    expected: &str,
    error: Option<f64>,
    number: usize,
    passes: bool,
) {
    let error = error.map_or("null".to_owned(), |error| error.to_string());
    println!(
        "\n{{\"check\":{check},\"what\":\"{what}\",\"measured\":{measured},\"expected\":\"{expected}\",\"error\":{error},\
         \"number\":{number},\"passes\":{passes}}}"
    );
    assert!(passes, "{what}: {measured}, not {expected}, {error}");
}

/// The same for a mean that is to be within three standard errors of theory.
fn tell_mean(check: u32, what: &str, values: &[f64], theory: f64) {
    let (mean, error) = mean_and_error(values);
    let passes = (mean - theory).abs() < 3.0 * error;
    tell(check, what, mean, &format!("{theory:.6}"), Some(error), values.len(), passes);
}

/// Simulates a depot with a load, once a replication, and measures what became of the riders but the first ones.
fn depot<const N: usize>(
    depot: &Depot,
    load: f64,
    replications: u32,
    change: impl Fn(Settings) -> Settings,
    measure: impl Fn(&Arena<Depot>, std::ops::Range<usize>) -> [f64; N],
) -> [Vec<f64>; N] {
    let riders = 20_000;
    let settings = change(tireless(DRIVERS, riders, whole(f64::from(riders) * MEAN / load)));
    let mut arena: Arena<Depot> = Arena::default();
    let mut all = [const { vec![] }; N];
    for replicate in 0..replications {
        simulate(&settings, depot, &Streams::new(42, replicate), &mut arena, None).unwrap();
        // The first ones find an empty city.
        let measured = measure(&arena, 3_000..arena.riders.states.len());
        all.iter_mut().zip(measured).for_each(|(all, one)| all.push(one));
    }
    all
}

#[test]
#[ignore = "make validate"]
fn validate_02_erlang_c() {
    let [waits, waiting] = depot(
        &Depot::exponential(MEAN),
        18.0,
        100,
        |same| same,
        |arena, riders| {
            let count = riders.len() as f64;
            let wait = |at: usize| {
                (arena.riders.journeys[at].matched_at - arena.riders.requests[at].requested_at) as f64
            };
            // Quote, answer, pass and offer take 4 to 5 s of a service of 28 h.
            let waiting = riders.clone().filter(|at| wait(*at) > 10_000.0).count() as f64;
            [riders.map(wait).sum::<f64>() / count / MEAN, waiting / count]
        },
    );
    tell_mean(2, "Erlang C, mean wait x service rate", &waits, 0.275_385);
    tell_mean(2, "Erlang C, share of riders who wait", &waiting, 0.550_769);
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

#[test]
#[ignore = "make validate"]
fn validate_03_erlang_b() {
    let all = [
        ("exponential", Service::Exponential),
        ("deterministic", Service::Deterministic),
        ("empirical", Service::Empirical(real_trips())),
    ];
    for (name, service) in all {
        let place = Depot { mean_service: MEAN, service, mean_patience: None };
        // One search a second after acceptance, and an answer two seconds later; who has none then is lost.
        let impatient = |settings| Settings { batch: None, patience: [6_000, 6_000], ..settings };
        let [lost] = depot(&place, 18.0, 100, impatient, cancelled);
        tell_mean(3, &format!("Erlang B, share of riders lost, {name} trips"), &lost, 0.109_213);
    }
}

/// The share who abandon in M/M/c+M, from the stationary distribution of the birth-death process.
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

/// The same in M/M/c+G with a patience uniform up to `most` services: Baccelli and Hebuterne's integrals, by Simpson.
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

#[test]
#[ignore = "make validate"]
fn validate_04_erlang_a() {
    for load in [18.0, 22.0] {
        let fifo = |settings| Settings { algorithm: Algorithm::Simple, ..settings };
        let place = Depot { mean_patience: Some(MEAN * 2.0), ..Depot::exponential(MEAN) };
        let [lost] = depot(&place, load, 100, fifo, cancelled);
        tell_mean(4, &format!("Erlang A, load {load}, share who abandon"), &lost, erlang_a(load, 0.5));
        let uniform = |settings| Settings { patience: [0, whole(MEAN)], ..fifo(settings) };
        let [lost] = depot(&Depot::exponential(MEAN), load, 100, uniform, cancelled);
        let what = format!("M/M/c+G, uniform patience, load {load}, share who abandon");
        tell_mean(4, &what, &lost, erlang_a_uniform(load, 1.0));
    }
}

#[test]
fn littles_law_of_drivers_on_the_way_is_exact() {
    little(false);
}

#[test]
#[ignore = "make validate"]
fn validate_05_little() {
    little(true);
}

/// Drivers' stocks, integrated as they change, against the times of the riders' journeys.
fn little(printed: bool) {
    let (mut worst, mut number) = (0.0_f64, 0);
    for settings in varied().into_iter().filter(|settings| settings.warmup == 0) {
        let mut arena: Arena<Map> = Arena::default();
        run(&settings, 2, &mut arena);
        let mut sums = [0_i128; 2];
        for (journey, state) in arena.riders.journeys.iter().zip(&arena.riders.states) {
            let spell = |from: Time, to: Time| i128::from(to.min(settings.end).saturating_sub(from));
            if journey.matched_at != NOT_YET {
                let gone =
                    if *state == RiderState::Cancelled { journey.cancel_at } else { journey.pickup_at };
                sums[0] += spell(journey.matched_at, gone);
            }
            if journey.pickup_at != NOT_YET {
                sums[1] += spell(journey.pickup_at, journey.dropoff_at.saturating_add(1_000));
            }
        }
        for (state, sum) in [DriverState::EnRoute, DriverState::OnTrip].into_iter().zip(sums) {
            let stock = arena.drivers.stocks.time_in(state, settings.end);
            assert!(stock > 0);
            worst = worst.max((stock - sum).unsigned_abs() as f64 / stock as f64);
            number += 1;
        }
    }
    if printed {
        let what = "Little's law of drivers en route and on trips, worst |L - lambda W| / L";
        tell(5, what, worst, "0, < 0.01", None, number, worst == 0.0);
    }
    assert!(worst == 0.0, "{worst}");
}

/// The unit square whose opposite sides are one.
struct Torus;

type Point = [f64; 2];

fn apart(one: Point, other: Point) -> f64 {
    let [x, y] = [0, 1].map(|axis| {
        let gap = (one[axis] - other[axis]).abs();
        gap.min(1.0 - gap)
    });
    (x * x + y * y).sqrt()
}

#[derive(Default)]
struct Standing(Vec<(u32, Point)>);

impl Index<Torus> for Standing {
    fn clear(&mut self, _: &Torus) {
        self.0.clear();
    }

    fn insert(&mut self, id: u32, at: Point) {
        self.0.push((id, at));
    }

    fn remove(&mut self, id: u32, _: Point) {
        self.0.retain(|(known, _)| *known != id);
    }

    fn nearest(&self, _: &Torus, from: Point) -> Option<f64> {
        self.0.iter().map(|(_, at)| apart(from, *at)).reduce(f64::min)
    }

    fn within(&self, _: Point, _: u32, mut visit: impl FnMut(u32, Point)) {
        self.0.iter().for_each(|(id, at)| visit(*id, *at));
    }

    fn outwards(&self, _: &Torus, _: Point, _: u32, visitor: &mut impl Visitor<Point>) {
        self.0.iter().for_each(|(id, at)| visitor.visit(*id, *at));
        visitor.is_enough(f64::INFINITY);
    }
}

impl Space for Torus {
    type Place = Point;
    type Index = Standing;

    fn arrival(&self, stream: &mut Stream) -> Point {
        [stream.uniform(), stream.uniform()]
    }

    fn destination(&self, from: Point, _: [u32; 2], _: &mut Stream) -> Option<Point> {
        Some(from)
    }

    fn km(&self, one: Point, other: Point) -> f64 {
        apart(one, other)
    }

    fn hops(&self, _: Point, _: Point) -> u32 {
        1
    }

    fn on_the_way(&self, _: Point, to: Point, _: u32) -> Point {
        to
    }

    fn drive(&self, _: Point, to: Point, _: &Drive, _: Stream, start: Time, _: Time) -> (Time, Point) {
        (start, to)
    }

    fn cells(&self) -> usize {
        1
    }

    fn cell(&self, _: Point) -> usize {
        0
    }

    fn public(&self, _: Point) -> i64 {
        0
    }
}

#[test]
#[ignore = "make validate"]
fn validate_06_nearest_driver() {
    for drivers in [10, 100, 1_000] {
        let settings = Settings {
            choice: Choice::Threshold { fare: 1e300, eta: 1e300, probability: 0.0 },
            most_rejections: 0,
            ..tireless(drivers, 150, HOUR)
        };
        let mut arena: Arena<Torus> = Arena::default();
        let means: Vec<f64> = (0..2_000)
            .map(|replicate| {
                simulate(&settings, &Torus, &Streams::new(42, replicate), &mut arena, None).unwrap();
                let distances = arena.riders.requests.iter().map(|request| request.eta / 90_000.0);
                distances.sum::<f64>() / arena.riders.requests.len() as f64
            })
            .collect();
        let n = f64::from(drivers);
        let theory = 0.5 * libm::exp(libm::lgamma(n + 1.0) - libm::lgamma(n + 1.5));
        let (mean, _) = mean_and_error(&means);
        assert!((mean / theory - 1.0).abs() < 0.01);
        tell_mean(
            6,
            &format!("Nearest of {drivers} idle drivers on a unit torus, mean distance"),
            &means,
            theory,
        );
    }
}

/// The probability of a chi-square as large: Wilson and Hilferty's approximation.
fn chi_square_tail(value: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    libm::erfc((libm::cbrt(value / freedom) - 1.0 + spread) / spread.sqrt() / std::f64::consts::SQRT_2) / 2.0
}

#[test]
#[ignore = "make validate"]
fn validate_09_arrivals() {
    let week = 7 * 24 * HOUR;
    let mut settings = settings();
    // A larger divisor keeps far from the caps.
    settings.riders = Arriving { cap: 200_000, window: week, divisor: 3.0, ..settings.riders };
    settings.drivers = Arriving { cap: 200_000, window: week, divisor: 3.0, ..settings.drivers };
    settings.choice = Choice::Threshold { fare: 0.0, eta: 0.0, probability: 0.0 };
    (settings.most_rejections, settings.epoch, settings.end) = (0, 0, week);
    let mut arena: Arena<Map> = Arena::default();
    run(&settings, 0, &mut arena);
    let since = |times: &mut dyn Iterator<Item = Time>| times.collect::<Vec<_>>();
    let asked = since(&mut arena.riders.requests.iter().map(|request| request.requested_at));
    let began = since(&mut arena.drivers.shifts.iter().map(|shift| shift.since));
    for (name, times, week) in [("riders", asked, &calendar::RIDERS), ("drivers", began, &calendar::DRIVERS)]
    {
        let mut counts = [0.0; 168];
        for time in &times {
            counts[usize::try_from(time / HOUR).unwrap()] += 1.0;
        }
        let expected = |hour: usize| calendar::busyness(week, hour as Time * HOUR) * 200_000.0 / 168.0 / 3.0;
        let square: f64 =
            (0..168).map(|at| (counts[at] - expected(at)) * (counts[at] - expected(at)) / expected(at)).sum();
        let p = chi_square_tail(square, 168.0);
        let what = format!("Arrivals of {name} in 168 hours, p of chi-square {square:.1}");
        tell(9, &what, p, "> 0.001", None, times.len(), p > 0.001);
    }
    let gaps = arena.riders.requests.windows(2);
    let pairs =
        gaps.map(|pair| ((pair[1].requested_at - pair[0].requested_at) as f64, f64::from(pair[0].pickup.r)));
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let (r, limit) = (correlation(&x, &y), 3.0 / (x.len() as f64).sqrt());
    tell(
        9,
        "Correlation of gap and latitude",
        r,
        &format!("within {limit:.6} of 0"),
        None,
        x.len(),
        r.abs() < limit,
    );
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let [(a, _), (b, _)] = [mean_and_error(x), mean_and_error(y)];
    let sum = |of: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| of(x - a, y - b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

/// What tools/validate.py computes, too.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
#[ignore = "make validate"]
fn validate_10_assignment() {
    // Thousand instances up to 200 x 200, with a tenth of the edges to all of them; tools/validate.py has SciPy solve
    // the same ones.
    let mut assignment = Assignment::default();
    let lines: Vec<String> = (1..=1_000_u64)
        .map(|instance| {
            let side = |salt: u64| u32::try_from(1 + mix(instance * 8 + salt) % 200).unwrap();
            let (rows, columns, tenths) = (side(0), side(1), 1 + mix(instance * 8 + 2) % 10);
            let mut edges = vec![];
            for (rider, driver) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let draw = mix((instance << 32) + (u64::from(rider) << 16) + u64::from(driver));
                if draw % 10 < tenths {
                    edges.push(Edge { rider, driver, cost: i64::try_from(draw / 10 % 1_000_000).unwrap() });
                }
            }
            let matches = assignment.solve(Algorithm::Hungarian, &mut edges);
            let cost = |m: &super::super::assignment::Match| {
                let place =
                    edges.binary_search_by_key(&(m.rider, m.driver), |edge| (edge.rider, edge.driver));
                edges[place.unwrap()].cost
            };
            let total: i64 = matches.iter().map(cost).sum();
            format!("[{instance},{rows},{columns},{tenths},{},{total}]", matches.len())
        })
        .collect();
    println!("\n{{\"instances\":[{}]}}", lines.join(","));
}

#[test]
#[ignore = "make validate"]
fn validate_12_common_random_numbers() {
    let mut arena: Arena<Map> = Arena::default();
    let fewer = Settings { drivers: Arriving { cap: 140, ..settings().drivers }, ..settings() };
    let mut conversions = |settings: &Settings, from: u32, number: u32| -> Vec<f64> {
        let conversion = |replicate| {
            let report = run(settings, replicate, &mut arena);
            report.riders[RiderState::Completed as usize] as f64 / report.total() as f64
        };
        (from..from + number).map(conversion).collect()
    };
    let many = conversions(&settings(), 0, 10_000);
    let (same, others) = (conversions(&fewer, 0, 1_000), conversions(&fewer, 20_000, 1_000));
    let variance = |other: &[f64]| {
        let differences: Vec<f64> = many.iter().zip(other).map(|(one, other)| one - other).collect();
        let (_, error) = mean_and_error(&differences);
        error * error
    };
    let ratio = variance(&same) / variance(&others);
    let what = "Variance of differences between 150 and 140 drivers, paired to unpaired";
    tell(12, what, ratio, "<= 0.5", None, 1_000, ratio <= 0.5);
    // Student's t with nine degrees of freedom; the truth is the mean of all.
    let (truth, _) = mean_and_error(&many);
    let covers = |ten: &&[f64]| {
        let (mean, error) = mean_and_error(ten);
        (mean - truth).abs() < 2.262_157 * error
    };
    let covered = many.chunks(10).filter(covers).count() as f64 / 1_000.0;
    let error = (covered * (1.0 - covered) / 1_000.0).sqrt();
    let what = "Coverage of 95 % intervals of the conversion rate, ten replications each";
    tell(12, what, covered, "0.93 to 0.97", Some(error), 1_000, (0.93..=0.97).contains(&covered));
}
