//! Panics on standard error, one line each. A point's panic is in its record and needs no backtrace.

use std::any::Any;

use crate::request::refusal::shortened;

/// Replaces the default panic hook.
pub(crate) fn one_line_each() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("panic at {place}: {:?}", shortened(payload_text(panic.payload()), 500));
    }));
}

/// The message that a panic was raised with.
pub(crate) fn payload_text(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panics_payload_may_be_anything() {
        assert_eq!(payload_text(&"text"), "text");
        assert_eq!(payload_text(&"owned".to_owned()), "owned");
        assert_eq!(payload_text(&5), "a panic without a message");
    }
}
