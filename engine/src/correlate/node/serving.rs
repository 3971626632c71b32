//! How a correlation serves whoever drives it, and what a snapshot holds of it.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use serde::{Deserialize, Serialize};

use super::{FEW, Finite, Group, Look, NEVER, Node, Told};
use crate::correlate::about::About;
use crate::correlate::fold::{Body, Fold, OpenKey, Outcome};
use crate::correlate::hit::{Detail, Hit, Used};
use crate::correlate::kinds::Kind;
use crate::correlate::machine::{Arrival, Emitted, Explained, Machine, Offer};
use crate::correlate::pending::Pending;
use crate::limits::MAX_FOLDED_AHEAD;

/// What a snapshot holds of a correlation: its watermark, its groups, and what its hits mean to others.
type Contents<S, D> = (i64, Vec<Kept<S, D>>, About);

/// What a snapshot holds of a group, as it is read.
#[derive(Deserialize)]
#[serde(bound = "S: Serialize + serde::de::DeserializeOwned, D: Detail")]
struct Kept<S, D> {
    key: Box<str>,
    fold: Fold<S>,
    pending: Pending<D>,
    told: BTreeMap<OpenKey, Body>,
    fresh: i64,
    last: i64,
}

/// The same as it is written: of groups that stay where they are.
#[derive(Serialize)]
#[serde(bound = "S: Serialize + serde::de::DeserializeOwned, D: Detail")]
struct Keeping<'g, S, D> {
    key: &'g str,
    fold: &'g Fold<S>,
    pending: &'g Pending<D>,
    told: &'g BTreeMap<OpenKey, Body>,
    fresh: i64,
    last: i64,
}

