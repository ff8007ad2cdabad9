//! Texts with `${name}` in them: words of a command, variables of its environment, and files that it reads.

use std::collections::BTreeSet;

use sweep_space::{Streams, ValueRef};

use crate::model::Parameters;
use crate::model::declaration::{Declaration, Type};
use crate::names::{nearest, suggestion};
use crate::program::command::format::Format;
use crate::program::problems::Problems;
use crate::request::refusal::shortened;

/// What a point has beside its parameters. A parameter of the same name goes before.
const OTHERS: [&str; 3] = ["seed", "replicate", "random"];

/// A text whose holes are filled for each point.
pub(super) struct Template {
    parts: Vec<Part>,
    /// Where it is in the manifest, for problems.
    at: usize,
    label: String,
    /// Names whose references cannot be read.
    unread: Vec<String>,
}

enum Part {
    Text(Vec<u8>),
    Value { name: String, format: Format, line: usize },
    Path(Hole),
}

/// A path that the engine chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Hole {
    In,
    Out,
    Folder,
}

const HOLES: [(&str, Hole); 3] = [("{in}", Hole::In), ("{out}", Hole::Out), ("{dir}", Hole::Folder)];

/// What fills the holes.
pub(super) struct Filling<'a> {
    pub(super) given: &'a Parameters<'a>,
    pub(super) streams: &'a Streams,
    pub(super) input: &'a [u8],
    pub(super) output: &'a [u8],
    pub(super) folder: &'a [u8],
}

impl Template {
    /// A text of the manifest, which may name paths.
    pub(super) fn word(text: &str, at: usize, label: String, problems: &mut Problems<'_>) -> Self {
        Self::read(text.as_bytes(), &HOLES, Self { parts: vec![], at, label, unread: vec![] }, problems)
    }

    /// A file. Its braces are its own.
    pub(super) fn file(bytes: &[u8], at: usize, label: String, problems: &mut Problems<'_>) -> Self {
        Self::read(bytes, &[], Self { parts: vec![], at, label, unread: vec![] }, problems)
    }

    fn read(
        mut rest: &[u8],
        holes: &[(&str, Hole)],
        mut template: Self,
        problems: &mut Problems<'_>,
    ) -> Self {
        let (is_file, mut line, mut text) = (holes.is_empty(), 1, vec![]);
        while let Some(first) = rest.first() {
            let hole = holes.iter().find(|(hole, _)| rest.starts_with(hole.as_bytes()));
            if rest.starts_with(b"$${") {
                text.extend_from_slice(b"${");
                rest = &rest[3..];
            } else if rest.starts_with(b"${") {
                template.parts.push(Part::Text(std::mem::take(&mut text)));
                let line = if is_file { line } else { 0 };
                let end = rest.iter().position(|byte| matches!(byte, b'}' | b'\n')).unwrap_or(rest.len());
                let inner = String::from_utf8_lossy(&rest[2..end]);
                let (name, format) = inner.split_once(':').unwrap_or((&inner, ""));
                let name = name.to_owned();
                match reference(&inner, format, rest.get(end)) {
                    Ok(format) => template.parts.push(Part::Value { name, format, line }),
                    Err(problem) => {
                        template.problem(problems, line, &problem);
                        template.unread.push(name);
                    }
                }
                rest = &rest[(end + usize::from(rest.get(end) == Some(&b'}')))..];
            } else if let Some((hole, path)) = hole {
                template.parts.push(Part::Text(std::mem::take(&mut text)));
                template.parts.push(Part::Path(*path));
                rest = &rest[hole.len()..];
            } else {
                line += usize::from(*first == b'\n');
                text.push(*first);
                rest = &rest[1..];
            }
        }
        template.parts.push(Part::Text(text));
        template
    }

    fn problem(&self, problems: &mut Problems<'_>, line: usize, rule: &str) {
        let line = if line == 0 { String::new() } else { format!(":{line}") };
        problems.add(self.at, format!("{}{line}: {rule}", self.label));
    }

    pub(super) fn has(&self, hole: Hole) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Path(path) if *path == hole))
    }

    /// Checks names and formats, and adds the names of parameters to `used`, those included that are meant.
    pub(super) fn check(
        &self,
        declaration: &Declaration,
        used: &mut BTreeSet<String>,
        problems: &mut Problems<'_>,
    ) {
        let known = || declaration.parameters.iter().map(|parameter| parameter.name);
        used.extend(self.unread.iter().cloned());
        for part in &self.parts {
            let Part::Value { name, format, line } = part else { continue };
            let parameter = declaration.parameters.iter().find(|parameter| parameter.name == name);
            let kind = match parameter {
                Some(parameter) => parameter.kind,
                None if OTHERS.contains(&name.as_str()) => Type::Int,
                None => {
                    let hint = suggestion(name, known().chain(OTHERS));
                    let shown = shortened(name, 100);
                    let rule =
                        format!("${{{shown}}} is not a parameter (a literal ${{ is written $${{); {hint}");
                    self.problem(problems, *line, &rule);
                    used.extend(nearest(name, known()).map(str::to_owned));
                    continue;
                }
            };
            used.insert(name.clone());
            if let Err(problem) = format.check(kind) {
                self.problem(problems, *line, &format!("${{{name}}}: {problem}"));
            }
        }
    }

    /// The text of a point.
    pub(super) fn fill(&self, filling: &Filling<'_>) -> Vec<u8> {
        let mut out = vec![];
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Value { name, format, .. } => format.write(&mut out, filling.value(name)),
                Part::Path(Hole::In) => out.extend_from_slice(filling.input),
                Part::Path(Hole::Out) => out.extend_from_slice(filling.output),
                Part::Path(Hole::Folder) => out.extend_from_slice(filling.folder),
            }
        }
        out
    }
}

