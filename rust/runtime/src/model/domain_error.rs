//! Why a model gives no result for a point.

use crate::names::is_name;

/// Why a point has no result, in the model's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainError {
    code: &'static str,
    message: String,
}

impl DomainError {
    /// An error with a code that matches `[a-z][a-z0-9_]{0,62}` and a message that names the values.
    ///
    /// # Panics
    /// If the code does not match.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        assert!(is_name(code), "{code:?} is no error code");
        Self { code, message: message.into() }
    }

    /// What kind of error it is.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        &self.message
    }
}
