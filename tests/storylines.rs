//! The storylines of the core correlations: which rules fire, and which must not.
//!
//! Each story's events go through their log sources and the rules that ship, over finite input and as
//! a stream whose events come in another order and twice, past a restart. Both must raise the alerts that
//! the story names, and a lookalike must not raise that of the rule that it is like.

#[path = "storylines/mod.rs"]
mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stories::{Event, Story, stories};
use virga_engine::alert::{Alert, AlertKind};
use virga_engine::correlate::{Dropped, Finite, Live, LiveLimits, MemorySpill, Times};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase};
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Arrival, Normaliser, SOURCES, source};

/// The rules that ship with the lists of a story, on all sources with the columns that the story's tables
/// fill.
fn engine(story: &Story) -> Engine {
    let file = |name: String, text: String| Arc::new(SourceFile { name, text });
    let shipped = file("lists.yml".into(), virga_detections::LISTS.into());
    let mut lists = virga_engine::cases::parse_lists(&shipped).expect("the lists that ship");
    for (name, values) in story.lists {
        lists.insert(name.to_string(), values.iter().map(|value| value.to_string()).collect());
    }
    let set = RuleSet::load(virga_detections::rules().into_iter().map(|f| file(f.path, f.text)), &lists);
    let enriched: BTreeSet<&str> = story
        .attack
        .iter()
        .chain(&story.benign)
        .flat_map(|event| event.enrich.iter().map(|(column, _)| *column))
        .collect();
    let specs: Vec<_> = SOURCES
        .iter()
        .map(|source| {
            let mut spec = source.spec();
            spec.columns.extend(enriched.iter().map(|column| column.to_string()));
            spec
        })
        .collect();
    Engine::new(&set, &specs)
}

/// One batch an event: each may be enriched in its own way.
fn batches(engine: &Engine, events: &[Event]) -> Vec<EventBatch> {
    let base = OriginBase::File { path: "story".into() };
    let batch = |(number, event): (usize, &Event)| {
        let source = source(event.source).expect("a known source");
        let projection = engine.projection(source.name).expect("a plan");
        let mut normaliser = Normaliser::new(source, &projection, &Arc::default());
        let enrich: BTreeMap<String, _> =
            event.enrich.iter().map(|(column, value)| (column.to_string(), value.clone())).collect();
        normaliser.set_enrichment(&enrich);
        let mut builder = BatchBuilder::new(source.name.into(), projection);
        let arrival = Arrival { base: &base, line: Some(number as u64 + 1), record: None, ingest_time: 0 };
        let raw = event.raw.to_string();
        normaliser.normalise(&raw, &arrival, &mut builder).expect("an event that can be read");
        builder.finish()
    };
    events.iter().enumerate().map(batch).collect()
}

fn finite(engine: &mut Engine, batches: &[EventBatch]) -> Vec<Alert> {
    let mut finite = Finite::new(engine.correlations(), "", 1 << 30, Box::new(MemorySpill::default()));
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    for batch in batches {
        let mut hits = Vec::new();
        engine.scan(batch, &mut hits);
        engine.occurrences(batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
            finite.take(&occurrence).expect("memory takes all");
        });
    }
    finite.finish().expect("memory gives all")
}

/// The last body of each alert of a stream: half of the events come in another order, all of them twice, and
/// half way the correlator goes on from a snapshot.
fn live(engine: &mut Engine, batches: &[EventBatch]) -> Vec<Alert> {
    let mut live = Live::new(engine.correlations(), "", LiveLimits::default());
    let mut dropped = vec![Dropped::default(); engine.correlations().len()];
    let mut last = BTreeMap::new();
    let mut order: Vec<usize> = (0..batches.len()).collect();
    // neighbours change places, as files of a trail do
    order.chunks_mut(7).for_each(<[usize]>::reverse);
    for (at, batch) in order.iter().chain(&order).enumerate() {
        let batch = &batches[*batch];
        let mut hits = Vec::new();
        engine.scan(batch, &mut hits);
        engine.occurrences(batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
            live.take(&occurrence)
        });
        let alerts = live.commit();
        last.extend(alerts.into_iter().map(|alert| (alert.alert_id.clone(), alert)));
        if at == batches.len() / 2 {
            let snapshot = live.snapshot().expect("a snapshot");
            live = Live::new(engine.correlations(), "", LiveLimits::default());
            live.restore(&snapshot).expect("a snapshot that opens");
        }
    }
    last.extend(live.finish().into_iter().map(|alert| (alert.alert_id.clone(), alert)));
    last.into_values().collect()
}

/// Alerts by the name of their rule, also of those that only feed others.
fn by_name(engine: &Engine, alerts: &[Alert]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for alert in alerts {
        assert_eq!(alert.kind, AlertKind::Correlation);
        let plan = engine.correlations().iter().find(|plan| plan.key() == alert.rule.id).expect("a plan");
        *count.entry(plan.correlation.name.clone().unwrap_or_default()).or_default() += 1;
    }
    count
}

#[test]
fn every_attack_fires_its_rules_and_no_lookalike_does() {
    let mut wrong = Vec::new();
    let stories = stories();
    assert_eq!(stories.len(), 25);
    for story in &stories {
        let mut engine = engine(story);
        let attack = batches(&engine, &story.attack);
        let benign = batches(&engine, &story.benign);
        let (whole, stream) = (finite(&mut engine, &attack), live(&mut engine, &attack));
        let told = by_name(&engine, &whole);
        for (name, count) in story.fires {
            if told.get(*name) != Some(count) {
                wrong.push(format!("{}: {name} fires {:?} times, not {count}", story.name, told.get(*name)));
            }
        }
        let mut lookalike = finite(&mut engine, &benign);
        lookalike.extend(live(&mut engine, &benign));
        if let Some(count) = by_name(&engine, &lookalike).get(story.name) {
            wrong.push(format!("{}: the lookalike fires {count} times", story.name));
        }
        let sorted = |alerts: Vec<Alert>| -> BTreeMap<String, Alert> {
            alerts.into_iter().map(|alert| (alert.alert_id.clone(), Alert { revision: 0, ..alert })).collect()
        };
        let (whole, stream) = (sorted(whole), sorted(stream));
        for (id, alert) in &whole {
            let other = stream.get(id);
            // the same event that comes twice has two places: which of them is shown is free
            let about = |alert: &Alert| {
                let mut alert = alert.clone();
                alert.events.iter_mut().for_each(|event| event.origin.line = None);
                alert
            };
            if other.map(about) != Some(about(alert)) {
                wrong.push(format!("{}: a stream says {other:#?}, not {alert:#?}", story.name));
            }
        }
        if whole.len() != stream.len() {
            wrong.push(format!("{}: a stream raises {}, not {}", story.name, stream.len(), whole.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
