//! When each server becomes free: a heap with the earliest time on top. Servers are identical, so they have
//! no ids.

/// The times at which the servers are free, as a binary min-heap.
#[derive(Clone, Debug, Default)]
pub struct Servers(Vec<f64>);

impl Servers {
    /// Resets to `count` servers, free from time 0.
    pub(super) fn open(&mut self, count: u64) {
        self.0.clear();
        self.0.resize(usize::try_from(count).expect("a bounded number of servers"), 0.0);
    }

    /// When the first server is free.
    pub(super) fn earliest(&self) -> f64 {
        self.0[0]
    }

    /// Keeps that server busy until `time`, which must not be before it becomes free.
    pub(super) fn occupy_until(&mut self, time: f64) {
        let heap = &mut self.0;
        let mut hole = 0;
        loop {
            let left = 2 * hole + 1;
            if left >= heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < heap.len() && heap[right] < heap[left] { right } else { left };
            if heap[child] >= time {
                break;
            }
            heap[hole] = heap[child];
            hole = child;
        }
        heap[hole] = time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_the_smallest_of_a_plain_list() {
        let mut servers = Servers::default();
        for count in 1..20_u32 {
            servers.open(count.into());
            let mut list = vec![0.0; count as usize];
            for step in 0..200_u32 {
                list.sort_by(f64::total_cmp);
                assert_eq!(servers.earliest().to_bits(), f64::to_bits(list[0]));
                list[0] += f64::from(step * 7919 % 101);
                servers.occupy_until(list[0]);
            }
        }
    }
}
