//! The hits of a group that the watermark has not passed, in event-time order.
//!
//! In: hits as they arrive, in any order, also twice. Out: the same hits in order, each once. Few are one list, which
//! takes the least room; many are a list of lists, so that a hit that comes late finds its place without moving all
//! behind it. A tree would do that too, with a third of its room empty where hits come in order, as most do.

use serde::{Deserialize, Serialize};

use super::hit::{Detail, Hit};
use super::words::Words;

/// So many hits stand in one list.
const MANY: usize = 256;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "D: Detail")]
pub(crate) enum Pending<D> {
    Few(Vec<Hit<D>>),
    /// Boxed, for most groups hold one list.
    Many(Box<Lists<D>>),
}

impl<D: Detail> Default for Pending<D> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<D: Detail> Pending<D> {
    /// Puts a hit in its place, if it is not there already; gives the one that is there then, and the detail of the
    /// one that was known.
    pub fn insert(&mut self, hit: Hit<D>) -> (&mut Hit<D>, Option<D>) {
        if let Self::Few(hits) = self
            && hits.len() == MANY
        {
            let hits = std::mem::take(hits);
            *self = Self::Many(Box::new(Lists { count: hits.len(), lists: vec![hits] }));
        }
        match self {
            Self::Few(hits) => {
                let (at, known) = put(hits, hit);
                (&mut hits[at], known)
            }
            Self::Many(lists) => lists.insert(hit),
        }
    }

    /// After it was read from a snapshot.
    pub fn adopt(&mut self, words: &mut Words) {
        self.lists_mut().iter_mut().flatten().for_each(|hit| hit.detail.adopt(words));
    }

    fn lists(&self) -> &[Vec<Hit<D>>] {
        match self {
            Self::Few(hits) => std::slice::from_ref(hits),
            Self::Many(many) => &many.lists,
        }
    }

    fn lists_mut(&mut self) -> &mut [Vec<Hit<D>>] {
        match self {
            Self::Few(hits) => std::slice::from_mut(hits),
            Self::Many(many) => &mut many.lists,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Few(hits) => hits.len(),
            Self::Many(many) => many.count,
        }
    }

    /// The time of the first hit.
    pub fn first(&self) -> Option<i64> {
        self.iter().next().map(|hit| hit.seen.time)
    }

    /// Takes the hits up to a time, that one included.
    pub fn take_upto(&mut self, time: i64) -> Vec<Hit<D>> {
        match self {
            Self::Few(hits) => take_upto(hits, time),
            Self::Many(many) => {
                let whole = many.lists.partition_point(|list| ends_by(list, time));
                let mut taken: Vec<Hit<D>> = many.lists.drain(..whole).flatten().collect();
                if let Some(first) = many.lists.first_mut() {
                    taken.append(&mut take_upto(first, time));
                }
                many.count -= taken.len();
                if many.count < MANY / 2 {
                    *self = Self::Few(many.lists.drain(..).flatten().collect());
                }
                taken
            }
        }
    }

    /// The hits from a time on, that one included, in order.
    pub fn from(&self, time: i64) -> Vec<Hit<D>> {
        let mut from = Vec::with_capacity(self.count_from(time));
        let lists = self.lists();
        for list in &lists[lists.partition_point(|list| ends_before(list, time))..] {
            from.extend_from_slice(&list[list.partition_point(|hit| hit.seen.time < time)..]);
        }
        from
    }

    /// The hits from a time on, that one included, the newest first.
    pub fn newest(&self, time: i64) -> impl Iterator<Item = &Hit<D>> {
        let all = self.lists().iter().rev().flat_map(|list| list.iter().rev());
        all.take_while(move |hit| hit.seen.time >= time)
    }

    /// How many hits there are from a time on.
    pub fn count_from(&self, time: i64) -> usize {
        let lists = self.lists();
        let from = &lists[lists.partition_point(|list| ends_before(list, time))..];
        let before = from.first().map_or(0, |list| list.partition_point(|hit| hit.seen.time < time));
        from.iter().map(Vec::len).sum::<usize>() - before
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hit<D>> {
        self.lists().iter().flatten()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let hits: usize = self.lists().iter().map(Vec::capacity).sum();
        let beside = match self {
            Self::Few(_) => 0,
            Self::Many(many) => size_of::<Lists<D>>() + many.lists.capacity() * size_of::<Vec<Hit<D>>>(),
        };
        hits * size_of::<Hit<D>>() + beside
    }
}

/// Many hits: lists one behind the other, none of them empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "D: Detail")]
pub(crate) struct Lists<D> {
    count: usize,
    lists: Vec<Vec<Hit<D>>>,
}

impl<D: Detail> Lists<D> {
    fn insert(&mut self, hit: Hit<D>) -> (&mut Hit<D>, Option<D>) {
        let is_before = |list: &Vec<Hit<D>>| list.last().is_some_and(|last| *last < hit);
        let last = self.lists.len().saturating_sub(1);
        // most hits come in order, and belong to the last list or behind it
        let mut of = match self.lists.get(last) {
            Some(list) if is_before(list) => last,
            _ => self.lists.partition_point(is_before),
        };
        let is_behind = self.lists.get(of).is_none_or(is_before);
        let is_full = self.lists.get(of).is_none_or(|list| list.len() >= MANY);
        if is_full && is_behind {
            of = self.lists.len();
            self.lists.push(Vec::new());
        } else if is_full {
            let list = &mut self.lists[of];
            let behind = list.split_off(MANY / 2);
            list.shrink_to_fit();
            if *list.last().unwrap_or(&hit) < hit {
                of += 1;
                self.lists.insert(of, behind);
            } else {
                self.lists.insert(of + 1, behind);
            }
        }
        let (at, known) = put(&mut self.lists[of], hit);
        self.count += usize::from(known.is_none());
        (&mut self.lists[of][at], known)
    }
}

/// Puts a hit in its place in a list; where that is, and the detail of the hit if it is known there.
fn put<D: Detail>(hits: &mut Vec<Hit<D>>, hit: Hit<D>) -> (usize, Option<D>) {
    let place = match hits.last() {
        Some(last) if *last < hit => Err(hits.len()),
        _ => hits.binary_search(&hit),
    };
    match place {
        Ok(at) => (at, Some(hit.detail)),
        Err(at) => {
            grow_to(hits, MANY);
            hits.insert(at, hit);
            (at, None)
        }
    }
}

fn ends_by<D>(list: &[Hit<D>], time: i64) -> bool {
    list.last().is_none_or(|last| last.seen.time <= time)
}

fn ends_before<D>(list: &[Hit<D>], time: i64) -> bool {
    list.last().is_none_or(|last| last.seen.time < time)
}

fn take_upto<D>(hits: &mut Vec<Hit<D>>, time: i64) -> Vec<Hit<D>> {
    let end = hits.partition_point(|hit| hit.seen.time <= time);
    if end == hits.len() {
        return std::mem::take(hits);
    }
    let left = hits.split_off(end);
    std::mem::replace(hits, left)
}

/// Room for one more: most groups hold a few hits, and twice the room would be most of their memory.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    list.reserve_exact(more(list.len(), list.capacity(), usize::MAX));
}

