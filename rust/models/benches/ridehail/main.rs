//! Benchmarks of points of `ridehail`, one after another in the same scratch memory, as a thread of the
//! engine runs them: the map is laid out and memory allocated before the first measured point. Each point is
//! another replicate.

mod rows;

use divan::Bencher;
use divan::counter::ItemsCount;
use rows::{ROWS, Row};
use sweep_runtime::ValueRef;

const SEED: i64 = 1;

fn main() {
    divan::main();
}

/// The rate is of events.
#[divan::bench(args = ROWS)]
fn point(bencher: Bencher<'_, '_>, row: Row) {
    let mut trial = row.trial();
    trial.run(SEED, 0).expect("no point of the table fails");
    let ValueRef::Int(events) = trial.metric("events") else { unreachable!("a count") };
    let mut replicate = 0;
    bencher.counter(ItemsCount::new(events.unsigned_abs())).bench_local(|| {
        replicate += 1;
        trial.run(SEED, replicate).expect("no point of the table fails");
    });
}
