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
use parquet::arrow::arrow_reader::RowSelection;
use virga_engine::event::record_hash;

use crate::error::ArchiveError;
use crate::layout::{self, BLOCK};
use crate::limits::MAX_IDS;
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
        let mut open = Vec::with_capacity(files.len());
        for entry in &files {
            open.push(StoredFile::open(self, entry).await?);
        }
        let mut found =
            Repeats { rows: HashMap::new(), bytes: open.iter().map(StoredFile::footer_bytes).sum() };
        let rounds = rounds(files.iter().copied());
        for round in 0..rounds {
            let alike = alike(&open, (round, rounds), &mut found.bytes).await?;
            repeated(&open, alike, &mut found).await?;
        }
        found.rows.values_mut().for_each(|rows| rows.sort_unstable());
        Ok(found)
    }
}

/// A row: the number of its file, its row group, and its row in that.
type Place = (u32, u32, u32);

/// Rows whose ids may be those of rows in other files, each with a number that equal ids share.
async fn alike(
    files: &[StoredFile],
    (round, rounds): (u64, u64),
    bytes: &mut u64,
) -> Result<Vec<(u64, Place)>, ArchiveError> {
    let mut all: Vec<(u64, Place)> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        for group in 0..file.groups() {
            let count = file.rows(group);
            let whole = RowSelection::from_consecutive_ranges(std::iter::once(0..count), count);
            let (batch, read) = file.columns(group, &[layout::EVENT_ID.to_owned()], whole).await?;
            *bytes += read;
            let ids: StringArray = column(&batch, layout::EVENT_ID)?;
            let hashes = ids.iter().map(|id| id_hash(id.unwrap_or_default())).enumerate();
            let own = hashes.filter(|(_, hash)| hash % rounds == round);
            all.extend(own.map(|(row, hash)| (hash, (number as u32, group as u32, row as u32))));
        }
    }
    all.sort_unstable();
    let is_shared = |run: &[(u64, Place)]| run.first().map(|(_, at)| at.0) != run.last().map(|(_, at)| at.0);
    Ok(all.chunk_by(|a, b| a.0 == b.0).filter(|run| is_shared(run)).flatten().copied().collect())
}

/// Pairs of files, by number, that hold an event of the same id.
pub(crate) async fn pairs_alike(files: &[StoredFile]) -> Result<BTreeSet<(usize, usize)>, ArchiveError> {
    let (rounds, mut pairs) = (rounds(files.iter().map(StoredFile::entry)), BTreeSet::new());
    for round in 0..rounds {
        let alike = alike(files, (round, rounds), &mut 0).await?;
        for run in alike.chunk_by(|a, b| a.0 == b.0) {
            let numbers: BTreeSet<usize> = run.iter().map(|(_, place)| place.0 as usize).collect();
            let first = numbers.first().copied().unwrap_or(0);
            pairs.extend(numbers.iter().skip(1).map(|number| (first, *number)));
        }
    }
    Ok(pairs)
}

/// An hour of more events is gone through several times, each time for some of the ids.
fn rounds<'e>(files: impl Iterator<Item = &'e Entry>) -> u64 {
    files.map(|entry| entry.rows).sum::<usize>().div_ceil(MAX_IDS).max(1) as u64
}

/// Of rows with equal ids those whose record an earlier one has too.
async fn repeated(
    files: &[StoredFile],
    mut alike: Vec<(u64, Place)>,
    found: &mut Repeats,
) -> Result<(), ArchiveError> {
    // file by file in their order, so that the first stays; a block at a time, for records are long
    alike.sort_unstable_by_key(|(_, place)| *place);
    let block = |(file, group, row): Place| (file, group, row as usize / BLOCK);
    let mut seen: HashSet<EventHash> = HashSet::new();
    let names = [layout::EVENT_ID.to_owned(), layout::RAW.to_owned()];
    for run in alike.chunk_by(|(_, a), (_, b)| block(*a) == block(*b)) {
        let Some((_, (number, group, _))) = run.first() else { continue };
        let (file, group) = (&files[*number as usize], *group as usize);
        let rows: Vec<u32> = run.iter().map(|(_, (.., row))| *row).collect();
        let (batch, read) = file.columns(group, &names, selection_of_rows(&rows, file.rows(group))).await?;
        found.bytes += read;
        let (ids, raw): (StringArray, StringArray) =
            (column(&batch, layout::EVENT_ID)?, column(&batch, layout::RAW)?);
        let before: usize = (0..group).map(|group| file.rows(group)).sum();
        for (at, row) in rows.iter().enumerate() {
            if !seen.insert(event_hash(ids.value(at), raw.value(at))) {
                let passed = found.rows.entry(file.entry().path.clone()).or_default();
                passed.push(u32::try_from(before).unwrap_or(u32::MAX).saturating_add(*row));
            }
        }
    }
    Ok(())
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
