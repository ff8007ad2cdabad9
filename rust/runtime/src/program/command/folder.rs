//! A working folder of its own for each point.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

const PREFIX: &str = "sweep-point-";

/// A folder that is removed when it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// The folder's lock. The system releases it when this process ends, however it ends; a process id would say
    /// nothing to another container that shares the folder.
    _lock: File,
}

impl Folder {
    /// Makes an empty folder in the system's temporary one.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn new() -> Result<Self, String> {
        let base = std::env::temp_dir();
        Self::below(&base).map_err(|error| {
            format!(
                "cannot make a working folder in {}: {error}; set TMPDIR to a folder with room",
                base.display()
            )
        })
    }

    fn below(base: &Path) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let base = base.canonicalize()?; // as the program sees it
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("{PREFIX}{}-{number}", process::id()));
            match DirBuilder::new().mode(0o700).create(&path).and_then(|()| File::open(&path)) {
                Ok(lock) => {
                    // A file system without locks has none to remove left-over folders by, either.
                    let _ = lock.lock();
                    // One that starts at this moment may have taken it for left over.
                    if path.exists() {
                        return Ok(Self { path, _lock: lock });
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
                    fs::metadata(&base)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What something that the program left behind still writes is removed at a later start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The folder that a process has left which has ended.
pub(super) fn left_by(process: u32) -> Option<Folder> {
    left_below(&std::env::temp_dir(), process)
}

fn left_below(base: &Path, process: u32) -> Option<Folder> {
    let base = base.canonicalize().ok()?;
    let is_its = |name: &str| name.starts_with(&format!("{PREFIX}{process}-"));
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.filter(|entry| is_its(&entry.file_name().to_string_lossy())).find_map(|entry| {
        let lock = File::open(entry.path()).ok()?;
        lock.try_lock().ok().map(|()| Folder { path: entry.path(), _lock: lock })
    })
}

/// Removes the folders of processes that were killed.
pub(super) fn remove_left_over() {
    remove_left_over_below(&std::env::temp_dir());
}

fn remove_left_over_below(base: &Path) {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        if let Ok(lock) = File::open(entry.path())
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lives_as_long_as_its_point() {
        let base = Folder::new().unwrap();
        let folder = Folder::below(base.path()).unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let left_over = base.path().join(format!("{PREFIX}1-1"));
        fs::create_dir_all(left_over.join("a/b")).unwrap();
        fs::create_dir(base.path().join("other")).unwrap();
        remove_left_over_below(base.path());
        assert!(!left_over.exists());
        assert!(folder.path().join("a/b").exists());
        assert!(base.path().join("other").exists());
        let path = folder.path().to_path_buf();
        assert!(left_below(base.path(), std::process::id()).is_none(), "its point is running");
        drop(folder);
        assert!(!path.exists());
        let killed = base.path().join(format!("{PREFIX}7-1"));
        fs::create_dir(&killed).unwrap();
        assert!(left_below(base.path(), 70).is_none());
        let left = left_below(base.path(), 7).unwrap();
        assert_eq!(left.path(), killed.canonicalize().unwrap());
        drop(left);
        assert!(!killed.exists());
        let gone = base.path().join("gone");
        assert!(Folder::below(&gone).is_err());
    }

    #[test]
    fn a_name_that_is_taken_is_not_used() {
        let base = Folder::new().unwrap();
        let first = Folder::below(base.path()).unwrap();
        let name = first.path().file_name().unwrap().to_string_lossy().into_owned();
        let number: u64 = name.rsplit('-').next().unwrap().parse().unwrap();
        for next in 1..20 {
            fs::create_dir(base.path().join(format!("{PREFIX}{}-{}", process::id(), number + next))).unwrap();
        }
        let second = Folder::below(base.path()).unwrap();
        assert_eq!(fs::read_dir(second.path()).unwrap().count(), 0);
    }
}
