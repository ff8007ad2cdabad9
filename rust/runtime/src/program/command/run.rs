//! One run of a program: its working folder is filled, it is started and waited for, and what it left is read.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Signal, getpgrp, getpid, kill_process_group};
use sweep_space::Streams;

use crate::host::{how_ended, write_point};
use crate::model::Parameters;
use crate::model::domain_error::DomainError;
use crate::model::output::Output;
use crate::program::command::Command;
use crate::program::command::folder::Folder;
use crate::program::command::results::Results;
use crate::program::command::template::{Filling, Hole};

/// How often a program is looked at whose pipes others keep open.
const TICK: Duration = Duration::from_millis(100);
/// Of standard output that are searched: the last ones.
const MAX_OUTPUT: usize = 1 << 20;
/// Of standard error that are kept, and of these in messages: the last ones.
const MAX_ERRORS: usize = 1 << 13;
const LAST_WORDS: usize = 1000;

/// The names of what `{in}` and `{out}` stand for in the working folder.
pub(super) const OWN_FILES: [&str; 2] = ["in.json", "out.json"];

/// Why a point has no result.
pub(super) enum Failure {
    /// The same on every machine.
    Point(&'static str, String),
    /// The program crashed, or could not be run: this process ends, and its host tries again.
    Process(String),
}

impl Failure {
    pub(super) fn point(code: &'static str, message: String) -> Self {
        Self::Point(code, message)
    }

    /// The error of the point, or the end of this process.
    pub(super) fn error(self) -> DomainError {
        match self {
            Self::Point(code, message) => DomainError::new(code, message),
            Self::Process(problem) => {
                eprintln!("{problem}");
                std::process::exit(1)
            }
        }
    }
}

impl Command {
    /// Runs a point.
    ///
    /// # Errors
    /// Why it has no result.
    pub(super) fn run(
        &self,
        manifest_folder: &Path,
        given: &Parameters<'_>,
        streams: &Streams,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let folder = Folder::new().map_err(Failure::Process)?;
        let [input, out] = OWN_FILES.map(|name| folder.path().join(name));
        let filling = Filling {
            given,
            streams,
            input: input.as_os_str().as_bytes(),
            output: out.as_os_str().as_bytes(),
            folder: manifest_folder.as_os_str().as_bytes(),
        };
        self.write_inputs(folder.path(), &filling).map_err(|error| {
            Failure::Process(format!("cannot write files into {}: {error}", folder.path().display()))
        })?;
        let mut pipes = Pipes::new(self.found.reads_output());
        let status = self.wait(folder.path(), &filling, &mut pipes)?;
        let results = Results { folder: folder.path(), out: &out, standard_output: pipes.output.last() };
        let done =
            if status.success() { results.fill(&self.found, output) } else { Err(self.failed(status)) };
        if let Err(Failure::Process(_)) = done {
            if self.keep.wants(|| true) {
                std::mem::forget(folder); // for the host: this process ends
            }
            return done;
        }
        if self.keep.wants(|| done.is_err() || output.check().is_err()) {
            output.keep(self.keep.files(folder.path()));
        }
        done.map_err(|failure| match failure {
            Failure::Point(code, message) => match last_words(pipes.errors.last(), folder.path()) {
                words if words.is_empty() => Failure::Point(code, message),
                words => Failure::Point(code, format!("{message}: {words}")),
            },
            process @ Failure::Process(_) => process,
        })
    }

    fn failed(&self, status: ExitStatus) -> Failure {
        let how = how_ended(status);
        match status.code() {
            Some(_) => Failure::point("exit_status", how),
            None => Failure::Process(format!("{} {how}", self.program.display())),
        }
    }

    fn write_inputs(&self, folder: &Path, filling: &Filling<'_>) -> io::Result<()> {
        for (name, template) in &self.inputs {
            let path = folder.join(name);
            if let Some(parent) = path.parent()
                && parent != folder
            {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, template.fill(filling))?;
        }
        if self.has(Hole::In) {
            let mut text = b"{".to_vec();
            write_point(&mut text, filling.given, filling.streams);
            text.extend_from_slice(b"}\n");
            fs::write(folder.join(OWN_FILES[0]), text)?;
        }
        Ok(())
    }

