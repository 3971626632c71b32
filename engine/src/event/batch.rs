//! `EventBatch`: events of one source as Arrow columns, and the builder that sources fill.
//!
//! In: one row at a time, its identity, its raw text and the texts of the projected fields. Out:
//! Arrow arrays. Field columns are dictionary-encoded per batch, so that whatever looks at values
//! looks at each distinct one once. Dictionaries live and die with their batch: a batch means the
//! same whatever came before it.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::builder::{BooleanBuilder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{Array, BooleanArray, DictionaryArray, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Origin, OriginBase, Projection};
use crate::json::{Cells, JsonError, Projector};

/// Separates the JSON texts of one cell (RFC 7464's record separator).
pub const TEXT_SEPARATOR: char = '\u{1e}';

/// By what an event is known. The hashes are made when somebody asks: most events never match a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventId<'a> {
    /// Its natural id.
    Natural(&'a str),
    /// A hash of the record.
    Record,
    /// A hash of where it stood.
    Place,
}

/// A hash of a record: of its compact text, so that it does not depend on how the log was printed.
pub fn record_hash(raw: &str) -> String {
    let mut compact = String::new();
    match crate::json::parse(raw) {
        Ok(value) => value.write_compact(&mut compact),
        // what cannot be read to its end is known by its bytes
        Err(_) => compact.push_str(raw),
    }
    text_hash(&compact)
}

/// 128 bits of BLAKE3 over a text, in hexadecimal.
fn text_hash(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes());
    hash.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

/// What identifies one event.
#[derive(Debug, Clone)]
pub struct RowIdentity<'a> {
    /// By what it is known.
    pub event_id: EventId<'a>,
    /// Event time, microseconds since 1970 in UTC.
    pub time: i64,
    /// When the input received it, microseconds since 1970 in UTC.
    pub ingest_time: i64,
    /// The event had no readable time; `time` is the ingest time.
    pub time_missing: bool,
    /// The file, object or partition.
    pub base: &'a OriginBase,
    /// The line, where the input has lines; from 1.
    pub line: Option<u64>,
    /// The record or offset.
    pub record: Option<u64>,
}

/// Events of one source.
#[derive(Debug, Clone)]
pub struct EventBatch {
    source: Arc<str>,
    projection: Arc<Projection>,
    event_id: StringArray,
    time: TimestampMicrosecondArray,
    ingest_time: TimestampMicrosecondArray,
    time_missing: BooleanArray,
    bases: Vec<OriginBase>,
    places: Vec<Place>,
    raw: StringArray,
    fields: Vec<DictionaryArray<Int32Type>>,
}

#[derive(Debug, Clone)]
struct Place {
    base: u32,
    line: Option<u64>,
    record: Option<u64>,
    /// Without a natural id it is known by a hash of the record, not of its place.
    of_record: bool,
}

/// The columns of events that were kept, all of one length.
#[derive(Debug, Clone)]
pub struct KeptColumns {
    /// Their ids: natural ones, or the hashes that stood for them. None is null.
    pub event_id: StringArray,
    /// Event times.
    pub time: TimestampMicrosecondArray,
    /// Ingest times.
    pub ingest_time: TimestampMicrosecondArray,
    /// Whether the ingest time stands for an event time that was missing.
    pub time_missing: BooleanArray,
    /// Where they were read.
    pub origins: Vec<Origin>,
    /// The events as they came.
    pub raw: StringArray,
    /// The cells of the projection's fields.
    pub fields: Vec<DictionaryArray<Int32Type>>,
}

/// One event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    batch: &'a EventBatch,
    index: usize,
}

