//! The window: which points are claimed, which chunks wait to be written, and how much memory they may hold.
//!
//! Threads claim ranges of points, lowest first, and hand in chunks; the writer takes chunks in index order.
//! If a range is slower than expected, its thread returns the unfinished rest, so that others can help.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most memory of chunks that wait to be written, measured by their buffers' capacity.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// A larger buffer is freed rather than kept for the next chunk.
const MAX_SPARE_BYTES: usize = 2 << 20;

/// How many points have which end; the others have succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) failed: u64,
    pub(crate) excluded: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.failed += other.failed;
        self.excluded += other.excluded;
    }
}

/// The records of consecutive points.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) points: Range<u64>,
    pub(crate) counts: Counts,
    pub(crate) bytes: Vec<u8>,
}

/// What the writer receives.
#[derive(Debug)]
pub(crate) enum Next {
    Chunk(Chunk),
    /// The next chunk is not ready yet.
    Late,
    /// All chunks have been taken.
    End,
}

/// Shared between the threads that run points and the one that writes.
pub(crate) struct Window {
    state: Mutex<State>,
    claimable: Condvar,
    writable: Condvar,
    threads: u64,
}

struct State {
    /// Points not claimed yet: `fresh`, and before them returned ranges, by their start.
    fresh: Range<u64>,
    returned: BTreeMap<u64, u64>,
    /// Ranges claimed and not handed in yet.
    running: usize,
    /// Chunks to be written, by their start.
    waiting: BTreeMap<u64, Chunk>,
    waiting_bytes: usize,
    next_to_write: u64,
    spare: Vec<Vec<u8>>,
}

impl Window {
    pub(crate) fn new(points: Range<u64>, threads: usize) -> Self {
        let threads = threads as u64;
        let state = State {
            next_to_write: points.start,
            fresh: points,
            returned: BTreeMap::new(),
            running: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
        };
        Self { state: Mutex::new(state), claimable: Condvar::new(), writable: Condvar::new(), threads }
    }

