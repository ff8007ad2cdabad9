//! Check 12: the use of replications, for common random numbers and intervals.

use crate::ridehail::entities::RiderState;

use super::*;

#[test]
#[ignore = "make validate"]
fn validate_12_common_random_numbers() {
    let mut lines = Lines::of(12);
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
    lines.row(what, ratio, "<= 0.5", None, 1_000, Verdict::of(ratio <= 0.5));
    // Student's t with nine degrees of freedom. The true value comes from other replicates: with the same
    // ones, an interval would be compared with its own data.
    let (truth, _) = mean_and_error(&conversions(&settings(), 100_000, 20_000));
    let covers = |ten: &&[f64]| {
        let (mean, error) = mean_and_error(ten);
        (mean - truth).abs() < 2.262_157 * error
    };
    let covered = many.chunks(10).filter(covers).count() as f64 / 1_000.0;
    let error = (covered * (1.0 - covered) / 1_000.0).sqrt();
    let what = "Coverage of 95 % intervals of the conversion rate, ten replications each";
    let passes = Verdict::of((0.93..=0.97).contains(&covered));
    lines.row(what, covered, "0.93 to 0.97", Some(error), 1_000, passes);
    lines.end();
}