impl EventBatch {
    /// A batch of raw events alone: native fields, no canonical columns, no times, and the number of the
    /// event, from 1, as its line and id.
    ///
    /// # Errors
    /// Where a text is not a JSON object.
    pub fn of_raw<'t>(
        source: &str,
        projection: &Arc<Projection>,
        events: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, JsonError> {
        let paths: Vec<Vec<String>> = projection.fields.iter().map(|field| field.paths.clone()).collect();
        let projector = Projector::new(&paths);
        let mut cells = Cells::default();
        let mut builder = BatchBuilder::new(source.into(), Arc::clone(projection));
        let base = OriginBase::File { path: "-".into() };
        for (number, event) in (1u64..).zip(events) {
            projector.project(event, &mut cells)?;
            for field in 0..paths.len() {
                if cells.text(field, event).is_some() {
                    builder.field_texts(field, cells.texts(field, event));
                }
            }
            let identity = RowIdentity {
                event_id: EventId::Natural(&number.to_string()),
                time: 0,
                ingest_time: 0,
                time_missing: true,
                base: &base,
                line: Some(number),
                record: None,
            };
            builder.finish_row(&identity, event);
        }
        Ok(builder.finish())
    }

    /// A batch of events that were kept somewhere: their columns as they were.
    ///
    /// # Panics
    /// Where the columns are not of one length, or not those of the projection.
    pub fn of_columns(source: Arc<str>, projection: Arc<Projection>, kept: KeptColumns) -> Self {
        let rows = kept.event_id.len();
        assert_eq!(kept.fields.len(), projection.fields.len(), "a column for each field");
        let lengths = [kept.time.len(), kept.ingest_time.len(), kept.time_missing.len(), kept.raw.len()];
        assert!(lengths.iter().all(|length| *length == rows) && kept.origins.len() == rows);
        assert!(kept.fields.iter().all(|field| field.len() == rows), "columns of one length");
        let (mut bases, mut places): (Vec<OriginBase>, Vec<Place>) = (Vec::new(), Vec::new());
        for Origin { base, line, record } in kept.origins {
            if bases.last() != Some(&base) {
                bases.push(base);
            }
            places.push(Place { base: bases.len() as u32 - 1, line, record, of_record: false });
        }
        Self {
            source,
            projection,
            event_id: kept.event_id,
            time: kept.time,
            ingest_time: kept.ingest_time,
            time_missing: kept.time_missing,
            bases,
            places,
            raw: kept.raw,
            fields: kept.fields,
        }
    }

    /// A batch of cells alone, for a scan: its events have no id, time, text or origin. `raw` is needed where
    /// rules look at whole events.
    ///
    /// # Panics
    /// Where the columns are not of one length, or not those of the projection.
    pub fn of_cells(
        source: Arc<str>,
        projection: Arc<Projection>,
        fields: Vec<DictionaryArray<Int32Type>>,
        rows: usize,
        raw: Option<StringArray>,
    ) -> Self {
        assert_eq!(fields.len(), projection.fields.len(), "a column for each field");
        assert!(fields.iter().all(|field| field.len() == rows), "columns of one length");
        let times = TimestampMicrosecondArray::new_null(rows).with_timezone("UTC");
        Self {
            source,
            projection,
            event_id: StringArray::new_null(rows),
            time: times.clone(),
            ingest_time: times,
            time_missing: BooleanArray::new_null(rows),
            bases: vec![OriginBase::File { path: "".into() }],
            places: Vec::new(),
            raw: raw.unwrap_or_else(|| StringArray::new_null(rows)),
            fields,
        }
    }

    /// The same events with their times, and with their ids where those are known.
    ///
    /// # Panics
    /// Where the columns are not of the batch's length.
    pub fn at_times(mut self, time: TimestampMicrosecondArray, event_id: Option<StringArray>) -> Self {
        assert_eq!(time.len(), self.len(), "a time for each event");
        self.time = time;
        if let Some(event_id) = event_id {
            assert_eq!(event_id.len(), self.len(), "an id for each event");
            self.event_id = event_id;
        }
        self
    }

    /// The same events with other fields: those of `projection`, each of which is the column of this batch with
    /// that number.
    ///
    /// # Panics
    /// Where there is no such column, or not one for each field.
    pub fn with_fields(&self, projection: &Arc<Projection>, columns: &[usize]) -> Self {
        assert_eq!(columns.len(), projection.fields.len(), "a column for each field");
        let fields = columns.iter().map(|column| self.fields[*column].clone()).collect();
        Self { projection: Arc::clone(projection), fields, ..self.clone() }
    }

