//! Which stored events are there twice, until a compaction drops them.
//!
//! In: the files of one hour of a source. Out: the rows that hold an event which an earlier row holds already, for
//! readers to pass over. Two rows are one event where they have the same id and the same record, however it was
//! printed; events that are one have one time, so that they stand in one hour.
//!
//! To look for them takes the ids of the whole hour. Where that was done and nothing was found, the table says so:
//! a file is tagged with the name of the set of files of its hour. Whoever adds or takes away a file makes another
//! set, and what the tag says is then about a set that is not there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use arrow::array::StringArray;
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::arrow_reader::RowSelection;
use virga_engine::event::record_hash;

use crate::error::ArchiveError;
use crate::layout::{self, BLOCK};
use crate::limits::{MAX_AHEAD, MAX_IDS};
use crate::reader::{StoredFile, column, selection_of_rows};
use crate::table::{Archive, Entry};

/// The tag of a file that tells of which set of files it is known that none of its events is there twice.
pub(crate) const APART: &str = "virga.apart";

/// Rows to pass over, by the path of their file, in order and counted from its first.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    rows: HashMap<String, Vec<u32>>,
    /// Bytes that were read to find them.
    pub bytes: u64,
}

impl Repeats {
    /// The rows of a file.
    pub fn of(&self, path: &str) -> &[u32] {
        self.rows.get(path).map_or(&[], Vec::as_slice)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }
}

/// The name of a set of files.
pub(crate) fn set_name<'p>(paths: impl IntoIterator<Item = &'p str>) -> String {
    let mut paths: Vec<&str> = paths.into_iter().collect();
    paths.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        hasher.update(&(path.len() as u64).to_le_bytes()).update(path.as_bytes());
    }
    hasher.finalize().to_hex().get(..32).unwrap_or_default().to_owned()
}

/// Whether it is known that no event of an hour is there twice. `files` are all that it has.
pub(crate) fn is_apart(files: &[Entry]) -> bool {
    if files.len() < 2 {
        // a file holds no event twice
        return true;
    }
    let name = set_name(files.iter().map(|file| file.path.as_str()));
    files.iter().any(|file| file.apart.as_ref() == Some(&name))
}

/// A source and an hour of it.
pub(crate) type Hour = (String, String);

/// Files by their source and hour.
pub(crate) fn by_hour(entries: &[Entry]) -> BTreeMap<Hour, Vec<Entry>> {
    let mut hours: BTreeMap<Hour, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        hours.entry((entry.source.clone(), entry.hour.clone())).or_default().push(entry.clone());
    }
    hours
}

impl Archive {
    /// The rows of one hour of a source to pass over. `files` are all that it has.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub async fn repeats(&self, files: &[Entry]) -> Result<Repeats, ArchiveError> {
        match is_apart(files) {
            true => Ok(Repeats::default()),
            false => self.look_for_repeats(files).await,
        }
    }

    pub(crate) async fn look_for_repeats(&self, files: &[Entry]) -> Result<Repeats, ArchiveError> {
        let mut files: Vec<&Entry> = files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let opening: Vec<_> = files.iter().map(|entry| StoredFile::open(self, entry)).collect();
        let open: Vec<StoredFile> = futures::stream::iter(opening).buffered(MAX_AHEAD).try_collect().await?;
        let mut found =
            Repeats { bytes: open.iter().map(StoredFile::footer_bytes).sum(), ..Repeats::default() };
        let shared = shared_ids(&open, &mut found.bytes).await?;
        if shared.is_empty() {
            return Ok(found);
        }
        // file by file in their order, so that the first stays; of those that may be one, what they are
        let mut seen: HashSet<EventHash> = HashSet::new();
        for file in &open {
            let mut before = 0;
            for group in 0..file.groups() {
                let (ids, read) = file.ids(group, None).await?;
                let rows = ids.iter().enumerate().filter(|(_, id)| shared.binary_search(id).is_ok());
                let rows: Vec<u32> = rows.map(|(row, _)| row as u32).collect();
                let (hashes, also_read) = file.events_as_hashes(group, &rows).await?;
                found.bytes += read + also_read;
                let again = rows.iter().zip(hashes).filter(|(_, hash)| !seen.insert(*hash));
                let again: Vec<u32> = again.map(|(row, _)| before + row).collect();
                if !again.is_empty() {
                    found.rows.entry(file.entry().path.clone()).or_default().extend(again);
                }
                before += u32::try_from(file.rows(group)).unwrap_or(u32::MAX);
            }
        }
        Ok(found)
    }
}

