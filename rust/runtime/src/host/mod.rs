//! The host: runs each point in a child process, which the point may crash, block or fill with memory.
//!
//! A point that ends its child is tried once more, alone, in a fresh one. The second time it has failed.

mod child;
mod ending;
mod launch;
pub(crate) mod reply;

use std::sync::{PoisonError, RwLock};

use sweep_space::{Streams, write_int, write_plain};

use crate::host::child::Child;
pub(crate) use crate::host::child::{ask_once, end_all};
use crate::host::ending::Ending;
pub(crate) use crate::host::ending::how_ended;
pub(crate) use crate::host::launch::{BAD_PROGRAM, Launch, own_path};
use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::model::{Parameters, Runner};
use crate::request::limits::Limits;
use crate::request::plan::Plan;
use crate::run::running::Slot;

/// Held for reading while a point runs, for writing while one is tried again: two points that compete for
/// memory or time must not both be called guilty.
static ALONE: RwLock<()> = RwLock::new(());

/// The points of one thread, each run in that thread's child.
pub(crate) struct Hosted<'a> {
    launch: Launch,
    limits: Limits,
    slot: &'a Slot,
    child: Option<Child>,
    /// Of the last request: a reply repeats it, so that none is taken for another's.
    id: i64,
    request: Vec<u8>,
}

impl<'a> Hosted<'a> {
    pub(crate) fn new(plan: &Plan, launch: Launch, slot: &'a Slot) -> Self {
        Self { launch, limits: plan.limits, slot, child: None, id: 0, request: vec![] }
    }

    /// Runs the point of the request in the present child, or a fresh one.
    fn attempt(&mut self, output: &mut Output) -> Result<Result<(), DomainError>, Ending> {
        self.slot.resume();
        let mut child = self.child.take().unwrap_or_else(|| {
            Child::start(&self.launch).unwrap_or_else(|problem| self.launch.fail(&problem))
        });
        let result = child.ask(&self.request, &self.limits).and_then(|line| {
            reply::read(line, self.id, output)
                .map_err(|problem| Ending::Crashed(format!("broke the protocol: {problem}")))
        });
        match result {
            Ok(result) => {
                self.child = child.fit(&self.limits).then_some(child);
                Ok(result)
            }
            Err(ending) => {
                let ending = ending.with_last_words(&child.last_words());
                let process = child.id();
                drop(child); // and all that it started: the files change no more
                output.keep(self.launch.left_by(process));
                Err(ending)
            }
        }
    }
}

impl Runner for Hosted<'_> {
    fn run(
        &mut self,
        given: &Parameters<'_>,
        streams: &Streams,
        output: &mut Output,
    ) -> Result<(), DomainError> {
        self.id += 1;
        write_request(&mut self.request, self.id, given, streams, output);
        self.slot.wait();
        let first = {
            let _among_others = ALONE.read().unwrap_or_else(PoisonError::into_inner);
            self.attempt(output)
        };
        first
            .or_else(|_ending| {
                self.slot.wait();
                let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
                output.clear();
                self.attempt(output)
            })
            .unwrap_or_else(|ending| Err(ending.error(&self.limits)))
    }
}

fn write_request(out: &mut Vec<u8>, id: i64, given: &Parameters<'_>, streams: &Streams, output: &Output) {
    out.clear();
    out.extend_from_slice(br#"{"id":"#);
    write_int(out, id);
    out.push(b',');
    write_point(out, given, streams);
    out.extend_from_slice(br#","outputs":["#);
    for (place, name) in output.dataset_names().enumerate() {
        out.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends the members that say what a point is.
pub(crate) fn write_point(out: &mut Vec<u8>, given: &Parameters<'_>, streams: &Streams) {
    out.extend_from_slice(br#""parameters":{"#);
    for (place, (name, value)) in given.0.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_plain(out, *value);
    }
    out.extend_from_slice(br#"},"seed":"#);
    write_int(out, streams.seed());
    out.extend_from_slice(br#","replicate":"#);
    write_int(out, streams.replicate().into());
    out.extend_from_slice(br#","random":"#);
    for (place, word) in streams.foreign_seed().into_iter().enumerate() {
        out.push(if place == 0 { b'[' } else { b',' });
        write_int(out, word.into());
    }
    out.push(b']');
}
