//! A manifest: parsed, checked, with every problem at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use sweep_space::{Value, ValueRef};
use toml::de::{DeTable, DeValue};

use crate::model::declaration::{Column, Dataset, Declaration, Parameter, Type};
use crate::model::declared::{kept, kept_all, kept_value};
use crate::model::validate::validate;
use crate::names::suggestion;
use crate::program::command::CommandReader;
use crate::program::files::{self, Files};
use crate::program::problems::Problems;
use crate::program::signature::{Signature, SignatureMetric, SignatureParameter};
use crate::program::toml::{Entry, Section, kind_of, value};
use crate::program::{Program, Way};
use crate::request::literal::Literal;

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
    let folder = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let mut reader = Reader { folder: folder.unwrap_or_default(), files: BTreeSet::new(), problems };
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
    /// What the program is made of, relative to the folder.
    pub(super) files: BTreeSet<String>,
    pub(super) problems: Problems<'a>,
}

/// What a manifest says of a parameter, before it is joined with the function's signature.
#[derive(Default)]
struct Partial<'a> {
    entry: Option<Entry<'a>>,
    kind: Option<Type>,
    default: Option<Entry<'a>>,
    range: Option<Entry<'a>>,
    choices: Option<Vec<String>>,
    nullable: Option<bool>,
    unit: &'a str,
    doc: &'a str,
}

