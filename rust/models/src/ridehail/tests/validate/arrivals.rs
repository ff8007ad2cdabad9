//! Check 9: arrivals match their rate and are independent of places.

use h3o::{CellIndex, LatLng};

use crate::ridehail::Time;
use crate::ridehail::space::Space as _;
use crate::ridehail::tests::statistical::expected;

use super::*;

const WEEK: usize = 168;
/// Larger divisors of the rates, to stay far from the caps.
const DIVISOR: f64 = 3.0;
const CAP: u32 = 200_000;

/// The probability of a chi-square at least this large: Wilson and Hilferty's approximation.
fn chi_square_tail(value: f64, freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    libm::erfc((libm::cbrt(value / freedom) - 1.0 + spread) / spread.sqrt() / std::f64::consts::SQRT_2) / 2.0
}

/// The gap before each rider but the first, ms, and the latitude of the one before it, degrees.
pub(in crate::ridehail::tests) fn gaps_and_latitudes(arena: &Arena<Map>) -> (Vec<f64>, Vec<f64>) {
    let latitude = |pickup| {
        let number = u64::try_from(map().public(pickup)).unwrap();
        LatLng::from(CellIndex::try_from(number).unwrap()).lat()
    };
    let pairs = arena.riders.requests.windows(2);
    pairs.map(|pair| ((pair[1].requested_at - pair[0].requested_at) as f64, latitude(pair[0].pickup))).unzip()
}

pub(in crate::ridehail::tests) fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let [(a, _), (b, _)] = [mean_and_error(x), mean_and_error(y)];
    let sum = |of: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| of(x - a, y - b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
#[ignore = "make validate"]
fn validate_09_arrivals() {
    let mut lines = Lines::of(9);
    let window = WEEK as Time * HOUR;
    let mut settings = settings();
    settings.riders = Arriving { cap: CAP, window, divisor: DIVISOR, ..settings.riders };
    settings.drivers = Arriving { cap: CAP, window, divisor: DIVISOR, ..settings.drivers };
    settings.choice = Choice::Threshold { fare: 0.0, eta: 0.0, probability: 0.0 };
    (settings.most_rejections, settings.epoch, settings.end) = (0, 0, window);
    let mut arena: Arena<Map> = Arena::default();
    run(&settings, 0, &mut arena);
    let asked: Vec<Time> = arena.riders.requests.iter().map(|request| request.requested_at).collect();
    let began: Vec<Time> = arena.drivers.shifts.iter().map(|shift| shift.since).collect();
    for (name, times, week) in [("riders", asked, &calendar::RIDERS), ("drivers", began, &calendar::DRIVERS)]
    {
        let square = chi_square(&times, week);
        let p = chi_square_tail(square, WEEK as f64);
        let what = format!("Arrivals of {name} in {WEEK} hours, p of chi-square {square:.1}");
        // At the other end, arrivals would be too regular for a Poisson process.
        let passes = Verdict::of((0.001..0.999).contains(&p));
        lines.row(&what, p, "> 0.001, < 0.999", None, times.len(), passes);
    }
    let (gaps, latitudes) = gaps_and_latitudes(&arena);
    let (r, limit) = (correlation(&gaps, &latitudes), 3.0 / (gaps.len() as f64).sqrt());
    let expected = format!("within {limit:.6} of 0");
    let what = "Correlation of gap and latitude";
    lines.row(what, r, &expected, None, gaps.len(), Verdict::of(r.abs() < limit));
    lines.end();
}

/// Of counts by the hour.
fn chi_square(times: &[Time], week: &calendar::Week) -> f64 {
    let mut counts = [0.0; WEEK];
    for time in times {
        counts[usize::try_from(time / HOUR).unwrap()] += 1.0;
    }
    let square = |(hour, count): (usize, &f64)| {
        let mean = expected(f64::from(CAP) / WEEK as f64, week, DIVISOR, hour as Time, 1);
        (count - mean) * (count - mean) / mean
    };
    counts.iter().enumerate().map(square).sum()
}
