//! Correlations over input that ends: all hits are sorted, then looked at group after group.
//!
//! In: [`Occurrence`]s in any order. Out: each alert once, final, and in the order of time. Nothing is late,
//! and a group is held only while its turn lasts. Hits beyond the memory that they may take are sorted in
//! runs and given to a [`Spill`], which the caller provides: the engine itself writes no files.

use std::io::{self, Read, Write};

use super::chain::derive;
use super::extract::Dropped;
use super::hit::Identities;
use super::link::Member;
use super::live::CorrelationCounts;
use super::machine::{Emitted, Explained, Machine};
use super::occurrence::Occurrence;
use super::plan::Plan;
use super::waiting::{Behind, Coming, Group, Stretch, Turns, Waiting};
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

/// Correlations over input that ends.
pub struct Finite {
    plans: Vec<Plan>,
    tenant: String,
    identities: Identities,
    /// By correlation.
    waiting: Vec<Waiting>,
    /// Bytes that they hold.
    bytes: usize,
    memory: usize,
    spill: Box<dyn Spill>,
    runs: usize,
    /// By correlation: where its hits stand in runs.
    spilled: Vec<Vec<Stretch>>,
    counts: Vec<CorrelationCounts>,
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
            waiting: plans.iter().map(|_| Waiting::default()).collect(),
            spilled: vec![Vec::new(); plans.len()],
            bytes: 0,
            memory,
            spill,
            runs: 0,
            counts: vec![CorrelationCounts::default(); plans.len()],
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
        self.wait(
            occurrence.correlation,
            Coming {
                key: occurrence.key,
                seen,
                members: occurrence.members,
                value: occurrence.value,
                event_id,
                carried: occurrence.carried.clone(),
                behind: None,
            },
        )
    }

    fn wait(&mut self, correlation: usize, coming: Coming<'_>) -> io::Result<()> {
        let waiting = &mut self.waiting[correlation];
        let before = waiting.bytes();
        waiting.push(coming);
        self.bytes += waiting.bytes() - before;
        if self.bytes < self.memory {
            return Ok(());
        }
        self.bytes = 0;
        let (run, spilled, waiting) = (self.runs, &mut self.spilled, &mut self.waiting);
        self.runs += 1;
        self.spill.write(&mut |out| {
            let mut at = 0;
            let each = waiting.iter_mut().zip(spilled.iter_mut());
            for (hits, stretches) in each.filter(|(hits, _)| !hits.is_empty()) {
                stretches.push(hits.write(run, &mut at, out)?);
            }
            Ok(())
        })
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
        let own = std::mem::take(&mut self.waiting[number]);
        self.bytes = self.bytes.saturating_sub(own.bytes());
        let mut machine = self.plans[number].machine();
        if self.explain {
            machine.explain();
        }
        // building blocks hit often, and most of their groups cannot match, whatever the order of their hits: they
        // have too few, or lack a rule that must be there
        let (plan, explain) = (self.plans[number].clone(), self.explain);
        let least = plan.least_hits() as u64;
        let hopes = |group: &Group| explain || group.hits >= least && plan.can_match_with(group.members);
        let mut turns = Turns::new(own, &self.spilled[number], self.spill.as_mut(), hopes)?;
        while let Some(group) = turns.group()? {
            if !hopes(&group) {
                continue;
            }
            loop {
                let (mut out, identities) = (Emitted::default(), &mut self.identities);
                let is_there = turns.hit(&group.key, &mut |arrival, event_id| {
                    if let Some(id) = event_id {
                        identities.learn(&arrival.seen, id);
                    }
                    machine.put(arrival, &mut out);
                })?;
                self.pass_on(number, out, alerts)?;
                if !is_there {
                    break;
                }
            }
            self.end_group(number, machine.as_mut(), alerts)?;
        }
        Ok(())
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
                if self.is_missed_by_nobody(number, one.correlation, one.member, &one.key) {
                    continue;
                }
                self.counts[one.correlation].taken += 1;
                let behind = Behind { carried: one.carried, evidence: one.evidence };
                let coming = Coming {
                    key: &one.key,
                    seen: one.seen,
                    members: 1 << one.member,
                    value: one.value.as_value(),
                    event_id: None,
                    carried: None,
                    behind: Some(Box::new(behind)),
                };
                self.wait(one.correlation, coming)?;
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
    fn is_missed_by_nobody(&self, number: usize, outer: usize, member: usize, key: &str) -> bool {
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
        let positive = plan.members.iter().enumerate().filter(|(_, asks)| !asks.stays_away);
        let positive = positive.fold(0u64, |bits, (member, _)| bits | (1 << member));
        self.waiting[outer].members(key) & positive == 0
    }
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
