//! The pass over the archive.
//!
//! In: one rule set or two, a stretch of event time, an archive. Out: a [`Report`], and where they are asked for
//! the alerts themselves, each as `detect` would raise it. Row group by row group:
//!
//! 1. *prune*: for each rule that matters in the file's time the blocks in which it may match;
//! 2. *read*: of these blocks the columns that these rules have tests on;
//! 3. *scan*: each rule set over the same columns;
//! 4. *fetch*: of the events that matched, and of them alone, who they are, what correlations and the report
//!    ask for; the event as it came only where an alert is written, suppressed or explained.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use arrow::array::{Array as _, StringArray};
use virga_archive::{BLOCK, Entry, Lake, Needed, NeededBlocks, Range, StoredFile, Who};
use virga_engine::Engine;
use virga_engine::alert::{Alert, detection_number, show_time};
use virga_engine::correlate::{Dropped, Finite, Spill, Times};
use virga_engine::event::{EventBatch, ProjectedField, SourceSpec};
use virga_engine::json::string_text;
use virga_engine::scan::{Blocks, Hit};

use crate::blind::Occurs;
use crate::curve::Collector;
use crate::diff::{Differ, diff_event};
use crate::error::ReplayError;
use crate::labels::{Evidence, Labelled, Labels};
use crate::lane::{Lane, Part, PartRule};
use crate::reach::{self, Reach};
use crate::report::{Cost, Report};
use crate::sources::LogSources;
use crate::tally::{ENTITIES, Tally, hour};
use crate::time::moment_of;

/// What is asked.
#[derive(Debug)]
pub struct Question<'q> {
    /// The stretch of event time; what the archive does not hold is left out of it.
    pub range: Range,
    /// Leave out what cannot hold a match. Off, everything is read: to see what pruning gains.
    pub prune: bool,
    /// Of equal alerts of a rule with `suppress` only the first is written.
    pub suppress: bool,
    /// Correlations, by id, name or title, whose threshold curve is asked for whatever it takes.
    pub curves: &'q [String],
    /// What is known of the events.
    pub labels: Option<&'q Labels>,
    /// A hash of all alerts is asked for: the id of every event that matched is read for it.
    pub digest: bool,
}

/// A rule set that takes part.
#[derive(Debug)]
pub struct RuleSide {
    /// What it is called.
    pub name: String,
    /// A hash of its files.
    pub hash: String,
    /// Its rules, compiled for the sources of the world.
    pub engine: Engine,
}

/// What a backtest must be given of the world.
pub struct World<'w> {
    /// The log sources, as the rule sets were compiled for them.
    pub specs: &'w [SourceSpec],
    /// What log sources say of raw events.
    pub logs: &'w dyn LogSources,
    /// Time that has passed.
    pub clock: &'w dyn Fn() -> Duration,
    /// Bytes of correlations' hits that stay in memory.
    pub memory: usize,
    /// Where further ones go.
    pub spill: &'w dyn Fn() -> Box<dyn Spill>,
}

/// How far a backtest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Events behind it, looked at or left out.
    pub events: u64,
    /// Events in all.
    pub of: u64,
    /// Hits so far.
    pub hits: u64,
}

/// Takes alerts of the first rule set.
pub type AlertSink<'s> = &'s mut (dyn FnMut(&Alert) -> std::io::Result<()> + 's);

/// Runs rule sets over an archive.
///
/// # Errors
/// Where the archive cannot be read, or hits or alerts not be written.
pub async fn run<'a>(
    archive: &'a Lake,
    sides: Vec<RuleSide>,
    question: &'a Question<'a>,
    world: &'a World<'a>,
    alerts: Option<AlertSink<'a>>,
    progress: &mut dyn FnMut(Step),
) -> Result<Report, ReplayError> {
    let mut pass = Pass::new(archive, sides, question, world, alerts).await?;
    for entry in std::mem::take(&mut pass.entries) {
        pass.file(&entry).await?;
        progress(Step { events: pass.behind, of: pass.cost.events, hits: pass.hits });
    }
    pass.finish()
}

