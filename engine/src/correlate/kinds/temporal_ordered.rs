//! `temporal_ordered`: the rules match one after the other, in the order given, within a window.
//!
//! A group remembers for each step the chain up to it that begins last: no other can be completed where
//! that one cannot. So a hit costs as much as there are steps, however many hits there were. The chain of all
//! steps says as much of the group: every hit is a match that comes before the window has left its first event.
//!
//! Events of one time count as ordered, and no event stands for two steps. Which of them stands for which
//! step is a matching, and how far back it reaches within one time decides where the chain goes on.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::hit::{Hit, Members, Seen};
use super::super::pending::Pending;
use super::{Contribution, Kind, Lack, Match, shown_span};

/// The steps of a chain within `window` microseconds.
#[derive(Debug)]
pub(crate) struct TemporalOrdered {
    pub window: i64,
    /// What the rules are called, in their order.
    pub names: Arc<[String]>,
}

/// By step: the events of the chain up to it that begins last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Chains(Vec<Option<Box<[Seen]>>>);

impl Chains {
    /// The chain of all steps.
    fn whole(&self) -> Option<&[Seen]> {
        self.0.last()?.as_deref()
    }

    /// Whether there is one that begins at a time or later.
    fn whole_since(&self, start: i64) -> bool {
        self.whole().and_then(<[Seen]>::first).is_some_and(|first| first.time >= start)
    }
}

impl TemporalOrdered {
    /// Events that may stand for a step: of those that match the same rules no more than there are steps.
    fn candidates(&self, hits: &[Hit<Members>]) -> Vec<(Seen, u64)> {
        let mut kept: Vec<(u64, usize)> = Vec::new();
        let mut candidates = Vec::new();
        for hit in hits {
            let members = hit.detail.0;
            let at = match kept.iter().position(|(of, _)| *of == members) {
                Some(at) => at,
                None => {
                    kept.push((members, 0));
                    kept.len() - 1
                }
            };
            if kept[at].1 < self.names.len() {
                kept[at].1 += 1;
                candidates.push((hit.seen, members));
            }
        }
        candidates
    }

    /// The chain of the steps up to `step` that this time's events complete and that begins last.
    fn chain(
        &self,
        before: &Chains,
        candidates: &[(Seen, u64)],
        step: usize,
        start: i64,
    ) -> Option<Box<[Seen]>> {
        // by candidate: the step that it stands for
        let mut taken: Vec<Option<usize>> = vec![None; candidates.len()];
        let mut first = step + 1;
        while first > 0 && assign(first - 1, candidates, &mut taken, &mut vec![false; candidates.len()]) {
            first -= 1;
        }
        if first > step {
            return None;
        }
        let mut events: Vec<Seen> = match first {
            0 => Vec::with_capacity(step + 1),
            _ => before.0[first - 1].as_ref().filter(|chain| chain[0].time >= start)?.to_vec(),
        };
        let mut own: Vec<(usize, Seen)> =
            taken.iter().zip(candidates).filter_map(|(step, (seen, _))| Some(((*step)?, *seen))).collect();
        own.sort_unstable_by_key(|(step, _)| *step);
        events.extend(own.into_iter().map(|(_, seen)| seen));
        Some(events.into())
    }
}

/// Finds an event for a step, where need be by moving others to another step.
fn assign(step: usize, candidates: &[(Seen, u64)], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for at in 0..candidates.len() {
        if candidates[at].1 & (1 << step) == 0 || tried[at] {
            continue;
        }
        tried[at] = true;
        let free = match taken[at] {
            None => true,
            Some(other) => assign(other, candidates, taken, tried),
        };
        if free {
            taken[at] = Some(step);
            return true;
        }
    }
    false
}

impl Kind for TemporalOrdered {
    type Detail = Members;
    type State = Chains;

    fn tick(&self, state: &mut Chains, time: i64, hits: &[Hit<Members>], found: &mut Vec<Match>) {
        let steps = self.names.len();
        state.0.resize(steps, None);
        let start = time.saturating_sub(self.window);
        let candidates = self.candidates(hits);
        let there = candidates.iter().fold(0, |all, (_, members)| all | members);
        // later steps first: they go on from chains of before this time
        for step in (0..steps).rev().filter(|step| there & (1 << step) != 0) {
            let Some(chain) = self.chain(state, &candidates, step, start) else { continue };
            // of equal ones the first, and of all steps the one that ends here: none before it begins later
            let is_whole = step + 1 == steps;
            if is_whole || state.0[step].as_ref().is_none_or(|old| old[0].time < chain[0].time) {
                state.0[step] = Some(chain);
            }
        }
        if state.whole_since(start) {
            found.push(Match::sliding(time));
        }
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn is_sliding(&self) -> bool {
        true
    }

    fn contribution(&self, state: &Chains, time: i64, hits: &[Hit<Members>]) -> Contribution {
        let mut seen: Vec<Seen> = state.whole().map(<[Seen]>::to_vec).unwrap_or_default();
        // a chain that was whole before is seen by what comes within its window
        if seen.last().is_some_and(|last| last.time < time) {
            seen.extend(super::seen_of(hits));
        }
        Contribution::of(seen)
    }

    fn lack(&self, state: &Chains, pending: &Pending<Members>, fresh: i64, told: bool) -> Lack {
        // a chain is whole with an event of its last step, and a match until its window is over
        let last = 1 << (self.names.len() - 1);
        let may_match = told
            || state.whole_since(fresh.saturating_sub(self.window))
            || pending.newest(fresh).any(|hit| hit.detail.0 & last != 0);
        if may_match { Lack::NOTHING } else { Lack::ONE }
    }

    fn progress(&self, state: &Chains, time: i64) -> f64 {
        let start = time.saturating_sub(self.window);
        let reached =
            |chain: &Option<Box<[Seen]>>| chain.as_ref().is_some_and(|chain| chain[0].time >= start);
        let steps = state.0.iter().rposition(reached).map_or(0, |step| step + 1);
        steps as f64 / self.names.len() as f64
    }

    fn describe(&self, state: &Chains, time: i64) -> String {
        let steps = (self.progress(state, time) * self.names.len() as f64).round() as usize;
        let missing = match self.names.get(steps..).unwrap_or_default() {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        format!(
            "{steps} of {} steps within {}; to come: {missing}",
            self.names.len(),
            shown_span(self.window)
        )
    }

    fn heap(&self, state: &Chains) -> usize {
        let events: usize = state.0.iter().flatten().map(|chain| chain.len()).sum();
        state.0.capacity() * 16 + events * size_of::<Seen>()
    }

    fn mark(&self, state: &Chains, see: &mut dyn FnMut(&Seen)) {
        state.0.iter().flatten().flatten().for_each(see);
    }
}
