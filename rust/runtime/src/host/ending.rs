//! How a point ended the child that ran it, and what its record says of that.

use std::process::ExitStatus;

use crate::model::domain_error::DomainError;
use crate::request::limits::Limits;

/// Why a child cannot go on.
#[derive(Debug)]
pub(super) enum Ending {
    /// It ended by itself, or did what no child may do.
    Crashed(String),
    /// A signal ended it.
    Killed(String),
    /// It passed the limit of time.
    TooLong,
    /// It held this many bytes of memory, which is more than the limit.
    TooMuch(u64),
}

impl Ending {
    /// A child that exited, or was killed by a signal.
    pub(super) fn exited(status: ExitStatus) -> Self {
        let how = how_ended(status);
        if status.code().is_some() { Self::Crashed(how) } else { Self::Killed(how) }
    }

    /// The same with the end of what the child wrote to standard error.
    pub(super) fn with_last_words(self, words: &str) -> Self {
        match self {
            Self::Crashed(how) | Self::Killed(how) if !words.is_empty() => {
                Self::Crashed(format!("{how}: {words}"))
            }
            other => other,
        }
    }

    /// The error of the point that did it twice.
    pub(super) fn error(self, limits: &Limits) -> DomainError {
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        match self {
            Self::Crashed(how) | Self::Killed(how) => {
                DomainError::new("point_crashed", format!("its process {how} (tried twice)"))
            }
            Self::TooLong => DomainError::new("point_timeout", limits.passed()),
            Self::TooMuch(bytes) => {
                let limit = mebibytes(limits.point_memory.unwrap_or_default());
                let message = format!(
                    "its process held {:.0} MiB of memory; the limit point_memory is {limit:.0} MiB (tried twice)",
                    mebibytes(bytes)
                );
                DomainError::new("point_out_of_memory", message)
            }
        }
    }
}

/// How a process exited, or which signal killed it.
pub(crate) fn how_ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            return format!("was ended by signal {signal}{}", name_of(signal));
        }
    }
    format!("exited with status {}", status.code().unwrap_or_default())
}

/// The name of a signal that ends faulty programs; the numbers are those of Linux and macOS alike.
fn name_of(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL, an invalid instruction)",
        6 => " (SIGABRT, it aborted)",
        8 => " (SIGFPE, an arithmetic error)",
        9 => " (SIGKILL, as the system does when memory is short)",
        11 => " (SIGSEGV, an invalid access to memory, or a stack that is full)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
