//! What becomes of hits: they feed correlations, are counted, compared, written.

use std::sync::Arc;

use arrow::array::StringArray;
use virga_archive::{Entry, Needed, NeededEvents, StoredFile, Who};
use virga_engine::alert::{number_of_id, show_time};
use virga_engine::event::EventBatch;
use virga_engine::scan::Hit;

use super::fetched::{Fetched, is_of_one_hour};
use super::{Pass, Side};
use crate::diff::diff_event;
use crate::error::ReplayError;
use crate::labels::Labelled;
use crate::lane::Lane;
use crate::tally::ENTITIES;

impl Pass<'_> {
    /// What becomes of the hits of a row group.
    pub(super) async fn matched(
        &mut self,
        file: &StoredFile,
        group: usize,
        lane: &Lane,
    ) -> Result<(), ReplayError> {
        self.feed(file, group, lane).await?;
        self.count_alone(file.entry());
        if self.sides.iter().all(|side| side.hits.is_empty()) {
            return Ok(());
        }
        let fetched = self.fetch(file, group, lane).await?;
        let labelled = self.labelled(&fetched, lane);
        // what is written, suppressed or explained: rows with what for
        let mut whole: Vec<(usize, usize, Hit)> = Vec::new();
        let mut visible: Vec<Vec<Hit>> = Vec::new();
        for at in 0..self.sides.len() {
            let shown = self.take(at, &fetched, &labelled);
            let side = &self.sides[at];
            let is_written = at == 0 && self.alerts.is_some();
            let is_counted = self.question.counts;
            let wants_whole =
                |hit: &&Hit| is_written || (side.tallies[hit.rule as usize].has_own && !is_counted);
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
        let needed = Needed { columns: &nothing, texts: &[], who: Who::Origins, raw: true };
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let read = file.needed_events((group, &numbers), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += read.bytes;
        let batch = read.batch;
        let place = |row: usize| rows.binary_search(&row).unwrap_or(0);
        for (row, at, hit) in whole {
            self.raise(at, Hit { row: place(row) as u32, ..hit }, &batch)?;
        }
        for (side, hit) in why {
            self.explain(side, Hit { row: place(hit.row as usize) as u32, ..hit }, &batch);
        }
        Ok(())
    }

    /// Feeds correlations. The hits of rules that do nothing else are counted, and taken away, unless labels want to
    /// know their events.
    async fn feed(&mut self, file: &StoredFile, group: usize, lane: &Lane) -> Result<(), ReplayError> {
        let mut needed = vec![false; lane.union.fields.len()];
        let (mut rows, mut feeding): (Vec<u32>, Vec<Vec<Hit>>) = (Vec::new(), Vec::new());
        for (side, part) in self.sides.iter().zip(&lane.parts) {
            let hits: Vec<Hit> = side.hits.iter().filter(|hit| side.feeds(hit.rule)).copied().collect();
            side.each_hit_rule(part, &hits)
                .flat_map(|rule| &rule.asked)
                .for_each(|column| needed[*column] = true);
            rows.extend(hits.iter().map(|hit| hit.row));
            feeding.push(hits);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let needed = Needed { columns: &needed, texts: &[], who: Who::Origins, raw: false };
        let (rows, NeededEvents { batch, .. }) = self.read(file, group, lane, (rows, needed)).await?;
        let range = self.range;
        for ((side, part), mut hits) in self.sides.iter_mut().zip(&lane.parts).zip(feeding) {
            place(&mut hits, &rows);
            let time = |hit: &Hit| batch.times().value(hit.row as usize);
            hits.retain(
                |hit| matches!(side.reach[hit.rule as usize], Some(reach) if reach.around(range).has(time(hit))),
            );
            side.feed(&batch.with_fields(&part.projection, &part.columns), &hits)?;
            if self.question.labels.is_some() {
                continue;
            }
            let engine = &side.engine;
            hits.retain(|hit| engine.is_muted(hit.rule) && range.has(time(hit)));
            self.hits += hits.len() as u64;
            side.each_rule_and_hour(hits, is_of_one_hour(file.entry()), batch.times(), |side, hits| {
                side.count_times(hits, batch.times());
            });
            let Side { hits, reach, engine, .. } = side;
            hits.retain(|hit| !engine.is_muted(hit.rule) || reach[hit.rule as usize].is_none());
        }
        Ok(())
    }

    /// Counts the hits of which only their number is asked, and takes them away.
    fn count_alone(&mut self, entry: &Entry) {
        let (first, last) = entry.times;
        let is_whole = is_of_one_hour(entry) && self.range.from <= first && last < self.range.to;
        let asks_more = self.question.labels.is_some()
            || self.question.digest
            || self.differ.is_some()
            || self.alerts.is_some();
        if !self.question.counts || asks_more || !is_whole {
            return;
        }
        for side in &mut self.sides {
            let mut counts = vec![0; side.tallies.len()];
            side.hits.drain(..).for_each(|hit| counts[hit.rule as usize] += 1);
            for (tally, count) in side.tallies.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
                tally.during(entry.times, count);
                self.hits += count;
            }
        }
    }

    /// Counts; gives the hits that are alerts, with their rows among those fetched.
    fn take(&mut self, at: usize, fetched: &Fetched, labelled: &[Labelled]) -> Vec<Hit> {
        let (range, digest) = (self.range, self.question.digest);
        let side = &mut self.sides[at];
        let mut hits = std::mem::take(&mut side.hits);
        place(&mut hits, &fetched.rows);
        hits.retain(|hit| range.has(fetched.batch.times().value(hit.row as usize)));
        self.hits += hits.len() as u64;
        side.each_rule_and_hour(hits.clone(), fetched.one_hour, fetched.batch.times(), |side, hits| {
            side.count(hits, fetched, labelled, digest);
        });
        hits.retain(|hit| !side.engine.is_muted(hit.rule));
        hits
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
                    let entities =
                        entities.filter_map(|(at, name)| Some((*name, fetched.entity(at, row)?.to_owned())));
                    diff_event(side, &event.event_id(), show_time(event.time()), entities.collect())
                };
                differ.only(side, key.1, &shown);
                if differ.asks(side, key.1) {
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
        let columns = Arc::new(logs.columns(row.source(), row.raw()));
        let computed = |name: &str| logs.value(row.source(), row.raw(), name);
        let side = &mut self.sides[at];
        let mut alert = side.engine.alert(batch, hit, &columns, &computed);
        let mut is_first = true;
        if let Some(id) = side.engine.suppressed_id(hit, &alert, row) {
            is_first = side.tallies[hit.rule as usize].own.add(number_of_id(&id));
            if self.question.suppress {
                alert.alert_id = id;
            }
        } else if side.tallies[hit.rule as usize].has_own {
            side.tallies[hit.rule as usize].own.add(number_of_id(&alert.alert_id));
        }
        match &mut self.alerts {
            Some(sink) if at == 0 && (is_first || !self.question.suppress) => Ok(sink(&alert)?),
            _ => Ok(()),
        }
    }

    /// Asks the set that did not tell of an event why.
    fn explain(&mut self, side: usize, hit: Hit, batch: &EventBatch) {
        let row = batch.row(hit.row as usize);
        let Some(differ) = &mut self.differ else { return };
        let compared = self.sides[side].compared[hit.rule as usize];
        let other = &self.sides[1 - side];
        let Some(number) = other.compared.iter().position(|number| *number == compared) else { return };
        let rule = &other.engine.rules()[number];
        let Some(spec) = self.world.specs.iter().find(|spec| spec.name == row.source()) else { return };
        let here = rule.sources.iter().find(|(name, _)| name == row.source());
        let Some((_, canonical)) = here else {
            return differ.kept((side, compared), format!("it does not run on {}", row.source()));
        };
        if other.engine.is_muted(number as u32) {
            return differ.kept((side, compared), "it only feeds correlations, and raises no alerts".into());
        }
        differ.explain((side, compared), &rule.lowered, (spec, row.raw()), *canonical, self.world.logs);
    }
}

/// Gives hits the place of their row among rows that were read; both are in order.
fn place(hits: &mut [Hit], rows: &[u32]) {
    let mut rows = (0u32..).zip(rows).peekable();
    for hit in hits {
        while rows.next_if(|(_, row)| **row < hit.row).is_some() {}
        hit.row = rows.peek().map_or(0, |(place, _)| *place);
    }
}
