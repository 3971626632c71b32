//! Events that wait to be written: batches of one partition, joined and put in order.
//!
//! In: [`EventBatch`]es of a [`Layout`]'s projection. Out: columns of cells in the order of the file: what
//! rules dispatch on first (`service`, `action`), then time, so that an event that a rule looks for lies
//! beside its like and a page holds few different values.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow::compute::{concat, take};
use virga_engine::event::{EventBatch, Origin, OriginBase};

use crate::cells::CellArray;
use crate::error::ArchiveError;
use crate::layout::Layout;

/// The columns of a file's events.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub event_id: StringArray,
    pub time: TimestampMicrosecondArray,
    pub ingest_time: TimestampMicrosecondArray,
    pub time_missing: BooleanArray,
    pub origin: CellArray,
    pub line: arrow::array::Int64Array,
    pub record: arrow::array::Int64Array,
    pub raw: StringArray,
    /// In the order of the layout.
    pub cells: Vec<CellArray>,
}

/// An origin's base as JSON: what alerts show of it.
pub(crate) fn base_text(base: &OriginBase) -> String {
    let origin = Origin { base: base.clone(), line: None, record: None };
    serde_json::to_string(&origin).unwrap_or_default()
}

/// The base of an origin from its JSON.
pub(crate) fn base_of(text: &str) -> Option<OriginBase> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let member = |name: &str| value.get(name)?.as_str().map(Into::into);
    if let Some(path) = member("path") {
        return Some(OriginBase::File { path });
    }
    if let (Some(bucket), Some(key)) = (member("bucket"), member("key")) {
        return Some(OriginBase::Object { bucket, key });
    }
    let partition = i32::try_from(value.get("partition")?.as_i64()?).ok()?;
    Some(OriginBase::Topic { topic: member("topic")?, partition })
}

