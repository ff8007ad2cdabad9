//! One child process: started, asked, bounded, and killed with all that it started.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::clock::now;
use crate::host::ending::Ending;
use crate::host::launch::Launch;
use crate::request::limits::Limits;
use crate::request::refusal::shortened;
use crate::system::{end_first, resident};

/// How often memory and life of a child are looked at: a child may die while others keep its pipes open.
const TICK: Duration = Duration::from_millis(100);
/// From the start of a child to its first line.
const HELLO: Duration = Duration::from_mins(1);
/// From the end of a child's output to its own.
const GOODBYE: Duration = Duration::from_secs(5);
/// More than a point may write to datasets.
const MAX_REPLY_BYTES: usize = 128 << 20;
/// Of standard error that are kept: the last ones.
const LAST_WORDS: usize = 1000;

/// The process groups of all children that have not been reaped.
static LIVING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<Pid>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills all children, for an engine that exits at once; none can be started after it.
pub(crate) fn end_all() {
    let living = living();
    for group in living.iter() {
        let _ = kill_process_group(*group, Signal::KILL);
    }
    std::mem::forget(living);
}

/// Starts a program, sends it one line, and returns the line that it answers.
///
/// # Errors
/// Why there is none.
pub(crate) fn ask_once(path: &Path, arguments: &[String], request: &[u8]) -> Result<Vec<u8>, String> {
    let ask = || {
        let mut command = Command::new(path);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            Child::spawn(command).map_err(|error| format!("cannot start {}: {error}", path.display()))?;
        match child.line(request, Some(now() + HELLO), None) {
            Ok(line) => Ok(Ok(line.to_vec())),
            Err(Ending::Killed(how)) => Ok(Err(format!("{} {how}: {}", path.display(), child.last_words()))),
            Err(Ending::Crashed(how)) => Err(format!("{} {how}: {}", path.display(), child.last_words())),
            Err(_) => Err(format!("{} said nothing within {} s", path.display(), HELLO.as_secs())),
        }
    };
    // A second time where a signal ended it, as a child is started.
    ask()?.or_else(|_how| ask()?)
}

/// A running child.
pub(super) struct Child {
    process: process::Child,
    group: Pid,
    input: ChildStdin,
    output: ChildStdout,
    errors: Option<ChildStderr>,
    reply: Vec<u8>,
    last_words: Vec<u8>,
    looked_at: Instant,
}

impl Child {
    /// Starts a child and reads its first line.
    ///
    /// # Errors
    /// Why no point can be run in it.
    pub(super) fn start(launch: &Launch) -> Result<Self, String> {
        Self::start_within(launch, HELLO)
    }

    fn start_within(launch: &Launch, hello: Duration) -> Result<Self, String> {
        // A second time where a signal ended it: when memory is short, the system ends children first, also those that
        // have just begun. One that exits means it, and may have changed something that must not be changed twice.
        Self::begin(launch, hello)?.or_else(|_how| Self::begin(launch, hello)?)
    }

    /// Starts a child once; the inner error is that a signal ended it before its first line.
    fn begin(launch: &Launch, hello: Duration) -> Result<Result<Self, String>, String> {
        let mut child = Self::spawn(launch.command()?)
            .map_err(|error| format!("cannot start {}: {error}", launch.shown()))?;
        match child.line(&launch.setup, Some(now() + hello), None) {
            Ok(line) => launch.check_hello(line).map(|()| Ok(child)),
            Err(Ending::Killed(how)) => Ok(Err(child.before_its_first_line(&how))),
            Err(Ending::Crashed(how)) => Err(child.before_its_first_line(&how)),
            Err(_) => Err(format!("it said nothing within {} s of its start", hello.as_secs_f64())),
        }
    }

    fn before_its_first_line(&mut self, how: &str) -> String {
        format!("it {how} before its first line: {}", self.last_words())
    }

