//! `new_terms`: a value that the group has not had within its history.
//!
//! A group remembers when it has seen each value last, and since when it has been there itself: to a
//! group that is new all is new. Its life begins anew after a silence longer than the history. With
//! `idle_only` a match is a known value that comes back after so long.
//!
//! What is older than history and `min_age` together makes no difference, so that who begins there comes to the same
//! matches: a life of at least `min_age` has an event in the history before that. Events are counted within the history
//! alone, by eighths of it, which end where they end for every group.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::hit::{Hit, Seen, events_in, pairs};
use super::super::words::Word;
use super::{Contribution, Kind, Match, shown_span};

/// A term that is new within `history` microseconds.
#[derive(Debug)]
pub(crate) struct NewTerms {
    pub history: i64,
    pub min_age: i64,
    pub min_events: f64,
    pub idle: Option<i64>,
    /// What the term is called.
    pub field: String,
}

/// In so many parts of the history events are counted.
const PARTS: usize = 8;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    since: i64,
    last: i64,
    /// Events in the part of the history that holds the last one, and in those before it.
    events: [u32; PARTS],
    #[serde(with = "pairs")]
    terms: HashMap<u128, i64>,
    /// When old terms were last let go.
    swept: i64,
}

impl Known {
    fn events(&self) -> u64 {
        self.events.iter().copied().map(u64::from).sum()
    }

    /// Counts no longer what lies too many parts behind a time.
    fn age(&mut self, time: i64, history: i64) {
        let part = |time: i64| time.div_euclid((history / PARTS as i64).max(1));
        let parts = part(time).saturating_sub(part(self.last)).max(0);
        let parts = usize::try_from(parts).map_or(PARTS, |parts| parts.min(PARTS));
        self.events.rotate_right(parts);
        self.events.iter_mut().take(parts).for_each(|events| *events = 0);
    }

    /// Lets go what is older than the history, once in a while.
    fn sweep(&mut self, time: i64, history: i64) {
        if time.saturating_sub(self.swept) > history / 4 {
            self.terms.retain(|_, last| time.saturating_sub(*last) <= history);
            self.swept = time;
        }
    }
}

impl NewTerms {
    /// Takes the events of one term at one time: of no use to themselves, nor to another term of this time.
    fn see(&self, state: &mut Known, time: i64, term: &Word, seen: Vec<Seen>, found: &mut Vec<Match>) {
        let hash = term.bits();
        if self.is_match(state, time, hash) {
            let contribution = Contribution::of(seen).with(&self.field, Value::from(term.text()));
            found.push(Match {
                time,
                term: Some(term.text().into()),
                adds: contribution.count,
                contribution: Some(contribution),
            });
        }
        state.terms.insert(hash, time);
    }

    fn is_match(&self, state: &Known, time: i64, term: u128) -> bool {
        let warm =
            time.saturating_sub(state.since) >= self.min_age && state.events() as f64 >= self.min_events;
        let away = state.terms.get(&term).map(|last| time.saturating_sub(*last));
        let known = away.filter(|away| *away <= self.history);
        warm && match self.idle {
            None => known.is_none(),
            Some(idle) => known.is_some_and(|away| away >= idle),
        }
    }
}

impl Kind for NewTerms {
    type Detail = Word;
    type State = Known;

    fn tick(&self, state: &mut Known, time: i64, hits: &[Hit<Word>], found: &mut Vec<Match>) {
        // of a group that lives the term that it had last is known
        if state.terms.is_empty() || time.saturating_sub(state.last) > self.history {
            *state = Known { since: time, swept: time, last: time, ..Known::default() };
        }
        state.sweep(time, self.history);
        state.age(time, self.history);
        match hits {
            // as nearly always
            [hit] => self.see(state, time, &hit.detail, vec![hit.seen], found),
            hits => {
                let mut by_term: Vec<&Hit<Word>> = hits.iter().collect();
                by_term.sort_by(|a, b| a.detail.cmp(&b.detail));
                for of_term in by_term.chunk_by(|a, b| a.detail == b.detail) {
                    let seen = of_term.iter().map(|hit| hit.seen).collect();
                    self.see(state, time, &of_term[0].detail, seen, found);
                }
            }
        }
        if let Some(events) = state.events.first_mut() {
            *events = events.saturating_add(u32::try_from(events_in(hits)).unwrap_or(u32::MAX));
        }
        state.last = time;
    }