/// One rule set on its way.
pub(crate) struct Side {
    pub name: String,
    pub hash: String,
    pub engine: Engine,
    finite: Option<Finite>,
    dropped: Vec<Dropped>,
    /// By rule: how far around the stretch its hits matter.
    reach: Vec<Option<Reach>>,
    /// By rule.
    pub tallies: Vec<Tally>,
    /// By correlation.
    pub correlated: Vec<Tally>,
    collectors: Vec<Option<Collector>>,
    /// Curves that are asked for and are none.
    pub curves: Vec<crate::curve::Curve>,
    /// By rule: its number in the comparison.
    compared: Vec<usize>,
    /// Of this row group, by rule: the blocks in which it may match.
    candidate: Vec<Blocks>,
    hits: Vec<Hit>,
    /// Of this row group, by rule.
    by_rule: Vec<Vec<Hit>>,
}

impl Side {
    fn new(side: RuleSide, question: &Question<'_>, world: &World<'_>, differ: &mut Option<Differ>) -> Self {
        let RuleSide { name, hash, engine } = side;
        let plans = engine.correlations();
        let is_asked = |of: &virga_engine::sigma::Correlation| {
            let is_it = |name: &String| {
                name.eq_ignore_ascii_case(&of.key())
                    || name.eq_ignore_ascii_case(&of.title)
                    || of.name.as_ref().is_some_and(|own| name.eq_ignore_ascii_case(own))
            };
            question.curves.iter().any(is_it)
        };
        let collectors = plans.iter().map(|plan| Collector::new(plan, is_asked(&plan.correlation))).collect();
        let rules = engine.rules();
        let tally = |has_own: bool| Tally { has_own, ..Tally::default() };
        Self {
            finite: (!plans.is_empty()).then(|| Finite::new(plans, "", world.memory, (world.spill)())),
            dropped: vec![Dropped::default(); plans.len()],
            reach: reach::of_rules(&engine),
            tallies: rules.iter().map(|rule| tally(rule.lowered.rule.suppress.is_some())).collect(),
            correlated: plans.iter().map(|_| tally(false)).collect(),
            collectors,
            curves: Vec::new(),
            compared: match differ {
                Some(differ) => rules.iter().map(|rule| differ.number(&rule.lowered.rule.key())).collect(),
                None => Vec::new(),
            },
            candidate: vec![0; rules.len()],
            hits: Vec::new(),
            by_rule: vec![Vec::new(); rules.len()],
            name,
            hash,
            engine,
        }
    }

    /// The stretch in which hits of a rule matter.
    fn matters(&self, rule: u32, range: Range) -> Range {
        match self.reach.get(rule as usize) {
            Some(Some(reach)) => reach.around(range),
            _ => range,
        }
    }

    /// Hits that correlations could not use.
    pub fn left_out(&self) -> u64 {
        self.dropped.iter().map(Dropped::total).sum()
    }

    /// Counts hits of one rule in one hour, of which there is one at least.
    fn count(&mut self, hits: &[Hit], fetched: &Fetched, labelled: &[Labelled], digest: bool) {
        let times = hits.iter().map(|hit| fetched.batch.times().value(hit.row as usize));
        let (Some(hit), Some(first), Some(last)) = (hits.first(), times.clone().min(), times.max()) else {
            return;
        };
        let tally = &mut self.tallies[hit.rule as usize];
        tally.during((first, last), hits.len() as u64);
        if self.engine.is_muted(hit.rule) {
            return tally.principal(None, first);
        }
        for entity in 0..ENTITIES.len() {
            for (value, count) in fetched.counts(entity, hits) {
                if entity == 0 {
                    tally.principal(value.as_deref(), first);
                }
                if let Some(value) = value {
                    tally.entities[entity].add(&value, count);
                }
            }
        }
        if digest {
            let key = self.engine.rules()[hit.rule as usize].lowered.rule.key();
            for hit in hits {
                let id = fetched.batch.row(hit.row as usize).event_id();
                tally.alert(detection_number("", &key, &id));
            }
        }
        for hit in hits {
            let Some(labelled) = labelled.get(hit.row as usize) else { continue };
            tally.scored.detection(labelled, fetched.batch.times().value(hit.row as usize));
        }
    }

    fn feeds(&self, rule: u32) -> bool {
        matches!(self.reach.get(rule as usize), Some(Some(_)))
    }
}

/// What is known of an event that matched.
struct Fetched {
    /// The rows of the row group, in order.
    rows: Vec<u32>,
    batch: EventBatch,
    /// All of them happened in one hour.
    one_hour: bool,
    /// Where the canonical columns stand that are counted.
    entities: Vec<usize>,
}

