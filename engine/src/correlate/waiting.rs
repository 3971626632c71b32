//! Hits of one correlation that wait for their turn: they come in any order, and go group after group.
//!
//! In: hits as they are found. Out: [`Turns`], which gives each group whole and its hits in the order of time, from
//! memory and from the runs that hits were written to where there were too many. A group says how many hits it has
//! and of which rules before the first of them is read: of those that cannot match nothing more is done.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::io::{self, BufReader, Read, Write};

use hashbrown::{DefaultHashBuilder, HashTable};
use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::finite::Spill;
use super::hit::{Seen, hash_of};
use super::machine::Arrival;
use super::occurrence::Value;

/// The hits of one correlation.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    groups: Vec<Group>,
    /// Places in `groups`, by their keys.
    by_key: HashTable<u32>,
    /// What hits hold, each text once: most hits of a group bring a value that others have.
    texts: Vec<Box<str>>,
    by_text: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// As they came.
    hits: Vec<Hit>,
    bytes: usize,
}

/// A group of hits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Of the key: groups are in its order first, for texts are slow to compare.
    hash: u64,
    /// The values of `group-by`, as a JSON list of texts.
    pub key: Box<str>,
    /// How many hits it has.
    pub hits: u64,
    /// Which rules they match.
    pub members: u64,
}

impl Group {
    fn order(&self) -> (u64, &str) {
        (self.hash, &self.key)
    }
}

/// A hit.
#[derive(Debug)]
struct Hit {
    group: u32,
    seen: Seen,
    members: u64,
    value: HeldValue,
    /// The event's id, where its bits do not say it.
    event_id: Option<Box<str>>,
    /// Of an event.
    carried: Option<Carried>,
    /// Of a match of an inner correlation.
    behind: Option<Box<Behind>>,
}

/// What is behind a match of an inner correlation.
#[derive(Debug)]
pub(crate) struct Behind {
    /// What its events carry.
    pub carried: Vec<Carried>,
    /// The events.
    pub evidence: Option<Box<[Seen]>>,
}

/// The value of a hit. A number is in halves: as one it would be aligned to 16 bytes.
#[derive(Debug, Clone, Copy)]
enum HeldValue {
    None,
    Text(u32),
    Number([u64; 2]),
    Place(i32, i32),
}

