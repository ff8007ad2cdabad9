//! What a program left behind, read as metrics and rows.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use regex::bytes::Regex;
use sweep_space::{Value, ValueRef};

use crate::host::reply::value;
use crate::model::declaration::{Column, Dataset, Type};
use crate::model::output::Output;
use crate::program::command::run::Failure;
use crate::program::command::sources::{Found, Group, How, Place};
use crate::request::literal::Literal;
use crate::request::members::Members;
use crate::request::refusal::shortened;

/// Of one file: it is held in memory.
const MAX_BYTES: u64 = 32 << 20;

/// What a run has left.
pub(super) struct Results<'a> {
    pub(super) folder: &'a Path,
    pub(super) out: &'a Path,
    pub(super) standard_output: &'a [u8],
}

impl Results<'_> {
    /// Puts metrics and rows into the output.
    ///
    /// # Errors
    /// Why there are none: `missing_metric`, or `bad_output`.
    pub(super) fn fill(&self, found: &Found, output: &mut Output) -> Result<(), Failure> {
        for group in &found.groups {
            self.metrics(group, output)?;
        }
        for (dataset, file) in &found.datasets {
            if output.rows(dataset.name).is_some() {
                self.rows(dataset, file, output)?;
            }
        }
        Ok(())
    }

    fn metrics(&self, Group { place, metrics }: &Group, output: &mut Output) -> Result<(), Failure> {
        let (shown, bytes);
        let content = match place {
            Place::StandardOutput => {
                shown = "standard output";
                Content::new(self.standard_output)
            }
            Place::Out => {
                shown = "{out}";
                bytes = read(self.out, shown)?;
                Content::new(&bytes)
            }
            Place::File(file) => {
                shown = file;
                bytes = read(&self.folder.join(file), shown)?;
                Content::new(&bytes)
            }
        };
        let mut content = content;
        for (column, how) in metrics {
            let name = column.name;
            match content.find(column, how).map_err(|problem| bad(format!("{shown}: {problem}")))? {
                Ok(value) => output.metric(name, value.borrow()),
                Err(_) if column.nullable => output.metric(name, ValueRef::Null),
                Err(missing) => {
                    let message = format!("metric {name}: {shown} has no {missing}");
                    return Err(Failure::point("missing_metric", message));
                }
            }
        }
        Ok(())
    }

    fn rows(&self, dataset: &Dataset, file: &str, output: &mut Output) -> Result<(), Failure> {
        let name = dataset.name;
        let bytes = read(&self.folder.join(file), file)?;
        let problem = |problem: String| bad(format!("dataset {name}: {file}: {problem}"));
        let mut reader = reader(&bytes, true);
        let header = header(&mut reader).map_err(problem)?;
        let mut places = vec![];
        for column in &dataset.columns {
            let place = header.iter().position(|known| known == column.name);
            places.push(place.ok_or_else(|| problem(format!("has no {}", no_column(column.name, &header))))?);
        }
        let rows = output.rows(name).expect("it was asked for");
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|error| problem(error.to_string()))? {
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |(column, place): (&Column, &usize)| {
                let cell = record.get(*place).ok_or_else(|| format!("{} is missing", column.name))?;
                from_text(column, cell)
            };
            let values: Result<Vec<_>, _> = dataset.columns.iter().zip(&places).map(cell).collect();
            let values = values.map_err(|wrong| problem(format!("line {line}: {wrong}")))?;
            rows.push(&values.iter().map(Value::borrow).collect::<Vec<_>>());
        }
        Ok(())
    }
}

fn bad(problem: String) -> Failure {
    Failure::point("bad_output", problem)
}

fn read(path: &Path, shown: &str) -> Result<Vec<u8>, Failure> {
    let problem = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Failure::point("missing_metric", format!("the program did not write {shown}")),
        _ => bad(format!("{shown}: {error}")),
    };
    // Before it is opened: a pipe would wait for a writer.
    if !fs::metadata(path).map_err(problem)?.is_file() {
        return Err(bad(format!("{shown} is not a regular file")));
    }
    let mut bytes = vec![];
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(problem)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(bad(format!("{shown} is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(bytes)
}

/// The content of one place, parsed as its metrics need it.
struct Content<'a> {
    bytes: &'a [u8],
    object: Option<Members<Literal<'a>>>,
    table: Option<Table<'a>>,
}

/// What was looked for and is not there, with what is.
type Missing = String;

impl<'a> Content<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, object: None, table: None }
    }

    fn find(&mut self, column: &Column, how: &How) -> Result<Result<Value, Missing>, String> {
        match how {
            How::Key(path) => {
                if self.object.is_none() {
                    let object = serde_json::from_slice(self.bytes);
                    self.object = Some(object.map_err(|error| format!("is not a JSON object: {error}"))?);
                }
                let object = self.object.as_ref().expect("just read");
                Ok(match member(object, path) {
                    Ok(literal) => Ok(value(column, literal)?),
                    Err(missing) => Err(missing),
                })
            }
            How::Cell { column: name, row } => {
                if self.table.is_none() {
                    self.table = Some(Table::read(self.bytes)?);
                }
                let table = self.table.as_ref().expect("just read");
                Ok(match table.cell(name, *row)? {
                    Ok(cell) => Ok(from_text(column, &cell)?),
                    Err(missing) => Err(missing),
                })
            }
            How::Pattern(regex) => Ok(match last_match(regex, self.bytes) {
                Some(text) => Ok(from_text(column, text)?),
                None => Err(format!("text that matches {:?}", shortened(regex.as_str(), 200))),
            }),
        }
    }
}

