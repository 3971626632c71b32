//! `temporal` without `not`: so many of the rules, or an expression over them, within a window.
//!
//! A group remembers the last event of each rule.

use std::sync::Arc;

use super::super::hit::{Hit, Members, Seen};
use super::super::pending::Pending;
use super::{Contribution, Kind, Lack, Match, shown_span};

/// Which rules must be there.
#[derive(Debug, Clone)]
pub(crate) enum Presence {
    /// The rule of that number.
    Member(usize),
    /// At least so many of these.
    AtLeast(usize, Vec<Presence>),
    /// Not this.
    Not(Box<Presence>),
}

impl Presence {
    pub fn holds(&self, there: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::Member(member) => there(*member),
            Self::AtLeast(least, parts) => parts.iter().filter(|part| part.holds(there)).count() >= *least,
            Self::Not(part) => !part.holds(there),
        }
    }

    /// Whether a rule that comes could undo a match.
    pub fn has_not(&self) -> bool {
        match self {
            Self::Member(_) => false,
            Self::AtLeast(_, parts) => parts.iter().any(Self::has_not),
            Self::Not(_) => true,
        }
    }

    /// The rules that must be there rather than not, as bits.
    pub fn positive(&self) -> u64 {
        self.signed(true)
    }

    fn signed(&self, positive: bool) -> u64 {
        match self {
            Self::Member(member) => u64::from(positive) << member,
            Self::AtLeast(_, parts) => parts.iter().fold(0, |all, part| all | part.signed(positive)),
            Self::Not(part) => part.signed(!positive),
        }
    }
}

/// The rules of an expression within `window` microseconds.
#[derive(Debug)]
pub(crate) struct Temporal {
    pub presence: Presence,
    pub window: i64,
    /// What the rules are called.
    pub names: Arc<[String]>,
}

impl Temporal {
    fn there(&self, state: &[Option<Seen>], time: i64, member: usize) -> bool {
        let start = time.saturating_sub(self.window);
        state.get(member).copied().flatten().is_some_and(|seen| seen.time >= start)
    }
}

/// The numbers of the bits that are set.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then_some(set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(bit)
    })
}

impl Kind for Temporal {
    type Detail = Members;
    type State = Vec<Option<Seen>>;

    fn tick(&self, state: &mut Self::State, time: i64, hits: &[Hit<Members>], found: &mut Vec<Match>) {
        if state.is_empty() {
            *state = vec![None; self.names.len()];
        }
        for hit in hits {
            for member in bits(hit.detail.0) {
                state[member] = Some(hit.seen);
            }
        }
        if self.presence.holds(&|member| self.there(state, time, member)) {
            found.push(Match::sliding(time));
        }
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn is_sliding(&self) -> bool {
        true
    }

    fn contribution(&self, state: &Self::State, time: i64, hits: &[Hit<Members>]) -> Contribution {
        let last = (0..state.len()).filter(|&member| self.there(state, time, member));
        let mut seen: Vec<Seen> = last.filter_map(|member| state[member]).collect();
        seen.extend(super::seen_of(hits));
        Contribution::of(seen)
    }

    fn lack(&self, state: &Self::State, pending: &Pending<Members>, fresh: i64, _: bool) -> Lack {
        let start = fresh.saturating_sub(self.window);
        let known = (0..state.len()).filter(|&member| self.there(state, fresh, member));
        let known = known.fold(0, |all, member| all | 1 << member);
        // the newest are looked at first, and mostly a few of them say all
        let mut there: u64 = known;
        let could_match = self.presence.holds(&|member| there & (1 << member) != 0)
            || pending.newest(start).any(|hit| {
                let more = hit.detail.0 & !there != 0;
                there |= hit.detail.0;
                more && self.presence.holds(&|member| there & (1 << member) != 0)
            });
        if could_match { Lack::NOTHING } else { Lack::ONE }
    }

    fn progress(&self, state: &Self::State, time: i64) -> f64 {
        let there = (0..state.len()).filter(|&member| self.there(state, time, member)).count();
        there as f64 / self.names.len() as f64
    }

    fn describe(&self, state: &Self::State, time: i64) -> String {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for (member, name) in self.names.iter().enumerate() {
            match self.there(state, time, member) {
                true => there.push(name.as_str()),
                false => missing.push(name.as_str()),
            }
        }
        let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
        format!("{} within {}; missing: {missing}", there.join(", "), shown_span(self.window))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.capacity() * size_of::<Option<Seen>>()
    }

    fn mark(&self, state: &Self::State, see: &mut dyn FnMut(&Seen)) {
        state.iter().flatten().for_each(see);
    }
}
