//! What is read of events that matched: who they are, and what is asked of them.

use arrow::array::{Array as _, StringArray};
use virga_archive::{BLOCK, Entry, Needed, NeededEvents, StoredFile, TextColumn, Who};
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
    /// The canonical columns that are counted; none where nobody asks.
    entities: Vec<TextColumn>,
}

impl Fetched {
    pub(super) fn entity(&self, entity: usize, row: usize) -> Option<&str> {
        self.entities.get(entity)?.text(row)
    }

    /// Gives the values of an entity that hits have, each with their number; those without are counted too. A value may
    /// come more than once. `room` is kept from call to call.
    pub(super) fn each_count(
        &self,
        entity: usize,
        hits: &[Hit],
        room: &mut Vec<u64>,
        mut give: impl FnMut(Option<&str>, u64),
    ) {
        let Some(column) = self.entities.get(entity) else { return give(None, hits.len() as u64) };
        let keys = hits.iter().map(|hit| column.key(hit.row as usize));
        // of many values those that occur come one by one
        if column.values() > 4 * hits.len() {
            let mut last: Option<(Option<usize>, u64)> = None;
            for key in keys {
                match &mut last {
                    Some((same, count)) if *same == key => *count += 1,
                    last => {
                        if let Some((key, count)) = last.replace((key, 1)) {
                            give(key.map(|key| column.value(key)), count);
                        }
                    }
                }
            }
            return last.into_iter().for_each(|(key, count)| give(key.map(|key| column.value(key)), count));
        }
        room.clear();
        room.resize(column.values(), 0);
        let mut without = 0;
        keys.for_each(|key| *key.and_then(|key| room.get_mut(key)).unwrap_or(&mut without) += 1);
        let there = room.iter().enumerate().filter(|(_, count)| **count > 0);
        there.for_each(|(key, count)| give(Some(column.value(key)), *count));
        if without > 0 {
            give(None, without);
        }
    }
}

/// The text of a cell: of a JSON string what it says, of anything else itself.
fn cell_text(batch: &EventBatch, column: usize, row: usize) -> Option<String> {
    let column = batch.fields().get(column)?;
    let values = column.values().as_any().downcast_ref::<StringArray>()?;
    let cell = values.value(column.key(row)?);
    Some(string_text(cell).map_or_else(|| cell.to_owned(), Into::into))
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
        let (mut rows, mut is_shown): (Vec<u32>, bool) = (Vec::new(), false);
        for (side, part) in self.sides.iter().zip(&lane.parts) {
            rows.extend(side.hits.iter().map(|hit| hit.row));
            is_shown |= side.each_hit_rule(part, &side.hits).any(|rule| !side.engine.is_muted(rule.rule));
        }
        lane.labels.iter().for_each(|column| needed[*column] = true);
        let ids = self.question.digest || self.question.labels.is_some() || self.differ.is_some();
        let who = if ids { Who::Ids } else { Who::Times };
        let texts: &[usize] = if is_shown { &lane.entities } else { &[] };
        let needed = Needed { columns: &needed, texts, who, raw: false };
        let (rows, read) = self.read(file, group, lane, (rows, needed)).await?;
        let one_hour = is_of_one_hour(file.entry());
        Ok(Fetched { rows, batch: read.batch, one_hour, entities: read.texts })
    }

    /// Reads columns of rows of a row group, and of others where that costs less.
    pub(super) async fn read(
        &mut self,
        file: &StoredFile,
        group: usize,
        lane: &Lane,
        (mut rows, needed): (Vec<u32>, Needed<'_>),
    ) -> Result<(Vec<u32>, NeededEvents), ReplayError> {
        rows.sort_unstable();
        rows.dedup();
        self.cost.fetched += rows.len() as u64;
        if self.question.labels.is_none() && file.holds(&lane.union) {
            rows = dense(rows, file.rows(group));
        }
        let logs = self.world.logs;
        let rebuild =
            |source: &str, fields: &std::sync::Arc<_>, raw: &StringArray| logs.cells(source, fields, raw);
        let read = file.needed_events((group, &rows), &lane.union, needed, &rebuild).await?;
        self.cost.bytes_read += read.bytes;
        Ok((rows, read))
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
