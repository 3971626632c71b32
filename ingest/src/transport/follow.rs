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
//! is its path, and a rename is read as a new file. A file may get the inode of one that was deleted: so a place
//! holds a hash of what its file began with, and where another begins otherwise it is a new file.
//!
//! An event without an id of its own is known by its path and the number of its line. A path is that of one file after
//! the other, and each begins with a first line. So the lines of the first file of a name are numbered from 1, those of
//! the second from [`crate::limits::FILE_NUMBERS`] + 1, and so on: which file of its name one is stands in its place. What was read of
//! the file before may be more than the checkpoint knows, and its numbers are far from those of the next all the same;
//! but the next one's place must be in a checkpoint before anything is read of it. Names without a file are remembered
//! in the checkpoint too: `names`.
//!
//! What cannot be opened or read now is tried again, each file by itself, with growing pauses.
//!
//! A file that is packed has no lines. Wildcards reach such files where old ones are packed (`app.log.2.gz`), and what
//! is in them was read when it was text: they are left, and it is said.

mod config;
mod file;
mod names;
mod place;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use virga_engine::event::OriginBase;

pub use self::config::FollowConfig;
use self::config::Found;
use self::file::{Followed, UNTOLD};
use self::names::{NAMES, Names};
use self::place::{Known, Place, hash_of};
use self::trouble::Trouble;
use super::live::{
    Clock, Contents, Delivery, Event, Frontier, LiveConfig, LiveTransport, Messages, Note, OpenContext,
    PartitionLag, Ticket, TransportError,
};
use crate::limits::{FOLLOWED_FILES, FOLLOWED_HEAD};
use crate::position::Positions;

/// How often new files are looked for; as all lengths of time here in microseconds, by the clock that is given.
const LOOK_EVERY: i64 = 500_000;

/// How often it is told of a file that it has been read to its end.
const TELL_EVERY: i64 = 1_000_000;

impl LiveConfig for FollowConfig {
    fn check(&self, _: &OpenContext) -> Result<String, TransportError> {
        self.prove()?;
        let found = self.find()?;
        let at = |path: &Path, error: &dyn std::fmt::Display| {
            TransportError::new(format!("{}: {error}", path.display()))
        };
        if let Some((path, error)) = found.unseen.first_key_value() {
            return Err(at(path, error));
        }
        for path in &found.files {
            File::open(path).map_err(|error| at(path, &error))?;
        }
        Ok(format!("follows {} files that match {}", found.files.len(), self.paths.join(", ")))
    }

    fn open(&self, context: OpenContext) -> Result<Box<dyn LiveTransport>, TransportError> {
        self.prove()?;
        Ok(Box::new(self.follower(context)))
    }
}

impl FollowConfig {
    fn follower(&self, context: OpenContext) -> Follower {
        Follower {
            config: self.clone(),
            first: !context.known,
            placed: None,
            known: context
                .positions
                .iter()
                .filter_map(|(partition, position)| {
                    let place = serde_json::from_str::<Place>(position.text()).ok()?;
                    Some((place.file.clone(), Known { partition: partition.into(), place }))
                })
                .collect(),
            named: context
                .positions
                .iter()
                .filter(|(partition, _)| *partition != NAMES)
                .map(|(partition, _)| partition.into())
                .collect(),
            names: Names::of(context.positions.get(NAMES)),
            names_told: false,
            names_at: None,
            unopened: BTreeMap::new(),
            packed: BTreeMap::new(),
            unseen: BTreeMap::new(),
            is_full: false,
            clock: context.clock,
            files: BTreeMap::new(),
            news: Vec::new(),
            looked: None,
            ready: false,
            ticket: 0,
            turn: 0,
            paused: false,
        }
    }
}

/// Length and time of the last change of a file.
type Likeness = (u64, Option<SystemTime>);

fn likeness(metadata: &Metadata) -> Likeness {
    (metadata.len(), metadata.modified().ok())
}

