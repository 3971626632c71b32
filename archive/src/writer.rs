//! Writes events into files, and the files into the table.
//!
//! In: batches of any source, as they come. Out: files of one source and hour each, sorted, and one commit
//! for all of them. Events wait in memory until there are enough for a row group, or until all that wait take
//! too much memory. Sorting and packing go on beside the reading, and so does sending files to the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::task::JoinSet;
use virga_engine::event::EventBatch;

use crate::commit::{Looked, Why};
use crate::error::ArchiveError;
use crate::file;
use crate::layout::{Layout, ROW_GROUP};
use crate::limits::{MAX_AT_WORK, MAX_PUTTING, MAX_RAW, MAX_WAITING};
use crate::rows::{Packer, Rows, Texts, order};
use crate::table::{Archive, Partition, Uncommitted};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: usize,
    /// Events.
    pub rows: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Events that came before in the same run, and are kept once.
    pub duplicates: usize,
    /// Events of files that are part of the archive already, to the byte: they are not written again.
    pub present: usize,
}

/// Events of one partition that wait.
#[derive(Default)]
struct Waiting {
    parts: Vec<Rows>,
    rows: usize,
    bytes: usize,
    /// Bytes of the events' texts once they are unpacked.
    raw: usize,
}

/// Writes events into an archive.
pub struct EventWriter {
    /// By source.
    layouts: HashMap<String, Layout>,
    waiting: BTreeMap<Partition, Waiting>,
    waiting_bytes: usize,
    packer: Packer,
    at_work: JoinSet<Result<Packed, ArchiveError>>,
    putting: JoinSet<Result<Uncommitted, ArchiveError>>,
    done: Vec<Uncommitted>,
    /// Files of the archive when the first of ours was ready.
    there: Option<HashSet<String>>,
    written: Written,
}

/// A file that is packed.
pub(crate) struct Packed {
    pub file: Uncommitted,
    pub bytes: Vec<u8>,
    pub duplicates: usize,
}

impl EventWriter {
    /// For sources with these layouts.
    pub fn new(layouts: impl IntoIterator<Item = (String, Layout)>) -> Self {
        Self {
            layouts: layouts.into_iter().collect(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            packer: Packer::default(),
            at_work: JoinSet::new(),
            putting: JoinSet::new(),
            done: Vec::new(),
            there: None,
            written: Written::default(),
        }
    }

    /// Takes a batch, which was made for the layout's projection.
    ///
    /// # Errors
    /// Where files cannot be written. What was taken before is lost with the writer, for it is not committed.
    pub async fn push(&mut self, archive: &Archive, batch: &EventBatch) -> Result<(), ArchiveError> {
        let mut by_partition: BTreeMap<Partition, Vec<u32>> = BTreeMap::new();
        for (row, time) in batch.times().values().iter().enumerate() {
            by_partition.entry(Partition::of(batch.source(), *time)).or_default().push(row as u32);
        }
        for (partition, rows) in by_partition {
            let mut rows = rows.as_slice();
            while !rows.is_empty() {
                let waiting = self.waiting.entry(partition.clone()).or_default();
                // a file has one row group: a second of a few rows would cost what a whole one does
                let (now, later) = rows.split_at(rows.len().min(ROW_GROUP - waiting.rows));
                rows = later;
                let now = Rows::of(batch, now, &mut self.packer)?;
                waiting.rows += now.len();
                waiting.raw += now.raw.text_bytes();
                waiting.bytes += now.bytes();
                self.waiting_bytes += now.bytes();
                waiting.parts.push(now);
                if waiting.rows >= ROW_GROUP || waiting.raw >= MAX_RAW {
                    self.write(archive, &partition).await?;
                }
            }
        }
        while self.waiting_bytes > MAX_WAITING {
            let largest = self.waiting.iter().max_by_key(|(_, waiting)| waiting.bytes);
            let Some(largest) = largest.map(|(partition, _)| partition.clone()) else { break };
            self.write(archive, &largest).await?;
        }
        Ok(())
    }

    /// Writes what waits of a partition, as soon as there is room to work.
    async fn write(&mut self, archive: &Archive, partition: &Partition) -> Result<(), ArchiveError> {
        while self.at_work.len() >= MAX_AT_WORK {
            self.one_packed(archive).await?;
        }
        let Some(waiting) = self.waiting.remove(partition) else { return Ok(()) };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.bytes);
        let layout = self.layouts.get(&partition.source).cloned().ok_or_else(|| {
            ArchiveError::new("writing events", format!("there is no layout for {}", partition.source))
        })?;
        let partition = partition.clone();
        self.at_work.spawn_blocking(move || pack(&partition, &layout, waiting.parts));
        Ok(())
    }

