//! The values of a rule: patterns with wildcards, numbers, booleans, null.
//!
//! In: scalars of a rule. Out: [`RuleValue`]s. In a text `*` stands for any characters and `?` for
//! one; a backslash before one of them, or before a backslash, takes its meaning away, and before
//! anything else is itself.

use std::ops::Range;

/// Something with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// The bytes that it covers.
    pub span: Range<usize>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Text as it stands.
    Text(String),
    /// `*`: any characters, also none, also line breaks.
    AnyRun,
    /// `?`: one character.
    AnyOne,
    /// `%name%` under the `expand` modifier.
    Placeholder(String),
}

impl Part {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Placeholder(text) => text.len(),
            Self::AnyRun | Self::AnyOne => 1,
        }
    }
}

/// A text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pattern {
    /// Its parts; neighbouring texts are one.
    pub parts: Vec<Part>,
}

/// A scalar value of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleValue {
    /// A text: its characters as written, before wildcards are read.
    Text(String),
    /// An unquoted number, as written.
    Number(String),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

impl Pattern {
    /// Reads wildcards and escapes.
    ///
    /// ```
    /// use virga_engine::sigma::{Part, Pattern};
    /// let pattern = Pattern::parse(r"C:\\*\a?\*");
    /// assert_eq!(pattern.parts, [
    ///     Part::Text("C:\\".into()), Part::AnyRun, Part::Text("\\a".into()), Part::AnyOne, Part::Text("*".into()),
    /// ]);
    /// ```
    pub fn parse(text: &str) -> Self {
        let mut pattern = Self::default();
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            match (c, characters.peek()) {
                ('\\', Some(&next @ ('*' | '?' | '\\'))) => {
                    pattern.push_char(next);
                    characters.next();
                }
                ('*', _) => pattern.parts.push(Part::AnyRun),
                ('?', _) => pattern.parts.push(Part::AnyOne),
                (c, _) => pattern.push_char(c),
            }
        }
        pattern
    }

    /// A pattern that is this text and nothing else.
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] } }
    }

    fn push_char(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            _ => self.parts.push(Part::Text(c.to_string())),
        }
    }

    /// The text, where it has neither wildcard nor placeholder.
    pub fn as_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Puts `*` before the pattern, unless it begins with one.
    pub fn open_start(&mut self) {
        if self.parts.first() != Some(&Part::AnyRun) {
            self.parts.insert(0, Part::AnyRun);
        }
    }

    /// Puts `*` behind the pattern, unless it ends with one.
    pub fn open_end(&mut self) {
        if self.parts.last() != Some(&Part::AnyRun) {
            self.parts.push(Part::AnyRun);
        }
    }

    /// Joins neighbouring texts and neighbouring `*`.
    pub fn normalise(&mut self) {
        let mut parts: Vec<Part> = Vec::with_capacity(self.parts.len());
        for part in self.parts.drain(..) {
            match (parts.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (Some(Part::AnyRun), Part::AnyRun) => {}
                (_, Part::Text(text)) if text.is_empty() => {}
                (_, part) => parts.push(part),
            }
        }
        self.parts = parts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        Pattern::parse(text)
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("<{text}>"),
                Part::AnyRun => "*".into(),
                Part::AnyOne => "?".into(),
                Part::Placeholder(name) => format!("%{name}%"),
            })
            .collect()
    }

    #[test]
    fn backslashes_mean_what_the_specification_says() {
        let cases = [
            (r"a\b", r"<a\b>"),
            (r"a\\b", r"<a\b>"),
            (r"a\*b", r"<a*b>"),
            (r"a\\*b", r"<a\>*<b>"),
            (r"a\\\*b", r"<a\*b>"),
            (r"\\\", r"<\\>"),
            (r"\\\\", r"<\\>"),
            (r"\", r"<\>"),
            ("", ""),
            ("*", "*"),
            ("a?*", "<a>?*"),
        ];
        for (text, expected) in cases {
            assert_eq!(show(text), expected, "{text}");
        }
    }
}