/// A hit that comes.
pub(crate) struct Coming<'a> {
    pub key: &'a str,
    pub seen: Seen,
    pub members: u64,
    pub value: Value<'a>,
    pub event_id: Option<Box<str>>,
    pub carried: Option<Carried>,
    pub behind: Option<Box<Behind>>,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Which rules have hits in a group.
    pub fn members(&self, key: &str) -> u64 {
        let is_it = |at: &u32| self.groups.get(*at as usize).is_some_and(|group| *group.key == *key);
        let group = self.by_key.find(self.hasher.hash_one(key), is_it);
        group.and_then(|at| self.groups.get(*at as usize)).map_or(0, |group| group.members)
    }

    /// Takes a hit.
    pub fn push(&mut self, coming: Coming<'_>) {
        let Coming { key, seen, members, value, event_id, carried, behind } = coming;
        let group = self.group(key);
        self.groups[group as usize].hits += 1;
        self.groups[group as usize].members |= members;
        let value = match value {
            Value::None => HeldValue::None,
            Value::Text(text) => HeldValue::Text(self.text(text)),
            Value::Number(number) => HeldValue::Number([(number >> 64) as u64, number as u64]),
            Value::Place(latitude, longitude) => HeldValue::Place(latitude, longitude),
        };
        // events of one batch that carry the same carry one thing
        let is_shared =
            |last: &Hit| matches!((&last.carried, &carried), (Some(last), Some(own)) if last.is(own));
        let carries = match &carried {
            Some(carried) if !self.hits.last().is_some_and(is_shared) => carried.bytes(),
            _ => 0,
        };
        let is_behind = behind.as_ref().map_or(0, |behind| {
            let carried: usize = behind.carried.iter().map(|one| size_of::<Carried>() + one.bytes()).sum();
            let evidence = behind.evidence.as_ref().map_or(0, |evidence| evidence.len() * size_of::<Seen>());
            size_of::<Behind>() + 16 + carried + evidence
        });
        let id = event_id.as_ref().map_or(0, |id| id.len() + 16);
        self.bytes += size_of::<Hit>() + carries + is_behind + id;
        self.hits.push(Hit { group, seen, members, value, event_id, carried, behind });
    }

    fn group(&mut self, key: &str) -> u32 {
        let (hash, groups) = (self.hasher.hash_one(key), &self.groups);
        if let Some(at) = self.by_key.find(hash, |at| *groups[*at as usize].key == *key) {
            return *at;
        }
        // hits are written to a run long before there are so many groups
        let at = self.groups.len() as u32;
        self.groups.push(Group { hash: hash_of(key), key: key.into(), hits: 0, members: 0 });
        let (groups, hasher) = (&self.groups, &self.hasher);
        self.by_key.insert_unique(hash, at, |at| hasher.hash_one(&*groups[*at as usize].key));
        self.bytes += size_of::<Group>() + key.len() + 24;
        at
    }

    fn text(&mut self, text: &str) -> u32 {
        let (hash, texts) = (self.hasher.hash_one(text), &self.texts);
        if let Some(at) = self.by_text.find(hash, |at| *texts[*at as usize] == *text) {
            return *at;
        }
        let at = self.texts.len() as u32;
        self.texts.push(text.into());
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.by_text.insert_unique(hash, at, |at| hasher.hash_one(&*texts[*at as usize]));
        self.bytes += size_of::<Box<str>>() + text.len() + 24;
        at
    }

    fn value(&self, value: HeldValue) -> Value<'_> {
        match value {
            HeldValue::None => Value::None,
            HeldValue::Text(at) => Value::Text(&self.texts[at as usize]),
            HeldValue::Number([high, low]) => {
                Value::Number(((u128::from(high) << 64) | u128::from(low)) as i128)
            }
            HeldValue::Place(latitude, longitude) => Value::Place(latitude, longitude),
        }
    }

    /// The groups in the order of their turns, and the places of their hits, group after group, each in the order
    /// of time; without the groups of which `hopes` knows that they cannot match.
    fn turns(&self, hopes: impl Fn(&Group) -> bool) -> (Vec<u32>, Vec<u32>) {
        const NO_TURN: usize = usize::MAX;
        let mut order: Vec<u32> = (0..self.groups.len() as u32).collect();
        order.retain(|at| hopes(&self.groups[*at as usize]));
        order
            .sort_unstable_by(|a, b| self.groups[*a as usize].order().cmp(&self.groups[*b as usize].order()));
        let mut next = vec![NO_TURN; self.groups.len()];
        let mut count = 0;
        for at in &order {
            next[*at as usize] = count;
            count += self.groups[*at as usize].hits as usize;
        }
        let mut hits = vec![0; count];
        for (hit, at) in self.hits.iter().zip(0u32..) {
            let next = &mut next[hit.group as usize];
            if *next != NO_TURN {
                hits[*next] = at;
                *next += 1;
            }
        }
        let mut rest = hits.as_mut_slice();
        for at in &order {
            let (own, others) = rest.split_at_mut(self.groups[*at as usize].hits as usize);
            own.sort_unstable_by_key(|hit| self.hits[*hit as usize].seen);
            rest = others;
        }
        (order, hits)
    }

    /// Writes all hits to a run, group after group, and forgets them; gives where they stand. `at` is where the run
    /// goes on, in bytes.
    pub fn write(&mut self, run: usize, at: &mut u64, out: &mut dyn Write) -> io::Result<Stretch> {
        let (order, places) = self.turns(|_| true);
        let stretch = Stretch { run, at: *at, groups: order.len() };
        let mut out = Counted { out, at, bytes: Vec::new() };
        let mut rest = places.as_slice();
        for group in order.iter().filter_map(|at| self.groups.get(*at as usize)) {
            let (own, others) = rest.split_at(group.hits as usize);
            rest = others;
            out.put(group)?;
            let mut last: &[Carried] = &[];
            for hit in own.iter().filter_map(|at| self.hits.get(*at as usize)) {
                let carried = hit.carried();
                out.put(&Written {
                    seen: hit.seen,
                    members: hit.members,
                    value: self.value(hit.value),
                    event_id: hit.event_id.as_deref(),
                    carried: (carried != last).then_some(carried),
                    evidence: hit.behind.as_ref().and_then(|behind| behind.evidence.as_deref()),
                })?;
                last = carried;
            }
        }
        self.forget();
        Ok(stretch)
    }

    /// Forgets all; their room is for those that come.
    fn forget(&mut self) {
        self.groups.clear();
        self.by_key.clear();
        self.texts.clear();
        self.by_text.clear();
        self.hits.clear();
        self.bytes = 0;
    }
}

