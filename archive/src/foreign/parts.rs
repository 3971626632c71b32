//! The rows of a foreign file → events, in pieces that fit into memory.
//!
//! In: a file. Out: either its events packed into files as this crate writes them ([`Parts`]), for whoever
//! reads an archive; or their text, line by line ([`Lines`]), for whoever reads logs. Where the file breaks off
//! the rows before it count, and the fault is told.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::LineDelimitedWriter;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::ObjectStore;
use parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use serde_json::{Map, Value};
use virga_engine::event::{EventBatch, OriginBase};

use super::files::{folders, footer, told};
use super::{Faults, ForeignFile, uuids};
use crate::count::Counted;
use crate::error::ArchiveError;
use crate::layout::{Layout, ROW_GROUP};
use crate::limits::{FOREIGN_BATCH, MAX_FOREIGN_PART};
use crate::reader::StoredFile;
use crate::rows::{Packer, Rows};
use crate::table::Partition;
use crate::writer::pack;

/// The rows of a batch as JSON objects, without what is null.
pub(super) fn objects(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, String> {
    let batch = told(batch)?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
    let text = writer.into_inner();
    let rows = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    rows.map(|line| serde_json::from_slice(line).map_err(|error| error.to_string())).collect()
}

/// The events of a file, as far as it can be read.
struct Events {
    store: Arc<dyn ObjectStore>,
    file: ForeignFile,
    faults: Faults,
    /// What its rows come from, and the columns in which they are told.
    rows: Option<(ParquetRecordBatchStream<Counted>, SchemaRef)>,
    /// What its folders say of all of its rows.
    folders: Vec<(String, String)>,
    /// Rows that were read.
    row: u64,
    /// Bytes that were read.
    bytes: Arc<AtomicU64>,
    is_over: bool,
}

impl Events {
    fn new(store: &Arc<dyn ObjectStore>, file: &ForeignFile, faults: &Faults) -> Self {
        Self {
            store: Arc::clone(store),
            file: file.clone(),
            faults: faults.clone(),
            rows: None,
            folders: Vec::new(),
            row: 0,
            bytes: Arc::default(),
            is_over: false,
        }
    }

    async fn open(&mut self) -> Result<(), String> {
        let entry = &self.file.entry;
        let (metadata, reader) = footer(&self.store, &entry.path, entry.size).await?;
        self.bytes = reader.bytes();
        let columns = uuids::as_texts(&metadata);
        self.folders = folders(&entry.path, columns.fields());
        let rows = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_batch_size(FOREIGN_BATCH)
            .build()
            .map_err(|error| error.to_string())?;
        self.rows = Some((rows, columns));
        Ok(())
    }

    async fn rows(&mut self) -> Result<Option<Vec<Map<String, Value>>>, String> {
        if self.rows.is_none() {
            self.open().await?;
        }
        let Some((rows, columns)) = &mut self.rows else { return Ok(None) };
        match rows.try_next().await.map_err(|error| error.to_string())? {
            Some(batch) => {
                let batch = uuids::told_in(&batch, columns).map_err(|error| error.to_string())?;
                objects(&batch).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The next events, each with its row; none at the end, or where the file cannot be read further.
    async fn next(&mut self) -> Option<Vec<(u64, String)>> {
        if self.is_over {
            return None;
        }
        let path = self.file.entry.path.clone();
        let rows = match self.rows().await {
            Ok(Some(rows)) => rows,
            Ok(None) => {
                self.is_over = true;
                return None;
            }
            Err(cause) => {
                self.is_over = true;
                self.faults.file(&path, cause);
                return None;
            }
        };
        let mut events = Vec::with_capacity(rows.len());
        for mut row in rows {
            self.row += 1;
            row.extend(self.folders.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))));
            match self.file.shape.event(&row) {
                Ok(event) => events.push((self.row, event)),
                Err(cause) => self.faults.row(&path, self.row, cause),
            }
        }
        Some(events)
    }

    async fn batch(&mut self, layout: &Layout, origin: &OriginBase) -> Option<EventBatch> {
        let events = self.next().await?;
        let arrival = (origin, self.file.modified);
        let (batch, unreadable) = self.file.shape.batch(&layout.projection, &events, arrival);
        for (row, cause) in unreadable {
            self.faults.row(&self.file.entry.path, row, cause);
        }
        Some(batch)
    }
}

/// A file's events as files in memory.
pub struct Parts {
    events: Events,
    layout: Layout,
    origin: OriginBase,
    /// Bytes that were told of.
    told: u64,
    packer: Packer,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("path", &self.events.file.entry.path).finish_non_exhaustive()
    }
}

