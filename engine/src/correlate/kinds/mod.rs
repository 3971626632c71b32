//! The correlation types, one file each: what a group remembers, and when it is a match.
//!
//! In: the hits of one group, one time after the other, each time with all its hits. Out: matches. A type
//! never sees hits out of order and never sees one twice: what stands before it sees to that. It keeps no
//! more than its condition needs.
//!
//! | mode | a match is known | types |
//! |---|---|---|
//! | sliding | as soon as its hits are there: more hits cannot undo it | counts and sums with `gt`, `gte`; `temporal` without `not`; `temporal_ordered` |
//! | forward | when the window after it has passed | `temporal` with `not` |
//! | tumbling | when its window, aligned to 1970, has passed | other comparisons; averages, percentiles |
//! | final | when all before it is known | `new_terms`, `impossible_travel`, `rate_baseline` |

mod event_count;
mod impossible_travel;
mod new_terms;
mod rate_baseline;
mod temporal;
mod temporal_forward;
mod temporal_ordered;
mod tumbling;
mod value_count;
mod value_sum;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::hit::{Detail, Hit, Seen};
use super::pending::Pending;
use super::words::{Word, Words};
pub(crate) use event_count::EventCount;
pub(crate) use impossible_travel::ImpossibleTravel;
pub(crate) use new_terms::NewTerms;
pub(crate) use rate_baseline::RateBaseline;
pub(crate) use temporal::{Presence, Temporal};
pub(crate) use temporal_forward::TemporalForward;
pub(crate) use temporal_ordered::TemporalOrdered;
pub(crate) use tumbling::{Amounts, Count, Rules, Statistic, Tumbling, Values};
pub(crate) use value_count::ValueCount;
pub(crate) use value_sum::ValueSum;

/// A correlation type.
pub(crate) trait Kind: Debug {
    /// What it keeps of a hit beside the event.
    type Detail: Detail + Debug;
    /// What a group remembers.
    type State: Default + Clone + Debug + Serialize + DeserializeOwned;

    /// Takes all hits of one time, in the order of their ids.
    fn tick(&self, state: &mut Self::State, time: i64, hits: &[Hit<Self::Detail>], found: &mut Vec<Match>);

    /// Learns that no further hit will be as old as `upto`.
    fn pass(&self, _state: &mut Self::State, _upto: i64, _found: &mut Vec<Match>) {}

    /// The earliest time that a match may still have, once all up to `upto` is known.
    fn horizon(&self, _state: &Self::State, upto: i64) -> i64 {
        upto.saturating_add(1)
    }

    /// When [`Kind::pass`] has something to do, if ever.
    fn due(&self, _state: &Self::State) -> Option<i64> {
        None
    }

    /// How long after its last hit a group is remembered.
    fn memory(&self) -> i64;

    /// Whether a match is known at once.
    fn is_sliding(&self) -> bool {
        false
    }

    /// For sliding types: what made the match that the last tick was.
    fn contribution(&self, _state: &Self::State, _time: i64, _hits: &[Hit<Self::Detail>]) -> Contribution {
        Contribution::default()
    }

    /// What a group with these hits to come lacks for a match at a time at which it is not known to match,
    /// where only hits from `fresh` on have not been looked at. May say that less is lacking than is. `told` is
    /// false where the hits before those make no match by themselves.
    fn lack(&self, _state: &Self::State, _pending: &Pending<Self::Detail>, _fresh: i64, _told: bool) -> Lack {
        Lack::NOTHING
    }

    /// Whether a hit that is still to come is sure to make no match and to be part of none, whatever else comes:
    /// then nobody will ask what it carries. `state` knows hits of earlier times, maybe not all of them.
    fn makes_no_match(&self, _state: &Self::State, _time: i64, _detail: &Self::Detail) -> bool {
        false
    }

    /// How near the group is to a match, from 0 to 1. What is nearest is forgotten last.
    fn progress(&self, state: &Self::State, time: i64) -> f64;

    /// What the group has and what it lacks, for people.
    fn describe(&self, state: &Self::State, time: i64) -> String;

    /// Bytes that the state holds elsewhere.
    fn heap(&self, state: &Self::State) -> usize;

    /// After a state was read from a snapshot: its words are put where the others are.
    fn adopt(&self, _state: &mut Self::State, _words: &mut Words) {}

    /// Calls `see` with the events that the state remembers: no other of the past makes a match.
    fn mark(&self, state: &Self::State, see: &mut dyn FnMut(&Seen));
}