    /// The source's name.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The projection that the field columns follow.
    pub fn projection(&self) -> &Arc<Projection> {
        &self.projection
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The field columns, in the projection's order.
    pub fn fields(&self) -> &[DictionaryArray<Int32Type>] {
        &self.fields
    }

    /// How many events have a field, by its number; `null` is there.
    pub fn present(&self, field: usize) -> usize {
        self.fields.get(field).map_or(0, |column| column.len() - column.null_count())
    }

    /// The raw events.
    pub fn raw(&self) -> &StringArray {
        &self.raw
    }

    /// The natural ids; null where a hash stands for one ([`Row::event_id`]).
    pub fn event_ids(&self) -> &StringArray {
        &self.event_id
    }

    /// Event times.
    pub fn times(&self) -> &TimestampMicrosecondArray {
        &self.time
    }

    /// Ingest times.
    pub fn ingest_times(&self) -> &TimestampMicrosecondArray {
        &self.ingest_time
    }

    /// Whether each event's time is missing and stands for its ingest time.
    pub fn times_missing(&self) -> &BooleanArray {
        &self.time_missing
    }

    /// One event.
    pub fn row(&self, index: usize) -> Row<'_> {
        assert!(index < self.len(), "row {index} of a batch of {}", self.len());
        Row { batch: self, index }
    }
}

impl<'a> Row<'a> {
    /// The source's name.
    pub fn source(&self) -> &'a str {
        &self.batch.source
    }

    /// The natural id, or a hash in hexadecimal where there is none.
    pub fn event_id(&self) -> Cow<'a, str> {
        if self.batch.event_id.is_valid(self.index) {
            return Cow::Borrowed(self.batch.event_id.value(self.index));
        }
        Cow::Owned(match self.batch.places.get(self.index).is_some_and(|place| place.of_record) {
            true => record_hash(self.raw()),
            false => text_hash(&self.origin().locator()),
        })
    }

    /// Event time, microseconds since 1970 in UTC.
    pub fn time(&self) -> i64 {
        self.batch.time.value(self.index)
    }

    /// The event as it came.
    pub fn raw(&self) -> &'a str {
        self.batch.raw.value(self.index)
    }

    /// Where it came from.
    pub fn origin(&self) -> Origin {
        // a batch of cells alone has no places
        let nowhere = Place { base: 0, line: None, record: None, of_record: false };
        let place = self.batch.places.get(self.index).unwrap_or(&nowhere);
        Origin { base: self.batch.bases[place.base as usize].clone(), line: place.line, record: place.record }
    }
}

/// Fills an [`EventBatch`] row by row: first the fields that are present, then [`Self::finish_row`].
#[derive(Debug)]
pub struct BatchBuilder {
    source: Arc<str>,
    projection: Arc<Projection>,
    event_id: StringBuilder,
    time: TimestampMicrosecondBuilder,
    ingest_time: TimestampMicrosecondBuilder,
    time_missing: BooleanBuilder,
    bases: Vec<OriginBase>,
    places: Vec<Place>,
    raw: StringBuilder,
    fields: Vec<FieldBuilder>,
    scratch: String,
    bytes: usize,
    number: u64,
}

