//! Events as CloudTrail delivers them: files of records, one account and one region each.
//!
//! Events and where they happened come in; files come out, laid out as in a bucket:
//!
//! ```text
//! AWSLogs/111122223333/CloudTrail/eu-west-1/2025/01/01/
//!   111122223333_CloudTrail_eu-west-1_20250101T0005Z_AbCdEfGhIjKlMnOp.json     {"Records":[{…},{…}]}
//! ```
//!
//! A file is written when it has as many records as asked for, and the rest at the end, so most accounts
//! and regions give one short file, as in real buckets, where the median file is small. The time in the
//! name is that of the last event, rounded up to five minutes, which is what CloudTrail does.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Origin;
use super::rng::Rng;
use super::text::{Seconds, base64, civil};

/// Bytes of unfinished files held in memory. Beyond it all of them are written as they are: many accounts
/// in many regions would otherwise hold the whole output.
const MAX_OPEN: usize = 256 << 20;

/// A file that is not yet full.
#[derive(Debug, Default)]
struct Open {
    bytes: Vec<u8>,
    records: usize,
    last: Seconds,
}

/// A folder that files of records are written into.
#[derive(Debug)]
pub struct RecordFiles {
    folder: PathBuf,
    per_file: usize,
    rng: Rng,
    open: BTreeMap<([u8; 12], &'static str), Open>,
    held: usize,
    written: u64,
}

impl RecordFiles {
    /// Writes into `folder`, at most `per_file` (at least one) records a file. The names of the files end in
    /// letters that come from `seed`.
    pub fn new(folder: &Path, per_file: usize, seed: u64) -> Self {
        let rng = Rng::new(seed);
        let (folder, per_file) = (folder.to_owned(), per_file.max(1));
        Self { folder, per_file, rng, open: BTreeMap::new(), held: 0, written: 0 }
    }

    /// Adds one event, a JSON object, to the file of its account and region.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be written.
    pub fn push(&mut self, origin: Origin, event: &[u8]) -> io::Result<()> {
        let key = (origin.account, origin.region);
        let file = self.open.entry(key).or_default();
        file.bytes.extend_from_slice(if file.records == 0 { b"{\"Records\":[" } else { b"," });
        file.bytes.extend_from_slice(event);
        file.records += 1;
        file.last = file.last.max(origin.time);
        self.held += event.len();
        if file.records >= self.per_file {
            let full = self.open.remove(&key).unwrap_or_default();
            self.write(key, full)?;
        }
        if self.held > MAX_OPEN { self.flush() } else { Ok(()) }
    }

    /// Writes what is left, and gives the number of files.
    ///
    /// # Errors
    ///
    /// When a folder or a file cannot be written.
    pub fn finish(mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.written)
    }

    fn flush(&mut self) -> io::Result<()> {
        std::mem::take(&mut self.open).into_iter().try_for_each(|(key, file)| self.write(key, file))
    }

    fn write(&mut self, (account, region): ([u8; 12], &str), mut file: Open) -> io::Result<()> {
        self.held = self.held.saturating_sub(file.bytes.len());
        file.bytes.extend_from_slice(b"]}");
        let path = self.folder.join(key(&account, region, file.last, &mut self.rng));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, file.bytes)?;
        self.written += 1;
        Ok(())
    }
}

/// The key of a file in the bucket.
fn key(account: &[u8; 12], region: &str, last: Seconds, rng: &mut Rng) -> String {
    let account = String::from_utf8_lossy(account);
    let (year, month, day, second) = civil((last + 299) / 300 * 300);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let mut tail = Vec::with_capacity(16);
    base64(&mut tail, rng, 16);
    let tail = String::from_utf8_lossy(&tail).replace(['+', '/'], "x");
    format!(
        "AWSLogs/{account}/CloudTrail/{region}/{year}/{month:02}/{day:02}/\
         {account}_CloudTrail_{region}_{year}{month:02}{day:02}T{hour:02}{minute:02}Z_{tail}.json"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_a_bucket() {
        let key = key(b"111122223333", "eu-west-1", 1_735_689_601, &mut Rng::new(1));
        let (folder, name) = key.rsplit_once('/').expect("folders");
        assert_eq!(folder, "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/01/01");
        assert!(name.starts_with("111122223333_CloudTrail_eu-west-1_20250101T0005Z_"), "{name}");
        assert_eq!(name.len(), "111122223333_CloudTrail_eu-west-1_20250101T0005Z_".len() + 21);
    }

    #[test]
    fn every_event_lands_in_the_file_of_its_account_and_region() {
        let folder = std::env::temp_dir().join(format!("virga-record-files-{}", std::process::id()));
        let mut files = RecordFiles::new(&folder, 2, 1);
        let origin = Origin { account: *b"111122223333", region: "eu-west-1", time: 0 };
        for i in 0..5 {
            files.push(origin, format!("{{\"n\":{i}}}").as_bytes()).expect("written");
        }
        assert_eq!(files.finish().expect("written"), 3);
        let day = folder.join("AWSLogs/111122223333/CloudTrail/eu-west-1/1970/01/01");
        let mut texts: Vec<String> = fs::read_dir(&day)
            .expect("the folder is there")
            .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a file"))
            .collect();
        texts.sort();
        fs::remove_dir_all(&folder).expect("removed");
        let want = [
            r#"{"Records":[{"n":0},{"n":1}]}"#,
            r#"{"Records":[{"n":2},{"n":3}]}"#,
            r#"{"Records":[{"n":4}]}"#,
        ];
        assert_eq!(texts, want);
    }
}
