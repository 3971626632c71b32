//! One correlation: its groups, live or over finite input.
//!
//! In: arrivals. Live they come in any order, and a watermark says which times are complete; finite input
//! comes group after group in order. Out: alerts and matches. Both ways take the same steps
//! ([`super::fold`]), so that they say the same.
//!
//! Live, a group is a *fold* over all hits that the watermark has passed, and the hits that it has not. Of
//! sliding types those are folded ahead after every batch, on a copy: what matches there matches for good,
//! and its alert goes out at once. The body that goes out when the bucket is over is that of the fold.

mod serving;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::about::About;
use super::carried::Elsewhere;
use super::fold::{Body, Fold, Folding, MatchPoint, OpenKey, Outcome};
use super::hit::{Hit, Seen};
use super::kinds::{Kind, Lack};
use super::machine::{Emitted, Fed, Raised};
use super::pending::Pending;
use super::slab::Slab;
use super::words::Words;
use crate::limits::{MAX_FOLDED_AGAIN, MAX_FOLDED_AT_ONCE};

/// A correlation of one type.
#[derive(Debug)]
pub(crate) struct Node<K: Kind> {
    kind: K,
    how: Folding,
    groups: Slab<Group<K>>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// When which group has something to do; an entry that is not the group's own any more is skipped.
    agenda: BTreeMap<i64, Vec<u32>>,
    entries: usize,
    /// Groups with arrivals that have not been folded ahead.
    touched: Vec<u32>,
    watermark: i64,
    about: About,
    elsewhere: Elsewhere,
    words: Words,
    finite: Option<Finite<K>>,
    explain: bool,
    /// Hits may wait so long after the watermark before they are folded, so that many are folded at once.
    grain: i64,
}

#[derive(Debug)]
struct Group<K: Kind> {
    key: Box<str>,
    fold: Fold<K::State>,
    pending: Pending<K::Detail>,
    told: Option<Box<Told<K::State>>>,
    look: Look,
    /// The latest arrival.
    last: i64,
    due: i64,
}

/// Whether a group is to be looked at. The two exclude each other, so that they share their room.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Yes: this is the earliest arrival that has not been folded ahead.
    Fresh(i64),
    /// No: what it lacked when it was last looked at, less what has come since. See [`Lack`].
    Lacks { hits: u32, from: i64 },
}

impl Look {
    const NOTHING: Self = Self::Lacks { hits: Lack::NOTHING.hits, from: Lack::NOTHING.from };

    /// The earliest arrival that has not been folded ahead, and `NEVER` where all have been.
    fn fresh(self) -> i64 {
        match self {
            Self::Fresh(time) => time,
            Self::Lacks { .. } => NEVER,
        }
    }

    fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(_))
    }
}

impl From<Lack> for Look {
    fn from(Lack { hits, from }: Lack) -> Self {
        Self::Lacks { hits, from }
    }
}

const NEVER: i64 = i64::MAX;

/// So many hits may wait though the watermark has passed them: folding them one by one would cost more.
const FEW: usize = 16;

/// Of a group with alerts that are not final: what has gone out, and a fold ahead.
#[derive(Debug)]
struct Told<S> {
    alerts: BTreeMap<OpenKey, Body>,
    /// All pending hits up to that time, folded: where the next folding may go on.
    ahead: Option<(i64, Fold<S>)>,
    /// Hits that have come since then.
    unfolded: usize,
}

impl<S> Default for Told<S> {
    fn default() -> Self {
        Self { alerts: BTreeMap::new(), ahead: None, unfolded: 0 }
    }
}

#[derive(Debug)]
struct Finite<K: Kind> {
    key: Box<str>,
    fold: Fold<K::State>,
    tick: Vec<Hit<K::Detail>>,
    events: u64,
    nearest: Option<(f64, i64, String)>,
    alerts: usize,
}

