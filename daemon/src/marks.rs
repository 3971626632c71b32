//! The watermark of all inputs, by the names of their partitions.
//!
//! In: what was read of which partition, and what is known of the unread. Out: the watermark, and who holds it.
//! The engine counts partitions by number; here they have names, the same after a restart.
//!
//! Until an input has told which partitions it begins with, the input itself holds the watermark: what one
//! input reads first must not make late what another has still to open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use virga_engine::correlate::Watermarks;
use virga_ingest::transport::live::Frontier;

/// The partition that stands for an input that has not begun.
const NOT_READY: &str = "*";

/// The watermark of all inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// By input and partition.
    numbers: BTreeMap<(String, String), u32>,
    next: u32,
    watermarks: Watermarks,
    /// Those that have taken part since the start. What others said in the run before is kept for when they
    /// are opened again, and does not hold anything.
    #[serde(skip)]
    open: BTreeMap<u32, i64>,
    reached: Option<i64>,
}

/// Who holds the watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The input.
    pub input: String,
    /// The partition; `*` while the input has not begun.
    pub partition: String,
    /// Its own watermark; `None` while it has said nothing.
    pub at: Option<i64>,
}

impl Marks {
    /// An input that is about to begin.
    pub fn expect(&mut self, input: &str, lateness: i64) {
        self.open(input, NOT_READY, lateness);
    }

    /// An input has opened what it begins with.
    pub fn ready(&mut self, input: &str) {
        self.close(input, NOT_READY);
    }

    /// A partition takes part from now on; what it said in a run before still counts.
    pub fn open(&mut self, input: &str, partition: &str, lateness: i64) {
        let number = self.number(input, partition);
        self.watermarks.open(number, lateness);
        self.open.insert(number, lateness);
    }

    /// A partition takes part no more.
    pub fn close(&mut self, input: &str, partition: &str) {
        if let Some(number) = self.numbers.remove(&(input.to_owned(), partition.to_owned())) {
            self.watermarks.close(number);
            self.open.remove(&number);
        }
    }

    /// An input is gone with all its partitions.
    pub fn close_input(&mut self, input: &str) {
        let gone: Vec<String> = self
            .numbers
            .keys()
            .filter(|(of, _)| of == input)
            .map(|(_, partition)| partition.clone())
            .collect();
        gone.iter().for_each(|partition| self.close(input, partition));
    }

    /// The latest event of what was read of a partition: its time, and that of its arrival.
    pub fn see(&mut self, input: &str, partition: &str, time: i64, ingest_time: i64) {
        if let Some(number) = self.find(input, partition) {
            self.watermarks.see(number, time, ingest_time);
        }
    }

    /// What is known of the unread.
    pub fn reach(&mut self, input: &str, partition: &str, frontier: Frontier) {
        let Some(number) = self.find(input, partition) else { return };
        match frontier {
            Frontier::InOrder => {}
            Frontier::CaughtUp { now } => {
                self.watermarks.unread_since(number, None);
                self.watermarks.caught_up(number, now);
            }
            Frontier::Unread { since } => {
                self.watermarks.unread_since(number, Some(since));
                // all that had come by then is read: where nothing comes any more, it moves with the clock
                self.watermarks.caught_up(number, since);
            }
        }
    }

