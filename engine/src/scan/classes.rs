//! A field's value → the tests that it passes.
//!
//! In: a cell of a field's column. Out: a class: the number of a set of tests. Literals of all tests
//! of a field are looked up together: equality by hash; prefixes, suffixes, substrings and a literal
//! of each wildcard pattern by one Aho-Corasick automaton; what that lets through is verified.

use std::collections::HashSet;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use hashbrown::HashMap;
use ipnet::IpNet;
use regex::Regex;

use crate::event::TEXT_SEPARATOR;
use crate::json::{self, Value};
use crate::predicate::{
    Comparison, FieldRefTest, Number, Relation, Scalar, Shape, Test, TextTest, TimePart, fold, fold_into,
    parse_address,
};
use crate::sigma::Part;

/// Finds the tests that a value of one field passes.
#[derive(Debug)]
pub(super) struct FieldMatcher {
    folded: Texts,
    cased: Texts,
    numbers: HashMap<Number, Vec<u32>>,
    /// Texts of rules that read as numbers: they equal an event's unquoted number.
    number_texts: HashMap<Number, Vec<u32>>,
    compares: Vec<(Comparison, Number, u32)>,
    regexes: Vec<(Regex, u32)>,
    networks: Vec<(IpNet, u32)>,
    times: Vec<(TimePart, Comparison, Number, u32)>,
    anything: Vec<u32>,
    nulls: Vec<u32>,
    exists: Vec<u32>,
    scratch: Scratch,
}

/// Which patterns of an automaton have been found in the text at hand.
#[derive(Debug, Default)]
struct Seen {
    stamps: Vec<u64>,
    stamp: u64,
}

impl Seen {
    fn start(&mut self, patterns: usize) {
        if self.stamps.len() < patterns {
            self.stamps.resize(patterns, 0);
        }
        self.stamp += 1;
    }

    fn first(&mut self, pattern: usize) -> bool {
        std::mem::replace(&mut self.stamps[pattern], self.stamp) != self.stamp
    }
}

#[derive(Debug, Default)]
struct Scratch {
    seen: Seen,
    folded: String,
    compact: String,
    passed: Vec<u32>,
}

/// The text tests of a field that compare in the same way, with or without case.
#[derive(Debug, Default)]
struct Texts {
    exact: HashMap<String, Vec<u32>>,
    literals: Option<AhoCorasick>,
    /// By pattern of the automaton: what it is a literal of.
    uses: Vec<Vec<Use>>,
    /// Patterns without a literal: verified on every value.
    ungated: Vec<(TextTest, u32)>,
}

#[derive(Debug)]
enum Use {
    Prefix(u32),
    Suffix(u32),
    Contains(u32),
    Gate(TextTest, u32),
}

impl Texts {
    fn new(tests: Vec<(TextTest, u32)>) -> Self {
        let mut texts = Self::default();
        let mut literals: Vec<String> = Vec::new();
        let mut number: HashMap<String, usize> = HashMap::new();
        let mut add = |texts: &mut Self, literal: &str, what: Use| {
            let at = *number.entry(literal.to_owned()).or_insert_with(|| {
                literals.push(literal.to_owned());
                texts.uses.push(Vec::new());
                literals.len() - 1
            });
            texts.uses[at].push(what);
        };
        for (test, id) in tests {
            match &test.shape {
                Shape::Exact(text) => texts.exact.entry(text.clone()).or_default().push(id),
                Shape::Prefix(text) => add(&mut texts, text, Use::Prefix(id)),
                Shape::Suffix(text) => add(&mut texts, text, Use::Suffix(id)),
                Shape::Contains(text) => add(&mut texts, text, Use::Contains(id)),
                Shape::Anything => {}
                Shape::Glob(pattern) => match longest_literal(&pattern.parts) {
                    Some(literal) => add(&mut texts, literal, Use::Gate(test.clone(), id)),
                    None => texts.ungated.push((test, id)),
                },
            }
        }
        if !literals.is_empty() {
            // literals come from rules whose size is bounded: an automaton of them can be built
            texts.literals = AhoCorasick::new(&literals).ok();
            if texts.literals.is_none() {
                texts.without_automaton(literals);
            }
        }
        texts
    }

