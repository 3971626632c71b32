//! What an operator says of files that grow, and what is found by it.
//!
//! In: `[input.follow]`. Out: the files that its wildcards reach now, and what could not be looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::transport::live::TransportError;

/// `[input.follow]`: files that grow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowConfig {
    /// Paths, with `*`, `?`, `[…]` and `**`.
    pub paths: Vec<String>,
    /// Whether files that are there at the first start are read from their beginning; else from their end.
    #[serde(default = "yes")]
    pub from_start: bool,
}

fn yes() -> bool {
    true
}

impl FollowConfig {
    /// Paths begin at this folder, whose own name has no wildcards.
    pub fn resolve(&mut self, base: &Path) {
        for path in self.paths.iter_mut().filter(|path| Path::new(path.as_str()).is_relative()) {
            let folder = glob::Pattern::escape(&base.to_string_lossy());
            *path = Path::new(&folder).join(path.as_str()).to_string_lossy().into_owned();
        }
    }

    pub(super) fn find(&self) -> Result<Found, TransportError> {
        let mut found = Found::default();
        for pattern in &self.paths {
            for path in paths_of(pattern)? {
                let looked = path.map_err(|error| (error.path().to_owned(), error.into()));
                let looked = looked.and_then(|path| match fs::metadata(&path) {
                    Ok(there) => Ok(there.is_file().then_some(path)),
                    Err(error) => Err((path, error)),
                });
                match looked {
                    Ok(file) => found.files.extend(file),
                    // it has gone meanwhile, or is a link to nothing
                    Err((_, error)) if error.kind() == ErrorKind::NotFound => {}
                    Err((path, error)) => drop(found.unseen.insert(path, error)),
                }
            }
        }
        found.files.sort_unstable();
        found.files.dedup();
        Ok(found)
    }

    /// Whoever names a folder means what is in it, and nothing of that would be read.
    pub(super) fn prove(&self) -> Result<(), TransportError> {
        for pattern in &self.paths {
            let last = pattern.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            // two stars at the end find folders alone
            let is_of_folders = pattern.ends_with('/') || last == "**" || !pattern.contains(['*', '?', '[']);
            let is_folder = |path: glob::GlobResult| path.is_ok_and(|path| path.is_dir());
            // of several that match some may be folders by chance
            if is_of_folders && paths_of(pattern)?.any(is_folder) {
                let error = TransportError::new(format!("`{pattern}` is a folder, and files are followed"));
                return Err(error.help(format!("write `{}/*.json`", pattern.trim_end_matches('/'))));
            }
        }
        Ok(())
    }
}

fn paths_of(pattern: &str) -> Result<glob::Paths, TransportError> {
    glob::glob(pattern).map_err(|error| {
        TransportError::new(format!("`{pattern}`: {error}")).help("write it as /var/log/app/*.json")
    })
}

/// What a look has found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<PathBuf>,
    /// What could not be looked at, folders among it: files may be there.
    pub(super) unseen: BTreeMap<PathBuf, std::io::Error>,
}

impl Found {
    /// Whether a file of this name may be there all the same.
    pub(super) fn may_be(&self, path: &Path) -> bool {
        self.unseen.keys().any(|unseen| path.starts_with(unseen))
    }
}
