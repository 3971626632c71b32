//! Takes out of events what must not be kept: prompts, tokens, personal data.
//!
//! In: an event's JSON and what is to be redacted of its source. Out: the same text, to the byte, but for the
//! values at those paths. Paths are found as those of rules are: in any case, through lists, and where keys
//! hold dots; also in JSON that stands in strings, and under a key that stands twice. `*` is any one key, `**`
//! any number of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use virga_engine::json::{skip_value, skip_whitespace, string_text};

use crate::error::ArchiveError;
use crate::limits::MAX_UNFOLDED_STRINGS;

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedactAction {
    /// It is taken out, with its key.
    Drop,
    /// A hash stands for it: equal values stay equal.
    Hash,
    /// A fixed word stands for it.
    Mask,
}

/// One path of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    source: String,
    path: Vec<String>,
    action: RedactAction,
    key: Option<[u8; 32]>,
}

/// What stands for a masked value.
pub const MASK: &str = "[redacted]";

impl Redaction {
    /// For a source (`*` for all) and a path. With a secret `key`, values that can be guessed cannot be found
    /// by hashing guesses.
    ///
    /// # Errors
    /// Where the path is empty.
    pub fn new(
        source: &str,
        path: &str,
        action: RedactAction,
        key: Option<&str>,
    ) -> Result<Self, ArchiveError> {
        let segments: Vec<String> = path.split('.').map(str::to_lowercase).collect();
        if segments.iter().any(String::is_empty) || segments.last().is_some_and(|last| last == "**") {
            let cause =
                "write a path as `requestParameters.password`, `*` for any key, `**.password` for any depth";
            return Err(ArchiveError::new(format!("redaction of `{path}`"), cause));
        }
        let key =
            key.map(|key| blake3::derive_key("virga 2026 redaction of archived events", key.as_bytes()));
        Ok(Self { source: source.to_owned(), path: segments, action, key })
    }

    /// Whether it is about events of a source.
    pub fn concerns(&self, source: &str) -> bool {
        self.source == "*" || self.source == source
    }

    /// Whether it may change what a field at that path holds: at the path, above it or below it.
    pub fn touches(&self, path: &str) -> bool {
        fn meet(pattern: &[String], path: &[&str]) -> bool {
            let (Some((first, rest)), Some((name, below))) = (pattern.split_first(), path.split_first())
            else {
                return true;
            };
            match first.as_str() {
                "**" => meet(rest, path) || meet(pattern, below),
                "*" => meet(rest, below),
                first => first == *name && meet(rest, below),
            }
        }
        let path = path.to_lowercase();
        meet(&self.path, &path.split('.').collect::<Vec<_>>())
    }

    /// Whether what stands at that path is taken out or changed as a whole: it is at the path, or above it.
    pub fn covers(&self, path: &str) -> bool {
        fn meet(pattern: &[String], path: &[&str]) -> bool {
            let Some((first, rest)) = pattern.split_first() else { return true };
            let Some((name, below)) = path.split_first() else { return false };
            match first.as_str() {
                "**" => meet(rest, path) || meet(pattern, below),
                "*" => meet(rest, below),
                first => first == *name && meet(rest, below),
            }
        }
        let path = path.to_lowercase();
        meet(&self.path, &path.split('.').collect::<Vec<_>>())
    }

    /// The source, `*` for all.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The path, in lower case.
    pub(crate) fn path(&self) -> String {
        self.path.join(".")
    }

    pub(crate) fn action(&self) -> RedactAction {
        self.action
    }

    /// What stands for the text of a value; `None` where nothing does.
    pub fn stands_for(&self, text: &str) -> Option<String> {
        match self.action {
            RedactAction::Drop => None,
            RedactAction::Mask => Some(MASK.to_owned()),
            RedactAction::Hash => {
                let hash = match &self.key {
                    Some(key) => blake3::keyed_hash(key, text.as_bytes()),
                    None => blake3::hash(text.as_bytes()),
                };
                Some(format!("hash:{}", hash.to_hex().get(..32).unwrap_or_default()))
            }
        }
    }

    /// The same as JSON.
    fn replacement(&self, value: &str) -> Option<String> {
        let text = string_text(value).unwrap_or(Cow::Borrowed(value));
        self.stands_for(&text).map(|stands| format!("\"{stands}\""))
    }
}

/// A redaction, and what is left of its path at some place of an event.
#[derive(Clone, Copy)]
struct Open<'r> {
    redaction: &'r Redaction,
    rest: &'r [String],
}

