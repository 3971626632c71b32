//! One rule set on its way through the archive.
//!
//! In: a rule set. Out: what is counted of it, and which of its rules may match where.

use arrow::array::TimestampMicrosecondArray;
use virga_archive::{Range, StoredFile, all_blocks};
use virga_engine::Engine;
use virga_engine::alert::detection_number;
use virga_engine::correlate::{Dropped, Finite, Plan, Times};
use virga_engine::event::EventBatch;
use virga_engine::scan::{Blocks, Hit};

use super::fetched::Fetched;
use super::{Question, RuleSide, World, meets};
use crate::curve::{self, Collector, Curve};
use crate::diff::Differ;
use crate::labels::Labelled;
use crate::lane::{Part, PartRule};
use crate::limits::{MAX_ALL_CURVE_HITS, MAX_SUPPRESSED};
use crate::reach::{self, Reach};
use crate::tally::{Different, ENTITIES, Tally, hour};

/// One rule set on its way.
pub(crate) struct Side {
    pub name: String,
    pub hash: String,
    pub engine: Engine,
    pub(super) finite: Option<Finite>,
    pub(super) dropped: Vec<Dropped>,
    /// By rule: how far around the stretch its hits matter.
    pub(super) reach: Vec<Option<Reach>>,
    /// By rule.
    pub tallies: Vec<Tally>,
    /// By correlation.
    pub correlated: Vec<Tally>,
    pub(super) collectors: Vec<Option<Collector>>,
    /// Threshold curves, at first those that are asked for and are none.
    pub curves: Vec<Curve>,
    /// By rule: its number in the comparison.
    pub(super) compared: Vec<usize>,
    /// Of this row group, by rule: the blocks in which it may match.
    pub(super) candidate: Vec<Blocks>,
    pub(super) hits: Vec<Hit>,
    /// Of this row group, by rule.
    pub(super) by_rule: Vec<Vec<Hit>>,
    /// Room to count values in.
    counts: Vec<u64>,
}

impl Side {
    pub(super) fn new(
        side: RuleSide,
        question: &Question<'_>,
        world: &World<'_>,
        differ: &mut Option<Differ>,
    ) -> Self {
        let RuleSide { name, hash, engine } = side;
        let plans = engine.correlations();
        let is_asked = |plan: &Plan| question.curves.iter().any(|name| curve::is_called(plan, name));
        let collectors: Vec<Option<Collector>> =
            plans.iter().map(|plan| Collector::new(plan, is_asked(plan))).collect();
        let none = plans.iter().zip(&collectors).filter(|(plan, collector)| {
            // what is asked for is answered, also where there is nothing to draw
            collector.is_none() && is_asked(plan)
        });
        let curves = none.map(|(plan, _)| Curve::none_of(plan)).collect();
        let rules = engine.rules();
        // whoever writes only what is left must know all of it
        let most = if question.suppress { usize::MAX } else { MAX_SUPPRESSED };
        let tally = |has_own: bool| Tally { has_own, own: Different::up_to(most), ..Tally::default() };
        Self {
            finite: (!plans.is_empty()).then(|| Finite::new(plans, "", world.memory, (world.spill)())),
            dropped: vec![Dropped::default(); plans.len()],
            reach: reach::of_rules(&engine),
            tallies: rules.iter().map(|rule| tally(rule.lowered.rule.suppress.is_some())).collect(),
            correlated: plans.iter().map(|_| tally(false)).collect(),
            collectors,
            curves,
            compared: match differ {
                Some(differ) => rules.iter().map(|rule| differ.number(&rule.lowered.rule.key())).collect(),
                None => Vec::new(),
            },
            candidate: vec![0; rules.len()],
            hits: Vec::new(),
            by_rule: vec![Vec::new(); rules.len()],
            counts: Vec::new(),
            name,
            hash,
            engine,
        }
    }

