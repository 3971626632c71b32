//! Events that wait to be written: batches of one partition, and the order in which they are joined.
//!
//! In: [`EventBatch`]es of a [`Layout`]'s projection. Out: their columns, and which row comes when in a file: what
//! rules dispatch on first (`service`, `action`), then time, so that an event that a rule looks for lies
//! beside its like and a page holds few different values. An event that came twice is kept once: the same
//! id, and the same record however it was printed. One id with two records keeps both.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::compute::take;
use virga_engine::event::{EventBatch, Origin, OriginBase, record_hash};

use crate::cells::{CellArray, texts};
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
    pub line: Int64Array,
    pub record: Int64Array,
    pub raw: Raw,
    /// In the order of the layout; `None` where no event has the field.
    pub cells: Vec<Option<CellArray>>,
}

/// The texts of events.
#[derive(Debug, Clone)]
pub(crate) enum Raw {
    Plain(StringArray),
    /// While they wait: compressed as one, with the length of each.
    Packed {
        frame: Box<[u8]>,
        lengths: Vec<u32>,
        bytes: usize,
    },
}

/// What is packed only to wait is packed as fast as can be.
const WAITING_LEVEL: i32 = -3;

impl Default for Raw {
    fn default() -> Self {
        Self::Plain(StringArray::new_null(0))
    }
}

/// Packs texts that wait, batch after batch in the same room.
#[derive(Default)]
pub(crate) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    room: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("room", &self.room.capacity()).finish_non_exhaustive()
    }
}

impl Packer {
    fn pack(&mut self, texts: &StringArray) -> Result<Raw, ArchiveError> {
        let failed = ArchiveError::at("packing events");
        let (first, last) = (texts.value_offsets().first(), texts.value_offsets().last());
        let range = first.map_or(0, |at| *at as usize)..last.map_or(0, |at| *at as usize);
        let data = texts.value_data().get(range).unwrap_or_default();
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            None => {
                let new = zstd::bulk::Compressor::new(WAITING_LEVEL);
                self.compressor.insert(new.map_err(ArchiveError::at("packing events"))?)
            }
        };
        // there must be room for the worst case; what waits is what it came to
        self.room.clear();
        self.room.reserve(zstd::zstd_safe::compress_bound(data.len()));
        compressor.compress_to_buffer(data, &mut self.room).map_err(failed)?;
        let frame = self.room.as_slice().into();
        let lengths = texts.offsets().lengths().map(|length| length as u32).collect();
        Ok(Raw::Packed { frame, lengths, bytes: data.len() })
    }
}

impl Raw {
    /// The texts; what was packed is unpacked.
    pub fn unpacked(self) -> Result<StringArray, ArchiveError> {
        let doing = "unpacking events that waited";
        match self {
            Self::Plain(texts) => Ok(texts),
            Self::Packed { frame, lengths, bytes } => {
                let data = zstd::bulk::decompress(&frame, bytes).map_err(ArchiveError::at(doing))?;
                let offsets = OffsetBuffer::from_lengths(lengths.into_iter().map(|length| length as usize));
                StringArray::try_new(offsets, data.into(), None).map_err(ArchiveError::at(doing))
            }
        }
    }

    /// Bytes held.
    fn held(&self) -> usize {
        match self {
            Self::Plain(texts) => texts.value_data().len(),
            Self::Packed { frame, lengths, .. } => frame.len() + 4 * lengths.len(),
        }
    }

    /// Bytes of the texts.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Plain(texts) => texts.value_data().len(),
            Self::Packed { bytes, .. } => *bytes,
        }
    }
}

/// The texts of parts. They are most of the memory that a file takes while it is made, and wait packed until somebody
/// asks for them.
pub(crate) struct Texts {
    packed: Vec<Raw>,
    plain: Vec<StringArray>,
}

impl Texts {
    /// Those of parts, which have them no longer.
    pub fn taken_from(parts: &mut [Rows]) -> Self {
        Self {
            packed: parts.iter_mut().map(|part| std::mem::take(&mut part.raw)).collect(),
            plain: Vec::new(),
        }
    }

    /// Bytes of them.
    pub fn bytes(&self) -> usize {
        let plain = self.plain.iter().map(|texts| texts.value_data().len());
        self.packed.iter().map(Raw::text_bytes).chain(plain).sum()
    }

