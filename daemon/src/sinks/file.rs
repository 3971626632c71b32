//! A file: a JSON object a line, rotated by size.
//!
//! With `sync = "each"` (the default) an alert counts as delivered when it is on disk. A line that a crash has
//! cut off is removed when the file is opened again; its alert is delivered anew.

use std::path::PathBuf;
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
        Rotating::open(&self.path, self.rotate_at.0, self.keep).map_err(|error| self.failed(&error))?;
        Ok(format!("would append alerts to {}", self.path.display()))
    }

    fn open(&self) -> Result<Box<dyn Sink>, String> {
        let file =
            Rotating::open(&self.path, self.rotate_at.0, self.keep).map_err(|error| self.failed(&error))?;
        Ok(Box::new(FileSink { file, sync: self.sync }))
    }
}

impl FileConfig {
    fn failed(&self, error: &std::io::Error) -> String {
        format!("cannot write {}: {error}", self.path.display())
    }
}

struct FileSink {
    file: Rotating,
    sync: Sync,
}

impl Sink for FileSink {
    fn deliver(&mut self, alerts: &[Arc<OutAlert>]) -> Result<(), String> {
        let mut lines = String::new();
        for alert in alerts {
            lines.push_str(&alert.json);
            lines.push('\n');
        }
        let removed = self.file.append(lines.as_bytes()).map_err(|error| error.to_string())?;
        if removed > 0 {
            tracing::info!("an old file of alerts was removed: `keep` says how many are kept");
        }
        match self.sync {
            Sync::Each => self.file.sync().map_err(|error| error.to_string()),
            Sync::Never => Ok(()),
        }
    }
}
