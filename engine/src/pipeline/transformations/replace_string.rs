//! `replace_string`: a regular expression over values, its matches replaced. By default it sees the
//! whole value with wildcards as `*` and `?`; with `skip_special` only the texts between them.

use super::super::apply::{Refusal, Run};
use super::super::plain_text::{self, PlainText};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_values};
use crate::diagnostic::{Diagnostic, codes};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::sigma::{Part, Pattern, Spanned};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "replace_string",
    summary: "Replaces what a regular expression matches in values.",
    read,
};

#[derive(Debug)]
struct ReplaceString {
    regex: ::regex::Regex,
    replacement: Vec<Piece>,
    skip_special: bool,
    interpret_special: bool,
}

/// A piece of the replacement: a text, or a group of the expression.
#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let regex = keys.regex("regex", false)?;
    let written = keys.required_text("replacement")?;
    let replacement = pieces(&written.value, &regex).map_err(|cause| {
        Box::new(Diagnostic::error(codes::BAD_VALUE, keys.file, written.span.clone(), cause))
    })?;
    Ok(Box::new(ReplaceString {
        regex,
        replacement,
        skip_special: keys.flag("skip_special")?,
        interpret_special: keys.flag("interpret_special")?,
    }))
}

/// `\1`, `\g<1>` and `\g<name>` stand for groups, `\\` for a backslash.
fn pieces(text: &str, regex: &::regex::Regex) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let group = group(rest, regex)?;
        match group {
            Some((number, length)) => {
                if number >= regex.captures_len() {
                    return Err(format!("the expression has no group {number}"));
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Group(number));
                rest = &rest[length..];
            }
            None => {
                let escaped = [("\\\\", '\\'), ("\\n", '\n'), ("\\t", '\t'), ("\\r", '\r')];
                match escaped.iter().find_map(|(from, to)| Some((rest.strip_prefix(from)?, *to))) {
                    Some((tail, to)) => {
                        plain.push(to);
                        rest = tail;
                    }
                    None => {
                        plain.push(c);
                        rest = &rest[c.len_utf8()..];
                    }
                }
            }
        }
    }
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// The group that a text begins with, and how long its mark is.
fn group(text: &str, regex: &::regex::Regex) -> Result<Option<(usize, usize)>, String> {
    if let Some((name, _)) = text.strip_prefix("\\g<").and_then(|rest| rest.split_once('>')) {
        let number = name.parse().ok().or_else(|| regex.capture_names().position(|n| n == Some(name)));
        let number = number.ok_or_else(|| format!("the expression has no group `{name}`"))?;
        return Ok(Some((number, name.len() + 4)));
    }
    let digits = text.strip_prefix('\\').unwrap_or_default();
    let length = digits.bytes().take(2).take_while(u8::is_ascii_digit).count();
    Ok(match digits[..length].parse::<usize>() {
        Ok(number) if number > 0 => Some((number, length + 1)),
        _ => None,
    })
}

impl ReplaceString {
    fn replaced(&self, captures: &::regex::Captures<'_>) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Group(number) => captures.get(*number).map_or_else(String::new, |m| m.as_str().to_owned()),
        };
        self.replacement.iter().map(piece).collect()
    }

    /// The whole value as one text.
    fn whole(&self, pattern: &Pattern) -> Option<Pattern> {
        let plain = PlainText::of(pattern);
        let mut parts = Vec::new();
        let mut at = 0;
        let mut found = false;
        for captures in self.regex.captures_iter(&plain.text) {
            let Some(whole) = captures.get(0) else { continue };
            found = true;
            parts.extend(plain.parts(at..whole.start()));
            parts.extend(plain_text::parse(&self.replaced(&captures)));
            at = whole.end();
        }
        parts.extend(plain.parts(at..plain.text.len()));
        found.then(|| plain_text::pattern(parts))
    }

    /// Each text between wildcards by itself.
    fn between(&self, pattern: &Pattern) -> Option<Pattern> {
        let mut found = false;
        let mut parts = Vec::new();
        for part in &pattern.parts {
            match part {
                Part::Text(text) if self.regex.is_match(text) => {
                    found = true;
                    let text = self
                        .regex
                        .replace_all(text, |captures: &::regex::Captures<'_>| self.replaced(captures));
                    match self.interpret_special {
                        true => parts.extend(Pattern::parse(&text).parts),
                        false => parts.push(Part::Text(text.into_owned())),
                    }
                }
                other => parts.push(other.clone()),
            }
        }
        found.then(|| plain_text::pattern(parts))
    }
}

impl Transformation for ReplaceString {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let replace = |pattern: &Pattern| match self.skip_special {
            true => self.between(pattern),
            false => self.whole(pattern),
        };
        let mut changed = false;
        let mut values = Vec::with_capacity(item.values.values.len());
        for value in &item.values.values {
            let new = match &value.value {
                Value::Pattern(pattern) => replace(pattern),
                // a number is a text from here on, whether or not anything in it is replaced
                Value::Number(_, text) => {
                    let literal = Pattern::literal(text.clone());
                    Some(replace(&literal).unwrap_or(literal))
                }
                _ => None,
            };
            changed |= new.is_some();
            let new = new.map_or_else(|| value.value.clone(), Value::Pattern);
            values.push(Spanned { value: new, span: value.span.clone() });
        }
        Ok(if changed { Changed::item(with_values(item, values)) } else { Changed::No })
    }
}
