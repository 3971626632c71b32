//! Both ways of the scan agree on the samples of every source, on every native path, under every alias
//! that leads to one, on the fields that sources compute and on canonical columns.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{BatchBuilder, COLUMNS, OriginBase};
use virga_engine::plan::Lists;
use virga_engine::scan::{Hit, reference::Event};
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Arrival, Describer, Normaliser, SOURCES, SourceDef, generic};
use virga_test_support::workspace;

/// The dotted paths of an event's leaves, with the text of one value.
fn leaves(value: &Value, at: &str, all: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                leaves(value, &path, all);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, at, all)),
        Value::String(text) if text.len() < 200 => drop(all.insert((at.to_owned(), text.clone()))),
        Value::Null | Value::String(_) => drop(all.insert((at.to_owned(), String::new()))),
        other => drop(all.insert((at.to_owned(), other.to_string()))),
    }
}

fn rule(number: usize, product: &str, service: &str, field: &str, value: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let escaped: String = value
        .chars()
        .flat_map(|c| if matches!(c, '*' | '?' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    format!(
        "title: r{number}\nid: r{number}\nlogsource: {{product: {product}, service: {service}}}\ndetection:\n  a: {{{}: {}}}\n  b: {{{}: null}}\n  c: {{{}: true}}\n  condition: a or not b and not c\n",
        quoted(field),
        quoted(&escaped),
        quoted(field),
        quoted(&format!("{field}|exists"))
    )
}

/// Rules on everything that can be asked of a source, and the samples that they meet.
fn rules_and_events(source: &SourceDef) -> (Vec<String>, Vec<String>) {
    let text =
        std::fs::read_to_string(workspace().join("samples").join(source.name).join("events.ndjson")).unwrap();
    let events: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut asked = BTreeSet::new();
    for event in &events {
        leaves(&serde_json::from_str(event).unwrap(), "", &mut asked);
    }
    let mut fields: Vec<(String, String)> = asked.into_iter().collect();
    // below or without the places that aliases lead through
    let more: Vec<(String, String)> = fields
        .iter()
        .flat_map(|(path, value)| {
            let bare = path.split_once('.').map(|(_, rest)| (rest.to_owned(), value.clone()));
            bare.into_iter().chain([(format!("properties.{path}"), value.clone())])
        })
        .collect();
    fields.extend(more);
    fields.extend(
        source.aliases.iter().map(|(name, _)| (name.trim_end_matches('*').to_owned() + "x", String::new())),
    );
    fields.extend(
        source
            .aliases
            .iter()
            .filter(|(name, _)| !name.ends_with('*'))
            .map(|(name, _)| ((*name).to_owned(), "x".into())),
    );
    fields.extend(source.computed.iter().map(|field| (field.column.to_owned(), "Success".into())));
    fields.extend(
        COLUMNS
            .iter()
            .filter(|column| !column.from_table)
            .map(|column| (column.name.to_owned(), "success".into())),
    );
    let logsource = &source.logsources[0];
    let (product, service) = (logsource.product.unwrap(), logsource.service.unwrap());
    let rules = fields
        .iter()
        .enumerate()
        .map(|(number, (field, value))| rule(number, product, service, field, value));
    (rules.collect(), events)
}

#[test]
fn the_two_ways_agree_on_every_field_of_every_source() {
    for source in SOURCES.iter().copied().filter(|source| source.name != generic::SOURCE.name) {
        let (rules, events) = rules_and_events(source);
        let files = rules
            .iter()
            .enumerate()
            .map(|(number, text)| Arc::new(SourceFile { name: format!("{number}.yml"), text: text.clone() }));
        let set = RuleSet::load(files, &Lists::new());
        assert_eq!(set.rejected, 0, "{}: {:?}", source.name, set.diagnostics.first());
        let spec = source.spec();
        let mut engine = Engine::new(&set, std::slice::from_ref(&spec));
        let projection = engine.projection(source.name).unwrap();
        let mut normaliser = Normaliser::new(source, &projection, &Arc::default());
        let mut builder = BatchBuilder::new(source.name.into(), projection);
        let base = OriginBase::File { path: "samples".into() };
        let describer = Describer::new(source, &Arc::default());
        let mut slow = BTreeSet::new();
        for (row, raw) in events.iter().enumerate() {
            let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
            normaliser.normalise(raw, &arrival, &mut builder).unwrap();
            let raw = describer.unfolded(raw);
            let columns = |name: &str| describer.value(&raw, name);
            let event = Event::parse(&raw, &spec, &columns).unwrap();
            for (number, rule) in engine.rules().iter().enumerate() {
                if event.matches(&rule.lowered, false) {
                    slow.insert((row as u32, number as u32));
                }
            }
        }
        let mut hits: Vec<Hit> = Vec::new();
        engine.scan(&builder.finish(), &mut hits);
        let fast: BTreeSet<(u32, u32)> = hits.iter().map(|hit| (hit.row, hit.rule)).collect();
        let differ: Vec<_> = fast.symmetric_difference(&slow).take(3).collect();
        let shown: Vec<&String> = differ.iter().map(|(_, rule)| &rules[*rule as usize]).collect();
        assert!(differ.is_empty(), "{}: {differ:?} {shown:#?}", source.name);
        assert!(slow.len() > events.len(), "{}: the rules meet something", source.name);
    }
}
