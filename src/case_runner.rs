//! Runs the cases of rules: their events through their log sources, then through the engine.
//!
//! In: rule files, and a case. Out: how many events its rule matched, or for a correlation how many alerts
//! it raised. A correlation is run twice: over the events as finite input, and as a stream on which they
//! come in another order, each of them twice, past a restart. Both must raise the same alerts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use virga_engine::alert::Alert;
use virga_engine::cases::{Case, PlayedEvent};
use virga_engine::correlate::{Dropped, Finite, Live, LiveLimits, Member, MemorySpill, Times};
use virga_engine::diagnostic::{Severity, SourceFile};
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase};
use virga_engine::plan::Lists;
use virga_engine::sigma::{Document, parse_documents};
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Arrival, Normaliser, SourceDef, generic, source};

/// When stories begin whose events say how long after that they happen: 2026-03-02T09:00:00Z, a Monday.
const STORY_BEGINS: i64 = 1_772_442_000_000_000;

/// What a case came to.
pub struct Played {
    /// How many events matched, or how many alerts there were.
    pub found: usize,
    /// Which of the two.
    pub unit: &'static str,
}

/// Rule files, and which of them have the rules that correlations are about.
pub struct Library {
    files: Vec<Arc<SourceFile>>,
    /// By id, name and title.
    holder: HashMap<String, usize>,
    /// By file: what its correlations are about.
    about: Vec<Vec<String>>,
    lists: Lists,
}

impl Library {
    /// What is in rule files; `lists` are those that cases do not name themselves.
    pub fn new(files: &[Arc<SourceFile>], lists: Lists) -> Self {
        let mut library = Self { files: files.to_vec(), holder: HashMap::new(), about: Vec::new(), lists };
        for (number, file) in files.iter().enumerate() {
            let mut about = Vec::new();
            for document in parse_documents(file).0 {
                let names = match &document {
                    Document::Rule(rule) => [rule.id.clone(), rule.name.clone(), Some(rule.title.clone())],
                    Document::Correlation(c) => [c.id.clone(), c.name.clone(), Some(c.title.clone())],
                    Document::Filter(_) => continue,
                };
                for name in names.into_iter().flatten() {
                    library.holder.entry(name).or_insert(number);
                }
                if let Document::Correlation(correlation) = document {
                    about.extend(correlation.rules.into_iter().map(|rule| rule.value));
                }
            }
            library.about.push(about);
        }
        library
    }

    /// A file with those that its correlations need.
    fn with_needed(&self, number: usize) -> Vec<Arc<SourceFile>> {
        let (mut wanted, mut next) = (BTreeSet::from([number]), vec![number]);
        while let Some(number) = next.pop() {
            for file in self.about[number].iter().filter_map(|name| self.holder.get(name)) {
                if wanted.insert(*file) {
                    next.push(*file);
                }
            }
        }
        wanted.into_iter().map(|number| Arc::clone(&self.files[number])).collect()
    }

    /// How many of a case's events the rules of the file with that number match; where the file holds
    /// correlations, how many alerts the outermost of them raise.
    ///
    /// # Errors
    /// Where a rule has an error, an event names no source or cannot be read, or a stream of the events in
    /// another order raises other alerts.
    pub fn play(&self, number: usize, case: &Case) -> Result<Played, String> {
        let mut lists = self.lists.clone();
        lists.extend(case.lists.clone());
        let set = RuleSet::load(self.with_needed(number), &lists);
        if let Some(error) = set.diagnostics.iter().find(|d| d.severity == Severity::Error) {
            return Err(error.to_string());
        }
        Play::new(&set, case)?.run(&self.files[number])
    }
}

/// A case on the stage.
struct Play<'c> {
    case: &'c Case,
    engine: Engine,
    events: Vec<PlayedEvent<'c>>,
    columns: BTreeSet<&'c String>,
}

