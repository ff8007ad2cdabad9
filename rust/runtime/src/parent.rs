//! The parent process holds the other end of standard input: when it exits, the engine exits, too.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::host::end_all;

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
        if !finishing.load(Ordering::Acquire) {
            eprintln!(
                "standard input closed before the last record, so the parent is gone; \
                 keep it open, or redirect the request from a file: < request.json"
            );
            end_all();
            process::exit(PARENT_GONE.into());
        }
    })?;
    Ok(())
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
