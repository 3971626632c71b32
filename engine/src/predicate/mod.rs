//! The closed set of tests that remain after the modifiers.
//!
//! In: a rule's item, lowered. Out: a [`Test`], which has a meaning for one scalar value of an event
//! ([`TextTest::holds`] and its like). On a field it means: some value of the field, or a leaf below it, passes; an
//! object or array also passes by its compact JSON text. `Null` and `Exists` look at presence.
//! The scan indexes most tests by their literals and verifies the rest.

mod fold;
mod number;
mod time;

use std::net::IpAddr;

use ipnet::IpNet;

pub use fold::{fold, fold_into};
pub use number::Number;
pub use time::TimePart;

use crate::sigma::{Part, Pattern};

/// One test on a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// The text has this shape.
    Text(TextTest),
    /// The value is this number.
    Number(Number),
    /// The number compares so.
    Compare(Comparison, Number),
    /// The text holds a match of a regular expression.
    Regex(RegexTest),
    /// The address is in the network.
    Cidr(IpNet),
    /// A part of the date compares so.
    Time(TimePart, Comparison, Number),
    /// The field is absent or null.
    Null,
    /// The field is there.
    Exists,
    /// The text relates so to that of another field.
    FieldRef(FieldRefTest),
}

/// A text, and how a value relates to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TextTest {
    /// Where the text must stand.
    pub shape: Shape,
    /// Case counts. Where it does not, literals are kept folded.
    pub cased: bool,
}

/// Where a text must stand in a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Shape {
    /// The value is the text.
    Exact(String),
    /// The value begins with it.
    Prefix(String),
    /// The value ends with it.
    Suffix(String),
    /// The value holds it.
    Contains(String),
    /// Any value that is not null.
    Anything,
    /// The value matches a pattern with wildcards inside.
    Glob(Pattern),
}

/// How a number must compare to the rule's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// equal
    Eq,
    /// less
    Lt,
    /// less or equal
    Lte,
    /// greater
    Gt,
    /// greater or equal
    Gte,
}

/// A regular expression of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegexTest {
    /// The expression as written.
    pub pattern: String,
    /// `i`: without case.
    pub ignore_case: bool,
    /// `m`: `^` and `$` at each line.
    pub multi_line: bool,
    /// `s`: `.` also matches line breaks.
    pub dot_all: bool,
}

/// A comparison with another field of the same event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldRefTest {
    /// The other field; in lower case once it is lowered.
    pub field: String,
    /// How the two relate.
    pub relation: Relation,
    /// Case counts.
    pub cased: bool,
}

/// How a field relates to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// They are equal.
    Equals,
    /// It begins with the other.
    StartsWith,
    /// It ends with the other.
    EndsWith,
    /// It holds the other.
    Contains,
}

/// A scalar of an event, as a test sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalar<'v> {
    /// Its characters: a string unescaped, a number as written, `true` or `false`.
    pub text: &'v str,
    /// It was an unquoted number.
    pub is_number: bool,
}

impl Comparison {
    /// Whether an ordering satisfies it.
    pub fn accepts(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Lt => ordering.is_lt(),
            Self::Lte => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Gte => ordering.is_ge(),
        }
    }

    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Lt => "<",
            Self::Lte => "<=",
            Self::Gt => ">",
            Self::Gte => ">=",
        }
    }
}

impl Relation {
    /// Whether the first text relates so to the second.
    pub fn relates(self, a: &str, b: &str) -> bool {
        match self {
            Self::Equals => a == b,
            Self::StartsWith => a.starts_with(b),
            Self::EndsWith => a.ends_with(b),
            Self::Contains => a.contains(b),
        }
    }
}

/// Why an expression of a rule is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum RegexError {
    /// It does not compile, or to too much.
    Compile(regex::Error),
    /// It has a possessive quantifier: Rust would read `a++` as `(a+)+`, which matches more.
    Possessive,
}

