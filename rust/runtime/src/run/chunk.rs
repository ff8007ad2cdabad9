//! The work of one thread: it claims points, runs them one by one, and writes their records into a chunk.

use std::ops::Range;
use std::time::{Duration, Instant};

use sweep_space::Streams;

use crate::clock::now;
use crate::host::{Hosted, Launch};
use crate::model::Runner;
use crate::model::catalog::Body;
use crate::model::domain_error::DomainError;
use crate::model::guarded::Guarded;
use crate::model::output::Output;
use crate::request::plan::{Mode, Plan};
use crate::run::record::{Cell, Record, Verdict, line};
use crate::run::running::Slot;
use crate::run::window::{Chunk, Counts, Window};

/// How long a chunk should take: long compared with the cost of a lock, short compared with a run.
const TARGET: Duration = Duration::from_millis(8);
const MAX_POINTS: u64 = 512;
/// In columns, whose record has a head for all points.
const MAX_POINTS_IN_COLUMNS: u64 = 1024;
const MAX_BYTES: usize = 1 << 20;
/// How many times larger than the last chunk the next may be: the first point of a thread is a poor estimate.
const GROWTH: u64 = 8;

/// Claims and runs points until none are left.
pub(crate) fn work(plan: &Plan, mode: Mode, window: &Window, slot: &Slot) {
    let mut points = Points::new(plan, mode, slot);
    let most_points = if plan.columns { MAX_POINTS_IN_COLUMNS } else { MAX_POINTS };
    let mut most = 1;
    while let Some((range, bytes)) = window.claim(most) {
        let start = now();
        let Some((chunk, rest)) = points.run(&range, bytes, start) else { return };
        most = chunk_size(chunk.points.end - chunk.points.start, start.elapsed(), most_points);
        window.hand_in(chunk, rest);
    }
}

/// How many points to claim, at most `most`, when the last `points` took `elapsed`.
fn chunk_size(points: u64, elapsed: Duration, most: u64) -> u64 {
    let fitting = TARGET.as_secs_f64() / elapsed.as_secs_f64().max(1e-9) * points as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=most")]
    let fitting = fitting.clamp(1.0, most as f64) as u64;
    fitting.min(points * GROWTH)
}

/// Runs points of a plan, and reuses all memory from one to the next.
struct Points<'a> {
    plan: &'a Plan,
    /// None where points are only identified.
    runner: Option<Box<dyn Runner + 'a>>,
    slot: &'a Slot,
    cell: Cell<'a>,
    output: Output,
}

impl<'a> Points<'a> {
    fn new(plan: &'a Plan, mode: Mode, slot: &'a Slot) -> Self {
        let output = Output::new(&plan.metrics, &plan.datasets);
        let runner: Option<Box<dyn Runner>> = match (mode, plan.body) {
            (Mode::Identify, _) | (_, Body::Absent) => None,
            (Mode::Simulate, Body::Native(model)) => Some(Box::new(Guarded::new(model))),
            (Mode::Host, Body::Native(model)) => Some(Box::new(Hosted::new(plan, Launch::own(model), slot))),
            (_, Body::Program(program)) => Some(Box::new(Hosted::new(plan, program.launch(), slot))),
        };
        Self { plan, runner, slot, cell: Cell::new(plan), output }
    }

    /// Runs points until the range, the time or the buffer is used up. Returns the rest of the range, or nothing if
    /// the writer has done without this thread.
    fn run(&mut self, range: &Range<u64>, bytes: Vec<u8>, start: Instant) -> Option<(Chunk, Range<u64>)> {
        let mut point = range.start;
        self.slot.take_up(range, bytes, start);
        loop {
            let (cell, replicate) = self.plan.numbering.split(point);
            self.cell.enter(cell);
            let result = self.result(point, replicate);
            let verdict = self.cell.verdict().unwrap_or(match &result {
                None => Verdict::Unknown,
                Some(Ok(())) => Verdict::Success(&self.output),
                Some(Err(error)) => Verdict::Failure(error),
            });
            let mut hand = self.slot.lock();
            if hand.is_settled() {
                return None;
            }
            let files = self.output.kept();
            if self.plan.keep && !files.is_empty() {
                hand.bytes.extend(line(&Record::Kept { point_index: point, replicate, files }));
            }
            hand.write(&self.cell, point, replicate, &verdict);
            let at = now();
            match hand.ended(counts_of(&verdict), at) {
                Some(next) if hand.bytes() < MAX_BYTES && at.duration_since(start) < TARGET => {
                    point = next;
                }
                _ => return Some(hand.give()),
            }
        }
    }

    /// Runs a point, unless it is barred or only identified. Its metrics are in `output`.
    fn result(&mut self, point: u64, replicate: u32) -> Option<Result<(), DomainError>> {
        let runner = self.runner.as_mut()?;
        if self.cell.verdict().is_some() {
            self.output.clear();
            return None;
        }
        if let Some(metrics) = self.plan.known.metrics_of(point) {
            self.output.restore(metrics);
            return Some(Ok(()));
        }
        let streams = Streams::new(self.plan.seed, replicate);
        self.output.clear();
        Some(runner.run(&self.cell.parameters(), &streams, &mut self.output))
    }
}

fn counts_of(verdict: &Verdict<'_>) -> Counts {
    Counts {
        failed: matches!(verdict, Verdict::Failure(_)).into(),
        excluded: matches!(verdict, Verdict::Excluded(_)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_takes_a_few_milliseconds() {
        assert_eq!(chunk_size(1, Duration::from_secs(9), 512), 1);
        assert_eq!(chunk_size(1, Duration::from_millis(2), 512), 4);
        assert_eq!(chunk_size(512, Duration::from_millis(512), 512), 8);
        assert_eq!(chunk_size(1, Duration::from_micros(1), 512), 8);
        assert_eq!(chunk_size(512, Duration::from_micros(512), 512), 512);
        assert_eq!(chunk_size(3, Duration::ZERO, 512), 24);
    }
}