/// How many hits a group lacks at least before it can match. As many may come before it must be looked at
/// again: that is what makes hits of a group far from its threshold cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lack {
    /// None where it could match as it is.
    pub hits: u32,
    /// Said of windows that end from this time on, and so of hits from this time on.
    pub from: i64,
}

impl Lack {
    /// It could match.
    pub const NOTHING: Self = Self { hits: 0, from: i64::MIN };

    /// It cannot match as it is, and of what the next hit does nothing is said.
    pub const ONE: Self = Self { hits: 1, from: i64::MIN };

    /// No window at all holds more than `most` of `least`.
    fn everywhere(least: usize, most: usize) -> Self {
        Self::since(i64::MIN, least, most)
    }

    /// No window that ends from a time on holds more than `most` of `least`.
    fn since(from: i64, least: usize, most: usize) -> Self {
        // to say that it lacks less than it does is no mistake
        Self { hits: u32::try_from(least.saturating_sub(most)).unwrap_or(u32::MAX), from }
    }
}

/// So many times are looked at by themselves; of more it is cheaper to fold all.
const LOOKED_AT: usize = 8;

/// The times of hits from `fresh` on; `None` where they are many.
fn fresh_times<D: Detail>(pending: &Pending<D>, fresh: i64) -> Option<Vec<i64>> {
    let mut times: Vec<i64> = pending.newest(fresh).take(LOOKED_AT + 1).map(|hit| hit.seen.time).collect();
    let is_few = times.len() <= LOOKED_AT;
    times.dedup();
    is_few.then_some(times)
}

/// A match of a group.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    /// When.
    pub time: i64,
    /// The term that is new; alerts on two terms are two.
    pub term: Option<Box<str>>,
    /// How many events it adds to an alert that is there already.
    pub adds: u64,
    /// What made it; sliding types tell when they are asked.
    pub contribution: Option<Contribution>,
}

impl Match {
    /// The match of a sliding type.
    pub fn sliding(time: i64) -> Self {
        Self { time, term: None, adds: 0, contribution: None }
    }
}

/// What made a match.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contribution {
    /// The events, in order; of very many the first. One that means several things is there as often.
    pub seen: Vec<Seen>,
    /// Of types that look at texts, what each of those had there.
    pub values: Vec<Word>,
    /// Others that are shown beside them.
    pub beside: Vec<Seen>,
    /// How many there are.
    pub count: u64,
    /// What was found, under names that an alert shows.
    pub fields: Map<String, Value>,
}

impl Contribution {
    /// Events and nothing else.
    pub fn of(mut seen: Vec<Seen>) -> Self {
        seen.sort_unstable_by_key(|seen| (*seen, seen.meaning));
        seen.dedup_by_key(|seen| (*seen, seen.meaning));
        Self { count: different(&seen), seen, ..Self::default() }
    }

    /// Events with what they had where the type looks.
    pub fn of_values(mut all: Vec<(Seen, Word)>) -> Self {
        let order = |(a, of_a): &(Seen, Word), (b, of_b): &(Seen, Word)| {
            (a, a.meaning, of_a).cmp(&(b, b.meaning, of_b))
        };
        all.sort_unstable_by(order);
        all.dedup_by(|a, b| order(a, b).is_eq());
        let (seen, values): (Vec<Seen>, Vec<Word>) = all.into_iter().unzip();
        Self { count: different(&seen), seen, values, ..Self::default() }
    }

    /// With something to show.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// How many events are in a list in which equal ones stand together.
fn different(seen: &[Seen]) -> u64 {
    seen.chunk_by(|a, b| a == b).count() as u64
}

/// The events of some hits.
fn seen_of<D>(hits: &[Hit<D>]) -> impl Iterator<Item = Seen> + '_ {
    hits.iter().map(|hit| hit.seen)
}

/// A number of billionths as people write it: whole where it is.
pub(crate) fn shown_number(billionths: i128) -> Value {
    match (billionths % BILLION, i64::try_from(billionths / BILLION)) {
        (0, Ok(whole)) => whole.into(),
        _ => number_of(billionths).into(),
    }
}

/// One, in billionths.
pub(crate) const BILLION: i128 = 1_000_000_000;

/// Billionths as a float.
pub(crate) fn number_of(billionths: i128) -> f64 {
    billionths as f64 / BILLION as f64
}

/// A span of microseconds as rules write it.
pub(crate) fn shown_span(micros: i64) -> String {
    let units =
        [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];
    match units.iter().find(|(_, length)| micros % length == 0) {
        Some((unit, length)) => format!("{}{unit}", micros / length),
        None => format!("{micros}µs"),
    }
}
