//! Programs that know nothing of us: one process a point.

mod folder;
mod format;
mod keep;
mod results;
mod run;
mod sources;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sweep_space::Streams;
use toml::de::DeTable;

use crate::model::declaration::Declaration;
use crate::model::domain_error::DomainError;
use crate::model::kept::KeptFile;
use crate::model::output::Output;
use crate::model::{Model, Parameters};
use crate::program::command::folder::{Folder, left_by, remove_left_over};
use crate::program::command::keep::Keep;
use crate::program::command::run::OWN_FILES;
pub(super) use crate::program::command::sources::Sources;
use crate::program::command::sources::{Found, is_below};
use crate::program::command::template::{Hole, Template};
use crate::program::manifest::Reader;
use crate::program::toml::{Entry, Section};
use crate::program::{Program, Way};

/// Of one template.
const MAX_TEMPLATE: u64 = 32 << 20;

/// How one process a point is run.
pub(super) struct Command {
    program: PathBuf,
    arguments: Vec<Template>,
    /// Those that may be paths, with their place in the manifest.
    relative: Vec<(usize, String)>,
    /// Files of the working folder.
    inputs: Vec<(String, Template)>,
    /// A template could not be read, which is told: there is no telling what it uses.
    lacks_input: bool,
    /// Of its environment.
    variables: Vec<(String, Template)>,
    sources: Sources,
    found: Found,
    keep: Keep,
}

/// Reads the part of a manifest that is for `command`.
pub(super) struct CommandReader;

impl CommandReader {
    pub(super) fn read(reader: &mut Reader<'_>, top: &mut Section<'_>) -> (Sources, Option<Command>) {
        let (command, inputs, variables) = (top.take("command"), top.take("inputs"), top.take("variables"));
        let (keep, keep_of) = (top.take("keep"), top.take("keep_of"));
        let Some(entry) = command else {
            for entry in inputs.iter().chain(&variables).chain(&keep).chain(&keep_of) {
                entry.problem(&mut reader.problems, "is for `command` only");
            }
            return (Sources::default(), None);
        };
        let words = entry.texts(&mut reader.problems);
        let (program, arguments) =
            words.split_first().map_or(("", words.as_slice()), |(first, rest)| (first, rest));
        let named = inputs.as_ref().and_then(|entry| entry.value.as_table()).map_or(0, DeTable::len);
        let inputs = files(reader, inputs);
        let is_input = |word: &str| inputs.iter().any(|(name, _)| name == word);
        let relative = arguments.iter().filter(|word| is_below(word) && !is_input(word));
        let command = Command {
            program: find_program(reader, &entry, program),
            relative: relative.map(|word| (entry.at, word.clone())).collect(),
            arguments: self::arguments(reader, &entry, arguments),
            lacks_input: inputs.len() < named,
            inputs,
            variables: environment(reader, variables),
            sources: Sources::default(),
            found: Found::default(),
            keep: Keep::read(keep.as_ref(), keep_of.as_ref(), &mut reader.problems),
        };
        (Sources::default(), Some(command))
    }
}

fn find_program(reader: &mut Reader<'_>, entry: &Entry<'_>, word: &str) -> PathBuf {
    if word.is_empty() {
        entry.problem(&mut reader.problems, "must name a program");
        return PathBuf::new();
    }
    let word = word.replacen("{dir}/", "./", 1);
    reader.mentioned([&word]);
    executable(&reader.path_of(&word)).unwrap_or_else(|problem| {
        entry.problem(&mut reader.problems, format!("{word}: {problem}"));
        PathBuf::new()
    })
}