impl<'a> Filling<'a> {
    fn value(&self, name: &str) -> ValueRef<'a> {
        match (self.given.0.iter().find(|(known, _)| *known == name), name) {
            (Some((_, value)), _) => *value,
            (None, "seed") => ValueRef::Int(self.streams.seed()),
            (None, "replicate") => ValueRef::Int(self.streams.replicate().into()),
            // Positive and below 2^31, which every program's seed may be.
            (None, _) => ValueRef::Int((self.streams.foreign_seed()[0] >> 1).max(1).into()),
        }
    }
}

/// The format of what is between `${` and `}`.
fn reference(inner: &str, format: &str, end: Option<&u8>) -> Result<Format, String> {
    if end != Some(&b'}') {
        let shown = shortened(inner, 40);
        return Err(format!("${{{shown} is not closed by }} (a literal ${{ is written $${{)"));
    }
    if !inner.contains(':') {
        return Ok(Format::PLAIN);
    }
    Format::read(format).map_err(|rule| format!("${{{inner}}}: {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::declaration::Parameter;
    use std::path::Path;

    fn declaration() -> Declaration {
        Declaration::new("m", "1", "")
            .parameter(Parameter::float("speed", 0.0))
            .parameter(Parameter::int("count", 1))
            .parameter(Parameter::string("mode", "a"))
    }

    fn filled(template: &Template) -> String {
        let given = [("speed", ValueRef::Float(1500.0)), ("count", ValueRef::Int(7)), ("mode", "a b".into())];
        let (given, streams) = (Parameters(&given), Streams::new(42, 3));
        let filling =
            Filling { given: &given, streams: &streams, input: b"/i", output: b"/o", folder: b"/home" };
        String::from_utf8(template.fill(&filling)).unwrap()
    }

    fn problems(check: impl FnOnce(&mut Problems<'_>)) -> String {
        let mut problems = Problems::new(Path::new("m.toml"), "");
        check(&mut problems);
        problems.told()
    }

    #[test]
    fn holes_are_filled() {
        let random = (Streams::new(42, 3).foreign_seed()[0] >> 1).to_string();
        let cases = [
            ("", ""),
            ("{in}:{out}:{dir}/x{inn}{", "/i:/o:/home/x{inn}{"),
            ("${speed} ${speed:.3e} ${speed:08.1f}", "1500 1.500e+03 001500.0"),
            ("${count}${count:05d}|${mode}", "700007|a b"),
            ("${seed} ${replicate} ${random}", &format!("42 3 {random}")),
            ("$${speed} $speed $ $$ {speed} $$", "${speed} $speed $ $$ {speed} $$"),
        ];
        for (text, expected) in cases {
            let told = problems(|problems| {
                let template = Template::word(text, 0, "command".to_owned(), problems);
                template.check(&declaration(), &mut BTreeSet::new(), problems);
                assert_eq!(filled(&template), expected);
            });
            assert_eq!(told, "");
        }
        let told = problems(|problems| {
            let template = Template::file(b"{in} ${count}\n", 0, String::new(), problems);
            assert_eq!(filled(&template), "{in} 7\n");
        });
        assert_eq!(told, "");
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let text = b"a\n${speeed}\n${HOME} ${count:x}\n${speed:d}\n${count\n${count}";
        let mut used = BTreeSet::new();
        let told = problems(|problems| {
            let template = Template::file(text, 0, "inputs.a: a.tpl".to_owned(), problems);
            template.check(&declaration(), &mut used, problems);
        });
        for part in [
            "m.toml:1: inputs.a: a.tpl:2: ${speeed} is not a parameter (a literal ${ is written $${); did you",
            "did you mean \"speed\"?",
            "a.tpl:3: ${HOME} is not a parameter",
            "known names: speed, count, mode, seed, replicate, random",
            "a.tpl:3: ${count:x}: \"x\" is not a format",
            "a.tpl:4: ${speed}: format d is for integers",
            "a.tpl:5: ${count is not closed by }",
        ] {
            assert!(told.contains(part), "{told} lacks {part}");
        }
        assert_eq!(told.lines().count(), 5);
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["count", "speed"]);
    }
}
