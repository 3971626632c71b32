//! Which objects have been read: each once, and a blob that grows from where it stood.
//!
//! In: objects in the order of their delivery, each with a number. Out: what is known of an object. An entry
//! is written before its object is delivered; the checkpoint's position, a number, says up to where entries
//! count. So the checkpoint alone decides, in one write, and whatever died in between is read again:
//!
//! ```text
//! entry 7 ─▶ delivery 7 ─▶ checkpoint "8"            restart with "8": entries 0–7 count
//!                                                    restart with "5": entries 5–7 are thrown away
//! ```
//!
//! Entries hold hashes, not keys: 80 bytes an object.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::limits::{LEDGER_AGE, LEDGER_ENTRIES};

type Row = (u64, [u8; 16], u64, i64);

/// Object → number, entity tag, bytes read, time.
const OBJECTS: TableDefinition<'_, [u8; 16], Row> = TableDefinition::new("objects");
/// Number → object.
const NUMBERS: TableDefinition<'_, u64, [u8; 16]> = TableDefinition::new("numbers");
/// Until when a listing has found everything.
const LISTED: TableDefinition<'_, (), i64> = TableDefinition::new("listed");

/// What is known of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The number of its last delivery.
    pub number: u64,
    /// Bytes that have been read.
    pub size: u64,
    /// Whether it is the same version.
    pub same: bool,
}

/// One delivery.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its number.
    pub number: u64,
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The entity tag, without quotes.
    pub etag: &'a str,
    /// Bytes of the object.
    pub size: u64,
    /// When it was delivered.
    pub time: i64,
}

/// The ledger of one input.
pub struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// None where the last who worked on it has failed.
    database: Option<Database>,
    /// From this number on entries are still to be thrown away: the checkpoint does not hold them.
    beyond: Option<u64>,
}

fn hash(parts: &[&str]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut short = [0; 16];
    hasher.finalize_xof().fill(&mut short);
    short
}

type Worked<T> = Result<T, redb::Error>;

impl Ledger {
    /// Opens the ledger in a folder, and throws away what the checkpoint does not hold. A disk that is full is waited
    /// for by whoever asks the ledger, now as later.
    ///
    /// # Errors
    /// What no waiting mends: it is damaged, or may not be written.
    pub fn open(folder: &Path, next: u64) -> Result<Self, String> {
        let state = State { database: None, beyond: Some(next) };
        let ledger = Self { path: folder.join("objects.redb"), state: Mutex::new(state) };
        match ledger.try_work(|_| Ok(())) {
            Err(redb::Error::Io(error)) if is_full(&error) => Ok(ledger),
            opened => opened.map(|()| ledger).map_err(|error| said(&error)),
        }
    }

    /// Works on the database. One that has failed (a full disk) serves nothing more: it is let go and opened anew by
    /// the next who asks, with what was written down before.
    fn try_work<T>(&self, what: impl FnOnce(&Database) -> Worked<T>) -> Worked<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match state.database.take() {
            Some(database) => database,
            None => Database::create(&self.path)?,
        };
        if let Some(next) = state.beyond {
            throw_away(&database, next)?;
            state.beyond = None;
        }
        let done = what(&database)?;
        state.database = Some(database);
        Ok(done)
    }

    /// The same, with the error in words.
    fn work<T>(&self, what: impl FnOnce(&Database) -> Worked<T>) -> Result<T, String> {
        self.try_work(what).map_err(|error| said(&error))
    }

    /// What is known of an object.
    pub fn look_up(&self, bucket: &str, key: &str, etag: &str) -> Result<Option<Known>, String> {
        self.work(|database| {
            let objects = database.begin_read()?.open_table(OBJECTS)?;
            Ok(objects.get(hash(&[bucket, key]))?.map(|row| {
                let (number, known_etag, size, _) = row.value();
                Known { number, size, same: known_etag == hash(&[etag]) }
            }))
        })
    }

    /// Writes deliveries down, before they are made.
    pub fn write_down(&self, entries: &[Entry<'_>]) -> Result<(), String> {
        self.work(|database| write_down(database, entries))
    }

    /// Forgets what is so old that nobody tells of it again, and the oldest where there are too many.
    pub fn forget(&self, now: i64) -> Result<u64, String> {
        let before = now.saturating_sub(LEDGER_AGE.as_micros() as i64);
        self.work(|database| forget(database, before))
    }

    /// Until when a listing has found everything.
    pub fn listed(&self) -> Result<Option<i64>, String> {
        self.work(|database| {
            let listed = database.begin_read()?.open_table(LISTED)?;
            Ok(listed.get(())?.map(|time| time.value()))
        })
    }

    /// A listing has found everything until this time, and it is behind a checkpoint.
    pub fn set_listed(&self, time: i64) -> Result<(), String> {
        self.work(|database| {
            let write = database.begin_write()?;
            write.open_table(LISTED)?.insert((), time)?;
            Ok(write.commit()?)
        })
    }
}

