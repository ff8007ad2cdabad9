//! What a point in a child process may take.

use std::time::Duration;

use serde::Deserialize;

use crate::request::refusal::Refusal;
use crate::request::time::{REMEDY, ShardTime};
use crate::system::LIMITS_MEMORY;

/// Limits of one point; without one it may take what it wants.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Wall-clock seconds.
    point_seconds: Option<f64>,
    /// Bytes of resident memory, of the child and all that it started.
    pub(crate) point_memory: Option<u64>,
    /// The time limit of the shard, where `point_seconds` is a share of it that nobody has set.
    #[serde(skip)]
    shard_seconds: Option<f64>,
}

impl Limits {
    /// How long a point may take.
    pub(crate) fn time(&self) -> Option<Duration> {
        self.point_seconds.map(Duration::from_secs_f64)
    }

    /// The limits where a point has a share of its shard's time alone.
    pub(crate) fn within(self, time: Option<ShardTime>) -> Self {
        match time {
            Some(ShardTime { limit, point: Some(share), .. })
                if self.point_seconds.is_none_or(|own| share < own) =>
            {
                Self { point_seconds: Some(share), shard_seconds: Some(limit), ..self }
            }
            _ => self,
        }
    }

    /// How long a point has run that has taken longer than it may.
    pub(crate) fn passed(&self) -> String {
        let seconds = self.point_seconds.unwrap_or_default();
        match self.shard_seconds {
            None => format!("it ran for more than {seconds} s, the limit point_seconds (tried twice)"),
            Some(limit) => format!(
                "it ran for more than {seconds:.1} s (tried twice), {:.1} % of its shard's time limit of {limit:.0} s \
                 (--timeout): so much a point may take once one has stood still; {REMEDY}",
                100.0 * seconds / limit
            ),
        }
    }

    /// The limits of a request, if they can be kept.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn of(given: Option<Self>, is_hosted: bool) -> Result<Self, Refusal> {
        let Some(limits) = given else { return Ok(Self::default()) };
        if !is_hosted {
            return Err(Refusal::bad_request("limits: allowed for `host` only"));
        }
        limits.checked()
    }

    fn checked(self) -> Result<Self, Refusal> {
        if self.point_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 1e9)) {
            return Err(Refusal::bad_request("limits.point_seconds: must be above 0, and at most 1e9"));
        }
        if self.point_memory == Some(0) {
            return Err(Refusal::bad_request("limits.point_memory: must be at least 1 byte"));
        }
        if self.point_memory.is_some() && !LIMITS_MEMORY {
            return Err(Refusal::bad_request("limits.point_memory: can be kept on Linux only"));
        }
        Ok(self)
    }
}
