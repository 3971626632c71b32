//! Rules are loaded anew when their files change, or when somebody asks.
//!
//! In: paths to watch. Out: a wish, once nothing has changed for a moment: editors and version control write
//! many files one after the other.
//!
//! A folder of rules is watched with all below it, and only what may be a rule there counts. Of a file that is named,
//! and of the folder itself, the folder around it is watched, alone: a file that is replaced is another one under its
//! name, and a link may be switched. Much else may lie there (the state folder, alerts), so what is heard from there
//! counts only where the name leads to something else than before. A rule in a folder that is a link to a file elsewhere
//! is watched as if it were named.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use notify::event::{ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::limits::{SETTLE, SETTLE_MOST, WATCHED_LINKS};

/// Watches paths; ends when it is dropped. What is watched is settled when it begins: it is begun anew with each wish.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Calls `changed` after each change of these files and below these folders. What cannot be watched is given back
    /// in words.
    ///
    /// # Errors
    /// Where the system offers no watching at all.
    pub fn new(
        paths: &[PathBuf],
        changed: impl Fn() + Send + 'static,
    ) -> Result<(Self, Vec<String>), String> {
        let (sender, events) = channel();
        let tell = move |event: notify::Result<Event>| {
            // whoever would hear has ended
            let _ = event.map(|event| sender.send(event));
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(|error| error.to_string())?;
        let (mut complaints, mut linked, mut visited) = (Vec::new(), Vec::new(), HashSet::new());
        for folder in paths.iter().filter_map(|path| folder(path)) {
            links(&folder, &mut visited, &mut linked);
        }
        if linked.len() >= WATCHED_LINKS {
            complaints.push(format!("{WATCHED_LINKS} rules are links: what others lead to is not watched"));
        }
        let named: Vec<PathBuf> = paths.iter().cloned().chain(linked).collect();
        for (path, mode) in watched(&named) {
            if let Err(error) = watcher.watch(&path, mode) {
                complaints.push(format!("{} is not watched: {error}", path.display()));
            }
        }
        let mut seen = Seen::new(&named);
        std::thread::spawn(move || settle(&events, &mut seen, &changed));
        Ok((Self { _watcher: watcher }, complaints))
    }
}

/// What is watched, each folder once, where it really is: two names of one folder would be told apart by none of
/// its changes.
fn watched(paths: &[PathBuf]) -> BTreeMap<PathBuf, RecursiveMode> {
    let mut watched = BTreeMap::new();
    for path in paths {
        // a link may be switched, and what it leads to may be written
        let behind = path.canonicalize().ok();
        let arounds = [Some(around(path)), behind.as_deref().map(around)];
        for around in arounds.into_iter().flatten().filter_map(|around| around.canonicalize().ok()) {
            watched.entry(around).or_insert(RecursiveMode::NonRecursive);
        }
        if let Some(folder) = folder(path) {
            watched.insert(folder, RecursiveMode::Recursive);
        }
    }
    let whole: Vec<PathBuf> = watched
        .iter()
        .filter(|(_, mode)| **mode == RecursiveMode::Recursive)
        .map(|(path, _)| path.clone())
        .collect();
    // what is watched with all above it already
    watched.retain(|path, _| !whole.iter().any(|folder| path != folder && path.starts_with(folder)));
    watched
}

/// The rules below a folder that are links to files. Whoever reads rules goes through links to folders, each once.
fn links(folder: &Path, visited: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) {
    let is_new = folder.canonicalize().is_ok_and(|real| visited.insert(real));
    // what cannot be read is told of by whoever reads rules
    let Some(entries) = is_new.then(|| fs::read_dir(folder).ok()).flatten() else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            links(&path, visited, found);
        } else if path.is_symlink() && is_yaml(&path) && found.len() < WATCHED_LINKS {
            found.push(path);
        }
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yml" || end == "yaml")
}

/// The folder that a path stands in.
fn around(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a folder of rules really is; none of a file.
fn folder(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|path| path.is_dir())
}

