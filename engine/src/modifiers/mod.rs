//! The modifiers of Sigma, one file each, and the slice that lists them.
//!
//! In: an [`Item`], the values of one field of a rule. Out: the same item, changed: texts become
//! patterns, regular expressions, networks, comparisons. They are applied in the order in which the
//! rule writes them; what is left is lowered to tests in `plan/lower.rs`.
//!
//! A modifier that cannot take a value, or makes no sense behind those before it, is a [`Fault`]: the
//! rule's author is told, the rule is not loaded.

mod all;
mod base64;
mod base64offset;
mod cased;
mod cidr;
mod contains;
mod day;
mod endswith;
mod exists;
mod expand;
mod fieldref;
mod gt;
mod gte;
mod hour;
mod i;
mod lt;
mod lte;
mod m;
mod minute;
mod month;
mod neq;
mod re;
mod s;
mod startswith;
mod utf16;
mod utf16be;
mod utf16le;
mod week;
mod wide;
mod windash;
mod year;

use ipnet::IpNet;

use crate::diagnostic::{Code, codes, nearest};
use crate::limits::MAX_RULE_PREDICATES;
use crate::predicate::{Comparison, FieldRefTest, Number, RegexTest, TimePart};
use crate::sigma::{Pattern, RuleValue, Spanned};

/// A modifier.
#[derive(Debug)]
pub struct Modifier {
    /// Its name, as rules write it.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// A selection that uses it, an event that matches and one that does not.
    pub example: Example,
    /// What it does to an item.
    pub apply: Apply,
}

/// An example that documents a modifier and is run as a test.
#[derive(Debug)]
pub struct Example {
    /// A line of a selection.
    pub selection: &'static str,
    /// An event that it matches.
    pub matches: &'static str,
    /// An event that it does not match.
    pub misses: &'static str,
}

/// How a modifier works.
#[derive(Debug)]
pub enum Apply {
    /// On each value by itself, as the rule writes it.
    Raw(fn(Value) -> Result<Value, Fault>),
    /// On each value by itself, its wildcards read.
    Value(fn(Value) -> Result<Value, Fault>),
    /// On the item as a whole.
    Item(fn(&mut Item) -> Result<(), Fault>),
}

/// Every modifier.
pub static MODIFIERS: &[&Modifier] = &[
    &contains::MODIFIER,
    &startswith::MODIFIER,
    &endswith::MODIFIER,
    &all::MODIFIER,
    &cased::MODIFIER,
    &exists::MODIFIER,
    &neq::MODIFIER,
    &re::MODIFIER,
    &i::MODIFIER,
    &m::MODIFIER,
    &s::MODIFIER,
    &cidr::MODIFIER,
    &base64::MODIFIER,
    &base64offset::MODIFIER,
    &wide::MODIFIER,
    &utf16le::MODIFIER,
    &utf16be::MODIFIER,
    &utf16::MODIFIER,
    &windash::MODIFIER,
    &lt::MODIFIER,
    &lte::MODIFIER,
    &gt::MODIFIER,
    &gte::MODIFIER,
    &fieldref::MODIFIER,
    &expand::MODIFIER,
    &minute::MODIFIER,
    &hour::MODIFIER,
    &day::MODIFIER,
    &week::MODIFIER,
    &month::MODIFIER,
    &year::MODIFIER,
];

/// The values of one field of a rule, in the course of its modifiers.
#[derive(Debug, Clone)]
pub struct Item {
    /// Whether it asks of a field; otherwise of the whole event.
    pub has_field: bool,
    /// The values.
    pub values: Vec<Spanned<Value>>,
    /// All values must match, not just one.
    pub all: bool,
    /// No value must match.
    pub negated: bool,
    /// Case counts.
    pub cased: bool,
}

/// A value in the course of modifiers.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text as the rule writes it, its wildcards not yet read.
    Text(String),
    /// A text with wildcards.
    Pattern(Pattern),
    /// A text that was encoded.
    Bytes(Vec<u8>),
    /// A number; the text is as the rule writes it.
    Number(Number, String),
    /// A boolean.
    Bool(bool),
    /// Absence, or null.
    Null,
    /// A regular expression.
    Regex(RegexTest),
    /// A network.
    Cidr(IpNet),
    /// Presence (true) or absence (false).
    Exists(bool),
    /// A comparison.
    Compare(Comparison, Number),
    /// A part of a date.
    Time(TimePart, Comparison, Number),
    /// Another field.
    FieldRef(FieldRefTest),
    /// Any of these: one value that a modifier has multiplied.
    AnyOf(Vec<Value>),
}

