//! Files and folders.
//!
//! In: one path. Out: an [`Input`] for a file; for a folder one for each log file below it, in the
//! order of their paths, so that two runs see the same events in the same order. Layouts such as
//! `AWSLogs/<account>/CloudTrail/<region>/2023/07/10/<object>.json.gz` need nothing special.
//!
//! A file that is named is read whatever its name. Below a folder are read: names that end as those of logs
//! do (`names.rs`). Passed over are names that begin with a dot, archives (`.tar.gz`), and folders called
//! `CloudTrail-Digest`, which hold signatures of logs and no events, and below Bedrock's log of calls those
//! called `data`, which hold parts of events. A folder that is reached twice, through a symbolic link, is
//! read once.
//!
//! An input's ingest time is the file's modification time: a replay of the same files reads the
//! same times.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use virga_engine::event::OriginBase;

use super::names;
use super::{Input, InputError, Progress};
use crate::limits::MAX_FOLDER_DEPTH;

/// The inputs of one path, one after the other.
pub struct FileInputs {
    walk: Walk,
    progress: Progress,
}

impl FileInputs {
    /// The inputs of a file or folder. Nothing is opened before it is asked for.
    pub fn new(path: impl Into<PathBuf>, progress: &Progress) -> Self {
        Self { walk: Walk::new(path.into()), progress: progress.clone() }
    }

    /// Files passed over so far because their names are not those of logs.
    pub fn passed_over(&self) -> u64 {
        self.walk.passed_over
    }
}

impl Iterator for FileInputs {
    type Item = Result<Input, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.walk.next()?;
        Some(found.and_then(|path| open(&path, self.walk.shown(&path), &self.progress)))
    }
}

/// What lies below a path: what a progress bar needs beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Files that will be read.
    pub files: u64,
    /// Their bytes, as they lie.
    pub bytes: u64,
    /// Files that will be passed over.
    pub passed_over: u64,
}

/// Counts what lies below a path, without opening any file. What cannot be looked at is left out.
pub fn survey(path: impl Into<PathBuf>) -> Survey {
    let mut walk = Walk::new(path.into());
    let mut survey = Survey::default();
    while let Some(found) = walk.next() {
        if let Some(metadata) = found.ok().and_then(|path| fs::metadata(path).ok()) {
            survey.files += 1;
            survey.bytes += metadata.len();
        }
    }
    survey.passed_over = walk.passed_over;
    survey
}

fn open(path: &Path, shown: String, progress: &Progress) -> Result<Input, InputError> {
    let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = opened.map_err(|error| failed(path, &error))?;
    Ok(Input {
        base: OriginBase::File { path: shown.into() },
        ingest_time: modified(&metadata),
        size: metadata.is_file().then_some(metadata.len()),
        reader: progress.count(file),
    })
}

/// The modification time in microseconds since 1970; 0 where the file system has none.
fn modified(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default()
}

fn failed(path: &Path, error: &io::Error) -> InputError {
    InputError { path: path.display().to_string(), cause: error.to_string() }
}

/// Goes through a folder, depth first, each folder's names sorted.
struct Walk {
    root: PathBuf,
    /// What is still to be looked at, last first, with its depth.
    pending: Vec<(PathBuf, usize)>,
    visited: HashSet<PathBuf>,
    passed_over: u64,
}

impl Walk {
    fn new(root: PathBuf) -> Self {
        Self { pending: vec![(root.clone(), 0)], root, visited: HashSet::new(), passed_over: 0 }
    }

    /// The next file to read.
    fn next(&mut self) -> Option<Result<PathBuf, InputError>> {
        while let Some((path, depth)) = self.pending.pop() {
            // follows links: a link that leads nowhere is an input that cannot be read
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if depth > 0 && !is_log(&path) && error.kind() == io::ErrorKind::NotFound => {
                    self.passed_over += 1;
                    continue;
                }
                Err(error) => return Some(Err(failed(&path, &error))),
            };
            if metadata.is_dir() {
                if let Err(error) = self.enter(&path, depth) {
                    return Some(Err(error));
                }
            } else if depth == 0 || (metadata.is_file() && is_log(&path)) {
                return Some(Ok(path));
            } else {
                self.passed_over += 1;
            }
        }
        None
    }

    fn enter(&mut self, folder: &Path, depth: usize) -> Result<(), InputError> {
        let names = folder.components().filter_map(|part| part.as_os_str().to_str());
        if depth > 0 && names::hold_no_logs(names).last() == Some(true) {
            return Ok(());
        }
        if depth > MAX_FOLDER_DEPTH {
            let cause = format!("more than {MAX_FOLDER_DEPTH} folders deep");
            return Err(InputError { path: folder.display().to_string(), cause });
        }
        let real = fs::canonicalize(folder).map_err(|error| failed(folder, &error))?;
        if !self.visited.insert(real) {
            return Ok(());
        }
        let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let entries = entries.map_err(|error| failed(folder, &error))?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.retain(|path| !name(path).starts_with('.'));
        paths.sort_unstable();
        self.pending.extend(paths.into_iter().rev().map(|path| (path, depth + 1)));
        Ok(())
    }

    /// The path as an origin shows it: below the given folder, or as it was given.
    fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(below) if below.as_os_str().is_empty() => path.display().to_string(),
            Ok(below) => below.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }
}

