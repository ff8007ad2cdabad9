//! A point's domain error: why the model has no result for it.

use std::borrow::Cow;

use crate::names::is_name;

/// Why a point has no result, in the model's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainError {
    code: Cow<'static, str>,
    message: String,
}

impl DomainError {
    /// An error with a code that matches `[a-z][a-z0-9_]{0,62}` and a message that names the values.
    ///
    /// # Panics
    /// If the code does not match.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        assert!(is_name(&code), "invalid error code: {code:?}");
        Self { code, message: message.into() }
    }

    /// The kind of error.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The problem, for users.
    pub fn message(&self) -> &str {
        &self.message
    }
}
