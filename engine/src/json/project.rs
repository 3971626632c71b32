//! The projector: a trie of the asked paths, walked along with the text.
//!
//! In: the paths of each slot, best first. Out: for each event, where the values stand. The walk
//! looks only into objects that lie on an asked path and skips everything else. It has two ways
//! that always agree: the fast one, member by member as the text goes, and a careful one, object
//! by object, for events with repeated, escaped or non-ASCII keys on a path.

use std::collections::HashMap;

use super::JsonError;
use super::cursor::{incomplete, skip_value_at, skip_whitespace, string_end, syntax, too_deep};
use super::value::string_text;
use crate::limits::{MAX_JOINED_SEGMENTS, MAX_JSON_DEPTH};
use crate::predicate::fold;

/// The routes of a dotted path, best first: see the module's page.
///
/// ```
/// assert_eq!(virga_engine::json::routes("a.b"), [vec!["a.b"], vec!["a", "b"]]);
/// ```
pub fn routes(path: &str) -> Vec<Vec<&str>> {
    let segments = path.split('.').count();
    if segments <= MAX_JOINED_SEGMENTS {
        let mut all = Vec::with_capacity(1 << (segments - 1));
        joined(path, &mut Vec::new(), &mut all);
        return all;
    }
    // keys with dots (`nvidia.com/gpu`) stand at the end of long paths
    let mut head = Vec::new();
    let mut rest = path;
    for _ in MAX_JOINED_SEGMENTS..segments {
        let (name, tail) = rest.split_once('.').unwrap_or((rest, ""));
        head.push(name);
        rest = tail;
    }
    let mut all = vec![vec![path]];
    joined(rest, &mut head, &mut all);
    all
}

fn joined<'p>(rest: &'p str, taken: &mut Vec<&'p str>, all: &mut Vec<Vec<&'p str>>) {
    taken.push(rest);
    all.push(taken.clone());
    taken.pop();
    let mut end = rest.len();
    while let Some(dot) = rest[..end].rfind('.') {
        taken.push(&rest[..dot]);
        joined(&rest[dot + 1..], taken, all);
        taken.pop();
        end = dot;
    }
}

/// What separates the texts of a cell.
const SEPARATOR: u8 = crate::event::TEXT_SEPARATOR as u8;

/// Where the asked values of one event stand in its text. Reused from event to event.
#[derive(Debug, Clone, Default)]
pub struct Cells {
    first: Vec<Found>,
    /// The slots of `first` that hold something: an event fills few of many.
    touched: Vec<u32>,
    more: Vec<(u32, Found)>,
    seen: Vec<u64>,
}

/// A value on a route; `rank` orders the routes of a slot.
#[derive(Debug, Clone, Copy)]
struct Found {
    rank: u32,
    start: usize,
    end: usize,
}

const NOTHING: Found = Found { rank: u32::MAX, start: 0, end: 0 };

impl Cells {
    fn reset(&mut self, slots: usize) {
        for slot in self.touched.drain(..) {
            self.first[slot as usize] = NOTHING;
        }
        self.first.resize(slots, NOTHING);
        self.more.clear();
        self.seen.clear();
    }

    /// The first value of a slot, as it stands in the text that was projected.
    #[inline]
    pub fn text<'t>(&self, slot: usize, text: &'t str) -> Option<&'t str> {
        let found = self.first.get(slot)?;
        text.get(found.start..found.end).filter(|_| found.rank != u32::MAX)
    }

    /// The bytes that the first value of a slot covers.
    pub fn range(&self, slot: usize) -> Option<std::ops::Range<usize>> {
        let found = self.first.get(slot).filter(|found| found.rank != u32::MAX)?;
        Some(found.start..found.end)
    }

    /// Whether a slot has more than one value.
    #[inline]
    pub fn has_several(&self, slot: usize) -> bool {
        !self.more.is_empty() && self.several(slot).next().is_some()
    }

    fn several(&self, slot: usize) -> impl Iterator<Item = &Found> {
        let rank = self.first.get(slot).map_or(u32::MAX, |found| found.rank);
        self.more
            .iter()
            .filter(move |(other, found)| *other as usize == slot && found.rank == rank)
            .map(|(_, found)| found)
    }

    /// All values of a slot, in the order of the text.
    pub fn texts<'t>(&self, slot: usize, text: &'t str) -> impl Iterator<Item = &'t str> {
        let more: Vec<&'t str> = self.several(slot).filter_map(|f| text.get(f.start..f.end)).collect();
        self.text(slot, text).into_iter().chain(more)
    }

    #[inline]
    fn add(&mut self, slot: u32, rank: u32, start: usize, end: usize) {
        let found = Found { rank, start, end };
        let first = &mut self.first[slot as usize];
        if rank < first.rank {
            if first.rank == NOTHING.rank {
                self.touched.push(slot);
            }
            *first = found;
        } else if rank == first.rank {
            self.more.push((slot, found));
        }
    }
}

