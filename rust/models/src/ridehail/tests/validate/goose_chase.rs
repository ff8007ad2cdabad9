//! Check 7: the wild goose chase. Throughput falls if too few drivers are idle and pickups are long.
//!
//! Source: J. C. Castillo, D. Knoepfle, E. G. Weyl, "Surge pricing solves the wild goose chase" (2017).

use super::torus::{KAPPA, Steady, Torus, steady};
use super::*;

const DRIVERS: u32 = 600;
const REPLICATIONS: u32 = 10;
/// Trips so short that the peak is well inside the curve, and the mean distance between two places on the
/// torus.
const SHORT_TRIP: f64 = 0.1;
const OWN_TRIP: f64 = 0.3826;

/// A point of the curve: means over replications.
struct Point {
    kept: usize,
    idle: f64,
    throughput: f64,
    pickup: f64,
}

impl Point {
    /// The deviation from L = O + Y (T + pickup).
    fn miss(&self, trip: f64, pickup: f64) -> f64 {
        (self.throughput * (trip + pickup) / (f64::from(DRIVERS) - self.idle) - 1.0).abs()
    }

    fn theory(&self) -> f64 {
        KAPPA / self.idle.sqrt()
    }
}

/// The curve, from the fewest idle drivers on. It is printed for the figure if it has a name.
fn curve(roam: bool, trip: f64, series: Option<&str>) -> Vec<Point> {
    let mut arena = Arena::default();
    let point = |kept| {
        let torus = Torus { trip, kept, roam, ring: false };
        let states: Vec<Steady> = (0..REPLICATIONS)
            .map(|replicate| steady(DRIVERS, &torus, [8.0, 20.0], replicate, &mut arena))
            .collect();
        let of = |part: fn(&Steady) -> f64| states.iter().map(part).collect::<Vec<f64>>();
        let [(idle, _), (pickup, _), (throughput, _)] =
            [of(|state| state.idle), of(|state| state.pickup), of(|state| state.throughput)]
                .map(|values| mean_and_error(&values));
        if let Some(series) = series {
            draw("goose-chase", &format!("{series} idle drivers"), idle, &of(|state| state.throughput));
            let steady = format!("{series} idle drivers, in a steady state");
            draw("pickup", &steady, idle, &of(|state| state.pickup));
        }
        Point { kept, idle, throughput, pickup }
    };
    [10, 20, 40, 60, 90, 130, 200, 300, 400].map(point).into()
}

/// The maximum of a value over points, and the number of runs.
fn worst<'a>(points: impl Iterator<Item = &'a Point>, of: impl Fn(&Point) -> f64) -> (f64, usize) {
    points.fold((0.0, 0), |(worst, runs), point| (of(point).max(worst), runs + REPLICATIONS as usize))
}

#[test]
#[ignore = "make validate"]
fn validate_07_wild_goose_chase() {
    tell_constant("goose_drivers", DRIVERS.into());
    tell_constant("goose_trip", SHORT_TRIP);
    tell_constant("kappa", KAPPA);
    let mut lines = Lines::of(7);
    let roaming = curve(true, SHORT_TRIP, Some("roaming"));
    let standing = curve(false, SHORT_TRIP, Some("standing"));
    let own = curve(false, OWN_TRIP, None);
    // With fewer, the mean distance to the nearest is not yet KAPPA / sqrt(n).
    let enough = |point: &&Point| point.kept >= 20;
    let line = |trip: f64| move |point: &Point| point.miss(trip, point.theory());
    let below = |miss: f64| Verdict::of(miss < 0.03);

    let (miss, runs) = worst(roaming.iter().filter(enough), line(SHORT_TRIP));
    let what =
        "Wild goose chase, 20 to 400 idle drivers, who roam, worst miss of L = O + Y (T + 0.5 / sqrt(O))";
    lines.row(what, miss, "< 0.03", None, runs, below(miss));
    let (miss, runs) = worst(roaming.iter().filter(|point| !enough(point)), line(SHORT_TRIP));
    lines.row("The same with 10 idle drivers, who roam", miss, "< 0.03", None, runs, Verdict::Outside);
    let (miss, runs) = worst(standing.iter().filter(enough), line(SHORT_TRIP));
    lines.row(
        "The same with 20 to 400 idle drivers, who stand",
        miss,
        "< 0.03",
        None,
        runs,
        Verdict::Outside,
    );
    tell_branches(&mut lines, &own);
    tell_pickups(&mut lines, &standing);

    let own_pickup = |trip: f64| move |point: &Point| point.miss(trip, point.pickup);
    let both = roaming.iter().chain(&standing);
    let (miss, runs) = worst(both, own_pickup(SHORT_TRIP));
    let what = "Little's identity: the line with the measured pickup, drivers who roam or stand";
    lines.row(what, miss, "< 0.03", None, runs, below(miss));
    let (most, runs) = worst(roaming.iter().filter(enough), |point| point.throughput);
    let ends = roaming[1].throughput.max(roaming[roaming.len() - 1].throughput) / most;
    let what = "Throughput at either end of the curve to that of its peak";
    lines.row(what, ends, "< 0.9: the peak is inside", None, runs, Verdict::of(ends < 0.9));
    lines.end();
}

/// Both branches of drivers who stay where they are, with the torus's own mean trip.
fn tell_branches(lines: &mut Lines, own: &[Point]) {
    let peak = own.iter().max_by(|one, other| one.throughput.total_cmp(&other.throughput)).unwrap().kept;
    let branches = [
        ("the left branch", own.iter().filter(|point| point.kept <= peak).collect::<Vec<_>>()),
        ("the right branch", own.iter().filter(|point| point.kept >= peak).collect()),
    ];
    for (name, points) in branches {
        let range = format!("{} to {}", points[0].kept, points[points.len() - 1].kept);
        let (miss, runs) = worst(points.into_iter(), |point| point.miss(OWN_TRIP, point.theory()));
        let what =
            format!("Wild goose chase, drivers who stand, T = {OWN_TRIP}, {range} idle, {name}, worst miss");
        lines.row(&what, miss, "< 0.03", None, runs, Verdict::of(miss < 0.03));
    }
}

/// How much longer pickups are than in theory if drivers stay where they are.
fn tell_pickups(lines: &mut Lines, standing: &[Point]) {
    let ratios = standing.iter().map(|point| (point.pickup / point.theory(), point.idle));
    let [least, most] = [
        ratios.clone().reduce(|one, other| if one.0 < other.0 { one } else { other }),
        ratios.reduce(|one, other| if one.0 > other.0 { one } else { other }),
    ]
    .map(Option::unwrap);
    for (name, (ratio, idle)) in [("least", least), ("most", most)] {
        let what = format!("Pickup of drivers who stand to 0.5 / sqrt(O), {name}, at {idle:.0} idle drivers");
        lines.row(&what, ratio, "1 if they roamed", None, REPLICATIONS as usize, Verdict::Outside);
    }
}
