//! The request: one JSON object on one line, parsed strictly but not yet checked against a model.

mod design;
mod known;
pub(crate) mod limits;
pub(crate) mod literal;
pub(crate) mod members;
mod object;
pub(crate) mod plan;
pub(crate) mod refusal;
pub(crate) mod rules;
pub(crate) mod time;

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::declared::GivenModel;
use crate::request::known::KnownPoint;
use crate::request::limits::Limits;
use crate::request::literal::Literal;
use crate::request::members::Members;
use crate::request::refusal::Refusal;
use crate::request::time::ShardTime;

/// Room for a stored design of 64 MiB and the other fields.
const MAX_BYTES: u64 = 68 << 20;
const MAX_THREADS: usize = 1024;

/// A request whose fields are present, not repeated, and of the right JSON type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request<'a> {
    protocol: String,
    pub(crate) model: String,
    #[serde(borrow)]
    pub(crate) design: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) base: Members<Literal<'a>>,
    #[serde(default)]
    pub(crate) derived: Members<String>,
    #[serde(default)]
    pub(crate) constraints: Vec<String>,
    #[serde(default = "one")]
    pub(crate) replications: u64,
    pub(crate) seed: i64,
    #[serde(default)]
    pub(crate) outputs: Vec<String>,
    pub(crate) start_index: u64,
    pub(crate) end_index_exclusive: u64,
    threads: Option<usize>,
    #[serde(borrow)]
    pub(crate) known: Option<Vec<KnownPoint<'a>>>,
    pub(crate) limits: Option<Limits>,
    #[serde(borrow)]
    pub(crate) declaration: Option<GivenModel<'a>>,
    pub(crate) report_seconds: Option<f64>,
    pub(crate) time: Option<ShardTime>,
    #[serde(default)]
    pub(crate) keep: bool,
    #[serde(default)]
    pub(crate) columns: bool,
}

fn one() -> u64 {
    1
}

/// Reads the request's line. At the end of input the newline may be missing.
///
/// # Errors
/// If reading fails. A line that is too long is a refusal.
pub(crate) fn read_line(input: &mut impl BufRead) -> io::Result<Result<Vec<u8>, Refusal>> {
    let mut line = Vec::new();
    input.take(MAX_BYTES + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > MAX_BYTES {
        return Ok(Err(Refusal::bad_request("the request is longer than 68 MiB")));
    }
    Ok(Ok(line))
}

impl<'a> Request<'a> {
    /// Parses a request, except for its design.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let text = str::from_utf8(line).map_err(|_| Refusal::bad_request("the request is not UTF-8"))?;
        let text = text.trim_ascii();
        // serde would also accept an array of the fields.
        if !text.starts_with('{') {
            return Err(Refusal::bad_request("the request must be a JSON object"));
        }
        let request: Self = serde_json::from_str(text)
            .map_err(|error| Refusal::bad_request(format!("the request: {error}")))?;
        if request.protocol != "v1" {
            return Err(Refusal::bad_request("protocol: this engine speaks \"v1\" only"));
        }
        if request.threads.is_some_and(|threads| !(1..=MAX_THREADS).contains(&threads)) {
            return Err(Refusal::bad_request(format!("threads: must be from 1 to {MAX_THREADS}")));
        }
        if request.report_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 1e9)) {
            return Err(Refusal::bad_request("report_seconds: must be above 0, and at most 1e9"));
        }
        Ok(request)
    }

    /// How many threads to run on: as requested, or one per core.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores)
    }
}