impl Reader<'_> {
    fn program(&mut self, mut top: Section<'_>, path: &Path, text: &str) -> Option<Program> {
        let name = self.required(&mut top, "name");
        let version = self.required(&mut top, "version");
        let doc = top.take("doc").and_then(|entry| entry.text(&mut self.problems));
        for pattern in top.take("files").map(|entry| (entry.texts(&mut self.problems), entry)).into_iter() {
            let (patterns, entry) = pattern;
            for pattern in patterns {
                match files::expand(&self.folder, &pattern) {
                    Ok(names) => self.files.extend(names),
                    Err(problem) => entry.problem(&mut self.problems, format!("{pattern:?}: {problem}")),
                }
            }
        }
        let environment = self.environment(&mut top);
        let parameters = self.parameters(&mut top);
        let (mut columns, command) = CommandReader::read(self, &mut top);
        let metrics = self.columns(top.take("metrics"), &mut columns);
        let datasets = self.datasets(&mut top, &mut columns);
        let (way, signature) = self.way(&mut top, command, columns)?;
        top.finish(&mut self.problems);
        let mut declaration = Declaration::new(kept(name?), "", kept(doc.unwrap_or_default()));
        declaration.parameters = self.joined(parameters, signature.as_ref());
        declaration.metrics = match (metrics, &signature) {
            (Some(metrics), _) => metrics,
            (None, Some(Signature { metrics: Some(metrics), .. })) => {
                metrics.iter().map(of_signature).collect()
            }
            (None, _) => vec![],
        };
        declaration.datasets = datasets;
        if declaration.doc.is_empty() {
            declaration.doc = signature.map_or("", |signature| kept(&signature.doc));
        }
        if declaration.metrics.is_empty() {
            self.problems.add_whole("metrics: there must be one at least: [metrics] name = \"float\"");
        }
        let files = match Files::read(&self.folder, &self.files) {
            Ok(files) => files,
            Err(problem) => {
                self.problems.add_whole(problem);
                return None;
            }
        };
        declaration.version = kept(&format!("{}+{}", version?, files.version(text)));
        if let (true, Err(problem)) = (self.problems.is_empty(), validate(std::slice::from_ref(&declaration)))
        {
            self.problems.add_whole(problem);
        }
        let (manifest, folder) = (path.to_path_buf(), self.folder.clone());
        Some(Program { manifest, folder, declaration, way, files, environment })
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
                return None;
            };
            let arguments: Vec<_> = words.collect();
            self.mentioned(std::iter::once(&program).chain(&arguments));
            return Some((Way::Serve(self.path_of(&program), arguments), None));
        }
        let entry = python?;
        let text = entry.text(&mut self.problems)?;
        let Some((file, function)) = text.rsplit_once(':') else {
            entry.problem(&mut self.problems, "must be \"file.py:function\"");
            return None;
        };
        self.mentioned([&file.to_owned()]);
        let given = interpreter.and_then(|entry| entry.text(&mut self.problems));
        let interpreter = self.path_of(given.unwrap_or("python3"));
        let file = self.folder.join(file);
        match Signature::read(&interpreter, &file, function) {
            Ok(signature) => {
                let function = function.to_owned();
                Some((Way::Python { interpreter, file, function }, Some(signature)))
            }
            Err(problem) => {
                entry.problem(&mut self.problems, problem);
                None
            }
        }
    }

    /// A program's path: one with a folder is relative to the manifest's, one without is looked up on PATH.
    pub(super) fn path_of(&self, program: &str) -> PathBuf {
        if program.contains('/') { self.folder.join(program) } else { program.into() }
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

    fn parameters<'t>(&mut self, top: &mut Section<'t>) -> BTreeMap<String, Partial<'t>> {
        let Some(entry) = top.take("parameters") else { return BTreeMap::new() };
        let Some(section) = entry.section(&mut self.problems) else { return BTreeMap::new() };
        let mut parameters = BTreeMap::new();
        for entry in section.all() {
            let partial = if entry.value.is_table() {
                let Some(section) = entry.section(&mut self.problems) else { continue };
                self.partial(section)
            } else {
                Partial { default: Some(entry.clone()), ..Partial::default() }
            };
            parameters.insert(entry.name.to_owned(), Partial { entry: Some(entry), ..partial });
        }
        parameters
    }

    fn partial<'t>(&mut self, mut section: Section<'t>) -> Partial<'t> {
        let problems = &mut self.problems;
        let partial = Partial {
            entry: None,
            kind: section.take("type").and_then(|entry| entry.kind(problems)),
            default: section.take("default"),
            range: section.take("range"),
            choices: section.take("choices").map(|entry| entry.texts(problems)),
            nullable: section.take("nullable").map(|entry| entry.flag(problems)),
            unit: section.take("unit").and_then(|entry| entry.text(problems)).unwrap_or_default(),
            doc: section.take("doc").and_then(|entry| entry.text(problems)).unwrap_or_default(),
        };
        section.finish(problems);
        partial
    }

    /// The parameters of the manifest, or those of the function with what the manifest says of them.
    fn joined(
        &mut self,
        mut given: BTreeMap<String, Partial<'_>>,
        signature: Option<&Signature>,
    ) -> Vec<Parameter> {
        let mut parameters = vec![];
        if let Some(signature) = signature {
            for known in &signature.parameters {
                let partial = given.remove(&known.name).unwrap_or_default();
                parameters.extend(self.parameter(&known.name, &partial, Some(known)));
            }
            for (name, partial) in given {
                let names = signature.parameters.iter().map(|known| known.name.as_str());
                let hint = suggestion(&name, names);
                if let Some(entry) = partial.entry {
                    entry.problem(&mut self.problems, format!("the function has no such parameter; {hint}"));
                }
            }
            return parameters;
        }
        for (name, partial) in &given {
            parameters.extend(self.parameter(name, partial, None));
        }
        parameters
    }

    fn parameter(
        &mut self,
        name: &str,
        given: &Partial<'_>,
        known: Option<&SignatureParameter>,
    ) -> Option<Parameter> {
        let told = |problems: &mut Problems<'_>, rule: &str| match &given.entry {
            Some(entry) => entry.problem(problems, rule),
            None => problems.add_whole(format!("parameters.{name}: {rule}")),
        };
        let literal = given.default.as_ref().and_then(|entry| kind_of(entry.value));
        let Some(kind) = given.kind.or(known.and_then(|known| known.kind)).or(literal) else {
            let how = if known.is_some() { "an annotation in the function, or " } else { "" };
            told(&mut self.problems, &format!("has no type; give it {how}type = \"float\""));
            return None;
        };
        let nullable = given.nullable.unwrap_or_else(|| known.is_some_and(|known| known.nullable));
        let default = match (&given.default, known) {
            (Some(entry), _) => entry.value(kind, &mut self.problems)?,
            (None, Some(known)) if known.has_default => {
                let literal = serde_json::from_str::<Literal>(known.default.get()).ok()?;
                literal
                    .written(kind, nullable)
                    .map_err(|rule| told(&mut self.problems, &format!("default: {rule}")))
                    .ok()?
            }
            _ if nullable => Value::Null,
            _ => {
                told(&mut self.problems, "has no default; a point that does not name it needs one");
                return None;
            }
        };
        let (lower, upper) = given.range.as_ref().map_or((Bound::Unbounded, Bound::Unbounded), |entry| {
            range(entry.value, kind).unwrap_or_else(|| {
                let rule =
                    "must be two numbers, [0, 10], or text such as \"> 0, <= 10\", of the parameter's type";
                entry.problem(&mut self.problems, rule);
                (Bound::Unbounded, Bound::Unbounded)
            })
        });
        let choices = given.choices.as_ref().or(known.and_then(|known| known.choices.as_ref()));
        Some(Parameter {
            name: kept(name),
            kind,
            nullable,
            unit: kept(given.unit),
            default: kept_value(&default),
            lower,
            upper,
            choices: choices.map(|choices| kept_all(choices)),
            spellings: &[],
            doc: kept(if given.doc.is_empty() { known.map_or("", |known| &known.doc) } else { given.doc }),
        })
    }

    /// Metrics, or the columns of a dataset: name = "type", or a table.
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
                let column = kind.map(|kind| Column {
                    name: kept(entry.name),
                    kind,
                    nullable: section.take("nullable").is_some_and(|entry| entry.flag(problems)),
                    unit: kept(
                        section.take("unit").and_then(|entry| entry.text(problems)).unwrap_or_default(),
                    ),
                    doc: kept(section.take("doc").and_then(|entry| entry.text(problems)).unwrap_or_default()),
                });
                if column.is_none() {
                    entry.problem(problems, "needs a type: type = \"float\"");
                }
                if is_metrics {
                    sources.read(&entry, &mut section, problems);
                }
                section.finish(problems);
                columns.extend(column);
            } else if let Some(kind) = entry.kind(&mut self.problems) {
                columns.push(Column { name: kept(entry.name), kind, nullable: false, unit: "", doc: "" });
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

fn of_signature(metric: &SignatureMetric) -> Column {
    Column {
        name: kept(&metric.name),
        kind: metric.kind,
        nullable: metric.nullable,
        unit: "",
        doc: kept(&metric.doc),
    }
}

type Range = (Bound<ValueRef<'static>>, Bound<ValueRef<'static>>);

/// `[0, 10]`, both included, or text as messages have it: `> 0, <= 10`.
fn range(given: &DeValue<'_>, kind: Type) -> Option<Range> {
    if !matches!(kind, Type::Int | Type::Float) {
        return None;
    }
    if let Some(array) = given.as_array() {
        let bound = |place: usize| value(array.get(place)?.get_ref(), kind).map(|value| kept_value(&value));
        return (array.iter().count() == 2)
            .then(|| Some((Bound::Included(bound(0)?), Bound::Included(bound(1)?))))
            .flatten();
    }
    let (mut lower, mut upper) = (Bound::Unbounded, Bound::Unbounded);
    for part in given.as_str()?.split(',').map(str::trim) {
        let number = |text: &str| {
            let literal = serde_json::from_str::<Literal>(text.trim()).ok()?;
            literal.written(kind, false).ok().map(|value| kept_value(&value))
        };
        match part.split_at(part.find(|each: char| !"<>=".contains(each)).unwrap_or(part.len())) {
            (">=", bound) => lower = Bound::Included(number(bound)?),
            (">", bound) => lower = Bound::Excluded(number(bound)?),
            ("<=", bound) => upper = Bound::Included(number(bound)?),
            ("<", bound) => upper = Bound::Excluded(number(bound)?),
            _ => return None,
        }
    }
    Some((lower, upper))
}