fn name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

fn is_log(path: &Path) -> bool {
    names::is_log(&name(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read_all(path: &Path) -> (Vec<(String, String)>, Vec<InputError>) {
        let (mut read, mut failed) = (Vec::new(), Vec::new());
        for input in FileInputs::new(path, &Progress::default()) {
            match input {
                Ok(mut input) => {
                    let OriginBase::File { path } = &input.base else { panic!("{:?}", input.base) };
                    let mut text = String::new();
                    input.reader.read_to_string(&mut text).unwrap();
                    assert!(input.ingest_time > 0);
                    assert_eq!(input.size, Some(text.len() as u64));
                    read.push((path.to_string(), text));
                }
                Err(error) => failed.push(error),
            }
        }
        (read, failed)
    }

    fn names(path: &Path) -> Vec<String> {
        read_all(path).0.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_its_paths_and_only_its_logs() {
        let root = tempfile::tempdir().unwrap();
        let base = "AWSLogs/111122223333";
        for path in [
            "b.jsonl",
            "a.NDJSON",
            "c.log",
            "z.json.zst",
            "readme.md",
            ".hidden.json",
            "old.tar.gz",
            "x.json/y.json",
        ] {
            write(root.path(), path, path);
        }
        write(root.path(), &format!("{base}/CloudTrail/us-east-1/2023/07/10/k.json.gz"), "k");
        write(root.path(), &format!("{base}/CloudTrail-Digest/us-east-1/d.json.gz"), "d");
        let bedrock = format!("{base}/BedrockModelInvocationLogs/us-east-1/2023/07/10/11");
        write(root.path(), &format!("{bedrock}/m.json.gz"), "m");
        write(root.path(), &format!("{bedrock}/data/r_input.json.gz"), "r");
        let expected = [
            "AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/2023/07/10/11/m.json.gz",
            "AWSLogs/111122223333/CloudTrail/us-east-1/2023/07/10/k.json.gz",
            "a.NDJSON",
            "b.jsonl",
            "c.log",
            "x.json/y.json",
            "z.json.zst",
        ];
        assert_eq!(names(root.path()), expected);
        let found = survey(root.path());
        assert_eq!((found.files, found.passed_over), (7, 2));
        assert_eq!(
            found.bytes,
            read_all(root.path()).0.iter().map(|(_, text)| text.len() as u64).sum::<u64>()
        );
    }

    #[test]
    fn a_named_file_is_read_whatever_its_name() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "trail.txt", "{}");
        let path = root.path().join("trail.txt");
        assert_eq!(read_all(&path).0, [(path.display().to_string(), "{}".to_owned())]);
    }

    #[test]
    fn what_is_not_there_is_named_with_its_cause() {
        let (read, failed) = read_all(Path::new("no/such/trail.json"));
        assert!(read.is_empty());
        assert_eq!(failed[0].path, "no/such/trail.json");
        assert!(failed[0].to_string().starts_with("cannot read no/such/trail.json: "), "{}", failed[0]);
    }

    #[test]
    fn a_folder_that_vanishes_is_an_error_and_the_others_go_on() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/1.json", "1");
        write(root.path(), "b.json/2.json", "2");
        write(root.path(), "c/3.json", "3");
        let mut inputs = FileInputs::new(root.path(), &Progress::default());
        assert!(inputs.next().unwrap().is_ok());
        fs::remove_dir_all(root.path().join("b.json")).unwrap();
        let error = inputs.next().unwrap().err().unwrap();
        assert!(error.path.ends_with("b.json"), "{error}");
        assert!(inputs.next().unwrap().is_ok());
        assert!(inputs.next().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn links_neither_loop_nor_stop_the_walk() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/1.json", "1");
        symlink(root.path(), root.path().join("a/loop")).unwrap();
        symlink(root.path().join("a"), root.path().join("again")).unwrap();
        symlink("nowhere.json", root.path().join("dangling.json")).unwrap();
        symlink(root.path().join("a/1.json"), root.path().join("linked.json")).unwrap();
        let (read, failed) = read_all(root.path());
        assert_eq!(
            read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["a/1.json", "linked.json"]
        );
        assert_eq!(failed.len(), 1);
        assert!(failed[0].path.ends_with("dangling.json"));
    }

    #[test]
    fn progress_counts_the_bytes_as_they_lie() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a.json", "12345");
        write(root.path(), "b.json", "678");
        let progress = Progress::default();
        for input in FileInputs::new(root.path(), &progress) {
            io::copy(&mut input.unwrap().reader, &mut io::sink()).unwrap();
        }
        assert_eq!(progress.bytes(), 8);
    }
}