    /// Where an automaton cannot be built (more than 2^31 bytes of literals), every test is verified.
    fn without_automaton(&mut self, literals: Vec<String>) {
        for (uses, literal) in std::mem::take(&mut self.uses).into_iter().zip(literals) {
            for what in uses {
                let (shape, id) = match what {
                    Use::Prefix(id) => (Shape::Prefix(literal.clone()), id),
                    Use::Suffix(id) => (Shape::Suffix(literal.clone()), id),
                    Use::Contains(id) => (Shape::Contains(literal.clone()), id),
                    Use::Gate(test, id) => (test.shape, id),
                };
                self.ungated.push((TextTest { shape, cased: true }, id));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.uses.is_empty() && self.ungated.is_empty()
    }

    fn see(&self, text: &str, seen: &mut Seen, passed: &mut Vec<u32>) {
        if let Some(tests) = self.exact.get(text) {
            passed.extend(tests);
        }
        if let Some(literals) = &self.literals {
            seen.start(self.uses.len());
            for found in literals.find_overlapping_iter(text) {
                let pattern = found.pattern().as_usize();
                // where a literal stands often, only its first place and those at the ends tell anything new
                let first = seen.first(pattern);
                if !first && found.end() != text.len() {
                    continue;
                }
                for what in &self.uses[pattern] {
                    match what {
                        Use::Contains(id) if first => passed.push(*id),
                        Use::Prefix(id) if found.start() == 0 => passed.push(*id),
                        Use::Suffix(id) if found.end() == text.len() => passed.push(*id),
                        Use::Gate(test, id) if first && test.holds(text) => passed.push(*id),
                        _ => {}
                    }
                }
            }
        }
        passed.extend(self.ungated.iter().filter(|(test, _)| test.holds(text)).map(|(_, id)| id));
    }
}

fn longest_literal(parts: &[Part]) -> Option<&str> {
    let literals = parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    literals.max_by_key(|text| text.len())
}

impl FieldMatcher {
    /// Builds the matcher of a field from its tests, given with their numbers.
    pub fn new<'t>(tests: impl Iterator<Item = (u32, &'t Test)>) -> Self {
        let (mut folded, mut cased) = (Vec::new(), Vec::new());
        let mut matcher = Self {
            folded: Texts::default(),
            cased: Texts::default(),
            numbers: HashMap::new(),
            number_texts: HashMap::new(),
            compares: Vec::new(),
            regexes: Vec::new(),
            networks: Vec::new(),
            times: Vec::new(),
            anything: Vec::new(),
            nulls: Vec::new(),
            exists: Vec::new(),
            scratch: Scratch::default(),
        };
        for (id, test) in tests {
            match test {
                Test::Text(text) => {
                    match &text.shape {
                        Shape::Anything => matcher.anything.push(id),
                        Shape::Exact(literal) => {
                            if let Some(number) = Number::parse(literal) {
                                matcher.number_texts.entry(number).or_default().push(id);
                            }
                        }
                        _ => {}
                    }
                    if text.cased { &mut cased } else { &mut folded }.push((text.clone(), id));
                }
                Test::Number(number) => matcher.numbers.entry(*number).or_default().push(id),
                Test::Compare(comparison, number) => matcher.compares.push((*comparison, *number, id)),
                // a rule whose expression does not compile was refused when it was loaded
                Test::Regex(regex) => matcher.regexes.extend(regex.compile().ok().map(|regex| (regex, id))),
                Test::Cidr(network) => matcher.networks.push((*network, id)),
                Test::Time(part, comparison, number) => matcher.times.push((*part, *comparison, *number, id)),
                Test::Null => matcher.nulls.push(id),
                Test::Exists => matcher.exists.push(id),
                // compares two fields of a row: not a matter of one value
                Test::FieldRef(_) => {}
            }
        }
        matcher.folded = Texts::new(folded);
        matcher.cased = Texts::new(cased);
        matcher
    }