fn member<'a>(object: &Members<Literal<'a>>, path: &[String]) -> Result<Literal<'a>, Missing> {
    let (first, rest) = path.split_first().expect("a split text has a part");
    let Some((_, literal)) = object.0.iter().find(|(name, _)| name == first) else {
        return Err(format!(
            "key {first:?}; its keys are: {}",
            listed(object.0.iter().map(|(name, _)| &**name))
        ));
    };
    if rest.is_empty() {
        return Ok(*literal);
    }
    let inner = serde_json::from_str(literal.text())
        .map_err(|_| format!("key {:?} within {first:?}, which is {literal}", rest[0]))?;
    member(&inner, rest)
}

fn last_match<'a>(regex: &Regex, bytes: &'a [u8]) -> Option<&'a [u8]> {
    Some(regex.captures_iter(bytes).last()?.get(1)?.as_bytes())
}

/// A CSV file whose rows are found by number.
struct Table<'a> {
    bytes: &'a [u8],
    header: Vec<String>,
    /// Where each row begins.
    rows: Vec<u64>,
}

impl<'a> Table<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut reader = reader(bytes, true);
        let header = header(&mut reader)?;
        let (mut rows, mut record) = (vec![], ByteRecord::new());
        while reader.read_byte_record(&mut record).map_err(|error| error.to_string())? {
            rows.push(record.position().map_or(0, csv::Position::byte));
        }
        Ok(Self { bytes, header, rows })
    }

    fn cell(&self, column: &str, row: i64) -> Result<Result<Vec<u8>, Missing>, String> {
        let Some(place) = self.header.iter().position(|known| known == column) else {
            return Ok(Err(no_column(column, &self.header)));
        };
        let count = i64::try_from(self.rows.len()).expect("fewer rows than bytes");
        let index = usize::try_from(if row < 0 { count.saturating_add(row) } else { row }).ok();
        let Some(start) = index.and_then(|index| self.rows.get(index)) else {
            return Ok(Err(format!("row {row}; it has {count} rows")));
        };
        let start = usize::try_from(*start).expect("a place in memory");
        let mut record = ByteRecord::new();
        reader(&self.bytes[start..], false)
            .read_byte_record(&mut record)
            .map_err(|error| error.to_string())?;
        Ok(record.get(place).map(<[u8]>::to_vec).ok_or_else(|| format!("column {column:?} in row {row}")))
    }
}

fn reader(bytes: &[u8], has_header: bool) -> Reader<&[u8]> {
    ReaderBuilder::new().has_headers(has_header).flexible(true).trim(Trim::All).from_reader(bytes)
}

fn header(reader: &mut Reader<&[u8]>) -> Result<Vec<String>, String> {
    let header = reader.byte_headers().map_err(|error| error.to_string())?;
    Ok(header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

fn no_column(name: &str, header: &[String]) -> Missing {
    format!("column {name:?}; its columns are: {}", listed(header.iter().map(String::as_str)))
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names = shortened(&names.collect::<Vec<_>>().join(", "), 200);
    if names.is_empty() { "none".to_owned() } else { names }
}

/// A value from text. What is not finite is left to the check of the output.
fn from_text(column: &Column, text: &[u8]) -> Result<Value, String> {
    let text = String::from_utf8_lossy(text);
    let (value, rule) = match column.kind {
        _ if text.is_empty() && column.nullable => (Some(Value::Null), ""),
        Type::String => (Some(Value::Text((&*text).into())), ""),
        Type::Int => (text.parse().ok().map(Value::Int), "an integer of 64 bits"),
        // Adding 0.0 turns -0.0 into 0.0, as in every other value.
        Type::Float => (text.parse().ok().map(|float: f64| Value::Float(float + 0.0)), "a number"),
        Type::Bool => (
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(Value::Bool(true)),
                "false" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            "true or false",
        ),
    };
    value.ok_or_else(|| format!("{} = {:?}: must be {rule}", column.name, shortened(&text, 100)))
}
