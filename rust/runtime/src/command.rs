//! The command line of an engine.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::describe::describe;
use crate::host::{BAD_PROGRAM, end_all};
use crate::model::AnyModel;
use crate::model::catalog::{Body, Catalog};
use crate::parent::{self, PARENT_GONE};
use crate::program;
use crate::request::plan::{Mode, Plan};
use crate::request::read_line;
use crate::run::execute;
use crate::run::panics;
use crate::run::record::{Record, line, started};
use crate::run::window::Counts;
use crate::serve::serve;
use crate::system::die_with_parent;

const USAGE: u8 = 2;

/// The `main` of an engine with these models, whose crate has the version of the caller's.
///
/// Each is an expression that a `static` can hold. What depends on more than that calls [`main()`] itself.
///
/// ```
/// # use sweep_runtime::{Column, Declaration, DomainError, Model, Output, Parameters, Streams};
/// struct Dice {
///     sides: i64,
/// }
///
/// # impl Model for Dice {
/// #     type Scratch = ();
/// #     fn declaration(&self) -> Declaration {
/// #         Declaration::new(if self.sides == 6 { "die" } else { "coin" }, "1", "").metric(Column::int("eyes"))
/// #     }
/// #     fn run(
/// #         &self,
/// #         _: &Parameters,
/// #         streams: &Streams,
/// #         (): &mut (),
/// #         output: &mut Output,
/// #     ) -> Result<(), DomainError> {
/// #         output.metric("eyes", streams.stream(0, 0).integer(1..=self.sides));
/// #         Ok(())
/// #     }
/// # }
/// sweep_runtime::engine!(Dice { sides: 6 }, Dice { sides: 2 });
/// ```
#[macro_export]
macro_rules! engine {
    ($($model:expr),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            static MODELS: &[&dyn $crate::AnyModel] = &[$(&$model),+];
            $crate::main(::std::env!("CARGO_PKG_VERSION"), MODELS)
        }
    };
}

/// Runs an engine of this version with these models as the command line asks: what [`engine!`](crate::engine!)
/// calls. The version is recorded with every shard that the engine runs: pass that of your crate.
pub fn main(version: &str, models: &'static [&'static dyn AnyModel]) -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = program_name(arguments.next());
    let arguments: Vec<_> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let manifests = programs_of(&mut arguments);
    let models = match program::load(&manifests) {
        Ok(programs) => require_unwinding().and_then(|()| Catalog::new(version, models, programs)),
        Err(problems) => {
            eprint!("{problems}");
            return ExitCode::from(BAD_PROGRAM);
        }
    };
    let models = match models {
        Ok(models) => models,
        Err(problem) => {
            eprintln!("{name}: {problem}");
            return ExitCode::from(if manifests.is_empty() { 1 } else { BAD_PROGRAM });
        }
    };
    let done = match arguments.as_slice() {
        ["run"] => answer(version, &models, Mode::Simulate),
        ["host"] => answer(version, &models, Mode::Host),
        ["points"] => answer(version, &models, Mode::Identify),
        ["run", "--again"] if manifests.is_empty() => answer_each(version, &models),
        ["serve", model] => serve_named(&models, model),
        ["describe"] => print(&line(&describe(version, models.entries()))),
        ["--version"] => print(format!("{name} {version}\n").as_bytes()),
        ["--help" | "-h"] => print(help(&name, &models).as_bytes()),
        _ => {
            eprint!("{}", help(&name, &models));
            return ExitCode::from(USAGE);
        }
    };
    status_of(&name, done)
}

fn status_of(name: &str, done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader is gone, so there is no one to report the error to.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(PARENT_GONE),
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes `--program FILE`, which may be given again, from the front of the arguments.
fn programs_of<'a>(arguments: &mut Vec<&'a str>) -> Vec<&'a Path> {
    let mut files = vec![];
    while let ["--program", file, ..] = arguments.as_slice() {
        files.push(Path::new(*file));
        arguments.drain(..2);
    }
    files
}