impl<'r> Open<'r> {
    /// What is left of the path below a key; several ways where `**` may end here.
    fn below(self, key: &str, found: &mut Vec<Self>) {
        let Some((first, rest)) = self.rest.split_first() else { return };
        let at = |rest| Self { redaction: self.redaction, rest };
        match first.as_str() {
            "**" => {
                found.push(self);
                at(rest).below(key, found);
            }
            "*" => found.push(at(rest)),
            _ => {
                // a key may hold several names of the path
                for names in 1..=self.rest.len() {
                    let (joined, rest) = self.rest.split_at(names);
                    if joined.join(".") == key {
                        found.push(at(rest));
                    }
                }
            }
        }
    }
}

/// An event without what is to be redacted.
///
/// # Errors
/// Where it is no JSON.
pub fn redact<'e>(event: &'e str, redactions: &[&Redaction]) -> Result<Cow<'e, str>, ArchiveError> {
    let open: Vec<Open<'_>> =
        redactions.iter().map(|redaction| Open { redaction, rest: &redaction.path }).collect();
    let changed = value(event, &open, 0)?;
    Ok(changed.map_or(Cow::Borrowed(event), Cow::Owned))
}

fn no_json(cause: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::new("redacting an event", cause)
}

/// A value as it is kept; `None` where it stays as it is.
fn value(text: &str, open: &[Open<'_>], depth: usize) -> Result<Option<String>, ArchiveError> {
    if open.is_empty() {
        return Ok(None);
    }
    let trimmed = text.trim();
    match trimmed.as_bytes().first() {
        Some(b'{') => object(trimmed, open, depth),
        Some(b'[') => list(trimmed, open, depth),
        Some(b'"') => string(trimmed, open, depth),
        _ => Ok(None),
    }
}

/// JSON that stands in a string.
fn string(text: &str, open: &[Open<'_>], depth: usize) -> Result<Option<String>, ArchiveError> {
    let Some(inner) = string_text(text) else { return Ok(None) };
    if !inner.trim_start().starts_with(['{', '[']) {
        return Ok(None);
    }
    let masked = || Some(format!("\"{MASK}\""));
    if depth >= MAX_UNFOLDED_STRINGS {
        return Ok(masked());
    }
    let end = skip_value(inner.as_bytes(), skip_whitespace(inner.as_bytes(), 0));
    match end.is_ok_and(|end| skip_whitespace(inner.as_bytes(), end) == inner.len()) {
        true => {
            Ok(value(&inner, open, depth + 1)?.map(|changed| serde_json::Value::from(changed).to_string()))
        }
        // JSON that was cut off: what it holds cannot be told
        false => Ok(masked()),
    }
}

/// The pieces of a list or an object between its brackets, each without what stands around it.
fn pieces<'t>(
    text: &'t str,
    take: &mut dyn FnMut(Option<&'t str>, &'t str) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let bytes = text.as_bytes();
    let is_object = bytes.first() == Some(&b'{');
    let slice = |from: usize, to: usize| text.get(from..to).ok_or_else(|| no_json("it is cut off"));
    let mut at = skip_whitespace(bytes, 1);
    if matches!(bytes.get(at), Some(b'}' | b']')) {
        return Ok(());
    }
    loop {
        let mut key = None;
        if is_object {
            let end = skip_value(bytes, at).map_err(no_json)?;
            key = Some(slice(at, end)?);
            at = skip_whitespace(bytes, end);
            if bytes.get(at) != Some(&b':') {
                return Err(no_json("a key has no value"));
            }
            at = skip_whitespace(bytes, at + 1);
        }
        let end = skip_value(bytes, at).map_err(no_json)?;
        take(key, slice(at, end)?)?;
        at = skip_whitespace(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = skip_whitespace(bytes, at + 1),
            Some(b'}' | b']') => return Ok(()),
            _ => return Err(no_json("it is cut off")),
        }
    }
}

fn list(text: &str, open: &[Open<'_>], depth: usize) -> Result<Option<String>, ArchiveError> {
    let (mut kept, mut changed) = (Vec::new(), false);
    pieces(text, &mut |_, element| {
        let new = value(element, open, depth)?;
        changed |= new.is_some();
        kept.push(new.map_or(Cow::Borrowed(element), Cow::Owned));
        Ok(())
    })?;
    Ok(changed.then(|| format!("[{}]", kept.join(","))))
}

fn object(text: &str, open: &[Open<'_>], depth: usize) -> Result<Option<String>, ArchiveError> {
    let (mut kept, mut changed) = (Vec::new(), false);
    pieces(text, &mut |key, member| {
        let key = key.unwrap_or_default();
        let name = string_text(key).unwrap_or_default().to_lowercase();
        let mut below = Vec::new();
        open.iter().for_each(|open| open.below(&name, &mut below));
        if let Some(found) = below.iter().find(|open| open.rest.is_empty()) {
            changed = true;
            if let Some(new) = found.redaction.replacement(member) {
                kept.push(format!("{key}:{new}"));
            }
            return Ok(());
        }
        let new = value(member, &below, depth)?;
        changed |= new.is_some();
        kept.push(format!("{key}:{}", new.as_deref().unwrap_or(member)));
        Ok(())
    })?;
    Ok(changed.then(|| format!("{{{}}}", kept.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, action: RedactAction) -> Redaction {
        Redaction::new("s", path, action, None).unwrap()
    }

    #[test]
    fn what_a_path_leads_to_is_gone_and_the_rest_stays_to_the_byte() {
        use RedactAction::{Drop, Mask};
        for (path, action, event, expected) in [
            ("a", Drop, r#"{"b": 1.50, "a": "x"}"#, r#"{"b":1.50}"#),
            ("a", Mask, r#"{"A":{"x":1},"a":2}"#, r#"{"A":"[redacted]","a":"[redacted]"}"#),
            ("a.b", Drop, r#"{"a":[{"b":1,"c":2},{"b":3}],"a.b":4}"#, r#"{"a":[{"c":2},{}]}"#),
            ("*.b", Drop, r#"{"x":{"b":1},"b":2}"#, r#"{"x":{},"b":2}"#),
            (
                "**.b",
                Drop,
                r#"{"b":0,"x":{"y":[{"b":1,"c":18446744073709551616}]}}"#,
                r#"{"x":{"y":[{"c":18446744073709551616}]}}"#,
            ),
            ("a.b", Mask, r#"{"a":"{\"b\":\"x\",\"c\":1}"}"#, r#"{"a":"{\"b\":\"[redacted]\",\"c\":1}"}"#),
            ("a.b", Mask, r#"{"a":"{\"b\":\"x"}"#, r#"{"a":"[redacted]"}"#),
            ("a", Drop, r#"{ "\u0061" : 1 }"#, "{}"),
        ] {
            assert_eq!(redact(event, &[&of(path, action)]).unwrap(), expected, "{path}");
        }
        let untouched = r#"{ "b" : [ ] , "c":"{\"a\":1}" }"#;
        assert!(matches!(redact(untouched, &[&of("a", Drop)]).unwrap(), Cow::Borrowed(_)));
        assert!(redact(r#"{"a":"#, &[&of("a", Drop)]).is_err());
    }

    #[test]
    fn a_hash_keeps_equal_values_equal_and_depends_on_its_key() {
        let hash = |key: Option<&str>, event: &str| {
            let redaction = Redaction::new("*", "a", RedactAction::Hash, key).unwrap();
            redact(event, &[&redaction]).unwrap().into_owned()
        };
        assert_eq!(hash(None, r#"{"a":"x"}"#), hash(None, r#"{"a":"\u0078"}"#));
        assert_ne!(hash(None, r#"{"a":"x"}"#), hash(Some("k"), r#"{"a":"x"}"#));
        assert!(!hash(Some("k"), r#"{"a":"secret"}"#).contains("secret"));
    }

    #[test]
    fn a_redaction_touches_what_is_above_and_below_it() {
        for (pattern, path, touches) in [
            ("a.b", "A.B", true),
            ("a.b", "a", true),
            ("a.b", "a.b.c", true),
            ("a.b", "a.c", false),
            ("*.b", "x.b", true),
            ("**.b", "x.y.b", true),
            ("**.b", "x", true),
        ] {
            assert_eq!(of(pattern, RedactAction::Drop).touches(path), touches, "{pattern} {path}");
        }
        for (pattern, path, covers) in [
            ("a.b", "A.B", true),
            ("a.b", "a", false),
            ("a.b", "a.b.c", true),
            ("*.b", "x.b", true),
            ("**.b", "x.y.b", true),
            ("**.b", "x.b.c", true),
            ("**.b", "x", false),
        ] {
            assert_eq!(of(pattern, RedactAction::Drop).covers(path), covers, "{pattern} {path}");
        }
        assert!(Redaction::new("s", "a..b", RedactAction::Drop, None).is_err());
    }
}
