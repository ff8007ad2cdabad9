//! The clock. It sizes chunks and bounds children; records never depend on it.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "sizes and limits only: records do not depend on it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
