//! What becomes of hits: they feed correlations, are counted, compared, written.

use std::sync::Arc;

use arrow::array::StringArray;
use virga_archive::{Needed, StoredFile, Who};
use virga_engine::alert::show_time;
use virga_engine::correlate::Times;
use virga_engine::event::EventBatch;
use virga_engine::scan::Hit;

use super::Pass;
use super::fetched::Fetched;
use crate::diff::diff_event;
use crate::error::ReplayError;
use crate::labels::Labelled;
use crate::lane::{Lane, Part};
use crate::tally::{ENTITIES, hour};

impl Pass<'_> {
    /// What becomes of the hits of a row group.
    pub(super) async fn matched(
        &mut self,
        file: &StoredFile,
        group: usize,
        lane: &Lane,
    ) -> Result<(), ReplayError> {
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
        let columns = Arc::new(logs.columns(row.source(), row.raw()));
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
}
