//! The pass over the archive.
//!
//! In: one rule set or two, a stretch of event time, an archive. Out: a [`Report`], and where they are asked for
//! the alerts themselves, each as `detect` would raise it. Row group by row group:
//!
//! 1. *prune*: for each rule that matters in the file's time the blocks in which it may match;
//! 2. *read*: of these blocks the columns that these rules have tests on;
//! 3. *scan*: each rule set over the same columns; where an hour has matches, events that stand in it twice are
//!    passed over the second time;
//! 4. *fetch*: of the events that matched, and of them alone, what correlations ask for, then who they are and what
//!    the report asks for; the event as it came only where an alert is written, suppressed or explained.

mod fetched;
mod finish;
mod matched;
mod repeats;
mod side;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::StringArray;
use virga_archive::{
    ArchiveError, BLOCK, Entry, Lake, LakeFiles, NeededBlocks, Range, StoredFile, WillAsk, has_block, rows_in,
};
use virga_engine::Engine;
use virga_engine::alert::Alert;
use virga_engine::correlate::Spill;
use virga_engine::event::{ProjectedField, SourceSpec};
use virga_engine::scan::Blocks;

use self::repeats::Hour;
pub(crate) use self::side::Side;
use self::side::prune;
use crate::blind::Occurs;
use crate::diff::Differ;
use crate::error::ReplayError;
use crate::labels::{Evidence, Labels};
use crate::lane::{Lane, PartRule};
use crate::report::{Cost, Report};
use crate::sources::LogSources;
use crate::tally::ENTITIES;

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
    /// Numbers are enough: who is behind hits is not asked, so that nothing is read of them where nothing else
    /// needs it (correlations, labels, a comparison, alerts that are written).
    pub counts: bool,
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
    let mut ahead = archive.ahead(pass.will_ask());
    loop {
        let began = (world.clock)();
        let Some((entry, files)) = ahead.next().await else { break };
        pass.file(&entry, files, began).await?;
        progress(Step { events: pass.behind, of: pass.cost.events, hits: pass.hits });
    }
    pass.finish()
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
    /// All files of the archive, by source and hour.
    all: Vec<Entry>,
    /// The hour that is read, and what stands in it twice.
    hour: Option<Hour>,
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
        let from = question.range.from.max(first.div_euclid(HOUR) * HOUR);
        // where the archive holds nothing of the stretch there is nothing between its ends
        let range = Range { from, to: question.range.to.min((last.div_euclid(HOUR) + 1) * HOUR).max(from) };
        let engines: Vec<&Engine> = sides.iter().map(|side| &side.engine).collect();
        let mut differ = (sides.len() > 1).then(|| Differ::new(&engines));
        let label_columns: &[&'static str] = question.labels.map_or(&[], |labels| labels.columns.as_slice());
        let entities: &[&'static str] = if question.counts { &[] } else { &ENTITIES };
        let mut lanes = HashMap::new();
        for source in all.iter().map(|entry| entry.source.as_str()) {
            if !lanes.contains_key(source)
                && let Some(lane) = Lane::new(source, &engines, entities, label_columns)
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
            all: Vec::new(),
            hour: None,
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
        pass.entries = all.iter().filter(|entry| pass.is_wanted(entry)).cloned().collect();
        pass.all = all;
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

    /// The files to open, and the fields of which it matters what they say.
    fn will_ask(&mut self) -> Vec<(Entry, WillAsk)> {
        let mut by_source: HashMap<String, Arc<[ProjectedField]>> = HashMap::new();
        let entries = std::mem::take(&mut self.entries);
        let asks = entries.into_iter().map(|entry| {
            let lane = self.lanes.get(&entry.source).filter(|lane| lane.has_rules());
            let asks = lane.map(|lane| match meets(self.range, entry.times) {
                // within the stretch all rules matter
                true => {
                    let fields = by_source.entry(entry.source.clone());
                    Arc::clone(fields.or_insert_with(|| self.asks(&entry, lane).into()))
                }
                false => self.asks(&entry, lane).into(),
            });
            (entry, asks)
        });
        asks.collect()
    }

    /// The fields that rules have tests on which matter in the time of a file.
    fn asks(&self, entry: &Entry, lane: &Lane) -> Vec<ProjectedField> {
        if !self.question.prune {
            return Vec::new();
        }
        let tests = lane.parts.iter().zip(&self.sides).flat_map(|(part, side)| {
            let matters = |rule: &&PartRule| meets(side.matters(rule.rule, self.range), entry.times);
            part.rules.iter().filter(matters).flat_map(|rule| &rule.tests)
        });
        let tests: BTreeSet<usize> = tests.copied().collect();
        tests.into_iter().filter_map(|column| lane.union.fields.get(column).cloned()).collect()
    }

    /// One file, which was opened since a moment.
    async fn file(
        &mut self,
        entry: &Entry,
        files: Option<Result<LakeFiles, ArchiveError>>,
        began: Duration,
    ) -> Result<(), ReplayError> {
        let is_within = meets(self.range, entry.times);
        if is_within {
            *self.events.entry(entry.source.clone()).or_default() += entry.rows as u64;
        }
        self.behind += entry.rows as u64;
        let Some(files) = files.transpose()? else { return Ok(()) };
        let Some(mut lane) = self.lanes.remove(&entry.source) else { return Ok(()) };
        let outcome = self.opened(entry, files, &mut lane, is_within, began).await;
        self.lanes.insert(entry.source.clone(), lane);
        outcome
    }

    async fn opened(
        &mut self,
        entry: &Entry,
        mut files: LakeFiles,
        lane: &mut Lane,
        is_within: bool,
        mut began: Duration,
    ) -> Result<(), ReplayError> {
        self.cost.files += 1;
        let asks = self.asks(entry, lane);
        while let Some(mut file) = files.next().await? {
            file.learn(&asks.iter().collect::<Vec<_>>()).await?;
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
                let rows = rows_in(blocks, file.rows(group)) as u64;
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
            side.hits.retain(|hit| has_block(candidate[hit.rule as usize], hit.row as usize / BLOCK));
        }
        let after = self.phase("scan", after);
        self.pass_over_repeats(file, group).await?;
        let after = self.phase("repeats", after);
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
}

fn meets(range: Range, (first, last): (i64, i64)) -> bool {
    first < range.to && last >= range.from
}
