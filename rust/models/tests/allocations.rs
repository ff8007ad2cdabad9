//! How much memory a point of `ridehail` allocates, and that it allocates none once its thread has run an
//! equally large one.
//!
//! Only the test's own thread is counted. A vector counts twice while it grows, which the system's allocator
//! often avoids: the peaks are upper bounds.

use allocation_counter::{AllocationInfo, measure};
use sweep_models::Ridehail;
use sweep_runtime::{Trial, ValueRef};

const EIGHT_HOURS_MS: i64 = 28_800_000;
/// A bucket of the map allocates when it holds more entities than ever before. There are about 3,000 buckets
/// in three indices. Points of the sizes below have 27,000 to 670,000 events.
const OUTGROWN: u64 = 1_500;

#[test]
fn a_small_city() {
    // More than the 2,000 riders up to which debug assertions check every pass, which allocates.
    check([3_000, 1_500], &[]);
}

#[test]
fn a_middling_city() {
    check([10_000, 7_000], &[]);
}

#[test]
fn riders_who_are_matched_one_by_one() {
    let one_by_one = ("batch_matching_enabled", false.into());
    check([10_000, 7_000], &[one_by_one, ("choice_model", "logit".into())]);
}

#[test]
fn crowded_streets_and_surge() {
    let streets = [("dynamic_congestion_enabled", true.into()), ("traffic_profile", "berlin".into())];
    check([10_000, 7_000], &[&streets[..], &[("surge_enabled", true.into())]].concat());
}

#[test]
fn greedy_passes() {
    check([10_000, 7_000], &[("matching_algorithm_type", "cost_based".into())]);
}

#[test]
fn the_smallest_city_of_the_contract_fits_too() {
    let size = [1_000, 500];
    let first = run(&mut city(size, &[]), 0);
    assert!(first.bytes_max <= most_bytes(size), "{first:?}");
}

/// The first point is within the bound, an equal one allocates nothing, and another one only where it
/// outgrows the first.
fn check(size: [u32; 2], more: &[(&'static str, ValueRef<'static>)]) {
    let mut city = city(size, more);
    let first = run(&mut city, 0);
    assert!(first.bytes_max <= most_bytes(size), "{first:?}");
    let equal = run(&mut city, 0);
    assert_eq!(equal.count_total, 0, "{equal:?}");
    let another = run(&mut city, 1);
    assert!(another.count_total < OUTGROWN, "{another:?}");
}

/// Most bytes of a running point, by contract.
fn most_bytes([riders, drivers]: [u32; 2]) -> u64 {
    200 * u64::from(riders + drivers) + 8_000_000
}

/// Three hours in the morning; all riders and drivers arrive in them.
fn city([riders, drivers]: [u32; 2], more: &[(&'static str, ValueRef<'static>)]) -> Trial<'static> {
    let given = [
        ("num_riders", i64::from(riders).into()),
        ("num_drivers", i64::from(drivers).into()),
        ("epoch_ms", EIGHT_HOURS_MS.into()),
        ("simulation_duration_hours", 3_i64.into()),
        ("match_radius", 10_i64.into()),
    ];
    Trial::new(&Ridehail, &[&given, more].concat())
}

fn run(city: &mut Trial<'_>, replicate: u32) -> AllocationInfo {
    measure(|| city.run(1, replicate).expect("no city here fails"))
}

mod slow {
    use super::*;

    #[test]
    fn a_large_city() {
        check([100_000, 20_000], &[]);
    }
}
