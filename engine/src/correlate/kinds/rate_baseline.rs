//! `rate_baseline`: a bucket of time far above the group's own others.
//!
//! ```text
//! x        the sum of the field's values in the bucket, or the number of its events
//! before   the sums of the buckets before it, back to the group's first or to the end of the history;
//!          a bucket without events is 0
//! median, MAD = median of |before − median|
//! score  = (x − median) / max(1.4826 · MAD, 0.1 · median, 1)
//! match  ⇔ buckets ≥ min_buckets ∧ x ≥ min_value ∧ x ≥ min_ratio · median ∧ score ≥ min_score
//! ```
//!
//! 1.4826 · MAD estimates the standard deviation of a normal distribution without being moved by
//! outliers (Rousseeuw and Croux 1993); the two floors keep a group that always does the same from
//! being loud for one event more. A group remembers one number for each bucket that had events.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::hit::{Billionths, Hit, Seen, events_in};
use super::{Contribution, Kind, Match, number_of, seen_of, shown_number, shown_span};
use crate::limits::MAX_CARRIED;

/// Far above the group's own history.
#[derive(Debug)]
pub(crate) struct RateBaseline {
    pub history: i64,
    pub bucket: i64,
    pub min_buckets: f64,
    pub min_value: f64,
    pub min_ratio: f64,
    pub min_score: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rates {
    first: i64,
    last: i64,
    /// Bucket and sum, in order; without the open one.
    sums: VecDeque<(i64, i128)>,
    open: Option<OpenBucket>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenBucket {
    number: i64,
    sum: i128,
    events: u64,
    seen: Vec<Seen>,
}

/// The middle of sorted numbers, each so often.
fn weighted_median(sorted: &[(f64, usize)]) -> f64 {
    let count: usize = sorted.iter().map(|(_, times)| times).sum();
    let at = |place: usize| {
        let mut before = 0;
        let reached = sorted.iter().find(|(_, times)| {
            before += times;
            place < before
        });
        reached.map_or(0.0, |(number, _)| *number)
    };
    match count {
        0 => 0.0,
        count if count % 2 == 1 => at(count / 2),
        count => f64::midpoint(at(count / 2 - 1), at(count / 2)),
    }
}

struct Baseline {
    buckets: usize,
    median: f64,
    mad: f64,
}

impl RateBaseline {
    fn baseline(&self, state: &Rates, number: i64) -> Baseline {
        let start = state.first.max(number.saturating_sub(self.history / self.bucket));
        let buckets = usize::try_from(number.saturating_sub(start)).unwrap_or(0);
        let before = state.sums.iter().filter(|(n, _)| (start..number).contains(n));
        let mut sums: Vec<f64> = before.map(|(_, sum)| number_of(*sum)).collect();
        // sums are not negative, so that empty buckets come first
        sums.sort_by(f64::total_cmp);
        let zeros = buckets.saturating_sub(sums.len());
        let weighted: Vec<(f64, usize)> =
            std::iter::once((0.0, zeros)).chain(sums.iter().map(|sum| (*sum, 1))).collect();
        let middle = weighted_median(&weighted);
        let mut off: Vec<(f64, usize)> = sums.iter().map(|sum| ((sum - middle).abs(), 1)).collect();
        off.push((middle.abs(), zeros));
        off.sort_by(|a, b| a.0.total_cmp(&b.0));
        Baseline { buckets, median: middle, mad: weighted_median(&off) }
    }

    fn score(baseline: &Baseline, sum: f64) -> f64 {
        let spread = (1.4826 * baseline.mad).max(0.1 * baseline.median).max(1.0);
        (sum - baseline.median) / spread
    }

    fn close(&self, state: &Rates, open: &OpenBucket, found: &mut Vec<Match>) {
        let baseline = self.baseline(state, open.number);
        let sum = number_of(open.sum);
        let score = Self::score(&baseline, sum);
        let is_match = baseline.buckets as f64 >= self.min_buckets.max(1.0)
            && sum >= self.min_value
            && sum >= self.min_ratio * baseline.median
            && score >= self.min_score;
        if !is_match {
            return;
        }
        let mut contribution = Contribution::of(open.seen.clone())
            .with("value", shown_number(open.sum))
            .with("median", baseline.median)
            .with("mad", baseline.mad)
            .with("score", (score * 100.0).round() / 100.0)
            .with("buckets", baseline.buckets);
        contribution.count = open.events;
        found.push(Match {
            time: state.last,
            term: None,
            adds: open.events,
            contribution: Some(contribution),
        });
    }
}

impl Kind for RateBaseline {
    type Detail = Billionths;
    type State = Rates;

    fn tick(&self, state: &mut Rates, time: i64, hits: &[Hit<Billionths>], _: &mut Vec<Match>) {
        let number = time.div_euclid(self.bucket);
        let is_new = state.open.is_none() && state.sums.is_empty();
        if is_new || time.saturating_sub(state.last) > self.history {
            *state = Rates { first: number, open: state.open.take(), ..Rates::default() };
        }
        let open =
            state.open.get_or_insert_with(|| OpenBucket { number, sum: 0, events: 0, seen: Vec::new() });
        open.sum = hits.iter().fold(open.sum, |sum, hit| sum.saturating_add(hit.detail));
        open.events += events_in(hits);
        let room = MAX_CARRIED.saturating_sub(open.seen.len());
        open.seen.extend(seen_of(hits).take(room));
        state.last = time;
    }

    fn pass(&self, state: &mut Rates, upto: i64, found: &mut Vec<Match>) {
        let end = |open: &OpenBucket| open.number.saturating_add(1).saturating_mul(self.bucket);
        if state.open.as_ref().is_none_or(|open| end(open).saturating_sub(1) > upto) {
            return;
        }
        if let Some(open) = state.open.take() {
            self.close(state, &open, found);
            state.sums.push_back((open.number, open.sum));
            let oldest = open.number.saturating_sub(self.history / self.bucket);
            while state.sums.front().is_some_and(|(number, _)| *number < oldest) {
                state.sums.pop_front();
            }
        }
    }

    fn horizon(&self, state: &Rates, upto: i64) -> i64 {
        if state.open.is_some() { state.last } else { upto.saturating_add(1) }
    }

    fn due(&self, state: &Rates) -> Option<i64> {
        let end = |open: &OpenBucket| open.number.saturating_add(1).saturating_mul(self.bucket) - 1;
        state.open.as_ref().map(end)
    }

    fn memory(&self) -> i64 {
        self.history
    }

    fn progress(&self, state: &Rates, _: i64) -> f64 {
        // a group that has a history is dear
        1.0 - 1.0 / (1.0 + state.sums.len() as f64)
    }

    fn describe(&self, state: &Rates, time: i64) -> String {
        let baseline = self.baseline(state, time.div_euclid(self.bucket));
        let sum = number_of(state.open.as_ref().map_or(0, |open| open.sum));
        format!(
            "{sum} in this {}; median {} and MAD {} of {} buckets, a score of {:.2} (needed: {} at least, {} times the median, {} buckets, a score of {})",
            shown_span(self.bucket),
            baseline.median,
            baseline.mad,
            baseline.buckets,
            Self::score(&baseline, sum),
            self.min_value,
            self.min_ratio,
            self.min_buckets,
            self.min_score
        )
    }

    fn heap(&self, state: &Rates) -> usize {
        let seen = state.open.as_ref().map_or(0, |open| open.seen.capacity());
        state.sums.capacity() * 32 + seen * size_of::<Seen>()
    }

    fn mark(&self, state: &Rates, see: &mut dyn FnMut(&Seen)) {
        state.open.iter().flat_map(|open| &open.seen).for_each(see);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_counts_what_was_empty() {
        for (zeros, expected) in [(3, 0.0), (2, 2.0), (1, 4.0), (0, 5.0)] {
            assert_eq!(weighted_median(&[(0.0, zeros), (4.0, 1), (6.0, 1)]), expected);
        }
        assert_eq!(weighted_median(&[]), 0.0);
    }
}
