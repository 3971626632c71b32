//! One event → one row: what every source has in common.
//!
//! In: the text of an event and how it arrived. Out: a row in a `BatchBuilder`, or the cause why it
//! cannot be read. All paths that anybody asks for, native fields, time, id, recognition and the
//! inputs of derivations, are found in one pass over the text; a derivation runs only where its
//! column is asked for and the event has no native field of that name.

use std::collections::BTreeMap;
use std::sync::Arc;

use virga_engine::event::{
    BatchBuilder, Column, ColumnKind, ColumnValue, Dispatcher, EventId, OriginBase, Projection, RowIdentity,
};
use virga_engine::json::{Cells, Projector};

use super::recognise::Asked;
use super::slots::{Bound, BoundIdentity, Fallback, Projected, Slots};
use super::time::parse_time;
use super::unfold::unfold_all;
use super::{Otherwise, SourceDef};
use crate::environment::Environment;
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
    /// It is another source's, by its number among those that were asked ([`Normaliser::among`]).
    Other(usize),
}

/// Turns the events of one source into rows.
pub struct Normaliser {
    projector: Projector,
    cells: Cells,
    fields: Vec<FieldPlan>,
    /// Which fields matter for an event; all, where nobody says.
    dispatcher: Option<Dispatcher>,
    /// The sources that an event may belong to, and which of them this one is.
    among: Option<(Asked, usize)>,
    unfold: Vec<usize>,
    times: Vec<usize>,
    identity: BoundIdentity,
    environment: Arc<Environment>,
    /// What stands for the time that events say.
    time: Option<i64>,
    scratch: String,
}

/// Where a projected field comes from.
struct FieldPlan {
    slot: usize,
    column: Option<&'static Column>,
    /// What goes before the native value.
    computed: Option<Bound>,
    fallbacks: Vec<Fallback>,
    /// A field before this one that is the same column, and differs only where the event has a native field
    /// of its name.
    twin: Option<usize>,
}

impl Normaliser {
    /// A normaliser for the fields that a rule set asks of a source.
    pub fn new(source: &'static SourceDef, projection: &Projection, environment: &Arc<Environment>) -> Self {
        Self::build(source, projection, environment, &[])
    }

