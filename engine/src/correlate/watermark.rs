//! Up to when all events are there: watermarks of input partitions.
//!
//! In: the times of events and of their arrival, by partition, and how late events of each may be. Out: the
//! watermark, a time that only rises. An event of the past that comes after it has been passed is late.
//!
//! ```text
//! watermark of a partition = min(latest event time, latest ingest time) − lateness
//! watermark                = the least of all partitions
//! ```
//!
//! A time from the future does not move it, for the ingest time stands beside it: an event that claims to
//! be of the year 2099 makes nothing late. A partition that is known to have been read to its end moves by
//! the broker's clock, so that an idle one does not hold up the others. A partition whose arrivals come in any
//! order (objects of a backlog) is held behind the oldest that may still be unread, whatever has been read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::extract::Times;
use crate::event::EventBatch;
use crate::limits::MAX_AHEAD;

/// The watermark of all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermarks {
    partitions: BTreeMap<u32, Partition>,
    reached: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Partition {
    lateness: i64,
    latest: Option<i64>,
    ingested: Option<i64>,
    /// What it has been moved to by the clock.
    caught_up: Option<i64>,
    /// What is unread is not older, and may be as old.
    unread: Option<i64>,
}

impl Partition {
    fn watermark(&self) -> Option<i64> {
        let seen = self.latest.zip(self.ingested).map(|(latest, ingested)| latest.min(ingested));
        let reached = seen.into_iter().chain(self.caught_up).max();
        // where nothing was read yet, what may be unread is all that is known
        let bounded = reached.into_iter().chain(self.unread).min();
        bounded.map(|time| time.saturating_sub(self.lateness))
    }
}

/// The time that counts for an event: its own, unless it lies so far beyond its arrival that it must be
/// wrong. The second is true where it was.
pub fn clamped(time: i64, ingest_time: i64) -> (i64, bool) {
    match time > ingest_time.saturating_add(MAX_AHEAD) {
        true => (ingest_time, true),
        false => (time, false),
    }
}

impl Watermarks {
    /// A partition that takes part from now on. It holds the watermark until it has an event, or is said to
    /// have been read to its end. `lateness` is in microseconds.
    pub fn open(&mut self, partition: u32, lateness: i64) {
        let known = self.partitions.entry(partition).or_insert(Partition {
            lateness,
            latest: None,
            ingested: None,
            caught_up: None,
            unread: None,
        });
        // a partition of a run before may be given more or less time now; the watermark itself never falls
        known.lateness = lateness;
    }

    /// A partition that takes no part any more.
    pub fn close(&mut self, partition: u32) {
        self.partitions.remove(&partition);
    }

