//! Correlations over input that ends: all hits are sorted, then looked at group after group.
//!
//! In: [`Occurrence`]s in any order. Out: each alert once, final, and in the order of time. Nothing is late,
//! and a group is held only while its turn lasts. Hits beyond the memory that they may take are sorted in
//! runs and given to a [`Spill`], which the caller provides: the engine itself writes no files.

use hashbrown::{HashMap, HashSet};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::{self, BufReader, Read, Write};

use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::chain::derive;
use super::extract::{Dropped, OwnValue};
use super::hit::{Identities, Seen, hash_of};
use super::link::Member;
use super::live::CorrelationCounts;
use super::machine::{Arrival, Emitted, Explained, Machine};
use super::occurrence::Occurrence;
use super::plan::Plan;
use crate::alert::Alert;

/// Where runs of sorted hits go.
pub trait Spill {
    /// Writes a run.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn write(&mut self, run: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()>;

    /// Opens a run at a place, in bytes from its beginning; runs are numbered from 0 in the order in which they
    /// were written. A run is never read at two places at once.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn open(&mut self, run: usize, at: u64) -> io::Result<Box<dyn Read>>;
}

/// A hit that waits for its turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Waiting {
    correlation: u32,
    /// Of the key: groups are told apart by it first, for texts are slow to compare.
    hash: u64,
    key: Box<str>,
    seen: Seen,
    members: u64,
    value: OwnValue,
    /// The event's id, where its bits do not say it.
    event_id: Option<Box<str>>,
    carried: Vec<Carried>,
    evidence: Option<Box<[Seen]>>,
}

impl Waiting {
    fn order(&self) -> (u32, u64, &str, Seen) {
        (self.correlation, self.hash, &self.key, self.seen)
    }

