//! Correlations over a stream: arrivals in any order, alerts as soon as they are certain.
//!
//! In: [`Occurrence`]s, and a watermark. Out: alerts. What the watermark has passed is late: it is kept in
//! a log of its own and counted, and changes nothing. All that arrives in time counts, whatever its order
//! and however often it comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::chain::derive;
use super::extract::Dropped;
use super::hit::{Identities, Used};
use super::machine::{Arrival, Emitted, Fed, Machine, Offer};
use super::occurrence::Occurrence;
use super::plan::Plan;
use super::snapshot::{self, SnapshotError};
use crate::alert::{Alert, AlertKind, AlertRule, Evidence, hash128, show_time};
use crate::event::Origin;

/// How much a live correlator may hold.
#[derive(Debug, Clone, Copy)]
pub struct LiveLimits {
    /// Bytes of all groups and of what is held beside them. Beyond it the groups farthest from a match are forgotten,
    /// and an alert says so.
    pub memory: usize,
    /// Late hits that are kept until somebody takes them; beyond it they are only counted.
    pub late: usize,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self { memory: 1 << 30, late: 100_000 }
    }
}

/// A hit that came after the watermark had passed it.
#[derive(Debug, Clone, Serialize)]
pub struct LateHit {
    /// The correlation.
    pub correlation: String,
    /// The group, as a JSON list of texts.
    pub key: String,
    /// Event time, RFC 3339 in UTC.
    pub time: String,
    /// The event.
    pub event_id: String,
    /// Where it was read.
    pub origin: Origin,
}

/// What became of hits, by correlation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CorrelationCounts {
    /// Hits that were taken.
    pub taken: u64,
    /// Hits that were there already.
    pub repeated: u64,
    /// Hits that came too late.
    pub late: u64,
    /// Groups that were forgotten for want of memory.
    pub forgotten: u64,
    /// Hits that could not be used.
    pub dropped: Dropped,
}

/// When a match is told: as soon as it is certain, or, all of them, once nothing can come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Early,
    Final,
}

/// A match of an inner correlation on its way to one that asks it to stay away.
#[derive(Debug, Clone)]
struct HeldBack {
    inner: usize,
    member: usize,
    fed: Fed,
}

/// Correlations over a stream.
#[derive(Debug)]
pub struct Live {
    plans: Vec<Plan>,
    machines: Vec<Box<dyn Machine>>,
    identities: Identities,
    tenant: String,
    limits: LiveLimits,
    watermark: i64,
    counts: Vec<CorrelationCounts>,
    late: Vec<LateHit>,
    /// By correlation: matches that it asks to stay away. Until its watermark passes them it is not known
    /// whether anything is there that asks, and mostly nothing is.
    held_back: Vec<Vec<HeldBack>>,
    /// Hits since the memory was last measured, and the groups that there were then.
    since: usize,
    measured: usize,
    /// By correlation and hour: groups that were forgotten, and how often that was told.
    degraded: BTreeMap<(usize, i64), (u64, u32)>,
}

impl Live {
    /// Begins with no state.
    pub fn new(plans: &[Plan], tenant: &str, limits: LiveLimits) -> Self {
        Self {
            plans: plans.to_vec(),
            machines: plans.iter().map(Plan::machine).collect(),
            identities: Identities::default(),
            tenant: tenant.to_owned(),
            limits,
            watermark: i64::MIN,
            counts: vec![CorrelationCounts::default(); plans.len()],
            late: Vec::new(),
            held_back: vec![Vec::new(); plans.len()],
            since: 0,
            measured: 0,
            degraded: BTreeMap::new(),
        }
    }

    /// Takes a hit, in any order.
    pub fn take(&mut self, occurrence: &Occurrence<'_>) {
        let number = occurrence.correlation;
        let counts = &mut self.counts[number];
        if occurrence.time <= self.watermark {
            counts.late += 1;
            if self.late.len() < self.limits.late {
                self.late.push(LateHit {
                    correlation: self.plans[number].key(),
                    key: occurrence.key.to_owned(),
                    time: show_time(occurrence.time),
                    event_id: occurrence.event_id.to_owned(),
                    origin: occurrence.origin.clone(),
                });
            }
            return;
        }
        let Occurrence { time, event_id, source, origin, .. } = *occurrence;
        let arrival = Arrival {
            key: occurrence.key,
            seen: self.identities.see(time, event_id, source, origin),
            members: occurrence.members,
            value: occurrence.value,
            carried: occurrence.carried.as_slice(),
            evidence: None,
        };
        match self.machines[number].offer(&arrival) {
            Offer::Taken => counts.taken += 1,
            Offer::Known => counts.repeated += 1,
            Offer::Late => counts.late += 1,
        }
        self.since += 1;
    }

