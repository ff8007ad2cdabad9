//! The records of the protocol as lines of JSON. Point records are written by hand, for speed: what the
//! replicates of a cell share is rendered once, and points do not allocate.

use std::ops::Range;

use serde::{Serialize, Serializer};
use sweep_space::{
    CellFingerprint, EXACT_INTEGER_MAX, Hex, ValueRef, escape_into, write_int, write_plain, write_text,
};

use crate::model::Parameters;
use crate::model::declaration::{Column, Type};
use crate::model::domain_error::DomainError;
use crate::model::kept::KeptFile;
use crate::model::output::Output;
use crate::request::plan::Plan;
use crate::request::refusal::shortened;
use crate::request::rules::Barred;

/// Most characters of an error message.
const MAX_MESSAGE: usize = 2000;

/// The code of an excluded point, whose message is the constraint.
pub(crate) const EXCLUDED: &str = "constraint";

/// The version of the engine protocol.
pub(crate) const PROTOCOL: &str = "v1";

/// A record that is not of one point's result.
#[derive(Serialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub(crate) enum Record<'a> {
    Started {
        protocol: &'a str,
        engine_version: &'a str,
        model: &'a str,
        model_version: &'a str,
        parameters: Types<'a>,
        metrics: Types<'a>,
        datasets: Datasets<'a>,
    },
    Running {
        point_index: u64,
        seconds: f64,
        others: usize,
        waiting: u64,
    },
    Kept {
        point_index: u64,
        replicate: u32,
        files: &'a [KeptFile],
    },
    Finished {
        points: u64,
        succeeded: u64,
        failed: u64,
        #[serde(skip_serializing_if = "is_zero")]
        excluded: u64,
    },
}

/// A run without constraints has the record that it always had.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Name -> type, in the order given.
pub(crate) struct Types<'a>(Vec<(&'a str, Type)>);

/// Name -> column types.
pub(crate) struct Datasets<'a>(&'a Plan);

impl Serialize for Types<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.iter().copied())
    }
}

impl Serialize for Datasets<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.0.datasets.iter().map(|dataset| (dataset.name, types(&dataset.columns))))
    }
}

fn types(columns: &[Column]) -> Types<'_> {
    Types(columns.iter().map(|column| (column.name, column.kind)).collect())
}

/// The first record, of an engine with this version.
pub(crate) fn started<'a>(plan: &'a Plan, engine_version: &'a str) -> Record<'a> {
    Record::Started {
        protocol: PROTOCOL,
        engine_version,
        model: plan.name,
        model_version: plan.version,
        parameters: Types(plan.slots.iter().map(|slot| (slot.parameter.name, slot.parameter.kind)).collect()),
        metrics: types(&plan.metrics),
        datasets: Datasets(plan),
    }
}

/// A record as a line.
pub(crate) fn line(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("records have no keys but strings");
    line.push(b'\n');
    line
}

/// What the replicates of one cell share: parameters, their texts and their fingerprints.
pub(crate) struct Cell<'a> {
    plan: &'a Plan,
    pub(crate) number: Option<u64>,
    values: Vec<(&'static str, ValueRef<'a>)>,
    canonical: Vec<u8>,
    /// From `"parameters":` up to the point fingerprint.
    shared: Vec<u8>,
    /// Where in it each parameter is, their canonical text, and their fingerprint: as values of JSON.
    texts: Vec<Range<usize>>,
    fingerprint: CellFingerprint,
    barred: Option<Barred<'a>>,
}

