//! The problems of a manifest, all of them, each with its line.

use std::fmt::Write;
use std::path::Path;

/// Collects problems.
pub(super) struct Problems<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, found: vec![] }
    }

    /// Adds a problem of what is at this byte of the text.
    pub(super) fn add(&mut self, at: usize, problem: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        self.found.push((line, problem.into()));
    }

    /// Adds a problem of the manifest as a whole.
    pub(super) fn add_whole(&mut self, problem: impl Into<String>) {
        self.found.push((0, problem.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems in the order of their lines.
    pub(super) fn told(mut self) -> String {
        self.found.sort();
        let mut text = String::new();
        for (line, problem) in self.found {
            let line = if line == 0 { String::new() } else { format!("{line}: ") };
            let space = if line.is_empty() { " " } else { "" };
            let _ = writeln!(text, "{}:{space}{line}{problem}", self.file.display());
        }
        text
    }
}
