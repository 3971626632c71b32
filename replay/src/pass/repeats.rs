//! Events that stand in the archive twice: the second is passed over.
//!
//! In: hits. Out: those of them whose event no earlier row holds. An event that is there twice matches twice, so that
//! it is enough to compare those that match; where they are many in an hour, or one id comes again, the whole hour is
//! looked at.

use std::collections::HashSet;

use virga_archive::{Entry, Repeats, StoredFile};
use virga_engine::scan::Hit;

use super::Pass;
use crate::error::ReplayError;
use crate::limits::MAX_REMEMBERED;

/// An hour of a source whose files are read, one after the other.
pub(super) struct Hour {
    source: String,
    hour: String,
    known: Known,
}

/// What is known of events that are there twice.
enum Known {
    /// None is.
    Apart,
    /// None of those that have matched so far: hashes of their ids.
    Matched(HashSet<u64>),
    /// All rows that are passed over.
    All(Repeats),
}

impl Pass<'_> {
    /// Takes away the hits of events that stand in an earlier row too.
    pub(super) async fn pass_over_repeats(
        &mut self,
        file: &StoredFile,
        group: usize,
    ) -> Result<(), ReplayError> {
        let mut rows: Vec<u32> = self.sides.iter().flat_map(|side| &side.hits).map(|hit| hit.row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_unstable();
        rows.dedup();
        let entry = file.entry();
        let mut hour = match self.hour.take() {
            Some(hour) if (&hour.source, &hour.hour) == (&entry.source, &entry.hour) => hour,
            _ => self.begin_hour(entry),
        };
        let again = self.repeated(&mut hour.known, file, group, &rows).await?;
        self.hour = Some(hour);
        if !again.is_empty() {
            self.cost.repeated += again.len() as u64;
            let is_first = |hit: &Hit| again.binary_search(&hit.row).is_err();
            self.sides.iter_mut().for_each(|side| side.hits.retain(is_first));
        }
        Ok(())
    }

    fn begin_hour(&self, entry: &Entry) -> Hour {
        let known = match self.archive.is_apart(self.files_of(entry)) {
            true => Known::Apart,
            false => Known::Matched(HashSet::new()),
        };
        Hour { source: entry.source.clone(), hour: entry.hour.clone(), known }
    }

    /// All files of an entry's hour.
    fn files_of(&self, entry: &Entry) -> &[Entry] {
        let key = |other: &Entry| (&other.source, &other.hour).cmp(&(&entry.source, &entry.hour));
        let begins = self.all.partition_point(|other| key(other).is_lt());
        let ends = self.all.partition_point(|other| key(other).is_le());
        self.all.get(begins..ends).unwrap_or_default()
    }

    /// Those of some rows of a row group whose event an earlier row holds.
    async fn repeated(
        &mut self,
        known: &mut Known,
        file: &StoredFile,
        group: usize,
        rows: &[u32],
    ) -> Result<Vec<u32>, ReplayError> {
        if let Known::Matched(seen) = known {
            // as many as in this row group may match in all of the hour
            let hour: usize = self.files_of(file.entry()).iter().map(|entry| entry.rows).sum();
            let awaited = rows.len().saturating_mul(hour) / file.rows(group).max(1);
            let mut is_new = awaited.max(seen.len() + rows.len()) <= MAX_REMEMBERED;
            if is_new {
                let (ids, bytes) = file.ids(group, Some(rows)).await?;
                self.cost.bytes_read += bytes;
                is_new = ids.into_iter().all(|id| seen.insert(id));
            }
            if is_new {
                return Ok(Vec::new());
            }
            // many, or one id a second time: what those before were told stands, for their ids were new
            let repeats = self.archive.repeats(self.files_of(file.entry())).await?;
            self.cost.bytes_read += repeats.bytes;
            *known = Known::All(repeats);
        }
        let Known::All(repeats) = known else { return Ok(Vec::new()) };
        let all = repeats.of(&file.entry().path);
        let before: usize = (0..group).map(|group| file.rows(group)).sum();
        let is_second = |row: &&u32| all.binary_search(&(before as u32 + **row)).is_ok();
        Ok(rows.iter().filter(is_second).copied().collect())
    }
}
