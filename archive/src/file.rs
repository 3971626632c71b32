//! One file of events: Parquet, sorted, with what is known of its values behind them.
//!
//! In: rows of one partition and their order. Out: the file's bytes, and what the table says of it. Row groups have
//! 131,072 rows, pages 8,192 at most (of raw events a few thousand), and blocks of facets 2,048. `raw`, ids and
//! fields that are new in nearly every event are not dictionary-coded; everything else is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use serde_json::json;
use virga_engine::event::ColumnKind;

use crate::cells::{plain, texts};
use crate::error::ArchiveError;
use crate::facets::SectionWriter;
use crate::index::{FieldName, Index, Section};
use crate::joined::Joined;
use crate::layout::{self, JSON_SUFFIX, Layout, PAGE, ROW_GROUP};
use crate::rows::{Rows, Texts};

/// What the table says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStats {
    /// Events.
    pub rows: usize,
    /// The earliest and the latest event time, microseconds since 1970.
    pub times: (i64, i64),
    /// Names of columns that the table may not have yet.
    pub(crate) columns: Vec<String>,
}

impl FileStats {
    /// As Delta tables keep it.
    pub(crate) fn to_json(&self) -> String {
        let shown = |micros: i64| virga_engine::alert::show_time(micros);
        // statistics have milliseconds; what is cut off must not make the latest earlier
        let cut = self.times.1.rem_euclid(1_000) != 0;
        let last = self.times.1.div_euclid(1_000).saturating_add(i64::from(cut)).saturating_mul(1_000);
        json!({
            "numRecords": self.rows,
            "minValues": {"time": shown(self.times.0)},
            "maxValues": {"time": shown(last)},
            "nullCount": {"time": 0},
        })
        .to_string()
    }
}

/// How columns of a file are made.
enum Made<'p> {
    Identity(fn(&Rows) -> &dyn Array),
    Origin(Joined<'p>),
    Canonical(String, Joined<'p>, ColumnKind),
    /// Which of its two columns there are.
    Native(String, Joined<'p>, (bool, bool)),
}

impl Made<'_> {
    /// How many columns it makes.
    fn columns(&self) -> usize {
        match self {
            Self::Native(_, _, (some, others)) => usize::from(*some) + usize::from(*others),
            _ => 1,
        }
    }
}

/// A file that is being made: all but the events' texts, which come last.
struct Making<'p> {
    parts: &'p [Rows],
    made: Vec<Made<'p>>,
    fields: Vec<Field>,
    /// By field of the layout: the column that it is stored under.
    stored: Vec<&'p str>,
}

impl<'p> Making<'p> {
    /// Where `is_lean`, what is the same under two names stands once.
    fn new(parts: &'p [Rows], layout: &'p Layout, is_lean: bool) -> Self {
        let mut making = Self { parts, made: Vec::new(), fields: Vec::new(), stored: Vec::new() };
        for field in layout::identity_fields() {
            let made = match field.name().as_str() {
                layout::EVENT_ID => Made::Identity(|rows| &rows.event_id),
                layout::TIME => Made::Identity(|rows| &rows.time),
                layout::INGEST_TIME => Made::Identity(|rows| &rows.ingest_time),
                layout::TIME_MISSING => Made::Identity(|rows| &rows.time_missing),
                layout::LINE => Made::Identity(|rows| &rows.line),
                layout::RECORD => Made::Identity(|rows| &rows.record),
                _ => {
                    let origins = parts.iter().map(|part| Some(&part.origin)).collect();
                    // many paths are a dictionary too: each is long, and read only of what matched
                    match Joined::unless_wider(origins, usize::MAX) {
                        Some(joined) => Made::Origin(joined),
                        None => continue,
                    }
                }
            };
            making.fields.push(field);
            making.made.push(made);
        }
        for (at, (_, stored)) in layout.fields().enumerate() {
            let canonical = layout.canonical_of(at).filter(|of| is_lean && are_the_same(parts, at, *of));
            if let Some(column) = canonical.and_then(|of| making.stored.get(of).copied()) {
                making.stored.push(column);
                continue;
            }
            making.stored.push(&stored.column);
            // a column of nothing but nulls is left out: the table says so of what a file does not have
            let cells = parts.iter().map(|part| part.cells.get(at)?.as_ref()).collect();
            let Some(joined) = Joined::of(cells) else { continue };
            let name = stored.column.clone();
            let of_texts = if joined.is_wide() { DataType::Utf8 } else { layout::dictionary() };
            match stored.kind {
                Some(kind) => {
                    let data_type = match kind {
                        ColumnKind::Text => of_texts,
                        kind => layout::stored_type(kind),
                    };
                    making.fields.push(Field::new(&name, data_type, true));
                    making.made.push(Made::Canonical(name, joined, kind));
                }
                None => {
                    let kinds = joined.kinds();
                    if kinds.0 {
                        making.fields.push(Field::new(&name, of_texts.clone(), true));
                    }
                    if kinds.1 {
                        making.fields.push(Field::new(format!("{name}{JSON_SUFFIX}"), of_texts, true));
                    }
                    making.made.push(Made::Native(name, joined, kinds));
                }
            }
        }
        making
    }