/// The next number of a batch: no two of a process have the same.
fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl BatchBuilder {
    /// A builder for events of one source.
    pub fn new(source: Arc<str>, projection: Arc<Projection>) -> Self {
        let fields = projection.fields.iter().map(|_| FieldBuilder::default()).collect();
        Self {
            source,
            projection,
            event_id: StringBuilder::new(),
            time: TimestampMicrosecondBuilder::new(),
            ingest_time: TimestampMicrosecondBuilder::new(),
            time_missing: BooleanBuilder::new(),
            bases: Vec::new(),
            places: Vec::new(),
            raw: StringBuilder::new(),
            fields,
            scratch: String::new(),
            bytes: 0,
            number: next_number(),
        }
    }

    /// Finished rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no row is finished.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of raw and of field text held: what a batcher bounds.
    pub fn bytes(&self) -> usize {
        self.bytes + self.fields.iter().map(|field| field.text.len()).sum::<usize>()
    }

    /// Gives the current row one JSON text for a field. A field that is not given is absent.
    pub fn field(&mut self, field: usize, text: &str) {
        self.own(field);
        self.fields[field].push(text, self.places.len());
    }

    /// Gives the current row for a field what it has been given for `like`, a field before it. Of two fields
    /// that never differ in a batch the second is the first's column.
    ///
    /// # Panics
    /// Where `like` does not stand before the field.
    pub fn field_like(&mut self, field: usize, like: usize) {
        let row = self.places.len();
        let (before, rest) = self.fields.split_at_mut(field);
        let (of, own) = (&before[like], &mut rest[0]);
        match own.like {
            Some(known) if known == like => {}
            None if own.keys.is_empty() && !own.apart => own.like = Some(like),
            // it has had values of its own in this batch
            _ => {
                if let Some(cell) = of.cell(row) {
                    own.push(cell, row);
                }
            }
        }
    }

    /// Before a field differs from the one that it was like: it takes over the values that it had in common.
    pub fn part(&mut self, field: usize) {
        let (before, rest) = self.fields.split_at_mut(field);
        rest[0].apart = true;
        if let Some(like) = rest[0].like.take() {
            for row in 0..self.places.len() {
                if let Some(cell) = before[like].cell(row) {
                    rest[0].push(cell, row);
                }
            }
        }
    }

    fn own(&mut self, field: usize) {
        if self.fields[field].like.is_some() {
            self.part(field);
        }
    }

    /// Whether the current row has been given something for a field.
    pub fn is_given(&self, field: usize) -> bool {
        self.value(field).is_some()
    }

    /// What the current row has been given for a field, and the number of that value in its column.
    pub fn value(&self, field: usize) -> Option<(usize, &str)> {
        let own = &self.fields[field];
        own.like.map_or(own, |like| &self.fields[like]).value_of(self.places.len())
    }

    /// The batch's number: no two of a process have the same.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Gives the current row the several JSON texts that a path through an array found.
    pub fn field_texts<'t>(&mut self, field: usize, texts: impl Iterator<Item = &'t str>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for (i, text) in texts.enumerate() {
            if i > 0 {
                scratch.push(TEXT_SEPARATOR);
            }
            scratch.push_str(text);
        }
        self.own(field);
        self.fields[field].push(&scratch, self.places.len());
        self.scratch = scratch;
    }

    /// Ends the current row.
    pub fn finish_row(&mut self, identity: &RowIdentity<'_>, raw: &str) {
        let base = match self.bases.last() {
            Some(last) if last == identity.base => self.bases.len() - 1,
            _ => {
                self.bases.push(identity.base.clone());
                self.bases.len() - 1
            }
        };
        self.places.push(Place {
            base: base as u32,
            line: identity.line,
            record: identity.record,
            of_record: identity.event_id == EventId::Record,
        });
        match identity.event_id {
            EventId::Natural(id) => self.event_id.append_value(id),
            EventId::Record | EventId::Place => self.event_id.append_null(),
        }
        self.time.append_value(identity.time);
        self.ingest_time.append_value(identity.ingest_time);
        self.time_missing.append_value(identity.time_missing);
        self.raw.append_value(raw);
        self.bytes += raw.len();
    }

    /// Takes the finished rows as a batch and starts anew.
    pub fn finish(&mut self) -> EventBatch {
        self.bytes = 0;
        self.number = next_number();
        let rows = self.places.len();
        // most fields of most batches
        let values = StringArray::from(Vec::<&str>::new());
        let nothing = DictionaryArray::new(Int32Array::new_null(rows), Arc::new(values));
        let mut fields: Vec<DictionaryArray<Int32Type>> = Vec::with_capacity(self.fields.len());
        for field in &mut self.fields {
            field.apart = false;
            let array = match field.like.take() {
                Some(like) => fields[like].clone(),
                None if field.ends.is_empty() => nothing.clone(),
                None => field.finish(rows),
            };
            fields.push(array);
        }
        // the next batch is about as large: texts that grow to megabytes by doubling are copied several times, each
        // time into memory that nobody has touched
        let next = |of: &StringBuilder| {
            let bytes = of.values_slice().len();
            StringBuilder::with_capacity(rows, bytes + bytes / 8)
        };
        let (next_raw, next_id) = (next(&self.raw), next(&self.event_id));
        EventBatch {
            source: Arc::clone(&self.source),
            projection: Arc::clone(&self.projection),
            event_id: std::mem::replace(&mut self.event_id, next_id).finish(),
            time: self.time.finish().with_timezone("UTC"),
            ingest_time: self.ingest_time.finish().with_timezone("UTC"),
            time_missing: self.time_missing.finish(),
            bases: std::mem::take(&mut self.bases),
            places: std::mem::take(&mut self.places),
            raw: std::mem::replace(&mut self.raw, next_raw).finish(),
            fields,
        }
    }
}