impl<'a> Cell<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let fingerprint = plan.fingerprinter.cell(b"");
        Self {
            plan,
            number: None,
            values: vec![],
            canonical: vec![],
            shared: vec![],
            texts: vec![],
            fingerprint,
            barred: None,
        }
    }

    pub(crate) fn parameters(&self) -> Parameters<'_> {
        Parameters(&self.values)
    }

    /// What its points have in place of a run, if they are not run.
    pub(crate) fn verdict(&self) -> Option<Verdict<'_>> {
        Some(match self.barred.as_ref()? {
            Barred::Excluded(constraint) => Verdict::Excluded(constraint),
            Barred::Failed(error) => Verdict::Failure(error),
        })
    }

    /// Moves to a cell, if it is not there already.
    pub(crate) fn enter(&mut self, number: u64) {
        if self.number == Some(number) {
            return;
        }
        self.barred = self.plan.fill(number, &mut self.values);
        self.shared.clear();
        self.texts.clear();
        self.shared.extend_from_slice(br#","parameters":"#);
        self.write_parameters();
        self.fingerprint = self.plan.fingerprinter.cell(&self.canonical);
        self.shared.extend_from_slice(br#","effective_parameters_json":"#);
        self.write_text(|cell| escape_into(&mut cell.shared, &cell.canonical));
        self.shared.extend_from_slice(br#","parameter_fingerprint":"#);
        let fingerprint = self.plan.fingerprinter.parameters(&self.canonical);
        self.write_text(|cell| cell.shared.extend_from_slice(&fingerprint));
        self.shared.extend_from_slice(br#","point_fingerprint":""#);
        self.number = Some(number);
    }

    /// Writes a text in quotes.
    fn write_text(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.shared.len();
        self.shared.push(b'"');
        write(self);
        self.shared.push(b'"');
        self.texts.push(start..self.shared.len());
    }

    /// Writes the parameters, canonical and plain: the two differ only in integers beyond +-(2^53 - 1).
    fn write_parameters(&mut self) {
        self.canonical.clear();
        for (place, (name, value)) in self.values.iter().enumerate() {
            let start = self.shared.len();
            self.shared.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
            self.shared.extend_from_slice(name.as_bytes());
            self.shared.extend_from_slice(b"\":");
            let digits = self.shared.len();
            write_plain(&mut self.shared, *value);
            self.texts.push(digits..self.shared.len());
            if matches!(value, ValueRef::Int(int) if int.unsigned_abs() > EXACT_INTEGER_MAX.unsigned_abs()) {
                self.canonical.extend_from_slice(&self.shared[start..digits]);
                self.canonical.push(b'"');
                self.canonical.extend_from_slice(&self.shared[digits..]);
                self.canonical.push(b'"');
            } else {
                self.canonical.extend_from_slice(&self.shared[start..]);
            }
        }
        if self.values.is_empty() {
            self.shared.push(b'{');
            self.canonical.push(b'{');
        }
        self.shared.push(b'}');
        self.canonical.push(b'}');
    }

    /// The values of JSON that its points share: each parameter, the canonical text, its fingerprint.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(|place| &self.shared[place.clone()])
    }

    /// How many bytes of a line its points share.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.shared.len()
    }

    pub(crate) fn fingerprint(&self, replicate: u32) -> Hex {
        self.plan.fingerprinter.point(&self.fingerprint, replicate)
    }
}

/// The result of a point.
pub(crate) enum Verdict<'a> {
    /// It was not run: only its identity was requested.
    Unknown,
    Success(&'a Output),
    Failure(&'a DomainError),
    /// It was not run, since it breaks this constraint.
    Excluded(&'a str),
}

/// Appends a `point` record, after the `rows` records of a success.
pub(crate) fn write_point(
    out: &mut Vec<u8>,
    cell: &Cell<'_>,
    point: u64,
    replicate: u32,
    verdict: &Verdict<'_>,
) {
    let index = i64::try_from(point).expect("a design has at most 2^63 - 1 points");
    if let Verdict::Success(output) = verdict {
        output.write_rows(out, index, replicate);
    }
    out.extend_from_slice(br#"{"record":"point","point_index":"#);
    write_int(out, index);
    out.extend_from_slice(br#","replicate":"#);
    write_int(out, replicate.into());
    out.extend_from_slice(match verdict {
        Verdict::Unknown => b"",
        Verdict::Success(_) => br#","status":"success""#,
        Verdict::Failure(_) => br#","status":"failure""#,
        Verdict::Excluded(_) => br#","status":"excluded""#,
    });
    out.extend_from_slice(&cell.shared);
    out.extend_from_slice(&cell.fingerprint(replicate));
    out.push(b'"');
    match verdict {
        Verdict::Unknown => {}
        Verdict::Success(output) => {
            out.extend_from_slice(br#","metrics":"#);
            output.write_metrics(out);
        }
        Verdict::Failure(error) => {
            out.push(b',');
            write_error(out, error.code(), error.message());
        }
        Verdict::Excluded(constraint) => {
            out.push(b',');
            write_error(out, EXCLUDED, constraint);
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the members that a failed or excluded point has in place of metrics.
pub(crate) fn write_error(out: &mut Vec<u8>, code: &str, message: &str) {
    out.extend_from_slice(br#""error_code":""#);
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(br#"","error_message":"#);
    write_message(out, message);
}

pub(crate) fn write_message(out: &mut Vec<u8>, message: &str) {
    write_text(out, &shortened(message, MAX_MESSAGE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_messages_are_cut() {
        let mut out = vec![];
        write_error(&mut out, "long", &"ä".repeat(3 * MAX_MESSAGE));
        let kept = "ä".repeat(MAX_MESSAGE - 1);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(r#""error_code":"long","error_message":"{kept}…""#)
        );
    }
}