impl Rows {
    /// The rows of a batch with these numbers.
    pub fn of(batch: &EventBatch, rows: &[u32]) -> Result<Self, ArchiveError> {
        let numbers = UInt32Array::from(rows.to_vec());
        let taken = |array: &dyn Array| take(array, &numbers, None).map_err(ArchiveError::at("taking rows"));
        let mut known: HashMap<OriginBase, i32> = HashMap::new();
        let (mut bases, mut keys, mut lines, mut records) =
            (Vec::new(), Vec::new(), Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut ids: Vec<String> = Vec::new();
        let whole_ids = batch.event_ids().null_count() == 0;
        for &row in rows {
            let event = batch.row(row as usize);
            let Origin { base, line, record } = event.origin();
            let key = *known.entry(base).or_insert_with_key(|base| {
                bases.push(base_text(base));
                bases.len() as i32 - 1
            });
            keys.push(key);
            lines.push(line.and_then(|line| i64::try_from(line).ok()));
            records.push(record.and_then(|record| i64::try_from(record).ok()));
            if !whole_ids {
                ids.push(event.event_id().into_owned());
            }
        }
        let event_id = match whole_ids {
            true => typed(&taken(batch.event_ids())?)?,
            false => StringArray::from(ids),
        };
        let cells = batch.fields().iter().map(|cells| typed(&taken(cells)?));
        Ok(Self {
            event_id,
            time: typed(&taken(batch.times())?)?,
            ingest_time: typed(&taken(batch.ingest_times())?)?,
            time_missing: typed(&taken(batch.times_missing())?)?,
            origin: CellArray::new(keys.into(), std::sync::Arc::new(StringArray::from(bases))),
            line: lines.into(),
            record: records.into(),
            raw: typed(&taken(batch.raw())?)?,
            cells: cells.collect::<Result<_, ArchiveError>>()?,
        })
    }

    pub fn len(&self) -> usize {
        self.event_id.len()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let cells: usize = self.cells.iter().map(|cells| cells.get_buffer_memory_size()).sum();
        self.raw.get_buffer_memory_size() + self.event_id.get_buffer_memory_size() + 40 * self.len() + cells
    }

    /// Joins rows of one layout.
    pub fn join(parts: &[Self]) -> Result<Self, ArchiveError> {
        fn all<T: Array + Clone + 'static>(
            parts: &[Rows],
            of: &dyn Fn(&Rows) -> &T,
        ) -> Result<T, ArchiveError> {
            let arrays: Vec<&dyn Array> = parts.iter().map(|part| of(part) as &dyn Array).collect();
            typed(&concat(&arrays).map_err(ArchiveError::at("joining rows"))?)
        }
        let width = parts.first().map_or(0, |part| part.cells.len());
        Ok(Self {
            event_id: all(parts, &|rows| &rows.event_id)?,
            time: all(parts, &|rows| &rows.time)?,
            ingest_time: all(parts, &|rows| &rows.ingest_time)?,
            time_missing: all(parts, &|rows| &rows.time_missing)?,
            origin: all(parts, &|rows| &rows.origin)?,
            line: all(parts, &|rows| &rows.line)?,
            record: all(parts, &|rows| &rows.record)?,
            raw: all(parts, &|rows| &rows.raw)?,
            cells: (0..width)
                .map(|column| all(parts, &|rows| &rows.cells[column]))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Puts the rows in the order of a file.
    pub fn in_order(self, layout: &Layout) -> Result<Self, ArchiveError> {
        let rank = |name: &str| {
            let at = layout.fields().position(|(_, stored)| stored.column == name);
            at.map(|at| ranks(&self.cells[at]))
        };
        let (service, action) = (rank("service"), rank("action"));
        let of = |ranks: &Option<Vec<u32>>, row: usize| ranks.as_ref().map_or(0, |ranks| ranks[row]);
        let mut order: Vec<(u32, u32, i64, u32)> = (0..self.len())
            .map(|row| (of(&service, row), of(&action, row), self.time.value(row), row as u32))
            .collect();
        order.sort_unstable();
        let numbers = UInt32Array::from_iter_values(order.into_iter().map(|(_, _, _, row)| row));
        self.taken(&numbers)
    }

    /// Some of the rows.
    pub fn taken(&self, numbers: &UInt32Array) -> Result<Self, ArchiveError> {
        let one = |array: &dyn Array| take(array, numbers, None).map_err(ArchiveError::at("ordering rows"));
        Ok(Self {
            event_id: typed(&one(&self.event_id)?)?,
            time: typed(&one(&self.time)?)?,
            ingest_time: typed(&one(&self.ingest_time)?)?,
            time_missing: typed(&one(&self.time_missing)?)?,
            origin: typed(&one(&self.origin)?)?,
            line: typed(&one(&self.line)?)?,
            record: typed(&one(&self.record)?)?,
            raw: typed(&one(&self.raw)?)?,
            cells: self.cells.iter().map(|cells| typed(&one(cells)?)).collect::<Result<_, ArchiveError>>()?,
        })
    }
}

/// An array as what it is known to be.
pub(crate) fn typed<T: Array + Clone + 'static>(array: &ArrayRef) -> Result<T, ArchiveError> {
    let found = array.as_any().downcast_ref::<T>().cloned();
    found.ok_or_else(|| ArchiveError::new("reading a column", format!("it holds {}", array.data_type())))
}

/// Numbers by which rows sort as their texts do; absent first.
fn ranks(cells: &CellArray) -> Vec<u32> {
    let Some(values) = cells.values().as_any().downcast_ref::<StringArray>() else {
        return vec![0; cells.len()];
    };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by_key(|&key| values.value(key));
    let mut rank_of = vec![0; values.len()];
    let mut rank = 0;
    for (at, &key) in order.iter().enumerate() {
        if at == 0 || values.value(order[at - 1]) != values.value(key) {
            rank += 1;
        }
        rank_of[key] = rank;
    }
    cells.keys().iter().map(|key| key.map_or(0, |key| rank_of[key as usize])).collect()
}
