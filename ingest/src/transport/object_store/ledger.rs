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
//! An entry that takes the place of another, for the blob has grown, keeps it until a checkpoint is behind the new
//! one: thrown away, it gives the place back, and the blob is read on from where it stood then.
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
/// Number → what was known of its object before, for as long as the entry may be thrown away.
const FORMER: TableDefinition<'_, u64, Row> = TableDefinition::new("former");
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

    /// Forgets what is so old that nobody tells of it again, and the oldest where there are too many; and what was
    /// known before entries that the checkpoint holds, which go up to `next`.
    pub fn forget(&self, now: i64, next: u64) -> Result<u64, String> {
        let before = now.saturating_sub(LEDGER_AGE.as_micros() as i64);
        self.work(|database| forget(database, before, next))
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
        let mut former = write.open_table(FORMER)?;
        write.open_table(LISTED)?;
        // the last first: what it gives its place back to may be beyond too
        while let Some((number, object)) = beyond(&numbers, next)? {
            numbers.remove(number)?;
            match former.remove(number)?.map(|row| row.value()) {
                Some(row) => {
                    objects.insert(object, row)?;
                    numbers.insert(row.0, object)?;
                }
                None => {
                    objects.remove(object)?;
                }
            }
        }
        // the checkpoint holds all that is left
        former.retain(|_, _| false)?;
    }
    Ok(write.commit()?)
}

/// The last entry, if the checkpoint does not hold it.
fn beyond(
    numbers: &impl ReadableTable<u64, [u8; 16]>,
    next: u64,
) -> Result<Option<(u64, [u8; 16])>, redb::StorageError> {
    let last = numbers.last()?.map(|(number, object)| (number.value(), object.value()));
    Ok(last.filter(|(number, _)| *number >= next))
}

fn write_down(database: &Database, entries: &[Entry<'_>]) -> Worked<()> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut numbers = write.open_table(NUMBERS)?;
        let mut former = write.open_table(FORMER)?;
        for entry in entries {
            let object = hash(&[entry.bucket, entry.key]);
            let row = (entry.number, hash(&[entry.etag]), entry.size, entry.time);
            let before = objects.insert(object, row)?.map(|row| row.value());
            if let Some(before) = before {
                numbers.remove(before.0)?;
                former.insert(entry.number, before)?;
            }
            numbers.insert(entry.number, object)?;
        }
    }
    Ok(write.commit()?)
}

fn forget(database: &Database, before: i64, next: u64) -> Worked<u64> {
    let write = database.begin_write()?;
    let mut forgotten = 0;
    {
        let mut objects = write.open_table(OBJECTS)?;
        let mut numbers = write.open_table(NUMBERS)?;
        write.open_table(FORMER)?.retain_in(..next, |_, _| false)?;
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
        assert_eq!(ledger.look_up("b", "k0", "f").unwrap(), Some(Known { number: 0, size: 10, same: false }));
        assert_eq!(ledger.look_up("b", "k1", "e").unwrap(), Some(Known { number: 1, size: 20, same: true }));
        assert_eq!(ledger.listed().unwrap(), None);
        ledger.set_listed(7).unwrap();
        assert_eq!(ledger.listed().unwrap(), Some(7));
    }

    /// A blob that grew twice behind the checkpoint is read on from where the checkpoint knows it, and no further.
    #[test]
    fn what_takes_the_place_of_an_entry_gives_it_back_where_the_checkpoint_does_not_hold_it() {
        for (next, known) in [
            (5, Some(Known { number: 4, size: 50, same: false })),
            (4, Some(Known { number: 3, size: 40, same: false })),
            (3, Some(Known { number: 1, size: 20, same: false })),
            (2, Some(Known { number: 1, size: 20, same: false })),
            (1, None),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let ledger = Ledger::open(folder.path(), 0).unwrap();
            for number in [1, 3, 4] {
                ledger
                    .write_down(&[entry(number, "grows", ["", "a", "", "b", "c"][number as usize], 7)])
                    .unwrap();
            }
            ledger.write_down(&[entry(2, "other", "e", 7)]).unwrap();
            drop(ledger);
            let ledger = Ledger::open(folder.path(), next).unwrap();
            assert_eq!(ledger.look_up("b", "grows", "new").unwrap(), known, "{next}");
            assert_eq!(ledger.look_up("b", "other", "e").unwrap().is_some(), next > 2, "{next}");
            // it grows on, and is thrown away once more
            ledger.write_down(&[entry(next, "grows", "new", 7)]).unwrap();
            drop(ledger);
            let ledger = Ledger::open(folder.path(), next).unwrap();
            assert_eq!(ledger.look_up("b", "grows", "new").unwrap(), known, "{next}, again");
        }
    }

    #[test]
    fn what_a_checkpoint_is_behind_gives_no_place_back() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), 0).unwrap();
        for (number, etag) in ["a", "b", "c"].into_iter().enumerate() {
            ledger.write_down(&[entry(number as u64, "grows", etag, 7)]).unwrap();
        }
        let kept = |ledger: &Ledger| {
            ledger.work(|database| Ok(database.begin_read()?.open_table(FORMER)?.len()?)).unwrap()
        };
        assert_eq!(kept(&ledger), 2);
        ledger.forget(7, 2).unwrap();
        assert_eq!(kept(&ledger), 1);
        drop(ledger);
        assert_eq!(kept(&Ledger::open(folder.path(), 3).unwrap()), 0);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), 0).unwrap();
        let now = 100 * 86_400_000_000;
        ledger.write_down(&[entry(0, "old", "e", 0), entry(1, "new", "e", now)]).unwrap();
        assert_eq!(ledger.forget(now, 2).unwrap(), 1);
        assert_eq!(ledger.look_up("b", "old", "e").unwrap(), None);
        assert!(ledger.look_up("b", "new", "e").unwrap().is_some());
    }
}
