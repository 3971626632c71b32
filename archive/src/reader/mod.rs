//! Reads stored events: no more than what is asked for.
//!
//! In: a file of the table, the blocks that may hold a match, the fields that rules ask for. Out: first cells
//! alone, for a scan; then, of the rows that matched, whole events. What a file does not hold (a field that no
//! rule asked for when it was written) is made anew from the raw events by whoever knows the log source.

mod needed;
mod says;
mod select;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader as _, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetStatisticsPolicy};
use virga_engine::event::{ColumnKind, EventBatch, ProjectedField, Projection};
use virga_engine::scan::{Blocks, Facet, Known};

pub(crate) use self::says::Says;
pub(crate) use self::select::{selection_of, selection_of_rows};
use crate::cells::{self, CellArray};
use crate::count::Counted;
use crate::error::ArchiveError;
use crate::facets::{Facts, nowhere};
use crate::index::{FieldName, Index, Section};
use crate::layout::{self, JSON_SUFFIX, ROW_GROUP};
use crate::limits::MAX_SECTION;
use crate::rows::typed;
use crate::table::{Archive, Entry};
use crate::texts::TextColumn;

/// Makes the cells of a projection from raw events of a source: what a file does not hold.
pub type Rebuild<'r> = dyn Fn(&str, &Arc<Projection>, &StringArray) -> Result<Vec<CellArray>, String> + 'r;

/// A file of events that is open.
#[derive(Debug, Clone)]
pub struct StoredFile {
    entry: Entry,
    metadata: ArrowReaderMetadata,
    object: Counted,
    index: Index,
    facts: Facts,
    /// By row group: what is known of a field that occurs in no event.
    nowhere: Vec<Facet>,
}

/// How much is told of who events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// When they happened; nobody may ask for their ids.
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
    /// Columns of the projection, all of them canonical, of which only the texts are read.
    pub texts: &'n [usize],
    /// Who the events are.
    pub who: Who,
    /// The events as they came.
    pub raw: bool,
}

/// Events, as far as they were needed.
#[derive(Debug, Clone)]
pub struct NeededEvents {
    /// The events.
    pub batch: EventBatch,
    /// The texts that were asked for, in that order.
    pub texts: Vec<TextColumn>,
    /// Bytes that were read.
    pub bytes: u64,
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
    let metadata = object.get_metadata(Some(&options)).await.map_err(ArchiveError::at(doing()))?;
    let schema = schema(&metadata).map_err(ArchiveError::at(doing()))?;
    let metadata = ArrowReaderMetadata::try_new(metadata, options.with_schema(schema));
    Ok((metadata.map_err(ArchiveError::at(doing()))?, object))
}

