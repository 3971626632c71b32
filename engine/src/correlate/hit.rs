//! A hit as a group keeps it, and the texts behind it.
//!
//! In: occurrences. Out: [`Hit`]s, 40 bytes and a detail each, and [`Identities`], which knows the texts behind
//! those bytes for as long as somebody keeps them.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::occurrence::Value;
use super::words::{Word, Words};
use crate::alert::{Evidence, show_time};
use crate::event::{Origin, OriginBase};

/// An event that a group remembers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Event time.
    pub time: i64,
    /// The bits of its id: those of a UUID, or a hash of another text. Two halves, for a number of 128
    /// bits would be aligned to 16 bytes.
    id: [u64; 2],
    base: u32,
    line: u32,
    /// The lower half of its number, counted from 1; the upper one is known with the base.
    record: u32,
    /// What it means beyond its group: a number of [`super::about::About`], 0 where it means nothing.
    pub meaning: u32,
}

/// The id is a UUID and its bits are the text.
const IS_UUID: u32 = 1 << 31;
/// The event is not a log's but an inner correlation's.
const IS_DERIVED: u32 = 1 << 30;

impl Seen {
    /// A match of an inner correlation. `id` is a hash in hexadecimal.
    pub fn derived(time: i64, id: &str) -> Self {
        Self { time, id: halves(hash_bits(id)), base: IS_DERIVED, line: 0, record: 0, meaning: 0 }
    }

    /// The same without what it means in its correlation, where another takes it.
    pub fn alone(self) -> Self {
        Self { meaning: 0, ..self }
    }

    pub fn is_derived(&self) -> bool {
        self.base & IS_DERIVED != 0
    }

    pub fn id(&self) -> u128 {
        (u128::from(self.id[0]) << 64) | u128::from(self.id[1])
    }
}

/// As they are ordered: an event that was read twice is one.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Seen {}

impl PartialOrd for Seen {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seen {
    /// By time, then by id: the order in which a group takes its hits. Where an event was read and what it means to
    /// others says nothing of what it is.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.id).cmp(&(other.time, other.id))
    }
}

fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

