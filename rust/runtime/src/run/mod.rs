//! Runs a plan on several threads and writes its records in index order.

mod chunk;
pub(crate) mod columns;
pub(crate) mod panics;
pub(crate) mod record;
pub(crate) mod running;
pub(crate) mod window;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::request::plan::{Mode, Plan};
use crate::run::chunk::work;
use crate::run::record::{Cell, Verdict, line};
use crate::run::running::{Running, Slot};
use crate::run::window::{Chunk, Counts, Next, Window};

/// How long, and up to how many bytes, small chunks are collected: each write wakes the reader, which
/// competes with the points for the processor.
const GATHERING: Duration = Duration::from_millis(100);
const ENOUGH_BYTES: usize = 64 << 10;

/// Runs all points, writes their records, and returns how many failed or were excluded.
///
/// The threads are not joined: if writing fails, there is no wait for points that are still running.
///
/// # Errors
/// If writing fails, or a thread cannot be started.
pub(crate) fn execute(plan: &Arc<Plan>, mode: Mode, output: &mut impl Write) -> io::Result<Counts> {
    let count = plan.points.end - plan.points.start;
    let threads = plan.threads.min(usize::try_from(count).unwrap_or(usize::MAX));
    let window = Arc::new(Window::new(plan.points.clone(), threads));
    let running = Arc::new(Running::new(plan, threads));
    for number in 0..threads {
        let (plan, window, running) = (Arc::clone(plan), Arc::clone(&window), Arc::clone(&running));
        thread::Builder::new()
            .name(format!("points-{number}"))
            .spawn(move || work_or_abort(&plan, mode, &window, running.slot(number)))?;
    }
    write_chunks(plan, &window, &running, output)
}

/// Writes chunks in order, small ones together; returns how many points failed or were excluded.
fn write_chunks(
    plan: &Plan,
    window: &Window,
    running: &Running,
    output: &mut impl Write,
) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let report = plan.report;
    let deadline = plan.time.map(|time| now() + time.patience());
    let mut gathered = Gathered { output, bytes: vec![], since: now(), written_at: now() };
    loop {
        match window.next(gathered.patience(report)) {
            Next::Chunk(chunk) => counts += gathered.take(chunk, window)?,
            Next::Late => {}
            Next::End => {
                gathered.write()?;
                return Ok(counts);
            }
        }
        gathered.write_if_due()?;
        if let Some(silence) = report.filter(|silence| gathered.is_silent(*silence)) {
            running.go_around(window, now(), silence);
            if deadline.is_some_and(|deadline| now() >= deadline) {
                give_up(plan, running, window);
                // Before the report: only a point that no record follows is known to run.
                while let Next::Chunk(chunk) = window.next(Some(Duration::ZERO)) {
                    counts += gathered.take(chunk, window)?;
                }
            }
            if let Some(record) = running.longest(window, now()) {
                gathered.bytes.extend(line(&record));
            }
            gathered.write()?;
        }
    }
}

/// Gives points that stand still their records.
fn give_up(plan: &Plan, running: &Running, window: &Window) {
    let Some(time) = plan.time else { return };
    let mut identity = Cell::new(plan);
    running.settle(window, now(), time.still(), |point, hand| {
        let (cell, replicate) = plan.numbering.split(point);
        identity.enter(cell);
        hand.write(&identity, point, replicate, &Verdict::Failure(&time.error()));
    });
}

/// Records on their way to the output.
struct Gathered<'a, W> {
    output: &'a mut W,
    bytes: Vec<u8>,
    /// When the first of them came.
    since: Instant,
    /// When something was last written.
    written_at: Instant,
}

impl<W: Write> Gathered<'_, W> {
    /// Takes a chunk, and returns its counts.
    fn take(&mut self, chunk: Chunk, window: &Window) -> io::Result<Counts> {
        self.add(&chunk.bytes)?;
        window.recycle(chunk.bytes);
        Ok(chunk.counts)
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.is_empty() {
            self.since = now();
            if bytes.len() >= ENOUGH_BYTES {
                self.written_at = self.since;
                return self.output.write_all(bytes);
            }
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn write_if_due(&mut self) -> io::Result<()> {
        let is_due = !self.bytes.is_empty() && self.since.elapsed() >= GATHERING;
        if is_due || self.bytes.len() >= ENOUGH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.output.write_all(&self.bytes)?;
        self.bytes.clear();
        self.written_at = now();
        Ok(())
    }

    fn is_silent(&self, silence: Duration) -> bool {
        self.bytes.is_empty() && self.written_at.elapsed() >= silence
    }

    /// How long to wait for the next chunk: until something is to be written, or silence is to be broken.
    fn patience(&self, report: Option<Duration>) -> Option<Duration> {
        if !self.bytes.is_empty() {
            return Some(GATHERING.saturating_sub(self.since.elapsed()));
        }
        report.map(|silence| silence.saturating_sub(self.written_at.elapsed()))
    }
}

/// A panic outside of a point is a bug in the runtime. The points that the thread claimed would never be
/// written, so abort.
fn work_or_abort(plan: &Plan, mode: Mode, window: &Window, slot: &Slot) {
    if catch_unwind(AssertUnwindSafe(|| work(plan, mode, window, slot))).is_err() {
        std::process::abort();
    }
}