/// One dictionary column in the making. Arrow's own builder hashes on every append and knows no
/// shortcut for a value that repeats from row to row, as a key or a user agent does in a trail.
#[derive(Debug, Default)]
struct FieldBuilder {
    hasher: DefaultHashBuilder,
    table: HashTable<i32>,
    ends: Vec<u32>,
    text: String,
    keys: Vec<i32>,
    last: Option<i32>,
    /// So far it has what this field has, and nothing of its own.
    like: Option<usize>,
    /// It has differed in this batch.
    apart: bool,
}

const ABSENT: i32 = -1;

impl FieldBuilder {
    fn value(text: &str, ends: &[u32], key: i32) -> std::ops::Range<usize> {
        let key = key as usize;
        let start = if key == 0 { 0 } else { ends[key - 1] as usize };
        debug_assert!(ends[key] as usize <= text.len());
        start..ends[key] as usize
    }

    /// Gives a row its value; rows before it that were given none have none.
    fn push(&mut self, value: &str, row: usize) {
        self.pad_to(row);
        if let Some(last) = self.last
            && self.text[Self::value(&self.text, &self.ends, last)] == *value
        {
            self.keys.push(last);
            return;
        }
        let hash = self.hasher.hash_one(value);
        let (text, ends, hasher) = (&self.text, &self.ends, &self.hasher);
        let found = self.table.find(hash, |&key| text[Self::value(text, ends, key)] == *value).copied();
        let key = match found {
            Some(key) => key,
            None => {
                let key = ends.len() as i32;
                // a table that grows hashes the keys it holds again, never this one
                self.table
                    .insert_unique(hash, key, |&key| hasher.hash_one(&text[Self::value(text, ends, key)]));
                // the bytes of a batch are bounded far below 2 GiB: see limits.rs
                self.text.push_str(value);
                self.ends.push(self.text.len() as u32);
                key
            }
        };
        self.keys.push(key);
        self.last = Some(key);
    }

    fn cell(&self, row: usize) -> Option<&str> {
        self.value_of(row).map(|(_, cell)| cell)
    }

    /// What a row has, and the number of that value.
    fn value_of(&self, row: usize) -> Option<(usize, &str)> {
        let key = self.keys.get(row).copied().filter(|key| *key != ABSENT)?;
        Some((key as usize, &self.text[Self::value(&self.text, &self.ends, key)]))
    }

    fn pad_to(&mut self, rows: usize) {
        debug_assert!(self.keys.len() <= rows, "a field was given twice for one row");
        if self.keys.len() < rows {
            self.keys.resize(rows, ABSENT);
        }
    }

