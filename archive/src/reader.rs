//! Reads stored events: no more than what is asked for.
//!
//! In: a file of the table, the blocks that may hold a match, the fields that rules ask for. Out: first cells
//! alone, for a scan; then, of the rows that matched, whole events. What a file does not hold (a field that no
//! rule asked for when it was written) is made anew from the raw events by whoever knows the log source.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Builder, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::{PageIndexPolicy, ParquetStatisticsPolicy};
use virga_engine::event::{EventBatch, KeptColumns, Origin, OriginBase, ProjectedField, Projection};
use virga_engine::scan::{Blocks, Facet, Known};

use crate::cells::{self, CellArray};
use crate::count::Counted;
use crate::error::ArchiveError;
use crate::facets::{Facts, SECTIONS_KEY, Section, nowhere};
use crate::file::{FIELDS_KEY, FieldName};
use crate::layout::{self, BLOCK, JSON_SUFFIX, ROW_GROUP};
use crate::limits::MAX_SECTION;
use crate::rows::{base_of, typed};
use crate::table::{Archive, Entry};

/// Makes the cells of a projection from raw events of a source: what a file does not hold.
pub type Rebuild<'r> = dyn Fn(&str, &Arc<Projection>, &StringArray) -> Result<Vec<CellArray>, String> + 'r;

/// A file of events that is open.
#[derive(Debug, Clone)]
pub struct StoredFile {
    entry: Entry,
    metadata: ArrowReaderMetadata,
    object: Counted,
    fields: Vec<FieldName>,
    sections: Vec<Section>,
    facts: Facts,
    /// By row group: what is known of a field that occurs in no event.
    nowhere: Vec<Facet>,
}

/// How much is told of who events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// When they happened; their ids read as empty.
    Times,
    /// Their ids too.
    Ids,
    /// Where and when they were read too; else they read as from nowhere, received when they happened.
    Origins,
}

/// What of a projection is read of some rows.
#[derive(Debug, Clone, Copy)]
pub struct Needed<'n> {
    /// By column of the projection: whether anybody looks at it. What nobody looks at reads as absent.
    pub columns: &'n [bool],
    /// Who the events are.
    pub who: Who,
    /// The events as they came.
    pub raw: bool,
}

/// What of a projection is read of a row group.
#[derive(Debug, Clone, Copy)]
pub struct NeededBlocks<'n> {
    /// By column of the projection: the blocks in which somebody looks at it. Elsewhere it reads as absent.
    pub columns: &'n [Blocks],
    /// The blocks in which somebody looks at the events as they came.
    pub raw: Blocks,
}

/// Cells of a row group, for a scan.
#[derive(Debug, Clone)]
pub struct StoredEvents {
    /// The cells.
    pub batch: EventBatch,
    /// The row of the row group that each row is.
    pub rows: Vec<u32>,
    /// Bytes that were read.
    pub bytes: u64,
}

/// What was read of some rows.
struct SomeRows {
    source: Arc<str>,
    batch: RecordBatch,
    fields: Vec<CellArray>,
    raw: Option<StringArray>,
    bytes: u64,
}

/// A file's footer, with the places of its pages.
pub(crate) async fn footer(
    store: &Arc<dyn ObjectStore>,
    entry: &Entry,
) -> Result<(ArrowReaderMetadata, Counted), ArchiveError> {
    let doing = || format!("reading {}", entry.path);
    // what is known of values stands in sections of its own
    let options = ArrowReaderOptions::new()
        .with_offset_index_policy(PageIndexPolicy::Optional)
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let mut object =
        Counted::open(store, &entry.path, entry.size).await.map_err(ArchiveError::at(doing()))?;
    let metadata =
        ArrowReaderMetadata::load_async(&mut object, options).await.map_err(ArchiveError::at(doing()))?;
    Ok((metadata, object))
}

impl StoredFile {
    /// Opens a file: reads its footer.
    ///
    /// # Errors
    /// Where it is not there, or is no Parquet file.
    pub async fn open(archive: &Archive, entry: &Entry) -> Result<Self, ArchiveError> {
        Self::of(archive.events.object_store(), entry).await
    }

    /// Opens a file that is in memory alone; `read` bytes were read to make it.
    pub(crate) async fn in_memory(entry: Entry, bytes: Bytes, read: u64) -> Result<Self, ArchiveError> {
        let store = InMemory::new();
        let doing = format!("holding {}", entry.path);
        let path = Path::from(entry.path.as_str());
        store.put(&path, bytes.into()).await.map_err(ArchiveError::at(doing))?;
        let file = Self::of(Arc::new(store), &entry).await?;
        file.object.bytes().store(read, Ordering::Relaxed);
        Ok(file)
    }

