//! `temporal` with `not`: an expression over the rules that match within a window from an event on.
//!
//! Whether something stays away is known only when the window has passed. A group remembers the events
//! of one window: those that may turn out to be a match, and of every rule when it matched.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::hit::{Hit, Members, Seen, events_in};
use super::temporal::bits;
use super::{Contribution, Kind, Match, Presence, seen_of, shown_span};
use crate::limits::MAX_CARRIED;

/// The rules of an expression within `window` microseconds after an event.
#[derive(Debug)]
pub(crate) struct TemporalForward {
    pub presence: Presence,
    /// The rules whose events begin a window, as bits.
    pub positive: u64,
    pub window: i64,
    /// What the rules are called.
    pub names: Arc<[String]>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ahead {
    /// Times that may turn out to be a match.
    open: VecDeque<Start>,
    /// By rule: when it matched, from the first open time on.
    matched: Vec<VecDeque<Seen>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Start {
    time: i64,
    events: u64,
    seen: Vec<Seen>,
}

impl Ahead {
    fn within(&self, member: usize, time: i64, window: i64) -> Option<Seen> {
        let matched = self.matched.get(member)?;
        let next = matched.get(matched.partition_point(|seen| seen.time < time));
        next.copied().filter(|seen| seen.time <= time.saturating_add(window))
    }
}

impl Kind for TemporalForward {
    type Detail = Members;
    type State = Ahead;

    fn tick(&self, state: &mut Ahead, time: i64, hits: &[Hit<Members>], _: &mut Vec<Match>) {
        state.matched.resize_with(self.names.len(), VecDeque::new);
        for hit in hits {
            for member in bits(hit.detail.0) {
                let matched = &mut state.matched[member];
                // one event a time says that the rule matched then
                if matched.back().is_none_or(|last| last.time < time) {
                    matched.push_back(hit.seen);
                }
            }
        }
        if hits.iter().any(|hit| hit.detail.0 & self.positive != 0) {
            state.open.push_back(Start {
                time,
                events: events_in(hits),
                seen: seen_of(hits).take(MAX_CARRIED).collect(),
            });
        }
    }

    fn pass(&self, state: &mut Ahead, upto: i64, found: &mut Vec<Match>) {
        while state.open.front().is_some_and(|start| start.time.saturating_add(self.window) <= upto) {
            let Some(start) = state.open.pop_front() else { return };
            for matched in &mut state.matched {
                while matched.front().is_some_and(|seen| seen.time < start.time) {
                    matched.pop_front();
                }
            }
            let there = |member| state.within(member, start.time, self.window).is_some();
            if self.presence.holds(&there) {
                let others = bits(self.positive).filter_map(|m| state.within(m, start.time, self.window));
                let beside = others.filter(|seen| seen.time > start.time).collect();
                let mut contribution = Contribution::of(start.seen.clone());
                (contribution.beside, contribution.count) = (beside, start.events);
                found.push(Match {
                    time: start.time,
                    term: None,
                    adds: start.events,
                    contribution: Some(contribution),
                });
            }
        }
        if state.open.is_empty() {
            // without an open time nothing that matched before matters
            state.matched.iter_mut().for_each(VecDeque::clear);
        }
    }

    fn horizon(&self, state: &Ahead, upto: i64) -> i64 {
        state.open.front().map_or(upto.saturating_add(1), |start| start.time)
    }

    fn due(&self, state: &Ahead) -> Option<i64> {
        state.open.front().map(|start| start.time.saturating_add(self.window))
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn progress(&self, state: &Ahead, _: i64) -> f64 {
        let Some(start) = state.open.front() else { return 0.0 };
        let wanted = bits(self.positive).filter(|&m| state.within(m, start.time, self.window).is_some());
        wanted.count() as f64 / f64::from(self.positive.count_ones().max(1))
    }

    fn describe(&self, state: &Ahead, _: i64) -> String {
        let Some(start) = state.open.front() else { return "no event that begins a window".to_owned() };
        let names = |wanted: bool, there: bool| -> Vec<&str> {
            let members =
                (0..self.names.len()).filter(|member| (self.positive & (1 << member) != 0) == wanted);
            let members = members.filter(|&m| state.within(m, start.time, self.window).is_some() == there);
            members.map(|member| self.names[member].as_str()).collect()
        };
        let mut text = format!("{} within {}", names(true, true).join(", "), shown_span(self.window));
        for (what, names) in
            [("missing", names(true, false)), ("there though it must not be", names(false, true))]
        {
            if !names.is_empty() {
                text += &format!("; {what}: {}", names.join(", "));
            }
        }
        text
    }

    fn heap(&self, state: &Ahead) -> usize {
        let starts: usize =
            state.open.iter().map(|start| 64 + start.seen.capacity() * size_of::<Seen>()).sum();
        let matched: usize = state.matched.iter().map(|list| 32 + list.capacity() * size_of::<Seen>()).sum();
        starts + matched
    }

    fn mark(&self, state: &Ahead, see: &mut dyn FnMut(&Seen)) {
        let open = state.open.iter().flat_map(|start| &start.seen);
        open.chain(state.matched.iter().flatten()).for_each(see);
    }
}
