//! Why a design, or a piece of one, cannot be.

use std::fmt;

/// A rule that is broken, in words that follow the name of what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenRule(pub(crate) &'static str);

impl fmt::Display for BrokenRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for BrokenRule {}