    /// The tests that an absent field passes.
    pub fn absent(&self) -> &[u32] {
        &self.nulls
    }

    /// The tests that a cell passes, sorted, each once.
    pub fn classify(&mut self, cell: &str) -> &[u32] {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.passed.clear();
        scratch.passed.extend(&self.exists);
        // nearly every cell is one text
        match memchr::memchr(TEXT_SEPARATOR as u8, cell.as_bytes()) {
            None => self.text(cell, &mut scratch),
            Some(_) => cell.split(TEXT_SEPARATOR).for_each(|text| self.text(text, &mut scratch)),
        }
        scratch.passed.sort_unstable();
        scratch.passed.dedup();
        self.scratch = scratch;
        &self.scratch.passed
    }

    /// One JSON text of a cell.
    fn text(&self, text: &str, scratch: &mut Scratch) {
        match text.as_bytes().first() {
            Some(b'"') => match json::string_text(text) {
                Some(text) => self.scalar(Scalar { text: &text, is_number: false }, scratch),
                None => self.scalar(Scalar { text, is_number: false }, scratch),
            },
            Some(b'{' | b'[') => self.container(text, scratch),
            Some(b'n') => scratch.passed.extend(&self.nulls),
            Some(b't' | b'f') => self.scalar(Scalar { text, is_number: false }, scratch),
            _ => self.scalar(Scalar { text, is_number: true }, scratch),
        }
    }

    /// An object or array: every leaf, and its compact text.
    fn container(&self, text: &str, scratch: &mut Scratch) {
        let Ok(value) = json::parse(text) else {
            // a flaw that the projection did not look for: the text is all there is to see
            return self.scalar(Scalar { text, is_number: false }, scratch);
        };
        value.for_each_leaf(&mut |leaf| match leaf {
            Value::String(text) => self.scalar(Scalar { text, is_number: false }, scratch),
            Value::Number(text) => self.scalar(Scalar { text, is_number: true }, scratch),
            Value::Bool(b) => {
                self.scalar(Scalar { text: if *b { "true" } else { "false" }, is_number: false }, scratch);
            }
            _ => {}
        });
        if is_null(&value) {
            scratch.passed.extend(&self.nulls);
        }
        let mut compact = std::mem::take(&mut scratch.compact);
        compact.clear();
        value.write_compact(&mut compact);
        self.scalar(Scalar { text: &compact, is_number: false }, scratch);
        scratch.compact = compact;
    }

    fn scalar(&self, scalar: Scalar<'_>, scratch: &mut Scratch) {
        let Scratch { seen, folded, passed, .. } = scratch;
        if !self.folded.is_empty() {
            folded.clear();
            fold_into(scalar.text, folded);
            self.folded.see(folded, seen, passed);
        }
        if !self.cased.is_empty() {
            self.cased.see(scalar.text, seen, passed);
        }
        passed.extend(&self.anything);
        self.number(scalar, passed);
        passed.extend(self.regexes.iter().filter(|(regex, _)| regex.is_match(scalar.text)).map(|(_, id)| id));
        if !self.networks.is_empty()
            && let Some(address) = parse_address(scalar.text)
        {
            passed.extend(self.networks.iter().filter(|(net, _)| net.contains(&address)).map(|(_, id)| id));
        }
        for (part, comparison, number, id) in &self.times {
            if let Some(value) = part.of(scalar.text)
                && comparison.accepts(Number::Int(i128::from(value)).cmp(number))
            {
                passed.push(*id);
            }
        }
    }

