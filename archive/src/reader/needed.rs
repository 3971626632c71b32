//! What is read of stored events: cells for a scan, whole events of what matched.

use std::sync::Arc;

use arrow::array::{Array as _, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use parquet::arrow::arrow_reader::RowSelection;
use virga_engine::event::{EventBatch, KeptColumns, Origin, OriginBase, Projection};
use virga_engine::scan::Blocks;

use super::select::{Spread, rows_of, selection_of, selection_of_rows};
use super::{Needed, NeededBlocks, NeededEvents, Rebuild, StoredEvents, StoredFile, Who, column};
use crate::cells::{self, CellArray};
use crate::error::ArchiveError;
use crate::layout::{self, JSON_SUFFIX};
use crate::rows::base_of;
use crate::texts::TextColumn;

/// What was read of some rows.
struct SomeRows {
    source: Arc<str>,
    batch: RecordBatch,
    fields: Vec<CellArray>,
    texts: Vec<TextColumn>,
    raw: Option<StringArray>,
    bytes: u64,
}

impl StoredFile {
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
            let here = Needed { columns: &columns, texts: &[], who: Who::Times, raw: needed.raw == mask };
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
    ) -> Result<NeededEvents, ArchiveError> {
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
        let raw = read.raw.filter(|_| needed.raw);
        if !with_origins {
            let ids: Option<StringArray> = match needed.who >= Who::Ids {
                true => Some(column(&read.batch, layout::EVENT_ID)?),
                false => None,
            };
            let (projection, source) = (Arc::clone(projection), read.source);
            let batch = EventBatch::of_cells(source, projection, read.fields, rows.len(), raw);
            return Ok(NeededEvents {
                batch: batch.at_times(time, ids),
                texts: read.texts,
                bytes: read.bytes,
            });
        }
        let kept = KeptColumns {
            event_id: column(&read.batch, layout::EVENT_ID)?,
            time,
            ingest_time: column(&read.batch, layout::INGEST_TIME)?,
            time_missing: column(&read.batch, layout::TIME_MISSING)?,
            origins: origins(&read.batch)?,
            raw: raw.unwrap_or_else(|| StringArray::new_null(rows.len())),
            fields: read.fields,
        };
        let batch = EventBatch::of_columns(read.source, Arc::clone(projection), kept);
        Ok(NeededEvents { batch, texts: read.texts, bytes: read.bytes })
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
        let as_cells = |at: usize| needed.columns.get(at) == Some(&true);
        let is_needed = |at: usize| as_cells(at) || needed.texts.contains(&at);
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
        let mut texts = vec![TextColumn::absent(0); needed.texts.len()];
        for (at, field) in projection.fields.iter().enumerate() {
            let is_lacking = is_needed(at) && self.stored(field).is_none();
            let made = if is_lacking { made.next() } else { None };
            if is_lacking && made.is_none() {
                return Err(ArchiveError::new(doing(), "a field could not be made anew"));
            }
            if let Some(text) = needed.texts.iter().position(|text| *text == at) {
                texts[text] = match &made {
                    Some(made) => TextColumn::of_cells(made),
                    None => self.text_column(&batch, field, count)?,
                };
            }
            fields.push(match (as_cells(at), made) {
                (false, _) => nothing.clone(),
                (true, Some(made)) => made,
                (true, None) => self.cell_column(&batch, field, count)?,
            });
        }
        Ok(SomeRows { source, batch, fields, texts, raw, bytes })
    }
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