/// Why a modifier cannot be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its kind.
    pub code: Code,
    /// What is wrong.
    pub cause: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl Fault {
    /// The modifier cannot take the value.
    fn value(cause: impl Into<String>) -> Self {
        Self { code: codes::MODIFIER_VALUE, cause: cause.into(), help: String::new() }
    }

    /// The modifier makes no sense behind those before it.
    fn chain(cause: impl Into<String>) -> Self {
        Self { code: codes::MODIFIER_CHAIN, cause: cause.into(), help: String::new() }
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl Value {
    /// A value as the rule writes it, before any modifier.
    pub fn from_rule(value: &RuleValue) -> Self {
        match value {
            RuleValue::Text(text) => Self::Text(text.clone()),
            // a number that is none after all (`1e999`) is compared as the text that it is
            RuleValue::Number(text) => match Number::parse(text) {
                Some(number) => Self::Number(number, text.clone()),
                None => Self::Pattern(Pattern::literal(text.clone())),
            },
            RuleValue::Bool(b) => Self::Bool(*b),
            RuleValue::Null => Self::Null,
        }
    }

    /// The value with its wildcards read.
    #[must_use]
    pub fn cooked(self) -> Self {
        match self {
            Self::Text(text) => Self::Pattern(Pattern::parse(&text)),
            value => value,
        }
    }

    /// About how many bytes its texts take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Pattern(pattern) => pattern.parts.iter().map(crate::sigma::Part::bytes).sum(),
            Self::Text(text) | Self::Number(_, text) => text.len(),
            Self::AnyOf(values) => values.iter().map(Self::bytes).sum(),
            _ => 0,
        }
    }

    /// How many values it has been multiplied to.
    fn variants(&self) -> usize {
        match self {
            Self::AnyOf(values) => values.iter().map(Self::variants).sum(),
            _ => 1,
        }
    }

    /// The word for it, in messages.
    fn word(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Pattern(_) => "a text",
            Self::Bytes(_) => "an encoded text",
            Self::Number(..) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Null => "null",
            Self::Regex(_) => "a regular expression",
            Self::Cidr(_) => "a network",
            Self::Exists(_) => "presence",
            Self::Compare(..) => "a comparison",
            Self::Time(..) => "a part of a date",
            Self::FieldRef(_) => "a field",
            Self::AnyOf(values) => values.first().map_or("nothing", Self::word),
        }
    }
}

/// The modifier of that name.
///
/// # Errors
/// Where there is none, with the nearest that there is.
pub fn find(name: &str) -> Result<&'static Modifier, Fault> {
    if let Some(modifier) = MODIFIERS.iter().find(|modifier| modifier.name == name) {
        return Ok(modifier);
    }
    let fault = Fault {
        code: codes::UNKNOWN_MODIFIER,
        cause: format!("there is no modifier `{name}`"),
        help: String::new(),
    };
    Err(match nearest(name, MODIFIERS.iter().map(|modifier| modifier.name)) {
        Some(near) => fault.with_help(format!("did you mean `{near}`?")),
        None => fault.with_help("`virga rules modifiers` lists them"),
    })
}

/// Applies a modifier to an item. The error names the value, where it lies with one.
///
/// # Errors
/// Where the modifier cannot take a value, or makes no sense here.
pub fn apply(modifier: &Modifier, item: &mut Item) -> Result<(), (Option<usize>, Fault)> {
    let (change, raw) = match modifier.apply {
        Apply::Item(change) => return change(item).map_err(|fault| (None, fault)),
        Apply::Raw(change) => (change, true),
        Apply::Value(change) => (change, false),
    };
    let mut variants = 0;
    for (at, value) in item.values.iter_mut().enumerate() {
        let old = std::mem::replace(&mut value.value, Value::Null);
        let old = if raw { old } else { old.cooked() };
        value.value = each(old, change).map_err(|fault| (Some(at), fault))?;
        variants += value.value.variants();
        if variants > MAX_RULE_PREDICATES {
            let cause = format!("the values expand to more than {MAX_RULE_PREDICATES}");
            return Err((Some(at), Fault { code: codes::TOO_MANY_TESTS, cause, help: String::new() }));
        }
    }
    Ok(())
}

/// Applies a change to a value, or to each that it was multiplied to.
fn each(value: Value, change: fn(Value) -> Result<Value, Fault>) -> Result<Value, Fault> {
    match value {
        Value::AnyOf(values) => {
            values.into_iter().map(|value| each(value, change)).collect::<Result<_, _>>().map(Value::AnyOf)
        }
        value => change(value),
    }
}