impl<K: Kind> Node<K> {
    pub fn new(kind: K, how: Folding, grain: i64, elsewhere: Elsewhere) -> Self {
        Self {
            kind,
            how,
            groups: Slab::default(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            agenda: BTreeMap::new(),
            entries: 0,
            touched: Vec::new(),
            watermark: i64::MIN,
            about: About::default(),
            elsewhere,
            words: Words::default(),
            finite: None,
            explain: false,
            grain,
        }
    }

    fn slot(&mut self, key: &str) -> u32 {
        let hash = self.hasher.hash_one(key);
        let groups = &self.groups;
        let is_it = |slot: &u32| groups.get(*slot).is_some_and(|group| *group.key == *key);
        if let Some(slot) = self.index.find(hash, is_it) {
            return *slot;
        }
        let slot = self.groups.insert(Group {
            key: key.into(),
            fold: Fold::default(),
            pending: Pending::default(),
            told: None,
            look: Look::NOTHING,
            last: i64::MIN,
            due: NEVER,
        });
        let (groups, hasher) = (&self.groups, &self.hasher);
        self.index.insert_unique(hash, slot, |slot| {
            groups.get(*slot).map_or(0, |group| hasher.hash_one(&*group.key))
        });
        slot
    }

    fn remove(&mut self, slot: u32) {
        let Some(group) = self.groups.remove(slot) else { return };
        let hash = self.hasher.hash_one(&*group.key);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
    }

    /// When a group has something to do next, in whole grains. `behind` is one whose hits could not all be
    /// folded ahead.
    fn due_of(&self, group: &Group<K>, behind: bool) -> i64 {
        let grains = |time: i64| {
            time.div_euclid(self.grain).saturating_add(1).saturating_mul(self.grain).min(NEVER - 1)
        };
        // the hits of a sliding group are folded ahead as they come: they may wait until they are many
        let waits = self.kind.is_sliding() && !self.how.feeds && !behind;
        let pending = group.pending.first().map(|first| match waits && group.pending.len() <= FEW {
            true => first.saturating_add(self.kind.memory() / 2),
            false => first,
        });
        let fold = group.fold.due(&self.kind, self.how);
        let forget = group.last.saturating_add(self.kind.memory()).saturating_add(1);
        grains([pending, fold].into_iter().flatten().min().unwrap_or(forget))
    }

    fn schedule(&mut self, slot: u32, behind: bool) {
        let Some(due) = self.groups.get(slot).map(|group| self.due_of(group, behind)) else { return };
        if let Some(group) = self.groups.get_mut(slot)
            && due != group.due
        {
            group.due = due;
            self.agenda.entry(due).or_default().push(slot);
            self.entries += 1;
        }
        // entries that are no group's own any more may lie far in the future
        if self.entries > 2 * self.groups.len() + 64 {
            self.agenda.clear();
            self.entries = self.groups.len();
            for (slot, group) in self.groups.iter() {
                self.agenda.entry(group.due).or_default().push(slot);
            }
        }
    }

    /// Folds the pending hits of a sliding group on a copy; false where there are more than `room`.
    fn fold_ahead(&mut self, slot: u32, room: &mut usize, out: &mut Emitted) -> bool {
        let Some(group) = self.groups.get_mut(slot) else { return true };
        let bucket = self.how.bucket;
        let Look::Fresh(fresh) = group.look else { return true };
        let told = |at: i64| group.told.as_ref().is_some_and(|told| told.alerts.contains_key(&(at, None)));
        let (first, last) = (fresh.div_euclid(bucket), group.last.div_euclid(bucket));
        let feeds = self.how.feeds && !self.how.carries;
        let all_told = !feeds && last - first < 8 && (first..=last).all(told);
        // what only feeds others is told of nothing
        let told_of = group.told.is_some() || !self.how.tells;
        let lack = self.kind.lack(&group.fold.state, &group.pending, fresh, told_of);
        if all_told || lack.hits > 0 {
            group.look = lack.into();
            return true;
        }
        let ahead = group.told.as_mut().and_then(|told| told.ahead.take()).filter(|(upto, _)| *upto < fresh);
        let from = ahead.as_ref().map_or(i64::MIN, |(upto, _)| upto + 1);
        let count = group.pending.count_from(from);
        // of a great many hits that come out of order only a few are new: folding them all again for each
        // batch would cost more the more there are
        let unfolded = group.told.as_ref().map_or(usize::MAX, |told| told.unfolded);
        let waits = count > MAX_FOLDED_AT_ONCE && count / MAX_FOLDED_AGAIN > unfolded;
        if count > *room || waits {
            if let (Some(told), Some(ahead)) = (&mut group.told, ahead) {
                told.ahead = Some(ahead);
            }
            return false;
        }
        *room -= count;
        group.look = lack.into();
        let hits = group.pending.from(from);
        let goes_on = ahead.is_some();
        let mut fold = ahead.map_or_else(|| group.fold.clone(), |(_, fold)| fold);
        let mut outcome = Outcome::default();
        let mut ticks = hits.chunk_by(|a, b| a.seen.time == b.seen.time).peekable();
        let mut before = None;
        while let Some(tick) = ticks.next() {
            // more hits of the last time may come: the fold goes on from before it
            if ticks.peek().is_none() && (count > 64 || goes_on) {
                before = Some((tick[0].seen.time - 1, fold.clone()));
            }
            fold.tick(&self.kind, self.how, tick, &mut outcome);
        }
        let bodies: Vec<Body> = outcome.closed.into_iter().chain(fold.open()).collect();
        if before.is_some() {
            let told = group.told.get_or_insert_default();
            (told.ahead, told.unfolded) = (before, 0);
        }
        for body in bodies {
            group.tell(body, false, &self.about, out);
        }
        if !self.how.carries {
            let meant = (&self.about, &self.elsewhere);
            let instants = outcome.instants.into_iter().filter(|instant| instant.time >= fresh);
            out.fed.extend(instants.map(|instant| feed(&group.key, instant, meant)));
        }
        true
    }

    /// Folds all hits of a group up to the watermark.
    fn fold_due(&mut self, slot: u32, out: &mut Emitted) {
        let upto = self.watermark;
        let Some(group) = self.groups.get_mut(slot) else { return };
        let hits = group.pending.take_upto(upto);
        let mut outcome = Outcome::default();
        for tick in hits.chunk_by(|a, b| a.seen.time == b.seen.time) {
            group.fold.tick(&self.kind, self.how, tick, &mut outcome);
        }
        group.fold.pass(&self.kind, self.how, upto, &mut outcome);
        if let Look::Fresh(fresh) = &mut group.look {
            *fresh = (*fresh).max(upto.saturating_add(1));
        }
        for body in outcome.closed {
            group.tell(body, true, &self.about, out);
        }
        for about in outcome.opened {
            if let Some(body) = group.fold.open_body(&about) {
                group.tell(body, false, &self.about, out);
            }
        }
        if let Some(told) = &mut group.told {
            // what was folded ahead began before alerts that are closed now
            told.ahead = None;
            if told.alerts.is_empty() {
                group.told = None;
            }
        }
        let meant = (&self.about, &self.elsewhere);
        out.fed.extend(outcome.instants.into_iter().map(|instant| feed(&group.key, instant, meant)));
        let over = group.last.saturating_add(self.kind.memory()) < upto;
        if over && group.pending.len() == 0 && group.fold.due(&self.kind, self.how).is_none() {
            self.remove(slot);
        } else {
            group.due = NEVER;
            self.schedule(slot, false);
        }
    }

    /// Forgets what hits meant that nobody remembers, once in a while.
    fn sweep(&mut self) {
        if self.about.is_due() {
            self.forget_unheld();
        }
    }

    fn forget_unheld(&mut self) {
        let mut held = self.about.held();
        for (_, group) in self.groups.iter() {
            group.each_seen(&self.kind, &mut |seen| held.hold(seen));
        }
        if let Some(finite) = &self.finite {
            finite.fold.mark(&self.kind, &mut |seen| held.hold(seen));
            finite.tick.iter().for_each(|hit| held.hold(&hit.seen));
        }
        self.about.sweep(&held);
    }

    /// Closes what no later hit of the finite group can be part of.
    fn pass_finite(&mut self, upto: i64, out: &mut Emitted) {
        let Some(finite) = &mut self.finite else { return };
        let mut outcome = Outcome::default();
        finite.fold.pass(&self.kind, self.how, upto, &mut outcome);
        finite.emit(outcome, (&self.about, &self.elsewhere), out);
    }

    fn flush_tick(&mut self, out: &mut Emitted) {
        let Some(finite) = &mut self.finite else { return };
        if finite.tick.is_empty() {
            return;
        }
        let mut outcome = Outcome::default();
        finite.fold.tick(&self.kind, self.how, &finite.tick, &mut outcome);
        if self.explain {
            let time = finite.tick[0].seen.time;
            let progress = self.kind.progress(&finite.fold.state, time);
            // of equal ones the last: it knows what has come since
            if finite.nearest.as_ref().is_none_or(|(nearest, _, _)| *nearest <= progress) {
                finite.nearest = Some((progress, time, self.kind.describe(&finite.fold.state, time)));
            }
            finite.events += super::hit::events_in(&finite.tick);
        }
        finite.tick.clear();
        finite.emit(outcome, (&self.about, &self.elsewhere), out);
    }
}

impl<K: Kind> Finite<K> {
    fn emit(&mut self, outcome: Outcome, meant: (&About, &Elsewhere), out: &mut Emitted) {
        self.alerts += outcome.closed.len();
        for mut body in outcome.closed {
            body.seen = meant.0.events(&body.seen);
            out.raised.push(Raised { key: self.key.clone(), body, revision: 0 });
        }
        out.fed.extend(outcome.instants.into_iter().map(|instant| feed(&self.key, instant, meant)));
    }
}

/// A match on its way to other correlations, with what its hits meant.
fn feed(key: &str, mut instant: MatchPoint, (about, elsewhere): (&About, &Elsewhere)) -> Fed {
    let carried = about.carried(&instant, elsewhere);
    instant.seen = about.events(&instant.seen);
    instant.values = Vec::new();
    Fed { key: key.into(), instant, carried }
}

impl<K: Kind> Group<K> {
    /// Counts a hit against what the group lacked: whether it still cannot match, so that it need not be
    /// looked at. One with alerts always is, for what has gone out depends on more than matches.
    fn lacks_still(&mut self, time: i64) -> bool {
        match &mut self.look {
            Look::Lacks { hits, from } if self.told.is_none() && time >= *from && *hits > 1 => {
                *hits -= 1;
                true
            }
            _ => false,
        }
    }

