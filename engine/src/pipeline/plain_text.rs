//! A pattern as plain text, and back: what string transformations look at.
//!
//! Wildcards are `*` and `?`, what only looks like one `\*` and `\?`, a placeholder `%name%`; a
//! backslash is itself. A value with `contains` is therefore seen as `*value*`.

use std::ops::Range;

use crate::sigma::{Part, Pattern};

/// A pattern's plain text, and for each piece of it the part that it came from.
pub(super) struct PlainText {
    pub text: String,
    pieces: Vec<(Range<usize>, Part)>,
}

impl PlainText {
    pub fn of(pattern: &Pattern) -> Self {
        let mut plain = Self { text: String::new(), pieces: Vec::new() };
        for part in &pattern.parts {
            match part {
                Part::Text(text) => {
                    for c in text.chars() {
                        let shown = if matches!(c, '*' | '?') { format!("\\{c}") } else { c.to_string() };
                        plain.push(&shown, Part::Text(c.to_string()));
                    }
                }
                Part::AnyRun => plain.push("*", Part::AnyRun),
                Part::AnyOne => plain.push("?", Part::AnyOne),
                Part::Placeholder(name) => plain.push(&format!("%{name}%"), part.clone()),
            }
        }
        plain
    }

    fn push(&mut self, text: &str, part: Part) {
        let start = self.text.len();
        self.text.push_str(text);
        self.pieces.push((start..self.text.len(), part));
    }

    /// The parts that stand in a stretch of the text. Of a piece that it cuts through, what stands in it
    /// is read anew: half of `\*` is a backslash, or a wildcard.
    pub fn parts(&self, stretch: Range<usize>) -> Vec<Part> {
        let mut parts = Vec::new();
        for (piece, part) in &self.pieces {
            let overlap = piece.start.max(stretch.start)..piece.end.min(stretch.end);
            if overlap == *piece {
                parts.push(part.clone());
            } else if !overlap.is_empty() {
                parts.extend(self.text.get(overlap).map(parse).unwrap_or_default());
            }
        }
        parts
    }
}

/// Plain text read as a pattern: `*` and `?` are wildcards, `\*` and `\?` are not, any other backslash
/// is itself.
pub(super) fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        parts.push(match (c, characters.peek()) {
            ('\\', Some(&wildcard @ ('*' | '?'))) => {
                characters.next();
                Part::Text(wildcard.to_string())
            }
            ('*', _) => Part::AnyRun,
            ('?', _) => Part::AnyOne,
            (c, _) => Part::Text(c.to_string()),
        });
    }
    parts
}

/// Parts as a pattern.
pub(super) fn pattern(parts: Vec<Part>) -> Pattern {
    let mut pattern = Pattern { parts };
    pattern.normalise();
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_comes_back_from_its_plain_text() {
        for (written, plain) in
            [("a*b?", "a*b?"), (r"a\*b", r"a\*b"), (r"C:\\x", r"C:\x"), ("", ""), (r"a\?*", r"a\?*")]
        {
            let of = Pattern::parse(written);
            let text = PlainText::of(&of);
            assert_eq!(text.text, plain, "{written}");
            assert_eq!(pattern(parse(&text.text)), of, "{written}");
            assert_eq!(pattern(text.parts(0..text.text.len())), of, "{written}");
        }
    }
}
