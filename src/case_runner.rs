//! Runs a case: its events through their log sources, then through the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use virga_engine::cases::Case;
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::event::{BatchBuilder, OriginBase};
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Arrival, Normaliser, SourceDef, generic, source};

/// How many of a case's events the rules of a file match.
///
/// # Errors
/// Where the rule has an error, an event names no source, or cannot be read.
pub fn matches(file: &Arc<SourceFile>, case: &Case) -> Result<usize, String> {
    let set = RuleSet::load([Arc::clone(file)], &case.lists);
    if let Some(error) = set.diagnostics.iter().find(|d| d.severity == Severity::Error) {
        return Err(error.to_string());
    }
    let mut by_source: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in &case.events {
        by_source.entry(&event.source).or_default().push(&event.raw);
    }
    let mut matched = 0;
    for (name, events) in by_source {
        let source = source(name).ok_or_else(|| format!("there is no source `{name}`"))?;
        matched += matching_events(&set, source, &events, case)?;
    }
    Ok(matched)
}

fn matching_events(
    set: &RuleSet,
    source: &'static SourceDef,
    events: &[&str],
    case: &Case,
) -> Result<usize, String> {
    let mut spec = match source.name == generic::SOURCE.name {
        true => generic::spec(Vec::new(), true),
        false => source.spec(),
    };
    spec.columns.extend(case.enrich.keys().cloned());
    let mut engine = Engine::new(set, &[spec]);
    if engine.report().loaded == 0 {
        // a near miss that the rule never looked at would show nothing
        return Err(format!(
            "the rule does not run on {}: its log source, or a lookup table, is missing",
            source.name
        ));
    }
    let projection = engine.projection(source.name).ok_or("the source has no plan")?;
    let mut normaliser = Normaliser::new(source, &projection, &Arc::default());
    normaliser.set_enrichment(&case.enrich);
    let mut builder = BatchBuilder::new(source.name.into(), projection);
    let base = OriginBase::File { path: case.name.as_str().into() };
    for (number, raw) in events.iter().enumerate() {
        let arrival = Arrival { base: &base, line: Some(number as u64 + 1), record: None, ingest_time: 0 };
        let read = normaliser.normalise(raw, &arrival, &mut builder);
        read.map_err(|cause| format!("event {}: {cause}", number + 1))?;
    }
    let mut hits = Vec::new();
    engine.scan(&builder.finish(), &mut hits);
    let mut rows: Vec<u32> = hits.iter().map(|hit| hit.row).collect();
    rows.dedup();
    Ok(rows.len())
}