impl Fetched {
    fn entity(&self, entity: usize, row: usize) -> Option<String> {
        cell_text(&self.batch, *self.entities.get(entity)?, row)
    }

    /// The values of an entity that hits have, each with their number; those without are counted too.
    fn counts(&self, entity: usize, hits: &[Hit]) -> Vec<(Option<Cow<'_, str>>, u64)> {
        let Some(cells) = self.entities.get(entity).and_then(|column| self.batch.fields().get(*column))
        else {
            return vec![(None, hits.len() as u64)];
        };
        let Some(values) = cells.values().as_any().downcast_ref::<StringArray>() else { return Vec::new() };
        let keys = hits.iter().map(|hit| cells.key(hit.row as usize));
        let shown = |key: usize| plain_text(values.value(key));
        // few values are counted by their number, of many those that occur
        if values.len() <= 4 * hits.len() {
            let (mut counts, mut without) = (vec![0; values.len()], 0);
            keys.for_each(|key| *key.map_or(&mut without, |key| &mut counts[key]) += 1);
            let there = counts.into_iter().enumerate().map(|(key, count)| (Some(key), count));
            let there = there.chain([(None, without)]).filter(|(_, count)| *count > 0);
            return there.map(|(key, count)| (key.map(shown), count)).collect();
        }
        let mut keys: Vec<Option<usize>> = keys.collect();
        keys.sort_unstable();
        let counted = keys.chunk_by(|a, b| a == b);
        counted.map(|equal| (equal.first().copied().flatten().map(shown), equal.len() as u64)).collect()
    }
}

/// The text of a cell: of a JSON string what it says, of anything else itself.
fn cell_text(batch: &EventBatch, column: usize, row: usize) -> Option<String> {
    let column = batch.fields().get(column)?;
    let values = column.values().as_any().downcast_ref::<StringArray>()?;
    Some(plain_text(values.value(column.key(row)?)).into_owned())
}

/// Of a JSON string what it says, of anything else itself.
fn plain_text(cell: &str) -> Cow<'_, str> {
    string_text(cell).unwrap_or(Cow::Borrowed(cell))
}

pub(crate) struct Pass<'a> {
    pub question: &'a Question<'a>,
    world: &'a World<'a>,
    archive: &'a Lake,
    alerts: Option<AlertSink<'a>>,
    pub range: Range,
    /// The first and the last event of the whole archive.
    pub holds: Option<(i64, i64)>,
    entries: Vec<Entry>,
    pub sides: Vec<Side>,
    pub lanes: HashMap<String, Lane>,
    pub occurs: BTreeMap<String, Occurs>,
    pub events: BTreeMap<String, u64>,
    differ: Option<Differ>,
    evidence: Evidence,
    pub cost: Cost,
    behind: u64,
    hits: u64,
    started: Duration,
}

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

impl<'a> Pass<'a> {
    async fn new(
        archive: &'a Lake,
        sides: Vec<RuleSide>,
        question: &'a Question<'a>,
        world: &'a World<'a>,
        alerts: Option<AlertSink<'a>>,
    ) -> Result<Self, ReplayError> {
        let started = (world.clock)();
        let all = archive.entries(Range::ALL).await?;
        let first = all.iter().map(|entry| entry.times.0).min();
        let last = all.iter().map(|entry| entry.times.1).max();
        let holds = first.zip(last);
        let (first, last) = holds.unwrap_or((0, 0));
        let range = Range {
            from: question.range.from.max(first.div_euclid(HOUR) * HOUR),
            to: question.range.to.min((last.div_euclid(HOUR) + 1) * HOUR),
        };
        let engines: Vec<&Engine> = sides.iter().map(|side| &side.engine).collect();
        let mut differ = (sides.len() > 1).then(|| Differ::new(&engines));
        let label_columns: &[&'static str] = question.labels.map_or(&[], |labels| labels.columns.as_slice());
        let mut lanes = HashMap::new();
        for source in all.iter().map(|entry| entry.source.as_str()) {
            if !lanes.contains_key(source)
                && let Some(lane) = Lane::new(source, &engines, &ENTITIES, label_columns)
            {
                lanes.insert(source.to_owned(), lane);
            }
        }
        let sides: Vec<Side> =
            sides.into_iter().map(|side| Side::new(side, question, world, &mut differ)).collect();
        let mut pass = Self {
            question,
            world,
            archive,
            alerts,
            range,
            holds,
            entries: Vec::new(),
            sides,
            lanes,
            occurs: BTreeMap::new(),
            events: BTreeMap::new(),
            differ,
            evidence: Evidence::default(),
            cost: Cost::default(),
            behind: 0,
            hits: 0,
            started,
        };
        pass.entries = all.into_iter().filter(|entry| pass.is_wanted(entry)).collect();
        pass.cost.events = pass.entries.iter().map(|entry| entry.rows as u64).sum();
        pass.cost.bytes_total = pass.entries.iter().map(|entry| entry.size).sum();
        Ok(pass)
    }

    pub fn logs(&self) -> &'a dyn LogSources {
        self.world.logs
    }