impl<'c> Play<'c> {
    fn new(set: &RuleSet, case: &'c Case) -> Result<Self, String> {
        let own = case.events.iter().flat_map(|event| event.enrich.keys());
        let columns: BTreeSet<&String> = case.enrich.keys().chain(own).collect();
        let mut specs = Vec::new();
        let names: BTreeSet<&str> = case.events.iter().map(|event| event.source.as_str()).collect();
        for name in names {
            let mut spec = match source_called(name)? {
                source if source.name == generic::SOURCE.name => generic::spec(Vec::new(), true),
                source => source.spec(),
            };
            spec.columns.extend(columns.iter().map(|column| column.to_string()));
            specs.push(spec);
        }
        let engine = Engine::new(set, &specs);
        Ok(Self { case, engine, events: case.played().collect(), columns })
    }

    fn run(&mut self, file: &SourceFile) -> Result<Played, String> {
        let targets = outermost(&self.engine, file);
        self.check_that_it_runs(file, &targets)?;
        let all: Vec<usize> = (0..self.events.len()).collect();
        let batches = self.batches(&all)?;
        if targets.is_empty() {
            return Ok(Played { found: self.matching(file, &batches), unit: "matching events" });
        }
        let whole = ids(&targets, self.finite(&batches)?);
        let mixed = mixed(all.len());
        let batches = self.batches(&mixed)?;
        let stream = ids(&targets, self.stream(&batches)?);
        match whole == stream {
            true => Ok(Played { found: whole.len(), unit: "alerts" }),
            false => Err(format!(
                "as a stream in another order it raises {} alerts, over finite input {}, or others",
                stream.len(),
                whole.len()
            )),
        }
    }

    /// A near miss that the rule never looked at would show nothing.
    fn check_that_it_runs(&self, file: &SourceFile, targets: &[String]) -> Result<(), String> {
        let report = self.engine.report();
        for (number, column) in &report.idle_correlations {
            let plan = &self.engine.correlations()[*number];
            if targets.contains(&plan.key()) {
                // its own fields, or those of a rule that it stands on
                let column = column.or(report.disabled.first().map(|(_, column)| *column));
                let why = column.map_or("no source of the case serves its rules".to_owned(), |column| {
                    format!("no lookup table fills `{column}`; `enrich` may")
                });
                return Err(format!("`{}` does not run: {why}", plan.key()));
            }
        }
        let mut own = self.engine.rules().iter().filter(|rule| rule.lowered.rule.file.name == file.name);
        if targets.is_empty() && own.all(|rule| rule.sources.is_empty()) {
            return Err(
                "the rule does not run on the case's sources: its log source, or a lookup table, is missing"
                    .into(),
            );
        }
        Ok(())
    }

    /// The events in an order, consecutive ones of one source and enrichment together.
    fn batches(&self, order: &[usize]) -> Result<Vec<EventBatch>, String> {
        let base = OriginBase::File { path: self.case.name.as_str().into() };
        let mut normalisers: BTreeMap<String, Normaliser> = BTreeMap::new();
        let mut batches = Vec::new();
        let mut open: Option<(String, BatchBuilder)> = None;
        for &number in order {
            let event = &self.events[number];
            let source = source_called(&event.written.source)?;
            let projection = self.engine.projection(source.name).ok_or("the source has no plan")?;
            let enrich = self.enrichment(event);
            let key = format!("{} {}", source.name, Value::from_iter(enrich.clone()));
            if open.as_ref().is_some_and(|(of, builder)| *of != key || builder.len() >= 256) {
                batches.extend(open.take().map(|(_, mut builder)| builder.finish()));
            }
            let (_, builder) = open.get_or_insert_with(|| {
                (key.clone(), BatchBuilder::new(source.name.into(), Arc::clone(&projection)))
            });
            let normaliser = normalisers.entry(key).or_insert_with(|| {
                let mut normaliser = Normaliser::new(source, &projection, &Arc::default());
                normaliser.set_enrichment(&enrich);
                normaliser
            });
            normaliser.set_time(event.at.map(|at| STORY_BEGINS + at));
            let line = number as u64 + 1;
            let arrival = Arrival { base: &base, line: Some(line), record: None, ingest_time: STORY_BEGINS };
            let read = normaliser.normalise(&event.raw, &arrival, builder);
            read.map_err(|cause| format!("event {line}: {cause}"))?;
        }
        batches.extend(open.map(|(_, mut builder)| builder.finish()));
        Ok(batches)
    }