    /// Tells what the hits since the last time have made certain: to be called after each batch.
    pub fn commit(&mut self) -> Vec<Alert> {
        let mut alerts = self.tell();
        self.relieve(&mut alerts);
        alerts
    }

    fn tell(&mut self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for number in 0..self.machines.len() {
            let mut out = Emitted::default();
            self.machines[number].commit(&mut out);
            self.pass_on(number, out, Told::Early, &mut alerts);
        }
        alerts
    }

    /// The watermark: all events up to it are there. It never falls.
    pub fn advance(&mut self, watermark: i64) -> Vec<Alert> {
        let mut alerts = Vec::new();
        if watermark <= self.watermark {
            return alerts;
        }
        self.watermark = watermark;
        for number in 0..self.machines.len() {
            let mut out = Emitted::default();
            let own = match watermark {
                i64::MAX => watermark,
                _ => watermark.saturating_sub(self.plans[number].delay),
            };
            self.release(number, own);
            self.machines[number].advance(own, &mut out);
            self.pass_on(number, out, Told::Final, &mut alerts);
        }
        // matches that have become certain only now may complete others
        alerts.extend(self.tell());
        if self.identities.is_due() {
            self.sweep();
        }
        alerts
    }

    /// By correlation: what its state is known by in a snapshot. Each is a hash over its document and those that
    /// it stands on.
    fn fingerprints(&self) -> Vec<String> {
        self.plans.iter().map(|plan| plan.fingerprint(&self.plans)).collect()
    }

    /// Forgets the texts of events that nobody remembers.
    fn sweep(&mut self) {
        let mut used = Used::default();
        self.machines.iter().for_each(|machine| machine.mark(&mut used));
        self.identities.sweep(&used);
    }

    /// All that there was: everything is final.
    pub fn finish(&mut self) -> Vec<Alert> {
        let mut alerts = self.commit();
        alerts.extend(self.advance(i64::MAX));
        alerts
    }

    fn pass_on(&mut self, number: usize, out: Emitted, told: Told, alerts: &mut Vec<Alert>) {
        let plan = &self.plans[number];
        let stays_away = |outer: usize, member: usize| self.plans[outer].members[member].stays_away;
        let (mut away, there): (Vec<_>, Vec<_>) =
            plan.feeds.iter().copied().partition(|(outer, member)| stays_away(*outer, *member));
        if told == Told::Early {
            // it is told again, in time; held back until a watermark that stands, it would be without bound
            away.clear();
        }
        for fed in out.fed {
            if !there.is_empty() {
                self.give(number, &fed, &|outer, member| there.contains(&(outer, member)), false);
            }
            for &(outer, member) in &away {
                self.held_back[outer].push(HeldBack { inner: number, member, fed: fed.clone() });
            }
        }
        let plan = &self.plans[number];
        if !plan.muted {
            let mut raised = out.raised;
            raised.sort_by(|a, b| {
                (a.body.time, &a.key, &a.body.term).cmp(&(b.body.time, &b.key, &b.body.term))
            });
            alerts.extend(raised.iter().map(|raised| plan.alert(raised, &self.tenant, &self.identities)));
        }
    }

    /// Gives a match of an inner correlation to those outer ones that `takes` says; `known` ones only where they
    /// remember something of the group.
    fn give(&mut self, inner: usize, fed: &Fed, takes: &dyn Fn(usize, usize) -> bool, known: bool) {
        let counts = &mut self.counts;
        let derived = derive(&self.plans, inner, &self.tenant, fed, takes, &mut |outer, why| {
            counts[outer].dropped.add(why);
        });
        for one in derived {
            if known && !self.machines[one.correlation].has_group(&one.key) {
                continue;
            }
            let arrival = Arrival {
                key: &one.key,
                seen: one.seen,
                members: 1 << one.member,
                value: one.value.as_value(),
                carried: &one.carried,
                evidence: one.evidence,
            };
            match self.machines[one.correlation].offer(&arrival) {
                Offer::Taken => self.counts[one.correlation].taken += 1,
                // a match is told when it is certain and again when it is final
                Offer::Known => {}
                Offer::Late => self.counts[one.correlation].late += 1,
            }
        }
    }