impl Hit {
    fn carried(&self) -> &[Carried] {
        self.behind.as_ref().map_or(self.carried.as_slice(), |behind| &behind.carried)
    }
}

/// A hit as a run holds it.
#[derive(Serialize)]
struct Written<'a> {
    seen: Seen,
    members: u64,
    value: Value<'a>,
    event_id: Option<&'a str>,
    /// What is not what the hit before it carries.
    carried: Option<&'a [Carried]>,
    evidence: Option<&'a [Seen]>,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Unwritten<'a> {
    seen: Seen,
    members: u64,
    #[serde(borrow)]
    value: Value<'a>,
    event_id: Option<&'a str>,
    carried: Option<Vec<Carried>>,
    evidence: Option<Box<[Seen]>>,
}

/// Writes things with their lengths.
struct Counted<'o> {
    out: &'o mut dyn Write,
    /// Bytes that were written.
    at: &'o mut u64,
    /// Room for one.
    bytes: Vec<u8>,
}

impl Counted<'_> {
    fn put(&mut self, what: &impl Serialize) -> io::Result<()> {
        self.bytes.clear();
        self.bytes = postcard::to_extend(what, std::mem::take(&mut self.bytes)).map_err(io::Error::other)?;
        let length = u32::try_from(self.bytes.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.bytes)?;
        *self.at += 4 + u64::from(length);
        Ok(())
    }
}

/// The length of the next thing that was written.
fn length(run: &mut impl Read) -> io::Result<u32> {
    let mut length = [0; 4];
    run.read_exact(&mut length)?;
    Ok(u32::from_le_bytes(length))
}

/// Reads the next thing that was written.
fn next_bytes(run: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(length(run)? as usize, 0);
    run.read_exact(bytes)
}

/// Hits of one correlation within a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub run: usize,
    /// Where they begin, in bytes.
    pub at: u64,
    /// How many groups they are.
    pub groups: usize,
}

/// The groups of one correlation in their order, and their hits.
pub(crate) struct Turns {
    sources: Vec<Source>,
    /// The sources that have hits of the group whose turn it is.
    now: Vec<usize>,
}

/// From where hits come.
enum Source {
    Memory(Box<Held>),
    Run(Box<Run>),
}

/// Hits in memory.
struct Held {
    waiting: Waiting,
    /// The groups whose turn is still to come, the next one first.
    groups: std::vec::IntoIter<u32>,
    next: Option<Group>,
    /// Places of hits, in the order of their turns.
    hits: Vec<u32>,
    /// Where among them the next hit of the group stands whose turn it is, and where that group ends.
    at: usize,
    end: usize,
}

/// Hits in a run.
struct Run {
    reader: BufReader<Box<dyn Read>>,
    /// Groups behind the next one.
    left: usize,
    next: Option<Group>,
    /// Hits of the group whose turn it is, behind its next one.
    rest: u64,
    /// The next hit, as it stands there, and its time and event.
    bytes: Vec<u8>,
    seen: Option<Seen>,
    carried: Vec<Carried>,
}

