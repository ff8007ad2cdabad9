//! Programs that know nothing of us: one process a point.

use std::path::PathBuf;

use sweep_space::Streams;

use crate::model::declaration::Declaration;
use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::model::{Model, Parameters};
use crate::program::Program;
use crate::program::manifest::Reader;
use crate::program::problems::Problems;
use crate::program::toml::{Entry, Section};

/// How one process a point is run.
pub(super) struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    sources: Sources,
}

/// Where metrics and rows are found after a run.
#[derive(Default)]
pub(super) struct Sources {}

impl Sources {
    /// Takes the keys that say where a metric is.
    pub(super) fn read(
        &mut self,
        _metric: &Entry<'_>,
        _section: &mut Section<'_>,
        _problems: &mut Problems<'_>,
    ) {
    }

    /// Takes the keys that say where the rows of a dataset are.
    pub(super) fn read_dataset(
        &mut self,
        _dataset: &Entry<'_>,
        _section: &mut Section<'_>,
        _problems: &mut Problems<'_>,
    ) {
    }

    /// Tells that these keys are for `command` only.
    pub(super) fn refuse(&self, _problems: &mut Problems<'_>) {}
}

/// Reads the part of a manifest that is for `command`.
pub(super) struct CommandReader;

impl CommandReader {
    pub(super) fn read(reader: &mut Reader<'_>, top: &mut Section<'_>) -> (Sources, Option<Command>) {
        let Some(entry) = top.take("command") else { return (Sources::default(), None) };
        let mut words = entry.texts(&mut reader.problems).into_iter();
        let Some(program) = words.next() else {
            entry.problem(&mut reader.problems, "must name a program");
            return (Sources::default(), None);
        };
        let arguments: Vec<_> = words.collect();
        reader.mentioned(std::iter::once(&program).chain(&arguments));
        let program = reader.path_of(&program);
        (Sources::default(), Some(Command { program, arguments, sources: Sources::default() }))
    }
}

impl Command {
    pub(super) fn with(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }
}

impl Model for Program {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn run(
        &self,
        _given: &Parameters<'_>,
        _streams: &Streams,
        (): &mut (),
        _output: &mut Output,
    ) -> Result<(), DomainError> {
        unimplemented!()
    }
}