struct Follower {
    config: FollowConfig,
    /// No checkpoint knows the input yet: the configuration says where files begin.
    first: bool,
    /// What is waited for before anything is read: until a checkpoint has where files were passed over, a process that
    /// is killed would pass over more of them.
    placed: Option<Ticket>,
    /// Where the checkpoint stands, by identity. Each counts once: a file that comes later may have the identity of
    /// one that is gone.
    known: BTreeMap<String, Known>,
    /// What partitions are called in the checkpoint, until the first look has told which are no more.
    named: BTreeSet<Arc<str>>,
    /// Names without a file that had one.
    names: Names,
    /// Their partition takes part, and since when nothing has been told of it.
    names_told: bool,
    names_at: Option<i64>,
    /// What cannot be opened now, by identity.
    unopened: BTreeMap<String, Trouble>,
    /// What is packed, by identity, and what it was like then: another file may come to the same identity.
    packed: BTreeMap<String, Option<Likeness>>,
    /// What cannot be looked at now, by path.
    unseen: BTreeMap<PathBuf, Trouble>,
    /// More files match than are followed, and it has been told.
    is_full: bool,
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
        let found = self.config.find()?;
        self.see(found, now);
        Ok(())
    }

    fn see(&mut self, found: Found, now: i64) {
        self.tell_unseen(&found, now);
        let mut here = BTreeMap::new();
        for path in &found.files {
            if let Ok(metadata) = fs::metadata(path) {
                here.entry(identity(path, &metadata)).or_insert_with(|| path.clone());
            }
        }
        // what is open and cannot be looked at is not gone
        for (id, followed) in self.files.iter().filter(|(_, followed)| found.may_be(&followed.path)) {
            here.entry(id.clone()).or_insert_with(|| followed.path.clone());
        }
        for (id, followed) in &mut self.files {
            followed.find(here.get(id), id);
        }
        self.unopened.retain(|id, _| here.contains_key(id));
        self.packed.retain(|id, _| here.contains_key(id));
        self.begin_new(&here, now);
        if !self.ready {
            self.leave_lost(&here, &found);
            self.ready = true;
            self.news.insert(0, Event::Ready);
            if std::mem::take(&mut self.first) && !self.config.from_start {
                self.ticket += 1;
                self.placed = Some(self.ticket);
                self.news.insert(0, Event::Placed { ticket: self.ticket });
            }
        }
        self.tell_placed();
    }

    /// Says what cannot be looked at, once, and when it can again.
    fn tell_unseen(&mut self, found: &Found, now: i64) {
        let seen = self.unseen.extract_if(.., |path, _| !found.unseen.contains_key(path));
        for (path, _) in seen {
            let message = format!("{} can be looked at again, or is gone", path.display());
            self.news.insert(0, Event::Note(Note { cause: "served_again", count: 1, message }));
        }
        for (path, error) in &found.unseen {
            let trouble = self.unseen.entry(path.clone()).or_default();
            if !trouble.waits(now) {
                let note = trouble.again(now, &format!("{} cannot be looked at", path.display()), error);
                self.news.insert(0, Event::Note(note));
            }
        }
    }

    /// Begins files that have come, as many as may be open.
    fn begin_new(&mut self, here: &BTreeMap<String, PathBuf>, now: i64) {
        for (id, path) in here {
            // what has its name is read to its end first
            let shown = path.to_string_lossy();
            let is_next = |other: &Followed| other.next.is_some() && *other.partition == *shown;
            if self.files.contains_key(id) || self.files.values().any(is_next) {
                continue;
            }
            if self.unopened.get(id).is_some_and(|trouble| trouble.waits(now))
                || self.is_still_packed(id, path)
            {
                continue;
            }
            if self.files.len() >= FOLLOWED_FILES {
                if !std::mem::replace(&mut self.is_full, true) {
                    let message = format!(
                        "more than {FOLLOWED_FILES} files match; {shown} and what comes behind it waits until one is gone"
                    );
                    self.news.insert(0, Event::Note(Note { cause: "too_many_files", count: 1, message }));
                }
                return;
            }
            match self.begin(id, path) {
                Ok(()) => {
                    self.unopened.remove(id);
                }
                Err(error) => {
                    let trouble = self.unopened.entry(id.clone()).or_default();
                    let note = trouble.again(now, &format!("{shown} cannot be opened"), &error);
                    self.news.insert(0, Event::Note(note));
                }
            }
        }
        self.is_full = false;
    }

    /// What the checkpoint knows and the first look has not found is gone, and so are partitions that are called
    /// otherwise now: a checkpoint would keep them for ever, and a file that comes may have the identity of one. What
    /// cannot be looked at is not gone.
    fn leave_lost(&mut self, here: &BTreeMap<String, PathBuf>, found: &Found) {
        let may_be = |known: &Known| found.may_be(Path::new(&*known.partition));
        let is_lost = |id: &String, known: &mut Known| !here.contains_key(id) && !may_be(known);
        let gone: Vec<Known> = self.known.extract_if(.., is_lost).map(|(_, known)| known).collect();
        for known in gone {
            self.names.remember(&known.partition, known.files());
        }
        if !self.names.is_empty() {
            self.tell_names();
        }
        let mut lost = std::mem::take(&mut self.named);
        let known = self.known.values().map(|known| &known.partition);
        for kept in known.chain(self.files.values().map(|followed| &followed.partition)) {
            lost.remove(kept);
        }
        for partition in lost {
            self.news.insert(0, Event::Closed { partition });
        }
    }

    fn begin(&mut self, id: &str, path: &Path) -> std::io::Result<()> {
        let shown = path.to_string_lossy();
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let (mut place, head) = self.place(id, &metadata, &mut file)?;
        file.seek(SeekFrom::Start(place.offset))?;
        // a place counts once: a file that comes later may have the identity of one that is gone
        let known = self.known.remove(id);
        let partition = self.free_name(&shown, id);
        let goes_on = known.as_ref().is_some_and(|known| known.goes_on(&partition, &place));
        if let Some(known) = known {
            self.tell_of_known(known, &place, &partition, goes_on);
        }
        if !goes_on {
            place.before = self.files_before(&partition);
        }
        let position = Some(place.position());
        self.news.insert(0, Event::Opened { partition: Arc::clone(&partition), position });
        let followed = Followed {
            partition,
            file: BufReader::with_capacity(1 << 16, file),
            has_given: goes_on && place.offset > 0,
            placed: (!goes_on && place.before > 0).then_some(UNTOLD),
            place,
            head,
            trouble: None,
            is_astray: false,
            is_packed: false,
            path: path.to_owned(),
            is_gone: false,
            next: None,
            quiet: None,
            told: (self.clock)(),
        };
        self.files.insert(id.to_owned(), followed);
        Ok(())
    }

    /// How many files have had a name and have given lines under it.
    fn files_before(&self, name: &str) -> u64 {
        let of_name = self.known.values().filter(|known| *known.partition == *name);
        of_name.map(|known| known.files()).fold(self.names.files(name), u64::max)
    }

    /// A name has no file any more: the next one's lines have other numbers.
    fn remember(&mut self, name: &str, files: u64) {
        if self.names.remember(name, files) && self.ready {
            self.tell_names();
        }
    }

    /// Tells the checkpoint of the names without a file. This comes before what closes their partitions.
    fn tell_names(&mut self) {
        let (partition, position) = (Arc::<str>::from(NAMES), Some(self.names.position()));
        if !std::mem::replace(&mut self.names_told, true) {
            return self.news.insert(0, Event::Opened { partition, position });
        }
        self.ticket += 1;
        let base = OriginBase::File { path: Arc::clone(&partition) };
        let delivery = Delivery {
            ticket: self.ticket,
            partition,
            position,
            source: None,
            contents: Contents::Messages(Messages::new(base)),
            frontier: Frontier::CaughtUp { now: (self.clock)() },
            urgent: false,
        };
        self.news.insert(0, Event::Delivery(delivery));
    }

    /// Has what was begun placed: nothing is read of it before a checkpoint has where.
    fn tell_placed(&mut self) {
        let mut untold =
            self.files.values_mut().filter(|followed| followed.placed == Some(UNTOLD)).peekable();
        if untold.peek().is_some() {
            self.ticket += 1;
            untold.for_each(|followed| followed.placed = Some(self.ticket));
            self.news.insert(0, Event::Placed { ticket: self.ticket });
        }
    }

    /// A file is followed no more.
    fn leave(&mut self, id: &str) -> Option<Event> {
        let Followed { partition, place, has_given, .. } = self.files.remove(id)?;
        self.remember(&partition, place.files(has_given));
        self.news.insert(0, Event::Closed { partition });
        self.news.pop()
    }

    /// Whether a file is packed and has not changed since it was found to be.
    fn is_still_packed(&self, id: &str, path: &Path) -> bool {
        let now = || fs::metadata(path).ok().as_ref().map(likeness);
        self.packed.get(id).is_some_and(|before| *before == now())
    }

    /// Says what has become of a place of the checkpoint whose file is begun.
    fn tell_of_known(&mut self, known: Known, place: &Place, partition: &Arc<str>, goes_on: bool) {
        if !goes_on {
            self.remember(&known.partition, known.files());
        }
        if place.offset < known.place.offset {
            let message =
                format!("{partition} does not go on from what was read of it: it is read from its beginning");
            self.news.insert(0, Event::Note(Note { cause: "file_replaced", count: 1, message }));
        }
        let is_free = self.files.values().all(|other| other.partition != known.partition);
        // the first look tells of all by itself
        if self.ready && known.partition != *partition && is_free {
            self.news.insert(0, Event::Closed { partition: known.partition });
        }
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
        let before = self.files_before(&renamed);
        let followed = self.files.get_mut(id)?;
        let files = followed.place.files(followed.has_given);
        let partition = std::mem::replace(&mut followed.partition, Arc::clone(&renamed));
        (followed.place.before, followed.has_given) = (before, false);
        followed.placed = (before > 0).then_some(UNTOLD);
        let position = Some(followed.place.position());
        self.remember(&partition, files);
        self.news.insert(0, Event::Closed { partition });
        self.news.insert(0, Event::Opened { partition: renamed, position });
        self.tell_placed();
        self.news.pop()
    }

    /// A file that was cut begins anew, and its lines have numbers of their own.
    fn begin_anew(&mut self, id: &str, note: Note) -> Option<Event> {
        let followed = self.files.get_mut(id)?;
        let position = Some(followed.place.position());
        let partition = Arc::clone(&followed.partition);
        self.news.insert(0, Event::Note(note));
        self.news.insert(0, Event::Opened { partition, position });
        self.tell_placed();
        self.news.pop()
    }

    /// Where reading of a file begins, and what was there before: where the checkpoint says, under whatever name it was
    /// then, if the file begins as it did.
    fn place(
        &self,
        id: &str,
        metadata: &Metadata,
        file: &mut impl Read,
    ) -> std::io::Result<(Place, Vec<u8>)> {
        let length = metadata.len();
        let born = metadata.created().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let born = born.and_then(|since| i64::try_from(since.as_micros()).ok());
        let new = |offset| Place { file: id.to_owned(), offset, line: 0, head: None, before: 0, born };
        let at_the_end = self.first && !self.ready && !self.config.from_start;
        let place = match self.known.get(id) {
            Some(known) if known.place.offset <= length => known.place.clone(),
            None if at_the_end => new(length),
            _ => new(0),
        };
        let mut head = Vec::new();
        file.take(place.offset.min(FOLLOWED_HEAD)).read_to_end(&mut head)?;
        let hash = hash_of(&head);
        let is_short = (head.len() as u64) < place.offset.min(FOLLOWED_HEAD);
        if is_short || place.head.as_ref().is_some_and(|before| *before != hash) {
            return Ok((new(0), Vec::new()));
        }
        Ok((Place { head: (!head.is_empty()).then_some(hash), born, ..place }, head))
    }

    /// Reads from one file after the other.
    fn read(&mut self) -> Option<Event> {
        if let Some(now) = self.names_are_due() {
            return Some(Event::Reached { partition: NAMES.into(), frontier: Frontier::CaughtUp { now } });
        }
        let ids: Vec<String> = self.files.keys().cloned().collect();
        let leaving = self.files.values().filter(|followed| followed.next.is_some());
        let leaving: Vec<Arc<str>> = leaving.map(|followed| Arc::clone(&followed.partition)).collect();
        for step in 0..ids.len() {
            let at = (self.turn + step) % ids.len();
            let Some(id) = ids.get(at) else { continue };
            let Some(followed) = self.files.get_mut(id) else { continue };
            let now = (self.clock)();
            if followed.is_lost() {
                return self.leave(id);
            }
            if followed.placed.is_some() {
                continue;
            }
            if followed.trouble.as_ref().is_some_and(|trouble| trouble.waits(now)) {
                continue;
            }
            if let Some(note) = followed.cut() {
                return self.begin_anew(id, note);
            }
            let read = followed.lines(now);
            if followed.is_packed {
                return self.leave_packed(id);
            }
            if read.is_ok() && followed.trouble.take().is_some() {
                let message = format!("{} can be read again", followed.partition);
                self.news.insert(0, Event::Note(Note { cause: "served_again", count: 1, message }));
            }
            match read {
                Ok(messages) if !messages.is_empty() => {
                    self.turn = at + 1;
                    self.ticket += 1;
                    return Some(Event::Delivery(Delivery {
                        ticket: self.ticket,
                        partition: Arc::clone(&followed.partition),
                        position: Some(followed.place.position()),
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
                Ok(_) if followed.is_left(now) => return self.leave(id),
                Ok(_) if now - followed.told >= TELL_EVERY => {
                    followed.told = now;
                    let partition = Arc::clone(&followed.partition);
                    return Some(Event::Reached { partition, frontier: Frontier::CaughtUp { now } });
                }
                Ok(_) => {}
                Err(error) => {
                    let trouble = followed.trouble.get_or_insert_default();
                    let what = format!("{} cannot be read", followed.partition);
                    return Some(Event::Note(trouble.again(now, &what, &error)));
                }
            }
        }
        None
    }

    /// Whether it is time to tell that nothing is unread of the names without a file; and the time.
    fn names_are_due(&mut self) -> Option<i64> {
        let now = (self.clock)();
        let due = self.names_told && self.names_at.is_none_or(|told| now - told >= TELL_EVERY);
        due.then(|| *self.names_at.insert(now))
    }

    /// Leaves a file that has turned out to be packed, and says so once.
    fn leave_packed(&mut self, id: &str) -> Option<Event> {
        let followed = self.files.get(id)?;
        let metadata = followed.file.get_ref().metadata().ok();
        if self.packed.insert(id.to_owned(), metadata.as_ref().map(likeness)).is_none() {
            let path = followed.path.display();
            let message = format!("{path} is packed and not read: files are followed while they are text");
            self.news.insert(0, Event::Note(Note { cause: "file_packed", count: 1, message }));
        }
        self.leave(id)
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
                && self.placed.is_none()
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

    fn acknowledge(&mut self, ticket: Ticket, _: &Positions) {
        self.placed.take_if(|placed| *placed <= ticket);
        for followed in self.files.values_mut() {
            followed.placed.take_if(|placed| *placed <= ticket);
        }
    }

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
        };
        self.files.values().map(lag).collect()
    }

    fn close(self: Box<Self>) {}
}

#[cfg(test)]
mod tests;