    /// Waits for a file to be packed, and sends it on its way.
    async fn one_packed(&mut self, archive: &Archive) -> Result<(), ArchiveError> {
        let Some(packed) = self.at_work.join_next().await else { return Ok(()) };
        let Packed { file, bytes, duplicates } = packed.map_err(ArchiveError::at("packing a file"))??;
        self.written.duplicates += duplicates;
        if self.there.is_none() {
            self.there = Some(archive.paths().await?);
        }
        let known = |path: &str| self.there.as_ref().is_some_and(|there| there.contains(path));
        if known(&file.path) || self.done.iter().any(|done| done.path == file.path) {
            self.written.present += file.stats.rows;
            return Ok(());
        }
        while self.putting.len() >= MAX_PUTTING {
            self.one_put().await?;
        }
        let store: Arc<dyn ObjectStore> = archive.events.object_store();
        let doing = format!("writing {} of {}", file.path, archive.location());
        self.putting.spawn(async move {
            let payload = Bytes::from(bytes).into();
            store.put(&Path::from(file.path.as_str()), payload).await.map_err(ArchiveError::at(doing))?;
            Ok(file)
        });
        Ok(())
    }

    async fn one_put(&mut self) -> Result<(), ArchiveError> {
        if let Some(put) = self.putting.join_next().await {
            self.done.push(put.map_err(ArchiveError::at("writing a file"))??);
        }
        Ok(())
    }

    /// Writes what still waits, and makes all files part of the archive at once.
    ///
    /// # Errors
    /// Where it cannot be written or committed; the archive is as it was then.
    pub async fn commit(mut self, archive: &mut Archive) -> Result<Written, ArchiveError> {
        self.seal(archive).await?;
        self.publish_as(archive, Looked::Looks).await
    }

    /// Writes what still waits: all files are in the store, and none is part of the archive yet.
    ///
    /// # Errors
    /// Where they cannot be written. What was taken is lost with the writer, for it is not committed.
    pub async fn seal(&mut self, archive: &Archive) -> Result<(), ArchiveError> {
        for partition in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.write(archive, &partition).await?;
        }
        while !self.at_work.is_empty() {
            self.one_packed(archive).await?;
        }
        while !self.putting.is_empty() {
            self.one_put().await?;
        }
        self.done.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// Makes all files that are sealed part of the archive at once. May be called again where it has failed.
    ///
    /// # Errors
    /// Where it cannot be committed; the archive is as it was then.
    pub async fn publish(&self, archive: &mut Archive) -> Result<Written, ArchiveError> {
        // a process that adds to an hour every few seconds would read all ids of the hour each time
        self.publish_as(archive, Looked::Not).await
    }

    async fn publish_as(&self, archive: &mut Archive, looked: Looked<'_>) -> Result<Written, ArchiveError> {
        archive.commit(&self.done, &[], Why::Import, looked).await?;
        Ok(Written {
            files: self.done.len(),
            rows: self.done.iter().map(|file| file.stats.rows).sum(),
            bytes: self.done.iter().map(|file| file.size).sum(),
            ..self.written
        })
    }
}

/// Sorts rows and packs them into a file. Its name is a hash of what is in it: the same events written twice
/// are one file.
pub(crate) fn pack(
    partition: &Partition,
    layout: &Layout,
    mut parts: Vec<Rows>,
) -> Result<Packed, ArchiveError> {
    let mut texts = Texts::taken_from(&mut parts);
    let (order, duplicates) = order(&parts, &mut texts, layout)?;
    let (bytes, stats) = file::write(parts, texts, &order, layout)?;
    let hash = blake3::hash(&bytes).to_hex();
    let name = hash.get(..32).unwrap_or_default();
    let path = format!("{}/{name}.parquet", partition.folder());
    let file = Uncommitted { path, partition: partition.clone(), size: bytes.len() as u64, stats };
    Ok(Packed { file, bytes, duplicates })
}