/// Finds the values of many paths in one pass over an event's text.
#[derive(Debug, Clone)]
pub struct Projector {
    nodes: Vec<Node>,
    whole: Vec<(u32, u32)>,
    slots: usize,
}

/// The asked keys of the objects at one place.
#[derive(Debug, Clone, Default)]
struct Node {
    children: Vec<Child>,
    /// Open-addressing table of child numbers by key hash; `EMPTY` ends a probe.
    table: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Child {
    /// The key in lower case.
    key: String,
    /// The key as whoever asked first wrote it, which is nearly always how logs write it.
    written: String,
    /// Slots whose value this is, with the rank of the route.
    leaves: Vec<(u32, u32)>,
    /// The node of the objects below it.
    node: Option<u32>,
}

const EMPTY: u32 = u32::MAX;

/// The fast way met something that only the careful way may decide.
enum Stop {
    Careful,
    Error(JsonError),
}

impl From<JsonError> for Stop {
    fn from(error: JsonError) -> Self {
        Stop::Error(error)
    }
}

impl Projector {
    /// Compiles the paths: one entry a slot, each a list of dotted paths, best first. An empty path
    /// stands for the whole event.
    pub fn new(slots: &[Vec<String>]) -> Self {
        let mut projector = Self { nodes: vec![Node::default()], whole: Vec::new(), slots: slots.len() };
        for (slot, paths) in slots.iter().enumerate() {
            let mut rank = 0;
            for path in paths {
                if path.is_empty() {
                    projector.whole.push((slot as u32, rank));
                    rank += 1;
                    continue;
                }
                for route in routes(path) {
                    projector.insert(&route, slot as u32, rank);
                    rank += 1;
                }
            }
        }
        projector.nodes.iter_mut().for_each(Node::index);
        projector
    }

    fn insert(&mut self, route: &[&str], slot: u32, rank: u32) {
        let mut node = 0usize;
        for (i, name) in route.iter().enumerate() {
            let key = fold(name).into_owned();
            let child = match self.nodes[node].children.iter().position(|child| child.key == key) {
                Some(child) => child,
                None => {
                    let written = (*name).to_owned();
                    self.nodes[node].children.push(Child { key, written, leaves: Vec::new(), node: None });
                    self.nodes[node].children.len() - 1
                }
            };
            if i + 1 == route.len() {
                self.nodes[node].children[child].leaves.push((slot, rank));
                return;
            }
            node = match self.nodes[node].children[child].node {
                Some(next) => next as usize,
                None => {
                    self.nodes.push(Node::default());
                    let next = self.nodes.len() - 1;
                    self.nodes[node].children[child].node = Some(next as u32);
                    next
                }
            };
        }
    }