    /// An event of a partition: its time, clamped, and that of its arrival.
    pub fn see(&mut self, partition: u32, time: i64, ingest_time: i64) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.latest = partition.latest.max(Some(time));
            partition.ingested = partition.ingested.max(Some(ingest_time));
        }
    }

    /// The events of a batch of a partition.
    pub fn see_batch(&mut self, partition: u32, batch: &EventBatch) {
        for row in 0..batch.len() {
            self.see(partition, Times::Clamped.of(batch, row), batch.ingest_times().value(row));
        }
    }

    /// A partition has been read to its end, at this time by the clock that stamps arrivals: nothing older
    /// by more than its lateness is still to come.
    pub fn caught_up(&mut self, partition: u32, now: i64) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            // from its own event time on, by the time that has passed since: old logs that are sent
            // anew are not late
            let since = partition.ingested.map_or(0, |ingested| now.saturating_sub(ingested).max(0));
            let from = partition.latest.zip(partition.ingested).map_or(now, |(latest, at)| latest.min(at));
            let moved = from.saturating_add(since);
            partition.caught_up = partition.caught_up.max(Some(moved));
        }
    }

    /// What is unread of a partition may be as old as this; `None` where nothing is known of it any more.
    pub fn unread_since(&mut self, partition: u32, since: Option<i64>) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.unread = since;
        }
    }

    /// The watermark of one partition.
    pub fn of(&self, partition: u32) -> Option<i64> {
        self.partitions.get(&partition)?.watermark()
    }

    /// The partitions that take part.
    pub fn partitions(&self) -> impl Iterator<Item = u32> {
        self.partitions.keys().copied()
    }

    /// The watermark; `None` while a partition has said nothing yet.
    pub fn now(&mut self) -> Option<i64> {
        let all: Option<Vec<i64>> = self.partitions.values().map(Partition::watermark).collect();
        if let Some(least) = all.and_then(|all| all.into_iter().min()) {
            self.reached = self.reached.max(Some(least));
        }
        self.reached
    }

    /// The partition that holds the watermark back.
    pub fn held_by(&self) -> Option<u32> {
        self.partitions.iter().min_by_key(|(_, partition)| partition.watermark()).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn the_slowest_partition_holds_the_watermark_and_it_never_falls() {
        let mut marks = Watermarks::default();
        marks.open(0, 10 * SECOND);
        marks.open(1, 60 * SECOND);
        marks.see(0, 1_000 * SECOND, 1_001 * SECOND);
        assert_eq!((marks.now(), marks.held_by()), (None, Some(1)));
        marks.see(1, 1_000 * SECOND, 1_001 * SECOND);
        assert_eq!(marks.now(), Some(940 * SECOND));
        marks.see(1, 500 * SECOND, 1_002 * SECOND);
        assert_eq!(marks.now(), Some(940 * SECOND));
        marks.open(2, 0);
        marks.see(2, 100 * SECOND, 100 * SECOND);
        assert_eq!((marks.now(), marks.held_by()), (Some(940 * SECOND), Some(2)));
        marks.close(2);
        assert_eq!(marks.held_by(), Some(1));
    }

    #[test]
    fn a_time_from_the_future_does_not_move_it() {
        let mut marks = Watermarks::default();
        marks.open(0, 10 * SECOND);
        let (time, wrong) = clamped(4_070_908_800 * SECOND, 1_000 * SECOND);
        assert!(wrong);
        marks.see(0, time, 1_000 * SECOND);
        assert_eq!(marks.now(), Some(990 * SECOND));
        assert_eq!(clamped(1_000 * SECOND + MAX_AHEAD, 1_000 * SECOND), (1_000 * SECOND + MAX_AHEAD, false));
    }

    #[test]
    fn what_may_be_unread_holds_the_watermark_whatever_was_read() {
        let mut marks = Watermarks::default();
        marks.open(0, 10 * SECOND);
        marks.unread_since(0, Some(400 * SECOND));
        marks.see(0, 900 * SECOND, 1_000 * SECOND);
        assert_eq!(marks.now(), Some(390 * SECOND));
        marks.unread_since(0, Some(800 * SECOND));
        assert_eq!(marks.now(), Some(790 * SECOND));
        marks.unread_since(0, None);
        assert_eq!(marks.now(), Some(890 * SECOND));
        let kept: Watermarks = postcard::from_bytes(&postcard::to_allocvec(&marks).unwrap()).unwrap();
        assert_eq!(kept, marks);
    }

    #[test]
    fn an_idle_partition_moves_by_the_clock_from_its_own_event_time() {
        let mut marks = Watermarks::default();
        marks.open(0, 10 * SECOND);
        // a log of long ago, read an hour later
        marks.see(0, 500 * SECOND, 4_100 * SECOND);
        marks.caught_up(0, 4_130 * SECOND);
        assert_eq!(marks.now(), Some(520 * SECOND));
        marks.open(1, 10 * SECOND);
        marks.caught_up(1, 4_130 * SECOND);
        assert_eq!(marks.now(), Some(520 * SECOND));
    }

    #[test]
    fn another_lateness_counts_from_the_next_opening_on_and_the_watermark_does_not_fall() {
        for (lateness, held, event, reached) in [
            // raised: it waits until the events are so far that more lateness makes no difference
            (60, 940, 1_040, 990),
            (60, 940, 1_060, 1_000),
            // lowered: what is there has waited long enough
            (2, 998, 998, 998),
            (2, 998, 1_005, 1_003),
            (10, 990, 1_000, 990),
        ] {
            let mut marks = Watermarks::default();
            marks.open(0, 10 * SECOND);
            marks.see(0, 1_000 * SECOND, 1_001 * SECOND);
            assert_eq!(marks.now(), Some(990 * SECOND));
            let mut again: Watermarks =
                postcard::from_bytes(&postcard::to_allocvec(&marks).unwrap()).unwrap();
            again.open(0, lateness * SECOND);
            assert_eq!(again.of(0), Some(held * SECOND), "{lateness}");
            assert_eq!(again.now(), Some(held.max(990) * SECOND), "{lateness}");
            again.see(0, event * SECOND, 2_000 * SECOND);
            assert_eq!(again.now(), Some(reached * SECOND), "{lateness}, {event}");
        }
    }
}