    /// Gives a correlation the matches up to a time that it asks to stay away. Whatever asks is there by then:
    /// its watermark stands behind all that feeds it.
    fn release(&mut self, outer: usize, upto: i64) {
        let held = std::mem::take(&mut self.held_back[outer]);
        let (due, later): (Vec<_>, Vec<_>) = held.into_iter().partition(|one| one.fed.instant.time <= upto);
        self.held_back[outer] = later;
        if self.machines[outer].groups() == 0 {
            return;
        }
        for HeldBack { inner, member, fed } in due {
            self.give(inner, &fed, &|of, number| (of, number) == (outer, member), true);
        }
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.machines.iter().map(|machine| machine.bytes()).sum::<usize>() + self.bytes_beside()
    }

    /// Bytes held beside the groups: of events, and of matches that are held back.
    fn bytes_beside(&self) -> usize {
        let held_back = self.held_back.iter().flatten().map(|one| size_of::<HeldBack>() + one.fed.bytes());
        self.identities.bytes() + held_back.sum::<usize>()
    }

    /// Groups that are remembered.
    pub fn groups(&self) -> usize {
        self.machines.iter().map(|machine| machine.groups()).sum()
    }

    /// Forgets groups where there is not memory enough: of the correlation that holds most, those that are
    /// farthest from a match. Matches that are held back count, and are not forgotten: without them an alert would
    /// be raised that they are there to prevent.
    fn relieve(&mut self, alerts: &mut Vec<Alert>) {
        // measuring looks at every group: it is done when a quarter more are there, or two hits for each
        let groups = self.groups();
        let is_due = self.since >= 2 * groups || groups > self.measured + self.measured / 4;
        if self.since < 4_096 || !is_due {
            return;
        }
        (self.since, self.measured) = (0, groups);
        if self.bytes() > self.limits.memory {
            // what is held for nobody goes first
            self.sweep();
        }
        let mut bytes: Vec<usize> = self.machines.iter().map(|machine| machine.bytes()).collect();
        let held = bytes.iter().sum::<usize>() + self.bytes_beside();
        let mut excess = held.saturating_sub(self.limits.memory);
        if excess == 0 {
            return;
        }
        // some room more, so that it is not to be done again at once
        excess += self.limits.memory / 8;
        while excess > 0 {
            let Some((number, most)) = bytes.iter().copied().enumerate().max_by_key(|(_, bytes)| *bytes)
            else {
                break;
            };
            if most == 0 {
                break;
            }
            let part = excess.min(most);
            let gone = self.machines[number].relieve(part);
            excess -= part;
            bytes[number] -= part;
            if gone == 0 {
                bytes[number] = 0;
                continue;
            }
            self.counts[number].forgotten += gone;
            alerts.push(self.degraded(number, gone));
        }
        self.sweep();
        self.measured = self.groups();
    }

    /// The alert that says that groups were forgotten: one an hour and rule, with the hour's count so far.
    fn degraded(&mut self, number: usize, gone: u64) -> Alert {
        const HOUR: i64 = 3_600_000_000;
        let plan = &self.plans[number];
        let at = if self.watermark == i64::MIN { 0 } else { self.watermark };
        let hour = at.div_euclid(HOUR);
        self.degraded.retain(|(_, of), _| *of == hour);
        let (count, revision) = self.degraded.entry((number, hour)).or_default();
        *count += gone;
        let time = show_time(at);
        let alert = Alert {
            alert_id: hash128(&["deg", &self.tenant, &plan.key(), &hour.to_string()]),
            revision: *revision,
            kind: AlertKind::Degraded,
            rule: Arc::new(AlertRule::of_correlation(&plan.correlation)),
            time: time.clone(),
            first_seen: time.clone(),
            last_seen: time,
            group: serde_json::Map::new(),
            count: *count,
            events: Vec::<Evidence>::new(),
            fields: [(
                "cause".to_owned(),
                format!("{count} groups were forgotten for want of memory: alerts may be missing").into(),
            )]
            .into_iter()
            .collect(),
            continues: None,
            custom: serde_json::Map::new(),
        };
        *revision += 1;
        alert
    }

