//! Writes events into files, and the files into the table.
//!
//! In: batches of any source, as they come. Out: files of one source and hour each, sorted, and one commit
//! for all of them. Events wait in memory until there are enough for a row group, or until all that wait take
//! too much memory. Sorting and packing go on beside the reading.

use std::collections::{BTreeMap, HashMap};

use tokio::task::JoinSet;
use virga_engine::event::EventBatch;

use crate::error::ArchiveError;
use crate::file;
use crate::layout::{Layout, ROW_GROUP};
use crate::rows::Rows;
use crate::table::{Archive, Partition, Uncommitted};

/// Bytes of events that wait to be written, over all partitions; beyond it the largest partition is written.
const MAX_WAITING: usize = 160 << 20;

/// Files that are sorted and packed at once: each holds its events twice while it is.
const MAX_AT_WORK: usize = 1;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: usize,
    /// Events.
    pub rows: usize,
    /// Bytes of the files.
    pub bytes: u64,
}

/// Writes events into an archive.
pub struct EventWriter {
    /// By source.
    layouts: HashMap<String, Layout>,
    waiting: BTreeMap<Partition, Vec<Rows>>,
    at_work: JoinSet<Result<(Uncommitted, Vec<u8>), ArchiveError>>,
    done: Vec<Uncommitted>,
}

impl EventWriter {
    /// For sources with these layouts.
    pub fn new(layouts: impl IntoIterator<Item = (String, Layout)>) -> Self {
        Self {
            layouts: layouts.into_iter().collect(),
            waiting: BTreeMap::new(),
            at_work: JoinSet::new(),
            done: Vec::new(),
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
            self.waiting.entry(partition.clone()).or_default().push(Rows::of(batch, &rows)?);
            let waiting = self.waiting.get(&partition);
            if waiting.is_some_and(|parts| parts.iter().map(Rows::len).sum::<usize>() >= ROW_GROUP) {
                self.write(archive, &partition).await?;
            }
        }
        while self.bytes() > MAX_WAITING {
            let bytes = |parts: &Vec<Rows>| parts.iter().map(Rows::bytes).sum::<usize>();
            let largest = self.waiting.iter().max_by_key(|(_, parts)| bytes(parts));
            let Some(largest) = largest.map(|(partition, _)| partition.clone()) else { break };
            self.write(archive, &largest).await?;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.waiting.values().flatten().map(Rows::bytes).sum()
    }

    /// Writes what waits of a partition, as soon as there is room to work.
    async fn write(&mut self, archive: &Archive, partition: &Partition) -> Result<(), ArchiveError> {
        while self.at_work.len() >= MAX_AT_WORK {
            self.one_done(archive).await?;
        }
        let Some(parts) = self.waiting.remove(partition) else { return Ok(()) };
        let layout = self.layouts.get(&partition.source).cloned().ok_or_else(|| {
            ArchiveError::new("writing events", format!("there is no layout for {}", partition.source))
        })?;
        let partition = partition.clone();
        self.at_work.spawn_blocking(move || pack(&partition, &layout, &parts));
        Ok(())
    }

    async fn one_done(&mut self, archive: &Archive) -> Result<(), ArchiveError> {
        let Some(done) = self.at_work.join_next().await else { return Ok(()) };
        let (file, bytes) = done.map_err(ArchiveError::at("packing a file"))??;
        archive.put(&file.path, bytes).await?;
        self.done.push(file);
        Ok(())
    }

    /// Writes what still waits, and makes all files part of the archive at once.
    ///
    /// # Errors
    /// Where it cannot be written or committed; the archive is as it was then.
    pub async fn commit(mut self, archive: &mut Archive) -> Result<Written, ArchiveError> {
        for partition in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.write(archive, &partition).await?;
        }
        while !self.at_work.is_empty() {
            self.one_done(archive).await?;
        }
        archive.commit(&self.done, &[], false).await?;
        Ok(Written {
            files: self.done.len(),
            rows: self.done.iter().map(|file| file.stats.rows).sum(),
            bytes: self.done.iter().map(|file| file.size).sum(),
        })
    }
}

/// Sorts rows and packs them into a file. Its name is a hash of what is in it: the same events written twice
/// are one file.
pub(crate) fn pack(
    partition: &Partition,
    layout: &Layout,
    parts: &[Rows],
) -> Result<(Uncommitted, Vec<u8>), ArchiveError> {
    let rows = Rows::join(parts)?.in_order(layout)?;
    let (bytes, stats) = file::write(&rows, layout)?;
    let hash = blake3::hash(&bytes).to_hex();
    let path = format!("{}/{}.parquet", partition.folder(), &hash[..32]);
    Ok((Uncommitted { path, partition: partition.clone(), size: bytes.len() as u64, stats }, bytes))
}