    /// The stretch in which hits of a rule matter.
    pub(super) fn matters(&self, rule: u32, range: Range) -> Range {
        match self.reach.get(rule as usize) {
            Some(Some(reach)) => reach.around(range),
            _ => range,
        }
    }

    /// Hits that correlations could not use.
    pub fn left_out(&self) -> u64 {
        self.dropped.iter().map(Dropped::total).sum()
    }

    /// Feeds correlations with hits.
    pub(super) fn feed(&mut self, batch: &EventBatch, hits: &[Hit]) -> std::io::Result<()> {
        let Some(finite) = &mut self.finite else { return Ok(()) };
        let (collectors, mut outcome) = (&mut self.collectors, Ok(()));
        self.engine.occurrences(batch, hits, Times::AsWritten, &mut self.dropped, &mut |occurrence| {
            if let Some(Some(collector)) = collectors.get_mut(occurrence.correlation) {
                collector.take(&occurrence);
            }
            if outcome.is_ok() {
                outcome = finite.take(&occurrence);
            }
        });
        curve::bound(&mut self.collectors, MAX_ALL_CURVE_HITS);
        outcome
    }

    /// The rules of a part that have some of these hits.
    pub(super) fn each_hit_rule<'p>(
        &self,
        part: &'p Part,
        hits: &[Hit],
    ) -> impl Iterator<Item = &'p PartRule> + use<'p> {
        let mut has_hits = vec![false; self.tallies.len()];
        hits.iter().for_each(|hit| has_hits[hit.rule as usize] = true);
        part.rules.iter().filter(move |rule| has_hits[rule.rule as usize])
    }

    /// Does something with the hits of each rule in each hour.
    pub(super) fn each_rule_and_hour(
        &mut self,
        hits: Vec<Hit>,
        one_hour: bool,
        times: &TimestampMicrosecondArray,
        what: impl Fn(&mut Self, &[Hit]),
    ) {
        let of = |hit: &Hit| hour(times.value(hit.row as usize));
        let mut by_rule = std::mem::take(&mut self.by_rule);
        hits.into_iter().for_each(|hit| by_rule[hit.rule as usize].push(hit));
        for hits in by_rule.iter_mut().filter(|hits| !hits.is_empty()) {
            hits.chunk_by(|a, b| one_hour || of(a) == of(b)).for_each(|hits| what(self, hits));
            hits.clear();
        }
        self.by_rule = by_rule;
    }

    /// Counts hits of one rule in one hour, of which there is one at least; gives the first moment.
    pub(super) fn count_times(&mut self, hits: &[Hit], times: &TimestampMicrosecondArray) -> Option<i64> {
        let each = hits.iter().map(|hit| times.value(hit.row as usize));
        let (hit, first, last) = (hits.first()?, each.clone().min()?, each.max()?);
        self.tallies[hit.rule as usize].during((first, last), hits.len() as u64);
        Some(first)
    }

    /// Counts hits of one rule in one hour with who is behind them.
    pub(super) fn count(&mut self, hits: &[Hit], fetched: &Fetched, labelled: &[Labelled], digest: bool) {
        let first = self.count_times(hits, fetched.batch.times());
        let (Some(hit), Some(first)) = (hits.first(), first) else { return };
        if self.engine.is_muted(hit.rule) {
            return;
        }
        let tally = &mut self.tallies[hit.rule as usize];
        for entity in 0..ENTITIES.len() {
            fetched.each_count(entity, hits, &mut self.counts, |value, count| {
                if entity == 0 {
                    tally.principal(value, first);
                }
                if let Some(value) = value {
                    tally.entities[entity].add(value, count);
                }
            });
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

    pub(super) fn feeds(&self, rule: u32) -> bool {
        matches!(self.reach.get(rule as usize), Some(Some(_)))
    }
}

/// The blocks in which each rule of a part may match.
pub(super) fn prune(
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
            let all = all_blocks(file.rows(group));
            part.rules.iter().map(|rule| if matters(rule.rule) { all } else { 0 }).collect()
        }
    }
}
