//! What hits mean beyond their own group: what they carry for outer correlations, and which events stand behind
//! one that is itself a match.
//!
//! In: arrivals of a correlation in a chain. Out: a number for each hit ([`Seen::meaning`]), and of hits that made a
//! match what they carry, and their events. Most hits of a correlation carry what others carry: that is held once.

use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::carried::{Carried, Elsewhere};
use super::fold::MatchPoint;
use super::hit::{Seen, Used};
use super::machine::Arrival;
use crate::limits::{MAX_CARRIED, MAX_EVIDENCE};

/// What hits of all groups of a correlation mean, by their numbers less one: 0 is no number.
#[derive(Debug, Default)]
pub(crate) struct About {
    meanings: Vec<Option<Meaning>>,
    free: Vec<u32>,
    /// Places of those that several hits may share.
    shared: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Bytes that they hold elsewhere.
    elsewhere: usize,
    swept: usize,
}

/// Most hits carry one thing, and have no others behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Meaning {
    carried: Option<Carried>,
    more: Option<Box<More>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct More {
    carried: Vec<Carried>,
    evidence: Option<Box<[Seen]>>,
}

impl Hash for Meaning {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.carried().for_each(|one| one.hash(state));
    }
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

    /// A match of an inner correlation has events of its own behind it; what an event carries others carry too.
    fn is_shared(&self) -> bool {
        self.evidence().is_none()
    }

    fn bytes(&self) -> usize {
        let more = self
            .more
            .as_ref()
            .map_or(0, |more| size_of::<More>() + 16 + more.carried.capacity() * size_of::<Carried>());
        self.carried().map(Carried::bytes).sum::<usize>() + more + self.evidence().map_or(0, size_of_val)
    }
}

impl About {
    /// What a hit means that comes, or comes again: `known` is what it has meant.
    pub fn learn(&mut self, known: u32, arrival: &Arrival<'_>) -> u32 {
        let (carried, evidence) = (arrival.carried, &arrival.evidence);
        if carried.is_empty() && evidence.is_none() {
            return known;
        }
        if let ([one], None, 0) = (carried, evidence, known) {
            // nearly every hit
            return self.share(Meaning { carried: Some(one.clone()), more: None });
        }
        // an event may match several rules, under each of which it carries something else
        let mut meaning = self.meaning(known).cloned().unwrap_or_default();
        let was_shared = known == 0 || meaning.is_shared();
        carried.iter().for_each(|one| meaning.carry(one));
        // of a match that is told again the later word counts: by then more of its events may be there
        if evidence.is_some() {
            meaning.more.get_or_insert_default().evidence.clone_from(evidence);
        }
        match (meaning.is_shared(), was_shared) {
            (true, _) => self.share(meaning),
            (false, true) => self.put(meaning),
            (false, false) => {
                self.elsewhere += meaning.bytes();
                if let Some(own) = self.meanings.get_mut(known as usize - 1).and_then(Option::as_mut) {
                    self.elsewhere -= own.bytes();
                    *own = meaning;
                }
                known
            }
        }
    }

    /// The number of a meaning that several hits may have.
    fn share(&mut self, meaning: Meaning) -> u32 {
        let (hash, meanings) = (self.hasher.hash_one(Some(&meaning)), &self.meanings);
        let is_it =
            |at: &u32| meanings.get(*at as usize).is_some_and(|known| known.as_ref() == Some(&meaning));
        if let Some(at) = self.shared.find(hash, is_it) {
            return *at + 1;
        }
        let number = self.put(meaning);
        let (meanings, hasher) = (&self.meanings, &self.hasher);
        self.shared.insert_unique(hash, number - 1, |at| hasher.hash_one(meanings[*at as usize].as_ref()));
        number
    }

    fn put(&mut self, meaning: Meaning) -> u32 {
        self.elsewhere += meaning.bytes();
        match self.free.pop() {
            Some(at) => {
                self.meanings[at as usize] = Some(meaning);
                at + 1
            }
            None => {
                self.meanings.push(Some(meaning));
                self.meanings.len() as u32
            }
        }
    }

    fn meaning(&self, number: u32) -> Option<&Meaning> {
        self.meanings.get((number as usize).checked_sub(1)?)?.as_ref()
    }

    fn count(&self) -> usize {
        self.meanings.len() - self.free.len()
    }

    /// Whether as much has been added as there was.
    pub fn is_due(&self) -> bool {
        self.count() > (2 * self.swept).max(1_024)
    }