    /// The fields of the layout, as the file names them.
    fn names(&self, layout: &Layout) -> Vec<FieldName> {
        layout.fields().zip(&self.stored).map(|((field, _), stored)| FieldName::of(field, stored)).collect()
    }

    /// All columns.
    fn schema(&self) -> Arc<Schema> {
        let raw = Field::new(layout::RAW, DataType::Utf8, true);
        Arc::new(Schema::new(self.fields.iter().cloned().chain([raw]).collect::<Vec<_>>()))
    }

    /// Texts that are no dictionary.
    fn wide(&self) -> impl Iterator<Item = &str> {
        let wide = self.fields.iter().filter(|field| field.data_type() == &DataType::Utf8);
        wide.map(|field| field.name().as_str())
    }

    /// Some rows of what is made so: an array for each of its columns.
    fn arrays(&self, made: &Made<'_>, order: &[(usize, usize)]) -> Result<Vec<ArrayRef>, ArchiveError> {
        match made {
            Made::Identity(of) => Ok(vec![ordered(self.parts.iter().map(of), order)?]),
            Made::Origin(joined) => {
                Ok(joined.cells(order).map(|cells| Arc::new(cells) as ArrayRef).into_iter().collect())
            }
            Made::Canonical(_, joined, kind) => Ok(vec![joined.canonical(order, *kind)]),
            Made::Native(_, joined, (some, others)) => {
                let (plain, json) = joined.native(order);
                let there = [some.then_some(plain), others.then_some(json)];
                Ok(there.into_iter().flatten().collect())
            }
        }
    }
}

/// Whether a field has the same cells as a canonical one of texts, and they come back from its column to the byte.
fn are_the_same(parts: &[Rows], at: usize, canonical: usize) -> bool {
    parts.iter().all(|part| match (part.cells.get(at), part.cells.get(canonical)) {
        (Some(Some(own)), Some(Some(of))) => {
            let are_texts = Arc::ptr_eq(own.values(), of.values()) || texts(own) == texts(of);
            let are_equal = are_texts && own.keys() == of.keys();
            are_equal && texts(own).iter().flatten().all(|cell| plain(cell).is_some())
        }
        (own, of) => own.is_none_or(Option::is_none) && of.is_none_or(Option::is_none),
    })
}

/// Rows of arrays, as part and row.
fn ordered<'a>(
    arrays: impl Iterator<Item = &'a dyn Array>,
    order: &[(usize, usize)],
) -> Result<ArrayRef, ArchiveError> {
    let arrays: Vec<&dyn Array> = arrays.collect();
    interleave(&arrays, order).map_err(ArchiveError::at("ordering rows"))
}

/// Bytes of a page, unpacked; a page has no more rows than four blocks. Only raw events reach it: twice the window in
/// which zstd looks for what is alike, and no more, for whoever wants one event unpacks its page.
const PAGE_BYTES: usize = 4 << 20;

/// The same of a column whose values are new in nearly every event: whoever wants one of them unpacks its page, and
/// there is little in it that is alike.
const WIDE_PAGE_BYTES: usize = 64 << 10;

/// Rows whose texts are copied at once.
const STEP: usize = 2_048;

fn properties<'w>(wide: impl Iterator<Item = &'w str>) -> WriterProperties {
    let level = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default());
    let path = |name: &str| ColumnPath::from(vec![name.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(1_024)
        .set_dictionary_page_size_limit(4 << 20)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_compression(level(1))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(path(layout::TIME), EnabledStatistics::Page);
    for name in [layout::RAW, layout::EVENT_ID] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_statistics_enabled(path(name), EnabledStatistics::None);
    }
    for name in wide {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_data_page_size_limit(path(name), WIDE_PAGE_BYTES);
    }
    for name in [layout::TIME, layout::INGEST_TIME] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    properties.set_column_compression(path(layout::RAW), level(3)).build()
}

const DOING: &str = "writing a Parquet file";

/// Rows as a file has them, in their own order, each field under its own name.
pub(crate) fn columns(rows: &Rows, layout: &Layout) -> Result<RecordBatch, ArchiveError> {
    let making = Making::new(std::slice::from_ref(rows), layout, false);
    let order: Vec<(usize, usize)> = (0..rows.len()).map(|row| (0, row)).collect();
    let mut arrays = Vec::with_capacity(making.fields.len() + 1);
    for made in &making.made {
        arrays.extend(making.arrays(made, &order)?);
    }
    arrays.push(Arc::new(rows.raw.clone().unpacked()?));
    RecordBatch::try_new(making.schema(), arrays).map_err(ArchiveError::at("making columns"))
}

