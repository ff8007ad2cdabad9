//! Programs that are models: a manifest says what they take and give, and how to run them (docs/programs.md).

mod command;
mod files;
mod manifest;
mod parameters;
mod problems;
mod signature;
mod toml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use crate::host::{Launch, own_path};
use crate::model::AnyModel;
use crate::model::declaration::{Column, Declaration};
use crate::model::kept::KeptFile;
use crate::program::command::Command;
use crate::program::files::Files;
use crate::run::record::line;

/// What runs a Python function, in the user's interpreter.
const PYTHON: &str = include_str!("python.py");

/// Variables of the engine's own environment that every program gets.
const ENVIRONMENT: [&str; 6] = ["PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"];
/// What every program gets beside them: one process runs on one core, and equal points are equal in Python,
/// too, where the order of a set depends on a random number otherwise.
const SETTINGS: [(&str, &str); 4] = [
    ("OMP_NUM_THREADS", "1"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
    ("PYTHONHASHSEED", "0"),
];

/// A program, as its manifest describes it.
pub(crate) struct Program {
    pub(crate) manifest: PathBuf,
    /// The manifest's folder, in which the program is started.
    pub(crate) folder: PathBuf,
    pub(crate) declaration: Declaration,
    way: Way,
    files: Files,
    /// Names of variables that the program needs.
    environment: Vec<String>,
}

/// How a program is run.
enum Way {
    /// A function, called by the helper.
    Python { interpreter: PathBuf, file: PathBuf, function: String, takes_random: bool },
    /// A process that speaks the model protocol: its path and its arguments.
    Serve(PathBuf, Vec<String>),
    /// One process a point.
    Command(Command),
}

/// What a description tells of a program.
#[derive(Serialize)]
pub(crate) struct ProgramDescription<'a> {
    /// Path relative to the manifest -> SHA-256.
    files: &'a BTreeMap<String, String>,
    environment: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    keep: &'a [String],
}

/// Reads manifests.
///
/// # Errors
/// All problems of all manifests, one a line.
pub(crate) fn load(manifests: &[&Path]) -> Result<Vec<Program>, String> {
    let (mut programs, mut problems) = (vec![], String::new());
    for path in manifests {
        match manifest::read(path) {
            Ok(program) => programs.push(program),
            Err(found) => problems.push_str(&found),
        }
    }
    if problems.is_empty() { Ok(programs) } else { Err(problems) }
}

impl Program {
    pub(crate) fn description(&self) -> ProgramDescription<'_> {
        let keep = if let Way::Command(command) = &self.way { command.keeps() } else { &[] };
        ProgramDescription { files: self.files.digests(), environment: &self.environment, keep }
    }

    /// What is kept of a point that ended its child.
    pub(crate) fn left_by(&self, process: u32) -> Vec<KeptFile> {
        if let Way::Command(command) = &self.way { command.left_by(process) } else { vec![] }
    }

    /// How its children are started.
    pub(crate) fn launch(&'static self) -> Launch {
        match &self.way {
            Way::Python { interpreter, file, function, takes_random } => {
                Launch::of(self, interpreter.clone(), python_arguments(&[], PYTHON))
                    .told(|hello| self.python_setup(file, function, *takes_random, hello))
            }
            Way::Serve(path, arguments) => Launch::of(self, path.clone(), arguments.clone()),
            Way::Command(_) => {
                let path = own_path().unwrap_or_default();
                let manifest = self.manifest.to_string_lossy().into_owned();
                let arguments = ["--program", &manifest, "serve", self.declaration.name];
                Launch::of(self, path, arguments.map(str::to_owned).to_vec())
            }
        }
    }

    /// What the helper is told: the function, the hello that it must say, and the types of what it takes and gives.
    fn python_setup(&self, file: &Path, function: &str, takes_random: bool, hello: &str) -> Vec<u8> {
        let Declaration { parameters, metrics, datasets, .. } = &self.declaration;
        let types = |columns: &[Column]| -> BTreeMap<_, _> {
            columns.iter().map(|column| (column.name, column.kind)).collect()
        };
        let parameters: BTreeMap<_, _> = parameters.iter().map(|each| (each.name, each.kind)).collect();
        let datasets: BTreeMap<_, _> =
            datasets.iter().map(|each| (each.name, types(&each.columns))).collect();
        line(&json!({
            "file": file,
            "function": function,
            "takes_random": takes_random,
            "hello": hello,
            "parameters": parameters,
            "metrics": types(metrics),
            "datasets": datasets,
        }))
    }

    /// Whether its child is a process of this engine.
    pub(crate) fn is_served_by_engine(&self) -> bool {
        matches!(self.way, Way::Command(_))
    }

    /// The model that a child of this engine serves: one process a point.
    ///
    /// # Errors
    /// If it has a child of its own, or cannot be run here.
    pub(crate) fn model(&'static self) -> Result<&'static dyn AnyModel, String> {
        match &self.way {
            Way::Command(_) => command::prepare().map(|()| self as &dyn AnyModel),
            Way::Python { .. } | Way::Serve(..) => {
                Err(format!("{} is served by its own program", self.declaration.name))
            }
        }
    }

    /// Checks that its files are those from which its version was made.
    ///
    /// # Errors
    /// Which file changed.
    pub(crate) fn require_unchanged(&self) -> Result<(), String> {
        self.files.require_unchanged(&self.folder)
    }

    /// The environment of its processes.
    ///
    /// # Errors
    /// Which variable is missing.
    pub(crate) fn environment(&self) -> Result<Vec<(String, String)>, String> {
        let given = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
        let mut all: Vec<_> = ENVIRONMENT.iter().filter_map(|name| given(name)).collect();
        all.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for name in &self.environment {
            all.push(given(name).ok_or_else(|| {
                format!("the environment variable {name} is not set, which the manifest names; set it")
            })?);
        }
        Ok(all)
    }
}

/// The arguments of an interpreter that runs a program of ours.
fn python_arguments(options: &[&str], program: &str) -> Vec<String> {
    // A crash in a C extension names its line of Python.
    let own = ["-X", "utf8", "-X", "faulthandler", "-c", program];
    options.iter().chain(&own).map(|argument| (*argument).to_owned()).collect()
}
