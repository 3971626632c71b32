//! `event_count` with `gt` or `gte`: at least so many events within a window.
//!
//! A group remembers its last N events: whether there are N in the window depends on the N-th last alone.

use thin_vec::ThinVec;

use super::super::hit::{Hit, Seen};
use super::super::pending::{Pending, more};
use super::{Contribution, Kind, Lack, Match, fresh_times, shown_span};

/// At least `least` events within `window` microseconds.
#[derive(Debug)]
pub(crate) struct EventCount {
    pub least: usize,
    pub window: i64,
}

impl EventCount {
    fn within(&self, state: &[Seen], time: i64) -> usize {
        state.len() - state.partition_point(|seen| seen.time < time.saturating_sub(self.window))
    }
}

impl Kind for EventCount {
    type Detail = ();
    /// A list that is a pointer where it is empty: the hits of most groups never leave those that wait.
    type State = ThinVec<Seen>;

    fn tick(&self, state: &mut ThinVec<Seen>, time: i64, hits: &[Hit<()>], found: &mut Vec<Match>) {
        if state.len() + hits.len() > state.capacity() {
            // before more room is taken: what no window reaches any more, and all but the last N
            let gone = state.partition_point(|seen| seen.time < time.saturating_sub(self.window));
            state.drain(..gone.max(state.len().saturating_sub(self.least)));
        }
        for hit in hits {
            state.reserve_exact(more(state.len(), state.capacity(), usize::MAX));
            state.push(hit.seen);
        }
        let nth_last = state.len().checked_sub(self.least).map(|at| state[at].time);
        if nth_last.is_some_and(|at| at >= time.saturating_sub(self.window)) {
            found.push(Match::sliding(time));
        }
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn is_sliding(&self) -> bool {
        true
    }

    fn contribution(&self, state: &ThinVec<Seen>, _: i64, hits: &[Hit<()>]) -> Contribution {
        let wanted = self.least.max(hits.len()).min(state.len());
        Contribution::of(state[state.len() - wanted..].to_vec())
    }

    fn lack(&self, state: &ThinVec<Seen>, pending: &Pending<()>, fresh: i64, _: bool) -> Lack {
        let all = state.len() + pending.len();
        if all < self.least {
            return Lack::everywhere(self.least, all);
        }
        let Some(times) = fresh_times(pending, fresh) else { return Lack::NOTHING };
        let in_window = |time: i64| {
            let start = time.saturating_sub(self.window);
            let hits = pending.newest(start).filter(|hit| hit.seen.time <= time).count();
            self.within(state, time) + hits
        };
        Lack::since(fresh, self.least, times.into_iter().map(in_window).max().unwrap_or(0))
    }

    fn progress(&self, state: &ThinVec<Seen>, time: i64) -> f64 {
        self.within(state, time) as f64 / self.least as f64
    }

    fn describe(&self, state: &ThinVec<Seen>, time: i64) -> String {
        format!("{} of {} events within {}", self.within(state, time), self.least, shown_span(self.window))
    }

    fn heap(&self, state: &ThinVec<Seen>) -> usize {
        state.capacity() * size_of::<Seen>()
    }

    fn mark(&self, state: &ThinVec<Seen>, see: &mut dyn FnMut(&Seen)) {
        state.iter().for_each(see);
    }
}
