//! The request: one JSON object on one line, read strictly and not yet compared with a model.

pub(crate) mod design;
pub(crate) mod known;
pub(crate) mod literal;
pub(crate) mod object;
pub(crate) mod plan;
pub(crate) mod refusal;

use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::request::known::KnownPoint;
use crate::request::literal::Literal;
use crate::request::refusal::Refusal;

/// Room for a stored design of 64 MiB, and for the rest.
const MAX_BYTES: u64 = 68 << 20;
const MAX_THREADS: usize = 1024;

/// A request whose fields are there, once, and of the right JSON type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request<'a> {
    protocol: String,
    pub(crate) model: String,
    #[serde(borrow)]
    pub(crate) design: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) base: Members<Literal<'a>>,
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
}

fn one() -> u64 {
    1
}

/// Reads the request's line, with the newline or without it at the end of input.
///
/// # Errors
/// Of reading. A line that is too long is a refusal.
pub(crate) fn read_line(input: &mut impl BufRead) -> io::Result<Result<Vec<u8>, Refusal>> {
    let mut line = Vec::new();
    input.take(MAX_BYTES + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > MAX_BYTES {
        return Ok(Err(Refusal::bad_request("the request is longer than 68 MiB")));
    }
    Ok(Ok(line))
}

impl<'a> Request<'a> {
    /// Parses a request, but for its design.
    ///
    /// # Errors
    /// `bad_request`.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let text = str::from_utf8(line).map_err(|_| Refusal::bad_request("the request is not UTF-8"))?;
        let text = text.trim_ascii();
        // serde would take an array of the fields, too.
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
        Ok(request)
    }

    /// How many threads to run on: as asked, else one for each core.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores)
    }
}

/// The members of a JSON object, in byte order of their names; a repeated name is an error.
#[derive(Debug)]
pub(crate) struct Members<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Self::default())
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Self, M::Error> {
        while let Some(member) = map.next_entry()? {
            self.0.push(member);
        }
        self.0.sort_by(|(left, _), (right, _)| left.cmp(right));
        if let Some(pair) = self.0.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(M::Error::custom(format_args!("duplicate field `{}`", pair[0].0)));
        }
        Ok(self)
    }
}

/// Whether a text is a name of the protocol: `[a-z][a-z0-9_]{0,62}`.
pub(crate) fn is_name(text: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.len() <= 63 && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(tail)
}