impl Turns {
    /// All hits of a correlation: those that wait in memory, and those of runs. Where there are no runs, groups of
    /// which `hopes` knows that they cannot match have no turn.
    pub fn new(
        waiting: Waiting,
        stretches: &[Stretch],
        spill: &mut dyn Spill,
        hopes: impl Fn(&Group) -> bool,
    ) -> io::Result<Self> {
        let is_all = stretches.is_empty();
        let (order, hits) = waiting.turns(|group| !is_all || hopes(group));
        let mut held = Box::new(Held { waiting, groups: order.into_iter(), next: None, hits, at: 0, end: 0 });
        held.peek();
        let mut sources = vec![Source::Memory(held)];
        for Stretch { run, at, groups } in stretches {
            let mut run = Run {
                reader: BufReader::with_capacity(1 << 16, spill.open(*run, *at)?),
                left: *groups,
                next: None,
                rest: 0,
                bytes: Vec::new(),
                seen: None,
                carried: Vec::new(),
            };
            run.peek()?;
            sources.push(Source::Run(Box::new(run)));
        }
        Ok(Self { sources, now: Vec::new() })
    }

    /// The next group, with all its hits counted. What is left of the one before it is passed over.
    pub fn group(&mut self) -> io::Result<Option<Group>> {
        for source in &mut self.sources {
            source.pass_over()?;
        }
        self.now.clear();
        let mut first: Option<&Group> = None;
        for (number, source) in self.sources.iter().enumerate() {
            let Some(group) = source.next() else { continue };
            let order = first.map_or(Ordering::Less, |first| group.order().cmp(&first.order()));
            if order == Ordering::Less {
                first = Some(group);
                self.now.clear();
            }
            if order != Ordering::Greater {
                self.now.push(number);
            }
        }
        let mut whole: Option<Group> = None;
        for number in &self.now {
            let Some(group) = self.sources[*number].begin()? else { continue };
            match &mut whole {
                Some(whole) => {
                    whole.hits += group.hits;
                    whole.members |= group.members;
                }
                None => whole = Some(group),
            }
        }
        Ok(whole)
    }

    /// Gives the next hit of the group to `take`, with its event's id where it is told apart; false where there is
    /// none.
    pub fn hit(&mut self, key: &str, take: &mut dyn FnMut(Arrival<'_>, Option<&str>)) -> io::Result<bool> {
        let mut first: Option<(Seen, usize)> = None;
        for number in &self.now {
            let Some(seen) = self.sources[*number].seen() else { continue };
            if first.is_none_or(|(first, _)| seen < first) {
                first = Some((seen, *number));
            }
        }
        let Some((_, number)) = first else { return Ok(false) };
        self.sources[number].take(key, take)?;
        Ok(true)
    }
}

impl Source {
    /// The next group.
    fn next(&self) -> Option<&Group> {
        match self {
            Self::Memory(held) => held.next.as_ref(),
            Self::Run(run) => run.next.as_ref(),
        }
    }

    /// The next group's turn.
    fn begin(&mut self) -> io::Result<Option<Group>> {
        match self {
            Self::Memory(held) => {
                let group = held.next.take();
                held.end = held.at + group.as_ref().map_or(0, |group| group.hits as usize);
                Ok(group)
            }
            Self::Run(run) => {
                let group = run.next.take();
                run.rest = group.as_ref().map_or(0, |group| group.hits);
                run.carried.clear();
                run.load()?;
                Ok(group)
            }
        }
    }