impl<K> Machine for Node<K>
where
    K: Kind + Send + Sync,
    K::State: Send + Sync,
    K::Detail: Send + Sync,
{
    fn offer(&mut self, arrival: &Arrival<'_>) -> Offer {
        let time = arrival.seen.time;
        if time <= self.watermark {
            return Offer::Late;
        }
        let Some(detail) = K::Detail::of(arrival.members, arrival.value, &mut self.words) else {
            return Offer::Known;
        };
        let slot = self.slot(arrival.key);
        let Some(group) = self.groups.get_mut(slot) else { return Offer::Known };
        let means_nothing = self.kind.makes_no_match(&group.fold.state, time, &detail);
        let (hit, known) = group.pending.insert(Hit { seen: arrival.seen, detail });
        if !means_nothing {
            hit.seen.meaning = self.about.learn(hit.seen.meaning, arrival);
        }
        if known.is_some_and(|detail| !hit.detail.merge(detail)) {
            return Offer::Known;
        }
        if !group.lacks_still(time) {
            if !group.look.is_fresh() {
                self.touched.push(slot);
            }
            group.look = Look::Fresh(group.look.fresh().min(time));
        }
        if let Some(told) = &mut group.told {
            told.unfolded += 1;
        }
        group.last = group.last.max(time);
        if group.pending.first() == Some(time) || group.pending.len() == FEW + 1 {
            self.schedule(slot, false);
        }
        Offer::Taken
    }

    fn commit(&mut self, out: &mut Emitted) {
        let mut touched = std::mem::take(&mut self.touched);
        // matches that are told when they are final, and to nobody else, need not be known before
        let is_early = self.how.tells || self.how.shows && !self.how.carries;
        if self.kind.is_sliding() && is_early {
            let mut room = MAX_FOLDED_AHEAD;
            touched.retain(|slot| !self.fold_ahead(*slot, &mut room, out));
            for slot in &touched {
                self.schedule(*slot, true);
            }
        } else {
            for slot in touched.drain(..) {
                if let Some(group) = self.groups.get_mut(slot) {
                    group.look = Look::NOTHING;
                }
            }
        }
        self.touched = touched;
    }

    fn advance(&mut self, upto: i64, out: &mut Emitted) {
        if upto <= self.watermark {
            return;
        }
        self.watermark = upto;
        let later = self.agenda.split_off(&upto.saturating_add(1));
        for (due, slots) in std::mem::replace(&mut self.agenda, later) {
            self.entries -= slots.len();
            for slot in slots {
                // an entry may be there twice, or belong to a group that is gone
                if self.groups.get(slot).is_some_and(|group| group.due == due) {
                    self.fold_due(slot, out);
                }
            }
        }
        self.sweep();
    }

    fn put(&mut self, arrival: Arrival<'_>, out: &mut Emitted) {
        let Some(detail) = K::Detail::of(arrival.members, arrival.value, &mut self.words) else { return };
        let hit = Hit { seen: arrival.seen, detail };
        let finite = self.finite.get_or_insert_with(|| Finite {
            key: arrival.key.into(),
            fold: Fold::default(),
            tick: Vec::new(),
            events: 0,
            nearest: None,
            alerts: 0,
        });
        if finite.tick.last().is_some_and(|last| last.seen.time < hit.seen.time) {
            self.flush_tick(out);
            self.pass_finite(hit.seen.time.saturating_sub(1), out);
            self.sweep();
        }
        let Some(finite) = &mut self.finite else { return };
        let means_nothing = self.kind.makes_no_match(&finite.fold.state, hit.seen.time, &hit.detail);
        let at = match finite.tick.binary_search(&hit) {
            Ok(at) => {
                finite.tick[at].detail.merge(hit.detail);
                at
            }
            Err(at) => {
                finite.tick.insert(at, hit);
                at
            }
        };
        if !means_nothing {
            let seen = &mut finite.tick[at].seen;
            seen.meaning = self.about.learn(seen.meaning, &arrival);
        }
    }

    fn end_group(&mut self, out: &mut Emitted) {
        self.flush_tick(out);
        self.pass_finite(i64::MAX, out);
        let Some(mut finite) = self.finite.take() else { return };
        if let Some((progress, time, state)) = finite.nearest.take() {
            let (events, alerts) = (finite.events, finite.alerts);
            out.explained.push(Explained { key: finite.key.into(), progress, time, state, events, alerts });
        }
        self.about = About::default();
    }

    fn explain(&mut self) {
        self.explain = true;
        // of a group it is told how many alerts it is, also where they are shown to nobody
        self.how.tells = true;
    }

    fn bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(_, group)| group.bytes(&self.kind)).sum();
        groups + self.index.capacity() * 6 + self.entries * 6 + self.about.bytes() + self.words.bytes()
    }

    fn groups(&self) -> usize {
        self.groups.len()
    }

    fn has_group(&self, key: &str) -> bool {
        let is_it = |slot: &u32| self.groups.get(*slot).is_some_and(|group| *group.key == *key);
        self.index.find(self.hasher.hash_one(key), is_it).is_some()
    }

    fn relieve(&mut self, bytes: usize) -> u64 {
        let progress = |group: &Group<K>| {
            if group.told.is_some() {
                return 1.0;
            }
            let mut fold = group.fold.clone();
            let hits = group.pending.from(i64::MIN);
            for tick in hits.chunk_by(|a, b| a.seen.time == b.seen.time) {
                fold.tick(&self.kind, self.how, tick, &mut Outcome::default());
            }
            self.kind.progress(&fold.state, group.last)
        };
        let measured = self.groups.iter().map(|(slot, group)| (progress(group), group.last, slot));
        let mut groups: Vec<(f64, i64, u32)> = measured.collect();
        // the farthest first, of equal ones the oldest
        groups.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let (mut freed, mut gone) = (0, 0);
        for (_, _, slot) in groups {
            if freed >= bytes {
                break;
            }
            freed += self.groups.get(slot).map_or(0, |group| group.bytes(&self.kind));
            self.remove(slot);
            gone += 1;
        }
        self.touched.retain(|slot| self.groups.get(*slot).is_some_and(|group| group.look.is_fresh()));
        self.forget_unheld();
        gone
    }

    fn snapshot(&self, behind: Vec<u8>) -> Result<Vec<u8>, postcard::Error> {
        let mut groups: Vec<&Group<K>> = self.groups.iter().map(|(_, group)| group).collect();
        groups.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let nothing = BTreeMap::new();
        let groups = groups.into_iter().map(|group| Keeping {
            key: &group.key,
            fold: &group.fold,
            pending: &group.pending,
            told: group.told.as_ref().map_or(&nothing, |told| &told.alerts),
            fresh: group.look.fresh(),
            last: group.last,
        });
        let groups: Vec<Keeping<'_, K::State, K::Detail>> = groups.collect();
        postcard::to_extend(&(self.watermark, groups, &self.about), behind)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), postcard::Error> {
        let contents: Contents<K::State, K::Detail> = postcard::from_bytes(bytes)?;
        let (watermark, groups, about) = contents;
        (self.watermark, self.about) = (watermark, about);
        for mut kept in groups {
            self.kind.adopt(&mut kept.fold.state, &mut self.words);
            kept.pending.adopt(&mut self.words);
            let slot = self.slot(&kept.key);
            let Some(group) = self.groups.get_mut(slot) else { continue };
            group.fold = kept.fold;
            group.pending = kept.pending;
            group.look = if kept.fresh == NEVER { Look::NOTHING } else { Look::Fresh(kept.fresh) };
            group.last = kept.last;
            if !kept.told.is_empty() {
                group.told = Some(Box::new(Told { alerts: kept.told, ahead: None, unfolded: 0 }));
            }
            let group_is_behind = group.look.is_fresh();
            if group_is_behind {
                self.touched.push(slot);
            }
            self.schedule(slot, group_is_behind);
        }
        Ok(())
    }

    fn mark(&self, used: &mut Used) {
        for (_, group) in self.groups.iter() {
            group.each_seen(&self.kind, &mut |seen| used.mark(seen));
        }
        self.about.mark(used);
    }
}