    /// Lets an alert go out: at first, and when it is final and says something else than at first.
    fn tell(&mut self, mut body: Body, is_final: bool, about: &About, out: &mut Emitted) {
        body.seen = about.events(&body.seen);
        let of = (body.bucket, body.term.clone());
        let known = self.told.as_ref().is_some_and(|told| told.alerts.contains_key(&of));
        let raised = |body: Body, revision| Raised { key: self.key.clone(), body, revision };
        match (known, &mut self.told) {
            (true, Some(told)) if is_final => {
                let first = told.alerts.remove(&of);
                if first.is_none_or(|first| !body.says_the_same(&first)) {
                    out.raised.push(raised(body, 1));
                }
            }
            (true, _) => {}
            (false, _) => {
                if !is_final {
                    self.told.get_or_insert_default().alerts.insert(of, body.clone());
                }
                out.raised.push(Raised { key: self.key.clone(), body, revision: 0 });
            }
        }
    }

    /// Calls `see` with every event that it remembers.
    fn each_seen(&self, kind: &K, see: &mut dyn FnMut(&Seen)) {
        self.fold.mark(kind, see);
        self.pending.iter().for_each(|hit| see(&hit.seen));
        if let Some(told) = &self.told {
            told.alerts.values().flat_map(|body| &body.seen).for_each(&mut *see);
            // the copy may hold what a hit meant before it came again
            if let Some((_, ahead)) = &told.ahead {
                ahead.mark(kind, see);
            }
        }
    }

    fn bytes(&self, kind: &K) -> usize {
        let told = self.told.as_ref().map_or(0, |told| {
            let ahead = told.ahead.as_ref().map_or(0, |(_, fold)| fold.heap(kind));
            64 + told.alerts.len() * (size_of::<Body>() + 1_024) + ahead
        });
        // a block of the allocator has 16 bytes around it
        size_of::<Self>() + 16 + self.key.len() + self.fold.heap(kind) + self.pending.bytes() + told
    }
}
