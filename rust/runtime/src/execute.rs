//! Runs a plan on several threads and writes its records in index order.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::chunk::{Mode, work};
use crate::plan::Plan;
use crate::window::Window;

/// Runs all points, writes their records, and returns how many failed.
///
/// The threads are not joined: when writing fails nobody waits for what they run, however long that takes.
///
/// # Errors
/// Of writing, and of starting threads.
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
    let mut failed = 0;
    while let Some(chunk) = window.next() {
        output.write_all(&chunk.bytes)?;
        failed += chunk.failed;
        window.recycle(chunk.bytes);
    }
    Ok(failed)
}

/// A panic outside of a point is the runtime's own mistake, and the points that its thread claimed would never come.
fn work_or_abort(plan: &Plan, mode: Mode, window: &Window) {
    if catch_unwind(AssertUnwindSafe(|| work(plan, mode, window))).is_err() {
        std::process::abort();
    }
}
