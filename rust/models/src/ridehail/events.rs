//! The event queue: a FIFO for each constant delay, and a heap for all other events.
//!
//! Events with a constant delay are due in the order in which they were scheduled, so a FIFO keeps them in
//! order at no cost. All others go through a heap with four children per node, which is shallower than a
//! binary one and compares within a cache line or two: a pending event is one number of sixteen bytes. Events
//! at the same time happen in the order in which they were scheduled. So the order is total, and results do
//! not depend on anything else.

use std::collections::VecDeque;

use super::Time;

/// Kinds of events. Each happens to one entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The next rider arrives.
    RiderArrives,
    /// The next driver arrives.
    DriverArrives,
    /// A rider gets a quote: fare and ETA.
    Quote,
    /// A rider answers the quote.
    Answer,
    /// A rider who refused gets another quote.
    Requote,
    /// Search for a driver for a rider who accepted, without passes.
    Seek,
    /// Search again, because no driver was found.
    SeekAgain,
    /// Search again, because a driver refused.
    SeekAfterRefusal,
    /// A driver answers an offer.
    DriverAnswers,
    /// A rider's patience ends.
    Cancel,
    /// A rider is picked up.
    Pickup,
    /// A rider's trip is completed.
    Complete,
    /// A driver enters the next cell, if hops are events.
    Hop,
    /// A driver without a rider checks the time on duty.
    FatigueCheck,
}

/// The first kinds, up to this many, have a FIFO each.
const FIFOS: usize = Kind::Cancel as usize;

/// Kinds by number; the last one is padding up to a power of two.
const KINDS: [Kind; 1 << KIND_BITS] = [
    Kind::RiderArrives,
    Kind::DriverArrives,
    Kind::Quote,
    Kind::Answer,
    Kind::Requote,
    Kind::Seek,
    Kind::SeekAgain,
    Kind::SeekAfterRefusal,
    Kind::DriverAnswers,
    Kind::Cancel,
    Kind::Pickup,
    Kind::Complete,
    Kind::Hop,
    Kind::FatigueCheck,
    Kind::FatigueCheck,
    Kind::FatigueCheck,
];

/// An event that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) time: Time,
    pub(super) kind: Kind,
    pub(super) entity: u32,
}

/// A pending event. From the highest bits: its time, the number of events scheduled before it, its kind and
/// its entity. So the smaller number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

const ENTITY_BITS: u32 = 32;
const KIND_BITS: u32 = 4;
/// Enough for a million events per second of computing, for half a year.
const ORDER_BITS: u32 = 44;
/// Some ten years are below 2^39 ms.
const TIME_BITS: u32 = 48;
const NEVER: Due = Due(u128::MAX);

impl Due {
    fn new(time: Time, order: u64, kind: Kind, entity: u32) -> Self {
        debug_assert!(time >> TIME_BITS == 0 && order >> ORDER_BITS == 0, "time and order fit their bits");
        let high = (u128::from(time) << ORDER_BITS) | u128::from(order);
        Self((((high << KIND_BITS) | kind as u128) << ENTITY_BITS) | u128::from(entity))
    }

    fn time(self) -> Time {
        (self.0 >> (ORDER_BITS + KIND_BITS + ENTITY_BITS)) as Time
    }

    fn kind(self) -> Kind {
        KINDS[(self.0 >> ENTITY_BITS) as usize % KINDS.len()]
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits")]
    fn entity(self) -> u32 {
        self.0 as u32
    }
}

/// All pending events.
#[derive(Debug)]
pub(super) struct Events {
    scheduled: u64,
    fifos: [VecDeque<Due>; FIFOS],
    /// The first of each FIFO.
    heads: [Due; FIFOS],
    heap: Vec<Due>,
}

impl Default for Events {
    fn default() -> Self {
        let fifos = std::array::from_fn(|_| VecDeque::new());
        Self { scheduled: 0, fifos, heads: [NEVER; FIFOS], heap: vec![] }
    }
}

impl Events {
    /// Removes all events.
    pub(super) fn clear(&mut self) {
        self.scheduled = 0;
        self.fifos.iter_mut().for_each(VecDeque::clear);
        self.heads = [NEVER; FIFOS];
        self.heap.clear();
    }

