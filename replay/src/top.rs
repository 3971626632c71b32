//! Which values are the most frequent, in bounded memory.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::Serialize;

use crate::limits::MAX_VALUES;

/// Counts values; beyond a most it lets the rarest go.
#[derive(Debug, Default)]
pub struct Top {
    counts: HashTable<Count>,
    /// The values, one behind the other: most come once and soon go, and a piece of memory for each would cost more than
    /// to count it.
    texts: String,
    /// Without chance: what is remembered of values that came once depends on their hashes, and the same archive gives
    /// the same report.
    hash: FixedState,
    /// Once values were let go: what of hashes that came lately, by some of their bits. A value takes room when it comes
    /// again; most never do.
    came: Box<[u32]>,
    is_cut: bool,
}

/// Hashes that are remembered of values without room of their own.
const CAME: usize = 4 * MAX_VALUES;

/// How often a value came that stands among the texts.
#[derive(Debug, Clone, Copy)]
struct Count {
    hash: u64,
    at: (usize, usize),
    count: u64,
}

impl Count {
    fn value<'t>(&self, texts: &'t str) -> &'t str {
        texts.get(self.at.0..self.at.1).unwrap_or_default()
    }
}

/// A value with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The value.
    pub value: String,
    /// How often it came.
    pub count: u64,
}

impl Top {
    /// Counts a value.
    pub fn add(&mut self, value: &str, count: u64) {
        let (hash, texts) = (self.hash.hash_one(value), &self.texts);
        let is_it = |known: &Count| known.hash == hash && known.value(texts) == value;
        if let Some(known) = self.counts.find_mut(hash, is_it) {
            known.count += count;
            return;
        }
        // what has come once before is counted with that time
        let count = match self.has_come(hash) {
            Some(before) => before + count,
            None if count == 1 => return,
            None => count,
        };
        if self.counts.len() >= MAX_VALUES {
            self.let_go();
        }
        let start = self.texts.len();
        self.texts.push_str(value);
        let new = Count { hash, at: (start, self.texts.len()), count };
        self.counts.insert_unique(hash, new, |known| known.hash);
    }

    /// How often a value without room of its own is known to have come, at least; `None` where it seems new.
    fn has_come(&mut self, hash: u64) -> Option<u64> {
        if !self.is_cut {
            return Some(0);
        }
        let last = self.came.get_mut(hash as usize % CAME)?;
        let tag = (hash >> 32) as u32 | 1;
        (std::mem::replace(last, tag) == tag).then_some(1)
    }

    /// Lets the rarer half go.
    fn let_go(&mut self) {
        let mut all: Vec<u64> = self.counts.iter().map(|known| known.count).collect();
        let middle = all.len() / 2;
        let median = *all.select_nth_unstable(middle).1;
        // of equal counts half could stay; that none does keeps the room there for what comes
        self.counts.retain(|known| known.count > median);
        let mut kept = String::with_capacity(self.texts.len());
        for known in &mut self.counts {
            let start = kept.len();
            kept.push_str(known.value(&self.texts));
            known.at = (start, kept.len());
        }
        self.texts = kept;
        if !self.is_cut {
            self.came = vec![0; CAME].into();
        }
        self.is_cut = true;
    }

    /// The most frequent, then in the order of the alphabet.
    pub fn most(&self, shown: usize) -> Vec<Counted> {
        let mut all: Vec<(&str, u64)> =
            self.counts.iter().map(|known| (known.value(&self.texts), known.count)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let shown = all.into_iter().take(shown);
        shown.map(|(value, count)| Counted { value: value.to_owned(), count }).collect()
    }

    /// How many different ones there were; `None` where some were let go.
    pub fn different(&self) -> Option<usize> {
        (!self.is_cut).then_some(self.counts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_often_stays_however_much_else_comes() {
        let mut top = Top::default();
        for number in 0..20_000 {
            top.add("often", 1);
            top.add(&number.to_string(), 1);
        }
        assert_eq!(top.most(1), [Counted { value: "often".into(), count: 20_000 }]);
        assert!(top.different().is_none() && top.counts.len() <= MAX_VALUES);
    }

    /// Which of the rare ones were remembered is no chance: two reports of one archive are the same.
    #[test]
    fn what_is_most_frequent_is_the_same_in_every_run() {
        let counted = || {
            let mut top = Top::default();
            for number in 0..60_000_u32 {
                top.add(&number.to_string(), 1);
                if number % 13 == 0 {
                    top.add(&format!("mid{}", number % 300), 1);
                }
            }
            top.most(20)
        };
        let first = counted();
        assert!((0..3).all(|_| counted() == first), "{first:?}");
    }

    #[test]
    fn what_begins_to_come_when_values_were_let_go_is_counted_from_its_first_time() {
        let mut top = Top::default();
        for number in 0..20_000 {
            top.add(&number.to_string(), 1);
            if number >= 10_000 && number % 100 == 0 {
                top.add("late", 1);
            }
        }
        top.add("at once", 7);
        let counted = |value: &str, count| Counted { value: value.into(), count };
        assert_eq!(top.most(2), [counted("late", 100), counted("at once", 7)]);
    }
}
