//! Correlations by example: what other tools get wrong, what alerts say, memory, bad input.
//!
//! Here stands what the examples share: rules `fail`, `ok` and `other`, their events, and both ways to run a
//! correlation, over input that ends and over a stream.

mod alerts;
mod bad_input;
mod memory;
mod peers;

use std::collections::BTreeMap;
use std::sync::Arc;

use virga_engine::alert::{Alert, AlertKind, Evidence};
use virga_engine::correlate::{
    Carried, Dropped, Finite, Live, LiveLimits, MemorySpill, Occurrence, Times, Value, Watermarks, clamped,
    plan,
};
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::event::{BatchBuilder, EventBatch, EventId, Origin, OriginBase, RowIdentity, SourceSpec};
use virga_engine::json::{Cells, Projector};
use virga_engine::plan::Lists;
use virga_engine::{Engine, RuleSet};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// Rules `fail`, `ok` and `other`, and a correlation.
fn rules(correlations: &[&str]) -> RuleSet {
    let mut documents: Vec<String> = ["fail", "ok", "other"]
        .iter()
        .map(|name| {
            format!("title: {name}\nname: {name}\nlevel: low\nlogsource: {{product: p}}\ndetection: {{s: {{do: {name}}}, condition: s}}\n")
        })
        .collect();
    documents.extend(correlations.iter().map(|text| (*text).to_owned()));
    let text = documents.join("---\n");
    let set = RuleSet::load([Arc::new(SourceFile { name: "t.yml".into(), text })], &Lists::new());
    let errors: Vec<_> = set.diagnostics.iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    set
}

fn correlation(name: &str, body: &str) -> String {
    format!("title: {name}\nname: {name}\nlevel: high\ngenerate: true\ncorrelation: {{{body}}}\n")
}

/// An event: which rule it matches, its user and host, its time in seconds.
#[derive(Debug, Clone)]
struct Event {
    rule: &'static str,
    fields: Vec<(&'static str, String)>,
    time: i64,
}

fn event(rule: &'static str, user: &str, host: &str, second: i64) -> Event {
    Event { rule, fields: vec![("user", user.into()), ("host", host.into())], time: second * SECOND }
}

fn engine(set: &RuleSet) -> Engine {
    let spec = SourceSpec {
        name: "test".into(),
        logsources: Vec::new(),
        all_logsources: true,
        aliases: Vec::new(),
        computed: Vec::new(),
        columns: Vec::new(),
    };
    Engine::new(set, &[spec])
}

fn batch(engine: &Engine, events: &[Event]) -> EventBatch {
    let projection = engine.projection("test").expect("the source");
    let paths: Vec<Vec<String>> = projection.fields.iter().map(|field| field.paths.clone()).collect();
    let projector = Projector::new(&paths);
    let (mut cells, mut builder) = (Cells::default(), BatchBuilder::new("test".into(), projection));
    let base = OriginBase::File { path: "t.ndjson".into() };
    for (number, event) in events.iter().enumerate() {
        let fields: Vec<String> =
            event.fields.iter().map(|(name, value)| format!(",{name:?}:{}", json(value))).collect();
        let raw = format!("{{\"do\":{:?}{}}}", event.rule, fields.concat());
        projector.project(&raw, &mut cells).expect("an event");
        for field in 0..paths.len() {
            if cells.text(field, &raw).is_some() {
                builder.field_texts(field, cells.texts(field, &raw));
            }
        }
        let id = format!("{}-{}-{raw}", event.time, number);
        let identity = RowIdentity {
            event_id: EventId::Natural(&id),
            time: event.time,
            ingest_time: 1_000_000 * MINUTE,
            time_missing: false,
            base: &base,
            line: Some(number as u64 + 1),
            record: None,
        };
        builder.finish_row(&identity, &raw);
    }
    builder.finish()
}

/// A text, or what is JSON already.
fn json(value: &str) -> String {
    match value.starts_with(['[', '{', '"']) || value == "null" || value.parse::<f64>().is_ok() {
        true => value.to_owned(),
        false => format!("{value:?}"),
    }
}

/// Alerts over finite input, and what was dropped, by the correlations' names.
fn finite(set: &RuleSet, events: &[Event]) -> (Vec<Alert>, BTreeMap<String, Dropped>) {
    let mut engine = engine(set);
    let batch = batch(&engine, events);
    let mut hits = Vec::new();
    engine.scan(&batch, &mut hits);
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    let mut finite = Finite::new(engine.correlations(), "", 1 << 20, Box::new(MemorySpill::default()));
    engine.occurrences(&batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
        finite.take(&occurrence).expect("memory takes all");
    });
    finite.count_dropped(&dropped);
    let alerts = finite.finish().expect("memory gives all");
    let names = engine.correlations().iter().map(|plan| plan.correlation.title.clone());
    (alerts, names.zip(finite.counts().iter().map(|counts| counts.dropped)).collect())
}

/// Alerts over finite input and over a stream in the order given; of the stream all that went out.
fn both(set: &RuleSet, events: &[Event]) -> (Vec<Alert>, Vec<Alert>) {
    let (whole, _) = finite(set, events);
    let (mut told, mut live) = at_once(set, events);
    told.extend(live.finish());
    (whole, told)
}

/// What goes out of a stream at once, an event after the other, and the stream.
fn at_once(set: &RuleSet, events: &[Event]) -> (Vec<Alert>, Live) {
    let mut engine = engine(set);
    let mut live = Live::new(engine.correlations(), "", LiveLimits::default());
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    let mut told = Vec::new();
    let all = batch(&engine, events);
    let mut hits = Vec::new();
    engine.scan(&all, &mut hits);
    for hit in hits {
        engine.occurrences(&all, &[hit], Times::AsWritten, &mut dropped, &mut |one| live.take(&one));
        told.extend(live.commit());
    }
    (told, live)
}

fn titles(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.rule.title.as_str()).collect()
}

fn take(live: &mut Live, correlation: usize, members: u64, time: i64, key: &str, id: u64, value: Value<'_>) {
    let source: Arc<str> = "s".into();
    let origin = Origin { base: OriginBase::File { path: "f".into() }, line: None, record: Some(id) };
    live.take(&Occurrence {
        correlation,
        members,
        time,
        key,
        value,
        event_id: &format!("00000000-0000-0000-0000-{id:012x}"),
        source: &source,
        origin: &origin,
        carried: None,
    });
}
