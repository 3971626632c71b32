//! What could not be read, on disk.
//!
//! In: quarantined records. Out: one line of NDJSON each in `quarantine.ndjson` of a folder, rotated. It is
//! on disk before a checkpoint passes over what it holds; after a crash an entry may stand there twice, with
//! the same origin.

use std::io;
use std::path::{Path, PathBuf};

use virga_ingest::quarantine::Quarantined;

use crate::limits::{FILE_BYTES, KEPT_FILES};
use crate::rotate::Rotating;

const NAME: &str = "quarantine.ndjson";

/// The quarantine of one process.
#[derive(Debug)]
pub struct Quarantine {
    file: Rotating,
    dirty: bool,
}

impl Quarantine {
    /// Opens it.
    ///
    /// # Errors
    /// Where its file cannot be opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: Rotating::open(&folder.join(NAME), FILE_BYTES, KEPT_FILES)?, dirty: false })
    }

    /// Takes records. Says how many old files had to be removed.
    ///
    /// # Errors
    /// Where the disk says no.
    pub fn take(&mut self, records: &[Quarantined]) -> io::Result<usize> {
        let mut lines = String::new();
        for record in records {
            lines.push_str(&record.to_json_line());
            lines.push('\n');
        }
        self.dirty = true;
        self.file.append(lines.as_bytes())
    }

    /// All that was taken is on disk.
    ///
    /// # Errors
    /// Where the disk says no.
    pub fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) {
            let synced = self.file.sync();
            self.dirty = synced.is_err();
            return synced;
        }
        Ok(())
    }
}

/// The files of a folder, the oldest first.
///
/// # Errors
/// Where the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for number in (1..=KEPT_FILES).rev() {
        let path = folder.join(format!("{NAME}.{number}"));
        if path.try_exists()? {
            files.push(path);
        }
    }
    let path = folder.join(NAME);
    if path.try_exists()? {
        files.push(path);
    }
    Ok(files)
}
