//! `points` records: consecutive points in columns, which are a sixth of the bytes that a line for each has.
//!
//! What the replicates of a cell share is written once for each cell, and what all points or cells share once.

use sweep_space::{write_int, write_plain};

use crate::model::output::Output;
use crate::request::plan::Plan;
use crate::run::record::{Cell, EXCLUDED, Verdict, write_message};

/// About what a line has besides the texts that it shares with others.
const HEAD_BYTES: usize = 64;

/// The points of a record that is not finished yet.
pub(crate) struct Columns {
    /// For each cell: the parameters, their canonical text, their fingerprint.
    cells: Vec<List>,
    /// For each point: fingerprint, status, metrics, error code and message.
    points: Vec<List>,
    count: u64,
    last_cell: Option<u64>,
    /// About what these points would take as lines, and what they take again for the one who reads them.
    as_lines: usize,
}

impl Columns {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (mut cells, mut points) = (vec![], vec![]);
        let end = object("parameters", plan.slots.iter().map(|slot| slot.parameter.name), &mut cells);
        cells.push(List::new(end + r#","effective_parameters_json":"#));
        cells.push(List::new(r#","parameter_fingerprint":"#));
        // So that a record has as many points as it has bytes for; those of repeated cells are equal.
        points.push(List { folds: false, ..List::new(r#","point_fingerprint":"#) });
        points.push(List::new(r#","status":"#));
        let end = object("metrics", plan.metrics.iter().map(|metric| metric.name), &mut points);
        points.push(List::new(end + r#","error_code":"#));
        points.push(List::new(r#","error_message":"#));
        Self { cells, points, count: 0, last_cell: None, as_lines: 0 }
    }

    /// Appends a point, the one after the last.
    pub(crate) fn push(&mut self, cell: &Cell<'_>, replicate: u32, verdict: &Verdict<'_>) {
        if self.last_cell != cell.number {
            self.last_cell = cell.number;
            for (list, text) in self.cells.iter_mut().zip(cell.texts()) {
                list.push(|out| out.extend_from_slice(text));
            }
        }
        self.count += 1;
        self.as_lines += HEAD_BYTES + cell.shared_bytes();
        let mut lists = Lists { lists: self.points.iter_mut(), bytes: &mut self.as_lines };
        lists.push(|out| {
            out.push(b'"');
            out.extend_from_slice(&cell.fingerprint(replicate));
            out.push(b'"');
        });
        match verdict {
            Verdict::Unknown => unreachable!("points that are only identified are lines"),
            Verdict::Success(output) => lists.push_success(output),
            Verdict::Failure(error) => lists.push_other(b"\"failure\"", error.code(), error.message()),
            Verdict::Excluded(constraint) => lists.push_other(b"\"excluded\"", EXCLUDED, constraint),
        }
    }

    /// About what these points would take as lines, in bytes.
    pub(crate) fn as_lines(&self) -> usize {
        self.as_lines
    }

    /// Appends the record of these points, of which `first` is the first; nothing if there are none.
    pub(crate) fn finish(&mut self, first: u64, out: &mut Vec<u8>) {
        if self.count == 0 {
            return;
        }
        let int = |count: u64| i64::try_from(count).expect("a design has at most 2^63 - 1 points");
        out.extend_from_slice(br#"{"record":"points","point_index":"#);
        write_int(out, int(first));
        out.extend_from_slice(br#","points":"#);
        write_int(out, int(self.count));
        for list in self.cells.iter_mut().chain(&mut self.points) {
            list.finish(out);
        }
        out.extend_from_slice(b"}\n");
        (self.count, self.last_cell, self.as_lines) = (0, None, 0);
    }
}

/// The lists that a point has an entry in, one after the other.
struct Lists<'a> {
    lists: std::slice::IterMut<'a, List>,
    bytes: &'a mut usize,
}

impl Lists<'_> {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        *self.bytes += self.lists.next().expect("a list for each member").push(write);
    }

    fn push_success(&mut self, output: &Output) {
        self.push(|out| out.extend_from_slice(b"\"success\""));
        for value in output.values() {
            self.push(|out| write_plain(out, value));
        }
        self.push(|out| out.extend_from_slice(b"null"));
        self.push(|out| out.extend_from_slice(b"null"));
    }

    fn push_other(&mut self, status: &[u8], code: &str, message: &str) {
        self.push(|out| out.extend_from_slice(status));
        while self.lists.len() > 2 {
            self.push(|out| out.extend_from_slice(b"null"));
        }
        self.push(|out| {
            out.push(b'"');
            out.extend_from_slice(code.as_bytes());
            out.push(b'"');
        });
        self.push(|out| write_message(out, message));
    }
}

/// Adds a list for each member of an object to `lists`; returns the text after the last one.
fn object<'a>(member: &str, names: impl Iterator<Item = &'a str>, lists: &mut Vec<List>) -> String {
    let (mut head, mut end) = (format!(",\"{member}\":{{"), format!(",\"{member}\":{{}}"));
    for name in names {
        lists.push(List::new(format!("{head}\"{name}\":")));
        (head, end) = (",".to_owned(), "}".to_owned());
    }
    end
}

/// The entries of one list of a record.
struct List {
    /// What precedes it in the record.
    head: Vec<u8>,
    /// Entries with commas between them; a single one as long as all are equal.
    texts: Vec<u8>,
    count: usize,
    /// The length of the first, as long as all are equal to it.
    constant: Option<usize>,
    /// Whether entries that are all equal are written once.
    folds: bool,
}

impl List {
    fn new(head: impl Into<Vec<u8>>) -> Self {
        Self { head: head.into(), texts: vec![], count: 0, constant: None, folds: true }
    }

    /// Appends an entry, and returns its length.
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.count > 0 {
            self.texts.push(b',');
        }
        let start = self.texts.len();
        write(&mut self.texts);
        let bytes = self.texts.len() - start;
        match self.constant {
            None if self.count == 0 && self.folds => self.constant = Some(bytes),
            Some(first) if self.texts[start..] == self.texts[..first] => self.texts.truncate(first),
            Some(first) => self.repeat(first),
            None => {}
        }
        self.count += 1;
        bytes
    }

    /// Writes the first entry once for each that was equal to it, before the one that is not.
    fn repeat(&mut self, first: usize) {
        let other = self.texts.split_off(first);
        for _ in 1..self.count {
            self.texts.push(b',');
            self.texts.extend_from_within(..first);
        }
        self.texts.extend_from_slice(&other);
        self.constant = None;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.push(b'[');
        out.extend_from_slice(&self.texts);
        out.push(b']');
        self.texts.clear();
        (self.count, self.constant) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(entries: &[&str]) -> String {
        let mut list = List::new("");
        for entry in entries {
            list.push(|out| out.extend_from_slice(entry.as_bytes()));
        }
        let mut out = vec![];
        list.finish(&mut out);
        // Used again, it has forgotten all.
        list.push(|out| out.push(b'0'));
        list.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fingerprints_are_written_for_each_point() {
        let mut list = List { folds: false, ..List::new("") };
        for _ in 0..3 {
            list.push(|out| out.push(b'1'));
        }
        let mut out = vec![];
        list.finish(&mut out);
        assert_eq!(out, b"[1,1,1]");
    }

    #[test]
    fn entries_that_are_all_equal_are_written_once() {
        let cases: [(&[&str], &str); 7] = [
            (&["1"], "[1]"),
            (&["1", "1", "1"], "[1]"),
            (&["1", "2"], "[1,2]"),
            (&["1", "1", "2"], "[1,1,2]"),
            (&["1", "1", "12", "1"], "[1,1,12,1]"),
            (&["12", "12", "1"], "[12,12,1]"),
            (&["1", "2", "2"], "[1,2,2]"),
        ];
        for (entries, list) in cases {
            assert_eq!(written(entries), format!("{list}[0]"));
        }
    }
}
