//! Files that grow.
//!
//! In: `[input.follow]`: paths with wildcards, and positions (which file it was, how far). Out: whole lines, as
//! they are written. A file that is renamed is read to its end before the file that has come in its place is begun;
//! then it is a partition of another name and goes on where it stands. One that is out of reach of all wildcards is
//! left when nothing has been added to it for a while, for whoever writes it may not have noticed yet. One that is
//! cut to nothing is read from its beginning again. A file that is new is read from its beginning, those that are
//! there at the first start as the configuration says.
//!
//! ```text
//! a.log   renamed to a.log.1, a new a.log comes:
//! a.log ── read to its end ── closed      a.log#<id> ── what is still added ── quiet: closed
//!                                         a.log ── the new file, from its beginning
//! ```
//!
//! Files are told apart by device and inode, so that a rename is no new file. On systems without inodes a file
//! is its path, and a rename is read as a new file.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use virga_engine::event::OriginBase;

use super::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Messages, Note, OpenContext,
    PartitionLag, Ticket, TransportError,
};
use crate::limits::{FOLLOWED_FILES, LIVE_PIECE_BYTES, LIVE_PIECE_MESSAGES, MAX_EVENT_BYTES};
use crate::position::{Position, Positions};

/// `[input.follow]`: files that grow.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowConfig {
    /// Paths, with `*`, `?`, `[…]` and `**`.
    pub paths: Vec<String>,
    /// Whether files that are there at the first start are read from their beginning; else from their end.
    #[serde(default = "yes")]
    pub from_start: bool,
}

fn yes() -> bool {
    true
}

/// How often new files are looked for; as all lengths of time here in microseconds, by the clock that is given.
const LOOK_EVERY: i64 = 500_000;

/// How often it is told of a file that it has been read to its end.
const TELL_EVERY: i64 = 1_000_000;

/// How long nothing is added to a file that is out of reach until it is left.
const GONE_PATIENCE: i64 = 5_000_000;

/// Which file, how far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    file: String,
    offset: u64,
    line: u64,
}

/// A file that is followed.
struct Followed {
    partition: Arc<str>,
    file: BufReader<File>,
    place: Place,
    /// Where it was found last.
    path: PathBuf,
    /// No wildcard reaches it any more.
    is_gone: bool,
    /// What its partition is called from when it has been read to its end: its name is another's now.
    next: Option<String>,
    /// Its length at its end, and since when it is that.
    quiet: Option<(u64, i64)>,
    told: i64,
}

impl FollowConfig {
    /// Paths begin at this folder, whose own name has no wildcards.
    pub fn resolve(&mut self, base: &Path) {
        for path in self.paths.iter_mut().filter(|path| Path::new(path.as_str()).is_relative()) {
            let folder = glob::Pattern::escape(&base.to_string_lossy());
            *path = Path::new(&folder).join(path.as_str()).to_string_lossy().into_owned();
        }
    }