    /// What became of hits, by correlation.
    pub fn counts(&self) -> &[CorrelationCounts] {
        &self.counts
    }

    /// For what is counted while occurrences are made.
    pub fn count_dropped(&mut self, dropped: &[Dropped]) {
        for (counts, dropped) in self.counts.iter_mut().zip(dropped) {
            counts.dropped.add(dropped);
        }
    }

    /// The late hits since the last time.
    pub fn take_late(&mut self) -> Vec<LateHit> {
        std::mem::take(&mut self.late)
    }

    /// Up to when all events are there.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// All state as bytes, in pieces ([`Self::write_snapshot`]).
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn snapshot(&self) -> Result<Vec<Vec<u8>>, SnapshotError> {
        let mut pieces = Vec::with_capacity(1 + self.machines.len());
        self.write_snapshot(&mut |piece| {
            pieces.push(piece.to_vec());
            Ok::<_, SnapshotError>(())
        })?;
        Ok(pieces)
    }

    /// Gives all state as bytes, piece by piece: what takes them need not hold them, and only one is made at a
    /// time. [`Self::restore`] wants them in the same order.
    ///
    /// # Errors
    /// Where it cannot be written, or what `give` says.
    pub fn write_snapshot<E: From<SnapshotError>>(
        &self,
        give: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: postcard::Error| SnapshotError::from(error);
        let fingerprints = self.fingerprints();
        let of = |number: usize| fingerprints[number].as_str();
        let held_back = self.held_back.iter().enumerate().flat_map(|(outer, held)| {
            held.iter().map(move |one| (of(outer), of(one.inner), one.member, &one.fed))
        });
        let held_back: Vec<_> = held_back.collect();
        let mut piece = snapshot::write_common(self.watermark, &self.identities, &held_back)?;
        give(&piece)?;
        for (fingerprint, machine) in fingerprints.iter().zip(&self.machines) {
            piece.clear();
            piece = postcard::to_extend(fingerprint, piece).map_err(failed)?;
            piece = machine.snapshot(piece).map_err(failed)?;
            give(&piece)?;
        }
        Ok(())
    }

    /// Goes on from a snapshot. Correlations that have changed since begin anew; they are returned.
    ///
    /// # Errors
    /// Where the pieces are no snapshot, or of another version; nothing is changed then.
    pub fn restore<P: AsRef<[u8]>>(
        &mut self,
        pieces: impl IntoIterator<Item = P>,
    ) -> Result<Vec<String>, SnapshotError> {
        let mut pieces = pieces.into_iter();
        let common = pieces.next().ok_or(SnapshotError::NoSnapshot)?;
        let (watermark, identities, kept) = snapshot::read_common(common.as_ref())?;
        let mut machines: Vec<Box<dyn Machine>> = self.plans.iter().map(Plan::machine).collect();
        let fingerprints = self.fingerprints();
        let mut is_known = vec![false; machines.len()];
        for piece in pieces {
            let (fingerprint, state) = postcard::take_from_bytes::<&str>(piece.as_ref())?;
            let own = fingerprints.iter().zip(&mut machines).zip(&mut is_known);
            for ((_, machine), is_known) in own.filter(|((own, _), _)| *own == fingerprint) {
                machine.restore(state)?;
                *is_known = true;
            }
        }
        let number = |of: &str| fingerprints.iter().position(|own| own == of);
        let mut held_back: Vec<Vec<HeldBack>> = vec![Vec::new(); self.plans.len()];
        for (outer, inner, member, fed) in kept {
            if let (Some(outer), Some(inner)) = (number(&outer), number(&inner)) {
                held_back[outer].push(HeldBack { inner, member, fed });
            }
        }
        self.held_back = held_back;
        (self.machines, self.identities, self.watermark) = (machines, identities, watermark);
        let anew = self.plans.iter().zip(is_known).filter(|(_, is_known)| !is_known);
        Ok(anew.map(|(plan, _)| plan.key()).collect())
    }
}
