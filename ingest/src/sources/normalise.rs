//! One event → one row: what every source has in common.
//!
//! In: the text of an event and how it arrived. Out: a row in a `BatchBuilder`, or the cause why it
//! cannot be read. All paths that anybody asks for, native fields, time, id, recognition and the
//! inputs of derivations, are found in one pass over the text; a derivation runs only where its
//! column is asked for and the event has no native field of that name.

use std::collections::BTreeMap;

use virga_engine::event::{
    BatchBuilder, COLUMNS, Column, ColumnValue, Origin, OriginBase, Projection, RowIdentity,
};
use virga_engine::json::{Cells, Projector};

use super::time::parse_time;
use super::{Derivation, Inputs, SourceDef};
use crate::quarantine::Cause;

/// How an event arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The file, object or partition.
    pub base: &'a OriginBase,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The record, from 1, or the offset.
    pub record: Option<u64>,
    /// When its input received it, microseconds since 1970 in UTC.
    pub ingest_time: i64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is a row now.
    Row {
        /// It had no readable time; its ingest time stands for it.
        time_missing: bool,
        /// It had no natural id; a hash of where it stood stands for it.
        id_missing: bool,
    },
    /// It is not one of this source's events (asked for only by [`Normaliser::recognise`]).
    NotMine,
}

/// Turns the events of one source into rows.
pub struct Normaliser {
    source: &'static SourceDef,
    projector: Projector,
    cells: Cells,
    fields: Vec<FieldPlan>,
    recognised_by: Vec<usize>,
    times: Vec<usize>,
    ids: Vec<usize>,
    scratch: String,
}

/// Where a projected field comes from.
struct FieldPlan {
    slot: usize,
    column: Option<&'static Column>,
    fallback: Option<Bound>,
    /// What a lookup table says of every event: the JSON text of the value.
    enriched: Option<String>,
}

/// A derivation with the slots of its inputs.
struct Bound {
    derivation: &'static Derivation,
    slots: Vec<usize>,
}

impl Normaliser {
    /// A normaliser for the fields that a rule set asks of a source.
    pub fn new(source: &'static SourceDef, projection: &Projection) -> Self {
        let mut slots = Slots::default();
        let fields = projection.fields.iter().map(|field| {
            let slot = slots.add(field.paths.clone());
            let derivation = field.column.and_then(|column| source.derivation(column));
            let fallback = derivation.map(|derivation| slots.bind(derivation));
            FieldPlan { slot, column: field.column, fallback, enriched: None }
        });
        let fields = fields.collect();
        let recognised_by = slots.of(source.recognised_by);
        let times = slots.of(source.time_paths);
        let ids = slots.of(source.id_paths);
        let projector = Projector::new(&slots.paths);
        let (cells, scratch) = (Cells::default(), String::new());
        Self { source, projector, cells, fields, recognised_by, times, ids, scratch }
    }

    /// Gives canonical columns the values that a lookup table would fill in, the same for all events:
    /// what the cases of a rule say under `enrich`.
    pub fn set_enrichment(&mut self, columns: &BTreeMap<String, serde_json::Value>) {
        for field in &mut self.fields {
            let value = field.column.and_then(|column| columns.get(column.name));
            field.enriched = value.map(serde_json::Value::to_string);
        }
    }

    /// Adds an event to a batch of the same projection.
    ///
    /// # Errors
    /// The cause for which the event must be quarantined.
    pub fn normalise(
        &mut self,
        raw: &str,
        arrival: &Arrival<'_>,
        batch: &mut BatchBuilder,
    ) -> Result<Outcome, Cause> {
        self.project(raw)?;
        Ok(self.add(raw, arrival, batch))
    }

    /// The same, if the source recognises the event as its own.
    ///
    /// # Errors
    /// As [`Self::normalise`].
    pub fn recognise(
        &mut self,
        raw: &str,
        arrival: &Arrival<'_>,
        batch: &mut BatchBuilder,
    ) -> Result<Outcome, Cause> {
        self.project(raw)?;
        if !(self.source.recognise)(&Inputs { raw, cells: &self.cells, slots: &self.recognised_by }) {
            return Ok(Outcome::NotMine);
        }
        Ok(self.add(raw, arrival, batch))
    }

    fn project(&mut self, raw: &str) -> Result<(), Cause> {
        self.projector.project(raw, &mut self.cells).map_err(|error| Cause::from(&error))
    }

    fn add(&mut self, raw: &str, arrival: &Arrival<'_>, batch: &mut BatchBuilder) -> Outcome {
        self.add_fields(raw, batch);
        let inputs = |slots| Inputs { raw, cells: &self.cells, slots };
        let time = (0..self.times.len()).find_map(|i| parse_time(inputs(&self.times).text(i)?));
        let id = (0..self.ids.len()).find_map(|i| inputs(&self.ids).scalar(i));
        let hash = if id.is_none() { Some(hashed_id(arrival)) } else { None };
        let identity = RowIdentity {
            event_id: id.as_deref().or(hash.as_deref()).unwrap_or_default(),
            time: time.unwrap_or(arrival.ingest_time),
            ingest_time: arrival.ingest_time,
            time_missing: time.is_none(),
            base: arrival.base,
            line: arrival.line,
            record: arrival.record,
        };
        batch.finish_row(&identity, raw);
        Outcome::Row { time_missing: time.is_none(), id_missing: hash.is_some() }
    }