impl Parts {
    pub(super) fn new(
        store: &Arc<dyn ObjectStore>,
        file: &ForeignFile,
        layout: &Layout,
        origin: OriginBase,
        faults: &Faults,
    ) -> Self {
        Self {
            events: Events::new(store, file, faults),
            layout: layout.clone(),
            origin,
            told: 0,
            packer: Packer::default(),
        }
    }

    /// The next events as they are read.
    pub(crate) async fn batch(&mut self) -> Result<Option<Rows>, ArchiveError> {
        let Some(batch) = self.events.batch(&self.layout, &self.origin).await else { return Ok(None) };
        let all: Vec<u32> = (0..batch.len() as u32).collect();
        Rows::of(&batch, &all, &mut self.packer).map(Some)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The next events, packed.
    ///
    /// # Errors
    /// Where they cannot be packed.
    pub async fn next(&mut self) -> Result<Option<StoredFile>, ArchiveError> {
        let (mut parts, mut count, mut bytes) = (Vec::new(), 0, 0);
        while count < ROW_GROUP && bytes < MAX_FOREIGN_PART {
            let Some(rows) = self.batch().await? else { break };
            count += rows.len();
            bytes += rows.bytes();
            if rows.len() > 0 {
                parts.push(rows);
            }
        }
        if parts.is_empty() {
            return Ok(None);
        }
        let mut entry = self.events.file.entry.clone();
        let packed = pack(&Partition::of(&entry.source, entry.times.0), &self.layout, parts)?;
        entry.size = packed.file.size;
        entry.rows = packed.file.stats.rows;
        entry.times = packed.file.stats.times;
        let read = self.events.bytes.load(Ordering::Relaxed);
        let bytes = read - std::mem::replace(&mut self.told, read);
        StoredFile::in_memory(entry, Bytes::from(packed.bytes), bytes).await.map(Some)
    }
}

/// A file's events as text, a line each; a row that is none is an empty line, so that lines are rows.
pub struct Lines {
    events: Events,
    /// Where they come from.
    pub origin: OriginBase,
    runtime: Option<tokio::runtime::Handle>,
    ready: io::Cursor<Vec<u8>>,
    line: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Lines {
    pub(super) fn new(
        store: &Arc<dyn ObjectStore>,
        file: &ForeignFile,
        origin: OriginBase,
        faults: &Faults,
    ) -> Self {
        let ready = io::Cursor::new(Vec::new());
        Self { events: Events::new(store, file, faults), origin, runtime: None, ready, line: 0 }
    }

    /// Reads by this runtime, for the store's requests; not from within it.
    #[must_use]
    pub fn by(mut self, runtime: &tokio::runtime::Handle) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// When the file was written, microseconds since 1970.
    pub fn modified(&self) -> i64 {
        self.events.file.modified
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.events.file.entry.size
    }

    fn more(&mut self) -> bool {
        let next = match &self.runtime {
            Some(runtime) => runtime.block_on(self.events.next()),
            None => futures::executor::block_on(self.events.next()),
        };
        let Some(events) = next else { return false };
        let mut text = Vec::new();
        for (row, event) in events {
            while self.line + 1 < row {
                text.push(b'\n');
                self.line += 1;
            }
            text.extend_from_slice(event.as_bytes());
            text.push(b'\n');
            self.line += 1;
        }
        self.ready = io::Cursor::new(text);
        true
    }
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.ready.read(buffer)?;
            if read > 0 || buffer.is_empty() || !self.more() {
                return Ok(read);
            }
        }
    }
}