/// What a name leads to. Of a folder, what is in it does not count: that is heard by itself.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    written: Option<(i64, i64, u64)>,
}

fn stamp(path: &Path) -> Option<Stamp> {
    let there = fs::metadata(path).ok()?;
    let written = there.is_file().then(|| (there.mtime(), there.mtime_nsec(), there.len()));
    Some(Stamp { device: there.dev(), inode: there.ino(), written })
}

/// What was there when it was looked last.
struct Seen {
    named: Vec<(PathBuf, Option<Stamp>)>,
    folders: Vec<PathBuf>,
}

impl Seen {
    fn new(paths: &[PathBuf]) -> Self {
        let named = paths.iter().map(|path| (path.clone(), stamp(path))).collect();
        Self { named, folders: paths.iter().filter_map(|path| folder(path)).collect() }
    }

    /// Whether an event is a change of rules.
    fn is_change(&mut self, event: &Event) -> bool {
        // reading is none; where events were lost, anything may be
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let mut is_change =
            event.need_rescan() || event.paths.iter().any(|path| self.is_rule(path, event.kind));
        for (path, before) in &mut self.named {
            let now = stamp(path);
            is_change |= *before != now;
            *before = now;
        }
        is_change
    }

    /// Whether a path may be that of a rule, or of a folder with some, below one of the folders.
    fn is_rule(&self, path: &Path, kind: EventKind) -> bool {
        let is_below = self.folders.iter().any(|folder| path != folder && path.starts_with(folder));
        is_below && (is_yaml(path) || is_moved_folder(path, kind))
    }
}

/// Folders come and go with all that is in them. Of one that has gone nothing tells that it was one but its name.
fn is_moved_folder(path: &Path, kind: EventKind) -> bool {
    match kind {
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) if path.is_dir() => true,
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => path.extension().is_none(),
        EventKind::Remove(RemoveKind::Folder) => true,
        _ => false,
    }
}