/// What `contains`, `startswith` and `endswith` share: a text opens at one or both ends, a reference
/// to a field changes its relation.
fn open_ends(
    value: Value,
    name: &str,
    start: bool,
    end: bool,
    relation: crate::predicate::Relation,
) -> Result<Value, Fault> {
    match value {
        Value::Pattern(mut pattern) => {
            if start {
                pattern.open_start();
            }
            if end {
                pattern.open_end();
            }
            Ok(Value::Pattern(pattern))
        }
        Value::Bytes(bytes) => open_ends(Value::Pattern(encoded_text(bytes)?), name, start, end, relation),
        Value::Number(_, text) => {
            open_ends(Value::Pattern(Pattern::literal(text)), name, start, end, relation)
        }
        Value::FieldRef(test) if test.relation == crate::predicate::Relation::Equals => {
            Ok(Value::FieldRef(FieldRefTest { relation, ..test }))
        }
        Value::FieldRef(_) => {
            Err(Fault::chain(format!("`{name}` cannot follow another relation of two fields"))
                .with_help("`fieldref` takes one of contains, startswith and endswith"))
        }
        Value::Regex(_) => Err(Fault::chain(format!("`{name}` cannot follow `re`"))
            .with_help("an expression matches anywhere; `^` and `$` tie it to the ends")),
        other => Err(Fault::value(format!("`{name}` needs a text, not {}", other.word()))),
    }
}

/// An encoded text as the characters that it must show in a log.
pub(crate) fn encoded_text(bytes: Vec<u8>) -> Result<Pattern, Fault> {
    String::from_utf8(bytes).map(Pattern::literal).map_err(|_| {
        Fault::chain("the encoded bytes are no text that a log could hold")
            .with_help("let `base64` or `base64offset` follow the encoding")
    })
}

/// The bytes that an encoding modifier works on.
fn plain_bytes(value: Value, name: &str) -> Result<Vec<u8>, Fault> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Pattern(pattern) => match pattern.as_literal() {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(Fault::value(format!("`{name}` cannot encode wildcards"))
                .with_help("escape `*` and `?` with a backslash, and put `contains` behind the encoding")),
        },
        Value::Number(_, text) => Ok(text.into_bytes()),
        other => Err(Fault::value(format!("`{name}` needs a text, not {}", other.word()))),
    }
}

/// The characters that a UTF-16 modifier encodes.
fn plain_text(value: Value, name: &str) -> Result<String, Fault> {
    String::from_utf8(plain_bytes(value, name)?)
        .map_err(|_| Fault::chain(format!("`{name}` cannot follow another encoding")))
}

/// What the comparisons share: a number, or a part of a date, compares so.
fn compare(value: Value, name: &str, comparison: Comparison) -> Result<Value, Fault> {
    match value {
        Value::Number(number, _) => Ok(Value::Compare(comparison, number)),
        Value::Time(part, Comparison::Eq, number) => Ok(Value::Time(part, comparison, number)),
        Value::Pattern(pattern) => match pattern.as_literal().and_then(Number::parse) {
            Some(number) => Ok(Value::Compare(comparison, number)),
            None => Err(Fault::value(format!("`{name}` needs a number"))),
        },
        other => Err(Fault::value(format!("`{name}` needs a number, not {}", other.word()))),
    }
}

/// What the parts of a date share: a whole number that the part must have.
fn time_part(value: Value, part: TimePart) -> Result<Value, Fault> {
    match value {
        Value::Number(number @ Number::Int(_), _) => Ok(Value::Time(part, Comparison::Eq, number)),
        Value::Compare(comparison, number) => Ok(Value::Time(part, comparison, number)),
        other => Err(Fault::value(format!("`{}` needs a whole number, not {}", part.word(), other.word()))),
    }
}

/// What `i`, `m` and `s` share: they set a flag of an expression.
fn regex_flag(value: Value, name: &str, set: fn(&mut RegexTest)) -> Result<Value, Fault> {
    match value {
        Value::Regex(mut regex) => {
            set(&mut regex);
            // without case an expression may be larger than its limit allows
            match regex.compile() {
                Ok(_) => Ok(Value::Regex(regex)),
                Err(error) => {
                    Err(Fault { code: codes::BAD_REGEX, cause: error.to_string(), help: String::new() })
                }
            }
        }
        _ => Err(Fault::chain(format!("`{name}` is a flag of `re` and must follow it"))
            .with_help(format!("write `|re|{name}`"))),
    }
}

#[cfg(test)]
mod tests;
