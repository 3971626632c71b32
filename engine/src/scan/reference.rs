//! The reference: one event, one rule, straight from the specification.
//!
//! In: a lowered rule and the raw text of an event. Out: whether it matches, and why. It shares no
//! code with the fast way: it reads the event with `serde_json`, walks it for every test, matches
//! wildcards through regular expressions and knows neither classes nor witnesses. It is slow on
//! purpose, and the oracle of the fast way; `explain` shows its steps.

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::{ColumnValue, ProjectedField, SourceSpec, column};
use crate::json::routes;
use crate::limits::MAX_JSON_DEPTH;
use crate::plan::{Expr, FieldKey, LoweredRule, Predicate};
use crate::predicate::{FieldRefTest, Number, RegexTest, Relation, Shape, Test, TextTest, parse_address};
use crate::sigma::Part;

/// A JSON value as the reference sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object; of equal keys the last.
    Object(Vec<(String, Node)>),
}

/// Gives the canonical column, or the computed field, of that name of the event at hand.
pub type Columns<'c> = &'c dyn Fn(&str) -> Option<ColumnValue>;

/// An event, ready for rules.
pub struct Event<'e> {
    root: Node,
    source: &'e SourceSpec,
    columns: Columns<'e>,
}

/// How one part of a rule came out on an event.
#[derive(Debug, Clone)]
pub enum Trace {
    /// A test on a field, with the values that stood there.
    Test {
        /// The test.
        predicate: Predicate,
        /// The field's values as JSON; `None` where it is absent.
        actual: Option<Vec<String>>,
        /// Whether it passed.
        holds: bool,
    },
    /// Several parts joined: `and`, `or`, `not`, `2 of`.
    Join {
        /// The word that joins them.
        word: String,
        /// The parts.
        parts: Vec<Trace>,
        /// Whether the whole holds.
        holds: bool,
    },
    /// A placeholder without values: it never holds.
    Never,
}

impl<'e> Event<'e> {
    /// Reads an event.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn parse(
        text: &str,
        source: &'e SourceSpec,
        columns: Columns<'e>,
    ) -> Result<Self, serde_json::Error> {
        if nests_too_deep(text) {
            let message = format!("nested deeper than {MAX_JSON_DEPTH} levels");
            return Err(serde::de::Error::custom(message));
        }
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self { root: node(raw)?, source, columns })
    }

    /// The values of a field as compact JSON; `None` where it is absent.
    pub fn field(&self, name: &str) -> Option<Vec<String>> {
        let nodes = self.values(&FieldKey::Named(lower(name)), false)?;
        Some(nodes.iter().map(compact).collect())
    }

    /// Whether a rule matches. `canonical_only`: its log source sees canonical columns only.
    pub fn matches(&self, rule: &LoweredRule, canonical_only: bool) -> bool {
        self.holds(&rule.expr, canonical_only)
    }

    fn holds(&self, expr: &Expr, canonical: bool) -> bool {
        match expr {
            Expr::Never => false,
            Expr::Test(predicate) => self.test(predicate, canonical),
            Expr::And(branches) => branches.iter().all(|branch| self.holds(branch, canonical)),
            Expr::Or(branches) => branches.iter().any(|branch| self.holds(branch, canonical)),
            Expr::AtLeast(n, branches) => {
                branches.iter().filter(|branch| self.holds(branch, canonical)).count() >= *n
            }
            Expr::Not(inner) => !self.holds(inner, canonical),
        }
    }

    /// How an expression comes out, part by part.
    pub fn trace(&self, expr: &Expr, canonical: bool) -> Trace {
        let join = |word: &str, branches: &[Expr]| Trace::Join {
            word: word.to_owned(),
            parts: branches.iter().map(|branch| self.trace(branch, canonical)).collect(),
            holds: self.holds(expr, canonical),
        };
        match expr {
            Expr::Never => Trace::Never,
            Expr::Test(predicate) => Trace::Test {
                actual: self
                    .values(&predicate.field, canonical)
                    .map(|nodes| nodes.iter().map(compact).collect()),
                holds: self.test(predicate, canonical),
                predicate: predicate.clone(),
            },
            Expr::And(branches) => join("and", branches),
            Expr::Or(branches) => join("or", branches),
            Expr::AtLeast(n, branches) => join(&format!("{n} of"), branches),
            Expr::Not(inner) => join("not", std::slice::from_ref(inner)),
        }
    }

    /// The values of a field: `None` where it is absent.
    fn values(&self, field: &FieldKey, canonical: bool) -> Option<Vec<Node>> {
        let FieldKey::Named(name) = field else { return Some(vec![self.root.clone()]) };
        if !canonical
            && self.source.computes(name)
            && let Some(value) = (self.columns)(name)
        {
            return Some(vec![value_node(&value)?]);
        }
        if !canonical {
            let paths = ProjectedField::resolve(name, self.source).paths;
            for route in paths.iter().flat_map(|path| routes(path)) {
                let found = walk(&self.root, &route);
                if !found.is_empty() {
                    return Some(found.into_iter().cloned().collect());
                }
            }
        }
        let value = (self.columns)(column(name)?.name)?;
        Some(vec![value_node(&value)?])
    }

    fn test(&self, predicate: &Predicate, canonical: bool) -> bool {
        let values = self.values(&predicate.field, canonical);
        match (&predicate.test, &values) {
            (Test::Exists, _) => values.is_some(),
            (Test::Null, None) => true,
            (Test::Null, Some(nodes)) => nodes.iter().any(holds_null),
            (_, None) => false,
            (Test::FieldRef(test), Some(nodes)) => {
                let other = self.values(&FieldKey::Named(test.field.clone()), canonical).unwrap_or_default();
                relates(test, nodes, &other)
            }
            (test, Some(nodes)) => nodes.iter().any(|node| node_passes(test, node)),
        }
    }
}

