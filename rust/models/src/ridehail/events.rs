//! What happens next: a FIFO for each constant delay, and a heap for the rest.
//!
//! Events that are scheduled a constant delay ahead come due in the order in which they were scheduled, so a FIFO holds
//! them in order for free. All others go through a heap of four children a node, which is shallower than a binary one
//! and compares within a cache line or two. Events at one time happen in the order in which they were scheduled: the
//! order is total, and with it every result.

use std::collections::VecDeque;

use super::Time;

/// What happens, each to one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The next rider arrives.
    RiderArrives,
    /// The next driver arrives.
    DriverArrives,
    /// A rider is told fare and ETA.
    Quote,
    /// A rider answers the quote.
    Answer,
    /// A rider who refused is told again.
    Requote,
    /// A rider who accepted is looked a driver for, without passes.
    Seek,
    /// ... and again, nobody having been found.
    SeekAgain,
    /// ... and again, a driver having refused.
    SeekAfterRefusal,
    /// A driver answers an offer.
    DriverAnswers,
    /// A rider's patience ends.
    Cancel,
    /// A rider is picked up.
    Pickup,
    /// A rider's trip is completed.
    Complete,
    /// A driver enters the next cell, where that is an event.
    Hop,
    /// A driver without a rider looks at the time on duty.
    FatigueCheck,
}

/// The kinds from the first up to this many have a FIFO each.
const FIFOS: usize = Kind::Cancel as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    time: Time,
    /// How many events were scheduled before it.
    order: u64,
}

const NEVER: Due = Due { time: Time::MAX, order: u64::MAX };

/// An event that comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) time: Time,
    pub(super) kind: Kind,
    pub(super) entity: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    due: Due,
    kind: Kind,
    entity: u32,
}

/// All events still to come.
#[derive(Debug)]
pub(super) struct Events {
    scheduled: u64,
    fifos: [VecDeque<(Due, u32)>; FIFOS],
    /// When the first of each FIFO is due.
    heads: [Due; FIFOS],
    heap: Vec<Node>,
}

const FIFO_KINDS: [Kind; FIFOS] = [
    Kind::RiderArrives,
    Kind::DriverArrives,
    Kind::Quote,
    Kind::Answer,
    Kind::Requote,
    Kind::Seek,
    Kind::SeekAgain,
    Kind::SeekAfterRefusal,
    Kind::DriverAnswers,
];

impl Default for Events {
    fn default() -> Self {
        let fifos = std::array::from_fn(|_| VecDeque::new());
        Self { scheduled: 0, fifos, heads: [NEVER; FIFOS], heap: vec![] }
    }
}

impl Events {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.scheduled = 0;
        self.fifos.iter_mut().for_each(VecDeque::clear);
        self.heads = [NEVER; FIFOS];
        self.heap.clear();
    }

    /// Schedules an event. Kinds with a FIFO are scheduled in order of time.
    pub(super) fn schedule(&mut self, time: Time, kind: Kind, entity: u32) {
        let due = Due { time, order: self.scheduled };
        self.scheduled += 1;
        let Some(fifo) = self.fifos.get_mut(kind as usize) else {
            return self.push(Node { due, kind, entity });
        };
        debug_assert!(fifo.back().is_none_or(|(last, _)| last.time <= time), "{kind:?} has a constant delay");
        if fifo.is_empty() {
            self.heads[kind as usize] = due;
        }
        fifo.push_back((due, entity));
    }

    /// When the next event is due, or the end of time.
    pub(super) fn next_time(&self) -> Time {
        self.first().1.time
    }

    /// Which FIFO has the next event, the heap counting as one more, and when it is due.
    #[inline]
    fn first(&self) -> (usize, Due) {
        let mut first = (FIFOS, self.heap.first().map_or(NEVER, |node| node.due));
        for (fifo, due) in self.heads.iter().enumerate() {
            if *due < first.1 {
                first = (fifo, *due);
            }
        }
        first
    }

    /// Takes the next event if it is due by `end`.
    pub(super) fn take(&mut self, end: Time) -> Option<Event> {
        let (source, due) = self.first();
        if due.time > end || due == NEVER {
            return None;
        }
        let time = due.time;
        let Some(fifo) = self.fifos.get_mut(source) else {
            let Node { kind, entity, .. } = self.pop();
            return Some(Event { time, kind, entity });
        };
        let (_, entity) = fifo.pop_front().expect("its head is due");
        self.heads[source] = fifo.front().map_or(NEVER, |(due, _)| *due);
        Some(Event { time, kind: FIFO_KINDS[source], entity })
    }

    fn push(&mut self, new: Node) {
        let heap = &mut self.heap;
        let mut hole = heap.len();
        heap.push(new);
        while hole > 0 {
            let parent = (hole - 1) / 4;
            if heap[parent].due < new.due {
                break;
            }
            heap[hole] = heap[parent];
            hole = parent;
        }
        heap[hole] = new;
    }

    fn pop(&mut self) -> Node {
        let heap = &mut self.heap;
        let last = heap.pop().expect("the heap's head is due");
        let Some(top) = heap.first().copied() else { return last };
        let mut hole = 0;
        loop {
            let first_child = 4 * hole + 1;
            let below = heap.get(first_child..heap.len().min(first_child + 4)).unwrap_or_default();
            let Some((place, earliest)) = below.iter().enumerate().min_by_key(|(_, node)| node.due) else {
                break;
            };
            if last.due < earliest.due {
                break;
            }
            heap[hole] = *earliest;
            hole = first_child + place;
        }
        heap[hole] = last;
        top
    }
}

#[cfg(test)]
mod tests {
    use sweep_runtime::Streams;

    use super::*;

    #[test]
    fn fifos_are_told_apart_by_their_kind() {
        for (place, kind) in FIFO_KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }

    #[test]
    fn events_come_in_order_of_time_then_of_scheduling() {
        let mut events = Events::default();
        let mut plain: Vec<(Time, u32, Kind)> = vec![];
        let mut draws = Streams::new(1, 0).stream(0, 0);
        let mut now = 0;
        for number in 0..20_000 {
            let kinds = [Kind::Cancel, Kind::Quote, Kind::Hop, Kind::SeekAgain];
            let kind = kinds[(draws.bits() % 4) as usize];
            let delay = match kind {
                Kind::Quote => 10,
                Kind::SeekAgain => 300,
                _ => draws.bits() % 200,
            };
            events.schedule(now + delay, kind, number);
            plain.push((now + delay, number, kind));
            if draws.bits() % 100 < 49 {
                let place = (0..plain.len()).min_by_key(|place| (plain[*place].0, plain[*place].1)).unwrap();
                let (time, entity, kind) = plain.remove(place);
                assert_eq!(events.next_time(), time);
                assert_eq!(events.take(Time::MAX), Some(Event { time, kind, entity }));
                now = time;
            }
        }
        plain.sort_by_key(|(time, entity, _)| (*time, *entity));
        for (time, entity, kind) in plain {
            assert_eq!(events.take(time), Some(Event { time, kind, entity }));
        }
        assert_eq!(events.take(Time::MAX), None);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut events = Events::default();
        events.schedule(10, Kind::Cancel, 1);
        events.schedule(10, Kind::Quote, 2);
        assert_eq!(events.take(9), None);
        assert!(events.take(10).is_some() && events.take(10).is_some());
        assert_eq!(events.take(Time::MAX), None);
    }
}
