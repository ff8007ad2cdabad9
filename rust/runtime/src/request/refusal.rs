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
    fn new(error_code: Code, message: &str, parameter: Option<&str>) -> Self {
        let parameter = parameter.map(|name| shortened(name, 100));
        Self { error_code, message: shortened(message, 1000), parameter }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, &message.into(), None)
    }

    pub(crate) fn unknown_model(message: &str) -> Self {
        Self::new(Code::UnknownModel, message, None)
    }

    pub(crate) fn invalid_parameter(name: &str, message: impl Into<String>) -> Self {
        Self::new(Code::InvalidParameters, &message.into(), Some(name))
    }

    /// Of what is no single parameter's.
    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(Code::InvalidParameters, message, None)
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
    fn no_message_grows_with_its_input() {
        let long = "x".repeat(5000);
        let refusals = [
            Refusal::bad_request(long.as_str()),
            Refusal::unknown_model(&long),
            Refusal::invalid_parameter(&long, long.as_str()),
            Refusal::invalid(&long),
        ];
        assert!(refusals.iter().all(|refusal| refusal.message.chars().count() == 1000));
        assert_eq!(refusals[2].parameter.as_ref().map(|name| name.chars().count()), Some(100));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü!", 3), "äö…");
    }
}
