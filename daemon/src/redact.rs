//! What must not be kept of events is taken out of whatever leaves the process.
//!
//! In: what knows the redactions of the configuration ([`Redact`], which the daemon's root brings). Out: batches
//! for the archive, alerts and late hits without it. Detection sees events as they came, and what they are known
//! by stays: ids of events, and ids of alerts, are those of a run without redaction.
//!
//! State keeps what it needs to go on: the values by which groups are made and those that are counted stand in
//! the checkpoint as they came. Alerts that wait there are redacted already.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use virga_engine::alert::Alert;
use virga_engine::correlate::{LateHit, Plan};
use virga_engine::event::{BatchBuilder, EventBatch, EventId, Projection, Row, RowIdentity};
use virga_engine::sigma::CorrelationType;
use virga_ingest::environment::Environment;
use virga_ingest::remake::remake;
use virga_ingest::sources::source;

/// What is told of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The value itself.
    Itself,
    /// Another text.
    As(String),
    /// Nothing.
    Nothing,
}

/// Knows what must not be kept.
pub trait Redact: Send + Sync {
    /// Whether something of a source's events is redacted.
    fn concerns(&self, source: &str) -> bool;

    /// An event without it. What cannot be looked into is masked: an event never fails.
    fn event<'e>(&self, source: &str, event: &'e str) -> Cow<'e, str>;

    /// What may be told of the value of a field, as rules name it. `sources` are those of its events; none
    /// where they are not known.
    fn value(&self, sources: &[&str], field: &str, text: &str) -> Told;
}

/// The redactions of a configuration; `None`: all is kept.
pub type Redactions = Option<Arc<dyn Redact>>;

/// An event as it may be shown: what it is known by, and its text without what must not be kept.
pub fn shown(redact: &dyn Redact, row: Row<'_>, ingest_time: i64) -> EventBatch {
    let text = redact.event(row.source(), row.raw());
    let mut builder = BatchBuilder::new(row.source().into(), Arc::default());
    let (id, origin) = (row.event_id(), row.origin());
    let identity = RowIdentity {
        event_id: EventId::Natural(&id),
        time: row.time(),
        ingest_time,
        time_missing: false,
        base: &origin.base,
        line: origin.line,
        record: origin.record,
    };
    builder.finish_row(&identity, &text);
    builder.finish()
}

/// A batch for the archive, whose columns are made of the redacted events. All of them are in it.
///
/// # Errors
/// Where the source is not known.
pub fn batch(
    redact: &dyn Redact,
    batch: &EventBatch,
    projection: &Arc<Projection>,
    environment: &Arc<Environment>,
) -> Result<EventBatch, String> {
    let name = batch.source().as_ref();
    let source = source(name).ok_or_else(|| format!("there is no source {name}"))?;
    Ok(remake(batch, source, projection, environment, &|text| redact.event(name, text)))
}

/// An alert of a correlation: the values of its group, and what it shows of its events.
pub fn correlated(redact: &dyn Redact, plans: &[Plan], alert: &mut Alert) {
    let Some(plan) = plans.iter().find(|plan| plan.key() == alert.rule.id) else { return };
    let sources: Vec<&str> = alert.events.iter().map(|event| event.source.as_str()).collect();
    let told = |(name, value): (String, Value)| {
        let value = told_of(redact, plans, plan, &sources, &name, value)?;
        Some((name, value))
    };
    alert.group = std::mem::take(&mut alert.group).into_iter().filter_map(told).collect();
    let fields: Map<String, Value> = std::mem::take(&mut alert.fields).into();
    alert.fields = fields.into_iter().filter_map(told).collect();
}

/// What may be told of what an alert of a correlation shows under a name.
fn told_of(
    redact: &dyn Redact,
    plans: &[Plan],
    plan: &Plan,
    sources: &[&str],
    name: &str,
    value: Value,
) -> Option<Value> {
    let is_travel = plan.correlation.kind.value == CorrelationType::ImpossibleTravel;
    let fields = match name {
        // places are made of these
        "from" | "to" if is_travel => ["src_lat", "src_lon"].map(str::to_owned).to_vec(),
        _ => std::iter::once(name.to_owned()).chain(plan.called_below(plans, name)).collect(),
    };
    let one = |value: Value| -> Option<Value> {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut told = fields.iter().map(|field| redact.value(sources, field, &text));
        match told.find(|told| *told != Told::Itself) {
            None | Some(Told::Itself) => Some(value),
            Some(Told::As(other)) => Some(other.into()),
            Some(Told::Nothing) => None,
        }
    };
    match value {
        Value::Array(values) => Some(values.into_iter().filter_map(one).collect()),
        value => one(value),
    }
}

/// A late hit: the values of its group. A value of which nothing is told is empty.
pub fn late(redact: &dyn Redact, plans: &[Plan], hit: &mut LateHit) {
    let Some(plan) = plans.iter().find(|plan| plan.key() == hit.correlation) else { return };
    let Ok(Value::Array(values)) = serde_json::from_str(&hit.key) else { return };
    let told = plan
        .group_by()
        .zip(values)
        .map(|(name, value)| told_of(redact, plans, plan, &[], name, value).unwrap_or(Value::Null));
    hit.key = Value::Array(told.collect()).to_string();
}