    /// Whether a file holds something that matters for some rule.
    fn is_wanted(&self, entry: &Entry) -> bool {
        if meets(self.range, entry.times) {
            return true;
        }
        let Some(lane) = self.lanes.get(&entry.source) else { return false };
        lane.parts.iter().zip(&self.sides).any(|(part, side)| {
            part.rules.iter().any(|rule| meets(side.matters(rule.rule, self.range), entry.times))
        })
    }

    fn phase(&mut self, name: &'static str, since: Duration) -> Duration {
        let now = (self.world.clock)();
        *self.cost.phases.entry(name).or_default() += now.saturating_sub(since).as_secs_f64();
        now
    }

    /// One file.
    async fn file(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        let began = (self.world.clock)();
        let is_within = meets(self.range, entry.times);
        if is_within {
            *self.events.entry(entry.source.clone()).or_default() += entry.rows as u64;
        }
        let rows = entry.rows as u64;
        let Some(mut lane) = self.lanes.remove(&entry.source) else {
            self.behind += rows;
            return Ok(());
        };
        let outcome = match lane.has_rules() {
            true => self.opened(entry, &mut lane, is_within, began).await,
            false => Ok(()),
        };
        self.lanes.insert(entry.source.clone(), lane);
        self.behind += rows;
        outcome
    }

    async fn opened(
        &mut self,
        entry: &Entry,
        lane: &mut Lane,
        is_within: bool,
        began: Duration,
    ) -> Result<(), ReplayError> {
        let mut files = self.archive.open(entry).await?;
        self.cost.files += 1;
        let mut began = began;
        while let Some(mut file) = files.next().await? {
            if self.question.prune {
                let parts = lane.parts.iter().zip(&self.sides);
                let tests = parts.flat_map(|(part, side)| {
                    let matters = |rule: &&PartRule| meets(side.matters(rule.rule, self.range), entry.times);
                    part.rules.iter().filter(matters).flat_map(|rule| &rule.tests)
                });
                let fields: Vec<&ProjectedField> = tests.map(|column| &lane.union.fields[*column]).collect();
                file.learn(&fields).await?;
            }
            self.cost.bytes_read += file.footer_bytes();
            if is_within {
                self.occurs.entry(entry.source.clone()).or_default().see(&file, &lane.union);
            }
            self.phase("open", began);
            for group in 0..file.groups() {
                self.group(&file, group, lane).await?;
            }
            began = (self.world.clock)();
        }
        Ok(())
    }

