//! A manifest: parsed, checked, with every problem at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::model::declaration::{Column, Dataset, Declaration, Type};
use crate::model::declared::kept;
use crate::model::validate::{problems, validate_version};
use crate::program::command::{CommandReader, executable};
use crate::program::files::{self, Files};
use crate::program::parameters::{Partial, placeholder};
use crate::program::problems::Problems;
use crate::program::signature::{Signature, SignatureMetric};
use crate::program::toml::{Entry, Section};
use crate::program::{Program, Way};

const MAX_BYTES: u64 = 1 << 20;
/// Variables that hold secrets of a cloud: a program never gets them.
const SECRET: [&str; 2] = ["AWS_", "SWEEPCTL_"];

/// Reads a manifest.
///
/// # Errors
/// All its problems, one a line.
pub(super) fn read(path: &Path) -> Result<Program, String> {
    let text = text_of(path).map_err(|problem| format!("{}: {problem}\n", path.display()))?;
    let mut problems = Problems::new(path, &text);
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        problems.add(error.span().map_or(0, |span| span.start), error.message());
    }
    if !problems.is_empty() {
        return Err(problems.told());
    }
    let whole = path.canonicalize().unwrap_or_default();
    let folder = whole.parent().map(Path::to_path_buf).unwrap_or_default();
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut reader = Reader { folder, name, files: BTreeSet::new(), problems };
    let program = reader.program(Section::new(String::new(), &table), path, &text);
    match program {
        Some(program) if reader.problems.is_empty() => Ok(program),
        _ => Err(reader.problems.told()),
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err("must be a regular file of at most 1 MiB".to_owned());
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}

pub(super) struct Reader<'a> {
    pub(super) folder: PathBuf,
    /// The manifest's, in that folder.
    name: String,
    /// What the program is made of, relative to the folder.
    pub(super) files: BTreeSet<String>,
    pub(super) problems: Problems<'a>,
}