/// Whether brackets outside strings nest deeper than an event may.
fn nests_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_JSON_DEPTH {
            return true;
        }
    }
    false
}

/// Walks one route: each name a key, arrays walked through.
fn walk<'n>(node: &'n Node, route: &[&str]) -> Vec<&'n Node> {
    match (node, route) {
        (node, []) => vec![node],
        (Node::Array(elements), route) => elements.iter().flat_map(|element| walk(element, route)).collect(),
        (Node::Object(members), [name, rest @ ..]) => {
            let name = lower(name);
            let last = members.iter().rev().find(|(key, _)| lower(key) == name);
            last.map(|(_, value)| walk(value, rest)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Whether a node is null, or an array in which one is.
fn holds_null(node: &Node) -> bool {
    match node {
        Node::Null => true,
        Node::Array(elements) => elements.iter().any(holds_null),
        _ => false,
    }
}

/// A test on a node: a scalar below it passes, or for an object or array its compact text.
fn node_passes(test: &Test, node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::Bool(b) => scalar_passes(test, if *b { "true" } else { "false" }, false),
        Node::Number(text) => scalar_passes(test, text, true),
        Node::String(text) => scalar_passes(test, text, false),
        Node::Array(elements) => {
            elements.iter().any(|element| leaf_passes(test, element))
                || scalar_passes(test, &compact(node), false)
        }
        Node::Object(members) => {
            members.iter().any(|(_, value)| leaf_passes(test, value))
                || scalar_passes(test, &compact(node), false)
        }
    }
}

fn leaf_passes(test: &Test, node: &Node) -> bool {
    match node {
        Node::Array(elements) => elements.iter().any(|element| leaf_passes(test, element)),
        Node::Object(members) => members.iter().any(|(_, value)| leaf_passes(test, value)),
        scalar => node_passes(test, scalar),
    }
}

fn scalar_passes(test: &Test, text: &str, is_number: bool) -> bool {
    let number = || Number::parse(text);
    match test {
        Test::Text(test) => {
            let as_number = match &test.shape {
                Shape::Exact(literal) if is_number => {
                    Number::parse(literal).is_some_and(|n| Some(n) == number())
                }
                _ => false,
            };
            as_number || text_passes(test, text)
        }
        Test::Number(asked) => number().as_ref() == Some(asked),
        Test::Compare(comparison, asked) => number().is_some_and(|n| comparison.accepts(n.cmp(asked))),
        Test::Regex(regex) => regex_passes(regex, text),
        Test::Cidr(network) => parse_address(text).is_some_and(|address| network.contains(&address)),
        Test::Time(part, comparison, asked) => {
            part.of(text).is_some_and(|value| comparison.accepts(Number::Int(value.into()).cmp(asked)))
        }
        Test::Null | Test::Exists | Test::FieldRef(_) => false,
    }
}

/// A derived value as a node.
fn value_node(value: &ColumnValue) -> Option<Node> {
    let text = value.to_json().to_string();
    let raw: &RawValue = serde_json::from_str(&text).ok()?;
    node(raw).ok()
}

fn lower(text: &str) -> String {
    text.chars().map(|c| if c == 'İ' { 'i' } else { c.to_lowercase().next().unwrap_or(c) }).collect()
}

fn text_passes(test: &TextTest, text: &str) -> bool {
    let text = if test.cased { text.to_owned() } else { lower(text) };
    match &test.shape {
        Shape::Exact(literal) => text == *literal,
        Shape::Prefix(literal) => text.starts_with(literal.as_str()),
        Shape::Suffix(literal) => text.ends_with(literal.as_str()),
        Shape::Contains(literal) => text.contains(literal.as_str()),
        Shape::Anything => true,
        Shape::Glob(pattern) => {
            let parts = pattern.parts.iter().map(|part| match part {
                Part::Text(text) => regex::escape(text),
                Part::AnyRun => ".*".to_owned(),
                Part::AnyOne => ".".to_owned(),
                Part::Placeholder(_) => String::new(),
            });
            let anchored = format!("(?s)^(?:{})$", parts.collect::<String>());
            regex::Regex::new(&anchored).is_ok_and(|regex| regex.is_match(&text))
        }
    }
}

fn regex_passes(test: &RegexTest, text: &str) -> bool {
    let flags: String = [(test.ignore_case, 'i'), (test.multi_line, 'm'), (test.dot_all, 's')]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
    let pattern = match flags.is_empty() {
        true => test.pattern.clone(),
        false => format!("(?{flags}){}", test.pattern),
    };
    regex::Regex::new(&pattern).is_ok_and(|regex| regex.is_match(text))
}

/// Whether some scalar of the one relates to some scalar of the other.
fn relates(test: &FieldRefTest, a: &[Node], b: &[Node]) -> bool {
    let (a, b) = (scalars(a), scalars(b));
    let fold = |text: &str| if test.cased { text.to_owned() } else { lower(text) };
    a.iter().any(|(a, a_is_number)| {
        b.iter().any(|(b, b_is_number)| {
            let as_numbers = test.relation == Relation::Equals
                && (*a_is_number || *b_is_number)
                && Number::parse(a).is_some_and(|number| Number::parse(b) == Some(number));
            as_numbers || test.relation.relates(&fold(a), &fold(b))
        })
    })
}

/// The scalars below nodes, and which of them are unquoted numbers.
fn scalars(nodes: &[Node]) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for node in nodes {
        match node {
            Node::Null => {}
            Node::Bool(b) => found.push((b.to_string(), false)),
            Node::Number(text) => found.push((text.clone(), true)),
            Node::String(text) => found.push((text.clone(), false)),
            Node::Array(elements) => found.extend(scalars(elements)),
            Node::Object(members) => {
                members.iter().for_each(|(_, value)| found.extend(scalars(std::slice::from_ref(value))));
            }
        }
    }
    found
}

/// A value as JSON without white space.
pub fn compact(node: &Node) -> String {
    match node {
        Node::Null => "null".into(),
        Node::Bool(b) => b.to_string(),
        Node::Number(text) => text.clone(),
        Node::String(text) => quoted(text),
        Node::Array(elements) => format!("[{}]", elements.iter().map(compact).collect::<Vec<_>>().join(",")),
        Node::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{}:{}", quoted(key), compact(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object, repeated keys and all.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                let mut seen = std::collections::HashSet::new();
                members.reverse();
                members.retain(|(key, _)| seen.insert(key.clone()));
                members.reverse();
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The elements of an array.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element::<&'de RawValue>()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Collect)
    }
}

fn node(raw: &RawValue) -> Result<Node, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let Members(members) = serde_json::from_str(text)?;
            let members = members.into_iter().map(|(key, value)| Ok((key, node(value)?)));
            Node::Object(members.collect::<Result<_, serde_json::Error>>()?)
        }
        Some(b'[') => {
            let Elements(elements) = serde_json::from_str(text)?;
            Node::Array(elements.into_iter().map(node).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Node::String(serde_json::from_str(text)?),
        Some(b'n') => Node::Null,
        Some(b't') => Node::Bool(true),
        Some(b'f') => Node::Bool(false),
        _ => Node::Number(text.to_owned()),
    })
}

