//! `value_sum` with `gt` or `gte`: values that add up to so much within a window.
//!
//! A group remembers the last events that are enough by themselves: whatever is older than those cannot
//! make the difference any more. No value is negative here, for such a one would undo a match.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::hit::{Billionths, Hit, Seen};
use super::super::pending::Pending;
use super::{Contribution, Kind, Lack, Match, number_of, seen_of, shown_number, shown_span};

/// A sum of at least `least`, in billionths, within `window` microseconds.
#[derive(Debug)]
pub(crate) struct ValueSum {
    pub least: i128,
    pub window: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Summed {
    sum: i128,
    hits: VecDeque<(Seen, Billionths)>,
}

impl Summed {
    fn drop_before(&mut self, time: i64) {
        while self.hits.front().is_some_and(|(seen, _)| seen.time < time) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, value)) = self.hits.pop_front() {
            self.sum -= value;
        }
    }
}

impl Kind for ValueSum {
    type Detail = Billionths;
    type State = Summed;

    fn tick(&self, state: &mut Summed, time: i64, hits: &[Hit<Billionths>], found: &mut Vec<Match>) {
        state.drop_before(time.saturating_sub(self.window));
        for hit in hits {
            state.sum = state.sum.saturating_add(hit.detail);
            state.hits.push_back((hit.seen, hit.detail));
        }
        while state
            .hits
            .front()
            .is_some_and(|(seen, value)| seen.time < time && state.sum - value >= self.least)
        {
            state.drop_first();
        }
        if state.sum >= self.least {
            found.push(Match::sliding(time));
        }
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn is_sliding(&self) -> bool {
        true
    }

    fn contribution(&self, state: &Summed, _: i64, hits: &[Hit<Billionths>]) -> Contribution {
        let seen = state.hits.iter().map(|(seen, _)| *seen).chain(seen_of(hits)).collect();
        Contribution::of(seen).with("value_sum", shown_number(state.sum))
    }

    fn lack(&self, state: &Summed, pending: &Pending<Billionths>, _: i64, _: bool) -> Lack {
        let mut sum = state.sum;
        let could_match = sum >= self.least
            || pending.iter().any(|hit| {
                sum = sum.saturating_add(hit.detail);
                sum >= self.least
            });
        // one hit may be worth any number
        if could_match { Lack::NOTHING } else { Lack::ONE }
    }

    fn progress(&self, state: &Summed, time: i64) -> f64 {
        let mut state = state.clone();
        state.drop_before(time.saturating_sub(self.window));
        (state.sum as f64 / (self.least as f64).max(1.0)).min(1.0)
    }

    fn describe(&self, state: &Summed, time: i64) -> String {
        let mut state = state.clone();
        state.drop_before(time.saturating_sub(self.window));
        let (sum, least) = (number_of(state.sum), number_of(self.least));
        format!("a sum of {sum} of {least} within {}", shown_span(self.window))
    }

    fn heap(&self, state: &Summed) -> usize {
        state.hits.capacity() * size_of::<(Seen, Billionths)>()
    }

    fn mark(&self, state: &Summed, see: &mut dyn FnMut(&Seen)) {
        state.hits.iter().for_each(|(seen, _)| see(seen));
    }
}
