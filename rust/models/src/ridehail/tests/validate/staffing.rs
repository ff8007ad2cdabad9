//! Check 8: staffing, the drivers beyond the load if the platform keeps the best number of drivers idle.
//!
//! The best number is found by simulation, on a grid that does not depend on theory.
//!
//! Source: O. Besbes, F. Castro, I. Lobel, "Spatial capacity planning" (2022).

use super::torus::{Torus, steady};
use super::*;

const TRIP: f64 = 0.38;
const SIZES: [u32; 5] = [500, 1_000, 2_000, 4_000, 8_000];
const REPLICATIONS: usize = 5;
/// The grid: the first number of idle drivers, then each time sqrt(2) times as many.
const FEWEST: f64 = 8.0;

/// For a number of drivers: those beyond the load, by replication and place in the grid.
type Beyond = [Vec<f64>; REPLICATIONS];

/// Simulates the grid. It ends where as many are kept idle as are beyond the load at the best place so far:
/// idle drivers are beyond the load themselves, so no later place is better.
fn beyond(drivers: u32, torus: Torus, arena: &mut Arena<Torus>) -> Beyond {
    let mut all: Beyond = std::array::from_fn(|_| vec![]);
    let mut least = f64::INFINITY;
    for place in 0.. {
        let kept = kept(place.into());
        if kept > least.min(f64::from(drivers) / 2.0) {
            break;
        }
        let torus = Torus { kept: small(kept) as usize, ..torus };
        let values: Vec<f64> = (0..)
            .take(REPLICATIONS)
            .map(|replicate| f64::from(drivers) - steady(drivers, &torus, [5.0, 6.0], replicate, arena).load)
            .collect();
        least = least.min(mean_and_error(&values).0);
        all.iter_mut().zip(values).for_each(|(one, value)| one.push(value));
    }
    all
}

/// The idle drivers at a place of the grid, or between two.
fn kept(place: f64) -> f64 {
    FEWEST * libm::exp2(place / 2.0)
}

/// The index of the minimum, and the minimum.
fn best(curve: &[f64]) -> (usize, f64) {
    curve.iter().copied().enumerate().min_by(|one, other| one.1.total_cmp(&other.1)).unwrap()
}

/// The minimum of the parabola through the smallest value and its neighbours.
fn vertex(curve: &[f64]) -> f64 {
    let (place, least) = best(curve);
    let (before, after) = (curve[place - 1] - least, curve[place + 1] - least);
    place as f64 + (before - after) / (before + after) / 2.0
}

/// By replication, the slope of the least squares line through the values of `of` for each size.
fn slopes(all: &[(u32, Beyond)], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let slope = |replication: usize| {
        let points: Vec<(f64, f64)> = all
            .iter()
            .map(|(drivers, beyond)| {
                let load = f64::from(*drivers) - best(&beyond[replication]).1;
                (libm::log(load), libm::log(of(&beyond[replication])))
            })
            .collect();
        slope(&points)
    };
    (0..REPLICATIONS).map(slope).collect()
}

#[test]
#[ignore = "make validate"]
fn validate_08_staffing() {
    tell_constant("staffing_trip", TRIP);
    let mut lines = Lines::of(8);
    let mut arena = Arena::default();
    let torus = Torus { trip: TRIP, kept: 0, roam: true, ring: false };
    let spaces = [
        ("who roam while idle", torus, "0.667 +- 0.05", 2.0 / 3.0),
        ("who stand while idle", Torus { roam: false, ..torus }, "0.667 +- 0.05", 2.0 / 3.0),
        (
            "on a ring, where the nearest of n is 0.5 / n away",
            Torus { ring: true, ..torus },
            "0.5 +- 0.05",
            0.5,
        ),
    ];
    for (name, torus, expected, theory) in spaces {
        let all = SIZES.map(|drivers| (drivers, beyond(drivers, torus, &mut arena)));
        let (exponent, error) = mean_and_error(&slopes(&all, |curve| best(curve).1));
        let what = format!("Staffing, exponent of the fewest drivers beyond the load, drivers {name}");
        let passes = Verdict::of((exponent - theory).abs() < 0.05);
        lines.row(&what, exponent, expected, Some(error), REPLICATIONS, passes);
        let (exponent, error) = mean_and_error(&slopes(&all, |curve| kept(vertex(curve))));
        let what = format!("The same of the idle drivers at which they are fewest, drivers {name}");
        lines.row(&what, exponent, &format!("{theory:.3}"), Some(error), REPLICATIONS, Verdict::Told);
        if !torus.ring {
            draw_fewest(&all, name);
            tell_square_root(&mut lines, &all, name);
        }
    }
    lines.end();
}

fn draw_fewest(all: &[(u32, Beyond)], name: &str) {
    for (drivers, beyond) in all {
        let fewest: Vec<f64> = beyond.iter().map(|curve| best(curve).1).collect();
        let load = f64::from(*drivers) - mean_and_error(&fewest).0;
        draw("staffing", &format!("drivers {name}"), load, &fewest);
    }
}

/// The square-root rule: twice the drivers keep sqrt(2) times as many idle, which is one place of the grid.
/// From the best number of the smallest city on, it needs more and more drivers than the best numbers do.
fn tell_square_root(lines: &mut Lines, all: &[(u32, Beyond)], name: &str) {
    let excess = |step: usize| -> (f64, f64) {
        let excess = |(first, curve): (&Vec<f64>, &Vec<f64>)| {
            let place = vertex(first) + step as f64;
            between(curve, place) / best(curve).1 - 1.0
        };
        mean_and_error(&all[0].1.iter().zip(&all[step].1).map(excess).collect::<Vec<_>>())
    };
    let last = all.len() - 1;
    let [(half, _), (most, error)] = [excess(last / 2), excess(last)];
    let what = format!(
        "Square-root rule from the best of {} drivers on: share more beyond the load of {} than at the best, \
         drivers {name}",
        all[0].0, all[last].0
    );
    let expected = format!("> 0.03, and than {half:.4} of {}", all[last / 2].0);
    let rises = most > 0.03 && most > half + 3.0 * error;
    lines.row(&what, most, &expected, Some(error), REPLICATIONS, Verdict::of(rises));
}

/// Linear interpolation between two places of the curve.
fn between(curve: &[f64], place: f64) -> f64 {
    let (whole, part) = (small(place) as usize, place.fract());
    curve[whole] * (1.0 - part) + curve[whole + 1] * part
}

/// The slope of the least squares line.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = (
        points.iter().map(|one| one.0).sum::<f64>() / count,
        points.iter().map(|one| one.1).sum::<f64>() / count,
    );
    let product: f64 = points.iter().map(|one| (one.0 - x) * (one.1 - y)).sum();
    product / points.iter().map(|one| (one.0 - x) * (one.0 - x)).sum::<f64>()
}
