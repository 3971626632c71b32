//! `value_count` with `gt` or `gte`: at least so many different values within a window.
//!
//! A group remembers the N values that were seen last, each with its last event: the condition depends on
//! the N-th of them alone, and a value that was let go has N others that are younger and get only younger.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use super::super::hit::{Hit, Seen, Used, Word};
use super::super::pending::Pending;
use super::super::pending::grow;
use super::{Contribution, Fresh, Kind, Match, fresh_times, seen_of, shown_span};

/// At least `least` different values within `window` microseconds.
#[derive(Debug)]
pub(crate) struct ValueCount {
    pub least: usize,
    pub window: i64,
    /// How the values are called in an alert; without a name they are not shown.
    pub shown: Option<String>,
}

/// The values that were seen last. Hashes and times lie by themselves: they are what is searched.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Recent {
    keys: Vec<(u64, i64)>,
    values: Vec<(SmolStr, Seen)>,
}

impl Recent {
    fn put(&mut self, word: &Word, seen: Seen) {
        let is_it =
            |(at, (hash, _)): (usize, &(u64, i64))| *hash == word.hash && self.values[at].0 == word.text;
        let known = self.keys.iter().enumerate().position(is_it);
        match known {
            Some(at) => {
                self.keys[at].1 = seen.time;
                self.values[at].1 = seen;
            }
            None => {
                grow(&mut self.keys);
                grow(&mut self.values);
                self.keys.push((word.hash, seen.time));
                self.values.push((word.text.clone(), seen));
            }
        }
    }

    /// Whether a pending hit's value is there without it since a time.
    fn has_since(&self, hit: &Hit<Word>, pending: &Pending<Word>, time: i64) -> bool {
        let hash = hit.detail.hash;
        let mut before = pending.newest(time).filter(|other| other.seen != hit.seen);
        before.any(|other| other.detail.hash == hash)
            || self.keys.iter().any(|(other, last)| *other == hash && *last >= time)
    }

    fn since(&self, time: i64) -> usize {
        self.keys.iter().filter(|(_, last)| *last >= time).count()
    }

    /// Lets all go but the `most` youngest; of equal ones the first in the alphabet stay.
    fn keep(&mut self, most: usize, since: i64) {
        if self.keys.len() <= most && self.keys.iter().all(|(_, last)| *last >= since) {
            return;
        }
        let mut order: Vec<usize> = (0..self.keys.len()).filter(|&at| self.keys[at].1 >= since).collect();
        if order.len() > most {
            let (keys, values) = (&self.keys, &self.values);
            order.sort_unstable_by(|&a, &b| {
                keys[b].1.cmp(&keys[a].1).then_with(|| values[a].0.cmp(&values[b].0))
            });
            order.truncate(most);
        }
        let mut stays = vec![false; self.keys.len()];
        order.iter().for_each(|&at| stays[at] = true);
        let mut flags = stays.iter();
        self.keys.retain(|_| flags.next() == Some(&true));
        let mut flags = stays.iter();
        self.values.retain(|_| flags.next() == Some(&true));
    }
}

/// Different values up to which they are counted in place; of more it is cheaper to fold the group.
const COUNTED: usize = 96;

impl ValueCount {
    /// Whether there are enough different ones among these; may say so too often.
    fn are_enough(&self, hashes: impl Iterator<Item = u64>) -> bool {
        let mut table = [0u64; 256];
        let mut different = 0;
        for hash in hashes {
            // 0 is an empty place
            let hash = hash.max(1);
            let mut at = (hash % 256) as usize;
            while table[at] != 0 && table[at] != hash {
                at = (at + 1) % 256;
            }
            if table[at] == 0 {
                table[at] = hash;
                different += 1;
                if different >= self.least || different > COUNTED {
                    return true;
                }
            }
        }
        false
    }
}

impl Kind for ValueCount {
    type Detail = Word;
    type State = Recent;

    fn tick(&self, state: &mut Recent, time: i64, hits: &[Hit<Word>], found: &mut Vec<Match>) {
        let start = time.saturating_sub(self.window);
        // what the last tick left over is let go now: until then it may be asked what made the match.
        // Twice the room is let be used, so that sorting is rare
        if state.keys.len() >= 2 * self.least {
            state.keep(self.least, start);
        }
        for hit in hits {
            state.put(&hit.detail, hit.seen);
            // however many values one time brings, those that stay are few
            if state.keys.len() > 2 * self.least + 64 {
                state.keep(self.least, start);
            }
        }
        if state.keys.len() >= self.least && state.since(start) >= self.least {
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
        let mut values: Vec<&str> = recent.values.iter().map(|(value, _)| value.as_str()).collect();
        values.extend(hits.iter().map(|hit| hit.detail.text.as_str()));
        values.sort_unstable();
        values.dedup();
        values.truncate(crate::limits::MAX_EVIDENCE);
        let values: Vec<Value> = values.into_iter().map(Value::from).collect();
        let contribution =
            Contribution::of(recent.values.iter().map(|(_, seen)| *seen).chain(seen_of(hits)).collect());
        match &self.shown {
            Some(name) => contribution.with(name, values),
            None => contribution,
        }
    }

    fn could_match(&self, state: &Recent, pending: &Pending<Word>, fresh: Fresh) -> bool {
        if state.keys.len() + pending.len() < self.least {
            return false;
        }
        // most groups are that far away: so few hits cannot hold so many values
        let start = fresh.time.saturating_sub(self.window);
        if state.since(start) + pending.count_from(start, self.least) < self.least {
            return false;
        }
        let Some(times) = fresh_times(pending, fresh.time) else { return true };
        let mut newest = pending.newest(fresh.time);
        if let (true, Some(hit), None) = (fresh.is_quiet, newest.next(), newest.next())
            && state.has_since(hit, pending, hit.seen.time.saturating_sub(self.window))
        {
            // one hit, later than all others, of a value that the window has: it had as many values before,
            // and those were too few
            return false;
        }
        times.into_iter().any(|time| {
            let start = time.saturating_sub(self.window);
            let known = state.keys.iter().filter(|(_, last)| *last >= start).map(|(hash, _)| *hash);
            let hits = pending.newest(start).filter(|hit| hit.seen.time <= time);
            self.are_enough(known.chain(hits.map(|hit| hit.detail.hash)))
        })
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
        state.keys.capacity() * 16
            + state.values.capacity() * size_of::<(SmolStr, Seen)>()
            + state.values.iter().map(|(value, _)| value.len()).sum::<usize>()
    }

    fn mark(&self, state: &Recent, used: &mut Used) {
        state.values.iter().for_each(|(_, seen)| used.mark(seen));
    }
}