/// The hashes of ids that more rows than one have, in order.
async fn shared_ids(files: &[StoredFile], bytes: &mut u64) -> Result<Vec<u64>, ArchiveError> {
    let rows: usize = files.iter().map(|file| file.entry().rows).sum();
    // an hour of more events is gone through several times, each time for some of the ids
    let rounds = rows.div_ceil(MAX_IDS).max(1) as u64;
    let mut shared = Vec::new();
    for round in 0..rounds {
        let mut all: Vec<u64> = Vec::with_capacity(rows.min(MAX_IDS));
        let mut reading = Vec::new();
        for file in files {
            reading.extend((0..file.groups()).map(|group| file.ids(group, None)));
        }
        let mut groups = futures::stream::iter(reading).buffered(MAX_AHEAD);
        while let Some((ids, read)) = groups.try_next().await? {
            *bytes += read;
            all.extend(ids.into_iter().filter(|id| id % rounds == round));
        }
        all.sort_unstable();
        shared.extend(all.chunk_by(|a, b| a == b).filter(|run| run.len() > 1).filter_map(|run| run.first()));
    }
    shared.sort_unstable();
    Ok(shared)
}

impl StoredFile {
    /// Hashes of the ids of some rows of a row group, in order, or of all. And the bytes that were read.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn ids(&self, group: usize, rows: Option<&[u32]>) -> Result<(Vec<u64>, u64), ArchiveError> {
        let count = self.rows(group);
        let selection = match rows {
            Some(rows) => selection_of_rows(rows, count),
            None => RowSelection::from_consecutive_ranges(std::iter::once(0..count), count),
        };
        let (batch, read) = self.columns(group, &[layout::EVENT_ID.to_owned()], selection).await?;
        let ids: StringArray = column(&batch, layout::EVENT_ID)?;
        Ok((ids.iter().map(|id| id_hash(id.unwrap_or_default())).collect(), read))
    }

    /// Of some rows of a row group, in order, what two have in common that are one event. And the bytes that were
    /// read.
    async fn events_as_hashes(
        &self,
        group: usize,
        rows: &[u32],
    ) -> Result<(Vec<EventHash>, u64), ArchiveError> {
        let names = [layout::EVENT_ID.to_owned(), layout::RAW.to_owned()];
        let (mut hashes, mut bytes) = (Vec::with_capacity(rows.len()), 0);
        // a block at a time, for records are long
        for run in rows.chunk_by(|a, b| *a as usize / BLOCK == *b as usize / BLOCK) {
            let (batch, read) = self.columns(group, &names, selection_of_rows(run, self.rows(group))).await?;
            bytes += read;
            let ids: StringArray = column(&batch, layout::EVENT_ID)?;
            let raw: StringArray = column(&batch, layout::RAW)?;
            let both = ids.iter().zip(&raw);
            hashes.extend(both.map(|(id, raw)| event_hash(id.unwrap_or_default(), raw.unwrap_or_default())));
        }
        Ok((hashes, bytes))
    }
}

/// Pairs of files, by number, that hold an event of the same id.
pub(crate) async fn pairs_alike(files: &[StoredFile]) -> Result<BTreeSet<(usize, usize)>, ArchiveError> {
    let shared = shared_ids(files, &mut 0).await?;
    let (mut first, mut pairs) = (HashMap::new(), BTreeSet::new());
    for (number, file) in files.iter().enumerate().filter(|_| !shared.is_empty()) {
        for group in 0..file.groups() {
            let (ids, _) = file.ids(group, None).await?;
            for id in ids.into_iter().filter(|id| shared.binary_search(id).is_ok()) {
                let first = *first.entry(id).or_insert(number);
                if first != number {
                    pairs.insert((first, number));
                }
            }
        }
    }
    Ok(pairs)
}

fn id_hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What two rows have in common that are one event: their id and their record.
pub(crate) type EventHash = u128;

pub(crate) fn event_hash(id: &str, raw: &str) -> EventHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(id.len() as u64).to_le_bytes()).update(id.as_bytes());
    hasher.update(format!("{:?}", record_hash(raw)).as_bytes());
    let first = hasher.finalize().as_bytes().first_chunk::<16>().copied();
    EventHash::from_le_bytes(first.unwrap_or_default())
}
