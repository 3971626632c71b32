//! What could not be read, on disk.
//!
//! In: quarantined records. Out: one line of NDJSON each in `quarantine.ndjson` of a folder, rotated. It is
//! on disk before a checkpoint passes over what it holds; after a crash an entry may stand there twice, with
//! the same origin.
//!
//! What `virga quarantine retry` has printed lies in `retried.ndjson` beside it, in the same form: whoever read it may
//! have gone before it was done.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use virga_ingest::quarantine::Quarantined;

use crate::limits::{FILE_BYTES, KEPT_FILES};
use crate::private;
use crate::rotate::Rotating;

const NAME: &str = "quarantine.ndjson";
const RETRIED: &str = "retried.ndjson";

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
        Ok(Self { file: Rotating::private(&folder.join(NAME), FILE_BYTES, KEPT_FILES)?, dirty: false })
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
    rotated(folder, NAME)
}

/// The files of records that were printed before, the oldest first.
///
/// # Errors
/// Where the folder cannot be read.
pub fn retried_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    rotated(folder, RETRIED)
}

/// Keeps lines of records that have been printed. Says how many old files had to be removed. On disk when it is
/// done.
///
/// # Errors
/// Where the disk says no.
pub fn keep_retried(folder: &Path, lines: &[u8]) -> io::Result<usize> {
    let mut file = Rotating::private(&folder.join(RETRIED), FILE_BYTES, KEPT_FILES)?;
    let removed = file.append(lines)?;
    file.sync()?;
    Ok(removed)
}

fn rotated(folder: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for number in (1..=KEPT_FILES).rev() {
        let path = folder.join(format!("{name}.{number}"));
        if path.try_exists()? {
            files.push(path);
        }
    }
    let path = folder.join(name);
    if path.try_exists()? {
        files.push(path);
    }
    Ok(files)
}

/// One record, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stood, as JSON.
    pub origin: String,
    /// Why it could not be read: the cause's code.
    pub cause: String,
    /// When it arrived.
    pub time: String,
    /// Its first bytes.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// An entry from its line.
    ///
    /// # Errors
    /// Where the line is none.
    pub fn parse(line: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_str(line)
            .map_err(|error| format!("a line is no entry of quarantine: {error}"))?;
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let (Some(cause), Some(time), Some(raw)) = (text("cause"), text("time"), text("raw_base64")) else {
            return Err("a line is no entry of quarantine: `cause`, `time` or `raw_base64` is missing".into());
        };
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(raw)
            .map_err(|error| format!("raw_base64: {error}"))?;
        let origin = value.get("origin").map(ToString::to_string).unwrap_or_default();
        Ok(Self { origin, cause, time, bytes })
    }
}

/// Puts what is left in the place of a file; an empty one goes.
///
/// # Errors
/// Where the disk says no; the file is then as it was.
pub fn replace(path: &Path, left: &[u8]) -> io::Result<()> {
    if left.is_empty() {
        return std::fs::remove_file(path);
    }
    let new = path.with_extension("new");
    let written = private::create(&new).and_then(|mut file| {
        file.set_permissions(std::fs::metadata(path)?.permissions())?;
        io::Write::write_all(&mut file, left)?;
        file.sync_all()
    });
    let replaced = written.and_then(|()| std::fs::rename(&new, path));
    if replaced.is_err() {
        // a part of it is of no use; what went wrong is told already
        let _ = std::fs::remove_file(&new);
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use virga_engine::event::{Origin, OriginBase};
    use virga_ingest::quarantine::Cause;

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut quarantine = Quarantine::open(folder.path()).unwrap();
        let base = OriginBase::Topic { topic: "t".into(), partition: 2 };
        let origin = Origin { base, line: None, record: Some(7) };
        let record = Quarantined { origin, cause: Cause::CutOff, time: 0, bytes: b"{\"a\":\xff".to_vec() };
        quarantine.take(&[record.clone(), record]).unwrap();
        quarantine.sync().unwrap();
        let files = files(folder.path()).unwrap();
        let text = std::fs::read_to_string(&files[0]).unwrap();
        let entries: Vec<Entry> = text.lines().map(|line| Entry::parse(line).unwrap()).collect();
        assert_eq!(entries.len(), 2);
        assert_eq!(
            (entries[0].cause.as_str(), entries[0].bytes.as_slice()),
            ("cut_off", &b"{\"a\":\xff"[..])
        );
        assert_eq!(entries[0].origin, r#"{"topic":"t","partition":2,"offset":7}"#);
        assert!(Entry::parse("{}").is_err() && Entry::parse("x").is_err());
    }
}
