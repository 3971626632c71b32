//! What hits mean beyond their own group: what they carry for outer correlations, and which events stand behind
//! one that is itself a match.
//!
//! In: arrivals of a correlation in a chain. Out, of hits that made a match: what they carry, and their events. It
//! is kept by group, for one event may be in several and carry something else in each, and for as long as the group
//! remembers the hit.

use std::collections::HashSet;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::hit::{Seen, Used, pairs};
use super::machine::Arrival;
use crate::limits::{MAX_CARRIED, MAX_EVIDENCE};

/// A group, by the hash of its key, and a hit of it, by its id.
pub(crate) type Of = (u64, [u64; 2]);

/// What hits of all groups of a correlation mean.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    #[serde(with = "pairs")]
    of: HashMap<Of, Meaning>,
    swept: usize,
}

/// Most hits carry one thing, and have no others behind them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Meaning {
    carried: Option<Carried>,
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct More {
    carried: Vec<Carried>,
    evidence: Option<Box<[Seen]>>,
}

impl Meaning {
    fn carried(&self) -> impl Iterator<Item = &Carried> {
        self.carried.iter().chain(self.more.iter().flat_map(|more| &more.carried))
    }

    fn evidence(&self) -> Option<&[Seen]> {
        self.more.as_ref()?.evidence.as_deref()
    }

    fn carry(&mut self, one: &Carried) {
        match &self.carried {
            None => self.carried = Some(one.clone()),
            Some(first) if first == one => {}
            Some(_) => {
                let more = self.more.get_or_insert_default();
                if more.carried.len() + 1 < MAX_CARRIED && !more.carried.contains(one) {
                    more.carried.push(one.clone());
                }
            }
        }
    }
}

impl About {
    pub fn learn(&mut self, group: u64, arrival: &Arrival<'_>) {
        if arrival.carried.is_empty() && arrival.evidence.is_none() {
            return;
        }
        let meaning = self.of.entry((group, arrival.seen.halves())).or_default();
        // an event may match several rules, under each of which it carries something else
        arrival.carried.iter().for_each(|one| meaning.carry(one));
        // of a match that is told again the later word counts: by then more of its events may be there
        if arrival.evidence.is_some() {
            meaning.more.get_or_insert_default().evidence.clone_from(&arrival.evidence);
        }
    }

    /// Whether as much has been added as there was.
    pub fn is_due(&self) -> bool {
        self.of.len() > (2 * self.swept).max(1_024)
    }

    /// Forgets what is not `held`: hits that no group remembers.
    pub fn sweep(&mut self, held: &HashSet<Of>) {
        self.of.retain(|of, _| held.contains(of));
        self.of.shrink_to(2 * self.of.len());
        self.swept = self.of.len();
    }

    fn meaning(&self, group: u64, hit: &Seen) -> Option<&Meaning> {
        if self.of.is_empty() { None } else { self.of.get(&(group, hit.halves())) }
    }

    /// The events behind some hits of a group: of each match of an inner correlation its own.
    pub fn events(&self, group: u64, seen: &[Seen]) -> Vec<Seen> {
        if !seen.iter().any(Seen::is_derived) {
            return seen[..seen.len().min(MAX_EVIDENCE)].to_vec();
        }
        let behind = |hit: &Seen| match self.meaning(group, hit).and_then(Meaning::evidence) {
            Some(evidence) => evidence.to_vec(),
            None => vec![*hit],
        };
        let parts: Vec<Vec<Seen>> = seen.iter().take(MAX_CARRIED).map(behind).collect();
        // each in its turn, so that no part crowds out another
        let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|at| parts.iter().filter_map(move |part| part.get(at)));
        let mut events: Vec<Seen> = Vec::new();
        for event in in_turn.filter(|event| !event.is_derived()) {
            if events.len() < MAX_EVIDENCE && !events.contains(event) {
                events.push(*event);
            }
        }
        events.sort_unstable();
        events
    }

    /// What hits of a group carry, each different one once; of very many the first.
    pub fn carried(&self, group: u64, seen: &[Seen]) -> Vec<Carried> {
        let mut carried: Vec<Carried> = Vec::new();
        let meanings = seen.iter().filter_map(|hit| self.meaning(group, hit));
        for one in meanings.flat_map(Meaning::carried) {
            if carried.len() == MAX_CARRIED {
                break;
            }
            if !carried.contains(one) {
                carried.push(one.clone());
            }
        }
        carried
    }

    /// Marks the events that are kept as evidence.
    pub fn mark(&self, used: &mut Used) {
        self.of.values().filter_map(Meaning::evidence).flatten().for_each(|seen| used.mark(seen));
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        // one is taken for all
        let elsewhere = self.of.values().next().map_or(0, |meaning| {
            meaning.carried().map(Carried::bytes).sum::<usize>()
                + meaning.more.as_ref().map_or(0, |_| size_of::<More>() + 16)
                + meaning.evidence().map_or(0, size_of_val)
        });
        self.of.len() * elsewhere + self.of.capacity() * (size_of::<(Of, Meaning)>() + 1) * 8 / 7
    }
}