/// The path of a program that can be started; one without a folder is looked up on PATH.
pub(super) fn executable(path: &Path) -> Result<PathBuf, String> {
    let is_executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if path.is_absolute() {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        return match (metadata.is_file(), is_executable(path)) {
            (true, true) => Ok(path.to_path_buf()),
            (true, false) => Err(format!("is not executable: chmod +x {}", path.display())),
            (false, _) => Err("is not a file".to_owned()),
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(path));
    paths
        .find(|path| path.is_absolute() && is_executable(path))
        .ok_or_else(|| format!("no such program on PATH; one beside the manifest is ./{}", path.display()))
}

fn arguments(reader: &mut Reader<'_>, entry: &Entry<'_>, words: &[String]) -> Vec<Template> {
    let mut arguments = vec![];
    for word in words {
        if let Some(name) = word.strip_prefix("{dir}/") {
            reader.mentioned([&name.to_owned()]);
        }
        arguments.push(Template::word(word, entry.at, entry.path.clone(), &mut reader.problems));
    }
    arguments
}

/// The files of the working folder that are made from templates.
fn files(reader: &mut Reader<'_>, inputs: Option<Entry<'_>>) -> Vec<(String, Template)> {
    let mut files = vec![];
    for entry in members(reader, inputs) {
        let problems = &mut reader.problems;
        if !is_below(entry.name) || OWN_FILES.contains(&entry.name) {
            entry.problem(problems, "must be a path below the working folder, and not in.json or out.json");
        }
        let Some(name) = entry.text(problems) else { continue };
        let path = reader.folder.join(name);
        let bytes = match fs::metadata(&path) {
            _ if !is_below(name.trim_start_matches("./")) => {
                Err("must be below the manifest's folder".to_owned())
            }
            Ok(file) if !file.is_file() || file.len() > MAX_TEMPLATE => {
                Err(format!("must be a file of at most {} MiB", MAX_TEMPLATE >> 20))
            }
            Ok(_) => fs::read(&path).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match bytes {
            Ok(bytes) => {
                let label = format!("{}: {name}", entry.path);
                files.push((entry.name.to_owned(), Template::file(&bytes, entry.at, label, problems)));
            }
            Err(problem) => entry.problem(problems, format!("{name}: {problem}")),
        }
        reader.mentioned([&name.to_owned()]);
    }
    files
}

fn environment(reader: &mut Reader<'_>, variables: Option<Entry<'_>>) -> Vec<(String, Template)> {
    let mut environment = vec![];
    for entry in members(reader, variables) {
        let problems = &mut reader.problems;
        if entry.name.is_empty() || entry.name.contains(['=', '\0']) {
            entry.problem(problems, "is not the name of a variable");
        }
        if let Some(text) = entry.text(problems) {
            let template = Template::word(text, entry.at, entry.path.clone(), problems);
            environment.push((entry.name.to_owned(), template));
        }
    }
    environment
}

fn members<'t>(reader: &mut Reader<'_>, entry: Option<Entry<'t>>) -> Vec<Entry<'t>> {
    entry.and_then(|entry| entry.section(&mut reader.problems)).map_or_else(Vec::new, Section::all)
}

impl Command {
    pub(super) fn with(self, sources: Sources) -> Self {
        Self { sources, ..self }
    }

    /// Checks all that needs the declaration: names, formats, and that every parameter is used. `places` says where
    /// each key is in the manifest.
    pub(super) fn finish(
        &mut self,
        declaration: &Declaration,
        places: &BTreeMap<String, usize>,
        reader: &mut Reader<'_>,
    ) {
        let (problems, mut used) = (&mut reader.problems, BTreeSet::new());
        for template in self.templates() {
            template.check(declaration, &mut used, problems);
        }
        for parameter in &declaration.parameters {
            if !self.has(Hole::In) && !self.lacks_input && !used.contains(parameter.name) {
                let name = parameter.name;
                let rule = format!(
                    "parameters.{name}: is used nowhere: put ${{{name}}} into command, [variables] or a file of \
                     [inputs], or {{in}} into command"
                );
                problems.add(places[&format!("parameters.{name}")], rule);
            }
        }
        for (at, word) in &self.relative {
            if reader.folder.join(word).is_file() && !self.sources.files().any(|file| file == word) {
                let rule = "is beside the manifest, and the program runs in a folder of its own";
                problems.add(*at, format!("command: {word}: {rule}: {{dir}}/{word}"));
            }
        }
        let has_out = self.has(Hole::Out);
        self.found = self.sources.find(declaration, has_out, places, problems);
    }

    /// The files that are kept of points, in any of which there may be something.
    pub(super) fn keeps(&self) -> &[String] {
        &self.keep.names
    }

    /// What is kept of a point that ended a process of this engine.
    pub(super) fn left_by(&self, process: u32) -> Vec<KeptFile> {
        let folder = self.keep.wants(|| true).then(|| left_by(process)).flatten();
        folder.map_or_else(Vec::new, |folder| self.keep.files(folder.path()))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let named = self.inputs.iter().chain(&self.variables).map(|(_, template)| template);
        self.arguments.iter().chain(named)
    }

    /// Whether the program is given this path.
    fn has(&self, hole: Hole) -> bool {
        self.templates().any(|template| template.has(hole))
    }
}

/// Removes the working folders of processes that were killed, and checks that there can be others.
///
/// # Errors
/// Why there can be none.
pub(super) fn prepare() -> Result<(), String> {
    remove_left_over();
    Folder::new().map(|_folder| ())
}

impl Model for Program {
    type Scratch = ();

    fn declaration(&self) -> Declaration {
        self.declaration.clone()
    }

    fn run(
        &self,
        given: &Parameters<'_>,
        streams: &Streams,
        (): &mut (),
        output: &mut Output,
    ) -> Result<(), DomainError> {
        let Way::Command(command) = &self.way else { unreachable!("other programs have their own children") };
        command.run(&self.folder, given, streams, output).map_err(run::Failure::error)
    }
}
