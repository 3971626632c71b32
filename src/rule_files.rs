//! Rule files: from folders given on the command line, or those that ship with Virga.
//!
//! In: paths. Out: [`SourceFile`]s in the order of their paths, and a message for each that cannot be
//! read: one unreadable file does not keep the others from being loaded.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virga_engine::cases::parse_lists;
use virga_engine::diagnostic::{Diagnostic, SourceFile};
use virga_engine::plan::Lists;
use virga_engine::tuning::Tuning;

/// What reading a set of paths gave.
#[derive(Debug, Default)]
pub struct RuleFiles {
    /// The files.
    pub files: Vec<Arc<SourceFile>>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
    /// Files of cases in folders.
    cases: Vec<PathBuf>,
}

impl RuleFiles {
    /// Files of cases beside which there is no rule: their rule has another name now, and is no longer tested.
    pub fn cases_of_none(&self) -> impl Iterator<Item = &PathBuf> {
        self.cases.iter().filter(|path| {
            let name = path.to_string_lossy();
            let stem = CASES.iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_there =
                |stem: &str| ["yml", "yaml"].iter().any(|end| Path::new(&format!("{stem}.{end}")).is_file());
            !stem.is_some_and(is_there)
        })
    }
}

/// How the names of files begin that ship inside the binary: no path does.
const BUILT_IN: &str = "built-in:";

const CASES: [&str; 2] = [".cases.yml", ".cases.yaml"];

fn is_rule(path: &str) -> bool {
    let yaml = path.ends_with(".yml") || path.ends_with(".yaml");
    yaml && !CASES.iter().any(|suffix| path.ends_with(suffix))
}

/// What stands for the rules that ship with Virga where paths are asked for.
const SHIPPED: &str = "built-in";

/// Whether the rules that ship with Virga are among those wanted.
pub fn wants_shipped(paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|path| is_shipped(path))
}

fn is_shipped(path: &Path) -> bool {
    path.as_os_str() == SHIPPED && !path.exists()
}

/// The rules that ship with Virga.
pub fn shipped() -> Vec<Arc<SourceFile>> {
    let named = |file: virga_detections::EmbeddedFile| SourceFile {
        name: format!("{BUILT_IN}{}", file.path),
        text: file.text,
    };
    virga_detections::rules().into_iter().map(|file| Arc::new(named(file))).collect()
}

/// Reads rule files: those below the paths, or, where there are none, those that ship with Virga.
pub fn read(paths: &[PathBuf]) -> RuleFiles {
    let mut found = RuleFiles::default();
    if paths.is_empty() {
        found.files = shipped();
    }
    let mut visited = HashSet::new();
    for path in paths {
        match is_shipped(path) {
            true => found.files.extend(shipped()),
            false => walk(path, true, &mut visited, &mut found),
        }
    }
    found
}

/// The lists that ship with Virga.
///
/// # Panics
/// Where they are no lists, which a test holds.
pub fn shipped_lists() -> Lists {
    let file = SourceFile { name: format!("{BUILT_IN}lists.yml"), text: virga_detections::LISTS.into() };
    parse_lists(&Arc::new(file)).expect("the lists that ship can be read")
}

/// The tuning that ships with Virga.
///
/// # Panics
/// Where it is none, which a test holds.
pub fn shipped_tuning() -> Tuning {
    let file = SourceFile { name: format!("{BUILT_IN}tuning.yml"), text: virga_detections::TUNING.into() };
    Tuning::parse(&Arc::new(file)).expect("the tuning that ships can be read")
}

/// Reads what lies below a path; a folder that is reached twice, through a link, is read once.
fn walk(path: &Path, named: bool, visited: &mut HashSet<PathBuf>, found: &mut RuleFiles) {
    let mut failed =
        |error: &dyn std::fmt::Display| found.unreadable.push(format!("{}: {error}", path.display()));
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return failed(&error),
    };
    if !metadata.is_dir() {
        // a file that is named is read whatever it is called; in a folder, rules end in .yml
        let name = path.to_string_lossy();
        if !named && CASES.iter().any(|suffix| name.ends_with(suffix)) {
            found.cases.push(path.to_owned());
        }
        if named || is_rule(&name) {
            match std::fs::read_to_string(path) {
                Ok(text) => {
                    let name = path.display().to_string();
                    found.files.push(Arc::new(SourceFile { name, text }));
                }
                Err(error) => failed(&error),
            }
        }
        return;
    }
    match std::fs::canonicalize(path) {
        Ok(folder) if !visited.contains(&folder) => {
            visited.insert(folder);
        }
        Ok(_) => return,
        Err(error) => return failed(&error),
    }
    match std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>()) {
        Ok(entries) => {
            let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
            paths.sort();
            paths.iter().for_each(|path| walk(path, false, visited, found));
        }
        Err(error) => failed(&error),
    }
}

/// The cases that stand beside a rule file, if any.
///
/// # Errors
/// Where the file is there and cannot be read.
pub fn cases_beside(rule: &SourceFile) -> Result<Option<Arc<SourceFile>>, String> {
    if let Some(path) = rule.name.strip_prefix(BUILT_IN) {
        let wanted = path.trim_end_matches(".yml").to_owned() + CASES[0];
        if let Some(file) = virga_detections::cases().into_iter().find(|file| file.path == wanted) {
            let name = format!("{BUILT_IN}{}", file.path);
            return Ok(Some(Arc::new(SourceFile { name, text: file.text })));
        }
    }
    let stem = rule.name.trim_end_matches(".yml").trim_end_matches(".yaml");
    for suffix in CASES {
        let name = format!("{stem}{suffix}");
        match std::fs::read_to_string(&name) {
            Ok(text) => return Ok(Some(Arc::new(SourceFile { name, text }))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    Ok(None)
}

/// Reads files of lists; a later file adds to an earlier one. The files are given too.
///
/// # Errors
/// The first that cannot be read, or is no file of lists.
pub fn lists(paths: &[PathBuf]) -> Result<(Lists, Vec<Arc<SourceFile>>), Box<ListsError>> {
    let (mut all, mut files) = (Lists::new(), Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Box::new(ListsError::Unreadable(format!("{}: {error}", path.display()))))?;
        let file = Arc::new(SourceFile { name: path.display().to_string(), text });
        for (name, values) in
            parse_lists(&file).map_err(|diagnostic| Box::new(ListsError::Wrong(diagnostic)))?
        {
            all.entry(name).or_default().extend(values);
        }
        files.push(file);
    }
    Ok((all, files))
}

/// Why lists could not be read.
#[derive(Debug)]
pub enum ListsError {
    /// The file cannot be read.
    Unreadable(String),
    /// The file is no file of lists.
    Wrong(Diagnostic),
}