impl std::fmt::Display for RegexError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compile(error) => write!(f, "{error}"),
            Self::Possessive => write!(f, "possessive quantifiers (`++`, `*+`, `?+`) are not supported"),
        }
    }
}

impl RegexTest {
    /// Compiles the expression.
    ///
    /// # Errors
    /// Where it is not one, uses what runs in more than linear time (look-around, back-references,
    /// possessive quantifiers), or compiles to more than [`crate::limits::MAX_REGEX_BYTES`].
    pub fn compile(&self) -> Result<regex::Regex, RegexError> {
        if let Ok(ast) = regex_syntax::ast::parse::Parser::new().parse(&self.pattern)
            && is_possessive(&ast)
        {
            return Err(RegexError::Possessive);
        }
        regex::RegexBuilder::new(&self.pattern)
            .case_insensitive(self.ignore_case)
            .multi_line(self.multi_line)
            .dot_matches_new_line(self.dot_all)
            .size_limit(crate::limits::MAX_REGEX_BYTES)
            .build()
            .map_err(RegexError::Compile)
    }

    /// What the expression is made of; `None` where it is none.
    pub(crate) fn syntax(&self) -> Option<regex_syntax::hir::Hir> {
        regex_syntax::ParserBuilder::new()
            .case_insensitive(self.ignore_case)
            .multi_line(self.multi_line)
            .dot_matches_new_line(self.dot_all)
            .build()
            .parse(&self.pattern)
            .ok()
    }
}

/// Whether a quantifier stands directly behind another. The parser bounds how deep an expression nests.
fn is_possessive(ast: &regex_syntax::ast::Ast) -> bool {
    use regex_syntax::ast::Ast;
    match ast {
        Ast::Repetition(repetition) => {
            matches!(*repetition.ast, Ast::Repetition(_)) || is_possessive(&repetition.ast)
        }
        Ast::Group(group) => is_possessive(&group.ast),
        Ast::Concat(concat) => concat.asts.iter().any(is_possessive),
        Ast::Alternation(alternation) => alternation.asts.iter().any(is_possessive),
        _ => false,
    }
}

impl TextTest {
    /// The test that a pattern stands for. Placeholders must be gone by now.
    pub fn new(mut pattern: Pattern, cased: bool) -> Self {
        pattern.normalise();
        if !cased {
            for part in &mut pattern.parts {
                if let Part::Text(text) = part {
                    *text = fold(text).into_owned();
                }
            }
        }
        let shape = match pattern.parts.as_slice() {
            [] => Shape::Exact(String::new()),
            [Part::Text(text)] => Shape::Exact(text.clone()),
            [Part::Text(text), Part::AnyRun] => Shape::Prefix(text.clone()),
            [Part::AnyRun, Part::Text(text)] => Shape::Suffix(text.clone()),
            [Part::AnyRun, Part::Text(text), Part::AnyRun] => Shape::Contains(text.clone()),
            [Part::AnyRun] => Shape::Anything,
            _ => Shape::Glob(pattern),
        };
        Self { shape, cased }
    }

    /// Whether a text passes; `text` is folded already where case does not count.
    pub fn holds(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Exact(literal) => text == literal,
            Shape::Prefix(literal) => text.starts_with(literal),
            Shape::Suffix(literal) => text.ends_with(literal),
            Shape::Contains(literal) => memchr::memmem::find(text.as_bytes(), literal.as_bytes()).is_some(),
            Shape::Anything => true,
            Shape::Glob(pattern) => glob(&pattern.parts, text),
        }
    }
}

