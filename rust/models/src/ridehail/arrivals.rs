//! Arrivals in a non-homogeneous Poisson process, sampled by thinning.
//!
//! Candidates arrive at the highest rate of the window, and each is kept with the ratio of its hour's rate to
//! that. Gaps and decisions to keep have their own streams, separate from those of places: with a shared
//! generator the next gap would be a function of the latitude.
//!
//! Source: P. A. W. Lewis, G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by thinning"
//! (1979).

use sweep_runtime::{Stream, Streams};

use super::Time;
use super::calendar::{Week, busyness, peak};
use super::settings::Arriving;

/// The arrivals to come.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    week: &'static Week,
    epoch: Time,
    window: Time,
    peak: f64,
    /// Mean gap between candidates, ms; infinite if there are no arrivals.
    mean_gap: f64,
    candidate: f64,
    gaps: Stream,
    stays: Stream,
}

impl Arrivals {
    /// The process from time 0. Draws the gaps, and whether to keep a candidate, from the streams of two
    /// purposes.
    pub(super) fn new(arriving: &Arriving, epoch: Time, streams: &Streams, [gaps, stays]: [u32; 2]) -> Self {
        let Arriving { cap, window, week, divisor, .. } = *arriving;
        let peak = peak(week, epoch, epoch + window);
        let rate = f64::from(cap) / window as f64 / divisor * peak;
        Self {
            week,
            epoch,
            window,
            peak,
            mean_gap: 1.0 / rate,
            candidate: 0.0,
            gaps: streams.stream(gaps, 0),
            stays: streams.stream(stays, 0),
        }
    }

    /// When the next one arrives, or `None` after the window. The caller enforces the cap.
    pub(super) fn next(&mut self) -> Option<Time> {
        if self.mean_gap.is_infinite() {
            return None;
        }
        loop {
            self.candidate += self.gaps.exponential(self.mean_gap);
            if self.candidate >= self.window as f64 {
                return None;
            }
            let time = whole(self.candidate);
            if self.stays.uniform() * self.peak < busyness(self.week, self.epoch + time) {
                return Some(time);
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the window, so below 2^53"
)]
fn whole(time: f64) -> Time {
    time as Time
}
