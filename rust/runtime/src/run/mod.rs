//! Runs a plan on several threads and writes its records in index order.

mod chunk;
pub(crate) mod panics;
pub(crate) mod record;
mod window;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clock::now;
use crate::request::plan::{Mode, Plan};
use crate::run::chunk::work;
use crate::run::window::{Next, Window};

/// How long, and up to how many bytes, small chunks are collected: each write wakes the reader, which
/// competes with the points for the processor.
const GATHERING: Duration = Duration::from_millis(100);
const ENOUGH_BYTES: usize = 64 << 10;

/// Runs all points, writes their records, and returns how many failed.
///
/// The threads are not joined: if writing fails, there is no wait for points that are still running.
///
/// # Errors
/// If writing fails, or a thread cannot be started.
pub(crate) fn execute(plan: &Arc<Plan>, mode: Mode, output: &mut impl Write) -> io::Result<u64> {
    let count = plan.points.end - plan.points.start;
    let threads = plan.threads.min(usize::try_from(count).unwrap_or(usize::MAX));
    let window = Arc::new(Window::new(plan.points.clone(), threads));
    for number in 0..threads {
        let (plan, window) = (Arc::clone(plan), Arc::clone(&window));
        thread::Builder::new()
            .name(format!("points-{number}"))
            .spawn(move || work_or_abort(&plan, mode, &window))?;
    }
    write_chunks(&window, output)
}

/// Writes chunks in order, small ones together; returns how many points failed.
fn write_chunks(window: &Window, output: &mut impl Write) -> io::Result<u64> {
    let mut failed = 0;
    let mut gathered = Vec::new();
    let mut patience = None;
    let mut since = now();
    loop {
        match window.next(patience) {
            Next::Chunk(chunk) => {
                failed += chunk.failed;
                if gathered.is_empty() {
                    since = now();
                }
                if gathered.is_empty() && chunk.bytes.len() >= ENOUGH_BYTES {
                    output.write_all(&chunk.bytes)?;
                } else {
                    gathered.extend_from_slice(&chunk.bytes);
                }
                window.recycle(chunk.bytes);
            }
            Next::Late => {}
            Next::End => {
                output.write_all(&gathered)?;
                return Ok(failed);
            }
        }
        let age = since.elapsed();
        if gathered.len() >= ENOUGH_BYTES || age >= GATHERING {
            output.write_all(&gathered)?;
            gathered.clear();
        }
        patience = (!gathered.is_empty()).then(|| GATHERING.saturating_sub(age));
    }
}

/// A panic outside of a point is a bug in the runtime. The points that the thread claimed would never be
/// written, so abort.
fn work_or_abort(plan: &Plan, mode: Mode, window: &Window) {
    if catch_unwind(AssertUnwindSafe(|| work(plan, mode, window))).is_err() {
        std::process::abort();
    }
}
