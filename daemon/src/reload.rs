//! Rules are loaded anew when their files change, or when somebody asks.
//!
//! In: paths to watch. Out: a wish, once nothing has changed for a moment: editors and version control write
//! many files one after the other.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::limits::SETTLE;

/// Watches paths; ends when it is dropped.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Calls `changed` after each change below these paths. What cannot be watched is given back in words.
    ///
    /// # Errors
    /// Where the system offers no watching at all.
    pub fn new(
        paths: &[PathBuf],
        changed: impl Fn() + Send + 'static,
    ) -> Result<(Self, Vec<String>), String> {
        let (sender, events) = channel();
        let tell = move |event: notify::Result<notify::Event>| {
            // reading is no change
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                let _ = sender.send(());
            }
        };
        let mut watcher = notify::recommended_watcher(tell).map_err(|error| error.to_string())?;
        let mut complaints = Vec::new();
        for path in paths {
            if let Err(error) = watcher.watch(watched(path), RecursiveMode::Recursive) {
                complaints.push(format!("{} is not watched: {error}", path.display()));
            }
        }
        std::thread::spawn(move || settle(&events, &changed));
        Ok((Self { _watcher: watcher }, complaints))
    }
}

/// A file that is replaced is another file under its name: its folder is watched.
fn watched(path: &Path) -> &Path {
    match path.is_dir() {
        true => path,
        false => path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")),
    }
}

fn settle(events: &Receiver<()>, changed: &(impl Fn() + Send)) {
    while events.recv().is_ok() {
        loop {
            match events.recv_timeout(SETTLE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_changes_at_once_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rule.yml");
        std::fs::write(&file, "a").unwrap();
        let (sender, changes) = channel();
        let (watch, complaints) = Watch::new(std::slice::from_ref(&file), move || {
            let _ = sender.send(());
        })
        .unwrap();
        assert!(complaints.is_empty());
        for text in ["b", "c", "d"] {
            std::fs::write(&file, text).unwrap();
        }
        changes.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(changes.recv_timeout(SETTLE * 2).is_err());
        drop(watch);
    }
}