    /// By part, each row's.
    pub fn plain(&mut self) -> Result<&[StringArray], ArchiveError> {
        for raw in self.packed.drain(..) {
            self.plain.push(raw.unpacked()?);
        }
        Ok(&self.plain)
    }
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
    /// The rows of a batch with these numbers, which rise.
    pub fn of(batch: &EventBatch, rows: &[u32], packer: &mut Packer) -> Result<Self, ArchiveError> {
        let numbers = UInt32Array::from(rows.to_vec());
        let whole = rows.len() == batch.len();
        let taken = |array: &dyn Array| match whole {
            true => Ok(array.slice(0, array.len())),
            false => take(array, &numbers, None).map_err(ArchiveError::at("taking rows")),
        };
        let origins = Origins::of(batch, rows);
        let event_id = match batch.event_ids().null_count() {
            0 => typed(&taken(batch.event_ids())?)?,
            _ => rows.iter().map(|&row| Some(batch.row(row as usize).event_id())).collect(),
        };
        // of two fields that are one column of the batch the second is held as the first
        let mut known: HashMap<[usize; 2], usize> = HashMap::new();
        let mut cells: Vec<Option<CellArray>> = Vec::with_capacity(batch.fields().len());
        for column in batch.fields() {
            let place = [Arc::as_ptr(column.values()).addr(), column.keys().values().inner().as_ptr().addr()];
            let first = *known.entry(place).or_insert(cells.len());
            cells.push(match cells.get(first) {
                Some(same) => same.clone(),
                None if whole => (column.null_count() < column.len()).then(|| shrunk(column)),
                None => compact(column, rows).map(|cells| shrunk(&cells)),
            });
        }
        Ok(Self {
            event_id,
            time: typed(&taken(batch.times())?)?,
            ingest_time: typed(&taken(batch.ingest_times())?)?,
            time_missing: typed(&taken(batch.times_missing())?)?,
            origin: origins.bases,
            line: origins.lines,
            record: origins.records,
            raw: packer.pack(&typed(&taken(batch.raw())?)?)?,
            cells,
        })
    }

    pub fn len(&self) -> usize {
        self.event_id.len()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let ids = self.event_id.value_data().len();
        let cells = self.cells.iter().flatten();
        let cells: usize = cells.map(|cells| 4 * cells.len() + cells.values().get_buffer_memory_size()).sum();
        self.raw.held() + ids + 48 * self.len() + cells
    }
}

/// Where the events of a batch came from, as columns.
struct Origins {
    bases: CellArray,
    lines: Int64Array,
    records: Int64Array,
}

impl Origins {
    fn of(batch: &EventBatch, rows: &[u32]) -> Self {
        let mut known: HashMap<OriginBase, i32> = HashMap::new();
        let (mut bases, mut keys): (Vec<String>, Vec<i32>) = (Vec::new(), Vec::with_capacity(rows.len()));
        let (mut lines, mut records) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut last: Option<(OriginBase, i32)> = None;
        for &row in rows {
            let Origin { base, line, record } = batch.row(row as usize).origin();
            lines.push(line.and_then(|line| i64::try_from(line).ok()));
            records.push(record.and_then(|record| i64::try_from(record).ok()));
            if let Some((_, key)) = last.as_ref().filter(|(same, _)| *same == base) {
                keys.push(*key);
                continue;
            }
            let key = *known.entry(base.clone()).or_insert_with_key(|base| {
                bases.push(base_text(base));
                bases.len() as i32 - 1
            });
            keys.push(key);
            last = Some((base, key));
        }
        Self {
            bases: CellArray::new(keys.into(), Arc::new(StringArray::from(bases))),
            lines: lines.into(),
            records: records.into(),
        }
    }
}

/// A column whose values take the room that they need: it was filled with room to spare, and now it waits.
fn shrunk(cells: &CellArray) -> CellArray {
    let values = texts(cells);
    let (data, offsets) = (values.value_data(), values.value_offsets());
    let needed = data.len() + size_of_val(offsets);
    if values.get_buffer_memory_size() < needed + needed / 8 || values.null_count() > 0 {
        return cells.clone();
    }
    let offsets = OffsetBuffer::new(offsets.to_vec().into());
    let values = StringArray::new(offsets, Buffer::from(data), None);
    CellArray::new(cells.keys().clone(), Arc::new(values))
}

