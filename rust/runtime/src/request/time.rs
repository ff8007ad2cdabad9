//! How long the shard of a request may take, and what of it a point may have.

use std::time::Duration;

use serde::Deserialize;

use crate::model::domain_error::DomainError;
use crate::request::refusal::Refusal;

/// Before the end of the time, for writing the last records: so many seconds, and at most this share of the time.
const RESERVE_SECONDS: f64 = 5.0;
const RESERVE_SHARE: f64 = 0.05;
/// A point that has been running for this share of the time limit stands still.
const STILL: f64 = 0.5;
const REPORTS: f64 = 20.0;

pub(crate) const REMEDY: &str = "for more give it [limits] point_seconds, or its shard a longer --timeout, and run \
    again under another run_id";

/// In seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardTime {
    /// The time limit of the shard.
    pub(crate) limit: f64,
    /// What this request has of it.
    left: f64,
    /// What a point may take, since one has stood still.
    pub(crate) point: Option<f64>,
}

impl ShardTime {
    /// The time of a request, if it makes sense.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn of(given: Option<Self>, is_hosted: bool) -> Result<Option<Self>, Refusal> {
        let Some(time) = given else { return Ok(None) };
        let is_time = |seconds: f64| seconds > 0.0 && seconds <= 1e9;
        if !(is_time(time.limit) && is_time(time.left) && time.point.is_none_or(is_time)) {
            return Err(Refusal::bad_request("time: its numbers must be above 0, and at most 1e9"));
        }
        if time.point.is_some() && !is_hosted {
            return Err(Refusal::bad_request("time.point: allowed for `host` only"));
        }
        Ok(Some(time))
    }

    /// After how long points that stand still are given up.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.left - RESERVE_SECONDS.min(RESERVE_SHARE * self.left))
    }

    /// How long a point has been running that stands still.
    pub(crate) fn still(&self) -> Duration {
        Duration::from_secs_f64(STILL * self.limit)
    }

    /// How often to report, at least.
    pub(crate) fn report(&self) -> Duration {
        Duration::from_secs_f64(self.left / REPORTS)
    }

    /// The error of a point that is given up.
    pub(crate) fn error(&self) -> DomainError {
        let (limit, still) = (self.limit, 100.0 * STILL);
        let message = format!(
            "it had been running for more than {still} % of its shard's time limit of {limit:.0} s (--timeout) when \
             that ended; {REMEDY}"
        );
        DomainError::new("point_timeout", message)
    }
}
