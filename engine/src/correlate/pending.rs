//! The hits of a group that the watermark has not passed, in event-time order.
//!
//! In: hits as they arrive, in any order, also twice. Out: the same hits in order, each once. Few are a
//! list, which takes the least room; many are a tree, in which a hit that comes late finds its place
//! without moving all behind it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::hit::{Detail, Hit};
use super::words::Words;

/// From so many hits on they are a tree.
const MANY: usize = 256;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "D: Detail")]
// boxed, for most groups hold a list and would have to hold the room of a tree
#[allow(clippy::box_collection)]
pub(crate) enum Pending<D> {
    Few(Vec<Hit<D>>),
    Many(Box<BTreeSet<Hit<D>>>),
}

impl<D: Detail> Default for Pending<D> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<D: Detail> Pending<D> {
    /// Puts a hit in its place; false where it is there already and says nothing new.
    pub fn insert(&mut self, hit: Hit<D>) -> bool {
        match self {
            Self::Few(hits) => {
                let place = match hits.last() {
                    Some(last) if *last < hit => Err(hits.len()),
                    _ => hits.binary_search(&hit),
                };
                match place {
                    Ok(at) => {
                        return hits[at].detail.merge(hit.detail);
                    }
                    Err(at) => {
                        grow(hits);
                        hits.insert(at, hit);
                    }
                }
                if hits.len() >= MANY {
                    *self = Self::Many(Box::new(std::mem::take(hits).into_iter().collect()));
                }
                true
            }
            Self::Many(hits) => match hits.take(&hit) {
                Some(mut known) => {
                    let changes = known.detail.merge(hit.detail);
                    hits.insert(known);
                    changes
                }
                None => hits.insert(hit),
            },
        }
    }

    /// After it was read from a snapshot.
    pub fn adopt(&mut self, words: &mut Words) {
        let adopted = |mut hit: Hit<D>| {
            hit.detail.adopt(words);
            hit
        };
        *self = match std::mem::take(self) {
            Self::Few(hits) => Self::Few(hits.into_iter().map(adopted).collect()),
            Self::Many(hits) => Self::Many(Box::new(hits.into_iter().map(adopted).collect())),
        };
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Few(hits) => hits.len(),
            Self::Many(hits) => hits.len(),
        }
    }

    /// The time of the first hit.
    pub fn first(&self) -> Option<i64> {
        match self {
            Self::Few(hits) => hits.first().map(|hit| hit.seen.time),
            Self::Many(hits) => hits.first().map(|hit| hit.seen.time),
        }
    }

    /// Takes the hits up to a time, that one included.
    pub fn take_upto(&mut self, time: i64) -> Vec<Hit<D>> {
        match self {
            Self::Few(hits) => {
                let end = hits.partition_point(|hit| hit.seen.time <= time);
                if end == hits.len() {
                    return std::mem::take(hits);
                }
                let left = hits.split_off(end);
                std::mem::replace(hits, left)
            }
            Self::Many(hits) => {
                let mut taken = Vec::new();
                while hits.first().is_some_and(|hit| hit.seen.time <= time) {
                    taken.extend(hits.pop_first());
                }
                if hits.len() < MANY / 2 {
                    *self = Self::Few(std::mem::take(&mut **hits).into_iter().collect());
                }
                taken
            }
        }
    }

    /// The hits from a time on, that one included, in order.
    pub fn from(&self, time: i64) -> Vec<Hit<D>> {
        match self {
            Self::Few(hits) => hits[hits.partition_point(|hit| hit.seen.time < time)..].to_vec(),
            // a tree has no place for a time alone: the hits are walked back from the newest
            Self::Many(_) => {
                let mut from: Vec<Hit<D>> = self.newest(time).cloned().collect();
                from.reverse();
                from
            }
        }
    }

    /// The hits from a time on, that one included, the newest first.
    pub fn newest(&self, time: i64) -> impl Iterator<Item = &Hit<D>> {
        let (few, many) = match self {
            Self::Few(hits) => (hits.as_slice(), None),
            Self::Many(hits) => (&[][..], Some(hits.iter().rev())),
        };
        let all = few.iter().rev().chain(many.into_iter().flatten());
        all.take_while(move |hit| hit.seen.time >= time)
    }

    /// How many hits there are from a time on, counted up to a most.
    pub fn count_from(&self, time: i64, most: usize) -> usize {
        match self {
            Self::Few(hits) => hits.len() - hits.partition_point(|hit| hit.seen.time < time),
            Self::Many(_) => self.newest(time).take(most).count(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hit<D>> {
        let (few, many) = match self {
            Self::Few(hits) => (hits.as_slice(), None),
            Self::Many(hits) => (&[][..], Some(hits.iter())),
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Few(hits) => hits.capacity() * size_of::<Hit<D>>(),
            // about a third of a tree's nodes is empty
            Self::Many(hits) => hits.len() * (size_of::<Hit<D>>() * 3 / 2),
        }
    }
}

/// Room for one more: most groups hold a few hits, and twice the room would be most of their memory.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(if list.len() < 6 { 1 + list.len() / 3 } else { list.len() });
    }
}