    /// Finds the asked values of one event, an object.
    ///
    /// # Errors
    /// Where the event is not a JSON object, is cut off, nests too deep or has text behind it.
    pub fn project(&self, text: &str, cells: &mut Cells) -> Result<(), JsonError> {
        match self.run(text, cells, Self::walk_object) {
            Err(Stop::Careful) => match self.run(text, cells, Self::walk_carefully) {
                Err(Stop::Careful) => Err(syntax("a key could not be read", 0)),
                Err(Stop::Error(error)) => Err(error),
                Ok(()) => Ok(()),
            },
            Err(Stop::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    /// The careful way alone: the oracle of the fast one.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub fn project_carefully(&self, text: &str, cells: &mut Cells) -> Result<(), JsonError> {
        self.run(text, cells, Self::walk_carefully).map_err(|stop| match stop {
            Stop::Careful => syntax("a key could not be read", 0),
            Stop::Error(error) => error,
        })
    }

    fn run(
        &self,
        text: &str,
        cells: &mut Cells,
        walk: impl Fn(&Self, &str, usize, usize, usize, &mut Cells) -> Result<usize, Stop>,
    ) -> Result<(), Stop> {
        cells.reset(self.slots);
        let bytes = text.as_bytes();
        let start = skip_whitespace(bytes, 0);
        match bytes.get(start) {
            Some(b'{') => {}
            Some(_) => return Err(syntax("an event must be a JSON object", start).into()),
            None => return Err(incomplete(start).into()),
        }
        if let Some(at) = memchr::memchr(SEPARATOR, bytes) {
            // no JSON holds it unescaped, and it would split a cell
            return Err(syntax("a control character in the event", at).into());
        }
        let end = walk(self, text, start, 0, 1, cells)?;
        for &(slot, rank) in &self.whole {
            cells.add(slot, rank, start, end);
        }
        match skip_whitespace(bytes, end) {
            tail if tail == bytes.len() => Ok(()),
            tail => Err(syntax("more text after the event", tail).into()),
        }
    }

    /// The fast way: one object, from its opening brace to behind its closing one.
    fn walk_object(
        &self,
        text: &str,
        open: usize,
        node: usize,
        depth: usize,
        cells: &mut Cells,
    ) -> Result<usize, Stop> {
        if depth > MAX_JSON_DEPTH {
            return Err(too_deep(open).into());
        }
        let bytes = text.as_bytes();
        let asked = &self.nodes[node];
        let seen = cells.seen.len();
        cells.seen.resize(seen + asked.children.len().div_ceil(64), 0);
        let mut at = skip_whitespace(bytes, open + 1);
        if bytes.get(at) == Some(&b'}') {
            cells.seen.truncate(seen);
            return Ok(at + 1);
        }
        loop {
            let (key, value) = member(bytes, at)?;
            let end = match asked.find(&bytes[key.0..key.1])? {
                None => skip_value_at(bytes, value, depth)?,
                Some(number) => {
                    let (word, bit) = (seen + number / 64, 1u64 << (number % 64));
                    if cells.seen[word] & bit != 0 {
                        return Err(Stop::Careful);
                    }
                    cells.seen[word] |= bit;
                    self.asked_value(text, value, &asked.children[number], depth, cells, Self::walk_object)?
                }
            };
            at = skip_whitespace(bytes, end);
            match behind_value(bytes, at, b'}')? {
                Behind::Next(next) => at = next,
                Behind::Closed(end) => {
                    cells.seen.truncate(seen);
                    return Ok(end);
                }
            }
        }
    }

    /// Records an asked value and goes on below it.
    fn asked_value(
        &self,
        text: &str,
        start: usize,
        child: &Child,
        depth: usize,
        cells: &mut Cells,
        walk: impl Fn(&Self, &str, usize, usize, usize, &mut Cells) -> Result<usize, Stop> + Copy,
    ) -> Result<usize, Stop> {
        let bytes = text.as_bytes();
        let end = match (child.node, bytes.get(start)) {
            (Some(node), Some(b'{')) => walk(self, text, start, node as usize, depth + 1, cells)?,
            (Some(node), Some(b'[')) => self.fan_out(text, start, node as usize, depth + 1, cells, walk)?,
            (_, Some(b'"')) => {
                let (quote, escaped) = string_end(bytes, start + 1)?;
                // a string that a test will look at must be one
                if escaped && !child.leaves.is_empty() && string_text(&text[start..=quote]).is_none() {
                    return Err(syntax("a bad escape in the string", start).into());
                }
                quote + 1
            }
            _ => skip_value_at(bytes, start, depth)?,
        };
        for &(slot, rank) in &child.leaves {
            cells.add(slot, rank, start, end);
        }
        Ok(end)
    }

    /// Walks through an array on a path: each object in it is one more place for what is asked.
    fn fan_out(
        &self,
        text: &str,
        open: usize,
        node: usize,
        depth: usize,
        cells: &mut Cells,
        walk: impl Fn(&Self, &str, usize, usize, usize, &mut Cells) -> Result<usize, Stop> + Copy,
    ) -> Result<usize, Stop> {
        if depth > MAX_JSON_DEPTH {
            return Err(too_deep(open).into());
        }
        let bytes = text.as_bytes();
        let mut at = skip_whitespace(bytes, open + 1);
        if bytes.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
        loop {
            let end = match bytes.get(at) {
                Some(b'{') => walk(self, text, at, node, depth + 1, cells)?,
                Some(b'[') => self.fan_out(text, at, node, depth + 1, cells, walk)?,
                _ => skip_value_at(bytes, at, depth)?,
            };
            at = skip_whitespace(bytes, end);
            match behind_value(bytes, at, b']')? {
                Behind::Next(next) => at = next,
                Behind::Closed(end) => return Ok(end),
            }
        }
    }

    /// The careful way: reads all members of an object, unescapes their keys, and of those that are
    /// equal without case takes the last.
    fn walk_carefully(
        &self,
        text: &str,
        open: usize,
        node: usize,
        depth: usize,
        cells: &mut Cells,
    ) -> Result<usize, Stop> {
        if depth > MAX_JSON_DEPTH {
            return Err(too_deep(open).into());
        }
        let bytes = text.as_bytes();
        let mut members: HashMap<String, usize> = HashMap::new();
        let mut at = skip_whitespace(bytes, open + 1);
        let end = loop {
            if members.is_empty() && bytes.get(at) == Some(&b'}') {
                break at + 1;
            }
            let (key, value) = member(bytes, at)?;
            let name = string_text(&text[key.0 - 1..=key.1]).ok_or(Stop::Careful)?;
            members.insert(fold(&name).into_owned(), value);
            at = skip_whitespace(bytes, skip_value_at(bytes, value, depth)?);
            match behind_value(bytes, at, b'}')? {
                Behind::Next(next) => at = next,
                Behind::Closed(end) => break end,
            }
        };
        for child in &self.nodes[node].children {
            if let Some(&value) = members.get(&child.key) {
                self.asked_value(text, value, child, depth, cells, Self::walk_carefully)?;
            }
        }
        Ok(end)
    }
}

/// What stands behind a value.
enum Behind {
    /// A comma: where the next member or element starts.
    Next(usize),
    /// The closing bracket: the position behind it.
    Closed(usize),
}

#[inline]
fn behind_value(bytes: &[u8], at: usize, close: u8) -> Result<Behind, JsonError> {
    match bytes.get(at) {
        Some(b',') => Ok(Behind::Next(skip_whitespace(bytes, at + 1))),
        Some(byte) if *byte == close => Ok(Behind::Closed(at + 1)),
        Some(_) => Err(syntax("a comma or a closing bracket was expected", at)),
        None => Err(incomplete(at)),
    }
}

/// Reads `"key" :` at `at`: the span of the key inside its quotes, and where the value starts.
#[inline]
fn member(bytes: &[u8], at: usize) -> Result<((usize, usize), usize), JsonError> {
    match bytes.get(at) {
        Some(b'"') => {}
        Some(_) => return Err(syntax("a key was expected", at)),
        None => return Err(incomplete(at)),
    }
    let (end, _) = string_end(bytes, at + 1)?;
    let colon = skip_whitespace(bytes, end + 1);
    match bytes.get(colon) {
        Some(b':') => Ok(((at + 1, end), skip_whitespace(bytes, colon + 1))),
        Some(_) => Err(syntax("a colon was expected", colon)),
        None => Err(incomplete(colon)),
    }
}

/// A hash of a key that is the same in upper and lower case: its length, and its first and last
/// eight bytes with the case bit set.
#[inline]
fn key_hash(key: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let word = |bytes: &[u8]| {
        let mut word = [0u8; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word) | CASE
    };
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first) | CASE, u64::from_le_bytes(*last) | CASE),
        _ => (word(key), 0),
    };
    let mixed = (first ^ last.rotate_left(29) ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 32)
}

