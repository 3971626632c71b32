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

use std::path::Path;

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
    database: Database,
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

fn said(error: impl Into<redb::Error>) -> String {
    format!("the ledger of objects: {}", error.into())
}

impl Ledger {
    /// Opens the ledger in a folder, and throws away what the checkpoint does not hold.
    pub fn open(folder: &Path, next: u64) -> Result<Self, String> {
        let database = Database::create(folder.join("objects.redb")).map_err(said)?;
        let ledger = Self { database };
        let write = ledger.database.begin_write().map_err(said)?;
        {
            let mut objects = write.open_table(OBJECTS).map_err(said)?;
            let mut numbers = write.open_table(NUMBERS).map_err(said)?;
            write.open_table(LISTED).map_err(said)?;
            let beyond: Vec<u64> = numbers
                .range(next..)
                .map_err(said)?
                .map(|entry| entry.map(|(number, _)| number.value()).map_err(said))
                .collect::<Result<_, _>>()?;
            for number in beyond {
                let object = numbers.remove(number).map_err(said)?.map(|object| object.value());
                if let Some(object) = object {
                    objects.remove(object).map_err(said)?;
                }
            }
        }
        write.commit().map_err(said)?;
        Ok(ledger)
    }

    /// What is known of an object.
    pub fn look_up(&self, bucket: &str, key: &str, etag: &str) -> Result<Option<Known>, String> {
        let read = self.database.begin_read().map_err(said)?;
        let objects = read.open_table(OBJECTS).map_err(said)?;
        let found = objects.get(hash(&[bucket, key])).map_err(said)?;
        Ok(found.map(|row| {
            let (number, known_etag, size, _) = row.value();
            Known { number, size, same: known_etag == hash(&[etag]) }
        }))
    }

    /// Writes deliveries down, before they are made.
    pub fn write_down(&self, entries: &[Entry<'_>]) -> Result<(), String> {
        let write = self.database.begin_write().map_err(said)?;
        {
            let mut objects = write.open_table(OBJECTS).map_err(said)?;
            let mut numbers = write.open_table(NUMBERS).map_err(said)?;
            for entry in entries {
                let object = hash(&[entry.bucket, entry.key]);
                let row = (entry.number, hash(&[entry.etag]), entry.size, entry.time);
                let former = objects.insert(object, row).map_err(said)?.map(|row| row.value().0);
                if let Some(former) = former {
                    numbers.remove(former).map_err(said)?;
                }
                numbers.insert(entry.number, object).map_err(said)?;
            }
        }
        write.commit().map_err(said)
    }

    /// Forgets what is so old that nobody tells of it again, and the oldest where there are too many.
    pub fn forget(&self, now: i64) -> Result<u64, String> {
        let before = now.saturating_sub(LEDGER_AGE.as_micros() as i64);
        let write = self.database.begin_write().map_err(said)?;
        let mut forgotten = 0;
        {
            let mut objects = write.open_table(OBJECTS).map_err(said)?;
            let mut numbers = write.open_table(NUMBERS).map_err(said)?;
            loop {
                let oldest =
                    numbers.first().map_err(said)?.map(|(number, object)| (number.value(), object.value()));
                let Some((number, object)) = oldest else { break };
                let time = objects.get(object).map_err(said)?.map(|row| row.value().3);
                if time.is_some_and(|time| time >= before) && objects.len().map_err(said)? <= LEDGER_ENTRIES {
                    break;
                }
                numbers.remove(number).map_err(said)?;
                objects.remove(object).map_err(said)?;
                forgotten += 1;
            }
        }
        write.commit().map_err(said)?;
        Ok(forgotten)
    }

    /// Until when a listing has found everything.
    pub fn listed(&self) -> Result<Option<i64>, String> {
        let read = self.database.begin_read().map_err(said)?;
        let listed = read.open_table(LISTED).map_err(said)?;
        Ok(listed.get(()).map_err(said)?.map(|time| time.value()))
    }

    /// A listing has found everything until this time, and it is behind a checkpoint.
    pub fn set_listed(&self, time: i64) -> Result<(), String> {
        let write = self.database.begin_write().map_err(said)?;
        write.open_table(LISTED).map_err(said)?.insert((), time).map_err(said)?;
        write.commit().map_err(said)
    }
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
