//! Where metrics and rows are found after a run: the keys of a manifest that say so.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use regex::bytes::{Regex, RegexBuilder};

use crate::model::declaration::{Column, Dataset, Declaration};
use crate::program::problems::Problems;
use crate::program::toml::{Entry, Section};

/// Where metrics and rows are, as the manifest says it.
#[derive(Default)]
pub(in crate::program) struct Sources {
    metrics: BTreeMap<String, Given>,
    datasets: BTreeMap<String, Given>,
}

/// The keys of one metric or dataset.
struct Given {
    at: usize,
    path: String,
    /// The keys that were given, for a program that is not run so.
    keys: Vec<&'static str>,
    file: Option<String>,
    how: Option<How>,
}

/// A file that is read after a run, or what the program wrote to standard output.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Out,
    StandardOutput,
    File(String),
}

/// How a metric is found in its place.
#[derive(Clone, Debug)]
pub(super) enum How {
    /// A member of a JSON object, and of objects within it.
    Key(Vec<String>),
    /// A cell of a CSV file with a header; from the end if `row` is negative.
    Cell { column: String, row: i64 },
    /// The only group of a regular expression, where it matches last.
    Pattern(Regex),
}

/// The metrics of one place, which is read once.
pub(super) struct Group {
    pub(super) place: Place,
    pub(super) metrics: Vec<(Column, How)>,
}

/// Where everything is.
#[derive(Default)]
pub(super) struct Found {
    pub(super) groups: Vec<Group>,
    pub(super) datasets: Vec<(Dataset, String)>,
}

impl Sources {
    /// Takes the keys that say where a metric is.
    pub(in crate::program) fn read(
        &mut self,
        metric: &Entry<'_>,
        section: &mut Section<'_>,
        problems: &mut Problems<'_>,
    ) {
        let mut given = Given::new(metric, section, problems);
        let mut take = |key| {
            let entry = section.take(key)?;
            given.keys.push(key);
            Some(entry)
        };
        let (key, column, row, pattern) = (take("key"), take("column"), take("row"), take("pattern"));
        if [&key, &column, &pattern].iter().filter(|entry| entry.is_some()).count() > 1 {
            metric.problem(problems, "must have one of key, column and pattern at most");
        }
        if let (Some(row), None) = (&row, &column) {
            row.problem(problems, "is for `column` only");
        }
        let row = row.map_or(-1, |row| {
            row.value.as_integer().and_then(|row| row.as_str().parse().ok()).unwrap_or_else(|| {
                row.problem(problems, "must be an integer: 0 for the first row, -1 for the last");
                -1
            })
        });
        given.how = if let Some(pattern) = pattern {
            regex(&pattern, problems).map(How::Pattern)
        } else if let Some(column) = column {
            column.text(problems).map(|column| How::Cell { column: column.to_owned(), row })
        } else {
            key.and_then(|key| key.text(problems))
                .map(|key| How::Key(key.split('.').map(str::to_owned).collect()))
        };
        self.metrics.insert(metric.name.to_owned(), given);
    }

    /// Takes the key that says where the rows of a dataset are.
    pub(in crate::program) fn read_dataset(
        &mut self,
        dataset: &Entry<'_>,
        section: &mut Section<'_>,
        problems: &mut Problems<'_>,
    ) {
        self.datasets.insert(dataset.name.to_owned(), Given::new(dataset, section, problems));
    }

    /// Tells that these keys are for `command` only.
    pub(in crate::program) fn refuse(&self, problems: &mut Problems<'_>) {
        for given in self.metrics.values().chain(self.datasets.values()) {
            for key in &given.keys {
                problems.add(given.at, format!("{}.{key}: is for `command` only", given.path));
            }
        }
    }

    /// The files that the program writes.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.metrics.values().chain(self.datasets.values()).filter_map(|given| given.file.as_deref())
    }

    /// Where everything is that the manifest declares.
    pub(super) fn find(
        &mut self,
        declaration: &Declaration,
        has_out: bool,
        places: &BTreeMap<String, usize>,
        problems: &mut Problems<'_>,
    ) -> Found {
        let mut groups: BTreeMap<Place, Vec<(Column, How)>> = BTreeMap::new();
        for column in &declaration.metrics {
            let given = self.metrics.remove(column.name);
            if given.as_ref().is_some_and(Given::is_told) {
                continue;
            }
            let (file, how) = given.map_or((None, None), |given| (given.file, given.how));
            let how = how.unwrap_or_else(|| How::Key(vec![column.name.to_owned()]));
            let place = match (file, &how) {
                (Some(file), _) => Place::File(file),
                (None, How::Pattern(_)) => Place::StandardOutput,
                (None, _) => Place::Out,
            };
            if place == Place::Out && !has_out {
                let name = column.name;
                let rule = format!(
                    "metrics.{name}: is nowhere: put {{out}} into command, or say where: \
                     {name} = {{ type = \"{}\", file = \"out.csv\", column = \"{name}\" }}, or a pattern",
                    column.kind.name()
                );
                problems.add(places[&format!("metrics.{name}")], rule);
            }
            groups.entry(place).or_default().push((column.clone(), how));
        }
        let mut datasets = vec![];
        for dataset in &declaration.datasets {
            match self.datasets.remove(dataset.name) {
                Some(Given { file: Some(file), .. }) => datasets.push((dataset.clone(), file)),
                Some(given) if !given.is_told() => {
                    let rule = "must say in which CSV file its rows are: file = \"rows.csv\"";
                    problems.add(given.at, format!("{}: {rule}", given.path));
                }
                _ => {}
            }
        }
        let groups = groups.into_iter().map(|(place, metrics)| Group { place, metrics }).collect();
        Found { groups, datasets }
    }
}

impl Found {
    /// Whether what the program writes to standard output is searched.
    pub(super) fn reads_output(&self) -> bool {
        self.groups.iter().any(|group| group.place == Place::StandardOutput)
    }
}

impl Given {
    fn new(entry: &Entry<'_>, section: &mut Section<'_>, problems: &mut Problems<'_>) -> Self {
        let file = section.take("file");
        let keys = file.iter().map(|_| "file").collect();
        let file = file.and_then(|file| {
            let name = file.text(problems)?;
            if !is_below(name) {
                file.problem(problems, "must be a path below the working folder");
            }
            Some(name.to_owned())
        });
        Self { at: entry.at, path: entry.path.clone(), keys, file, how: None }
    }

    /// Whether one of its keys is wrong, and that is told: where it is cannot be known then.
    fn is_told(&self) -> bool {
        let is_file = |key: &&&str| **key == "file";
        self.keys.iter().any(|key| if is_file(&key) { self.file.is_none() } else { self.how.is_none() })
    }
}

/// Whether a path is relative, and leads to nothing above.
pub(super) fn is_below(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn regex(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<Regex> {
    let text = entry.text(problems)?;
    // `^` and `$` are about lines, which is what outputs have.
    match RegexBuilder::new(text).multi_line(true).build() {
        Ok(regex) if regex.captures_len() == 2 => return Some(regex),
        Ok(regex) => {
            let groups = regex.captures_len() - 1;
            entry.problem(
                problems,
                format!("must have one group, and has {groups}; (?:…) is none: pattern = 'mean = (\\S+)'"),
            );
        }
        Err(error) => entry.problem(problems, error.to_string().replace('\n', " ")),
    }
    None
}
