//! `value_count` with `gt` or `gte`: at least so many different values within a window.
//!
//! A group remembers the N values that were seen last, each with its last event: the condition depends on
//! the N-th of them alone, and a value that was let go has N others that are younger and get only younger.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::hit::{Hit, Seen};
use super::super::pending::Pending;
use super::super::pending::grow;
use super::super::words::{Word, Words};
use super::{Contribution, Kind, Lack, Match, fresh_times, shown_span};

/// At least `least` different values within `window` microseconds.
#[derive(Debug)]
pub(crate) struct ValueCount {
    pub least: usize,
    pub window: i64,
    /// How the values are called in an alert; without a name they are not shown.
    pub shown: Option<String>,
}

/// The values that were seen last. Each with its last time, which is what is searched; the events lie beside.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Recent {
    values: Vec<(Word, i64)>,
    seen: Vec<Seen>,
}

impl Recent {
    fn put(&mut self, word: &Word, seen: Seen) {
        match self.values.iter().position(|(known, _)| known == word) {
            Some(at) => (self.values[at].1, self.seen[at]) = (seen.time, seen),
            None => {
                grow(&mut self.values);
                grow(&mut self.seen);
                self.values.push((word.clone(), seen.time));
                self.seen.push(seen);
            }
        }
    }

    fn since(&self, time: i64) -> usize {
        self.values.iter().filter(|(_, last)| *last >= time).count()
    }

    /// Lets all go but the `most` youngest; of equal ones the first in the alphabet stay.
    fn keep(&mut self, most: usize, since: i64) {
        let values = &self.values;
        if values.len() <= most && values.iter().all(|(_, last)| *last >= since) {
            return;
        }
        let mut order: Vec<usize> = (0..values.len()).filter(|&at| values[at].1 >= since).collect();
        if order.len() > most {
            order.sort_unstable_by(|&a, &b| {
                values[b].1.cmp(&values[a].1).then_with(|| values[a].0.cmp(&values[b].0))
            });
            order.truncate(most);
        }
        let mut stays = vec![false; values.len()];
        order.iter().for_each(|&at| stays[at] = true);
        let mut flags = stays.iter();
        self.values.retain(|_| flags.next() == Some(&true));
        let mut flags = stays.iter();
        self.seen.retain(|_| flags.next() == Some(&true));
    }
}

/// Different values up to which they are counted in place; of more it is cheaper to fold the group.
const COUNTED: usize = 96;

impl ValueCount {
    /// How many different ones are among these, counted up to the threshold; may say more.
    fn different<'w>(&self, words: impl Iterator<Item = &'w Word>) -> usize {
        // an address is never 0, which is an empty place here
        let mut table = [0usize; 256];
        let mut different = 0;
        for number in words.map(Word::number) {
            // what is held stands at multiples of 16
            let mut at = (number / 16) % 256;
            while table[at] != 0 && table[at] != number {
                at = (at + 1) % 256;
            }
            if table[at] == 0 {
                table[at] = number;
                different += 1;
                if different >= self.least || different > COUNTED {
                    return self.least;
                }
            }
        }
        different
    }
}

impl Kind for ValueCount {
    type Detail = Word;
    type State = Recent;

    fn tick(&self, state: &mut Recent, time: i64, hits: &[Hit<Word>], found: &mut Vec<Match>) {
        let start = time.saturating_sub(self.window);
        // what the last tick left over is let go now: until then it may be asked what made the match.
        // Twice the room is let be used, so that sorting is rare
        if state.values.len() >= self.least.saturating_mul(2) {
            state.keep(self.least, start);
        }
        for hit in hits {
            state.put(&hit.detail, hit.seen);
            // however many values one time brings, those that stay are few
            if state.values.len() > self.least.saturating_mul(2).saturating_add(64) {
                state.keep(self.least, start);
            }
        }
        if state.values.len() >= self.least && state.since(start) >= self.least {
            found.push(Match::sliding(time));
        }
    }

    fn memory(&self) -> i64 {
        self.window
    }

    fn is_sliding(&self) -> bool {
        true
    }

    fn contribution(&self, state: &Recent, time: i64, hits: &[Hit<Word>]) -> Contribution {
        let mut recent = state.clone();
        recent.keep(self.least, time.saturating_sub(self.window));
        let mut values: Vec<&str> = recent.values.iter().map(|(value, _)| value.text()).collect();
        values.extend(hits.iter().map(|hit| hit.detail.text()));
        values.sort_unstable();
        values.dedup();
        values.truncate(crate::limits::MAX_EVIDENCE);
        let values: Vec<Value> = values.into_iter().map(Value::from).collect();
        let remembered =
            recent.seen.iter().zip(&recent.values).map(|(seen, (word, _))| (*seen, word.clone()));
        let all = remembered.chain(hits.iter().map(|hit| (hit.seen, hit.detail.clone())));
        let contribution = Contribution::of_values(all.collect());
        match &self.shown {
            Some(name) => contribution.with(name, values),
            None => contribution,
        }
    }

    fn lack(&self, state: &Recent, pending: &Pending<Word>, fresh: i64, _: bool) -> Lack {
        let all = state.values.len() + pending.len();
        if all < self.least {
            return Lack::everywhere(self.least, all);
        }
        // most groups are that far away: so few hits cannot hold so many values
        let start = fresh.saturating_sub(self.window);
        let most = state.since(start) + pending.count_from(start);
        if most < self.least {
            return Lack::since(fresh, self.least, most);
        }
        let Some(times) = fresh_times(pending, fresh) else { return Lack::NOTHING };
        let in_window = |time: i64| {
            let start = time.saturating_sub(self.window);
            let known = state.values.iter().filter(|(_, last)| *last >= start).map(|(word, _)| word);
            let hits = pending.newest(start).filter(|hit| hit.seen.time <= time);
            self.different(known.chain(hits.map(|hit| &hit.detail)))
        };
        Lack::since(fresh, self.least, times.into_iter().map(in_window).max().unwrap_or(0))
    }

    fn progress(&self, state: &Recent, time: i64) -> f64 {
        state.since(time.saturating_sub(self.window)) as f64 / self.least as f64
    }

    fn describe(&self, state: &Recent, time: i64) -> String {
        let name = self.shown.as_deref().unwrap_or("events or alerts");
        let values = state.since(time.saturating_sub(self.window));
        format!("{values} of {} different {name} within {}", self.least, shown_span(self.window))
    }

    fn heap(&self, state: &Recent) -> usize {
        state.values.capacity() * size_of::<(Word, i64)>() + state.seen.capacity() * size_of::<Seen>()
    }

    fn adopt(&self, state: &mut Recent, words: &mut Words) {
        state.values.iter_mut().for_each(|(word, _)| words.adopt(word));
    }

    fn mark(&self, state: &Recent, see: &mut dyn FnMut(&Seen)) {
        state.seen.iter().for_each(see);
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::hit::Seen;
    use super::super::super::words::Words;
    use super::*;

    #[test]
    fn a_bound_beyond_every_number_of_values_is_never_reached() {
        let kind = ValueCount { least: usize::MAX, window: 10, shown: None };
        let (mut state, mut words, mut found) = (Recent::default(), Words::default(), Vec::new());
        for time in 1..5 {
            let hit = Hit { seen: Seen::derived(time, "e"), detail: words.get(&time.to_string()) };
            kind.tick(&mut state, time, &[hit], &mut found);
        }
        assert!(found.is_empty());
    }
}