    /// Claims the lowest free points, at most `most` of them and fewer towards the end, with an empty buffer.
    /// Returns `None` when all points are done. Waits while the window is full, or while other threads may
    /// still return points.
    pub(crate) fn claim(&self, most: u64) -> Option<(Range<u64>, Vec<u8>)> {
        let mut state = self.lock();
        loop {
            match state.lowest() {
                None if state.running == 0 => return None,
                // The next points to be written never wait: everything in the window waits for them.
                Some(start) if start == state.next_to_write || state.waiting_bytes < MAX_WAITING_BYTES => {
                    state.running += 1;
                    // Half of an equal share: with small chunks at the end, threads finish together.
                    let most = most.min(1 + state.fresh_count() / (2 * self.threads));
                    return Some((state.take(most), state.spare.pop().unwrap_or_default()));
                }
                _ => state = self.claimable.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Hands in a chunk, and returns the rest of what was claimed.
    pub(crate) fn hand_in(&self, chunk: Chunk, rest: Range<u64>) {
        let mut state = self.lock();
        state.running -= 1;
        self.put(state, chunk, rest);
    }

    /// Takes what a thread has done so far, and what it leaves to others, while it goes on with a point between.
    pub(crate) fn advance(&self, chunk: Chunk, rest: Range<u64>) {
        self.put(self.lock(), chunk, rest);
    }

    fn put(&self, mut state: MutexGuard<'_, State>, chunk: Chunk, rest: Range<u64>) {
        if !rest.is_empty() {
            state.returned.insert(rest.start, rest.end);
            self.claimable.notify_one();
        } else if state.running == 0 {
            self.claimable.notify_all();
        }
        if !chunk.points.is_empty() {
            state.waiting_bytes += chunk.bytes.capacity();
            if chunk.points.start == state.next_to_write {
                self.writable.notify_one();
            }
            state.waiting.insert(chunk.points.start, chunk);
        }
    }

    /// How many points no thread has claimed.
    pub(crate) fn unclaimed(&self) -> u64 {
        let state = self.lock();
        state.fresh_count() + state.returned.iter().map(|(start, end)| end - start).sum::<u64>()
    }

    /// The next chunk in index order, as soon as it is ready, or `Late` after `patience`, if that is set.
    pub(crate) fn next(&self, patience: Option<Duration>) -> Next {
        let mut state = self.lock();
        loop {
            let start = state.next_to_write;
            if let Some(chunk) = state.waiting.remove(&start) {
                state.next_to_write = chunk.points.end;
                self.claimable.notify_all();
                return Next::Chunk(chunk);
            }
            if state.is_done() {
                return Next::End;
            }
            let Some(patience) = patience else {
                state = self.writable.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.writable.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            if waited.1.timed_out() {
                return Next::Late;
            }
            state = waited.0;
        }
    }

    /// Takes back the buffer of a written chunk.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        let mut state = self.lock();
        state.waiting_bytes -= buffer.capacity();
        self.claimable.notify_all();
        if buffer.capacity() <= MAX_SPARE_BYTES && state.spare.len() <= state.running {
            buffer.clear();
            state.spare.push(buffer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lowest(&self) -> Option<u64> {
        let returned = self.returned.first_key_value().map(|(start, _)| *start);
        returned.or_else(|| (!self.fresh.is_empty()).then_some(self.fresh.start))
    }

    fn take(&mut self, most: u64) -> Range<u64> {
        if let Some((start, end)) = self.returned.pop_first() {
            let middle = end.min(start + most);
            if middle < end {
                self.returned.insert(middle, end);
            }
            return start..middle;
        }
        let start = self.fresh.start;
        self.fresh.start = self.fresh.end.min(start + most);
        start..self.fresh.start
    }

    fn fresh_count(&self) -> u64 {
        self.fresh.end - self.fresh.start
    }

    fn is_done(&self) -> bool {
        self.lowest().is_none() && self.running == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(points: Range<u64>, bytes: usize) -> Chunk {
        Chunk { points, counts: Counts::default(), bytes: Vec::with_capacity(bytes) }
    }

    fn next(window: &Window) -> Option<Range<u64>> {
        match window.next(None) {
            Next::Chunk(chunk) => Some(chunk.points),
            Next::Late => unreachable!("nothing is late without a limit"),
            Next::End => None,
        }
    }

    #[test]
    fn chunks_leave_in_index_order_whatever_the_order_they_come_in() {
        let window = Window::new(10..20, 1);
        assert_eq!(window.claim(4).unwrap().0, 10..14);
        assert_eq!(window.claim(4).unwrap().0, 14..18);
        window.hand_in(chunk(14..18, 1), 18..18);
        window.hand_in(chunk(10..11, 1), 11..14);
        assert_eq!(next(&window), Some(10..11));
        assert!(matches!(window.next(Some(Duration::ZERO)), Next::Late));
        assert_eq!(window.claim(2).unwrap().0, 11..13);
        assert_eq!(window.claim(9).unwrap().0, 13..14);
        assert_eq!(window.claim(9).unwrap().0, 18..20);
        for points in [18..20, 13..14, 11..13] {
            let end = points.end;
            window.hand_in(chunk(points, 1), end..end);
        }
        let order: Vec<_> = std::iter::from_fn(|| next(&window)).map(|points| points.start).collect();
        assert_eq!(order, [11, 13, 14, 18]);
        assert!(window.claim(1).is_none());
    }

    #[test]
    fn a_full_window_lets_only_the_next_points_through() {
        let window = Window::new(0..10, 1);
        assert_eq!(window.claim(2).unwrap().0, 0..2);
        assert_eq!(window.claim(1).unwrap().0, 2..3);
        window.hand_in(chunk(2..3, MAX_WAITING_BYTES), 3..3);
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| window.claim(5).unwrap().0);
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!blocked.is_finished());
            window.hand_in(chunk(0..1, 1), 1..2);
            assert_eq!(next(&window), Some(0..1));
            assert_eq!(blocked.join().unwrap(), 1..2);
        });
    }
}