/// Reads a request and writes its records.
fn answer(version: &str, models: &Catalog, mode: Mode) -> io::Result<()> {
    let mut output = output()?;
    let plan = match read_line(&mut io::stdin().lock())?.and_then(|request| Plan::new(models, mode, &request))
    {
        Ok(plan) => Arc::new(plan),
        Err(refusal) => return output.write_all(&line(&refusal)),
    };
    panics::one_line_each();
    let finishing = Arc::new(AtomicBool::new(false));
    parent::watch(&finishing)?;
    let finished = write_records(version, &plan, mode, &mut output);
    // Threads are not joined, so children may be left, and what they have started.
    end_all();
    let finished = finished?;
    // Before the last record: a parent that has read it may close standard input at once.
    finishing.store(true, Ordering::Release);
    output.write_all(&finished)
}

/// Answers one request after the other, until standard input ends or a request is refused.
///
/// Each request has new threads, and so new scratch memory of its model, as in a new process.
fn answer_each(version: &str, models: &Catalog) -> io::Result<()> {
    let mut output = output()?;
    panics::one_line_each();
    let finishing = Arc::new(AtomicBool::new(true));
    for request in parent::requests(&finishing)? {
        let plan = match request?.and_then(|request| Plan::new(models, Mode::Simulate, &request)) {
            Ok(plan) => Arc::new(plan),
            Err(refusal) => {
                finishing.store(true, Ordering::Release);
                return output.write_all(&line(&refusal));
            }
        };
        let finished = write_records(version, &plan, Mode::Simulate, &mut output)?;
        finishing.store(true, Ordering::Release);
        output.write_all(&finished)?;
    }
    Ok(())
}

/// Writes all records of a request but the last one, which it returns.
fn write_records(
    version: &str,
    plan: &Arc<Plan>,
    mode: Mode,
    output: &mut impl Write,
) -> io::Result<Vec<u8>> {
    output.write_all(&line(&started(plan, version)))?;
    let Counts { failed, excluded } = execute(plan, mode, output)?;
    let points = plan.points.end - plan.points.start;
    let finished = match mode {
        Mode::Identify => Record::Finished { points, succeeded: 0, failed: 0, excluded: 0 },
        _ => Record::Finished { points, succeeded: points - failed - excluded, failed, excluded },
    };
    Ok(line(&finished))
}

fn require_unwinding() -> Result<(), String> {
    refuse_aborts(cfg!(panic = "abort"))
}

fn refuse_aborts(aborts: bool) -> Result<(), String> {
    if aborts {
        let problem = "built with panic = \"abort\", so that a panic in one point would end all others; \
            remove that line from the profile in Cargo.toml";
        return Err(problem.to_owned());
    }
    Ok(())
}

fn serve_named(models: &Catalog, name: &str) -> io::Result<()> {
    match models.find(name).map_err(|refusal| io::Error::other(refusal.message))?.body {
        Body::Native(model) => {
            die_with_parent();
            serve(model, output()?)
        }
        // It notices that its host is gone, and then ends the program as well.
        Body::Program(program) => serve(program.model().map_err(io::Error::other)?, output()?),
        Body::Absent => unreachable!("no engine has it"),
    }
}

fn print(text: &[u8]) -> io::Result<()> {
    output()?.write_all(text)
}

/// Standard output without its buffer: writes here are large, or the last one. What a model prints goes to
/// standard error from now on, since it would break the protocol.
fn output() -> io::Result<File> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(output)
}

fn program_name(path: Option<OsString>) -> String {
    let path = path.unwrap_or_default();
    Path::new(&path)
        .file_name()
        .map_or_else(|| "engine".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn help(name: &str, models: &Catalog) -> String {
    let models = models.names().join(", ");
    format!(
        "Runs points of simulation models: {models}.

Usage: {name} [--program FILE]... COMMAND

  {name} run < request.json      run the points of a request; one line of JSON for each
  {name} host < request.json     the same in child processes, so that no point can take others along
  {name} points < request.json   the same without running: identities only
  {name} run --again < requests  the same for one request after the other; not with --program
  {name} serve MODEL             one model for a host: docs/model-protocol.md
  {name} describe                the models with their parameters and metrics, as JSON
  {name} --version
  {name} --help

--program adds the model of a program that FILE describes (docs/programs.md).

The request is one line of JSON; docs/protocol.md describes it. Through a pipe, keep standard input open until
the last record: when it closes, the engine assumes that its parent is gone, and exits with {PARENT_GONE}.
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_whose_panics_abort_refuses_to_start() {
        let problem = refuse_aborts(true).unwrap_err();
        assert!(problem.contains("remove that line from the profile in Cargo.toml"));
        assert_eq!(refuse_aborts(false), Ok(()));
    }
}
