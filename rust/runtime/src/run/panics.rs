//! Panics on standard error, one line each: a point's panic is in its record, and needs no backtrace.

use crate::request::refusal::shortened;
use crate::run::chunk::payload_text;

/// Replaces the default panic hook.
pub(crate) fn one_line_each() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("panic at {place}: {:?}", shortened(payload_text(panic.payload()), 500));
    }));
}
