//! How fast drivers go: each hop has its own speed, reduced by the hour's traffic and by nearby drivers.

use sweep_runtime::Stream;

use super::Time;
use super::calendar::berlin_traffic;

/// The least time of a hop, ms.
const LEAST_HOP: f64 = 1000.0;
const MS_IN_HOUR: f64 = 3_600_000.0;

/// What determines the time of a hop, apart from its length and nearby drivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drive {
    /// Lowest and highest speed, km/h.
    pub(super) speeds: [f64; 2],
    pub(super) berlin: bool,
    /// The wall clock at time 0, ms.
    pub(super) epoch: Time,
}

impl Drive {
    /// The time of a hop of `km` that starts at `start`, ms. Takes one number from the stream.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a hop of a few hundred metres at a walking pace or faster"
    )]
    pub(super) fn hop(&self, km: f64, start: Time, congestion: f64, stream: &mut Stream) -> Time {
        let [low, high] = self.speeds;
        let mut speed = (low + (high - low) * stream.uniform()) * congestion;
        if self.berlin {
            speed *= berlin_traffic(self.epoch + start);
        }
        // Round to the nearest ms.
        ((km / speed * MS_IN_HOUR).max(LEAST_HOP) + 0.5) as Time
    }
}

/// Speed as a share of free flow among `drivers` on duty in the cell, this one included.
pub(super) fn congestion(drivers: u32) -> f64 {
    match drivers {
        0..=2 => 1.0,
        3..=5 => 0.85,
        6..=10 => 0.70,
        _ => 0.55,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_slow_by_steps() {
        let steps = [(0..=2, 1.0), (3..=5, 0.85), (6..=10, 0.70), (11..=1000, 0.55)];
        for (drivers, share) in steps.into_iter().flat_map(|(range, share)| range.map(move |n| (n, share))) {
            assert_eq!(congestion(drivers).to_bits(), f64::to_bits(share), "{drivers}");
        }
    }
}