    /// Passes over what is left of the group whose turn it is, and looks which one is next.
    fn pass_over(&mut self) -> io::Result<()> {
        match self {
            Self::Memory(held) if held.next.is_none() => {
                held.at = held.end;
                held.peek();
            }
            Self::Run(run) if run.next.is_none() => {
                run.seen = None;
                for _ in 0..std::mem::take(&mut run.rest) {
                    let length = length(&mut run.reader)?;
                    io::copy(&mut run.reader.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                run.peek()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The time and event of the next hit of the group whose turn it is.
    fn seen(&self) -> Option<Seen> {
        match self {
            Self::Memory(held) if held.at < held.end => {
                let hit = held.waiting.hits.get(*held.hits.get(held.at)? as usize)?;
                Some(hit.seen)
            }
            Self::Memory(_) => None,
            Self::Run(run) => run.seen,
        }
    }

    fn take(&mut self, key: &str, take: &mut dyn FnMut(Arrival<'_>, Option<&str>)) -> io::Result<()> {
        match self {
            Self::Memory(held) => {
                let place = held.hits[held.at] as usize;
                held.at += 1;
                let behind = &mut held.waiting.hits[place].behind;
                let evidence = behind.as_mut().and_then(|behind| behind.evidence.take());
                let hit = &held.waiting.hits[place];
                let Hit { seen, members, .. } = *hit;
                let value = held.waiting.value(hit.value);
                let arrival = Arrival { key, seen, members, value, carried: hit.carried(), evidence };
                take(arrival, hit.event_id.as_deref());
                Ok(())
            }
            Self::Run(run) => {
                let hit: Unwritten<'_> = postcard::from_bytes(&run.bytes).map_err(io::Error::other)?;
                let Unwritten { seen, members, value, event_id, carried, evidence } = hit;
                if let Some(carried) = carried {
                    run.carried = carried;
                }
                take(Arrival { key, seen, members, value, carried: &run.carried, evidence }, event_id);
                run.load()
            }
        }
    }
}

impl Held {
    fn peek(&mut self) {
        let next = self.groups.next().and_then(|at| self.waiting.groups.get_mut(at as usize));
        self.next = next.map(|group| Group { key: std::mem::take(&mut group.key), ..*group });
    }
}

impl Run {
    /// Reads which group is next.
    fn peek(&mut self) -> io::Result<()> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            next_bytes(&mut self.reader, &mut self.bytes)?;
            self.next = Some(postcard::from_bytes(&self.bytes).map_err(io::Error::other)?);
        }
        Ok(())
    }

    /// Reads the next hit of the group whose turn it is.
    fn load(&mut self) -> io::Result<()> {
        self.seen = None;
        if let Some(rest) = self.rest.checked_sub(1) {
            self.rest = rest;
            next_bytes(&mut self.reader, &mut self.bytes)?;
            // it stands first
            let (seen, _) = postcard::take_from_bytes(&self.bytes).map_err(io::Error::other)?;
            self.seen = Some(seen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::correlate::finite::MemorySpill;

    /// A hit as it came: of which group, when, which event, what it holds, and what it carries.
    type Given = (u8, i64, u8, u8, u8);

    fn key((group, ..): &Given) -> String {
        // keys of one length and of several
        format!("[\"{}\"]", "g".repeat(usize::from(*group % 3)) + &group.to_string())
    }

    fn carried((.., carries): &Given) -> Vec<Carried> {
        (0..carries % 3).map(|of| Carried::new(&[vec![format!("{carries}-{of}")]])).collect()
    }

    fn shown(value: Value<'_>) -> String {
        format!("{value:?}")
    }

    fn push(waiting: &mut Waiting, given: &Given) {
        let (_, time, event, value, carries) = *given;
        let text = format!("v{}", value / 4);
        let value = match value % 4 {
            0 => Value::None,
            1 => Value::Text(&text),
            2 => Value::Number(i128::from(value) - (1 << 100)),
            _ => Value::Place(-i32::from(value), i32::MAX),
        };
        let mut all = carried(given);
        let evidence = (carries % 3 == 2).then(|| [Seen::derived(time, "evidence")].into());
        let behind = evidence.map(|evidence| Behind { carried: all.clone(), evidence: Some(evidence) });
        waiting.push(Coming {
            key: &key(given),
            seen: Seen::derived(time, &event.to_string()),
            members: 1 << (event % 8),
            value,
            event_id: (event % 2 == 0).then(|| format!("id{event}").into()),
            carried: all.pop().filter(|_| behind.is_none()),
            behind: behind.map(Box::new),
        });
    }

    /// A hit as it is taken: its event, what it holds, its id, what it carries, and whether there is evidence behind it.
    type Taken = (Seen, String, Option<String>, Vec<Carried>, bool);

    fn taken(given: &Given) -> Taken {
        let (_, time, event, value, carries) = *given;
        let value = match value % 4 {
            0 => shown(Value::None),
            1 => shown(Value::Text(&format!("v{}", value / 4))),
            2 => shown(Value::Number(i128::from(value) - (1 << 100))),
            _ => shown(Value::Place(-i32::from(value), i32::MAX)),
        };
        let id = (event % 2 == 0).then(|| format!("id{event}"));
        (Seen::derived(time, &event.to_string()), value, id, carried(given), carries % 3 == 2)
    }

    proptest! {
        /// Each group has one turn with all its hits in the order of time, wherever they waited, and may be left in
        /// the middle.
        #[test]
        fn hits_have_their_turn_group_after_group(
            parts in prop::collection::vec(
                prop::collection::vec((0u8..12, -3i64..20, 0u8..40, any::<u8>(), any::<u8>()), 0..60),
                1..5,
            ),
            left in prop::collection::vec(0usize..8, 12),
        ) {
            let mut expected: std::collections::BTreeMap<String, Vec<Given>> = Default::default();
            for given in parts.iter().flatten() {
                expected.entry(key(given)).or_default().push(*given);
            }
            let (mut waiting, mut spill) = (Waiting::default(), MemorySpill::default());
            let mut stretches = Vec::new();
            for (number, part) in parts.iter().enumerate() {
                part.iter().for_each(|given| push(&mut waiting, given));
                for given in part {
                    prop_assert!(waiting.members(&key(given)) & (1 << (given.2 % 8)) != 0);
                }
                if number + 1 < parts.len() {
                    let mut at = 7;
                    spill
                        .write(&mut |out| {
                            // another correlation's hits stand before them
                            out.write_all(&[0xff; 7])?;
                            stretches.push(waiting.write(number, &mut at, out)?);
                            Ok(())
                        })
                        .unwrap();
                    prop_assert!(waiting.is_empty() && waiting.bytes() == 0);
                }
            }
            let mut turns = Turns::new(waiting, &stretches, &mut spill, |_| true).unwrap();
            let mut left = left.into_iter();
            while let Some(group) = turns.group().unwrap() {
                let hits = expected.remove(&*group.key);
                prop_assert!(hits.is_some(), "{} has one turn", group.key);
                let hits: Vec<_> = hits.iter().flatten().map(taken).collect();
                prop_assert_eq!(group.hits, hits.len() as u64);
                // every second group is left after a few hits
                let take = left.next().filter(|take| take % 2 == 1).unwrap_or(usize::MAX);
                let mut own = Vec::new();
                while own.len() < take
                    && turns
                        .hit(&group.key, &mut |hit, id| {
                            let id = id.map(str::to_owned);
                            let is_behind = hit.evidence.is_some();
                            own.push((hit.seen, shown(hit.value), id, hit.carried.to_vec(), is_behind));
                        })
                        .unwrap()
                {}
                prop_assert!(own.is_sorted_by_key(|hit| hit.0));
                if take == usize::MAX {
                    // of one moment they come in any order
                    let sorted = |mut hits: Vec<Taken>| {
                        hits.sort_by_key(|hit| format!("{hit:?}"));
                        hits
                    };
                    prop_assert_eq!(sorted(own), sorted(hits));
                } else {
                    prop_assert_eq!(own.len(), take.min(hits.len()));
                }
            }
            prop_assert!(expected.is_empty());
        }
    }

    #[test]
    fn groups_without_hope_have_no_turn() {
        let mut waiting = Waiting::default();
        for given in [(1, 5, 0, 0, 0), (2, 1, 0, 0, 0), (1, 2, 1, 0, 0)] {
            push(&mut waiting, &given);
        }
        let mut turns =
            Turns::new(waiting, &[], &mut MemorySpill::default(), |group| group.hits > 1).unwrap();
        let group = turns.group().unwrap().unwrap();
        assert_eq!((&*group.key, group.hits, group.members), ("[\"g1\"]", 2, 0b11));
        assert!(turns.group().unwrap().is_none());
    }

    #[test]
    fn a_hit_that_waits_is_small() {
        assert!(size_of::<Hit>() <= 128, "{}", size_of::<Hit>());
    }
}