/// Some rows of a column with no more values than they hold: what is left out must not be held.
fn compact(cells: &CellArray, rows: &[u32]) -> Option<CellArray> {
    let values = texts(cells);
    const NEW: i32 = -1;
    let mut new_keys: Vec<i32> = vec![NEW; values.len()];
    let mut kept: Vec<&str> = Vec::new();
    let keys: Int32Array = rows
        .iter()
        .map(|&row| {
            let row = row as usize;
            let key = cells.key(row)?;
            let new = new_keys.get_mut(key)?;
            if *new == NEW {
                kept.push(values.value(key));
                *new = kept.len() as i32 - 1;
            }
            Some(*new)
        })
        .collect();
    (!kept.is_empty()).then(|| CellArray::new(keys, Arc::new(StringArray::from(kept))))
}

/// The rows of parts, as part and row, in the order of a file; and how many are left out because they came
/// before.
pub(crate) fn order(
    parts: &[Rows],
    texts: &mut Texts,
    layout: &Layout,
) -> Result<(Vec<(usize, usize)>, usize), ArchiveError> {
    let (service, action) = (Ranks::of(parts, layout, "service"), Ranks::of(parts, layout, "action"));
    let mut order: Vec<(u32, u32, i64, u32, u32)> =
        Vec::with_capacity(parts.iter().map(Rows::len).sum::<usize>());
    for (number, part) in parts.iter().enumerate() {
        order.extend((0..part.len()).map(|row| {
            let (service, action) = (service.rank(parts, number, row), action.rank(parts, number, row));
            (service, action, part.time.value(row), number as u32, row as u32)
        }));
    }
    order.sort_unstable();
    let all = order.len();
    let mut kept = Vec::with_capacity(all);
    let like =
        |a: &(u32, u32, i64, u32, u32), b: &(u32, u32, i64, u32, u32)| (a.0, a.1, a.2) == (b.0, b.1, b.2);
    let is_untimed = |part: usize, row: usize| parts[part].time_missing.value(row);
    let mut seen: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    // an event without a time has that of its coming, which says nothing of what it is
    let mut untimed: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for run in order.chunk_by(like) {
        let places = run.iter().map(|&(.., part, row)| (part as usize, row as usize));
        let is_alone = run.len() == 1 && !places.clone().any(|(part, row)| is_untimed(part, row));
        if is_alone {
            kept.extend(places);
            continue;
        }
        seen.clear();
        for (part, row) in places {
            let known = if is_untimed(part, row) { &mut untimed } else { &mut seen };
            let same_id = known.entry(parts[part].event_id.value(row)).or_default();
            if !same_id.is_empty() {
                let texts = texts.plain()?;
                let raw = |(part, row): (usize, usize)| texts[part].value(row);
                if same_id.iter().any(|&other| is_same_record(raw(other), raw((part, row)))) {
                    continue;
                }
            }
            same_id.push((part, row));
            kept.push((part, row));
        }
    }
    let duplicates = all - kept.len();
    Ok((kept, duplicates))
}

/// Whether two texts are one record, however it was printed.
fn is_same_record(a: &str, b: &str) -> bool {
    a == b || record_hash(a) == record_hash(b)
}

/// Numbers by which rows sort as their texts do; absent first.
struct Ranks {
    column: Option<usize>,
    /// By part and key.
    ranks: Vec<Vec<u32>>,
}

impl Ranks {
    fn of(parts: &[Rows], layout: &Layout, name: &str) -> Self {
        let column = layout.fields().position(|(_, stored)| stored.column == name);
        let values = |part: &Rows| -> Vec<String> {
            let cells = column.and_then(|column| part.cells.get(column)?.as_ref());
            let texts = cells.map(texts).into_iter().flatten();
            texts.map(|text| text.unwrap_or_default().to_owned()).collect()
        };
        let values: Vec<Vec<String>> = parts.iter().map(values).collect();
        let mut sorted: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let rank = |text: &String| sorted.binary_search(&text.as_str()).map_or(0, |at| at as u32 + 1);
        let ranks = values.iter().map(|values| values.iter().map(rank).collect()).collect();
        Self { column, ranks }
    }

    fn rank(&self, parts: &[Rows], part: usize, row: usize) -> u32 {
        let cells = self.column.and_then(|column| parts[part].cells[column].as_ref());
        let key = cells.and_then(|cells| cells.key(row));
        key.map_or(0, |key| self.ranks[part][key])
    }
}

/// An array as what it is known to be.
pub(crate) fn typed<T: Array + Clone + 'static>(array: &ArrayRef) -> Result<T, ArchiveError> {
    let found = array.as_any().downcast_ref::<T>().cloned();
    found.ok_or_else(|| ArchiveError::new("reading a column", format!("it holds {}", array.data_type())))
}
