//! Arrivals against their rate, and apart from places: 9.

use crate::ridehail::Time;

use super::*;

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
