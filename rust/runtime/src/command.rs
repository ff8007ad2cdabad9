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
use crate::model::AnyModel;
use crate::model::declaration::Declaration;
use crate::model::validate::validate;
use crate::parent::{self, PARENT_GONE};
use crate::request::plan::{Mode, Plan};
use crate::request::read_line;
use crate::run::execute;
use crate::run::panics;
use crate::run::record::{ENGINE_VERSION, Record, line, started};

const USAGE: u8 = 2;

/// Runs an engine with these models as the command line asks: the whole `main` of an engine.
pub fn main(models: &'static [&'static dyn AnyModel]) -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = program_name(arguments.next());
    let declarations: Vec<_> = models.iter().map(|model| model.declaration()).collect();
    if let Err(problem) = validate(&declarations) {
        eprintln!("{name}: {problem}");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<_> = arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["run"] => answer(models, Mode::Simulate),
        ["points"] => answer(models, Mode::Identify),
        ["describe"] => print(&line(&describe(&declarations))),
        ["--version"] => print(format!("{name} {ENGINE_VERSION}\n").as_bytes()),
        ["--help" | "-h"] => print(help(&name, &declarations).as_bytes()),
        _ => {
            eprint!("{}", help(&name, &declarations));
            return ExitCode::from(USAGE);
        }
    };
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

/// Reads a request and writes its records.
fn answer(models: &'static [&'static dyn AnyModel], mode: Mode) -> io::Result<()> {
    let mut output = output()?;
    let plan = match read_line(&mut io::stdin().lock())?.and_then(|request| Plan::new(models, mode, &request))
    {
        Ok(plan) => Arc::new(plan),
        Err(refusal) => return output.write_all(&line(&refusal)),
    };
    panics::one_line_each();
    let finishing = Arc::new(AtomicBool::new(false));
    parent::watch(&finishing)?;
    output.write_all(&line(&started(&plan)))?;
    let failed = execute(&plan, mode, &mut output)?;
    // Before the last record: a parent that has read it may close standard input at once.
    finishing.store(true, Ordering::Release);
    let points = plan.points.end - plan.points.start;
    let (succeeded, failed) = if mode == Mode::Simulate { (points - failed, failed) } else { (0, 0) };
    output.write_all(&line(&Record::Finished { points, succeeded, failed }))
}

fn print(text: &[u8]) -> io::Result<()> {
    output()?.write_all(text)
}

/// Standard output without its buffer: writes here are large, or the last one.
fn output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

fn program_name(path: Option<OsString>) -> String {
    let path = path.unwrap_or_default();
    Path::new(&path)
        .file_name()
        .map_or_else(|| "engine".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn help(name: &str, models: &[Declaration]) -> String {
    let models = models.iter().map(|model| model.name).collect::<Vec<_>>().join(", ");
    format!(
        "Runs points of simulation models: {models}.

Usage:
  {name} run < request.json      run the points of a request; one line of JSON for each
  {name} points < request.json   the same without running: identities only
  {name} describe                the models with their parameters and metrics, as JSON
  {name} --version
  {name} --help

The request is one line of JSON; docs/protocol.md describes it. Through a pipe, keep standard input open until
the last record: when it closes, the engine assumes that its parent is gone, and exits with {PARENT_GONE}.
"
    )
}