    /// Starts the program, and waits until it ends.
    fn wait(&self, folder: &Path, filling: &Filling<'_>, pipes: &mut Pipes) -> Result<ExitStatus, Failure> {
        let text = |template: &crate::program::command::template::Template| {
            OsString::from_vec(template.fill(filling))
        };
        let mut command = std::process::Command::new(&self.program);
        command.args(self.arguments.iter().map(text)).current_dir(folder).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, text(value))));
        let shown = self.program.display();
        let started = pipes.start(&mut command);
        // The command keeps the pipes' other ends open.
        drop(command);
        let mut child = started.map_err(|error| match error.kind() {
            // What the point's parameters make of them.
            ErrorKind::InvalidInput | ErrorKind::ArgumentListTooLong => Failure::point(
                "bad_arguments",
                format!("arguments and variables cannot be given to the program: {error}"),
            ),
            _ => Failure::Process(format!("cannot start {shown}: {error}{}", remedy(&error))),
        })?;
        pipes.wait(&mut child).map_err(|error| Failure::Process(format!("cannot wait for {shown}: {error}")))
    }
}

fn remedy(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) {
        "; the first line of a script must name its interpreter: #!/bin/sh"
    } else {
        ""
    }
}

/// The end of what was written to a pipe.
struct Tail {
    pipe: Option<PipeReader>,
    most: usize,
    bytes: Vec<u8>,
}

impl Tail {
    fn last(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.most)..]
    }

    /// Reads what is there; passes it on if asked to.
    fn take(&mut self, is_passed_on: bool) {
        let mut block = [0; 1 << 13];
        // At least all that a pipe holds, and not for ever what a process writes that was left behind.
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut block) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    if is_passed_on {
                        let _ = io::stderr().write_all(&block[..count]);
                    }
                    self.bytes.extend_from_slice(&block[..count]);
                    if self.bytes.len() > 2 * self.most {
                        self.bytes.drain(..self.bytes.len() - self.most);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// What the program writes. Without a pattern, its standard output is passed on with its standard error.
struct Pipes {
    output: Tail,
    errors: Tail,
    reads_output: bool,
    /// Whether this process was started by a host, in a group of its own that ends with it.
    has_host: bool,
}

impl Pipes {
    fn new(reads_output: bool) -> Self {
        let tail = |most| Tail { pipe: None, most, bytes: vec![] };
        let has_host = getpgrp() == getpid();
        Self { output: tail(MAX_OUTPUT), errors: tail(MAX_ERRORS), reads_output, has_host }
    }

    fn start(&mut self, command: &mut std::process::Command) -> io::Result<Child> {
        let (errors, error_writer) = io::pipe()?;
        self.errors.pipe = Some(nonblocking(errors)?);
        if self.reads_output {
            let (output, output_writer) = io::pipe()?;
            self.output.pipe = Some(nonblocking(output)?);
            command.stdout(output_writer);
        } else {
            command.stdout(error_writer.try_clone()?);
        }
        command.stderr(error_writer).spawn()
    }

    /// Waits until the program ends. What it started may keep the pipes open.
    fn wait(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        let tick = Timespec::try_from(TICK).expect("a tick");
        loop {
            let mut open: Vec<_> = [&self.errors.pipe, &self.output.pipe]
                .into_iter()
                .flatten()
                .map(|pipe| PollFd::new(pipe, PollFlags::IN))
                .collect();
            if open.is_empty() {
                return child.wait();
            }
            let stdin = io::stdin();
            open.extend(self.has_host.then(|| PollFd::new(&stdin, PollFlags::empty())));
            // An interrupted wait is a short one.
            let _ = poll(&mut open, Some(&tick));
            if self.has_host && open.last().is_some_and(|stdin| stdin.revents().contains(PollFlags::HUP)) {
                let _ = kill_process_group(getpid(), Signal::KILL);
            }
            let ended = child.try_wait()?;
            self.errors.take(true);
            self.output.take(false);
            if let Some(status) = ended {
                return Ok(status);
            }
        }
    }
}

fn nonblocking(pipe: PipeReader) -> io::Result<PipeReader> {
    fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    Ok(pipe)
}

/// The last lines on one line, the same wherever the working folder was.
fn last_words(bytes: &[u8], folder: &Path) -> String {
    let text = String::from_utf8_lossy(bytes).replace(&*folder.to_string_lossy(), ".");
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join(" | ");
    let surplus = text.chars().count().saturating_sub(LAST_WORDS);
    text.chars().skip(surplus).collect()
}