    /// One row group.
    async fn group(&mut self, file: &StoredFile, group: usize, lane: &mut Lane) -> Result<(), ReplayError> {
        let began = (self.world.clock)();
        let mut needed: Vec<Blocks> = vec![0; lane.union.fields.len()];
        let (mut kept, mut raw): (Blocks, Blocks) = (0, 0);
        let mut shares: Vec<(usize, u32, f64)> = Vec::new();
        let bytes = file.bytes_by_field(group, &lane.union);
        for (at, (side, part)) in self.sides.iter_mut().zip(&mut lane.parts).enumerate() {
            let each = prune(side, part, (file, group), self.range, self.question.prune);
            side.candidate.fill(0);
            for (rule, blocks) in part.rules.iter().zip(each).filter(|(_, blocks)| *blocks != 0) {
                kept |= blocks;
                raw |= if rule.whole { blocks } else { 0 };
                side.candidate[rule.rule as usize] = blocks;
                let rows = rows_of(blocks, file.rows(group));
                let own: u64 = rule.tests.iter().map(|column| bytes[*column]).sum();
                rule.tests.iter().for_each(|column| needed[*column] |= blocks);
                let tally = &mut side.tallies[rule.rule as usize];
                tally.rows += rows;
                tally.bytes += own as f64 * rows as f64 / file.rows(group).max(1) as f64;
                shares.push((at, rule.rule, rows as f64 * (1 + rule.tests.len()) as f64));
            }
        }
        let after = self.phase("prune", began);
        if kept == 0 {
            return Ok(());
        }
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let needed = NeededBlocks { columns: &needed, raw };
        let read = file.needed_cells((group, kept), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += read.bytes;
        self.cost.scanned += read.rows.len() as u64;
        let after = self.phase("read", after);
        for (side, part) in self.sides.iter_mut().zip(&lane.parts) {
            let batch = read.batch.with_fields(&part.projection, &part.columns);
            side.hits.clear();
            side.engine.scan(&batch, &mut side.hits);
            side.hits.iter_mut().for_each(|hit| hit.row = read.rows[hit.row as usize]);
            // where a rule may not match, its columns were not read
            let candidate = &side.candidate;
            let is_real = |hit: &Hit| candidate[hit.rule as usize] & (1 << (hit.row as usize / BLOCK)) != 0;
            side.hits.retain(is_real);
        }
        let after = self.phase("scan", after);
        if self.sides.iter().any(|side| !side.hits.is_empty()) {
            self.matched(file, group, lane).await?;
            self.phase("fetch", after);
        }
        let seconds = (self.world.clock)().saturating_sub(began).as_secs_f64();
        let sum: f64 = shares.iter().map(|(_, _, weight)| weight).sum();
        for (at, rule, weight) in shares {
            self.sides[at].tallies[rule as usize].seconds += seconds * weight / sum.max(1.0);
        }
        Ok(())
    }

    /// What becomes of the hits of a row group.
    async fn matched(&mut self, file: &StoredFile, group: usize, lane: &Lane) -> Result<(), ReplayError> {
        let fetched = self.fetch(file, group, lane).await?;
        let labelled = self.labelled(&fetched, lane);
        // what is written, suppressed or explained: rows with what for
        let mut whole: Vec<(usize, usize, Hit)> = Vec::new();
        let mut visible: Vec<Vec<Hit>> = Vec::new();
        for at in 0..self.sides.len() {
            let shown = self.take(at, &fetched, &lane.parts[at], &labelled)?;
            let side = &self.sides[at];
            let is_written = at == 0 && self.alerts.is_some();
            let wants_whole = |hit: &&Hit| is_written || side.tallies[hit.rule as usize].has_own;
            whole.extend(shown.iter().filter(wants_whole).map(|hit| (hit.row as usize, at, *hit)));
            visible.push(shown);
        }
        let why = self.compare(&visible, &fetched);
        if whole.is_empty() && why.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<usize> =
            whole.iter().map(|(row, _, _)| *row).chain(why.iter().map(|(_, hit)| hit.row as usize)).collect();
        rows.sort_unstable();
        rows.dedup();
        let numbers: Vec<u32> = rows.iter().map(|row| fetched.rows[*row]).collect();
        let nothing = vec![false; lane.union.fields.len()];
        let needed = Needed { columns: &nothing, who: Who::Origins, raw: true };
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let (batch, bytes) = file.needed_events((group, &numbers), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += bytes;
        let place = |row: usize| rows.binary_search(&row).unwrap_or(0);
        for (row, at, hit) in whole {
            self.raise(at, Hit { row: place(row) as u32, ..hit }, &batch)?;
        }
        for (side, hit) in why {
            self.explain(side, Hit { row: place(hit.row as usize) as u32, ..hit }, &batch);
        }
        Ok(())
    }

    /// Who the events are that matched, and what is asked of them.
    async fn fetch(&mut self, file: &StoredFile, group: usize, lane: &Lane) -> Result<Fetched, ReplayError> {
        let mut needed = vec![false; lane.union.fields.len()];
        let (mut rows, mut feeds): (Vec<u32>, bool) = (Vec::new(), false);
        for (side, part) in self.sides.iter().zip(&lane.parts) {
            rows.extend(side.hits.iter().map(|hit| hit.row));
            let mut hit_rules = vec![false; side.tallies.len()];
            side.hits.iter().for_each(|hit| hit_rules[hit.rule as usize] = true);
            for rule in part.rules.iter().filter(|rule| hit_rules[rule.rule as usize]) {
                rule.asked.iter().for_each(|column| needed[*column] = true);
                feeds |= side.feeds(rule.rule);
                if !side.engine.is_muted(rule.rule) {
                    lane.entities.iter().for_each(|column| needed[*column] = true);
                }
            }
        }
        lane.labels.iter().for_each(|column| needed[*column] = true);
        rows.sort_unstable();
        rows.dedup();
        self.cost.fetched += rows.len() as u64;
        if self.question.labels.is_none() && file.holds(&lane.union) {
            rows = dense(rows, file.rows(group));
        }
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let ids = self.question.digest || self.question.labels.is_some() || self.differ.is_some();
        let who = match (feeds, ids) {
            (true, _) => Who::Origins,
            (false, true) => Who::Ids,
            (false, false) => Who::Times,
        };
        let needed = Needed { columns: &needed, who, raw: false };
        let (batch, bytes) = file.needed_events((group, &rows), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += bytes;
        let (first, last) = file.entry().times;
        let one_hour = hour(first) == hour(last);
        Ok(Fetched { rows, batch, one_hour, entities: lane.entities.clone() })
    }

    /// What labels say of the events that matched.
    fn labelled(&mut self, fetched: &Fetched, lane: &Lane) -> Vec<Labelled> {
        let Some(labels) = self.question.labels else { return Vec::new() };
        let mut all = Vec::with_capacity(fetched.rows.len());
        for row in 0..fetched.rows.len() {
            let value = |name: &str| {
                let at = labels.columns.iter().position(|column| *column == name)?;
                cell_text(&fetched.batch, *lane.labels.get(at)?, row)
            };
            let event = fetched.batch.row(row);
            let labelled = labels.of(&event.event_id(), event.time(), &value);
            self.evidence.remember(&event.event_id(), &labelled);
            all.push(labelled);
        }
        all
    }

    /// Feeds correlations and counts; gives the hits that are alerts, with their rows among those fetched.
    fn take(
        &mut self,
        at: usize,
        fetched: &Fetched,
        part: &Part,
        labelled: &[Labelled],
    ) -> Result<Vec<Hit>, ReplayError> {
        let (range, digest) = (self.range, self.question.digest);
        let side = &mut self.sides[at];
        let mut hits = std::mem::take(&mut side.hits);
        // both are in order, and the row of each hit is among those that were fetched
        let mut rows = (0u32..).zip(&fetched.rows).peekable();
        for hit in &mut hits {
            while rows.next_if(|(_, row)| **row < hit.row).is_some() {}
            hit.row = rows.peek().map_or(0, |(place, _)| *place);
        }
        let time = |hit: &Hit| fetched.batch.times().value(hit.row as usize);
        if let Some(finite) = &mut side.finite {
            let feeding = hits.iter().filter(|hit| {
                matches!(side.reach[hit.rule as usize], Some(reach) if reach.around(range).has(time(hit)))
            });
            let feeding: Vec<Hit> = feeding.copied().collect();
            let batch = fetched.batch.with_fields(&part.projection, &part.columns);
            let (collectors, mut failure) = (&mut side.collectors, Ok(()));
            side.engine.occurrences(
                &batch,
                &feeding,
                Times::AsWritten,
                &mut side.dropped,
                &mut |occurrence| {
                    if let Some(Some(collector)) = collectors.get_mut(occurrence.correlation) {
                        collector.take(&occurrence);
                    }
                    if failure.is_ok() {
                        failure = finite.take(&occurrence);
                    }
                },
            );
            failure?;
        }
        hits.retain(|hit| range.has(time(hit)));
        self.hits += hits.len() as u64;
        let mut by_rule = std::mem::take(&mut side.by_rule);
        hits.iter().for_each(|hit| by_rule[hit.rule as usize].push(*hit));
        for hits in by_rule.iter_mut().filter(|hits| !hits.is_empty()) {
            let is_like = |a: &Hit, b: &Hit| fetched.one_hour || hour(time(a)) == hour(time(b));
            hits.chunk_by(is_like).for_each(|hits| side.count(hits, fetched, labelled, digest));
            hits.clear();
        }
        side.by_rule = by_rule;
        hits.retain(|hit| !side.engine.is_muted(hit.rule));
        Ok(hits)
    }

    /// Compares the alerts of two rule sets; gives those of which is to be asked why.
    fn compare(&mut self, visible: &[Vec<Hit>], fetched: &Fetched) -> Vec<(usize, Hit)> {
        let (Some(differ), [a, b]) = (&mut self.differ, visible) else { return Vec::new() };
        let keyed = |at: usize, hits: &[Hit]| -> Vec<((u32, usize), Hit)> {
            let compared = &self.sides[at].compared;
            let mut keyed: Vec<_> =
                hits.iter().map(|hit| ((hit.row, compared[hit.rule as usize]), *hit)).collect();
            keyed.sort_unstable_by_key(|(key, _)| *key);
            keyed
        };
        let (a, b) = (keyed(0, a), keyed(1, b));
        let mut why = Vec::new();
        for (side, own, other) in [(0, &a, &b), (1, &b, &a)] {
            for (key, hit) in own {
                if other.binary_search_by_key(key, |(key, _)| *key).is_ok() {
                    if side == 0 {
                        differ.both(key.1);
                    }
                    continue;
                }
                let row = hit.row as usize;
                let shown = || {
                    let event = fetched.batch.row(row);
                    let entities = ENTITIES.iter().enumerate();
                    let entities = entities.filter_map(|(at, name)| Some((*name, fetched.entity(at, row)?)));
                    diff_event(side, &event.event_id(), show_time(event.time()), entities.collect())
                };
                if differ.only(side, key.1, &shown) {
                    why.push((side, *hit));
                }
            }
        }
        why
    }

    /// Writes an alert, or counts it by its rule's suppression.
    fn raise(&mut self, at: usize, hit: Hit, batch: &EventBatch) -> Result<(), ReplayError> {
        let row = batch.row(hit.row as usize);
        let logs = self.world.logs;
        let columns = logs.columns(row.source(), row.raw());
        let computed = |name: &str| logs.value(row.source(), row.raw(), name);
        let side = &mut self.sides[at];
        let mut alert = side.engine.alert(batch, hit, &columns, &computed);
        let mut is_first = true;
        if let Some(id) = side.engine.suppressed_id(hit, &alert, row) {
            is_first = side.tallies[hit.rule as usize].own.insert(id.clone());
            if self.question.suppress {
                alert.alert_id = id;
            }
        } else if side.tallies[hit.rule as usize].has_own {
            side.tallies[hit.rule as usize].own.insert(alert.alert_id.clone());
        }
        match &mut self.alerts {
            Some(sink) if at == 0 && (is_first || !self.question.suppress) => Ok(sink(&alert)?),
            _ => Ok(()),
        }
    }

    /// Asks the set that did not match why.
    fn explain(&mut self, side: usize, hit: Hit, batch: &EventBatch) {
        let row = batch.row(hit.row as usize);
        let Some(differ) = &mut self.differ else { return };
        let compared = self.sides[side].compared[hit.rule as usize];
        let other = &self.sides[1 - side];
        let Some(number) = other.compared.iter().position(|number| *number == compared) else { return };
        let rule = &other.engine.rules()[number];
        let Some(spec) = self.world.specs.iter().find(|spec| spec.name == row.source()) else { return };
        let here = rule.sources.iter().find(|(name, _)| name == row.source());
        let canonical = here.is_some_and(|(_, canonical)| *canonical);
        differ.explain((side, compared), &rule.lowered, (spec, row.raw()), canonical, self.world.logs);
    }

    /// All events are read.
    fn finish(mut self) -> Result<Report, ReplayError> {
        let began = (self.world.clock)();
        let mut told: Vec<HashMap<String, (String, String)>> = Vec::new();
        for at in 0..self.sides.len() {
            told.push(self.correlate(at)?);
        }
        if let (Some(differ), [a, b]) = (&mut self.differ, told.as_slice()) {
            for (side, own, other) in [(0, a, b), (1, b, a)] {
                for (id, (rule, time)) in own {
                    let rule = differ.number(rule);
                    match other.contains_key(id) {
                        true if side == 0 => differ.both(rule),
                        true => {}
                        false => {
                            differ.only(side, rule, &|| diff_event(side, id, time.clone(), BTreeMap::new()));
                        }
                    }
                }
            }
        }
        for side in &mut self.sides {
            let collectors = std::mem::take(&mut side.collectors).into_iter().flatten();
            side.curves = collectors.map(|collector| collector.curve(self.range)).collect();
        }
        let now = self.phase("correlate", began);
        self.cost.seconds = now.saturating_sub(self.started).as_secs_f64();
        let diff = self.differ.take().map(Differ::report);
        let location = self.archive.location().to_string();
        Ok(crate::answer::report(&self, diff, location, self.archive.version(), self.question.labels))
    }

    /// What correlations make of their hits; gives the alerts of the stretch with their rule and time.
    fn correlate(&mut self, at: usize) -> Result<HashMap<String, (String, String)>, ReplayError> {
        let is_compared = self.differ.is_some();
        let side = &mut self.sides[at];
        let Some(finite) = &mut side.finite else { return Ok(HashMap::new()) };
        finite.count_dropped(&side.dropped);
        let numbers: HashMap<String, usize> = side
            .engine
            .correlations()
            .iter()
            .enumerate()
            .map(|(number, plan)| (plan.key(), number))
            .collect();
        let mut told = HashMap::new();
        for alert in finite.finish()? {
            let Some(time) = moment_of(&alert.time).filter(|time| self.range.has(*time)) else { continue };
            let Some(number) = numbers.get(&alert.rule.id) else { continue };
            let tally = &mut side.correlated[*number];
            let text = |name: &str| {
                let value = alert.group.get(name).or_else(|| alert.fields.get(name))?;
                Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            };
            // where a group knows no principal, equal groups are equal
            let principal = text(ENTITIES[0]).unwrap_or_else(|| group_text(&alert));
            tally.at(time, Some(&principal));
            for (name, top) in ENTITIES.iter().zip(&mut tally.entities) {
                text(name).iter().for_each(|value| top.add(value, 1));
            }
            tally.groups.add(&group_text(&alert), 1);
            tally.alert(u128::from_str_radix(&alert.alert_id, 16).unwrap_or(0));
            if self.question.labels.is_some() {
                tally.scored.detection(&self.evidence.of(&alert), time);
            }
            self.hits += 1;
            if is_compared {
                told.insert(alert.alert_id.clone(), (alert.rule.id.clone(), alert.time.clone()));
            }
            if at == 0
                && let Some(sink) = &mut self.alerts
            {
                sink(&alert)?;
            }
        }
        Ok(told)
    }
}

/// The blocks in which each rule of a part may match.
fn prune(
    side: &Side,
    part: &mut Part,
    (file, group): (&StoredFile, usize),
    range: Range,
    prune: bool,
) -> Vec<Blocks> {
    let times = file.entry().times;
    let matters =
        |rule: u32| meets(side.matters(rule, range), times) && (meets(range, times) || side.feeds(rule));
    match prune {
        true => part.wanted.each(file, group, &matters),
        false => {
            let all = match file.rows(group).div_ceil(BLOCK) {
                64.. => Blocks::MAX,
                blocks => (1 << blocks) - 1,
            };
            part.rules.iter().map(|rule| if matters(rule.rule) { all } else { 0 }).collect()
        }
    }
}

/// A block of which more rows than one in so many matched is fetched whole: to pick rows out of a page costs
/// more than to read it.
const DENSE: usize = 32;

/// Rows in order, and all others of the blocks in which they are many.
fn dense(rows: Vec<u32>, all: usize) -> Vec<u32> {
    let block = |row: &u32| *row as usize / BLOCK;
    let mut filled: Vec<u32> = Vec::with_capacity(rows.len());
    for rows in rows.chunk_by(|a, b| block(a) == block(b)) {
        let start = rows.first().map_or(0, block) * BLOCK;
        match rows.len() * DENSE > BLOCK {
            true => filled.extend((start..all.min(start + BLOCK)).map(|row| row as u32)),
            false => filled.extend(rows),
        }
    }
    filled
}

/// The rows of blocks.
fn rows_of(blocks: Blocks, rows: usize) -> u64 {
    let of = |block: usize| BLOCK.min(rows.saturating_sub(block * BLOCK)) as u64;
    (0..rows.div_ceil(BLOCK)).filter(|block| blocks & (1 << block) != 0).map(of).sum()
}

fn meets(range: Range, (first, last): (i64, i64)) -> bool {
    first < range.to && last >= range.from
}

/// A group as people read it.
fn group_text(alert: &Alert) -> String {
    let shown = alert.group.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name} {value}")
    });
    let text = shown.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "all events".to_owned() } else { text }
}