/// In which types a file's columns are read: texts that it holds as a dictionary as one, so that each is looked at once.
/// Ids and raw events are none, also where another program has made them one; origins always are.
fn schema(metadata: &ParquetMetaData) -> parquet::errors::Result<SchemaRef> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let with_dictionary = columns.filter(|column| column.dictionary_page_offset().is_some());
    let dictionaries: HashSet<&str> = with_dictionary
        .filter_map(|column| match column.column_path().parts() {
            [name] => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let plain = parquet_to_arrow_schema(metadata.file_metadata().schema_descr(), None)?;
    let is_dictionary = |name: &str| match name {
        layout::EVENT_ID | layout::RAW => false,
        layout::ORIGIN => true,
        name => dictionaries.contains(name),
    };
    let field = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 if is_dictionary(field.name()) => {
            Arc::new(field.as_ref().clone().with_data_type(layout::dictionary()))
        }
        _ => Arc::clone(field),
    };
    let fields: Fields = plain.fields().iter().map(field).collect();
    Ok(Arc::new(Schema::new_with_metadata(fields, plain.metadata().clone())))
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
        let path = Path::parse(&entry.path).map_err(ArchiveError::at(doing.clone()))?;
        store.put(&path, bytes.into()).await.map_err(ArchiveError::at(doing))?;
        let file = Self::of(Arc::new(store), &entry).await?;
        file.object.bytes().store(read, Ordering::Relaxed);
        Ok(file)
    }

    /// Opens a file of a store.
    pub(crate) async fn of(store: Arc<dyn ObjectStore>, entry: &Entry) -> Result<Self, ArchiveError> {
        let (metadata, object) = footer(&store, entry).await?;
        let index = match Index::find(metadata.metadata(), entry.size) {
            Some((range, has_our_blocks)) => {
                let doing = format!("reading {}", entry.path);
                let read =
                    object.ranges(std::slice::from_ref(&range)).await.map_err(ArchiveError::at(doing))?;
                read.first().map(|bytes| Index::from_bytes(bytes, has_our_blocks)).unwrap_or_default()
            }
            None => Index::default(),
        };
        let groups = metadata.metadata().row_groups().iter();
        let rows = groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0));
        let nowhere = rows.map(nowhere).collect();
        Ok(Self { entry: entry.clone(), metadata, object, index, facts: Facts::default(), nowhere })
    }

    /// Reads what the file says of the values of some fields: what it is asked for twice it reads once.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn learn(&mut self, fields: &[&ProjectedField]) -> Result<(), ArchiveError> {
        let columns = fields.iter().filter_map(|field| Some(self.stored(field)?.stored.clone()));
        let columns = columns.collect();
        self.learn_columns(columns).await
    }

    /// The same of columns, by the names that fields are stored under.
    async fn learn_columns(&mut self, mut columns: Vec<String>) -> Result<(), ArchiveError> {
        columns.retain(|column| !self.facts.has(column));
        columns.sort_unstable();
        columns.dedup();
        let is_whole = |section: &&Section| {
            let end = section.offset.checked_add(section.length);
            end.is_some_and(|end| end <= self.entry.size) && section.length <= MAX_SECTION
        };
        let sections = self.index.sections.iter();
        let wanted: Vec<&Section> = sections
            .filter(|section| columns.binary_search(&section.column).is_ok())
            .filter(is_whole)
            .collect();
        let ranges: Vec<_> =
            wanted.iter().map(|section| section.offset..section.offset + section.length).collect();
        let doing = format!("reading {}", self.entry.path);
        let read = self.object.ranges(&ranges).await.map_err(ArchiveError::at(doing))?;
        let facts = &mut self.facts;
        wanted.iter().zip(read).for_each(|(section, bytes)| facts.learn(&section.column, bytes));
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
        &self.index.fields
    }

    /// The column that a field is stored under.
    pub(crate) fn stored_as(&self, field: &ProjectedField) -> Option<&str> {
        self.stored(field).map(|stored| stored.stored.as_str())
    }

    /// What its columns take in memory, about.
    pub(crate) fn unpacked_bytes(&self) -> usize {
        let groups = self.metadata.metadata().row_groups().iter();
        groups.map(|group| usize::try_from(group.total_byte_size()).unwrap_or(usize::MAX)).sum()
    }

    fn stored(&self, field: &ProjectedField) -> Option<&FieldName> {
        self.index.fields.iter().find(|stored| stored.is(field))
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

    /// Bytes of each column in a row group, as they lie.
    pub fn bytes_by_column(&self, group: usize) -> HashMap<&str, u64> {
        let mut by_name: HashMap<&str, u64> = HashMap::new();
        for chunk in self.metadata.metadata().row_group(group).columns() {
            let Some(name) = chunk.column_path().parts().first() else { continue };
            let name = name.strip_suffix(JSON_SUFFIX).unwrap_or(name);
            *by_name.entry(name).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or(0);
        }
        by_name
    }

    /// Bytes of each field of a projection in a row group, as they lie.
    pub fn bytes_by_field(&self, group: usize, projection: &Projection) -> Vec<u64> {
        let by_name = self.bytes_by_column(group);
        let bytes = |field| by_name.get(self.stored(field)?.stored.as_str()).copied();
        projection.fields.iter().map(|field| bytes(field).unwrap_or(0)).collect()
    }

    /// Whether any event of the file has a field; `None` where the file does not say.
    pub fn occurs(&self, field: &ProjectedField) -> Option<bool> {
        let stored = self.stored(field)?;
        Some(self.has_column(&stored.stored) || self.has_column(&format!("{}{JSON_SUFFIX}", stored.stored)))
    }

    /// The texts of a column.
    pub(crate) fn text_column(
        &self,
        batch: &RecordBatch,
        field: &ProjectedField,
        rows: usize,
    ) -> Result<TextColumn, ArchiveError> {
        let stored = self.stored(field);
        let of_texts = field.column.filter(|column| column.kind == ColumnKind::Text);
        let is_own = stored.zip(of_texts).is_some_and(|(stored, column)| stored.stored == column.name);
        if !is_own {
            return Ok(TextColumn::of_cells(&self.cell_column(batch, field, rows)?));
        }
        match stored.and_then(|stored| batch.column_by_name(&stored.stored)) {
            None => Ok(TextColumn::absent(rows)),
            Some(column) => TextColumn::of_stored(column).ok_or_else(|| self.has_another_type(field)),
        }
    }

    fn has_another_type(&self, field: &ProjectedField) -> ArchiveError {
        let name = self.stored_as(field).unwrap_or_default();
        ArchiveError::new(format!("reading {}", self.entry.path), format!("`{name}` has another type"))
    }

    pub(crate) fn cell_column(
        &self,
        batch: &RecordBatch,
        field: &ProjectedField,
        rows: usize,
    ) -> Result<CellArray, ArchiveError> {
        let Some(stored) = self.stored(field) else { return Ok(cells::absent(rows)) };
        let plain = batch.column_by_name(&stored.stored);
        // also a native field may stand in its canonical column
        let is_canonical = field.column.is_some_and(|column| column.name == stored.stored);
        let cells = match (is_canonical, field.column, plain) {
            (true, _, None) => Some(cells::absent(rows)),
            (true, Some(column), Some(plain)) => cells::canonical_cells(plain, column.kind),
            _ => cells::native_cells(
                plain,
                batch.column_by_name(&format!("{}{JSON_SUFFIX}", stored.stored)),
                rows,
            ),
        };
        cells.ok_or_else(|| self.has_another_type(field))
    }
}

