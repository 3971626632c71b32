//! Which values are the most frequent, in bounded memory.

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;
use serde::Serialize;

use crate::limits::MAX_VALUES;

/// Counts values; beyond a most it lets the rarest go.
#[derive(Debug, Default)]
pub struct Top {
    counts: HashMap<Box<str>, u64>,
    is_cut: bool,
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
        let is_full = self.counts.len() >= MAX_VALUES;
        match self.counts.entry_ref(value) {
            EntryRef::Occupied(mut known) => *known.get_mut() += count,
            EntryRef::Vacant(room) if !is_full => {
                room.insert(count);
            }
            EntryRef::Vacant(_) => {
                self.let_go();
                self.counts.insert(value.into(), count);
            }
        }
    }

    /// Lets the rarer half go.
    fn let_go(&mut self) {
        let mut all: Vec<u64> = self.counts.values().copied().collect();
        let middle = all.len() / 2;
        let median = *all.select_nth_unstable(middle).1;
        // of equal counts half could stay; that none does keeps the room there for what comes
        self.counts.retain(|_, count| *count > median);
        self.is_cut = true;
    }

    /// The most frequent, then in the order of the alphabet.
    pub fn most(&self, shown: usize) -> Vec<Counted> {
        let each =
            self.counts.iter().map(|(value, count)| Counted { value: value.to_string(), count: *count });
        let mut all: Vec<Counted> = each.collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        all.truncate(shown);
        all
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
}