    /// One whose source is one of several that an event may belong to.
    pub fn among(
        sources: &[&'static SourceDef],
        own: usize,
        projection: &Projection,
        environment: &Arc<Environment>,
    ) -> Self {
        let mut normaliser = Self::build(sources[own], projection, environment, sources);
        if let Some((_, number)) = &mut normaliser.among {
            *number = own;
        }
        normaliser
    }

    fn build(
        source: &'static SourceDef,
        projection: &Projection,
        environment: &Arc<Environment>,
        rivals: &[&'static SourceDef],
    ) -> Self {
        let mut slots = Slots::new(source);
        let fields = projection.fields.iter().map(|field| {
            let slot = slots.add(field.paths.clone());
            let fallbacks = field.column.map(|column| slots.fallbacks(source, column, environment));
            let computed = if field.computed { slots.computed(source, &field.name) } else { None };
            FieldPlan {
                slot,
                column: field.column,
                computed,
                fallbacks: fallbacks.unwrap_or_default(),
                twin: None,
            }
        });
        let mut fields: Vec<FieldPlan> = fields.collect();
        for number in 0..fields.len() {
            let (before, own) = (&fields[..number], &fields[number]);
            let is_twin = |other: &FieldPlan| {
                own.column.is_some() && other.column == own.column && other.computed.is_none()
            };
            let twin = if own.computed.is_none() { before.iter().position(is_twin) } else { None };
            fields[number].twin = twin;
        }
        let among = (!rivals.is_empty()).then(|| (Asked::new(rivals, &mut slots), 0));
        let unfold = slots.of(source.unfold);
        let times = slots.of(source.time_paths);
        let identity = slots.identity(source);
        Self {
            projector: Projector::new(&slots.paths),
            cells: Cells::default(),
            fields,
            dispatcher: projection.dispatch.as_ref().map(Dispatcher::new),
            among,
            unfold,
            times,
            identity,
            environment: Arc::clone(environment),
            time: None,
            scratch: String::new(),
        }
    }

    /// Gives canonical columns the values that a lookup table would fill in, the same for all events:
    /// what the cases of a rule say under `enrich`.
    pub fn set_enrichment(&mut self, columns: &BTreeMap<String, serde_json::Value>) {
        for field in &mut self.fields {
            let value = field.column.and_then(|column| Some((column.kind, columns.get(column.name)?)));
            if let Some(value) = value.and_then(|(kind, value)| constant(kind, value)) {
                field.fallbacks.insert(0, Fallback::Constant(value));
            }
        }
    }

    /// Gives the following events a time, in microseconds since 1970 in UTC, whatever they say of it
    /// themselves: what the cases of a rule say under `at`.
    pub fn set_time(&mut self, time: Option<i64>) {
        self.time = time;
    }

    /// Adds an event to a batch of the same projection. The row's raw text is the event's own, but for
    /// strings that the source unfolds.
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

    /// The same, if the event is this source's and none of those before it recognises it.
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
        if let Some((asked, own)) = &self.among {
            let owner = asked.owner(&self.projected(raw));
            if owner != *own {
                return Ok(Outcome::Other(owner));
            }
        }
        Ok(self.add(raw, arrival, batch))
    }

    fn project(&mut self, raw: &str) -> Result<(), Cause> {
        self.projector.project(raw, &mut self.cells).map_err(|error| Cause::from(&error))
    }

    fn projected<'a>(&'a self, raw: &'a str) -> Projected<'a> {
        Projected { raw, cells: &self.cells, environment: &self.environment }
    }

    /// Adds an event that has been projected.
    fn add(&mut self, raw: &str, arrival: &Arrival<'_>, batch: &mut BatchBuilder) -> Outcome {
        let unfolded = unfold_all(raw, &self.projector, &mut self.cells, &self.unfold);
        let raw = unfolded.as_ref();
        self.add_fields(raw, batch);
        let event = self.projected(raw);
        let times = event.inputs(&self.times);
        let written = || (0..self.times.len()).find_map(|time| parse_time(times.text(time)?));
        let time = self.time.or_else(written);
        let natural = self.identity.natural(&event);
        let event_id = match (&natural, self.identity.otherwise()) {
            (Some(id), _) => EventId::Natural(id),
            (None, Otherwise::Record) => EventId::Record,
            (None, Otherwise::Locator) => EventId::Place,
        };
        let identity = RowIdentity {
            event_id,
            time: time.unwrap_or(arrival.ingest_time),
            ingest_time: arrival.ingest_time,
            time_missing: time.is_none(),
            base: arrival.base,
            line: arrival.line,
            record: arrival.record,
        };
        batch.finish_row(&identity, raw);
        Outcome::Row { time_missing: time.is_none(), id_missing: event_id == EventId::Place }
    }

    fn add_fields(&mut self, raw: &str, batch: &mut BatchBuilder) {
        let event = Projected { raw, cells: &self.cells, environment: &self.environment };
        let Some(dispatcher) = &mut self.dispatcher else {
            for field in 0..self.fields.len() {
                fill(&self.fields, field, &event, &mut self.scratch, batch);
            }
            return;
        };
        dispatcher.begin(batch.number());
        while let Some(field) = dispatcher.asks() {
            fill(&self.fields, field, &event, &mut self.scratch, batch);
            dispatcher.take(batch.value(field));
        }
        for &field in dispatcher.needed() {
            fill(&self.fields, field as usize, &event, &mut self.scratch, batch);
        }
    }
}

/// Gives the current row a field's value, if the event has one.
fn fill(
    fields: &[FieldPlan],
    field: usize,
    event: &Projected<'_>,
    scratch: &mut String,
    batch: &mut BatchBuilder,
) {
    let plan = &fields[field];
    let is_native = |plan: &FieldPlan| event.cells.text(plan.slot, event.raw).is_some();
    match plan.twin {
        // its twin may have asked for it before
        None if batch.is_given(field) => {}
        None => plan.fill(field, event, scratch, batch),
        Some(twin) if is_native(plan) || is_native(&fields[twin]) => {
            batch.part(field);
            plan.fill(field, event, scratch, batch);
        }
        Some(twin) => {
            if !batch.is_given(twin) {
                fields[twin].fill(twin, event, scratch, batch);
            }
            batch.field_like(field, twin);
        }
    }
}

impl FieldPlan {
    /// Gives the current row the field's value, if the event has one.
    fn fill(&self, field: usize, event: &Projected<'_>, scratch: &mut String, batch: &mut BatchBuilder) {
        let (cells, raw) = (event.cells, event.raw);
        if let Some(value) = self.computed.as_ref().and_then(|computed| computed.derive(event)) {
            write_json(&value, scratch);
            batch.field(field, scratch);
            return;
        }
        match cells.text(self.slot, raw) {
            Some(_) if cells.has_several(self.slot) => batch.field_texts(field, cells.texts(self.slot, raw)),
            Some(text) => batch.field(field, text),
            None => {
                if let Some(value) = self.fallbacks.iter().find_map(|fallback| fallback.value(event)) {
                    write_json(&value, scratch);
                    batch.field(field, scratch);
                }
            }
        }
    }
}

/// A value of a case's `enrich` as the column's kind has it.
fn constant(kind: ColumnKind, value: &serde_json::Value) -> Option<ColumnValue> {
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match kind {
        _ if value.is_null() => None,
        ColumnKind::Int => value.as_i64().map(ColumnValue::Int),
        ColumnKind::Float => value.as_f64().map(ColumnValue::Float),
        ColumnKind::Bool => value.as_bool().map(ColumnValue::Bool),
        ColumnKind::Text => Some(ColumnValue::Text(text(value))),
        ColumnKind::List => {
            let several = |values: &Vec<serde_json::Value>| values.iter().map(text).collect();
            Some(ColumnValue::List(value.as_array().map_or_else(|| vec![text(value)], several)))
        }
    }
    .or_else(|| (!value.is_null()).then(|| ColumnValue::Text(text(value))))
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
    use arrow_array::{Array, StringArray};
    use virga_engine::event::ProjectedField;

    use super::*;
    use crate::sources::aws_cloudtrail::SOURCE;

    /// The cells of a field, by event.
    fn cells(fields: &[ProjectedField], field: usize, events: &[&str]) -> Vec<Option<String>> {
        let projection = Projection { fields: fields.to_vec(), dispatch: None };
        let mut normaliser = Normaliser::new(&SOURCE, &projection, &Arc::default());
        let mut batch = BatchBuilder::new(SOURCE.name.into(), Arc::new(projection));
        let base = OriginBase::File { path: "x".into() };
        for event in events {
            let arrival = Arrival { base: &base, line: Some(1), record: None, ingest_time: 0 };
            normaliser.normalise(event, &arrival, &mut batch).expect("an event");
        }
        let batch = batch.finish();
        let column = &batch.fields()[field];
        let values = column.values().as_any().downcast_ref::<StringArray>().expect("texts");
        (0..column.len()).map(|row| column.key(row).map(|key| values.value(key).to_owned())).collect()
    }

    /// What a field holds does not depend on the others that are asked for: a column that rules see by
    /// itself, and one that a native field of its name goes before, differ where there is such a field.
    #[test]
    fn a_field_is_the_same_alone_and_beside_its_twin() {
        let spec = SOURCE.spec();
        let fields = [
            ProjectedField::canonical("principal"),
            ProjectedField::resolve("principal", &spec),
            ProjectedField::canonical("src_net"),
            ProjectedField::resolve("src_net", &spec),
        ];
        let derived = r#"{"userIdentity":{"arn":"arn:aws:iam::1:user/a"},"sourceIPAddress":"198.51.100.7"}"#;
        let native =
            r#"{"principal":"someone","userIdentity":{"arn":"arn:aws:iam::1:user/b"},"src_net":["x"]}"#;
        let alone = r#"{"principal":"nobody"}"#;
        let nothing = "{}";
        let all = [derived, native, alone, nothing];
        for first in all {
            for second in all {
                for third in all {
                    let events = [first, second, third, derived];
                    for (number, field) in fields.iter().enumerate() {
                        let (beside, by_itself) =
                            (cells(&fields, number, &events), cells(std::slice::from_ref(field), 0, &events));
                        assert_eq!(beside, by_itself, "field {number} of {events:?}");
                    }
                }
            }
        }
    }

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