    /// What lookup tables would say of an event.
    fn enrichment(&self, event: &PlayedEvent<'_>) -> BTreeMap<String, Value> {
        let value = |column: &&String| event.written.enrich.get(*column).or(self.case.enrich.get(*column));
        self.columns.iter().filter_map(|column| Some(((*column).clone(), value(column)?.clone()))).collect()
    }

    /// How many events the rules of the file match.
    fn matching(&mut self, file: &SourceFile, batches: &[EventBatch]) -> usize {
        let mut matched = 0;
        for batch in batches {
            let mut hits = Vec::new();
            self.engine.scan(batch, &mut hits);
            let is_own = |rule: u32| self.engine.rules()[rule as usize].lowered.rule.file.name == file.name;
            let rows: BTreeSet<u32> = hits.iter().filter(|hit| is_own(hit.rule)).map(|hit| hit.row).collect();
            matched += rows.len();
        }
        matched
    }

    fn finite(&mut self, batches: &[EventBatch]) -> Result<Vec<Alert>, String> {
        let mut finite =
            Finite::new(self.engine.correlations(), "", usize::MAX, Box::<MemorySpill>::default());
        let mut dropped = vec![Dropped::default(); self.engine.correlations().len()];
        let mut failure = Ok(());
        for batch in batches {
            let mut hits = Vec::new();
            self.engine.scan(batch, &mut hits);
            self.engine.occurrences(batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
                if failure.is_ok() {
                    failure = finite.take(&occurrence);
                }
            });
        }
        failure.and_then(|()| finite.finish()).map_err(|error| error.to_string())
    }

    /// As a stream, half way of which the process starts anew.
    fn stream(&mut self, batches: &[EventBatch]) -> Result<Vec<Alert>, String> {
        let begin = |engine: &Engine| Live::new(engine.correlations(), "", LiveLimits::default());
        let mut live = begin(&self.engine);
        let mut dropped = vec![Dropped::default(); self.engine.correlations().len()];
        let mut alerts = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            let mut hits = Vec::new();
            self.engine.scan(batch, &mut hits);
            self.engine.occurrences(batch, &hits, Times::AsWritten, &mut dropped, &mut |occurrence| {
                live.take(&occurrence);
            });
            alerts.extend(live.commit());
            if at == batches.len() / 2 {
                let snapshot = live.snapshot().map_err(|error| error.to_string())?;
                live = begin(&self.engine);
                live.restore(&snapshot).map_err(|error| error.to_string())?;
            }
        }
        alerts.extend(live.finish());
        Ok(alerts)
    }
}

fn source_called(name: &str) -> Result<&'static SourceDef, String> {
    source(name).ok_or_else(|| format!("there is no source `{name}`"))
}

/// Neighbours change places, as files of a trail do, and all come twice.
fn mixed(events: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..events).collect();
    order.chunks_mut(7).for_each(<[usize]>::reverse);
    let again = order.clone();
    order.into_iter().chain(again).collect()
}

/// The correlations of a file that no other one of the file is about, by the keys of their alerts.
fn outermost(engine: &Engine, file: &SourceFile) -> Vec<String> {
    let plans = engine.correlations();
    let own = |number: usize| plans[number].correlation.file.name == file.name;
    let is_inner = |number: usize| {
        let outer = (0..plans.len()).filter(|&outer| own(outer));
        outer.flat_map(|outer| &plans[outer].members).any(|m| m.member == Member::Correlation(number))
    };
    (0..plans.len()).filter(|&n| own(n) && !is_inner(n)).map(|n| plans[n].key()).collect()
}

fn ids(targets: &[String], alerts: Vec<Alert>) -> BTreeSet<String> {
    alerts.into_iter().filter(|alert| targets.contains(&alert.rule.id)).map(|alert| alert.alert_id).collect()
}
