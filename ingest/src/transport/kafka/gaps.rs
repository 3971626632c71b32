//! Offsets that were passed over, until it is known whether something is lost with them.
//!
//! In: gaps as they are met, and now and then where partitions begin. Out: what to tell. The offsets of a
//! transaction's marks and of what was compacted away are no loss; those from before a partition's beginning are, for
//! the broker no longer keeps them.
//!
//! Whether it does is asked of the leaders for all gaps at once: a compacted topic has one before each record, and to
//! ask for each takes a tenth of a second. What the broker gives up until then is told as lost: in doubt it is told.

use std::collections::{BTreeMap, VecDeque};

use crate::limits::GAPS_HELD;
use crate::transport::live::Note;

/// Offsets of one partition that were passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    /// The first of them.
    start: i64,
    /// What came behind them.
    found: i64,
    /// How many they are.
    count: u64,
}

/// Gaps that have not been asked for, by the number of the partition.
#[derive(Debug, Default)]
pub(super) struct Gaps(BTreeMap<usize, VecDeque<Gap>>);

impl Gaps {
    /// Between these offsets nothing came.
    pub(super) fn add(&mut self, partition: usize, start: i64, found: i64) {
        let held = self.0.entry(partition).or_default();
        let count = found.saturating_sub(start).unsigned_abs();
        let is_full = held.len() >= GAPS_HELD;
        match held.back_mut() {
            // beyond what is held they are judged with the last
            Some(last) if is_full => {
                last.found = found;
                last.count += count;
            }
            _ => held.push_back(Gap { start, found, count }),
        }
    }

    /// The partitions that have some.
    pub(super) fn partitions(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }

    /// What there is to tell of a partition's gaps where it begins at this offset, or where nobody said; none is held
    /// after that.
    pub(super) fn settle(&mut self, partition: usize, name: &str, low: Result<i64, &str>) -> Option<Note> {
        let held = self.0.remove(&partition)?;
        let counts = |gap: &&Gap| low.is_err() || low.is_ok_and(|low| low > gap.start);
        let count: u64 = held.iter().filter(counts).map(|gap| gap.count).sum();
        let found = held.iter().rfind(counts)?.found;
        Some(match low {
            Ok(_) => Note {
                cause: "offset_expired",
                count,
                message: format!(
                    "{name}: the broker no longer kept {count} offsets before {found}: reading was slower than the topic's retention allows"
                ),
            },
            Err(why) => Note {
                cause: "offset_gap",
                count,
                message: format!(
                    "{name}: {count} offsets before {found} were passed over, and the broker did not say whether it still keeps them: {why}"
                ),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_broker_no_longer_keeps_is_lost() {
        // offsets 5 to 6, 10, and 20 to 29 were passed over
        for (low, expected) in [
            (Ok(0), None),
            // marks of transactions, and what was compacted away
            (Ok(5), None),
            (Ok(6), Some(("offset_expired", 2, "t/0: the broker no longer kept 2 offsets before 7:"))),
            (Ok(20), Some(("offset_expired", 3, "no longer kept 3 offsets before 11:"))),
            (Ok(30), Some(("offset_expired", 13, "no longer kept 13 offsets before 30:"))),
            (Err("timed out"), Some(("offset_gap", 13, "13 offsets before 30 were passed over"))),
        ] {
            let mut gaps = Gaps::default();
            for (start, found) in [(5, 7), (10, 11), (20, 30)] {
                gaps.add(0, start, found);
            }
            let note = gaps.settle(0, "t/0", low);
            let told = note.as_ref().map(|note| (note.cause, note.count));
            assert_eq!(told, expected.map(|(cause, count, _)| (cause, count)), "{low:?}");
            let says = note.as_ref().map_or("", |note| note.message.as_str());
            assert!(says.contains(expected.map_or("", |(_, _, says)| says)), "{low:?}: {says}");
            assert_eq!(gaps.settle(0, "t/0", low), None, "it is told once");
        }
    }

    #[test]
    fn a_partition_is_asked_for_once_however_many_gaps_it_has_and_few_are_held() {
        let mut gaps = Gaps::default();
        let many = GAPS_HELD as i64 * 3;
        for number in 0..many {
            gaps.add(0, number * 2, number * 2 + 1);
        }
        gaps.add(1, 5, 6);
        assert_eq!(gaps.partitions().collect::<Vec<_>>(), [0, 1]);
        assert!(gaps.0.values().all(|held| held.len() <= GAPS_HELD));
        let note = gaps.settle(0, "t/0", Ok(i64::MAX)).unwrap();
        assert_eq!(note.count, many as u64);
        assert_eq!(gaps.partitions().collect::<Vec<_>>(), [1]);
    }
}