/// The same for a list that never holds more than `most`.
fn grow_to<T>(list: &mut Vec<T>, most: usize) {
    list.reserve_exact(more(list.len(), list.capacity(), most));
}

/// By how much a list grows, of which most stay short: one by one first, for the allocator has a size for each.
pub(crate) fn more(length: usize, capacity: usize, most: usize) -> usize {
    match length < capacity {
        true => 0,
        false if length < 6 => 1,
        false => (length / 2).min(most.saturating_sub(length)).max(1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::hit::{Members, Seen};
    use super::*;

    fn hit(time: i64, id: u16, members: u64) -> Hit<Members> {
        Hit { seen: Seen::derived(time, &id.to_string()), detail: Members(members) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// They hold what a map of all hits by time and event holds, whatever the order in which hits come and go.
        #[test]
        fn pending_hits_are_those_of_a_map(
            steps in prop::collection::vec(
                // mostly hits that come in order, and now and then all up to a time are taken
                prop_oneof![
                    20 => (0i64..40, 0u16..6, 0u8..4).prop_map(|(back, id, bit)| (Some((back, id, bit)), 0)),
                    1 => (0i64..800).prop_map(|back| (None, back)),
                ],
                0..2_000,
            ),
            ahead in 1i64..4,
        ) {
            let (mut pending, mut expected) = (Pending::default(), BTreeMap::new());
            let mut now = 0;
            for (coming, back) in steps {
                match coming {
                    Some((late, id, bit)) => {
                        now += ahead;
                        let came = hit(now - late, id, 1 << bit);
                        let before = expected.insert((came.seen.time, came.seen.id()), 1u64 << bit);
                        let (there, known) = pending.insert(came);
                        prop_assert_eq!(known.is_some(), before.is_some());
                        if let Some(more) = known {
                            there.detail.merge(more);
                            *expected.get_mut(&(there.seen.time, there.seen.id())).unwrap() |= before.unwrap();
                            let all = expected[&(there.seen.time, there.seen.id())];
                            prop_assert_eq!(there.detail.0, all);
                        }
                    }
                    None => {
                        let upto = now - back;
                        let rest = expected.split_off(&(upto + 1, 0));
                        let gone = std::mem::replace(&mut expected, rest);
                        let taken = pending.take_upto(upto);
                        let taken: Vec<_> = taken.iter().map(|hit| ((hit.seen.time, hit.seen.id()), hit.detail.0)).collect();
                        prop_assert_eq!(taken, gone.into_iter().collect::<Vec<_>>());
                    }
                }
                prop_assert_eq!(pending.len(), expected.len());
                prop_assert_eq!(pending.first(), expected.keys().next().map(|(time, _)| *time));
            }
            let same = |hits: Vec<&Hit<Members>>, from: i64| {
                let hits: Vec<_> = hits.iter().map(|hit| ((hit.seen.time, hit.seen.id()), hit.detail.0)).collect();
                let all: Vec<_> = expected.range((from, 0)..).map(|(of, members)| (*of, *members)).collect();
                hits == all
            };
            prop_assert!(same(pending.iter().collect(), i64::MIN));
            for back in [0, 1, 7, 300, 5_000] {
                let from = now - back;
                prop_assert!(same(pending.from(from).iter().collect(), from));
                let mut newest: Vec<_> = pending.newest(from).collect();
                newest.reverse();
                prop_assert!(same(newest, from));
                prop_assert_eq!(pending.count_from(from), expected.range((from, 0)..).count());
            }
            let bytes = postcard::to_allocvec(&pending).unwrap();
            let read: Pending<Members> = postcard::from_bytes(&bytes).unwrap();
            prop_assert!(same(read.iter().collect(), i64::MIN));
        }
    }

    #[test]
    fn hits_that_come_in_order_leave_no_room_empty() {
        let mut pending = Pending::default();
        for number in 0..10 * MANY as u16 {
            pending.insert(hit(i64::from(number), 0, 1));
        }
        let hits = pending.len() * size_of::<Hit<Members>>();
        assert!(pending.bytes() < hits + hits / 50, "{} for {hits}", pending.bytes());
    }
}
