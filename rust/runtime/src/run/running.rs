//! What each thread of a run has in hand: the points that it has claimed, their records so far, and since when it
//! has been running which. The writer of records looks there for what stands still.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::request::plan::Plan;
use crate::run::columns::Columns;
use crate::run::record::{Cell, Record, Verdict, write_point};
use crate::run::window::{Chunk, Counts, Window};

/// The points that the threads of a run have in hand.
pub(crate) struct Running(Vec<Slot>);

/// The points of one thread. Aligned, so that no two threads write to the same line of a cache.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Slot(Mutex<Hand>);

/// Points `start` to `end`, of which those before `next` have been run.
#[derive(Default)]
pub(crate) struct Hand {
    start: u64,
    next: u64,
    end: u64,
    counts: Counts,
    /// What is written: all records, but for those of `columns`.
    pub(crate) bytes: Vec<u8>,
    /// The points that are written in columns, if that is asked for.
    columns: Option<Columns>,
    /// Since when `next` has been running, if it is.
    since: Option<Instant>,
    /// Its points have been handed in by the writer.
    is_settled: bool,
}

impl Running {
    pub(crate) fn new(plan: &Plan, threads: usize) -> Self {
        let hand = || Hand { columns: plan.columns.then(|| Columns::new(plan)), ..Hand::default() };
        Self((0..threads).map(|_| Slot(Mutex::new(hand()))).collect())
    }

    pub(crate) fn slot(&self, thread: usize) -> &Slot {
        &self.0[thread]
    }

    /// The record of the point that has been running longest, if any is.
    pub(crate) fn longest(&self, window: &Window, at: Instant) -> Option<Record<'static>> {
        let (mut running, mut waiting) = (vec![], window.unclaimed());
        for hand in self.0.iter().map(Slot::lock) {
            running.extend(hand.since.map(|since| (since, hand.next)));
            waiting += hand.end - hand.next - u64::from(hand.since.is_some());
        }
        let (since, point_index) = running.iter().min().copied()?;
        let tenths = at.saturating_duration_since(since).as_millis() / 100;
        Some(Record::Running {
            point_index,
            seconds: tenths as f64 / 10.0,
            others: running.len() - 1,
            waiting,
        })
    }

    /// Hands in what is before points that have been running for `least`, and returns what is behind them.
    pub(crate) fn go_around(&self, window: &Window, at: Instant, least: Duration) {
        for mut hand in self.0.iter().map(Slot::lock).filter(|hand| hand.has_run_for(least, at)) {
            let rest = hand.next + 1..hand.end;
            hand.end = hand.next + 1;
            window.advance(hand.done(), rest);
        }
    }

    /// Hands in each point that has been running for `least`, with the record that `fail` appends, so that what has
    /// been run behind it can be written. Not if no thread would be left for points that wait.
    pub(crate) fn settle(
        &self,
        window: &Window,
        at: Instant,
        least: Duration,
        mut fail: impl FnMut(u64, &mut Hand),
    ) {
        let hands = self.0.iter().map(Slot::lock).filter(|hand| hand.next < hand.end);
        let is_stuck = |hand: &MutexGuard<'_, Hand>| hand.has_run_for(least, at) && hand.next + 1 == hand.end;
        let (stuck, others): (Vec<_>, Vec<_>) = hands.partition(is_stuck);
        if others.is_empty() && window.unclaimed() > 0 {
            return;
        }
        for mut hand in stuck {
            let point = hand.next;
            fail(point, &mut hand);
            hand.ended(Counts { failed: 1, excluded: 0 }, at);
            hand.is_settled = true;
            window.hand_in(hand.done(), point + 1..point + 1);
        }
    }
}

impl Slot {
    /// The thread begins points that it has claimed.
    pub(crate) fn take_up(&self, points: &Range<u64>, bytes: Vec<u8>, at: Instant) {
        let &Range { start, end } = points;
        let mut hand = self.lock();
        let columns = hand.columns.take();
        *hand = Hand { start, next: start, end, bytes, columns, since: Some(at), ..Hand::default() };
    }

    /// The thread waits: its point is not running.
    pub(crate) fn wait(&self) {
        self.lock().since = None;
    }

    /// The thread runs its point again from now on.
    pub(crate) fn resume(&self) {
        self.lock().since = Some(now());
    }

    /// Held while the record of a point is written.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Hand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hand {
    /// Whether the thread must not write any record: its point has one.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Writes the record of a point.
    pub(crate) fn write(&mut self, cell: &Cell<'_>, point: u64, replicate: u32, verdict: &Verdict<'_>) {
        match &mut self.columns {
            None => write_point(&mut self.bytes, cell, point, replicate, verdict),
            Some(columns) => columns.push(cell, replicate, verdict),
        }
    }

    /// What the records take, as lines.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.as_ref().map_or(self.bytes.len(), Columns::as_lines)
    }

    /// The point has its record, and the next one begins. Returns that, if there is one.
    pub(crate) fn ended(&mut self, counts: Counts, at: Instant) -> Option<u64> {
        self.counts += counts;
        self.next += 1;
        let is_left = self.next < self.end;
        self.since = is_left.then_some(at);
        is_left.then_some(self.next)
    }

    /// Returns what has been run, and what has not.
    pub(crate) fn give(&mut self) -> (Chunk, Range<u64>) {
        let chunk = self.done();
        let rest = self.next..self.end;
        *self = Self { columns: self.columns.take(), ..Self::default() };
        (chunk, rest)
    }

    fn done(&mut self) -> Chunk {
        let points = self.start..self.next;
        if let Some(columns) = &mut self.columns {
            columns.finish(points.start, &mut self.bytes);
        }
        self.start = self.next;
        Chunk { points, counts: std::mem::take(&mut self.counts), bytes: std::mem::take(&mut self.bytes) }
    }

    fn has_run_for(&self, least: Duration, at: Instant) -> bool {
        self.since.is_some_and(|since| at.saturating_duration_since(since) >= least)
    }
}