    fn finish(&mut self, rows: usize) -> DictionaryArray<Int32Type> {
        self.pad_to(rows);
        // the texts stand one behind the other already, as an array has them
        let offsets: Vec<i32> = std::iter::once(0).chain(self.ends.iter().map(|&end| end as i32)).collect();
        let data = Buffer::from(self.text.as_bytes());
        let values = StringArray::new(OffsetBuffer::new(offsets.into()), data, None);
        let keys = std::mem::replace(&mut self.keys, Vec::with_capacity(rows));
        let there = BooleanBuffer::collect_bool(keys.len(), |row| keys[row] != ABSENT);
        let nulls = Some(NullBuffer::new(there)).filter(|nulls| nulls.null_count() > 0);
        self.table.clear();
        self.ends.clear();
        self.text.clear();
        self.last = None;
        DictionaryArray::new(Int32Array::new(keys.into(), nulls), Arc::new(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ProjectedField;

    fn projection(names: &[&str]) -> Arc<Projection> {
        let field = |name: &&str| ProjectedField {
            name: name.to_string(),
            paths: vec![name.to_string()],
            computed: false,
            column: None,
        };
        Arc::new(Projection { fields: names.iter().map(field).collect(), dispatch: None })
    }

    fn cell(batch: &EventBatch, field: usize, row: usize) -> Option<String> {
        let column = &batch.fields()[field];
        let values = column.values().as_any().downcast_ref::<StringArray>().unwrap();
        column.key(row).map(|key| values.value(key).to_owned())
    }

    #[test]
    fn a_batch_gives_back_what_its_rows_were_given() {
        let base = OriginBase::File { path: "a.json".into() };
        let mut builder = BatchBuilder::new("test".into(), projection(&["a", "b"]));
        for (line, a) in [(1, Some("\"x\"")), (2, None), (3, Some("\"x\"")), (4, Some("\"y\""))] {
            if let Some(a) = a {
                builder.field(0, a);
            }
            builder.field_texts(1, ["1", "2"].into_iter());
            let identity = RowIdentity {
                event_id: EventId::Natural("id"),
                time: line,
                ingest_time: 0,
                time_missing: false,
                base: &base,
                line: Some(line as u64),
                record: None,
            };
            builder.finish_row(&identity, "{}");
        }
        let batch = builder.finish();
        let seen: Vec<_> = (0..4).map(|row| cell(&batch, 0, row)).collect();
        assert_eq!(seen, [Some("\"x\"".into()), None, Some("\"x\"".into()), Some("\"y\"".into())]);
        assert_eq!(batch.fields()[0].values().len(), 2, "distinct values only");
        assert_eq!(cell(&batch, 1, 3).as_deref(), Some("1\u{1e}2"));
        assert_eq!(batch.row(3).origin().to_string(), "a.json:4");
        assert!(builder.is_empty() && builder.finish().is_empty());
    }

    #[test]
    fn a_field_like_another_is_its_column_until_it_differs() {
        let base = OriginBase::File { path: "a.json".into() };
        let identity = RowIdentity {
            event_id: EventId::Natural("id"),
            time: 0,
            ingest_time: 0,
            time_missing: false,
            base: &base,
            line: None,
            record: None,
        };
        let mut builder = BatchBuilder::new("test".into(), projection(&["a", "b"]));
        /// What a is given, and b, where that is not what a has.
        type Given = (Option<&'static str>, Option<Option<&'static str>>);
        let batches: [&[Given]; 5] = [
            &[(Some("1"), None), (None, None), (Some("2"), None)],
            &[(Some("1"), None), (Some("2"), Some(Some("3"))), (Some("4"), None), (None, None)],
            &[(Some("1"), None), (Some("2"), Some(None)), (Some("1"), None)],
            &[(Some("2"), Some(None)), (Some("1"), None)],
            &[(None, Some(Some("5"))), (Some("1"), None)],
        ];
        for rows in batches {
            for (a, b) in rows {
                if let Some(a) = a {
                    builder.field(0, a);
                }
                match b {
                    None => builder.field_like(1, 0),
                    Some(own) => {
                        builder.part(1);
                        own.iter().for_each(|own| builder.field(1, own));
                    }
                }
                assert_eq!(builder.value(1).map(|(_, value)| value), b.unwrap_or(*a), "{rows:?}");
                builder.finish_row(&identity, "{}");
            }
            let batch = builder.finish();
            for (row, (a, b)) in rows.iter().enumerate() {
                let seen = (cell(&batch, 0, row), cell(&batch, 1, row));
                assert_eq!((seen.0.as_deref(), seen.1.as_deref()), (*a, b.unwrap_or(*a)), "{rows:?}");
            }
        }
    }
}