    /// Bytes held, about.
    fn bytes(&self) -> usize {
        let carried: usize = self.carried.iter().map(|one| size_of::<Carried>() + one.bytes()).sum();
        let text = match &self.value {
            OwnValue::Text(text) => text.len() + 16,
            _ => 0,
        };
        let evidence = self.evidence.as_ref().map_or(0, |evidence| evidence.len() * size_of::<Seen>());
        size_of::<Self>()
            + self.key.len()
            + 16
            + text
            + self.event_id.as_ref().map_or(0, |id| id.len() + 16)
            + carried
            + evidence
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// Correlations over input that ends.
pub struct Finite {
    plans: Vec<Plan>,
    tenant: String,
    identities: Identities,
    /// By correlation.
    waiting: Vec<Vec<Waiting>>,
    bytes: usize,
    memory: usize,
    spill: Box<dyn Spill>,
    runs: usize,
    /// By correlation: where its hits stand in runs.
    spilled: Vec<Vec<Stretch>>,
    counts: Vec<CorrelationCounts>,
    /// By correlation: the groups, by hash, in which something is there whose absence of others matters.
    waited_for: Vec<Option<HashSet<u64>>>,
    explain: bool,
    explained: Vec<(usize, Explained)>,
}

impl Finite {
    /// Begins. `memory` is in bytes: beyond it hits go to the `spill`.
    pub fn new(plans: &[Plan], tenant: &str, memory: usize, spill: Box<dyn Spill>) -> Self {
        Self {
            plans: plans.to_vec(),
            tenant: tenant.to_owned(),
            identities: Identities::default(),
            waiting: plans.iter().map(|_| Vec::new()).collect(),
            spilled: vec![Vec::new(); plans.len()],
            bytes: 0,
            memory,
            spill,
            runs: 0,
            counts: vec![CorrelationCounts::default(); plans.len()],
            waited_for: vec![None; plans.len()],
            explain: false,
            explained: Vec::new(),
        }
    }

    /// Tells of every group how near it came to a match.
    pub fn explain(&mut self) {
        self.explain = true;
    }

    /// Takes a hit.
    ///
    /// # Errors
    /// Where hits have to be spilled and cannot be.
    pub fn take(&mut self, occurrence: &Occurrence<'_>) -> io::Result<()> {
        let Occurrence { time, event_id, source, origin, .. } = *occurrence;
        let (seen, event_id) = self.identities.see_briefly(time, event_id, source, origin);
        self.counts[occurrence.correlation].taken += 1;
        self.wait(Waiting {
            correlation: occurrence.correlation as u32,
            hash: hash_of(occurrence.key),
            key: occurrence.key.into(),
            seen,
            members: occurrence.members,
            value: occurrence.value.into(),
            event_id,
            carried: Vec::from_iter(occurrence.carried.clone()),
            evidence: None,
        })
    }

    fn wait(&mut self, waiting: Waiting) -> io::Result<()> {
        self.bytes += waiting.bytes();
        self.waiting[waiting.correlation as usize].push(waiting);
        if self.bytes < self.memory {
            return Ok(());
        }
        self.waiting.iter_mut().for_each(|hits| hits.sort_unstable());
        self.bytes = 0;
        let (run, spilled, waiting) = (self.runs, &mut self.spilled, &self.waiting);
        self.runs += 1;
        let written = self.spill.write(&mut |out| {
            let (mut at, mut bytes) = (0, Vec::new());
            let each = waiting.iter().zip(spilled.iter_mut());
            for (hits, stretches) in each.filter(|(hits, _)| !hits.is_empty()) {
                stretches.push(Stretch { run, at, hits: hits.len() });
                for waiting in hits {
                    bytes.clear();
                    bytes = postcard::to_extend(waiting, bytes).map_err(io::Error::other)?;
                    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
                    out.write_all(&length.to_le_bytes())?;
                    out.write_all(&bytes)?;
                    at += 4 + bytes.len() as u64;
                }
            }
            Ok(())
        });
        // their room is for those that come
        self.waiting.iter_mut().for_each(Vec::clear);
        written
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

    /// How often hits were spilled.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// How near each group came, by correlation; after [`Finite::finish`].
    pub fn explained(&self) -> &[(usize, Explained)] {
        &self.explained
    }

    /// All that there was: every alert, in the order of time.
    ///
    /// # Errors
    /// Where what was spilled cannot be read again.
    pub fn finish(&mut self) -> io::Result<Vec<Alert>> {
        let mut alerts: Vec<(i64, Alert)> = Vec::new();
        for number in 0..self.plans.len() {
            self.run(number, &mut alerts)?;
        }
        alerts.sort_by(|a, b| (a.0, &a.1.rule.id, &a.1.alert_id).cmp(&(b.0, &b.1.rule.id, &b.1.alert_id)));
        Ok(alerts.into_iter().map(|(_, alert)| alert).collect())
    }

    /// Runs one correlation over its hits; its matches wait for the outer ones.
    fn run(&mut self, number: usize, alerts: &mut Vec<(i64, Alert)>) -> io::Result<()> {
        let mut own = std::mem::take(&mut self.waiting[number]);
        self.bytes = self.bytes.saturating_sub(own.iter().map(Waiting::bytes).sum());
        if !self.explain && self.spilled[number].is_empty() {
            leave_hopeless_out(&self.plans[number], &mut own);
        }
        own.sort_unstable();
        let mut machine = self.plans[number].machine();
        if self.explain {
            machine.explain();
        }
        let mut merged = Merged::new(own, &self.spilled[number], self.spill.as_mut())?;
        let mut key: Option<Box<str>> = None;
        while let Some(waiting) = merged.next()? {
            if key.as_ref().is_some_and(|key| *key != waiting.key) {
                self.end_group(number, machine.as_mut(), alerts)?;
            }
            if let Some(id) = &waiting.event_id {
                self.identities.learn(&waiting.seen, id);
            }
            let mut out = Emitted::default();
            machine.put(
                Arrival {
                    key: &waiting.key,
                    seen: waiting.seen,
                    members: waiting.members,
                    value: waiting.value.as_value(),
                    carried: &waiting.carried,
                    evidence: waiting.evidence,
                },
                &mut out,
            );
            key = Some(waiting.key);
            self.pass_on(number, out, alerts)?;
        }
        self.end_group(number, machine.as_mut(), alerts)
    }

    fn end_group(
        &mut self,
        number: usize,
        machine: &mut dyn Machine,
        alerts: &mut Vec<(i64, Alert)>,
    ) -> io::Result<()> {
        let mut out = Emitted::default();
        machine.end_group(&mut out);
        self.pass_on(number, out, alerts)?;
        // where nothing stands on another, nobody asks for the events of a group that is over
        if self.plans.iter().all(|plan| plan.feeds.is_empty()) {
            self.identities.forget_texts();
        }
        Ok(())
    }

    fn pass_on(&mut self, number: usize, out: Emitted, alerts: &mut Vec<(i64, Alert)>) -> io::Result<()> {
        self.explained.extend(out.explained.into_iter().map(|explained| (number, explained)));
        for fed in &out.fed {
            let counts = &mut self.counts;
            let all = |_, _| true;
            let derived = derive(&self.plans, number, &self.tenant, fed, &all, &mut |outer, why| {
                counts[outer].dropped.add(why);
            });
            for one in derived {
                let hash = hash_of(&one.key);
                if self.is_missed_by_nobody(number, one.correlation, one.member, hash) {
                    continue;
                }
                self.counts[one.correlation].taken += 1;
                self.wait(Waiting {
                    correlation: one.correlation as u32,
                    hash,
                    key: one.key.into(),
                    seen: one.seen,
                    members: 1 << one.member,
                    value: one.value,
                    event_id: None,
                    carried: one.carried,
                    evidence: one.evidence,
                })?;
            }
        }
        let plan = &self.plans[number];
        if !plan.muted {
            for raised in &out.raised {
                alerts.push((raised.body.time, plan.alert(raised, &self.tenant, &self.identities)));
            }
        }
        Ok(())
    }
}

impl Finite {
    /// Whether a match of a correlation is only asked to stay away, and in its group of the outer one nothing is
    /// there that asks: what roams by nature does so with every event. Not known, and so false, where more may
    /// come to the group, or may have been spilled.
    fn is_missed_by_nobody(&mut self, number: usize, outer: usize, member: usize, hash: u64) -> bool {
        let plan = &self.plans[outer];
        let is_there = |member: &Member| match member {
            Member::Rule(_) => true,
            Member::Correlation(inner) => *inner < number,
        };
        let mut asking = plan.members.iter().filter(|asks| !asks.stays_away);
        let is_known = !self.explain
            && plan.members[member].stays_away
            && self.spilled[outer].is_empty()
            && asking.all(|asks| is_there(&asks.member));
        if !is_known {
            return false;
        }
        let waiting = &self.waiting[outer];
        let groups = self.waited_for[outer].get_or_insert_with(|| {
            let positive = plan.members.iter().enumerate().filter(|(_, asks)| !asks.stays_away);
            let positive = positive.fold(0u64, |bits, (member, _)| bits | (1 << member));
            waiting.iter().filter(|hit| hit.members & positive != 0).map(|hit| hit.hash).collect()
        });
        !groups.contains(&hash)
    }
}

/// Leaves the hits of groups out that cannot match, whatever their order: with too few hits, or without a
/// rule that must be there. Building blocks hit often, and most of their groups are such. Groups are told
/// apart by their hash alone: two of one hash are kept where together they could match.
fn leave_hopeless_out(plan: &Plan, hits: &mut Vec<Waiting>) {
    let least = plan.least_hits();
    if least <= 1 && plan.members.len() <= 1 {
        return;
    }
    let mut groups: HashMap<u64, (usize, u64)> = HashMap::new();
    for hit in hits.iter() {
        let (count, members) = groups.entry(hit.hash).or_default();
        *count += 1;
        *members |= hit.members;
    }
    groups.retain(|_, (count, members)| *count >= least && plan.can_match_with(*members));
    hits.retain(|hit| groups.contains_key(&hit.hash));
}

/// Hits of one correlation within a run.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    run: usize,
    at: u64,
    hits: usize,
}

/// Sorted hits of one correlation, from memory and from runs.
struct Merged {
    memory: std::vec::IntoIter<Waiting>,
    /// With how many hits are still to be read.
    runs: Vec<(Box<dyn Read>, usize)>,
    /// The next hit of each; the last source is the memory.
    next: BinaryHeap<Reverse<(Waiting, usize)>>,
    /// Of the hit that is being read.
    bytes: Vec<u8>,
}

impl Merged {
    fn new(own: Vec<Waiting>, stretches: &[Stretch], spill: &mut dyn Spill) -> io::Result<Self> {
        let mut merged = Self {
            memory: own.into_iter(),
            runs: Vec::with_capacity(stretches.len()),
            next: BinaryHeap::new(),
            bytes: Vec::new(),
        };
        for Stretch { run, at, hits } in stretches {
            let run = BufReader::with_capacity(1 << 16, spill.open(*run, *at)?);
            merged.runs.push((Box::new(run), *hits));
        }
        for source in 0..=stretches.len() {
            merged.refill(source)?;
        }
        Ok(merged)
    }

    fn refill(&mut self, source: usize) -> io::Result<()> {
        let waiting = match self.runs.get_mut(source) {
            None => self.memory.next(),
            Some((_, 0)) => None,
            Some((run, hits)) => {
                *hits -= 1;
                Some(read_waiting(run, &mut self.bytes)?)
            }
        };
        self.next.extend(waiting.map(|waiting| Reverse((waiting, source))));
        Ok(())
    }

    fn next(&mut self) -> io::Result<Option<Waiting>> {
        let Some(Reverse((waiting, source))) = self.next.pop() else { return Ok(None) };
        self.refill(source)?;
        Ok(Some(waiting))
    }
}

fn read_waiting(run: &mut dyn Read, bytes: &mut Vec<u8>) -> io::Result<Waiting> {
    let mut length = [0; 4];
    run.read_exact(&mut length)?;
    bytes.resize(u32::from_le_bytes(length) as usize, 0);
    run.read_exact(bytes)?;
    postcard::from_bytes(bytes).map_err(io::Error::other)
}

/// Runs in memory: for tests, and for input that is known to be small.
#[derive(Debug, Default)]
pub struct MemorySpill(Vec<Vec<u8>>);

impl Spill for MemorySpill {
    fn write(&mut self, run: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut bytes = Vec::new();
        run(&mut bytes)?;
        self.0.push(bytes);
        Ok(())
    }

    fn open(&mut self, run: usize, at: u64) -> io::Result<Box<dyn Read>> {
        match self.0.get(run) {
            Some(bytes) => {
                Ok(Box::new(io::Cursor::new(bytes.get(at as usize..).unwrap_or_default().to_vec())))
            }
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("run {run} was not written"))),
        }
    }
}
