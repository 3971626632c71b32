//! `virga rules explain` for correlations: how near each group came to a match, and what was missing.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use virga_engine::correlate::{Dropped, Explained, Finite, Member, Plan, Times};
use virga_engine::event::{BatchBuilder, OriginBase, SourceSpec};
use virga_engine::{Engine, RuleSet};
use virga_ingest::environment::Environment;
use virga_ingest::sources::{Arrival, Normaliser, SOURCES, SourceDef};

use super::{Failure, Outcome};
use crate::show;
use crate::spill::{self, TemporaryFiles};

/// Groups of one correlation that are shown.
const GROUPS_SHOWN: usize = 20;

/// The number of the correlation that a word means: its id, name, title, or the name of its file.
pub fn find(set: &RuleSet, wanted: &str, is_file: bool) -> Result<Option<usize>, Failure> {
    let plans = virga_engine::correlate::plan(&set.correlations);
    let is_inner = |number: usize| {
        plans.iter().any(|plan| plan.members.iter().any(|m| m.member == Member::Correlation(number)))
    };
    let lower = wanted.to_lowercase();
    let is_it = |number: &usize| {
        let correlation = &plans[*number].correlation;
        let stem = std::path::Path::new(&correlation.file.name).file_stem();
        let stem = stem.map(|stem| stem.to_string_lossy().to_lowercase());
        // of a file that holds a chain the outermost is meant
        if is_file {
            return correlation.file.name == wanted && !is_inner(*number);
        }
        let by_file = stem.as_deref() == Some(&lower) && !is_inner(*number);
        by_file
            || correlation.key().to_lowercase() == lower
            || correlation.name.as_ref().is_some_and(|name| name.to_lowercase() == lower)
            || correlation.title.to_lowercase() == lower
    };
    let found: Vec<usize> = (0..plans.len()).filter(is_it).collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => {
            let names: Vec<String> = several.iter().map(|number| plans[*number].key()).collect();
            Err(format!("`{wanted}` means {} correlations; name one: {}", names.len(), names.join(", "))
                .into())
        }
    }
}

/// A correlation at work over events that come one by one. What it keeps of them are hits, as `virga detect` does.
pub struct Explaining {
    engine: Engine,
    finite: Finite,
    dropped: Vec<Dropped>,
    hits_of: BTreeMap<String, u64>,
    environment: Arc<Environment>,
    normalisers: BTreeMap<&'static str, Normaliser>,
    events: u64,
    unread: u64,
}

impl Explaining {
    /// No events yet.
    pub fn new(set: &RuleSet, environment: &Arc<Environment>) -> Self {
        let specs: Vec<SourceSpec> = SOURCES.iter().map(|source| source.spec_in(environment)).collect();
        let engine = Engine::new(set, &specs);
        let spill = Box::new(TemporaryFiles::default());
        let mut finite = Finite::new(engine.correlations(), "", spill::MEMORY, spill);
        finite.explain();
        Self {
            dropped: vec![Dropped::default(); engine.correlations().len()],
            engine,
            finite,
            hits_of: BTreeMap::new(),
            environment: Arc::clone(environment),
            normalisers: BTreeMap::new(),
            events: 0,
            unread: 0,
        }
    }

    /// An event, with where it stands and its source.
    pub fn take(&mut self, place: &str, raw: &str, source: &'static SourceDef) -> Result<(), Failure> {
        self.events += 1;
        let Some(projection) = self.engine.projection(source.name) else { return Ok(()) };
        let normaliser = self
            .normalisers
            .entry(source.name)
            .or_insert_with(|| Normaliser::new(source, &projection, &self.environment));
        let base = OriginBase::File { path: place.into() };
        let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
        let mut builder = BatchBuilder::new(source.name.into(), projection);
        if let Err(cause) = normaliser.normalise(raw, &arrival, &mut builder) {
            show::say!("{}skipped:{:#} {place}: {cause}", show::BOLD, show::BOLD);
            self.unread += 1;
            return Ok(());
        }
        let batch = builder.finish();
        let mut hits = Vec::new();
        self.engine.scan(&batch, &mut hits);
        for hit in &hits {
            let key = self.engine.rules()[hit.rule as usize].lowered.rule.key();
            *self.hits_of.entry(key).or_default() += 1;
        }
        let (mut failure, finite) = (Ok(()), &mut self.finite);
        self.engine.occurrences(&batch, &hits, Times::AsWritten, &mut self.dropped, &mut |occurrence| {
            if failure.is_ok() {
                failure = finite.take(&occurrence);
            }
        });
        Ok(failure?)
    }

