//! Which files of a point's folder are kept with its shard.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::model::kept::KeptFile;
use crate::program::command::sources::is_below;
use crate::program::problems::Problems;
use crate::program::toml::Entry;

const MAX_FILES: usize = 16;
/// Of one file: the last ones.
const MAX_BYTES: u64 = 1 << 20;

/// What `keep` and `keep_of` say.
#[derive(Default)]
pub(super) struct Keep {
    pub(super) names: Vec<String>,
    /// Of successful points, too.
    of_all: bool,
}

impl Keep {
    pub(super) fn read(
        keep: Option<&Entry<'_>>,
        of: Option<&Entry<'_>>,
        problems: &mut Problems<'_>,
    ) -> Self {
        let names = keep.map_or_else(Vec::new, |entry| entry.texts(problems));
        if let Some(entry) = keep {
            if names.len() > MAX_FILES {
                entry.problem(problems, format!("must be at most {MAX_FILES} files"));
            }
            for name in names.iter().filter(|name| !is_below(name)) {
                entry.problem(problems, format!("{name:?} must be a path below the working folder"));
            }
        }
        let of_all = of.is_some_and(|entry| {
            let points = entry.text(problems);
            if keep.is_none() {
                entry.problem(problems, "says of which points `keep` keeps files, and there is no `keep`");
            } else if points.is_some_and(|points| !["failed", "all"].contains(&points)) {
                entry.problem(problems, "must be \"failed\" or \"all\"");
            }
            points == Some("all")
        });
        Self { names, of_all }
    }

    /// Whether files of a point are kept.
    pub(super) fn wants(&self, failed: impl FnOnce() -> bool) -> bool {
        !self.names.is_empty() && (self.of_all || failed())
    }

    /// The files that are there.
    pub(super) fn files(&self, folder: &Path) -> Vec<KeptFile> {
        self.names.iter().filter_map(|name| kept(folder, name)).collect()
    }
}

/// The end of a regular file below the folder; a link may lead anywhere.
fn kept(folder: &Path, name: &str) -> Option<KeptFile> {
    let path = folder.join(name).canonicalize().ok().filter(|path| path.starts_with(folder))?;
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(MAX_BYTES))).ok()?;
    let mut end = vec![];
    file.take(MAX_BYTES).read_to_end(&mut end).ok()?;
    Some(KeptFile::new(name, metadata.len(), &end))
}
