//! Real logs and rules for tests and benchmarks, read where they lie.
//!
//! The corpus is not part of the project: its licences differ. It is found through `VIRGA_CORPUS`, by
//! default beside the checkout. A test that needs it says so and passes where the default is absent;
//! a set variable that leads nowhere is a mistake, and fails.

mod led;
mod moto;
mod stores;

use std::io::Read;
use std::path::{Path, PathBuf};

pub use moto::Moto;
pub use stores::Store;

/// A file of an archive.
#[derive(Debug, Clone)]
pub struct ArchivedFile {
    /// Its path in the archive.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The folder of the corpus; `None` (and a word on standard error) where it is absent.
///
/// # Panics
/// Where `VIRGA_CORPUS` is set and leads nowhere.
pub fn corpus() -> Option<PathBuf> {
    if let Some(set) = std::env::var_os("VIRGA_CORPUS").map(PathBuf::from) {
        // cargo runs tests in the folder of their package: a relative path is meant from the workspace
        let path = if set.is_absolute() { set } else { workspace().join(set) };
        assert!(path.is_dir(), "VIRGA_CORPUS leads nowhere: {}", path.display());
        return Some(path);
    }
    let default = workspace().join("../shared/corpus");
    if !default.is_dir() {
        eprintln!("skipped: no corpus (set VIRGA_CORPUS to its folder)");
        return None;
    }
    Some(default)
}

/// The root of the workspace: the folder of `Cargo.lock` above the package that runs. Asked when the
/// test runs, not when it was built, so that two checkouts may share a build directory.
///
/// # Panics
/// Where no cargo runs the test.
pub fn workspace() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).expect("cargo runs the tests");
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.expect("a workspace").to_path_buf()
}

/// The YAML files of a rule archive (`.tar.xz`) below `rules/`, by path.
///
/// # Panics
/// Where the archive cannot be read.
pub fn rule_archive(corpus: &Path, name: &str) -> Vec<ArchivedFile> {
    let path = corpus.join("rules").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tar = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut tar)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut files = Vec::new();
    for entry in archive.entries().unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
        let mut entry = entry.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = entry.path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(".yml") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap_or_else(|error| panic!("{name}: {error}"));
            files.push(ArchivedFile { path: name.trim_start_matches("./").to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// SigmaHQ's rules.
pub const SIGMAHQ: &str = "sigmahq/sigmahq_rules_8eaafff1.tar.xz";

/// Suzaku's rules.
pub const SUZAKU: &str = "suzaku_rules_53068ef.tar.xz";

/// The events of a `jsonl.gz` of the corpus: what stands under `event`, letter for letter as JSON
/// without white space, by line.
///
/// # Panics
/// Where the file cannot be read.
pub fn events(corpus: &Path, file: &str) -> Vec<String> {
    let path = corpus.join(file);
    let mut text = String::new();
    let open = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::MultiGzDecoder::new(open)
        .read_to_string(&mut text)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let event = |line: &str| {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}"));
        line["event"].to_string()
    };
    text.lines().map(event).collect()
}

/// The records of a folder of CloudTrail files (`{"Records":[…]}` in gzip), as JSON without white space.
///
/// # Panics
/// Where a file cannot be read.
pub fn records(corpus: &Path, folder: &str) -> Vec<String> {
    let folder = corpus.join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "gz"));
    paths.sort();
    let mut records = Vec::new();
    for path in paths {
        let open = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document: serde_json::Value = serde_json::from_reader(flate2::read::MultiGzDecoder::new(open))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        records.extend(document["Records"].as_array().into_iter().flatten().map(ToString::to_string));
    }
    records
}