    async fn of(store: Arc<dyn ObjectStore>, entry: &Entry) -> Result<Self, ArchiveError> {
        let (metadata, object) = footer(&store, entry).await?;
        let footer: HashMap<&str, &str> = metadata
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .into_iter()
            .flatten()
            .filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?)))
            .collect();
        let fields =
            footer.get(FIELDS_KEY).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let sections =
            footer.get(SECTIONS_KEY).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let groups = metadata.metadata().row_groups().iter();
        let rows = groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0));
        let nowhere = rows.map(nowhere).collect();
        Ok(Self {
            entry: entry.clone(),
            metadata,
            object,
            fields,
            sections,
            facts: Facts::default(),
            nowhere,
        })
    }

    /// Reads what the file says of the values of some fields: what it is asked for twice it reads once.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn learn(&mut self, fields: &[&ProjectedField]) -> Result<(), ArchiveError> {
        let columns = fields.iter().filter_map(|field| Some(self.stored(field)?.stored.as_str()));
        let mut columns: Vec<&str> = columns.filter(|column| !self.facts.has(column)).collect();
        columns.sort_unstable();
        columns.dedup();
        let is_whole = |section: &&Section| {
            let end = section.offset.checked_add(section.length);
            end.is_some_and(|end| end <= self.entry.size) && section.length <= MAX_SECTION
        };
        let wanted: Vec<&Section> = self
            .sections
            .iter()
            .filter(|section| columns.binary_search(&section.column.as_str()).is_ok())
            .filter(is_whole)
            .collect();
        let ranges: Vec<_> =
            wanted.iter().map(|section| section.offset..section.offset + section.length).collect();
        let doing = format!("reading {}", self.entry.path);
        let read = self.object.ranges(&ranges).await.map_err(ArchiveError::at(doing))?;
        for (section, bytes) in wanted.iter().zip(read) {
            self.facts.learn(&section.column, &bytes);
        }
        Ok(())
    }

    /// Its entry in the table.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Bytes that were read to open it, and to learn of its values.
    pub fn footer_bytes(&self) -> u64 {
        self.object.bytes().load(Ordering::Relaxed)
    }

    /// Its row groups.
    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The rows of a row group.
    pub fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.metadata().row_group(group).num_rows()).unwrap_or(0)
    }

    /// Whether it holds all fields of a projection.
    pub fn holds(&self, projection: &Projection) -> bool {
        projection.fields.iter().all(|field| self.stored(field).is_some())
    }

    /// The fields that it holds, as its footer names them.
    pub(crate) fn fields(&self) -> &[FieldName] {
        &self.fields
    }

    pub(crate) fn holds_field(&self, field: &ProjectedField) -> bool {
        self.stored(field).is_some()
    }

    /// What its columns take in memory, about.
    pub(crate) fn unpacked_bytes(&self) -> usize {
        let groups = self.metadata.metadata().row_groups().iter();
        groups.map(|group| usize::try_from(group.total_byte_size()).unwrap_or(usize::MAX)).sum()
    }

    fn stored(&self, field: &ProjectedField) -> Option<&FieldName> {
        self.fields.iter().find(|stored| stored.is(field))
    }

    /// What is known of a field in a row group.
    pub(crate) fn known(&self, group: usize, field: &ProjectedField) -> Option<Known<'_>> {
        let stored = self.stored(field)?;
        match self.occurs(field) {
            Some(false) => self.nowhere.get(group).map(Known::Values),
            _ => self.facts.known(group, &stored.stored),
        }
    }

    fn has_column(&self, name: &str) -> bool {
        self.metadata.schema().column_with_name(name).is_some()
    }

    /// Reads columns of some rows of a row group; how many bytes that took is told too.
    pub(crate) async fn columns(
        &self,
        group: usize,
        names: &[String],
        selection: RowSelection,
    ) -> Result<(RecordBatch, u64), ArchiveError> {
        let doing = || format!("reading {}", self.entry.path);
        let schema = self.metadata.parquet_schema();
        let roots = schema.root_schema().get_fields().iter().enumerate();
        let wanted: Vec<usize> = roots
            .filter(|(_, field)| names.iter().any(|name| name == field.name()))
            .map(|(at, _)| at)
            .collect();
        let mask = ProjectionMask::roots(schema, wanted.iter().copied());
        let counted = self.object.anew();
        let bytes = counted.bytes();
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(counted, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_projection(mask)
            .with_row_selection(selection)
            .with_batch_size(ROW_GROUP)
            .build()
            .map_err(ArchiveError::at(doing()))?;
        let read_schema = Arc::clone(stream.schema());
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(ArchiveError::at(doing()))?;
        let batch = match batches.as_slice() {
            [one] => one.clone(),
            several => concat_batches(&read_schema, several).map_err(ArchiveError::at(doing()))?,
        };
        Ok((batch, bytes.load(Ordering::Relaxed)))
    }

    /// Cells of some blocks of a row group, for a scan.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn needed_cells(
        &self,
        (group, blocks): (usize, Blocks),
        projection: &Arc<Projection>,
        needed: NeededBlocks<'_>,
        rebuild: &Rebuild<'_>,
    ) -> Result<StoredEvents, ArchiveError> {
        let rows: Vec<u32> = rows_of(blocks, self.rows(group)).collect();
        let nothing = cells::absent(rows.len());
        let mut fields = vec![nothing; projection.fields.len()];
        let (mut raw, mut bytes) = (None, 0);
        let mut masks: Vec<Blocks> = needed.columns.iter().copied().chain([needed.raw]).collect();
        masks.sort_unstable();
        masks.dedup();
        // what is looked at in the same blocks is read together
        for mask in masks.into_iter().filter(|mask| *mask != 0) {
            let columns: Vec<bool> = needed.columns.iter().map(|blocks| *blocks == mask).collect();
            let here = Needed { columns: &columns, who: Who::Times, raw: needed.raw == mask };
            let spread = Spread { mask, blocks, all: self.rows(group) };
            let selection = selection_of(mask, spread.all);
            let count = spread.count();
            let read = self.some((group, selection, count), projection, here, &[], rebuild).await?;
            bytes += read.bytes;
            for ((field, cells), _) in
                fields.iter_mut().zip(read.fields).zip(&columns).filter(|(_, is_read)| **is_read)
            {
                *field = spread.cells(cells);
            }
            if let (true, Some(texts)) = (here.raw, read.raw) {
                raw = Some(spread.texts(texts));
            }
        }
        let source: Arc<str> = self.entry.source.as_str().into();
        let batch = EventBatch::of_cells(source, Arc::clone(projection), fields, rows.len(), raw);
        Ok(StoredEvents { batch, rows, bytes })
    }

    /// Whole events: rows of a row group, by number and in order. Where `raw` is not needed their text is left
    /// out.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn needed_events(
        &self,
        (group, rows): (usize, &[u32]),
        projection: &Arc<Projection>,
        needed: Needed<'_>,
        rebuild: &Rebuild<'_>,
    ) -> Result<(EventBatch, u64), ArchiveError> {
        let mut names = vec![layout::TIME];
        if needed.who >= Who::Ids {
            names.push(layout::EVENT_ID);
        }
        let with_origins = needed.who >= Who::Origins;
        if with_origins {
            names.extend([layout::INGEST_TIME, layout::TIME_MISSING]);
            names.extend([layout::ORIGIN, layout::LINE, layout::RECORD]);
        }
        let selection = selection_of_rows(rows, self.rows(group));
        let read = self.some((group, selection, rows.len()), projection, needed, &names, rebuild).await?;
        let time: TimestampMicrosecondArray = column(&read.batch, layout::TIME)?;
        let (ingest_time, time_missing, origins) = match with_origins {
            true => (
                column(&read.batch, layout::INGEST_TIME)?,
                column(&read.batch, layout::TIME_MISSING)?,
                origins(&read.batch)?,
            ),
            false => {
                let nowhere = Origin { base: OriginBase::File { path: "".into() }, line: None, record: None };
                let not_missing = BooleanArray::from(vec![false; rows.len()]);
                (time.clone(), not_missing, vec![nowhere; rows.len()])
            }
        };
        let kept = KeptColumns {
            event_id: match needed.who >= Who::Ids {
                true => column(&read.batch, layout::EVENT_ID)?,
                false => StringArray::from_iter_values(std::iter::repeat_n("", rows.len())),
            },
            time,
            ingest_time,
            time_missing,
            origins,
            raw: match read.raw {
                Some(raw) if needed.raw => raw,
                _ => StringArray::new_null(rows.len()),
            },
            fields: read.fields,
        };
        Ok((EventBatch::of_columns(read.source, Arc::clone(projection), kept), read.bytes))
    }

    /// Reads what is needed of a projection, and more columns by name. Fields that the file does not hold are
    /// made anew from the raw events.
    async fn some(
        &self,
        (group, selection, count): (usize, RowSelection, usize),
        projection: &Arc<Projection>,
        needed: Needed<'_>,
        more: &[&str],
        rebuild: &Rebuild<'_>,
    ) -> Result<SomeRows, ArchiveError> {
        let doing = || format!("reading events of {}", self.entry.path);
        let is_needed = |at: usize| needed.columns.get(at) == Some(&true);
        let mut names: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
        let mut lacking = Projection::default();
        for (_, field) in projection.fields.iter().enumerate().filter(|(at, _)| is_needed(*at)) {
            match self.stored(field) {
                Some(stored) => {
                    names.extend([stored.stored.clone(), format!("{}{JSON_SUFFIX}", stored.stored)]);
                }
                None => lacking.fields.push(field.clone()),
            }
        }
        if needed.raw || !lacking.fields.is_empty() {
            names.push(layout::RAW.to_owned());
        }
        let (batch, bytes) = match names.iter().any(|name| self.has_column(name)) {
            true => self.columns(group, &names, selection).await?,
            // none of the fields occurs in the file
            false => (empty(count), 0),
        };
        let raw: Option<StringArray> = match needed.raw || !lacking.fields.is_empty() {
            true => Some(column(&batch, layout::RAW)?),
            false => None,
        };
        let source: Arc<str> = self.entry.source.as_str().into();
        let made = match (&raw, lacking.fields.is_empty()) {
            (Some(raw), false) => {
                rebuild(&source, &Arc::new(lacking), raw).map_err(ArchiveError::at(doing()))?
            }
            _ => Vec::new(),
        };
        let (mut made, nothing) = (made.into_iter(), cells::absent(count));
        let mut fields = Vec::with_capacity(projection.fields.len());
        for (at, field) in projection.fields.iter().enumerate() {
            fields.push(match (is_needed(at), self.stored(field)) {
                (false, _) => nothing.clone(),
                (true, Some(_)) => self.cell_column(&batch, field, count)?,
                (true, None) => {
                    made.next().ok_or_else(|| ArchiveError::new(doing(), "a field could not be made anew"))?
                }
            });
        }
        Ok(SomeRows { source, batch, fields, raw, bytes })
    }

    /// Bytes of each field of a projection in a row group, as they lie.
    pub fn bytes_by_field(&self, group: usize, projection: &Projection) -> Vec<u64> {
        let mut by_name: HashMap<&str, u64> = HashMap::new();
        for chunk in self.metadata.metadata().row_group(group).columns() {
            let Some(name) = chunk.column_path().parts().first() else { continue };
            let name = name.strip_suffix(JSON_SUFFIX).unwrap_or(name);
            *by_name.entry(name).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or(0);
        }
        let bytes = |field| by_name.get(self.stored(field)?.stored.as_str()).copied();
        projection.fields.iter().map(|field| bytes(field).unwrap_or(0)).collect()
    }

    /// Whether any event of the file has a field; `None` where the file does not say.
    pub fn occurs(&self, field: &ProjectedField) -> Option<bool> {
        let stored = self.stored(field)?;
        Some(self.has_column(&stored.stored) || self.has_column(&format!("{}{JSON_SUFFIX}", stored.stored)))
    }

    pub(crate) fn cell_column(
        &self,
        batch: &RecordBatch,
        field: &ProjectedField,
        rows: usize,
    ) -> Result<CellArray, ArchiveError> {
        let Some(stored) = self.stored(field) else { return Ok(cells::absent(rows)) };
        let plain = batch.column_by_name(&stored.stored);
        let is_canonical = field.paths.is_empty() && !field.computed;
        let cells = match (is_canonical, field.column, plain) {
            (true, _, None) => Some(cells::absent(rows)),
            (true, Some(column), Some(plain)) => cells::canonical_cells(plain, column.kind),
            _ => cells::native_cells(
                plain,
                batch.column_by_name(&format!("{}{JSON_SUFFIX}", stored.stored)),
                rows,
            ),
        };
        cells.ok_or_else(|| {
            ArchiveError::new(
                format!("reading {}", self.entry.path),
                format!("`{}` has another type", stored.stored),
            )
        })
    }
}