    fn number(&self, scalar: Scalar<'_>, passed: &mut Vec<u32>) {
        let asked = !self.numbers.is_empty()
            || !self.compares.is_empty()
            || (scalar.is_number && !self.number_texts.is_empty());
        if !asked {
            return;
        }
        let Some(value) = Number::parse(scalar.text) else { return };
        passed.extend(self.numbers.get(&value).into_iter().flatten());
        if scalar.is_number {
            passed.extend(self.number_texts.get(&value).into_iter().flatten());
        }
        for (comparison, number, id) in &self.compares {
            if comparison.accepts(value.cmp(number)) {
                passed.push(*id);
            }
        }
    }
}

/// Whether a value is null, or a list that holds one: of an object that has a null member there is something.
fn is_null(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.iter().any(is_null),
        _ => false,
    }
}

/// Whether some scalar of one cell relates so to some scalar of another.
pub(super) fn cells_relate(test: &FieldRefTest, a: &str, b: &str) -> bool {
    let (a, b) = (Scalars::of(a, test.cased), Scalars::of(b, test.cased));
    if test.relation == Relation::Equals {
        let common = |a: &HashSet<Number>, b: &HashSet<Number>| a.iter().any(|number| b.contains(number));
        return a.texts.iter().any(|text| b.texts.contains(text))
            || common(&a.numbers, &b.readable)
            || common(&a.readable, &b.numbers);
    }
    // all texts of the one are looked for in each of the other at once: fields may be long lists
    let Ok(literals) = AhoCorasick::new(&b.texts) else {
        return a.texts.iter().any(|a| b.texts.iter().any(|b| test.relation.relates(a, b)));
    };
    a.texts.iter().any(|a| {
        literals.find_overlapping_iter(a.as_str()).any(|found| match test.relation {
            Relation::StartsWith => found.start() == 0,
            Relation::EndsWith => found.end() == a.len(),
            Relation::Contains | Relation::Equals => true,
        })
    })
}

/// The scalars of a cell, each once.
#[derive(Default)]
struct Scalars {
    texts: HashSet<String>,
    /// Unquoted numbers.
    numbers: HashSet<Number>,
    /// Whatever reads as a number.
    readable: HashSet<Number>,
}

impl Scalars {
    fn of(cell: &str, cased: bool) -> Self {
        let mut scalars = Self::default();
        for value in cell.split(TEXT_SEPARATOR).filter_map(|text| json::parse(text).ok()) {
            value.for_each_leaf(&mut |leaf| match leaf {
                Value::String(text) => scalars.add(text, cased, false),
                Value::Number(text) => scalars.add(text, cased, true),
                Value::Bool(b) => scalars.add(if *b { "true" } else { "false" }, cased, false),
                _ => {}
            });
        }
        scalars
    }

    fn add(&mut self, text: &str, cased: bool, is_number: bool) {
        self.texts.insert(if cased { text.to_owned() } else { fold(text).into_owned() });
        if let Some(number) = Number::parse(text) {
            self.readable.insert(number);
            if is_number {
                self.numbers.insert(number);
            }
        }
    }
}

/// The class of an absent field, in every field.
pub(super) const ABSENT: u32 = 0;

/// The classes of one field: numbers for sets of tests.
#[derive(Debug)]
pub(super) struct Classes {
    numbers: HashMap<Arc<[u32]>, u32>,
    sets: Vec<Arc<[u32]>>,
}

impl Classes {
    /// With the class of an absent field, which passes these tests.
    pub fn new(absent: &[u32]) -> Self {
        let mut classes = Self { numbers: HashMap::new(), sets: Vec::new() };
        let mut absent = absent.to_vec();
        absent.sort_unstable();
        classes.intern(&absent);
        classes
    }

    /// The number of a set.
    pub fn intern(&mut self, set: &[u32]) -> u32 {
        if let Some(&class) = self.numbers.get(set) {
            return class;
        }
        let class = self.sets.len() as u32;
        let set: Arc<[u32]> = set.into();
        self.sets.push(Arc::clone(&set));
        self.numbers.insert(set, class);
        class
    }

    /// The tests that values of a class pass.
    pub fn tests(&self, class: u32) -> &[u32] {
        &self.sets[class as usize]
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }
}