    fn makes_no_match(&self, state: &Known, time: i64, term: &Word) -> bool {
        // hits between can only make the term better known, and keep the group's life going
        let longest = self.idle.map_or(self.history, |idle| self.history.min(idle.saturating_sub(1)));
        let last = state.terms.get(&term.bits());
        last.is_some_and(|last| time.saturating_sub(*last) <= longest)
    }

    fn memory(&self) -> i64 {
        self.history
    }

    fn progress(&self, state: &Known, _: i64) -> f64 {
        // a group that has a history is dear: forgetting it makes all its terms new
        1.0 - 1.0 / (1.0 + state.events() as f64)
    }

    fn describe(&self, state: &Known, time: i64) -> String {
        let age = shown_span(time.saturating_sub(state.since).max(0) / 1_000_000 * 1_000_000);
        let needs = format!("{} and {} events", shown_span(self.min_age), self.min_events);
        let (terms, events) = (state.terms.len(), state.events());
        format!("{terms} known values of {} from {events} events in {age} (needed: {needs})", self.field)
    }

    fn heap(&self, state: &Known) -> usize {
        state.terms.capacity() * 40
    }

    fn mark(&self, _: &Known, _: &mut dyn FnMut(&Seen)) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::words::Words;
    use super::*;

    /// Of a term that was seen at 1,000, in a history of 40.
    #[test]
    fn a_term_that_is_known_well_enough_makes_no_match() {
        let mut words = Words::default();
        let (known, other) = (words.get("a"), words.get("b"));
        for (idle, term, time, expected) in [
            (None, &known, 1_040, true),
            (None, &known, 1_041, false),
            (None, &other, 1_001, false),
            (Some(10), &known, 1_009, true),
            (Some(10), &known, 1_010, false),
        ] {
            let kind = NewTerms { history: 40, min_age: 0, min_events: 0.0, idle, field: "f".into() };
            let mut state = Known::default();
            let hit = Hit { seen: Seen::derived(1_000, "e"), detail: known.clone() };
            kind.tick(&mut state, 1_000, &[hit], &mut Vec::new());
            assert_eq!(kind.makes_no_match(&state, time, term), expected, "{idle:?} {time}");
        }
    }

    proptest! {
        /// What is said to make no match makes none, whatever else the group gets before it.
        #[test]
        fn what_makes_no_match_makes_none_whatever_comes_between(
            history in 5i64..40,
            idle in prop::option::of(1i64..40),
            before in prop::collection::vec((1i64..20, 0usize..3), 1..8),
            between in prop::collection::vec((1i64..20, 0usize..3), 0..8),
            (gap, term) in (1i64..40, 0usize..3),
        ) {
            let kind = NewTerms { history, min_age: 0, min_events: 0.0, idle, field: "f".into() };
            let mut words = Words::default();
            let (mut state, mut time) = (Known::default(), 1_000);
            let mut tick = |state: &mut Known, time: i64, term: usize| {
                let seen = Seen::derived(time, &format!("{time}"));
                let hit = Hit { seen, detail: words.get(["a", "b", "c"][term]) };
                let sure = kind.makes_no_match(state, time, &hit.detail);
                let mut found = Vec::new();
                kind.tick(state, time, &[hit], &mut found);
                (sure, found.len())
            };
            for (gap, term) in before {
                time += gap;
                tick(&mut state, time, term);
            }
            let at = time + gap;
            let (sure, _) = tick(&mut state.clone(), at, term);
            for (gap, term) in between {
                time += gap;
                if time < at {
                    tick(&mut state, time, term);
                }
            }
            let (_, matches) = tick(&mut state, at, term);
            prop_assert!(!sure || matches == 0, "{} matches", matches);
        }
    }
}
