//! The refusal of a request.

use serde::Serialize;

/// The `refused` record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "record", rename = "refused")]
pub(crate) struct Refusal {
    pub(crate) error_code: Code,
    pub(crate) message: String,
    pub(crate) parameter: Option<String>,
}

/// The kind of mistake in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    BadRequest,
    UnknownModel,
    InvalidParameters,
}

impl Refusal {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { error_code: Code::BadRequest, message: shortened(&message.into(), 1000), parameter: None }
    }

    pub(crate) fn unknown_model(message: String) -> Self {
        Self { error_code: Code::UnknownModel, message, parameter: None }
    }

    pub(crate) fn invalid_parameter(name: &str, message: impl Into<String>) -> Self {
        let parameter = Some(shortened(name, 100));
        Self { error_code: Code::InvalidParameters, message: message.into(), parameter }
    }

    pub(crate) fn unknown_output(message: String) -> Self {
        Self { error_code: Code::InvalidParameters, message, parameter: None }
    }
}

/// Shortens an input's text to at most `limit` characters, so that no message grows with its input.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü!", 3), "äö…");
    }
}