    fn spawn(mut command: Command) -> io::Result<Self> {
        // A group of its own, so that all it starts can be killed with it.
        let mut living = living();
        let mut process = command.process_group(0).spawn()?;
        let group = Pid::from_child(&process);
        end_first(process.id());
        living.push(group);
        drop(living);
        let input = process.stdin.take().expect("a pipe");
        let output = process.stdout.take().expect("a pipe");
        let errors = process.stderr.take().expect("a pipe");
        for pipe in [input.as_fd(), output.as_fd(), errors.as_fd()] {
            fcntl_setfl(pipe, OFlags::NONBLOCK)?;
        }
        Ok(Self {
            process,
            group,
            input,
            output,
            errors: Some(errors),
            reply: vec![],
            last_words: vec![],
            looked_at: now(),
        })
    }

    /// Sends a request and returns the line of the reply.
    ///
    /// # Errors
    /// How the child ended, or which limit it has passed.
    pub(super) fn ask(&mut self, request: &[u8], limits: &Limits) -> Result<&[u8], Ending> {
        let until = limits.time().map(|time| now() + time);
        self.line(request, until, limits.point_memory)
    }

    /// Whether the child may run another point: a leak of earlier points is not the next one's fault.
    pub(super) fn fit(&mut self, limits: &Limits) -> bool {
        let Some(most) = limits.point_memory else { return true };
        if self.looked_at.elapsed() < TICK {
            return true;
        }
        self.looked_at = now();
        resident(self.group) <= most
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The end of what it wrote to standard error, on one line.
    pub(super) fn last_words(&mut self) -> String {
        self.take_errors();
        let text = String::from_utf8_lossy(&self.last_words);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        shortened(&lines.join(" | "), LAST_WORDS)
    }

    /// Feeds `unsent` to the child, and waits for the next line that it writes.
    fn line(
        &mut self,
        mut unsent: &[u8],
        until: Option<Instant>,
        memory: Option<u64>,
    ) -> Result<&[u8], Ending> {
        self.reply.clear();
        let mut seen = 0;
        self.feed(&mut unsent);
        loop {
            let patience = until.map_or(TICK, |until| until.saturating_duration_since(now()).min(TICK));
            let is_quiet = !self.wait(patience, !unsent.is_empty());
            self.feed(&mut unsent);
            self.take_errors();
            let ended = self.take_output();
            if let Some(end) = self.reply[seen..].iter().position(|byte| *byte == b'\n') {
                if seen + end + 1 < self.reply.len() {
                    return Err(Ending::Crashed(
                        "broke the protocol: it wrote more than was asked for".to_owned(),
                    ));
                }
                return Ok(&self.reply);
            }
            seen = self.reply.len();
            if ended || (is_quiet && self.has_exited()) {
                return Err(self.end());
            }
            if self.reply.len() > MAX_REPLY_BYTES {
                return Err(Ending::Crashed(format!(
                    "wrote a line of more than {} MiB",
                    MAX_REPLY_BYTES >> 20
                )));
            }
            if until.is_some_and(|until| now() >= until) {
                return Err(Ending::TooLong);
            }
            if let Some(most) = memory
                && self.looked_at.elapsed() >= TICK
            {
                self.looked_at = now();
                let bytes = resident(self.group);
                if bytes > most {
                    return Err(Ending::TooMuch(bytes));
                }
            }
        }
    }

    /// Waits until a pipe is ready; whether one is.
    fn wait(&self, patience: Duration, is_feeding: bool) -> bool {
        let mut pipes = vec![PollFd::new(&self.output, PollFlags::IN)];
        if let Some(errors) = &self.errors {
            pipes.push(PollFd::new(errors, PollFlags::IN));
        }
        if is_feeding {
            pipes.push(PollFd::new(&self.input, PollFlags::OUT));
        }
        let patience = Timespec::try_from(patience).expect("at most a tick");
        // An interrupted wait is a short one.
        poll(&mut pipes, Some(&patience)).is_ok_and(|ready| ready > 0)
    }

    /// Writes what the pipe takes. A child that does not read says why in its reply, or ends.
    fn feed(&mut self, unsent: &mut &[u8]) {
        while !unsent.is_empty() {
            match self.input.write(unsent) {
                Ok(count) => *unsent = &unsent[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => *unsent = b"",
            }
        }
    }

    /// Reads what is there; whether the pipe has ended.
    fn take_output(&mut self) -> bool {
        let mut block = [0; 1 << 13];
        while self.reply.len() <= MAX_REPLY_BYTES {
            match self.output.read(&mut block) {
                Ok(0) => return true,
                Ok(count) => {
                    self.reply.extend_from_slice(&block[..count]);
                    if count < block.len() {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// Passes on what the child wrote to standard error, and keeps its end.
    fn take_errors(&mut self) {
        let mut block = [0; 1 << 12];
        for _ in 0..16 {
            let Some(errors) = &mut self.errors else { return };
            match errors.read(&mut block) {
                Ok(0) => self.errors = None,
                Ok(count) => {
                    let _ = io::stderr().write_all(&block[..count]);
                    self.last_words.extend_from_slice(&block[..count]);
                    let surplus = self.last_words.len().saturating_sub(LAST_WORDS);
                    self.last_words.drain(..surplus);
                }
                Err(_) => return,
            }
        }
    }

    /// Whether the process has ended. It is not reaped yet, so that its group's number cannot be given again.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.group), options).is_ok_and(|status| status.is_some())
    }

    /// Reaps a child that has ended, or has closed its output, and kills what it started.
    fn end(&mut self) -> Ending {
        let until = now() + GOODBYE;
        while !self.has_exited() && now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let has_exited = self.has_exited();
        self.take_errors();
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.process.wait().expect("a child that has not been reaped");
        living().retain(|group| *group != self.group);
        if has_exited { Ending::exited(status) } else { Ending::Crashed("closed its output".to_owned()) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut living = living();
        if let Some(place) = living.iter().position(|group| *group == self.group) {
            let _ = kill_process_group(self.group, Signal::KILL);
            let _ = self.process.wait();
            living.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> Launch {
        Launch::script(script)
    }

    fn limits(text: &str) -> Limits {
        serde_json::from_str(text).unwrap()
    }

    /// What a child that runs this script, after its hello, answers to `point`.
    fn answer(script: &str, limits: &Limits) -> Result<String, String> {
        let mut child = Child::start(&program(&format!("echo hello; {script}")))?;
        match child.ask(b"point\n", limits) {
            Ok(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            Err(ending) => {
                Err(ending.with_last_words(&child.last_words()).error(limits).message().to_owned())
            }
        }
    }

    #[test]
    fn a_child_answers() {
        let none = Limits::default();
        assert_eq!(answer("read line; echo got $line", &none).as_deref(), Ok("got point\n"));
    }

    #[test]
    fn a_child_that_ends_is_told_apart() {
        let none = Limits::default();
        let cases = [
            ("exit 7", "its process exited with status 7 (tried twice)"),
            (
                "echo dry >&2; echo >&2; echo wet >&2; exit 0",
                "its process exited with status 0: dry | wet (tried twice)",
            ),
            ("kill -11 $$", "its process was ended by signal 11 (SIGSEGV"),
            ("exec >&-; sleep 60", "its process closed its output (tried twice)"),
            (
                "read line; printf 'one\\ntwo\\n'",
                "its process broke the protocol: it wrote more than was asked for",
            ),
            ("read line; head -c 300000000 /dev/zero", "its process wrote a line of more than 128 MiB"),
        ];
        for (script, expected) in cases {
            let message = answer(script, &none).unwrap_err();
            assert!(message.starts_with(expected), "{message:?} does not begin with {expected:?}");
        }
    }

    #[test]
    fn what_keeps_the_pipes_open_does_not_keep_the_host_waiting() {
        let message = answer("sleep 600 & exit 3", &Limits::default()).unwrap_err();
        assert_eq!(message, "its process exited with status 3 (tried twice)");
    }

    #[test]
    fn a_limit_on_time_holds_whatever_the_child_does() {
        let limits = limits(r#"{"point_seconds":0.3}"#);
        for script in [
            "sleep 600",
            "while :; do echo x >&2; done",
            "read line; while :; do printf x; done",
            "trap '' TERM; sleep 600",
        ] {
            let message = answer(script, &limits).unwrap_err();
            assert_eq!(message, "it ran for more than 0.3 s, the limit point_seconds (tried twice)");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_limit_on_memory_counts_what_the_child_started() {
        // `sh` holds its variables in memory; the one that grows is a grandchild.
        let grow = "(x=0123456789; while :; do x=$x$x; done) & wait";
        let message = answer(grow, &limits(r#"{"point_memory":100000000}"#)).unwrap_err();
        assert!(message.contains("the limit point_memory is 95 MiB (tried twice)"), "{message}");
    }

    #[test]
    fn a_child_that_is_dropped_takes_all_it_started_along() {
        let mut child = Child::start(&program("echo hello; read line; sleep 600 & echo $!; wait")).unwrap();
        let group = child.group;
        let line = child.ask(b"\n", &Limits::default()).unwrap().to_vec();
        let started = Pid::from_raw(String::from_utf8(line).unwrap().trim().parse().unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(started).is_ok());
        drop(child);
        assert!(!living().contains(&group));
        // It is somebody else's child now, and is reaped by that process.
        while rustix::process::test_kill_process(started).is_ok() && !is_zombie(started) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_that_never_says_hello_is_not_waited_for() {
        for script in ["sleep 600", "while :; do echo x >&2; done", "sleep 600 & exec >&2; sleep 600"] {
            let problem = Child::start_within(&program(script), Duration::from_millis(300)).err().unwrap();
            assert!(
                problem.starts_with("it said nothing within 0.3 s")
                    || problem.contains("before its first line")
            );
        }
    }

    #[test]
    fn a_child_that_is_killed_before_its_hello_is_started_once_more() {
        let first = std::env::temp_dir().join(format!("sweep-killed-start-{}", process::id()));
        let killed = format!("mkdir {} && kill -9 $$;", first.display());
        let script = format!("{killed} echo hello; read line; echo $line");
        let mut child = Child::start(&program(&script)).unwrap();
        assert_eq!(child.ask(b"point\n", &Limits::default()).unwrap(), b"point\n");
        std::fs::remove_dir(&first).unwrap();
        let arguments = ["-c".to_owned(), format!("{killed} read line; echo $line")];
        assert_eq!(ask_once(Path::new("/bin/sh"), &arguments, b"declare\n").unwrap(), b"declare\n");
        std::fs::remove_dir(&first).unwrap();
    }

    #[test]
    fn a_child_that_exits_before_its_hello_is_not_started_again() {
        let first = std::env::temp_dir().join(format!("sweep-exited-start-{}", process::id()));
        let script = format!("mkdir {} && exit 3; echo hello", first.display());
        let problem = Child::start(&program(&script)).err().unwrap();
        assert_eq!(problem, "it exited with status 3 before its first line: ");
        std::fs::remove_dir(&first).unwrap();
        let arguments = ["-c".to_owned(), script];
        let problem = ask_once(Path::new("/bin/sh"), &arguments, b"declare\n").unwrap_err();
        assert_eq!(problem, "/bin/sh exited with status 3: ");
        std::fs::remove_dir(&first).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_the_first_that_the_system_ends_when_memory_is_short() {
        let mut child =
            Child::start(&program("echo hello; read line; cat /proc/self/oom_score_adj")).unwrap();
        assert_eq!(child.ask(b"\n", &Limits::default()).unwrap(), b"1000\n");
    }

    fn is_zombie(process: Pid) -> bool {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).unwrap_or_default();
        stat.contains(") Z ")
    }

    #[test]
    fn a_wrong_start_is_no_point_of_the_sweep() {
        let cases = [
            ("echo helo", "it declares another model"),
            ("echo oh no >&2; exit 1", "it exited with status 1 before its first line: oh no"),
        ];
        for (script, expected) in cases {
            let problem = Child::start(&program(script)).err().unwrap();
            assert!(problem.starts_with(expected), "{problem:?} does not begin with {expected:?}");
        }
        assert!(Child::start(&Launch::missing()).err().unwrap().starts_with("cannot start /nowhere/engine"));
    }
}
