//! The rows of `make bench-ridehail` as JSON Lines, which tests/benchmarks/ridehail.py formats: time, events,
//! memory and allocations of points that run one after another in the same scratch memory.
//!
//! `--only ROW` runs points of one row for some seconds and prints nothing: for a profiler.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

mod rows;

use std::env;
use std::time::Duration;

use allocation_counter::measure;
use rows::{ROWS, Row};
use rustix::time::{ClockId, clock_gettime};
use sweep_runtime::{Trial, ValueRef};

const SEED: i64 = 1;
/// Points before the first measured one. After them, memory has grown to what the city needs.
const WARMING: u32 = 3;
const LEAST_POINTS: usize = 15;
const LEAST_TIME: Duration = Duration::from_millis(1_500);
const PROFILED_TIME: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let Some(flag) = arguments.iter().position(|argument| argument == "--only") {
        let row: usize = arguments[flag + 1].parse().expect("a row's number");
        timed(&mut ROWS[row].trial(), PROFILED_TIME);
    } else {
        ROWS.into_iter().for_each(print);
    }
}

fn print(row: Row) {
    let mut trial = row.trial();
    let first = measure(|| run(&mut trial, 0));
    (1..WARMING).for_each(|replicate| run(&mut trial, replicate));
    let points = timed(&mut trial, LEAST_TIME);
    let again = measure(|| run(&mut trial, 0));
    let spawned = ["spawned_riders", "spawned_drivers"].map(|name| count(&trial, name));
    let ns = median(points.iter().map(|(ns, _)| *ns));
    let events = median(points.iter().map(|(_, events)| *events));
    let ns_an_event = median(points.iter().map(|(ns, events)| ns / events));
    println!(
        concat!(
            r#"{{"riders":{},"drivers":{},"from_hour":{},"spawned":{:?},"points":{},"events":{},"ns":{},"#,
            r#""ns_an_event":{:.1},"peak_bytes":{},"allocations":{}}}"#,
        ),
        row.riders,
        row.drivers,
        row.from_hour,
        spawned,
        points.len(),
        events,
        ns,
        ns_an_event,
        first.bytes_max,
        again.count_total,
    );
}

/// The CPU time of each point, ns, and its events.
fn timed(trial: &mut Trial<'_>, least: Duration) -> Vec<(f64, f64)> {
    let begun = cpu_time();
    let mut points = vec![];
    while points.len() < LEAST_POINTS || cpu_time().saturating_sub(begun) < least {
        let replicate = WARMING + u32::try_from(points.len()).expect("seconds of points");
        let started = cpu_time();
        run(trial, replicate);
        let taken = cpu_time().saturating_sub(started);
        points.push((taken.as_nanos() as f64, count(trial, "events") as f64));
    }
    points
}

/// This thread's CPU time: other processes on the machine do not count.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("no thread has run for less than nothing")
}

fn run(trial: &mut Trial<'_>, replicate: u32) {
    trial.run(SEED, replicate).expect("no point of the table fails");
}

fn count(trial: &Trial<'_>, name: &str) -> i64 {
    match trial.metric(name) {
        ValueRef::Int(count) => count,
        other => unreachable!("{name} is {other:?}, no count"),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
