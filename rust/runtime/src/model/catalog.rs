//! The models that an engine has: its own, and programs that manifests describe.

use crate::model::AnyModel;
use crate::model::declaration::Declaration;
use crate::model::validate::validate;
use crate::program::Program;
use crate::request::refusal::{Refusal, shortened};

/// What runs the points of a model.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Code in this binary.
    Native(&'static dyn AnyModel),
    /// A program of its own.
    Program(&'static Program),
    /// Nothing: its points can only be identified.
    Absent,
}

/// A model by its declaration, with what runs it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) declaration: Declaration,
    pub(crate) body: Body,
}

/// All models of an engine, each name once.
pub(crate) struct Catalog(Vec<Entry>);

impl Catalog {
    /// The models of an engine, and programs beside them.
    ///
    /// # Errors
    /// The problem of the first invalid declaration.
    pub(crate) fn new(
        version: &str,
        models: &[&'static dyn AnyModel],
        programs: Vec<Program>,
    ) -> Result<Self, String> {
        let native = |model: &&'static dyn AnyModel| Entry {
            declaration: model.declaration(),
            body: Body::Native(*model),
        };
        // An engine reads its programs once, and needs them until it ends.
        let program = |program| {
            let program: &'static Program = Box::leak(Box::new(program));
            Entry { declaration: program.declaration.clone(), body: Body::Program(program) }
        };
        let entries: Vec<_> = models.iter().map(native).chain(programs.into_iter().map(program)).collect();
        validate(version, &entries.iter().map(|entry| entry.declaration.clone()).collect::<Vec<_>>())?;
        Ok(Self(entries))
    }

    /// All models, as declared.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The names of all models.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|entry| entry.declaration.name).collect()
    }

    /// The model of this name.
    ///
    /// # Errors
    /// `unknown_model`.
    pub(crate) fn find(&self, name: &str) -> Result<&Entry, Refusal> {
        self.0.iter().find(|entry| entry.declaration.name == name).ok_or_else(|| {
            let (name, known) = (shortened(name, 100), self.names().join(", "));
            Refusal::unknown_model(&format!("unknown model {name:?}; this engine has: {known}"))
        })
    }
}