pub(crate) fn column<T: Array + Clone + 'static>(batch: &RecordBatch, name: &str) -> Result<T, ArchiveError> {
    let column: &ArrayRef = batch
        .column_by_name(name)
        .ok_or_else(|| ArchiveError::new("reading events", format!("there is no column `{name}`")))?;
    typed(column)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use parquet::arrow::ArrowWriter;

    use super::*;

    /// As other programs write texts: all of them as dictionaries.
    #[tokio::test]
    async fn ids_and_raw_events_of_a_file_of_another_program_are_read_as_texts() {
        let text = |value: &str| Arc::new(StringArray::from(vec![value; 3])) as ArrayRef;
        let columns = [
            (layout::EVENT_ID, text("id")),
            (layout::ORIGIN, text("{}")),
            (layout::LINE, Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
            ("a", text("x")),
            (layout::RAW, text("{}")),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let entry = Entry {
            path: "a.parquet".into(),
            source: "s".into(),
            hour: "2026-03-02T09".into(),
            size: bytes.len() as u64,
            rows: 3,
            times: (0, 0),
            apart: None,
        };
        let file = StoredFile::in_memory(entry, bytes.into(), 0).await.unwrap();
        let names = [layout::EVENT_ID, layout::RAW, layout::ORIGIN, "a"].map(str::to_owned);
        let (batch, _) = file.columns(0, &names, selection_of_rows(&[0, 2], 3)).await.unwrap();
        for name in [layout::EVENT_ID, layout::RAW] {
            assert_eq!(column::<StringArray>(&batch, name).unwrap().len(), 2, "{name}");
        }
        for name in [layout::ORIGIN, "a"] {
            assert_eq!(column::<CellArray>(&batch, name).unwrap().len(), 2, "{name}");
        }
    }
}