    fn add_fields(&mut self, raw: &str, batch: &mut BatchBuilder) {
        for (field, plan) in self.fields.iter().enumerate() {
            match self.cells.text(plan.slot, raw) {
                Some(_) if self.cells.has_several(plan.slot) => {
                    batch.field_texts(field, self.cells.texts(plan.slot, raw));
                }
                Some(text) => batch.field(field, text),
                None => {
                    if let Some(text) = &plan.enriched {
                        batch.field(field, text);
                    } else if let Some(value) =
                        plan.fallback.as_ref().and_then(|bound| bound.derive(raw, &self.cells))
                    {
                        write_json(&value, &mut self.scratch);
                        batch.field(field, &self.scratch);
                    }
                }
            }
        }
    }
}

impl Bound {
    fn derive(&self, raw: &str, cells: &Cells) -> Option<ColumnValue> {
        (self.derivation.derive)(&Inputs { raw, cells, slots: &self.slots })
    }
}

/// Derives all canonical columns of single events: what an alert shows.
pub struct Describer {
    projector: Projector,
    columns: Vec<(&'static Column, Bound)>,
}

impl Describer {
    /// A describer of a source's events.
    pub fn new(source: &'static SourceDef) -> Self {
        let mut slots = Slots::default();
        let columns =
            COLUMNS.iter().filter_map(|column| Some((column, slots.bind(source.derivation(column)?))));
        let columns = columns.collect();
        Self { projector: Projector::new(&slots.paths), columns }
    }

    /// The canonical columns that an event has, in the order of `COLUMNS`; none where it cannot be
    /// read.
    pub fn describe(&self, raw: &str) -> Vec<(&'static Column, ColumnValue)> {
        let mut cells = Cells::default();
        if self.projector.project(raw, &mut cells).is_err() {
            return Vec::new();
        }
        let derived =
            self.columns.iter().filter_map(|(column, bound)| Some((*column, bound.derive(raw, &cells)?)));
        derived.collect()
    }
}

/// The source that recognises an event as its own; `None` where only the generic one would take it.
pub fn recognise(raw: &str) -> Option<&'static SourceDef> {
    super::SOURCES.iter().copied().filter(|source| source.name != super::generic::SOURCE.name).find(
        |source| {
            let mut slots = Slots::default();
            let recognised_by = slots.of(source.recognised_by);
            let mut cells = Cells::default();
            Projector::new(&slots.paths).project(raw, &mut cells).is_ok()
                && (source.recognise)(&Inputs { raw, cells: &cells, slots: &recognised_by })
        },
    )
}

/// The slots of a projector in the making; equal requests share one.
#[derive(Default)]
struct Slots {
    paths: Vec<Vec<String>>,
}

impl Slots {
    fn add(&mut self, paths: Vec<String>) -> usize {
        match self.paths.iter().position(|other| *other == paths) {
            Some(slot) => slot,
            None => {
                self.paths.push(paths);
                self.paths.len() - 1
            }
        }
    }

    fn of(&mut self, paths: &[&str]) -> Vec<usize> {
        paths.iter().map(|path| self.add(vec![(*path).to_owned()])).collect()
    }

    fn bind(&mut self, derivation: &'static Derivation) -> Bound {
        Bound { derivation, slots: self.of(derivation.inputs) }
    }
}

/// 128 bits of BLAKE3 over where the event stands, in hexadecimal.
fn hashed_id(arrival: &Arrival<'_>) -> String {
    let origin = Origin { base: arrival.base.clone(), line: arrival.line, record: arrival.record };
    let hash = blake3::hash(origin.locator().as_bytes());
    hash.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

/// Writes a derived value as JSON, as a native field of the same value would stand in an event.
fn write_json(value: &ColumnValue, out: &mut String) {
    out.clear();
    match value {
        ColumnValue::Text(text) if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') => {
            out.push('"');
            out.push_str(text);
            out.push('"');
        }
        ColumnValue::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        other => {
            use std::fmt::Write;
            // writing to a String cannot fail
            let _ = write!(out, "{}", other.to_json());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_values_are_json() {
        let mut out = String::new();
        for (value, expected) in [
            (ColumnValue::Text("plain é".into()), "\"plain é\""),
            (ColumnValue::Text("a\"b\\\n".into()), r#""a\"b\\\n""#),
            (ColumnValue::Bool(true), "true"),
            (ColumnValue::Int(-5), "-5"),
            (ColumnValue::Float(89.5), "89.5"),
            (ColumnValue::List(vec!["a|b".into(), "c".into()]), r#"["a|b","c"]"#),
        ] {
            write_json(&value, &mut out);
            assert_eq!(out, expected);
        }
    }
}
