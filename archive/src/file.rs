//! One file of events: Parquet, sorted, with what is known of its values behind them.
//!
//! In: rows of one partition and their order. Out: the file's bytes, and what the table says of it. Row groups have
//! 131,072 rows and pages 8,192, so that a block of a facet is a page. `raw`, ids and fields that are new in nearly
//! every event are not dictionary-coded; everything else is.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use serde_json::json;
use virga_engine::event::{ColumnKind, ProjectedField};

use crate::error::ArchiveError;
use crate::facets::{SECTIONS_KEY, Section, SectionWriter};
use crate::joined::Joined;
use crate::layout::{self, BLOCK, JSON_SUFFIX, Layout, ROW_GROUP};
use crate::rows::Rows;

/// The footer's key for the fields that a file holds.
pub(crate) const FIELDS_KEY: &str = "virga.fields";

/// A field as a footer names it: two that are equal hold the same cells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FieldName {
    pub name: String,
    pub paths: Vec<String>,
    pub computed: bool,
    pub column: Option<String>,
    /// The column that it is stored under.
    pub stored: String,
}

impl FieldName {
    pub fn of(field: &ProjectedField, stored: &str) -> Self {
        Self {
            name: field.name.clone(),
            paths: field.paths.clone(),
            computed: field.computed,
            column: field.column.map(|column| column.name.to_owned()),
            stored: stored.to_owned(),
        }
    }

    pub fn is(&self, field: &ProjectedField) -> bool {
        // members are found whatever their case: rules that write one field differently share what is stored
        let are_like = |a: &String, b: &String| a.eq_ignore_ascii_case(b);
        are_like(&self.name, &field.name)
            && self.paths.len() == field.paths.len()
            && self.paths.iter().zip(&field.paths).all(|(own, asked)| are_like(own, asked))
            && self.computed == field.computed
            && self.column.as_deref() == field.column.map(|column| column.name)
    }
}

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
        json!({
            "numRecords": self.rows,
            "minValues": {"time": shown(self.times.0)},
            // statistics have milliseconds; what is cut off must not make the latest earlier
            "maxValues": {"time": shown(self.times.1.div_euclid(1_000).saturating_add(1).saturating_mul(1_000))},
            "nullCount": {"time": 0},
        })
        .to_string()
    }
}

/// How columns of a file are made.
enum Made<'p> {
    Identity(fn(&Rows) -> &dyn Array),
    Raw,
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

/// A file that is being made.
struct Making<'p> {
    parts: &'p [Rows],
    raw: &'p [StringArray],
    made: Vec<Made<'p>>,
    fields: Vec<Field>,
}

impl<'p> Making<'p> {
    fn new(parts: &'p [Rows], raw: &'p [StringArray], layout: &Layout) -> Self {
        let mut making = Self { parts, raw, made: Vec::new(), fields: Vec::new() };
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
        making.fields.push(Field::new(layout::RAW, DataType::Utf8, true));
        making.made.push(Made::Raw);
        making
    }

    /// Texts that are no dictionary.
    fn wide(&self) -> impl Iterator<Item = &str> {
        let wide = self.fields.iter().filter(|field| field.data_type() == &DataType::Utf8);
        wide.map(|field| field.name().as_str())
    }

