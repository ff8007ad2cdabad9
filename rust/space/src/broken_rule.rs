//! Why a design, or a part of one, is invalid.

use std::fmt;

/// A broken rule, in words that follow the name of what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenRule(pub(crate) &'static str);

impl fmt::Display for BrokenRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for BrokenRule {}
