//! A file: a JSON object a line, rotated by size.
//!
//! With `sync = "each"` (the default) an alert counts as delivered when it is on disk. A line that a crash has
//! cut off is removed when the file is opened again; its alert is delivered anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use virga_ingest::units::Size;

use super::{OpenSink, Sink};
use crate::limits::{FILE_BYTES, KEPT_FILES};
use crate::outbox::OutAlert;
use crate::rotate::Rotating;

/// `[sink.file]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// Bytes after which the next is begun.
    #[serde(default = "size")]
    pub rotate_at: Size,
    /// Old files that are kept.
    #[serde(default = "keep")]
    pub keep: usize,
    /// When it is on disk.
    #[serde(default)]
    pub sync: Sync,
}

fn size() -> Size {
    Size(FILE_BYTES)
}

fn keep() -> usize {
    KEPT_FILES
}

/// When a file is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// Before alerts count as delivered.
    #[default]
    Each,
    /// When the system sees fit: alerts of the last half minute may be lost with the machine, not with the
    /// process.
    Never,
}

impl OpenSink for FileConfig {
    fn check(&self) -> Result<String, String> {
        Rotating::check(&self.path).map_err(|error| failed(&error))?;
        Ok(format!("would append alerts to {}", self.path.display()))
    }

    fn open(&self) -> Result<Box<dyn Sink>, String> {
        let file = Rotating::open(&self.path, self.rotate_at.0, self.keep).map_err(|error| failed(&error))?;
        Ok(Box::new(FileSink { file, sync: self.sync }))
    }

    fn file(&self) -> Option<(&Path, usize)> {
        Some((&self.path, self.keep))
    }
}

/// The error names the file.
fn failed(error: &std::io::Error) -> String {
    format!("cannot write {error}")
}

struct FileSink {
    file: Rotating,
    sync: Sync,
}

impl Sink for FileSink {
    fn deliver(&mut self, alerts: &[Arc<OutAlert>], _: &dyn Fn() -> bool) -> Result<(), String> {
        let mut lines = String::new();
        for alert in alerts {
            lines.push_str(&alert.json);
            lines.push('\n');
        }
        let removed = self.file.append(lines.as_bytes()).map_err(|error| failed(&error))?;
        if removed > 0 {
            tracing::info!("an old file of alerts was removed: `keep` says how many are kept");
        }
        match self.sync {
            Sync::Each => self.file.sync().map_err(|error| failed(&error)),
            Sync::Never => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_check_proves_that_the_file_can_be_written_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = |path: &str| FileConfig {
            path: folder.path().join(path),
            rotate_at: size(),
            keep: keep(),
            sync: Sync::Each,
        };
        // the running process is about to write the rest of the line
        fs::write(folder.path().join("a.ndjson"), "one\ntw").unwrap();
        for path in ["a.ndjson", "none.ndjson", "not/yet/there.ndjson"] {
            config(path).check().unwrap();
        }
        assert_eq!(fs::read_to_string(folder.path().join("a.ndjson")).unwrap(), "one\ntw");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // a folder, and below what is none
        fs::create_dir(folder.path().join("folder")).unwrap();
        for path in ["folder", "a.ndjson/b"] {
            let error = config(path).check().unwrap_err();
            let expected = format!("cannot write {}: ", folder.path().join(path).display());
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