pub(crate) fn column<T: Array + Clone + 'static>(batch: &RecordBatch, name: &str) -> Result<T, ArchiveError> {
    let column: &ArrayRef = batch
        .column_by_name(name)
        .ok_or_else(|| ArchiveError::new("reading events", format!("there is no column `{name}`")))?;
    typed(column)
}

fn empty(rows: usize) -> RecordBatch {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let schema = Arc::new(arrow::datatypes::Schema::empty());
    RecordBatch::try_new_with_options(schema, Vec::new(), &options).expect("no columns are of any length")
}

fn origins(batch: &RecordBatch) -> Result<Vec<Origin>, ArchiveError> {
    let texts: CellArray = column(batch, layout::ORIGIN)?;
    let values = texts.values().as_any().downcast_ref::<StringArray>();
    let base = |text: &str| base_of(text).unwrap_or(OriginBase::File { path: text.into() });
    let bases: Vec<OriginBase> =
        values.into_iter().flatten().map(|text| base(text.unwrap_or_default())).collect();
    let (lines, records): (Option<Int64Array>, Option<Int64Array>) =
        (column(batch, layout::LINE).ok(), column(batch, layout::RECORD).ok());
    let number = |column: &Option<Int64Array>, row: usize| {
        let column = column.as_ref().filter(|column| column.is_valid(row))?;
        u64::try_from(column.value(row)).ok()
    };
    let nowhere = OriginBase::File { path: "".into() };
    Ok((0..batch.num_rows())
        .map(|row| Origin {
            base: texts.key(row).and_then(|key| bases.get(key)).unwrap_or(&nowhere).clone(),
            line: number(&lines, row),
            record: number(&records, row),
        })
        .collect())
}

