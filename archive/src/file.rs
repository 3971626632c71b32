//! One file of events: Parquet, sorted, with facets in its footer.
//!
//! In: rows of one partition in order. Out: the file's bytes, and what the table says of it. Row groups have
//! 131,072 rows and pages 8,192, so that a block of a facet is a page. `raw` and ids are not dictionary-coded;
//! everything else is.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde::{Deserialize, Serialize};
use serde_json::json;
use virga_engine::event::ProjectedField;

use crate::cells::{CellArray, canonical_column, native_columns};
use crate::error::ArchiveError;
use crate::facets::{FOOTER_KEY, FileFacets};
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
        self.name == field.name
            && self.paths == field.paths
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

/// The columns of rows as a file has them.
struct Columns {
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl Columns {
    fn of(rows: &Rows, layout: &Layout) -> Self {
        let mut columns = Self { fields: layout::identity_fields(), arrays: Vec::new() };
        columns.arrays.push(Arc::new(rows.event_id.clone()));
        columns.arrays.push(Arc::new(rows.time.clone()));
        columns.arrays.push(Arc::new(rows.ingest_time.clone()));
        columns.arrays.push(Arc::new(rows.time_missing.clone()));
        columns.arrays.push(Arc::new(rows.origin.clone()));
        columns.arrays.push(Arc::new(rows.line.clone()));
        columns.arrays.push(Arc::new(rows.record.clone()));
        for ((_, stored), cells) in layout.fields().zip(&rows.cells) {
            let Some(cells) = cells else { continue };
            match stored.kind {
                Some(kind) => columns.add(&stored.column, canonical_column(cells, kind)),
                None => {
                    let (plain, json) = native_columns(cells);
                    columns.add(&stored.column, plain);
                    if let Some(json) = json {
                        columns.add(&format!("{}{JSON_SUFFIX}", stored.column), json);
                    }
                }
            }
        }
        columns.add(layout::RAW, Arc::new(rows.raw.clone()));
        columns
    }

    /// A column of nothing but nulls is left out: the table says so of what a file does not have.
    fn add(&mut self, name: &str, array: ArrayRef) {
        if array.null_count() < array.len() {
            self.fields.push(Field::new(name, array.data_type().clone(), true));
            self.arrays.push(array);
        }
    }
}

fn properties(facets: &FileFacets, layout: &Layout) -> WriterProperties {
    let fields: Vec<FieldName> =
        layout.fields().map(|(field, stored)| FieldName::of(field, &stored.column)).collect();
    let mut footer = vec![KeyValue::new(FIELDS_KEY.to_owned(), serde_json::to_string(&fields).ok())];
    footer.push(KeyValue::new(FOOTER_KEY.to_owned(), facets.to_text()));
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
    for name in [layout::TIME, layout::INGEST_TIME] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    properties.set_column_compression(path(layout::RAW), level(3)).build()
}

/// Rows as a file has them.
pub(crate) fn columns(rows: &Rows, layout: &Layout) -> Result<RecordBatch, ArchiveError> {
    let columns = Columns::of(rows, layout);
    let schema = Arc::new(Schema::new(columns.fields));
    RecordBatch::try_new(schema, columns.arrays).map_err(ArchiveError::at("making columns"))
}

/// Writes rows, which are in order, as a file.
pub(crate) fn write(rows: &Rows, layout: &Layout) -> Result<(Vec<u8>, FileStats), ArchiveError> {
    let doing = "writing a Parquet file";
    let mut facets = FileFacets::default();
    let names: Vec<&str> = layout.fields().map(|(_, stored)| stored.column.as_str()).collect();
    for start in (0..rows.len()).step_by(ROW_GROUP) {
        let length = ROW_GROUP.min(rows.len() - start);
        let group: Vec<Option<CellArray>> =
            rows.cells.iter().map(|cells| cells.as_ref().map(|cells| cells.slice(start, length))).collect();
        facets.add_group(length, names.iter().copied().zip(group.iter().map(Option::as_ref)));
    }
    let batch = columns(rows, layout)?;
    let schema = batch.schema();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties(&facets, layout)))
        .map_err(ArchiveError::at(doing))?;
    writer.write(&batch).map_err(ArchiveError::at(doing))?;
    writer.close().map_err(ArchiveError::at(doing))?;
    let times = rows.time.values().iter();
    let stats = FileStats {
        rows: rows.len(),
        times: (times.clone().copied().min().unwrap_or(0), times.copied().max().unwrap_or(0)),
        columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
    };
    Ok((bytes, stats))
}