    /// All events of `from` have come: tells of the correlation of this number.
    pub fn finish(mut self, number: usize, from: &str, all: bool) -> Outcome {
        if self.events == 0 {
            return Err(format!("{from} holds no event").into());
        }
        if self.unread == self.events {
            return Err("no event could be read".into());
        }
        self.finite.count_dropped(&self.dropped);
        self.finite.finish()?;
        let told = Told { engine: &self.engine, finite: &self.finite, hits_of: &self.hits_of, all };
        told.correlation(number, 0)?;
        let any = self.finite.explained().iter().any(|(of, explained)| *of == number && explained.alerts > 0);
        Ok(if any { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

struct Told<'a> {
    engine: &'a Engine,
    finite: &'a Finite,
    hits_of: &'a BTreeMap<String, u64>,
    all: bool,
}

impl Told<'_> {
    /// A correlation, and below it those that it stands on.
    fn correlation(&self, number: usize, depth: usize) -> Result<(), Failure> {
        let plan = &self.engine.correlations()[number];
        let correlation = &plan.correlation;
        let mut groups: Vec<&Explained> = self
            .finite
            .explained()
            .iter()
            .filter(|(of, _)| *of == number)
            .map(|(_, explained)| explained)
            .collect();
        groups.sort_by(|a, b| {
            b.alerts.cmp(&a.alerts).then(b.progress.total_cmp(&a.progress)).then_with(|| a.key.cmp(&b.key))
        });
        let alerts: usize = groups.iter().map(|group| group.alerts).sum();
        let matching = groups.iter().filter(|group| group.alerts > 0).count();
        line(
            depth,
            format!(
                "{}{}{:#} ({}): {alerts} alerts in {matching} of {} groups",
                show::BOLD,
                show::printable(&correlation.title),
                show::BOLD,
                correlation.kind.value.word(),
                groups.len()
            ),
        )?;
        self.notes(number, plan, depth + 1)?;
        for (member, asks) in correlation.rules.iter().zip(&plan.members) {
            if let Member::Rule(key) = &asks.member {
                let hits = self.hits_of.get(key).copied().unwrap_or(0);
                line(
                    depth + 1,
                    format!("{} {}: {hits} events", mark(hits > 0), show::printable(&member.value)),
                )?;
            }
        }
        let most = if self.all { usize::MAX } else { GROUPS_SHOWN };
        for group in groups.iter().take(most) {
            line(depth + 1, format!("{} {}", mark(group.alerts > 0), shown_group(plan, &group.key)))?;
            let nearest = if group.alerts > 0 { "" } else { "nearest: " };
            let time = virga_engine::alert::show_time(group.time);
            line(
                depth + 2,
                format!(
                    "{nearest}{} at {time}, of {} hits in all",
                    show::printable(&group.state),
                    group.events
                ),
            )?;
        }
        if groups.len() > most {
            line(depth + 1, format!("… and {} groups more; --all shows them", groups.len() - most))?;
        }
        for asks in &plan.members {
            if let Member::Correlation(inner) = asks.member {
                self.correlation(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Why it may have seen less than there was.
    fn notes(&self, number: usize, plan: &Plan, depth: usize) -> Result<(), Failure> {
        let report = self.engine.report();
        if let Some((_, why)) = report.idle_correlations.iter().find(|(idle, _)| *idle == number) {
            let why = why.map_or("rules that it needs do not run".to_owned(), |c| {
                format!("no lookup table fills {c}")
            });
            line(depth, format!("note: it sees nothing: {why}"))?;
        }
        if plan.muted {
            line(depth, "note: it only feeds other correlations and raises no alerts of its own".to_owned())?;
        }
        let dropped = self.finite.counts()[number].dropped;
        for (count, what) in [
            (dropped.missing_key, "have no value in a field of `group-by`"),
            (dropped.missing_value, "have no value in the field that is looked at"),
            (dropped.bad_value, "have a value there that is no number, or a negative one"),
            (dropped.too_many, "have more values than are looked at"),
        ] {
            if count > 0 {
                line(depth, format!("note: {count} events that its rules match {what}"))?;
            }
        }
        Ok(())
    }
}

fn shown_group(plan: &Plan, key: &str) -> String {
    let values: Vec<Option<String>> = serde_json::from_str(key).unwrap_or_default();
    let parts: Vec<String> = plan
        .group_by()
        .zip(values)
        .map(|(name, value)| format!("{name} {}", show::printable(value.as_deref().unwrap_or("(none)"))))
        .collect();
    if parts.is_empty() { "all events".to_owned() } else { parts.join(", ") }
}

fn mark(holds: bool) -> &'static str {
    if holds { "✓" } else { "✗" }
}

fn line(depth: usize, text: String) -> Result<(), Failure> {
    super::line(format!("{}{text}", "  ".repeat(depth)))
}
