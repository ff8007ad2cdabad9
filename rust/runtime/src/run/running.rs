//! Which point each thread runs and since when, for the report of what stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::run::record::Record;

/// In place of a time: the thread runs no point.
const IDLE: u64 = u64::MAX;

/// The points that the threads of a run are running.
pub(crate) struct Running {
    began: Instant,
    slots: Vec<Slot>,
}

/// The point of one thread: written by that thread, once for each point, and read by the writer of records.
/// Aligned, so that no two threads write to the same line of a cache.
#[repr(align(128))]
pub(crate) struct Slot {
    began: Instant,
    point: AtomicU64,
    /// Milliseconds from `began` to the start of the point.
    since: AtomicU64,
}

impl Running {
    pub(crate) fn new(threads: usize) -> Self {
        let began = now();
        let slot = || Slot { began, point: AtomicU64::new(0), since: AtomicU64::new(IDLE) };
        Self { began, slots: (0..threads).map(|_| slot()).collect() }
    }

    pub(crate) fn slot(&self, thread: usize) -> &Slot {
        &self.slots[thread]
    }

    /// The record of the point that has been running longest, if any is.
    pub(crate) fn longest(&self, at: Instant) -> Option<Record<'static>> {
        let running: Vec<_> = self.slots.iter().filter_map(Slot::running).collect();
        let (since, point_index) = running.iter().min().copied()?;
        let tenths = milliseconds(at.duration_since(self.began)).saturating_sub(since) / 100;
        let others = running.len() - 1;
        Some(Record::Running { point_index, seconds: tenths as f64 / 10.0, others })
    }
}

impl Slot {
    /// The thread begins a point, or begins it again.
    pub(crate) fn begin(&self, point: u64, at: Instant) {
        self.since.store(milliseconds(at.duration_since(self.began)), Ordering::Relaxed);
        // After the time: whoever reads this point must not take an earlier one's time for its own.
        self.point.store(point, Ordering::Release);
    }

    /// The thread waits: its point, if it has one, is not running.
    pub(crate) fn wait(&self) {
        self.since.store(IDLE, Ordering::Relaxed);
    }

    /// The thread runs its point again from now on.
    pub(crate) fn resume(&self) {
        self.since.store(milliseconds(self.began.elapsed()), Ordering::Relaxed);
    }

    fn running(&self) -> Option<(u64, u64)> {
        let point = self.point.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        (since != IDLE).then_some((since, point))
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_secs() * 1000 + u64::from(time.subsec_millis())
}