impl Reader<'_> {
    fn program(&mut self, mut top: Section<'_>, path: &Path, text: &str) -> Option<Program> {
        let places = top.places();
        let name = self.required(&mut top, "name");
        let version = self.required(&mut top, "version");
        let doc = top.take("doc").and_then(|entry| entry.text(&mut self.problems));
        self.named_files(&mut top);
        let environment = self.environment(&mut top);
        let parameters = self.parameters(&mut top);
        let (mut columns, command) = CommandReader::read(self, &mut top);
        let metrics = self.columns(top.take("metrics"), &mut columns);
        let datasets = self.datasets(&mut top, &mut columns);
        let way = self.way(&mut top, command, columns);
        top.finish(&mut self.problems);
        let name = name.unwrap_or("unnamed"); // which is told
        let mut declaration = self.declaration(name, doc, parameters, metrics, datasets, way.as_ref());
        for (place, problem) in problems(&declaration) {
            // What is not in the manifest is the function's.
            match places.get(&place).or_else(|| places.get("python")) {
                Some(at) => self.problems.add(*at, problem),
                None => self.problems.add_whole(problem),
            }
        }
        let mut way = way?.0;
        if let Way::Command(command) = &mut way {
            command.finish(&declaration, &places, self);
        }
        let mut files = Files::read(&self.folder, &self.files)
            .map_err(|problem| self.problems.add_whole(problem))
            .ok()?;
        declaration.version = kept(&format!("{}+{}", version?, files.version(text)));
        if let Err(problem) = validate_version(declaration.version) {
            self.problems.add(places["version"], problem);
        }
        // The manifest's text is in the version already; from here on it is a file like the others.
        files.add(&self.folder, &self.name).map_err(|problem| self.problems.add_whole(problem)).ok()?;
        let (manifest, folder) = (path.to_path_buf(), self.folder.clone());
        Some(Program { manifest, folder, declaration, way, files, environment })
    }

    /// What the manifest declares, with what the function's signature says besides. There is no telling what is
    /// missing if it is not known how the program is run.
    fn declaration(
        &mut self,
        name: &str,
        doc: Option<&str>,
        parameters: Vec<(String, Partial<'_>)>,
        metrics: Option<Vec<Column>>,
        datasets: Vec<Dataset>,
        way: Option<&(Way, Option<Signature>)>,
    ) -> Declaration {
        let mut declaration = Declaration::new(kept(name), "", kept(doc.unwrap_or_default()));
        declaration.parameters = match way {
            Some((_, signature)) => self.joined(parameters, signature.as_ref()),
            None => parameters.iter().map(|(name, _)| placeholder(name)).collect(),
        };
        declaration.datasets = datasets;
        let known = way.and_then(|(_, signature)| signature.as_ref());
        // Rows may be returned beside the metrics.
        let is_rows = |name: &str| declaration.datasets.iter().any(|dataset| dataset.name == name);
        let returned = || {
            let members = known.and_then(|known| known.metrics.as_ref()).into_iter().flatten();
            members.filter(|metric| !is_rows(&metric.name))
        };
        declaration.metrics =
            metrics.unwrap_or_else(|| returned().map(|metric| self.of_signature(metric)).collect());
        if declaration.doc.is_empty() {
            declaration.doc = kept(known.map_or("", |known| &known.doc));
        }
        if way.is_some() && declaration.metrics.is_empty() {
            self.problems.add_whole("metrics: there must be one at least: [metrics] name = \"float\"");
        }
        declaration
    }

    /// A metric as the class of the function's result declares it; one whose type is wrong is a float.
    fn of_signature(&mut self, metric: &SignatureMetric) -> Column {
        if metric.kind.is_none() {
            self.problems.add_whole(format!(
                "metrics.{}: has no type; annotate it in the function's result as int, float, bool or str, or name \
                the metrics in [metrics]",
                metric.name
            ));
        }
        Column {
            nullable: metric.nullable,
            doc: kept(&metric.doc),
            ..Column::new(kept(&metric.name), metric.kind.unwrap_or(Type::Float))
        }
    }

    /// Adds what `files` names.
    fn named_files(&mut self, top: &mut Section<'_>) {
        let Some(entry) = top.take("files") else { return };
        for pattern in entry.texts(&mut self.problems) {
            match files::expand(&self.folder, &pattern) {
                Ok(names) => self.files.extend(names),
                Err(problem) => entry.problem(&mut self.problems, format!("{pattern:?}: {problem}")),
            }
        }
    }

    fn required<'t>(&mut self, top: &mut Section<'t>, name: &'static str) -> Option<&'t str> {
        let Some(entry) = top.take(name) else {
            self.problems.add_whole(format!("{name} is missing: {name} = \"…\""));
            return None;
        };
        entry.text(&mut self.problems)
    }

    fn environment(&mut self, top: &mut Section<'_>) -> Vec<String> {
        let Some(entry) = top.take("environment") else { return vec![] };
        let names = entry.texts(&mut self.problems);
        for name in &names {
            if SECRET.iter().any(|start| name.starts_with(start)) {
                entry.problem(
                    &mut self.problems,
                    format!("{name:?} may hold a secret; a program never gets it"),
                );
            } else if name.is_empty() || name.contains(['=', '\0']) {
                entry.problem(&mut self.problems, format!("{name:?} is not the name of a variable"));
            }
        }
        names
    }

    /// How the program is run: one of three ways.
    fn way(
        &mut self,
        top: &mut Section<'_>,
        command: Option<super::command::Command>,
        columns: super::command::Sources,
    ) -> Option<(Way, Option<Signature>)> {
        let python = top.take("python");
        let interpreter = top.take("interpreter");
        let serve = top.take("serve");
        let ways = [python.is_some(), serve.is_some(), command.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            let rule = "must say how the program is run, in one way: python = \"file.py:function\", \
                serve = [\"program\", …] or command = [\"program\", …]";
            self.problems.add_whole(rule);
            return None;
        }
        if let (None, Some(interpreter)) = (&python, &interpreter) {
            interpreter.problem(&mut self.problems, "is for `python` only");
        }
        if let Some(command) = command {
            return Some((Way::Command(command.with(columns)), None));
        }
        columns.refuse(&mut self.problems);
        if let Some(entry) = serve {
            let mut words = entry.texts(&mut self.problems).into_iter();
            let Some(program) = words.next() else {
                entry.problem(&mut self.problems, "must name a program");
                return Some((Way::Serve(PathBuf::new(), vec![]), None));
            };
            let arguments: Vec<_> = words.collect();
            self.mentioned(std::iter::once(&program).chain(&arguments));
            let path = self.checked(&entry, &program);
            return Some((Way::Serve(path, arguments), None));
        }
        self.python(&python?, interpreter.as_ref())
    }

    fn python(
        &mut self,
        entry: &Entry<'_>,
        interpreter: Option<&Entry<'_>>,
    ) -> Option<(Way, Option<Signature>)> {
        let text = entry.text(&mut self.problems)?;
        let Some((file, function)) = text.rsplit_once(':') else {
            entry.problem(&mut self.problems, "must be \"file.py:function\"");
            return None;
        };
        self.mentioned([&file.to_owned()]);
        let named = interpreter.unwrap_or(entry);
        let given = interpreter.map_or(Some("python3"), |entry| entry.text(&mut self.problems))?;
        let found = self.checked(named, given);
        if found.as_os_str().is_empty() {
            return None;
        }
        let interpreter = self.path_of(given);
        let file = self.folder.join(file);
        match Signature::read(&interpreter, &file, function) {
            Ok(signature) => {
                let (function, takes_random) = (function.to_owned(), signature.takes_random);
                Some((Way::Python { interpreter, file, function, takes_random }, Some(signature)))
            }
            Err(problem) => {
                entry.problem(&mut self.problems, problem);
                None
            }
        }
    }

    /// A program's path: one with a folder is relative to the manifest's, one without is looked up on PATH.
    pub(super) fn path_of(&self, program: &str) -> PathBuf {
        let is_path = program.contains('/');
        if is_path { self.folder.join(program.trim_start_matches("./")) } else { program.into() }
    }

    /// A program's path, if it can be started; otherwise that is told.
    fn checked(&mut self, entry: &Entry<'_>, program: &str) -> PathBuf {
        executable(&self.path_of(program)).unwrap_or_else(|problem| {
            entry.problem(&mut self.problems, format!("{program}: {problem}"));
            PathBuf::new()
        })
    }

    /// Counts files that are named anyway among those that the program is made of.
    pub(super) fn mentioned<'w>(&mut self, words: impl IntoIterator<Item = &'w String>) {
        for word in words {
            if let Ok(names) =
                files::expand(&self.folder, &glob::Pattern::escape(word.trim_start_matches("./")))
            {
                self.files.extend(names);
            }
        }
    }

    /// Metrics, or the columns of a dataset: name = "type", or a table. One whose type is wrong is a float.
    fn columns(
        &mut self,
        entry: Option<Entry<'_>>,
        sources: &mut super::command::Sources,
    ) -> Option<Vec<Column>> {
        let is_metrics = entry.as_ref().is_some_and(|entry| entry.path == "metrics");
        let section = entry?.section(&mut self.problems)?;
        let mut columns = vec![];
        for entry in section.all() {
            if let Some(mut section) =
                entry.value.is_table().then(|| entry.section(&mut self.problems)).flatten()
            {
                let problems = &mut self.problems;
                let kind = section.take("type").and_then(|entry| entry.kind(problems));
                if kind.is_none() {
                    entry.problem(problems, "needs a type: type = \"float\"");
                }
                columns.push(Column {
                    name: kept(entry.name),
                    kind: kind.unwrap_or(Type::Float),
                    nullable: section.take("nullable").is_some_and(|entry| entry.flag(problems)),
                    unit: kept(
                        section.take("unit").and_then(|entry| entry.text(problems)).unwrap_or_default(),
                    ),
                    doc: kept(section.take("doc").and_then(|entry| entry.text(problems)).unwrap_or_default()),
                    headline: section.take("headline").is_some_and(|entry| entry.flag(problems)),
                });
                if is_metrics {
                    sources.read(&entry, &mut section, problems);
                }
                section.finish(problems);
            } else {
                let kind = entry.kind(&mut self.problems).unwrap_or(Type::Float);
                columns.push(Column::new(kept(entry.name), kind));
            }
        }
        Some(columns)
    }

    fn datasets(&mut self, top: &mut Section<'_>, sources: &mut super::command::Sources) -> Vec<Dataset> {
        let Some(section) = top.take("datasets").and_then(|entry| entry.section(&mut self.problems)) else {
            return vec![];
        };
        let mut datasets = vec![];
        for entry in section.all() {
            let Some(mut section) = entry.section(&mut self.problems) else { continue };
            let doc =
                section.take("doc").and_then(|entry| entry.text(&mut self.problems)).unwrap_or_default();
            sources.read_dataset(&entry, &mut section, &mut self.problems);
            let columns = self.columns(section.take("columns"), sources).unwrap_or_default();
            section.finish(&mut self.problems);
            datasets.push(Dataset { name: kept(entry.name), doc: kept(doc), columns });
        }
        datasets
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