    /// The watermark; it never falls.
    pub fn now(&mut self) -> Option<i64> {
        let least: Option<Vec<i64>> = self.open.keys().map(|number| self.watermarks.of(*number)).collect();
        if let Some(least) = least.and_then(|all| all.into_iter().min()) {
            self.reached = self.reached.max(Some(least));
        }
        self.reached
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<Holder> {
        let number = *self.open.keys().min_by_key(|number| self.watermarks.of(**number))?;
        let (name, _) = self.numbers.iter().find(|(_, known)| **known == number)?;
        let at = self.watermarks.of(number);
        Some(Holder { input: name.0.clone(), partition: name.1.clone(), at })
    }

    fn find(&self, input: &str, partition: &str) -> Option<u32> {
        // a lookup without owning the names would need a map of maps; pieces are few
        self.numbers.get(&(input.to_owned(), partition.to_owned())).copied()
    }

    fn number(&mut self, input: &str, partition: &str) -> u32 {
        let next = &mut self.next;
        *self.numbers.entry((input.to_owned(), partition.to_owned())).or_insert_with(|| {
            *next += 1;
            *next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const B: i64 = 10 * SECOND;

    #[test]
    fn an_input_that_has_not_begun_holds_the_others() {
        let mut marks = Marks::default();
        marks.expect("a", B);
        marks.expect("b", B);
        marks.open("a", "0", B);
        marks.ready("a");
        marks.see("a", "0", 100 * SECOND, 100 * SECOND);
        assert_eq!(marks.now(), None);
        assert_eq!(
            marks.holder().map(|holder| (holder.input, holder.partition)),
            Some(("b".into(), "*".into()))
        );
        marks.open("b", "0", B);
        marks.ready("b");
        assert_eq!(marks.now(), None);
        marks.reach("b", "0", Frontier::CaughtUp { now: 500 * SECOND });
        assert_eq!(marks.now(), Some(90 * SECOND));
        assert_eq!(marks.holder().map(|holder| holder.input), Some("a".into()));
    }

    #[test]
    fn after_a_restart_a_partition_goes_on_from_what_it_had_said() {
        let mut marks = Marks::default();
        marks.open("a", "0", B);
        marks.open("a", "1", B);
        marks.see("a", "0", 100 * SECOND, 5_000 * SECOND);
        marks.see("a", "1", 200 * SECOND, 5_000 * SECOND);
        assert_eq!(marks.now(), Some(90 * SECOND));
        let mut again: Marks = postcard::from_bytes(&postcard::to_allocvec(&marks).unwrap()).unwrap();
        again.expect("a", B);
        again.open("a", "0", B);
        again.open("a", "1", B);
        again.ready("a");
        // idle since: it moves from its own event time, not to today
        again.reach("a", "0", Frontier::CaughtUp { now: 5_060 * SECOND });
        again.reach("a", "1", Frontier::CaughtUp { now: 5_060 * SECOND });
        assert_eq!(again.now(), Some(150 * SECOND));
        // a partition that is another's now holds nothing
        again.close("a", "0");
        assert_eq!(again.now(), Some(250 * SECOND));
    }

    #[test]
    fn a_backlog_in_any_order_is_held_behind_its_oldest() {
        let mut marks = Marks::default();
        marks.open("s", "objects", B);
        marks.reach("s", "objects", Frontier::Unread { since: 100 * SECOND });
        marks.see("s", "objects", 900 * SECOND, 900 * SECOND);
        assert_eq!(marks.now(), Some(90 * SECOND));
        marks.reach("s", "objects", Frontier::CaughtUp { now: 1_000 * SECOND });
        assert_eq!(marks.now(), Some(990 * SECOND));
    }

    #[test]
    fn where_no_objects_come_any_more_it_moves_with_the_clock() {
        let mut marks = Marks::default();
        marks.open("s", "objects", B);
        marks.reach("s", "objects", Frontier::Unread { since: 0 });
        marks.see("s", "objects", 900 * SECOND, 950 * SECOND);
        marks.reach("s", "objects", Frontier::Unread { since: 960 * SECOND });
        assert_eq!(marks.now(), Some(900 * SECOND));
        marks.reach("s", "objects", Frontier::Unread { since: 1_000 * SECOND });
        assert_eq!(marks.now(), Some(940 * SECOND));
    }

    #[test]
    fn another_lateness_counts_after_a_restart_for_partitions_that_are_known() {
        for (lateness, first, second) in [(60 * SECOND, 90, 140), (2 * SECOND, 98, 198), (B, 90, 190)] {
            let mut marks = Marks::default();
            marks.expect("a", B);
            marks.open("a", "0", B);
            marks.ready("a");
            marks.see("a", "0", 100 * SECOND, 5_000 * SECOND);
            assert_eq!(marks.now(), Some(90 * SECOND));
            let mut again: Marks = postcard::from_bytes(&postcard::to_allocvec(&marks).unwrap()).unwrap();
            again.expect("a", lateness);
            again.open("a", "0", lateness);
            again.ready("a");
            // it never falls, and what is known of the partition is held against the new one
            assert_eq!(again.now(), Some(first * SECOND));
            again.see("a", "0", 200 * SECOND, 5_001 * SECOND);
            assert_eq!(again.now(), Some(second * SECOND));
        }
    }
}