impl Trace {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self {
            Self::Test { holds, .. } | Self::Join { holds, .. } => *holds,
            Self::Never => false,
        }
    }

    /// The fewest tests that would have to come out differently for it to hold (or, with `wanted`
    /// false, not to hold). Alternatives that are tests, as a list of values is, come as one: any of them would do, and to
    /// name one says that it is that one.
    pub fn blockers(&self, wanted: bool) -> Vec<&Trace> {
        if self.holds() == wanted {
            return Vec::new();
        }
        match self {
            Self::Test { .. } | Self::Never => vec![self],
            Self::Join { word, parts, .. }
                if wanted
                    && word == "or"
                    && parts.len() > 1
                    && parts.iter().all(|part| matches!(part, Self::Test { .. })) =>
            {
                vec![self]
            }
            Self::Join { word, parts, .. } => {
                let mut each: Vec<Vec<&Trace>> = match word.as_str() {
                    "not" => return parts.iter().flat_map(|part| part.blockers(!wanted)).collect(),
                    _ => parts.iter().map(|part| part.blockers(wanted)).collect(),
                };
                let needed = match (word.as_str(), wanted) {
                    ("and", true) | ("or", false) => parts.len(),
                    ("and", false) | ("or", true) => 1,
                    (word, wanted) => {
                        let n: usize = word.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(1);
                        if wanted { n } else { parts.len() + 1 - n }
                    }
                };
                each.sort_by_key(Vec::len);
                each.into_iter().take(needed).flatten().collect()
            }
        }
    }
}