fn said(error: &redb::Error) -> String {
    format!("the ledger of objects: {error}")
}

/// Whether the disk has no room, which passes.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn throw_away(database: &Database, next: u64) -> Worked<()> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut numbers = write.open_table(NUMBERS)?;
        write.open_table(LISTED)?;
        let beyond: Vec<u64> = numbers
            .range(next..)?
            .map(|entry| entry.map(|(number, _)| number.value()))
            .collect::<Result<_, _>>()?;
        for number in beyond {
            let object = numbers.remove(number)?.map(|object| object.value());
            if let Some(object) = object {
                objects.remove(object)?;
            }
        }
    }
    Ok(write.commit()?)
}

fn write_down(database: &Database, entries: &[Entry<'_>]) -> Worked<()> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut numbers = write.open_table(NUMBERS)?;
        for entry in entries {
            let object = hash(&[entry.bucket, entry.key]);
            let row = (entry.number, hash(&[entry.etag]), entry.size, entry.time);
            let former = objects.insert(object, row)?.map(|row| row.value().0);
            if let Some(former) = former {
                numbers.remove(former)?;
            }
            numbers.insert(entry.number, object)?;
        }
    }
    Ok(write.commit()?)
}

fn forget(database: &Database, before: i64) -> Worked<u64> {
    let write = database.begin_write()?;
    let mut forgotten = 0;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut numbers = write.open_table(NUMBERS)?;
        loop {
            let oldest = numbers.first()?.map(|(number, object)| (number.value(), object.value()));
            let Some((number, object)) = oldest else { break };
            let time = objects.get(object)?.map(|row| row.value().3);
            if time.is_some_and(|time| time >= before) && objects.len()? <= LEDGER_ENTRIES {
                break;
            }
            numbers.remove(number)?;
            objects.remove(object)?;
            forgotten += 1;
        }
    }
    write.commit()?;
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, key: &'static str, etag: &'static str, time: i64) -> Entry<'static> {
        Entry { number, bucket: "b", key, etag, size: 10 * (number + 1), time }
    }

    #[test]
    fn the_checkpoint_alone_decides_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let now = 100 * 86_400_000_000;
        let ledger = Ledger::open(folder.path(), 0).unwrap();
        ledger.write_down(&[entry(0, "k0", "e", now), entry(1, "k1", "e", now)]).unwrap();
        ledger.write_down(&[entry(2, "k0", "f", now)]).unwrap();
        assert_eq!(ledger.look_up("b", "k0", "f").unwrap(), Some(Known { number: 2, size: 30, same: true }));
        assert_eq!(ledger.look_up("b", "k0", "e").unwrap(), Some(Known { number: 2, size: 30, same: false }));
        assert_eq!(ledger.look_up("c", "k0", "e").unwrap(), None);
        drop(ledger);
        // the checkpoint holds only 0 and 1: the second version of k0 is to be read again
        let ledger = Ledger::open(folder.path(), 2).unwrap();
        assert_eq!(ledger.look_up("b", "k0", "f").unwrap(), None);
        assert_eq!(ledger.look_up("b", "k1", "e").unwrap(), Some(Known { number: 1, size: 20, same: true }));
        assert_eq!(ledger.listed().unwrap(), None);
        ledger.set_listed(7).unwrap();
        assert_eq!(ledger.listed().unwrap(), Some(7));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), 0).unwrap();
        let now = 100 * 86_400_000_000;
        ledger.write_down(&[entry(0, "old", "e", 0), entry(1, "new", "e", now)]).unwrap();
        assert_eq!(ledger.forget(now).unwrap(), 1);
        assert_eq!(ledger.look_up("b", "old", "e").unwrap(), None);
        assert!(ledger.look_up("b", "new", "e").unwrap().is_some());
    }
}