    fn find(&self) -> Result<Vec<PathBuf>, TransportError> {
        let mut found = Vec::new();
        for pattern in &self.paths {
            let paths = glob::glob(pattern).map_err(|error| {
                TransportError::new(format!("`{pattern}`: {error}")).help("write it as /var/log/app/*.json")
            })?;
            // what cannot be looked at now may be later
            found.extend(paths.filter_map(Result::ok).filter(|path| path.is_file()));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl LiveConfig for FollowConfig {
    fn check(&self, _: &OpenContext) -> Result<String, TransportError> {
        let found = self.find()?;
        for path in &found {
            File::open(path).map_err(|error| TransportError::new(format!("{}: {error}", path.display())))?;
        }
        Ok(format!("follows {} files that match {}", found.len(), self.paths.join(", ")))
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        self.find()?;
        Ok(Box::new(Follower {
            config: self.clone(),
            first: context.positions.is_empty(),
            known: context
                .positions
                .iter()
                .filter_map(|(_, position)| serde_json::from_str::<Place>(position.text()).ok())
                .map(|place| (place.file.clone(), place))
                .collect(),
            clock: context.clock,
            files: BTreeMap::new(),
            news: Vec::new(),
            looked: None,
            ready: false,
            ticket: 0,
            turn: 0,
            paused: false,
        }))
    }
}

struct Follower {
    config: FollowConfig,
    /// No checkpoint yet: the configuration says where files begin.
    first: bool,
    /// Where the checkpoint stands, by identity. Each counts once: a file that comes later may have the identity of
    /// one that is gone.
    known: BTreeMap<String, Place>,
    clock: Clock,
    /// By identity.
    files: BTreeMap<String, Followed>,
    /// What is to be told, last first.
    news: Vec<Event>,
    looked: Option<i64>,
    ready: bool,
    ticket: Ticket,
    turn: usize,
    paused: bool,
}

#[cfg(unix)]
fn identity(_: &Path, metadata: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(path: &Path, _: &Metadata) -> String {
    path.display().to_string()
}

impl Follower {
    /// Looks for files that have come, gone, or been renamed.
    fn look(&mut self) -> Result<(), TransportError> {
        let now = (self.clock)();
        if self.looked.is_some_and(|looked| now - looked < LOOK_EVERY) {
            return Ok(());
        }
        self.looked = Some(now);
        let mut here = BTreeMap::new();
        for path in self.config.find()? {
            if let Ok(metadata) = fs::metadata(&path) {
                here.entry(identity(&path, &metadata)).or_insert(path);
            }
        }
        for (id, followed) in &mut self.files {
            followed.find(here.get(id), id);
        }
        for (id, path) in here {
            // what has its name is read to its end first
            let shown = path.to_string_lossy();
            let is_next = |other: &Followed| other.next.is_some() && *other.partition == *shown;
            if self.files.contains_key(&id) || self.files.values().any(is_next) {
                continue;
            }
            if self.files.len() >= FOLLOWED_FILES {
                let message = format!("more than {FOLLOWED_FILES} files match; {} waits", path.display());
                self.news.insert(0, Event::Note(Note { cause: "too_many_files", count: 1, message }));
                break;
            }
            self.begin(id, &path);
        }
        if !self.ready {
            self.ready = true;
            self.first = false;
            self.news.insert(0, Event::Ready);
        }
        Ok(())
    }

    fn begin(&mut self, id: String, path: &Path) {
        let shown = path.to_string_lossy();
        let opened = File::open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
        let (mut file, metadata) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let message = format!("{shown}: {error}; trying again");
                self.news.insert(0, Event::Note(Note { cause: "retrying", count: 1, message }));
                return;
            }
        };
        let mut place = self.place(&id, &metadata);
        if place.offset > metadata.len() {
            place = Place { file: id.clone(), offset: 0, line: 0 };
        }
        if file.seek(SeekFrom::Start(place.offset)).is_err() {
            return;
        }
        let partition = self.free_name(&shown, &id);
        let position = Some(position_of(&place));
        self.news.insert(0, Event::Opened { partition: Arc::clone(&partition), position });
        let followed = Followed {
            partition,
            file: BufReader::with_capacity(1 << 16, file),
            place,
            path: path.to_owned(),
            is_gone: false,
            next: None,
            quiet: None,
            told: (self.clock)(),
        };
        self.files.insert(id, followed);
    }

    /// What a partition is called: as its file, unless another is called so.
    fn free_name(&self, name: &str, id: &str) -> Arc<str> {
        match self.files.values().any(|other| *other.partition == *name) {
            true => format!("{name}#{id}").into(),
            false => name.into(),
        }
    }

    /// A file that has been read to its end is a partition of another name from now on.
    fn rename(&mut self, id: &str, name: &str) -> Option<Event> {
        let renamed = self.free_name(name, id);
        let followed = self.files.get_mut(id)?;
        let partition = std::mem::replace(&mut followed.partition, Arc::clone(&renamed));
        let position = Some(position_of(&followed.place));
        self.news.insert(0, Event::Opened { partition: renamed, position });
        Some(Event::Closed { partition })
    }

    /// Where reading of a file begins: where the checkpoint says, under whatever name it was then.
    fn place(&mut self, id: &str, metadata: &Metadata) -> Place {
        if let Some(place) = self.known.remove(id) {
            return place;
        }
        let at_the_end = self.first && !self.ready && !self.config.from_start;
        Place { file: id.to_owned(), offset: if at_the_end { metadata.len() } else { 0 }, line: 0 }
    }

    /// Reads from one file after the other.
    fn read(&mut self) -> Option<Event> {
        let ids: Vec<String> = self.files.keys().cloned().collect();
        let leaving = self.files.values().filter(|followed| followed.next.is_some());
        let leaving: Vec<Arc<str>> = leaving.map(|followed| Arc::clone(&followed.partition)).collect();
        for step in 0..ids.len() {
            let at = (self.turn + step) % ids.len();
            let Some(id) = ids.get(at) else { continue };
            let Some(followed) = self.files.get_mut(id) else { continue };
            if let Some(note) = followed.cut() {
                return Some(Event::Note(note));
            }
            let now = (self.clock)();
            match followed.lines(now) {
                Ok(messages) if !messages.is_empty() => {
                    self.turn = at + 1;
                    self.ticket += 1;
                    return Some(Event::Delivery(Delivery {
                        ticket: self.ticket,
                        partition: Arc::clone(&followed.partition),
                        position: Some(position_of(&followed.place)),
                        source: None,
                        contents: Contents::Messages(messages),
                        frontier: Frontier::InOrder,
                        urgent: false,
                    }));
                }
                Ok(_) if followed.may_be_renamed(&leaving, now) => {
                    let name = followed.next.take()?;
                    return self.rename(id, &name);
                }
                Ok(_) if followed.is_left(now) => {
                    let partition = Arc::clone(&followed.partition);
                    self.files.remove(id);
                    return Some(Event::Closed { partition });
                }
                Ok(_) if now - followed.told >= TELL_EVERY => {
                    followed.told = now;
                    let partition = Arc::clone(&followed.partition);
                    return Some(Event::Reached { partition, frontier: Frontier::CaughtUp { now } });
                }
                Ok(_) => {}
                Err(error) => {
                    let message = format!("{}: {error}; trying again", followed.partition);
                    return Some(Event::Note(Note { cause: "retrying", count: 1, message }));
                }
            }
        }
        None
    }
}

fn position_of(place: &Place) -> Position {
    // texts and numbers: nothing in it can fail
    Position::new(serde_json::to_string(place).unwrap_or_default())
}

impl Followed {
    /// It was found under this path, or no more.
    fn find(&mut self, path: Option<&PathBuf>, id: &str) {
        match path {
            Some(path) if *path == self.path => self.is_gone = false,
            Some(path) => {
                self.path.clone_from(path);
                (self.is_gone, self.quiet) = (false, None);
                self.next = Some(path.to_string_lossy().into_owned());
            }
            None if self.is_gone => {}
            None => {
                (self.is_gone, self.quiet) = (true, None);
                self.next = Some(format!("{}#{id}", self.path.display()));
            }
        }
        self.next.take_if(|next| **next == *self.partition);
    }

    /// Whether its partition gets another name now, where partitions of these names will: one that is about to be free
    /// is waited for, but not for ever, for two files may have taken each other's.
    fn may_be_renamed(&self, leaving: &[Arc<str>], now: i64) -> bool {
        let Some(next) = &self.next else { return false };
        let is_quiet = self.quiet.is_some_and(|(_, since)| now - since >= LOOK_EVERY * 2);
        is_quiet || leaving.iter().all(|name| **name != **next)
    }

    /// Whether it is out of reach and nothing is added to it any more.
    fn is_left(&self, now: i64) -> bool {
        self.is_gone && self.quiet.is_some_and(|(_, since)| now - since >= GONE_PATIENCE)
    }

    /// It has been read to its end, which is here.
    fn rest(&mut self, now: i64) -> std::io::Result<()> {
        let length = self.file.get_ref().metadata()?.len();
        if self.quiet.is_none_or(|(before, _)| before != length) {
            self.quiet = Some((length, now));
        }
        Ok(())
    }

    /// A file that is shorter than what was read of it has been cut: it begins anew.
    fn cut(&mut self) -> Option<Note> {
        let length = self.file.get_ref().metadata().ok()?.len();
        if length >= self.place.offset {
            return None;
        }
        self.place.offset = 0;
        self.place.line = 0;
        self.file.seek(SeekFrom::Start(0)).ok()?;
        let message = format!("{} was cut to {length} bytes; it is read from its beginning", self.partition);
        Some(Note { cause: "file_cut", count: 1, message })
    }

    /// The whole lines that are there. A line that is still being written waits.
    fn lines(&mut self, now: i64) -> std::io::Result<Messages> {
        let mut messages = Messages::new(OriginBase::File { path: Arc::clone(&self.partition) });
        let mut line = Vec::new();
        while messages.len() < LIVE_PIECE_MESSAGES && messages.bytes() < LIVE_PIECE_BYTES {
            line.clear();
            let limit = MAX_EVENT_BYTES as u64 + 1;
            let read = std::io::Read::take(&mut self.file, limit).read_until(b'\n', &mut line)?;
            let whole = line.ends_with(b"\n") || read as u64 == limit;
            // what a file ends with when nobody writes to it any more is a line too
            if read == 0 || !(whole || self.is_left(now)) {
                self.file.seek(SeekFrom::Start(self.place.offset))?;
                self.rest(now)?;
                break;
            }
            self.place.offset += read as u64;
            self.place.line += 1;
            if !line.trim_ascii().is_empty() {
                messages.push(self.place.line, now, &line);
            }
        }
        Ok(messages)
    }
}

impl LiveTransport for Follower {
    fn poll(&mut self, wait: Duration) -> Result<Option<Event>, TransportError> {
        let until = Instant::now() + wait;
        loop {
            self.look()?;
            if let Some(event) = self.news.pop() {
                return Ok(Some(event));
            }
            if !self.paused
                && let Some(event) = self.read()
            {
                return Ok(Some(event));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    fn acknowledge(&mut self, _: Ticket, _: &Positions) {}

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
    }

    fn lag(&self) -> Vec<PartitionLag> {
        let unread = |followed: &Followed| {
            let length = followed.file.get_ref().metadata().ok()?.len();
            length.checked_sub(followed.place.offset)
        };
        let lag = |followed: &Followed| PartitionLag {
            partition: Arc::clone(&followed.partition),
            records: None,
            bytes: unread(followed),
            oldest: None,
        };
        self.files.values().map(lag).collect()
    }

    fn close(self: Box<Self>) {}
}

#[cfg(test)]
mod tests;
