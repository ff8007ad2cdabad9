//! What a program is made of: its version changes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use sweep_space::hex;

/// A digest of each file, by its path relative to the manifest.
pub(super) struct Files {
    digests: BTreeMap<String, String>,
    seen: BTreeMap<String, Seen>,
}

/// What a file looks like without reading it.
#[derive(PartialEq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Seen {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Files {
    /// Reads all files of a program.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub(super) fn read(folder: &Path, names: &BTreeSet<String>) -> Result<Self, String> {
        let mut files = Self { digests: BTreeMap::new(), seen: BTreeMap::new() };
        for name in names {
            files.add(folder, name)?;
        }
        Ok(files)
    }

    /// Reads one more.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn add(&mut self, folder: &Path, name: &str) -> Result<(), String> {
        let path = folder.join(name);
        let problem = |error| format!("files: {name}: {error}");
        let metadata = fs::metadata(&path).map_err(problem)?;
        if !metadata.is_file() {
            return Err(format!("files: {name} is not a regular file"));
        }
        self.digests.insert(name.to_owned(), digest_of(&path).map_err(problem)?);
        self.seen.insert(name.to_owned(), Seen::of(&metadata));
        Ok(())
    }

    pub(super) fn digests(&self) -> &BTreeMap<String, String> {
        &self.digests
    }

    /// Twelve digits that change with the manifest and with any file.
    pub(super) fn version(&self, manifest: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(hex(Sha256::digest(manifest)));
        for (name, digest) in &self.digests {
            hash.update(format!("{name}\0{digest}\n"));
        }
        text_of(hash)[..12].to_owned()
    }

    /// Checks that no file has changed since it was read. One that looks the same is not read again.
    ///
    /// # Errors
    /// Which file changed.
    pub(super) fn require_unchanged(&self, folder: &Path) -> Result<(), String> {
        for (name, digest) in &self.digests {
            let path = folder.join(name);
            let looks_the_same =
                fs::metadata(&path).is_ok_and(|metadata| self.seen.get(name) == Some(&Seen::of(&metadata)));
            if !looks_the_same && digest_of(&path).ok().as_ref() != Some(digest) {
                return Err(format!(
                    "{name} was changed or removed while the program ran: that makes another model_version; \
                     start a new run, or restore the file"
                ));
            }
        }
        Ok(())
    }
}

/// The files that patterns name, as paths relative to the folder.
///
/// # Errors
/// The pattern's problem.
pub(super) fn expand(folder: &Path, pattern: &str) -> Result<BTreeSet<String>, String> {
    if Path::new(pattern).is_absolute() || pattern.split('/').any(|part| part == "..") {
        return Err("must be below the manifest's folder".to_owned());
    }
    let Some(base) = folder.to_str() else { return Err("the manifest's folder is not UTF-8".to_owned()) };
    let whole = format!("{}/{pattern}", glob::Pattern::escape(base));
    let paths: Vec<PathBuf> =
        glob::glob(&whole).map_err(|error| error.to_string())?.filter_map(Result::ok).collect();
    let relative = |path: &PathBuf| Some(path.strip_prefix(folder).ok()?.to_str()?.to_owned());
    let names: BTreeSet<_> = paths.iter().filter(|path| path.is_file()).filter_map(relative).collect();
    if names.is_empty() { Err("no such file".to_owned()) } else { Ok(names) }
}

fn digest_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut Hashing(&mut hash))?;
    Ok(text_of(hash))
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text_of(hash: Sha256) -> String {
    String::from_utf8_lossy(&hex(hash.finalize())).into_owned()
}