/// Rows of some blocks among those of more.
struct Spread {
    mask: Blocks,
    /// The mask's, and others.
    blocks: Blocks,
    /// The rows of the row group.
    all: usize,
}

impl Spread {
    fn count(&self) -> usize {
        self.each().filter(|(_, is_there)| *is_there).map(|(rows, _)| rows).sum()
    }

    /// The rows of each block, and whether it is one of the mask's.
    fn each(&self) -> impl Iterator<Item = (usize, bool)> {
        let blocks = (0..self.all.div_ceil(BLOCK)).filter(|block| self.blocks & (1 << block) != 0);
        blocks.map(|block| (BLOCK.min(self.all - block * BLOCK), self.mask & (1 << block) != 0))
    }

    fn cells(&self, cells: CellArray) -> CellArray {
        if self.mask == self.blocks {
            return cells;
        }
        let (mut keys, mut from) = (Int32Builder::new(), 0);
        for (rows, is_there) in self.each() {
            match is_there {
                true => {
                    keys.append_array(&cells.keys().slice(from, rows));
                    from += rows;
                }
                false => keys.append_nulls(rows),
            }
        }
        CellArray::new(keys.finish(), Arc::clone(cells.values()))
    }

    fn texts(&self, texts: StringArray) -> StringArray {
        if self.mask == self.blocks {
            return texts;
        }
        let (mut spread, mut from) = (StringBuilder::new(), 0);
        for (rows, is_there) in self.each() {
            match is_there {
                true => {
                    texts.slice(from, rows).iter().for_each(|text| spread.append_option(text));
                    from += rows;
                }
                false => (0..rows).for_each(|_| spread.append_null()),
            }
        }
        spread.finish()
    }
}

/// The rows of blocks.
fn rows_of(blocks: Blocks, rows: usize) -> impl Iterator<Item = u32> {
    (0..rows).filter(move |row| blocks & (1 << (row / BLOCK)) != 0).map(|row| row as u32)
}

fn selection_of(blocks: Blocks, rows: usize) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    for block in 0..rows.div_ceil(BLOCK) {
        let length = BLOCK.min(rows - block * BLOCK);
        selectors.push(match blocks & (1 << block) {
            0 => RowSelector::skip(length),
            _ => RowSelector::select(length),
        });
    }
    selectors.into()
}

pub(crate) fn selection_of_rows(rows: &[u32], all: usize) -> RowSelection {
    let ranges = rows.iter().map(|&row| row as usize..row as usize + 1);
    RowSelection::from_consecutive_ranges(joined(ranges), all)
}

/// Ranges that follow one another as one.
fn joined(
    ranges: impl Iterator<Item = std::ops::Range<usize>>,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut ranges = ranges.peekable();
    std::iter::from_fn(move || {
        let mut range = ranges.next()?;
        while let Some(next) = ranges.next_if(|next| next.start == range.end) {
            range.end = next.end;
        }
        Some(range)
    })
}
