//! One file that is followed: its lines, its name, its end.
//!
//! In: an open file and where it stands. Out: the whole lines that are there, and whether it is cut, quiet, or called
//! otherwise now.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use virga_engine::event::OriginBase;

use super::LOOK_EVERY;
use super::place::{Place, hash_of};
use super::trouble::Trouble;
use crate::decode::is_packed;
use crate::limits::{FOLLOWED_HEAD, LIVE_PIECE_BYTES, LIVE_PIECE_MESSAGES, MAX_EVENT_BYTES};
use crate::transport::live::{Messages, Note, Ticket};

/// How long nothing is added to a file that is out of reach until it is left.
const GONE_PATIENCE: i64 = 5_000_000;

/// A checkpoint is waited for that has not been told of yet.
pub(super) const UNTOLD: Ticket = Ticket::MAX;

/// A file that is followed.
pub(super) struct Followed {
    pub(super) partition: Arc<str>,
    pub(super) file: BufReader<File>,
    pub(super) place: Place,
    /// What has been read of its beginning, as far as a place tells of it.
    pub(super) head: Vec<u8>,
    /// It cannot be read now.
    pub(super) trouble: Option<Trouble>,
    /// What failed may have left it in the middle of a line.
    pub(super) is_astray: bool,
    /// It begins as packed files do.
    pub(super) is_packed: bool,
    /// Where it was found last.
    pub(super) path: PathBuf,
    /// No wildcard reaches it any more.
    pub(super) is_gone: bool,
    /// What its partition is called from when it has been read to its end: its name is another's now.
    pub(super) next: Option<String>,
    /// Lines have been read of it under its name.
    pub(super) has_given: bool,
    /// What is waited for before more is read of it: a checkpoint that has its place.
    pub(super) placed: Option<Ticket>,
    /// Its length at its end, and since when it is that.
    pub(super) quiet: Option<(u64, i64)>,
    pub(super) told: i64,
}

impl Followed {
    /// It was found under this path, or no more.
    pub(super) fn find(&mut self, path: Option<&PathBuf>, id: &str) {
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
    pub(super) fn may_be_renamed(&self, leaving: &[Arc<str>], now: i64) -> bool {
        let Some(next) = &self.next else { return false };
        let is_quiet = self.quiet.is_some_and(|(_, since)| now - since >= LOOK_EVERY * 2);
        is_quiet || leaving.iter().all(|name| **name != **next)
    }

    /// Whether it is out of reach and cannot be read either.
    pub(super) fn is_lost(&self) -> bool {
        self.is_gone && self.trouble.is_some()
    }

    /// Whether it is out of reach and nothing is added to it any more.
    pub(super) fn is_left(&self, now: i64) -> bool {
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
    pub(super) fn cut(&mut self) -> Option<Note> {
        let length = self.file.get_ref().metadata().ok()?.len();
        if length >= self.place.offset {
            return None;
        }
        self.place.before = self.place.files(self.has_given);
        // also where nothing was given under its name: a checkpoint may have the place that it was read to
        self.placed = Some(UNTOLD);
        self.has_given = false;
        self.place.offset = 0;
        self.place.line = 0;
        self.place.head = None;
        self.head.clear();
        self.file.seek(SeekFrom::Start(0)).ok()?;
        let message = format!("{} was cut to {length} bytes; it is read from its beginning", self.partition);
        Some(Note { cause: "file_cut", count: 1, message })
    }

    /// The whole lines that are there. A line that is still being written waits. What was read before a failure counts:
    /// it is met again when reading goes on from there.
    pub(super) fn lines(&mut self, now: i64) -> std::io::Result<Messages> {
        let mut messages = Messages::new(OriginBase::File { path: Arc::clone(&self.partition) });
        let filled = self.fill(&mut messages, now);
        self.is_astray = filled.is_err();
        if self.place.head.is_none() && !self.head.is_empty() {
            self.place.head = Some(hash_of(&self.head));
        }
        match filled {
            Err(error) if messages.is_empty() => Err(error),
            _ => Ok(messages),
        }
    }

    fn fill(&mut self, messages: &mut Messages, now: i64) -> std::io::Result<()> {
        if self.is_astray {
            self.rewind()?;
        }
        let mut line = Vec::new();
        while messages.len() < LIVE_PIECE_MESSAGES && messages.bytes() < LIVE_PIECE_BYTES {
            line.clear();
            let limit = MAX_EVENT_BYTES as u64 + 1;
            let read = self.file.by_ref().take(limit).read_until(b'\n', &mut line)?;
            let whole = line.ends_with(b"\n") || read as u64 == limit;
            // what a file ends with when nobody writes to it any more is a line too
            if read == 0 || !(whole || self.is_left(now)) {
                self.rewind()?;
                return self.rest(now);
            }
            if self.place.offset == 0 && is_packed(&line) {
                self.is_packed = true;
                return Ok(());
            }
            self.take(&line);
            if !line.trim_ascii().is_empty() {
                messages.push(self.place.number(), now, &line);
            }
        }
        Ok(())
    }

    /// A line has been read.
    fn take(&mut self, line: &[u8]) {
        let wanted = (FOLLOWED_HEAD as usize).saturating_sub(self.head.len());
        if wanted > 0 {
            self.head.extend(line.iter().take(wanted));
            self.place.head = None;
        }
        self.place.offset += line.len() as u64;
        self.place.line += 1;
        self.has_given = true;
    }

    pub(super) fn rewind(&mut self) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(self.place.offset)).map(drop)
    }
}
