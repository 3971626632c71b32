//! Of equal alerts of a rule with `suppress`, the first of each bucket of time goes out.
//!
//! In: the id that equal alerts share, and when their bucket ends. Out: whether it is the first. What is
//! remembered is part of the checkpoint, and is forgotten when the watermark has passed the bucket's end.

use std::collections::{BTreeSet, HashMap};

use crate::limits::MAX_SUPPRESSED;

/// Ids of alerts that have gone out.
#[derive(Debug, Default)]
pub struct Suppressed {
    ends: HashMap<String, i64>,
    /// The same by the end of the bucket.
    by_end: BTreeSet<(i64, String)>,
    /// Ids that were forgotten for want of room.
    pub forgotten: u64,
}

impl Suppressed {
    /// What a checkpoint holds.
    pub fn restore(kept: Vec<(String, i64)>) -> Self {
        let mut suppressed = Self::default();
        for (id, end) in kept {
            suppressed.is_first(&id, end);
        }
        suppressed
    }

    /// What a checkpoint is to hold.
    pub fn kept(&self) -> Vec<(String, i64)> {
        self.by_end.iter().map(|(end, id)| (id.clone(), *end)).collect()
    }

    /// Whether nothing of this id has gone out in its bucket, which it now has.
    pub fn is_first(&mut self, id: &str, end: i64) -> bool {
        if self.ends.contains_key(id) {
            return false;
        }
        self.ends.insert(id.to_owned(), end);
        self.by_end.insert((end, id.to_owned()));
        if self.ends.len() > MAX_SUPPRESSED
            && let Some((_, oldest)) = self.by_end.pop_first()
        {
            self.ends.remove(&oldest);
            self.forgotten += 1;
        }
        true
    }

    /// Nothing of before this time comes in time any more.
    pub fn pass(&mut self, watermark: i64) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= watermark) {
            if let Some((_, id)) = self.by_end.pop_first() {
                self.ends.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_bucket_goes_out_also_after_a_restart() {
        let mut suppressed = Suppressed::default();
        assert!(suppressed.is_first("a", 100));
        assert!(!suppressed.is_first("a", 100));
        assert!(suppressed.is_first("b", 200));
        let mut again = Suppressed::restore(suppressed.kept());
        assert!(!again.is_first("a", 100) && !again.is_first("b", 200));
        again.pass(100);
        assert_eq!(again.kept(), [("b".to_owned(), 200)]);
    }
}