    /// Some rows of what is made so: an array for each of its columns.
    fn arrays(&self, made: &Made<'_>, order: &[(usize, usize)]) -> Result<Vec<ArrayRef>, ArchiveError> {
        let ordered = |arrays: &[&dyn Array]| {
            Ok(vec![interleave(arrays, order).map_err(ArchiveError::at("ordering rows"))?])
        };
        match made {
            Made::Identity(of) => ordered(&self.parts.iter().map(of).collect::<Vec<_>>()),
            Made::Raw => ordered(&self.raw.iter().map(|raw| raw as &dyn Array).collect::<Vec<_>>()),
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

fn properties<'w>(wide: impl Iterator<Item = &'w str>, layout: &Layout) -> WriterProperties {
    let fields: Vec<FieldName> =
        layout.fields().map(|(field, stored)| FieldName::of(field, &stored.column)).collect();
    let footer = vec![KeyValue::new(FIELDS_KEY.to_owned(), serde_json::to_string(&fields).ok())];
    let level = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap_or_default());
    let path = |name: &str| ColumnPath::from(vec![name.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_data_page_row_count_limit(BLOCK)
        .set_write_batch_size(1_024)
        .set_dictionary_page_size_limit(4 << 20)
        // a block of raw events is one page: what lies together is packed together
        .set_data_page_size_limit(16 << 20)
        .set_compression(level(1))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(path(layout::TIME), EnabledStatistics::Page)
        .set_key_value_metadata(Some(footer));
    for name in [layout::RAW, layout::EVENT_ID] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_statistics_enabled(path(name), EnabledStatistics::None);
    }
    for name in wide {
        properties = properties.set_column_dictionary_enabled(path(name), false);
    }
    for name in [layout::TIME, layout::INGEST_TIME] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    properties.set_column_compression(path(layout::RAW), level(3)).build()
}

const DOING: &str = "writing a Parquet file";

/// Rows as a file has them, in their own order.
pub(crate) fn columns(rows: &Rows, layout: &Layout) -> Result<RecordBatch, ArchiveError> {
    let raw = [rows.raw.clone().unpacked()?];
    let making = Making::new(std::slice::from_ref(rows), &raw, layout);
    let order: Vec<(usize, usize)> = (0..rows.len()).map(|row| (0, row)).collect();
    let mut arrays = Vec::with_capacity(making.fields.len());
    for made in &making.made {
        arrays.extend(making.arrays(made, &order)?);
    }
    let schema = Arc::new(Schema::new(making.fields.clone()));
    RecordBatch::try_new(schema, arrays).map_err(ArchiveError::at("making columns"))
}

/// Writes rows of parts in an order as a file.
pub(crate) fn write(
    parts: &[Rows],
    raw: &[StringArray],
    order: &[(usize, usize)],
    layout: &Layout,
) -> Result<(Vec<u8>, FileStats), ArchiveError> {
    let making = Making::new(parts, raw, layout);
    let schema = Arc::new(Schema::new(making.fields.clone()));
    let mut bytes = Vec::new();
    let properties = properties(making.wide(), layout);
    let writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties));
    let writer = writer.and_then(ArrowWriter::into_serialized_writer);
    let (mut writer, factory) = writer.map_err(ArchiveError::at(DOING))?;
    let mut known = SectionWriter::default();
    for (number, order) in order.chunks(ROW_GROUP).enumerate() {
        let columns = factory.create_column_writers(number).map_err(ArchiveError::at(DOING))?;
        write_group(&making, order, (&mut writer, columns), &mut known)?;
    }
    let mut sections = Vec::new();
    for (column, section) in known.finish()? {
        let offset = writer.bytes_written() as u64;
        writer.write_all(&section).map_err(ArchiveError::at(DOING))?;
        sections.push(Section { column, offset, length: section.len() as u64 });
    }
    let sections = serde_json::to_string(&sections).map_err(ArchiveError::at(DOING))?;
    writer.append_key_value_metadata(KeyValue::new(SECTIONS_KEY.to_owned(), sections));
    writer.close().map_err(ArchiveError::at(DOING))?;
    let times = order.iter().map(|&(part, row)| parts[part].time.value(row));
    let stats = FileStats {
        rows: order.len(),
        times: (times.clone().min().unwrap_or(0), times.max().unwrap_or(0)),
        columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
    };
    Ok((bytes, stats))
}

/// Writes a row group column by column, so that only one column at a time is held twice.
fn write_group(
    making: &Making<'_>,
    order: &[(usize, usize)],
    (writer, columns): (&mut SerializedFileWriter<&mut Vec<u8>>, Vec<ArrowColumnWriter>),
    known: &mut SectionWriter,
) -> Result<(), ArchiveError> {
    let mut group = writer.next_row_group().map_err(ArchiveError::at(DOING))?;
    let (mut columns, mut fields) = (columns.into_iter(), making.fields.iter());
    for made in &making.made {
        let count = made.columns();
        let mut writers: Vec<ArrowColumnWriter> = columns.by_ref().take(count).collect();
        let fields: Vec<&Field> = fields.by_ref().take(count).collect();
        // texts are copied: no more of them at a time than a page has
        let step = if matches!(made, Made::Raw) { BLOCK } else { ROW_GROUP };
        for order in order.chunks(step) {
            let arrays = making.arrays(made, order)?;
            for ((array, field), column) in arrays.iter().zip(&fields).zip(&mut writers) {
                for leaf in compute_leaves(field, array).map_err(ArchiveError::at(DOING))? {
                    column.write(&leaf).map_err(ArchiveError::at(DOING))?;
                }
            }
        }
        for column in writers {
            let chunk = column.close().map_err(ArchiveError::at(DOING))?;
            chunk.append_to_row_group(&mut group).map_err(ArchiveError::at(DOING))?;
        }
        if let Made::Canonical(name, joined, _) | Made::Native(name, joined, _) = made {
            match joined.cells(order) {
                Some(cells) => known.add(name, &cells),
                None => known.add_many(name, joined.values()),
            }
        }
    }
    group.close().map_err(ArchiveError::at(DOING))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule may write `userIdentity.accessKeyId` as it likes: what another made the file store is what it asks
    /// for, and need not be made anew from the raw events.
    #[test]
    fn a_field_is_the_same_in_whatever_case_a_rule_writes_it() {
        let field = |name: &str, path: &str| ProjectedField {
            name: name.into(),
            paths: vec![path.into()],
            computed: false,
            column: None,
        };
        let stored = FieldName::of(&field("a.bc", "a.bc"), "a__bc");
        for (name, path, expected) in
            [("a.bc", "a.bc", true), ("a.bc", "A.bC", true), ("a.bc", "a.b", false), ("a.b", "a.bc", false)]
        {
            assert_eq!(stored.is(&field(name, path)), expected, "{name} {path}");
        }
        let computed = ProjectedField { computed: true, ..field("a.bc", "a.bc") };
        assert!(!stored.is(&computed));
    }
}
