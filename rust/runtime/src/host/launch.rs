//! How a child is started, and what its first line must say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use serde::Deserialize;

use crate::describe::hello;
use crate::host::end_all;
use crate::model::AnyModel;
use crate::model::declaration::{Declaration, Type};
use crate::model::kept::KeptFile;
use crate::program::Program;
use crate::request::refusal::shortened;
use crate::run::record::line;

/// The exit status when a program cannot be used as its manifest says, or no child can be started (`EX_CONFIG` of
/// sysexits.h): no point is at fault.
pub(crate) const BAD_PROGRAM: u8 = 78;

/// What a child runs.
pub(crate) struct Launch {
    path: PathBuf,
    arguments: Vec<String>,
    /// Sent to the child before anything else.
    pub(super) setup: Vec<u8>,
    /// The child's first line.
    hello: Vec<u8>,
    program: Option<&'static Program>,
}

/// The first line of a program that was written for this protocol, which may leave its model out.
#[derive(Deserialize)]
struct ShortHello {
    protocol: String,
    model: Option<NamedModel>,
}

#[derive(Deserialize)]
struct NamedModel {
    name: String,
    #[serde(default)]
    parameters: Vec<Typed>,
    #[serde(default)]
    metrics: Vec<Typed>,
}

#[derive(Deserialize)]
struct Typed {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
}

impl Launch {
    /// This engine, as the server of one of its own models.
    pub(crate) fn own(model: &dyn AnyModel) -> Self {
        let declaration = model.declaration();
        let path = own_path().unwrap_or_else(|problem| fail(None, &problem));
        let arguments = vec!["serve".to_owned(), declaration.name.to_owned()];
        Self { path, arguments, setup: vec![], hello: line(&hello(&declaration)), program: None }
    }

    /// A program's child.
    pub(crate) fn of(program: &'static Program, path: PathBuf, arguments: Vec<String>) -> Self {
        let hello = line(&hello(&program.declaration));
        Self { path, arguments, setup: vec![], hello, program: Some(program) }
    }

    /// The same with a line that tells the child what to do, made from the hello that it must say.
    pub(crate) fn told(mut self, setup: impl FnOnce(&str) -> Vec<u8>) -> Self {
        self.setup = setup(String::from_utf8_lossy(&self.hello).trim_end());
        self
    }

    /// The command that starts the child.
    ///
    /// # Errors
    /// If the program's files are not what they were when the engine started, or its environment lacks a
    /// variable.
    pub(super) fn command(&self) -> Result<Command, String> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(program) = self.program {
            program.require_unchanged()?;
            command.current_dir(&program.folder).env_clear().envs(program.environment()?);
        }
        Ok(command)
    }

    /// Checks a child's first line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check_hello(&self, given: &[u8]) -> Result<(), String> {
        if given == self.hello {
            return Ok(());
        }
        let Some(program) = self.program.filter(|program| !program.is_served_by_engine()) else {
            let problem =
                "it declares another model: was the engine, or the manifest, replaced while it ran?";
            return Err(problem.to_owned());
        };
        let hello: ShortHello = serde_json::from_slice(given).map_err(|error| {
            let shown = String::from_utf8_lossy(given);
            format!(
                "its first line must be {{\"protocol\":\"v1\"}} (docs/model-protocol.md): {error} in {:?}",
                shortened(shown.trim_end(), 100)
            )
        })?;
        if hello.protocol != "v1" {
            return Err(format!(
                "it speaks protocol {:?}, and this engine v1",
                shortened(&hello.protocol, 20)
            ));
        }
        hello.model.map_or(Ok(()), |model| agrees(&model, &program.declaration))
    }

    /// A shell that runs a script and says `hello` first.
    #[cfg(test)]
    pub(super) fn script(script: &str) -> Self {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        Self { path: "/bin/sh".into(), arguments, setup: vec![], hello: b"hello\n".to_vec(), program: None }
    }

    /// A program that is not there.
    #[cfg(test)]
    pub(super) fn missing() -> Self {
        Self { path: "/nowhere/engine".into(), ..Self::script("") }
    }

    /// What is kept of a point that ended the child with this process id.
    pub(super) fn left_by(&self, process: u32) -> Vec<KeptFile> {
        self.program.map_or_else(Vec::new, |program| program.left_by(process))
    }

    /// What runs, for messages.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Ends the engine: it cannot run any point in a child.
    pub(super) fn fail(&self, problem: &str) -> ! {
        fail(self.program, problem)
    }
}

/// The path of this engine.
pub(crate) fn own_path() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this engine's path: {error}"))
}

fn fail(program: Option<&Program>, problem: &str) -> ! {
    if let Some(program) = program {
        eprintln!("{}: {problem}", program.manifest.display());
    } else {
        eprintln!("cannot run points in child processes: {problem}");
    }
    end_all();
    process::exit(BAD_PROGRAM.into())
}

fn agrees(given: &NamedModel, declared: &Declaration) -> Result<(), String> {
    if given.name != declared.name {
        let name = shortened(&given.name, 100);
        return Err(format!("it serves model {name:?}, and the manifest declares {:?}", declared.name));
    }
    let parameters = declared.parameters.iter().map(|parameter| (parameter.name, parameter.kind)).collect();
    let metrics = declared.metrics.iter().map(|metric| (metric.name, metric.kind)).collect();
    are_declared("parameter", &given.parameters, &parameters)?;
    are_declared("metric", &given.metrics, &metrics)
}

fn are_declared(what: &str, given: &[Typed], declared: &BTreeMap<&str, Type>) -> Result<(), String> {
    let unknown = given.iter().find(|each| declared.get(each.name.as_str()) != Some(&each.kind));
    unknown.map_or(Ok(()), |Typed { name, kind }| {
        let name = shortened(name, 100);
        Err(format!("its {what} {name:?} of type {} is not in the manifest", kind.name()))
    })
}