fn settle(events: &Receiver<Event>, seen: &mut Seen, changed: &(impl Fn() + Send)) {
    while let Ok(event) = events.recv() {
        if !seen.is_change(&event) {
            continue;
        }
        // where changes never end, some of them are better than none
        let until = Instant::now() + SETTLE_MOST;
        let mut rest = Instant::now() + SETTLE;
        loop {
            let left = rest.min(until).saturating_duration_since(Instant::now());
            match events.recv_timeout(left) {
                Ok(event) if seen.is_change(&event) => rest = Instant::now() + SETTLE,
                Ok(_) if Instant::now() < rest.min(until) => {}
                Ok(_) | Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= until {
                break;
            }
        }
        changed();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    /// A rules folder, a named file beside the state folder, and both again behind links.
    fn place() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in ["rules/below", "new/below", "state", "v1", "v2"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for path in ["rules/a.yml", "rules/below/b.yml", "tuning.yml", "v1/t.yml", "v2/t.yml", "new/a.yml"] {
            fs::write(at(path), "a").unwrap();
        }
        symlink("v1", at("linked")).unwrap();
        symlink("linked/t.yml", at("tuning-link.yml")).unwrap();
        fs::create_dir(at("shared")).unwrap();
        fs::write(at("shared/c.yml"), "a").unwrap();
        symlink("../../shared/c.yml", at("rules/below/c.yml")).unwrap();
        folder
    }

    fn watch(folder: &Path, paths: &[&str]) -> (Watch, Receiver<()>) {
        let (sender, changes) = channel();
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.join(path)).collect();
        let tell = move || {
            let _ = sender.send(());
        };
        let (watch, complaints) = Watch::new(&paths, tell).unwrap();
        assert_eq!(complaints, Vec::<String>::new());
        (watch, changes)
    }

    type Deed = fn(&Path);

    #[test]
    fn a_change_of_rules_is_one_wish_however_it_is_made() {
        let deeds: [(&str, &str, Deed); 13] = [
            ("many writes", "rules", |at| {
                (0..9).for_each(|text| fs::write(at.join("rules/a.yml"), [text]).unwrap())
            }),
            ("what a rule below is a link to", "rules", |at| {
                fs::write(at.join("shared/c.yml"), "other").unwrap()
            }),
            ("what a rule below is a link to, replaced", "rules", |at| {
                fs::write(at.join("shared/new"), "other").unwrap();
                fs::rename(at.join("shared/new"), at.join("shared/c.yml")).unwrap();
            }),
            ("a rule below", "rules", |at| fs::write(at.join("rules/below/d.yml"), "c").unwrap()),
            ("a folder that comes", "rules", |at| fs::rename(at.join("new"), at.join("rules/new")).unwrap()),
            ("a folder that goes", "rules", |at| {
                fs::rename(at.join("rules/below"), at.join("gone")).unwrap()
            }),
            ("a named file", "tuning.yml", |at| fs::write(at.join("tuning.yml"), "other").unwrap()),
            ("a named file replaced", "tuning.yml", |at| {
                fs::write(at.join("tuning.new"), "b").unwrap();
                fs::rename(at.join("tuning.new"), at.join("tuning.yml")).unwrap();
            }),
            ("a named file that comes", "missing.yml", |at| fs::write(at.join("missing.yml"), "a").unwrap()),
            ("the folder replaced", "rules", |at| {
                fs::rename(at.join("rules"), at.join("old")).unwrap();
                fs::rename(at.join("new"), at.join("rules")).unwrap();
            }),
            ("a link switched", "linked", |at| {
                symlink("v2", at.join("linked.new")).unwrap();
                fs::rename(at.join("linked.new"), at.join("linked")).unwrap();
            }),
            ("the file behind a link", "tuning-link.yml", |at| {
                fs::write(at.join("v1/t.yml"), "other").unwrap()
            }),
            ("a link behind a named file switched", "tuning-link.yml", |at| {
                symlink("v2", at.join("linked.new")).unwrap();
                fs::rename(at.join("linked.new"), at.join("linked")).unwrap();
            }),
        ];
        // at once: each waits for quiet
        std::thread::scope(|scope| {
            for (name, path, deed) in deeds {
                scope.spawn(move || {
                    let folder = place();
                    let (_watch, changes) = watch(folder.path(), &[path]);
                    deed(folder.path());
                    assert_eq!(changes.recv_timeout(Duration::from_secs(30)), Ok(()), "{name}");
                    assert!(changes.recv_timeout(SETTLE * 2).is_err(), "{name}");
                });
            }
        });
    }

    #[test]
    fn what_else_lies_beside_named_files_is_no_change_and_holds_up_none() {
        let folder = place();
        let at = |path: &str| folder.path().join(path);
        let (_watch, changes) = watch(folder.path(), &["rules", "tuning.yml"]);
        let write = |number: u32| {
            fs::write(at("state/checkpoint"), number.to_string()).unwrap();
            fs::write(at("alerts.ndjson"), number.to_string()).unwrap();
            fs::write(at("rules/.a.yml.swp"), number.to_string()).unwrap();
        };
        // without end, until a rule changes between
        let until = Instant::now() + SETTLE * 3;
        while Instant::now() < until {
            write(1);
            assert!(changes.recv_timeout(SETTLE / 20).is_err());
        }
        fs::write(at("rules/a.yml"), "b").unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while changes.recv_timeout(SETTLE / 20).is_err() {
            assert!(Instant::now() < until, "no change was heard");
            write(2);
        }
    }

    #[test]
    fn rules_that_change_without_end_are_loaded_meanwhile() {
        let folder = place();
        let (_watch, changes) = watch(folder.path(), &["rules", "tuning.yml"]);
        let until = Instant::now() + SETTLE_MOST * 6;
        while changes.recv_timeout(SETTLE / 5).is_err() {
            assert!(Instant::now() < until, "nothing was loaded");
            fs::write(folder.path().join("rules/a.yml"), "b").unwrap();
        }
    }
}
