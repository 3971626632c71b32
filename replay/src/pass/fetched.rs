//! What is read of events that matched: who they are, and what is asked of them.

use std::borrow::Cow;

use arrow::array::{Array as _, StringArray};
use virga_archive::{BLOCK, Entry, Needed, StoredFile, Who};
use virga_engine::event::EventBatch;
use virga_engine::json::string_text;
use virga_engine::scan::Hit;

use super::Pass;
use crate::error::ReplayError;
use crate::labels::Labelled;
use crate::lane::Lane;
use crate::tally::hour;

/// What is known of an event that matched.
pub(super) struct Fetched {
    /// The rows of the row group, in order.
    pub(super) rows: Vec<u32>,
    pub(super) batch: EventBatch,
    /// All of them happened in one hour.
    pub(super) one_hour: bool,
    /// Where the canonical columns stand that are counted.
    pub(super) entities: Vec<usize>,
}

impl Fetched {
    pub(super) fn entity(&self, entity: usize, row: usize) -> Option<String> {
        cell_text(&self.batch, *self.entities.get(entity)?, row)
    }

    /// The values of an entity that hits have, each with their number; those without are counted too.
    pub(super) fn counts(&self, entity: usize, hits: &[Hit]) -> Vec<(Option<Cow<'_, str>>, u64)> {
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

impl Pass<'_> {
    /// Who the events are that matched, and what is asked of them.
    pub(super) async fn fetch(
        &mut self,
        file: &StoredFile,
        group: usize,
        lane: &Lane,
    ) -> Result<Fetched, ReplayError> {
        let mut needed = vec![false; lane.union.fields.len()];
        let mut rows: Vec<u32> = Vec::new();
        for (side, part) in self.sides.iter().zip(&lane.parts) {
            rows.extend(side.hits.iter().map(|hit| hit.row));
            if side.each_hit_rule(part, &side.hits).any(|rule| !side.engine.is_muted(rule.rule)) {
                lane.entities.iter().for_each(|column| needed[*column] = true);
            }
        }
        lane.labels.iter().for_each(|column| needed[*column] = true);
        let ids = self.question.digest || self.question.labels.is_some() || self.differ.is_some();
        let who = if ids { Who::Ids } else { Who::Times };
        let (rows, batch) = self.read(file, group, lane, (rows, &needed, who)).await?;
        Ok(Fetched { rows, batch, one_hour: is_of_one_hour(file.entry()), entities: lane.entities.clone() })
    }

    /// Reads columns of rows of a row group, and of others where that costs less.
    pub(super) async fn read(
        &mut self,
        file: &StoredFile,
        group: usize,
        lane: &Lane,
        (mut rows, columns, who): (Vec<u32>, &[bool], Who),
    ) -> Result<(Vec<u32>, EventBatch), ReplayError> {
        rows.sort_unstable();
        rows.dedup();
        self.cost.fetched += rows.len() as u64;
        if self.question.labels.is_none() && file.holds(&lane.union) {
            rows = dense(rows, file.rows(group));
        }
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let needed = Needed { columns, who, raw: false };
        let (batch, bytes) = file.needed_events((group, &rows), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += bytes;
        Ok((rows, batch))
    }

    /// What labels say of the events that matched.
    pub(super) fn labelled(&mut self, fetched: &Fetched, lane: &Lane) -> Vec<Labelled> {
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
}

/// Whether all events of a file happened in one hour.
pub(super) fn is_of_one_hour(entry: &Entry) -> bool {
    hour(entry.times.0) == hour(entry.times.1)
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
