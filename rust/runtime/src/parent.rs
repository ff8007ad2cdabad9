//! The parent process holds the other end of standard input: when it exits, the engine exits, too.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::host::end_all;
use crate::request::read_line;
use crate::request::refusal::Refusal;

/// A request's line, or why there is none.
type Line = io::Result<Result<Vec<u8>, Refusal>>;

/// The exit status when the parent is gone.
pub(crate) const PARENT_GONE: u8 = 3;

/// Watches standard input, unless it is a regular file. If it closes before `finishing` is set, the process
/// exits.
///
/// # Errors
/// If standard input's metadata cannot be read, or a thread cannot be started.
pub(crate) fn watch(finishing: &Arc<AtomicBool>) -> io::Result<()> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if input.metadata()?.is_file() {
        return Ok(());
    }
    let finishing = Arc::clone(finishing);
    thread::Builder::new().name("parent".to_owned()).spawn(move || {
        wait_for_end(&mut io::stdin().lock());
        end_unless(&finishing);
    })?;
    Ok(())
}

/// Reads requests from standard input, each when the one before has been taken.
///
/// A request clears `finishing`, which the caller sets before its last record. If standard input closes
/// in between, and is no regular file, the process exits.
///
/// # Errors
/// If standard input's metadata cannot be read, or a thread cannot be started.
pub(crate) fn requests(finishing: &Arc<AtomicBool>) -> io::Result<Receiver<Line>> {
    let is_file = File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata()?.is_file();
    let finishing = Arc::clone(finishing);
    let (sender, receiver) = mpsc::sync_channel(0);
    thread::Builder::new().name("parent".to_owned()).spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let request = read_line(&mut input);
            if matches!(&request, Ok(Ok(line)) if line.is_empty()) {
                break;
            }
            // Before the request is taken: the input may end in the next moment.
            finishing.store(false, Ordering::Release);
            if sender.send(request).is_err() {
                return;
            }
        }
        if !is_file {
            end_unless(&finishing);
        }
    })?;
    Ok(receiver)
}

fn end_unless(finishing: &AtomicBool) {
    if !finishing.load(Ordering::Acquire) {
        eprintln!(
            "standard input closed before the last record, so the parent is gone; \
             keep it open, or redirect the request from a file: < request.json"
        );
        end_all();
        process::exit(PARENT_GONE.into());
    }
}

fn wait_for_end(input: &mut impl Read) {
    let mut ignored = [0; 4096];
    loop {
        match input.read(&mut ignored) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
