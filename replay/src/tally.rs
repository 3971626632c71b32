//! What is counted of one rule.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash};

use hashbrown::DefaultHashBuilder;

use crate::labels::Scored;
use crate::limits::MAX_SUPPRESSED;
use crate::top::Top;

/// The canonical columns by which hits are counted.
pub const ENTITIES: [&str; 5] = ["principal", "src_ip", "account", "action", "target"];

const HOUR: i64 = 3_600_000_000;

/// The hour of a moment, since 1970.
pub fn hour(time: i64) -> i64 {
    time.div_euclid(HOUR)
}

/// What is counted of one rule.
#[derive(Debug, Default)]
pub struct Tally {
    /// Hits, or alerts of a correlation, in the stretch that is asked about.
    pub hits: u64,
    /// By hour, in hours since 1970.
    pub by_hour: BTreeMap<i64, u64>,
    /// By entity.
    pub entities: [Top; ENTITIES.len()],
    /// Groups of a correlation.
    pub groups: Top,
    /// Equal for one principal and hour, and for one principal and day.
    pub per_principal: PerPrincipal,
    /// The ids of alerts that the rule's own `suppress` leaves.
    pub own: Different<u128>,
    /// Whether the rule has one.
    pub has_own: bool,
    /// What the labels say of it.
    pub scored: Scored,
    /// The first and the last.
    pub times: Option<(i64, i64)>,
    /// Rows that had to be looked at for it.
    pub rows: u64,
    /// Bytes that it alone would read, about.
    pub bytes: f64,
    /// Its share of the time, in seconds.
    pub seconds: f64,
    /// The sum of the ids of its alerts: the same where the alerts are.
    pub digest: u128,
}

/// How many different ones there are, as far as they fit.
#[derive(Debug)]
pub struct Different<N = u64> {
    seen: hashbrown::HashSet<N>,
    most: usize,
    is_full: bool,
}

impl<N> Default for Different<N> {
    fn default() -> Self {
        Self::up_to(MAX_SUPPRESSED)
    }
}

impl<N> Different<N> {
    /// As far as there are no more than so many.
    pub fn up_to(most: usize) -> Self {
        Self { seen: hashbrown::HashSet::default(), most, is_full: false }
    }
}

impl<N: Hash + Eq> Different<N> {
    /// Takes a number that is another for another thing; whether it is the first of its kind, as far as that is known.
    pub fn add(&mut self, number: N) -> bool {
        if self.seen.len() >= self.most {
            self.is_full |= !self.seen.contains(&number);
            return self.is_full;
        }
        self.seen.insert(number)
    }

    /// How many; `None` where there are too many to tell.
    pub fn count(&self) -> Option<u64> {
        (!self.is_full).then_some(self.seen.len() as u64)
    }
}

/// How many hours, and how many days, principals have in which they hit.
#[derive(Debug, Default)]
pub struct PerPrincipal {
    pub hours: Different,
    pub days: Different,
    hash: DefaultHashBuilder,
}

impl PerPrincipal {
    fn add(&mut self, principal: Option<&str>, time: i64) {
        if self.hours.is_full && self.days.is_full {
            return;
        }
        // a long text is gone through once
        let principal = self.hash.hash_one(principal);
        for (different, length) in [(&mut self.hours, HOUR), (&mut self.days, 24 * HOUR)] {
            different.add(self.hash.hash_one((principal, time.div_euclid(length))));
        }
    }
}

impl Tally {
    /// Counts a hit or alert at a moment.
    pub fn at(&mut self, time: i64, principal: Option<&str>) {
        self.during((time, time), 1);
        self.principal(principal, time);
    }

    /// Counts hits between two moments of one hour.
    pub fn during(&mut self, (from, to): (i64, i64), count: u64) {
        self.hits += count;
        *self.by_hour.entry(hour(from)).or_default() += count;
        let (first, last) = self.times.unwrap_or((from, to));
        self.times = Some((first.min(from), last.max(to)));
    }

    /// Counts who is behind hits of an hour, however many.
    pub fn principal(&mut self, principal: Option<&str>, time: i64) {
        self.per_principal.add(principal, time);
    }

    /// Counts the id of an alert.
    pub fn alert(&mut self, id: u128) {
        self.digest = self.digest.wrapping_add(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_things_are_told_as_far_as_they_fit() {
        for (most, numbers, expected) in [
            (3, &[1, 2, 1, 3, 3][..], Some(3)),
            (3, &[1, 2, 3, 4], None),
            (3, &[1, 2, 3, 4, 1], None),
            (usize::MAX, &[1, 2, 3, 4], Some(4)),
            (0, &[], Some(0)),
        ] {
            let mut different: Different<u128> = Different::up_to(most);
            let firsts = numbers.iter().filter(|number| different.add(**number)).count();
            assert_eq!(different.count(), expected, "{most} {numbers:?}");
            assert!(expected.is_none_or(|count| firsts as u64 == count), "{most} {numbers:?}");
            assert!(different.seen.len() <= most);
        }
    }
}