pub(crate) fn hash_bits(text: &str) -> u128 {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hash.as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

/// A hash that is the same in every build: it is kept in snapshots (FNV-1a, 64 bits).
pub(crate) fn hash_of(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bits of a UUID in its usual form: lower case, with hyphens. No other text has that form back.
fn uuid_bits(text: &str) -> Option<u128> {
    /// Beyond every digit: what is none.
    const NONE: u8 = 0xff;
    const DIGITS: [u8; 256] = {
        let mut digits = [NONE; 256];
        let mut digit = 0;
        while digit < 16 {
            digits[b"0123456789abcdef"[digit] as usize] = digit as u8;
            digit += 1;
        }
        digits
    };
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    if [8, 13, 18, 23].iter().any(|&at| bytes[at] != b'-') {
        return None;
    }
    let (mut bits, mut seen) = (0u128, 0u8);
    for part in [&bytes[..8], &bytes[9..13], &bytes[14..18], &bytes[19..23], &bytes[24..]] {
        let mut number = 0u64;
        for &byte in part {
            let digit = DIGITS[usize::from(byte)];
            seen |= digit;
            number = (number << 4) | u64::from(digit & 0xf);
        }
        bits = (bits << (4 * part.len())) | u128::from(number);
    }
    (seen < 16).then_some(bits)
}

fn uuid_text(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A hit of one group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Hit<D> {
    /// The event. Two hits of one event and one detail are one.
    pub seen: Seen,
    /// What the type looks at.
    pub detail: D,
}

/// What a type keeps of a hit beside the event. Its order says which hits of one event are one.
pub(crate) trait Detail: Clone + Ord + Serialize + DeserializeOwned {
    /// What a type keeps of an occurrence; `None` where the value is of the wrong kind.
    fn of(members: u64, value: Value<'_>, words: &mut Words) -> Option<Self>;

    /// Takes in another detail of the same hit; whether that changes it.
    fn merge(&mut self, _other: Self) -> bool {
        false
    }

    /// After it was read from a snapshot.
    fn adopt(&mut self, _words: &mut Words) {}
}

impl Detail for () {
    fn of(_: u64, _: Value<'_>, _: &mut Words) -> Option<Self> {
        Some(())
    }
}

/// Which rules match. All hits of one event are one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Members(pub u64);

impl PartialEq for Members {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Members {}
impl PartialOrd for Members {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Members {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Detail for Members {
    fn of(members: u64, _: Value<'_>, _: &mut Words) -> Option<Self> {
        Some(Self(members))
    }

    fn merge(&mut self, other: Self) -> bool {
        let changes = other.0 & !self.0 != 0;
        self.0 |= other.0;
        changes
    }
}

impl Detail for Word {
    fn of(_: u64, value: Value<'_>, words: &mut Words) -> Option<Self> {
        match value {
            Value::Text(text) => Some(words.get(text)),
            _ => None,
        }
    }

    fn adopt(&mut self, words: &mut Words) {
        words.adopt(self);
    }
}

/// A number, in billionths.
pub(crate) type Billionths = i128;

impl Detail for Billionths {
    fn of(_: u64, value: Value<'_>, _: &mut Words) -> Option<Self> {
        match value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// Latitude and longitude, in millionths of a degree.
pub(crate) type Coordinates = (i32, i32);

impl Detail for Coordinates {
    fn of(_: u64, value: Value<'_>, _: &mut Words) -> Option<Self> {
        match value {
            Value::Place(latitude, longitude) => Some((latitude, longitude)),
            _ => None,
        }
    }
}

/// How many different events a run of hits in order is.
pub(crate) fn events_in<D>(hits: &[Hit<D>]) -> u64 {
    let mut count = 0;
    let mut last = None;
    for hit in hits {
        if last != Some((hit.seen.time, hit.seen.id)) {
            count += 1;
            last = Some((hit.seen.time, hit.seen.id));
        }
    }
    count
}

/// What many events have in common: their source, where they were read, and the upper half of their numbers there.
type Base = (Arc<str>, OriginBase, u32);

/// The texts behind [`Seen`]: sources, origins, ids that are no UUIDs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Identities {
    bases: Vec<Option<Base>>,
    free: Vec<u32>,
    #[serde(with = "pairs")]
    by_base: HashMap<Base, u32>,
    #[serde(with = "pairs")]
    ids: HashMap<u128, Box<str>>,
    last: u32,
    swept: usize,
}

/// Maps as sorted lists of pairs: the same state gives the same bytes.
pub(crate) mod pairs {
    use std::hash::Hash;

    use hashbrown::HashMap;
    use serde::de::Deserialize;
    use serde::{Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize + Ord, V: Serialize, S: Serializer>(
        map: &HashMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut pairs: Vec<(&K, &V)> = map.iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.cmp(b.0));
        pairs.serialize(serializer)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<HashMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl Identities {
    /// Remembers an event.
    pub fn see(&mut self, time: i64, event_id: &str, source: &Arc<str>, origin: &Origin) -> Seen {
        let (seen, text) = self.see_briefly(time, event_id, source, origin);
        if let Some(text) = text {
            self.ids.entry(seen.id()).or_insert(text);
        }
        seen
    }

    /// Remembers an event but for the text of its id, where that is not in the bits; [`Self::learn`] does.
    pub fn see_briefly(
        &mut self,
        time: i64,
        event_id: &str,
        source: &Arc<str>,
        origin: &Origin,
    ) -> (Seen, Option<Box<str>>) {
        // records begin at 0 in a topic, at 1 elsewhere
        let record = origin.record.map_or(0, |record| record.saturating_add(1));
        let base = self.base(source, &origin.base, (record >> 32) as u32);
        // a line beyond four thousand millions is not told
        let line = origin.line.map_or(0, |line| u32::try_from(line).unwrap_or(0));
        let (bits, flag, text) = match uuid_bits(event_id) {
            Some(bits) => (bits, IS_UUID, None),
            None => (hash_bits(event_id), 0, Some(event_id.into())),
        };
        let seen =
            Seen { time, id: halves(bits), base: base | flag, line, record: record as u32, meaning: 0 };
        (seen, text)
    }

    /// The text of an event's id.
    pub fn learn(&mut self, seen: &Seen, event_id: &str) {
        self.ids.entry(seen.id()).or_insert_with(|| event_id.into());
    }

    fn base(&mut self, source: &Arc<str>, base: &OriginBase, upper: u32) -> u32 {
        let is = |known: &Option<Base>| matches!(known, Some((s, b, u)) if s == source && b == base && *u == upper);
        if self.bases.get(self.last as usize).is_some_and(is) {
            return self.last;
        }
        let key = (Arc::clone(source), base.clone(), upper);
        if let Some(&number) = self.by_base.get(&key) {
            self.last = number;
            return number;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.bases[number as usize] = Some(key.clone());
                number
            }
            None => {
                self.bases.push(Some(key.clone()));
                (self.bases.len() - 1) as u32
            }
        };
        self.by_base.insert(key, number);
        self.last = number;
        number
    }

    /// Forgets the texts of all ids.
    pub fn forget_texts(&mut self) {
        self.ids.clear();
    }

    /// The event as an alert shows it.
    pub fn evidence(&self, seen: &Seen) -> Evidence {
        let known = self.bases.get((seen.base & !(IS_UUID | IS_DERIVED)) as usize).and_then(Option::as_ref);
        let (source, base, upper) = match known {
            Some((source, base, upper)) => (source.to_string(), base.clone(), *upper),
            None => (String::new(), OriginBase::File { path: "".into() }, 0),
        };
        let event_id = match seen.base & IS_UUID != 0 {
            true => uuid_text(seen.id()),
            false => {
                self.ids.get(&seen.id()).map_or_else(|| format!("{:032x}", seen.id()), |id| id.to_string())
            }
        };
        let line = (seen.line > 0).then_some(u64::from(seen.line));
        let record = (u64::from(upper) << 32 | u64::from(seen.record)).checked_sub(1);
        Evidence { event_id, time: show_time(seen.time), source, origin: Origin { base, line, record } }
    }

    /// Whether so much has been added since the last time that it is worth looking what is still needed.
    pub fn is_due(&self) -> bool {
        self.bases.len() - self.free.len() + self.ids.len() > (2 * self.swept).max(1 << 16)
    }

    /// Forgets what is not used any more.
    pub fn sweep(&mut self, used: &Used) {
        for (number, base) in self.bases.iter_mut().enumerate() {
            if base.is_some() && !used.bases.contains(&(number as u32)) {
                *base = None;
                self.free.push(number as u32);
            }
        }
        let bases = &self.bases;
        self.by_base.retain(|_, number| bases[*number as usize].is_some());
        self.ids.retain(|id, _| used.ids.contains(id));
        self.swept = self.bases.len() - self.free.len() + self.ids.len();
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        let ids: usize = self.ids.len() * 48 + self.ids.values().map(|id| id.len()).sum::<usize>();
        ids + (self.bases.len() - self.free.len()) * 160
    }
}

/// What of [`Identities`] is still needed.
#[derive(Debug, Default)]
pub(crate) struct Used {
    bases: HashSet<u32>,
    ids: HashSet<u128>,
}

impl Used {
    /// This event is.
    pub fn mark(&mut self, seen: &Seen) {
        if !seen.is_derived() {
            self.bases.insert(seen.base & !IS_UUID);
            if seen.base & IS_UUID == 0 {
                self.ids.insert(seen.id());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_small() {
        assert_eq!(size_of::<Hit<()>>(), 40);
        assert_eq!(size_of::<Hit<Members>>(), 48);
        assert_eq!(size_of::<Hit<Word>>(), 48);
    }

    #[test]
    fn an_event_that_was_read_from_two_places_is_one() {
        let mut identities = Identities::default();
        let mut seen = |path: &str, id: &str| {
            let origin = Origin { base: OriginBase::File { path: path.into() }, line: Some(1), record: None };
            identities.see(5, id, &"s".into(), &origin)
        };
        let (one, again, other) = (seen("a", "x"), seen("b", "x"), seen("a", "y"));
        assert!(one == again && one.cmp(&again).is_eq() && one != other);
    }

    #[test]
    fn an_id_comes_back_as_its_text_whatever_its_form() {
        let mut identities = Identities::default();
        let source: Arc<str> = "s".into();
        let origin = Origin {
            base: OriginBase::Topic { topic: "t".into(), partition: 3 },
            line: None,
            record: Some(0),
        };
        for id in [
            "6b6e1a5c-8a1f-4f6e-9f3d-0123456789ab",
            "6B6E1A5C-8A1F-4F6E-9F3D-0123456789AB",
            "6b6e1a5c8a1f4f6e9f3d0123456789ab",
            "6b6e1a5c-8a1f-4f6e-9f3d-0123456789a-",
            "-6b6e1a5-8a1f-4f6e-9f3d-0123456789ab",
            "",
            "é",
        ] {
            let evidence = {
                let seen = identities.see(5, id, &source, &origin);
                identities.evidence(&seen)
            };
            assert_eq!((evidence.event_id.as_str(), &evidence.origin), (id, &origin));
        }
    }

    #[test]
    fn what_nobody_needs_is_forgotten_and_what_somebody_needs_is_not() {
        let mut identities = Identities::default();
        let source: Arc<str> = "s".into();
        let origin =
            |path: &str| Origin { base: OriginBase::File { path: path.into() }, line: Some(1), record: None };
        let kept = identities.see(1, "one", &source, &origin("a"));
        identities.see(2, "two", &source, &origin("b"));
        let mut used = Used::default();
        used.mark(&kept);
        identities.sweep(&used);
        let again = identities.see(3, "three", &source, &origin("c"));
        assert_eq!(identities.evidence(&kept).origin, origin("a"));
        assert_eq!(identities.evidence(&again).origin, origin("c"));
        assert_eq!((identities.bases.len(), identities.ids.len()), (2, 2));
    }
}