    /// Schedules an event. Kinds with a FIFO are scheduled in order of time.
    pub(super) fn schedule(&mut self, time: Time, kind: Kind, entity: u32) {
        let due = Due::new(time, self.scheduled, kind, entity);
        self.scheduled += 1;
        let Some(fifo) = self.fifos.get_mut(kind as usize) else {
            return self.push(due);
        };
        debug_assert!(fifo.back().is_none_or(|last| *last < due), "{kind:?} has a constant delay");
        if fifo.is_empty() {
            self.heads[kind as usize] = due;
        }
        fifo.push_back(due);
    }

    /// When the next event is due, or a time after all others.
    pub(super) fn next_time(&self) -> Time {
        self.first().time()
    }

    #[inline]
    fn first(&self) -> Due {
        let first = self.heap.first().copied().unwrap_or(NEVER);
        self.heads.iter().fold(first, |first, head| first.min(*head))
    }

    /// Takes the next event if it is due by `end`.
    pub(super) fn take(&mut self, end: Time) -> Option<Event> {
        let due = self.first();
        if due == NEVER || due.time() > end {
            return None;
        }
        let kind = due.kind();
        if let Some(fifo) = self.fifos.get_mut(kind as usize) {
            fifo.pop_front();
            self.heads[kind as usize] = fifo.front().copied().unwrap_or(NEVER);
        } else {
            self.pop();
        }
        Some(Event { time: due.time(), kind, entity: due.entity() })
    }

    fn push(&mut self, new: Due) {
        let heap = &mut self.heap;
        let mut hole = heap.len();
        heap.push(new);
        while hole > 0 {
            let parent = (hole - 1) / 4;
            if heap[parent] < new {
                break;
            }
            heap[hole] = heap[parent];
            hole = parent;
        }
        heap[hole] = new;
    }

    /// Removes the first event of the heap.
    fn pop(&mut self) {
        let heap = &mut self.heap;
        let Some(last) = heap.pop() else { return };
        if heap.is_empty() {
            return;
        }
        let mut hole = 0;
        loop {
            let first_child = 4 * hole + 1;
            let below = heap.get(first_child..heap.len().min(first_child + 4)).unwrap_or_default();
            let Some(mut earliest) = below.first().copied() else { break };
            let mut place = 0;
            for (other, due) in below.iter().enumerate().skip(1) {
                // Not a branch: it would be unpredictable.
                let earlier = *due < earliest;
                place = std::hint::select_unpredictable(earlier, other, place);
                earliest = std::hint::select_unpredictable(earlier, *due, earliest);
            }
            if last < earliest {
                break;
            }
            heap[hole] = earliest;
            hole = first_child + place;
        }
        heap[hole] = last;
    }
}

#[cfg(test)]
mod tests {
    use sweep_runtime::Streams;

    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_numbers() {
        for (place, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place.min(Kind::FatigueCheck as usize));
        }
    }

    #[test]
    fn an_event_keeps_what_it_is_made_of() {
        let most = Due::new((1 << TIME_BITS) - 1, (1 << ORDER_BITS) - 1, Kind::FatigueCheck, u32::MAX);
        assert_eq!(
            (most.time(), most.kind(), most.entity()),
            ((1 << TIME_BITS) - 1, Kind::FatigueCheck, u32::MAX)
        );
        assert!(Due::new(1, 0, Kind::Cancel, 0) > Due::new(0, 1, Kind::Hop, 5));
        assert!(Due::new(1, 0, Kind::Hop, 5) < Due::new(1, 1, Kind::Quote, 0));
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