impl Node {
    /// Builds the table. Keys with a backslash or beyond ASCII are left out: the careful way alone
    /// unescapes and folds.
    fn index(&mut self) {
        let size = (self.children.len() * 2).next_power_of_two().max(2);
        self.table = vec![EMPTY; size];
        let plain = |child: &&Child| child.key.is_ascii() && !child.key.contains('\\');
        for (number, child) in self.children.iter().enumerate().filter(|(_, child)| plain(child)) {
            let mut at = key_hash(child.key.as_bytes()) as usize & (size - 1);
            while self.table[at] != EMPTY {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = number as u32;
        }
    }

    /// The child of that key. A key with an escape or beyond ASCII is for the careful way.
    #[inline]
    fn find(&self, key: &[u8]) -> Result<Option<usize>, Stop> {
        let mask = self.table.len() - 1;
        let mut at = key_hash(key) as usize & mask;
        while self.table[at] != EMPTY {
            let number = self.table[at] as usize;
            let child = &self.children[number];
            if child.written.as_bytes() == key || child.key.as_bytes().eq_ignore_ascii_case(key) {
                return Ok(Some(number));
            }
            at = (at + 1) & mask;
        }
        if key.is_ascii() && !key.contains(&b'\\') { Ok(None) } else { Err(Stop::Careful) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(paths: &[&str], event: &str) -> Result<Vec<String>, JsonError> {
        let projector = Projector::new(&[paths.iter().map(|p| p.to_string()).collect()]);
        let (mut fast, mut careful) = (Cells::default(), Cells::default());
        let results = (projector.project(event, &mut fast), projector.project_carefully(event, &mut careful));
        assert_eq!(results.0.is_ok(), results.1.is_ok(), "{event}");
        results.0?;
        let texts = |cells: &Cells| cells.texts(0, event).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(texts(&fast), texts(&careful), "{event}");
        Ok(texts(&fast))
    }

    #[test]
    fn a_path_finds_what_stands_there() {
        let cases: &[(&[&str], &str, &[&str])] = &[
            (&["a"], r#"{"a":1}"#, &["1"]),
            (&["a"], r#"{"b":1}"#, &[]),
            (&["a"], r#"{"a":null}"#, &["null"]),
            (&["A"], r#"{"a":1}"#, &["1"]),
            (&["a.b"], r#"{"a":{"b":{"c":[1, 2]}}}"#, &[r#"{"c":[1, 2]}"#]),
            (&["a.b"], r#"{"a":[{"b":1},{"c":2},{"b":3}]}"#, &["1", "3"]),
            (&["a.b"], r#"{"a":[[{"b":1}],{"b":[2]}]}"#, &["1", "[2]"]),
            (&["a.b"], r#"{"a":{"b":1},"a.b":2}"#, &["2"]),
            (&["a.b.c"], r#"{"a":{"b":{"c":1},"b.c":2}}"#, &["2"]),
            (&["a.b.c"], r#"{"a":{"b":{"c":1}},"a.b":{"c":3}}"#, &["3"]),
            (&["a.b.c"], r#"{"a":{"b":{"c":1}},"a.b":{"d":3}}"#, &["1"]),
            (&["x", "a.b"], r#"{"a":{"b":1}}"#, &["1"]),
            (&["x", "a.b"], r#"{"a":{"b":1},"x":null}"#, &["null"]),
            (&["a"], r#"{"a":1,"a":2}"#, &["2"]),
            (&["a"], r#"{"a":1,"A":2}"#, &["2"]),
            (&["a.b"], r#"{"a":{"b":1},"a":{"c":2}}"#, &[]),
            (&["a"], r#"{"\u0061":1}"#, &["1"]),
            (&["é.ß"], r#"{"É":{"ß":1}}"#, &["1"]),
            (&["a.b"], r#"{"a":[]}"#, &[]),
            (&[""], r#" {"a": 1} "#, &[r#"{"a": 1}"#]),
            (&["a"], r#"{"z":"\\\"}{","a":"\\"}"#, &[r#""\\""#]),
        ];
        for (paths, event, expected) in cases {
            assert_eq!(find(paths, event).unwrap(), *expected, "{paths:?} in {event}");
        }
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        for event in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1"#,
            r#"{"a" 1}"#,
            r#"{"a":1} x"#,
            r#"{"a":{"b":}}"#,
            "{,}",
            r#"{"a":{"b":"\q"}}"#,
            "{\"a\":\"\u{1e}\"}",
        ] {
            assert!(find(&["a.b"], event).is_err(), "{event}");
        }
    }

    #[test]
    fn an_asked_path_is_bounded_in_depth_too() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(70), "]".repeat(70));
        assert!(find(&["a"], &deep).is_err());
        assert!(find(&["a.b"], &deep).is_err());
    }

    #[test]
    fn routes_try_the_longest_first_key_first() {
        assert_eq!(routes("a.b.c"), [vec!["a.b.c"], vec!["a.b", "c"], vec!["a", "b.c"], vec!["a", "b", "c"]]);
        let long = routes("a.b.c.d.e.f.g.h.i/j.k");
        assert_eq!(long.len(), 1 + 128);
        assert_eq!(long[0], ["a.b.c.d.e.f.g.h.i/j.k"]);
        assert_eq!(long[1], ["a", "b", "c.d.e.f.g.h.i/j.k"]);
        assert_eq!(long[128], ["a", "b", "c", "d", "e", "f", "g", "h", "i/j", "k"]);
    }
}