/// Wildcard matching. Only the last `*` seen is ever taken back, so that the time is at most the
/// product of the two lengths.
pub fn glob(parts: &[Part], text: &str) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let advanced = match parts.get(part) {
            Some(Part::AnyRun) => {
                retry = Some((part + 1, at));
                part += 1;
                continue;
            }
            Some(Part::Text(literal)) if text[at..].starts_with(literal.as_str()) => Some(literal.len()),
            Some(Part::AnyOne) => text[at..].chars().next().map(char::len_utf8),
            None if at == text.len() => return true,
            _ => None,
        };
        match (advanced, retry) {
            (Some(length), _) => {
                part += 1;
                at += length;
            }
            (None, Some((after, from))) => {
                let Some(next) = text[from..].chars().next() else { return false };
                let from = from + next.len_utf8();
                // straight to the next place where the text behind the `*` can begin
                let from = match parts.get(after) {
                    None => text.len(),
                    Some(Part::Text(literal)) => match text[from..].find(literal.as_str()) {
                        Some(found) => from + found,
                        None => return false,
                    },
                    Some(_) => from,
                };
                retry = Some((after, from));
                (part, at) = (after, from);
            }
            (None, None) => return false,
        }
    }
}

/// Reads an address; octets with leading zeros are decimal, as anonymised logs write them.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0u8; 4];
    let mut pieces = text.split('.');
    for octet in &mut octets {
        let piece =
            pieces.next().filter(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))?;
        *octet = piece.parse().ok()?;
    }
    pieces.next().is_none().then_some(IpAddr::from(octets))
}

impl std::fmt::Display for Test {
    /// As it reads behind a field's name: `contains 'x'`, `>= 5`, `is null`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(test) => {
                let cased = if test.cased { " (cased)" } else { "" };
                match &test.shape {
                    Shape::Exact(text) => write!(f, "= '{text}'{cased}"),
                    Shape::Prefix(text) => write!(f, "starts with '{text}'{cased}"),
                    Shape::Suffix(text) => write!(f, "ends with '{text}'{cased}"),
                    Shape::Contains(text) => write!(f, "contains '{text}'{cased}"),
                    Shape::Anything => write!(f, "is not null"),
                    Shape::Glob(pattern) => write!(f, "matches '{}'{cased}", show_pattern(pattern)),
                }
            }
            Self::Number(number) => write!(f, "= {number}"),
            Self::Compare(comparison, number) => write!(f, "{} {number}", comparison.sign()),
            Self::Regex(regex) => write!(f, "matches /{}/", regex.pattern),
            Self::Cidr(network) => write!(f, "in {network}"),
            Self::Time(part, comparison, number) => {
                write!(f, "{} {} {number}", part.word(), comparison.sign())
            }
            Self::Null => write!(f, "is null or absent"),
            Self::Exists => write!(f, "is there"),
            Self::FieldRef(test) => {
                let relation = match test.relation {
                    Relation::Equals => "equals",
                    Relation::StartsWith => "starts with",
                    Relation::EndsWith => "ends with",
                    Relation::Contains => "contains",
                };
                write!(f, "{relation} the field {}", test.field)
            }
        }
    }
}

fn show_pattern(pattern: &Pattern) -> String {
    let show = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::AnyRun => "*".into(),
        Part::AnyOne => "?".into(),
        Part::Placeholder(name) => format!("%{name}%"),
    };
    pattern.parts.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_the_whole_text() {
        let cases = [
            ("a*b", "ab", true),
            ("a*b", "aXbXb", true),
            ("a*b", "abX", false),
            ("a?b", "aéb", true),
            ("a?b", "ab", false),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
            ("?*?", "é", false),
            ("?*?", "éé", true),
            ("*ab", "aab", true),
            ("a*\n*b", "a\nb", true),
            ("*?x", "xx", true),
            ("*a?c*", "aaabc", true),
            ("?", "", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob(&Pattern::parse(pattern).parts, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn addresses_with_leading_zeros_are_decimal() {
        assert_eq!(parse_address("035.010.000.008"), parse_address("35.10.0.8"));
        for text in ["300.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.0004", "a.b.c.d", ""] {
            assert_eq!(parse_address(text), None, "{text}");
        }
    }
}
