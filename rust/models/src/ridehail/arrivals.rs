//! Arrivals in a non-homogeneous Poisson process, sampled by thinning.
//!
//! Candidates come at the highest rate of the window, and each stays with the ratio of its hour's rate to that. Gaps
//! and stays have streams of their own, apart from every place's: one generator for both makes the next gap a
//! function of the latitude.
//!
//! Source: P. A. W. Lewis, G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by thinning" (1979).

use sweep_runtime::{Stream, Streams};

use super::Time;
use super::calendar::{Week, busyness, peak};
use super::settings::Arriving;

/// What makes one kind of arrival differ from the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) week: &'static Week,
    /// K of the rate cap / window / K x busyness.
    pub(super) divisor: f64,
    pub(super) gaps: u32,
    pub(super) stays: u32,
}

/// The arrivals still to come.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    week: &'static Week,
    epoch: Time,
    window: Time,
    peak: f64,
    /// Mean gap between candidates, ms; infinite where nobody arrives.
    mean_gap: f64,
    candidate: f64,
    gaps: Stream,
    stays: Stream,
}

impl Arrivals {
    /// The process of one kind from time 0.
    pub(super) fn new(kind: Kind, arriving: &Arriving, epoch: Time, streams: &Streams) -> Self {
        let peak = peak(kind.week, epoch, epoch + arriving.window);
        let rate = f64::from(arriving.cap) / arriving.window as f64 / kind.divisor * peak;
        Self {
            week: kind.week,
            epoch,
            window: arriving.window,
            peak,
            mean_gap: 1.0 / rate,
            candidate: 0.0,
            gaps: streams.stream(kind.gaps, 0),
            stays: streams.stream(kind.stays, 0),
        }
    }

    /// When the next one arrives, or nothing when the window is over. The cap is the caller's to keep.
    pub(super) fn next(&mut self) -> Option<Time> {
        if self.mean_gap.is_infinite() {
            return None;
        }
        loop {
            self.candidate += self.gaps.exponential() * self.mean_gap;
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