/// Writes rows of parts in an order as a file. What parts hold is let go before the texts of the last row group are
/// unpacked, for either is much.
pub(crate) fn write(
    parts: Vec<Rows>,
    mut raw: Texts,
    order: &[(usize, usize)],
    layout: &Layout,
) -> Result<(Vec<u8>, FileStats), ArchiveError> {
    let times = order.iter().map(|&(part, row)| parts[part].time.value(row));
    let times = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
    let making = Making::new(&parts, layout, true);
    let schema = making.schema();
    // about what it comes to: a buffer that doubles holds twice as much for a while
    let mut bytes = Vec::with_capacity(raw.bytes() / 3);
    let options =
        ArrowWriterOptions::new().with_properties(properties(making.wide())).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(&mut bytes, Arc::clone(&schema), options);
    let writer = writer.and_then(ArrowWriter::into_serialized_writer);
    let (mut writer, factory) = writer.map_err(ArchiveError::at(DOING))?;
    let mut known = SectionWriter::default();
    let (before, last) = order.split_at(order.len().saturating_sub(1) / ROW_GROUP * ROW_GROUP);
    for (number, order) in before.chunks(ROW_GROUP).enumerate() {
        let (mut group, mut columns) = begin(&mut writer, &factory, number)?;
        write_fields(&making, order, (&mut group, &mut columns), &mut known)?;
        write_texts(raw.plain()?, order, &schema, (group, columns.next()))?;
    }
    let (mut group, mut columns) = begin(&mut writer, &factory, before.len() / ROW_GROUP)?;
    write_fields(&making, last, (&mut group, &mut columns), &mut known)?;
    let fields = making.names(layout);
    drop(making);
    drop(parts);
    write_texts(raw.plain()?, last, &schema, (group, columns.next()))?;
    let mut sections = Vec::new();
    for (column, section) in known.finish()? {
        let offset = writer.bytes_written() as u64;
        writer.write_all(&section).map_err(ArchiveError::at(DOING))?;
        sections.push(Section { column, offset, length: section.len() as u64 });
    }
    let index = Index { fields, sections }.to_bytes()?;
    let offset = writer.bytes_written() as u64;
    writer.write_all(&index).map_err(ArchiveError::at(DOING))?;
    writer.append_key_value_metadata(Index::place(offset, index.len()));
    writer.close().map_err(ArchiveError::at(DOING))?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    Ok((bytes, FileStats { rows: order.len(), times, columns }))
}

type GroupWriter<'a, 'w> = SerializedRowGroupWriter<'a, &'w mut Vec<u8>>;

/// Begins a row group.
fn begin<'a, 'w>(
    writer: &'a mut SerializedFileWriter<&'w mut Vec<u8>>,
    factory: &ArrowRowGroupWriterFactory,
    number: usize,
) -> Result<(GroupWriter<'a, 'w>, std::vec::IntoIter<ArrowColumnWriter>), ArchiveError> {
    let columns = factory.create_column_writers(number).map_err(ArchiveError::at(DOING))?;
    Ok((writer.next_row_group().map_err(ArchiveError::at(DOING))?, columns.into_iter()))
}

/// Writes the fields of a row group column by column, so that only one column at a time is held twice.
fn write_fields(
    making: &Making<'_>,
    order: &[(usize, usize)],
    (group, columns): (&mut GroupWriter<'_, '_>, &mut impl Iterator<Item = ArrowColumnWriter>),
    known: &mut SectionWriter,
) -> Result<(), ArchiveError> {
    let mut fields = making.fields.iter();
    for made in &making.made {
        let count = made.columns();
        let arrays = making.arrays(made, order)?;
        for (array, field) in arrays.iter().zip(fields.by_ref().take(count)) {
            let Some(mut column) = columns.next() else { break };
            write_array(array, field, &mut column)?;
            close(column, group)?;
        }
        if let Made::Canonical(name, joined, _) | Made::Native(name, joined, _) = made {
            match joined.cells(order) {
                Some(cells) => known.add(name, &cells),
                None => known.add_many(name, joined.values()),
            }
        }
    }
    Ok(())
}

/// Writes the texts of a row group, and ends it. They are copied: no more of them at a time than need be.
fn write_texts(
    texts: &[StringArray],
    order: &[(usize, usize)],
    schema: &Schema,
    (mut group, column): (GroupWriter<'_, '_>, Option<ArrowColumnWriter>),
) -> Result<(), ArchiveError> {
    if let (Some(field), Some(mut column)) = (schema.fields().last(), column) {
        for order in order.chunks(STEP) {
            let texts = ordered(texts.iter().map(|texts| texts as &dyn Array), order)?;
            write_array(&texts, field, &mut column)?;
        }
        close(column, &mut group)?;
    }
    group.close().map_err(ArchiveError::at(DOING))?;
    Ok(())
}

fn write_array(array: &ArrayRef, field: &Field, column: &mut ArrowColumnWriter) -> Result<(), ArchiveError> {
    for leaf in compute_leaves(field, array).map_err(ArchiveError::at(DOING))? {
        column.write(&leaf).map_err(ArchiveError::at(DOING))?;
    }
    Ok(())
}

fn close(column: ArrowColumnWriter, group: &mut GroupWriter<'_, '_>) -> Result<(), ArchiveError> {
    let chunk = column.close().map_err(ArchiveError::at(DOING))?;
    chunk.append_to_row_group(group).map_err(ArchiveError::at(DOING))
}