    /// Forgets what is not `held`: what no hit means that a group remembers.
    pub fn sweep(&mut self, held: &Held) {
        let is_held = |at: usize| held.0.get(at).copied().unwrap_or(false);
        self.shared.retain(|at| is_held(*at as usize));
        for (at, meaning) in self.meanings.iter_mut().enumerate().filter(|(at, _)| !is_held(*at)) {
            if let Some(gone) = meaning.take() {
                self.elsewhere -= gone.bytes();
                self.free.push(at as u32);
            }
        }
        let last = self.meanings.iter().rposition(Option::is_some);
        self.meanings.truncate(last.map_or(0, |last| last + 1));
        self.free.retain(|at| (*at as usize) < self.meanings.len());
        self.swept = self.count();
    }

    /// Nothing is held yet.
    pub fn held(&self) -> Held {
        Held(vec![false; self.meanings.len()])
    }

    /// The events behind some hits: of each match of an inner correlation its own.
    pub fn events(&self, seen: &[Seen]) -> Vec<Seen> {
        let mut events: Vec<Seen> = Vec::new();
        if !seen.iter().any(Seen::is_derived) {
            // one that means several things stands there as often
            for event in seen.chunk_by(|a, b| a == b).filter_map(<[Seen]>::first).take(MAX_EVIDENCE) {
                events.push(event.alone());
            }
            return events;
        }
        let behind = |hit: &Seen| match self.meaning(hit.meaning).and_then(Meaning::evidence) {
            Some(evidence) => evidence.to_vec(),
            None => vec![*hit],
        };
        let parts: Vec<Vec<Seen>> = seen.iter().take(MAX_CARRIED).map(behind).collect();
        // each in its turn, so that no part crowds out another
        let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|at| parts.iter().filter_map(move |part| part.get(at)));
        for event in in_turn.filter(|event| !event.is_derived()) {
            if events.len() < MAX_EVIDENCE && !events.contains(event) {
                events.push(event.alone());
            }
        }
        events.sort_unstable();
        events
    }

    /// What the hits of a match carry, each different one once; of very many the first.
    pub fn carried(&self, found: &MatchPoint, elsewhere: &Elsewhere) -> Vec<Carried> {
        let mut carried: Vec<Carried> = Vec::new();
        for (at, hit) in found.seen.iter().enumerate() {
            let Some(meaning) = self.meaning(hit.meaning) else { continue };
            let value = found.values.get(at).map(|word| word.text()).or(found.term.as_deref());
            for one in meaning.carried() {
                if carried.len() == MAX_CARRIED {
                    return carried;
                }
                let whole = elsewhere.whole(one, value);
                if !carried.contains(&whole) {
                    carried.push(whole.into_owned());
                }
            }
        }
        carried
    }

    /// Marks the events that are kept as evidence.
    pub fn mark(&self, used: &mut Used) {
        self.meanings
            .iter()
            .flatten()
            .filter_map(Meaning::evidence)
            .flatten()
            .for_each(|seen| used.mark(seen));
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let table = self.shared.capacity() * 5 * 8 / 7 + self.free.capacity() * size_of::<u32>();
        self.elsewhere + self.meanings.capacity() * size_of::<Option<Meaning>>() + table
    }
}

/// Which meanings hits have that a group remembers.
#[derive(Debug)]
pub(crate) struct Held(Vec<bool>);

impl Held {
    /// This hit is remembered.
    pub fn hold(&mut self, hit: &Seen) {
        if let Some(held) = (hit.meaning as usize).checked_sub(1).and_then(|at| self.0.get_mut(at)) {
            *held = true;
        }
    }
}

/// In a snapshot stand the meanings alone.
impl Serialize for About {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.meanings.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for About {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut about = Self { meanings: Deserialize::deserialize(deserializer)?, ..Self::default() };
        let (meanings, hasher) = (&about.meanings, &about.hasher);
        for (meaning, at) in meanings.iter().zip(0u32..) {
            match meaning {
                None => about.free.push(at),
                Some(meaning) if meaning.is_shared() => {
                    about.shared.insert_unique(hasher.hash_one(Some(meaning)), at, |at| {
                        hasher.hash_one(meanings[*at as usize].as_ref())
                    });
                }
                Some(_) => {}
            }
        }
        about.elsewhere = about.meanings.iter().flatten().map(Meaning::bytes).sum();
        about.swept = about.count();
        Ok(about)
    }
}
