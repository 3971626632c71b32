//! Takes out of events what must not be kept: prompts, tokens, personal data.
//!
//! In: an event's JSON and what is to be redacted of its source. Out: the same text, to the byte, but for the
//! values at those paths. Paths are found as those of rules are: in any case, through lists, and where keys
//! hold dots; also in JSON that stands in strings, and under a key that stands twice. `*` is any one key, `**`
//! any number of them. Nothing in an event makes it fail: what it cannot look into it masks, for whoever may
//! write one field of an event could hide the event otherwise.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use virga_engine::json::{parse, string_text};

use crate::error::ArchiveError;
use crate::limits::{MAX_REDACTED_NAMES, MAX_UNFOLDED_STRINGS};
use crate::mend::{joined, masked, mended, pieces};

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
#[derive(Clone, PartialEq, Eq)]
pub struct Redaction {
    source: String,
    path: Vec<String>,
    action: RedactAction,
    key: Option<[u8; 32]>,
}

impl std::fmt::Debug for Redaction {
    /// Without its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (source, path, action) = (&self.source, &self.path, &self.action);
        f.debug_struct("Redaction")
            .field("source", source)
            .field("path", path)
            .field("action", action)
            .finish_non_exhaustive()
    }
}

/// What stands for a masked value.
pub const MASK: &str = "[redacted]";

impl Redaction {
    /// For a source (`*` for all) and a path. With a secret `key`, values that can be guessed cannot be found
    /// by hashing guesses.
    ///
    /// # Errors
    /// Where the path is empty, ends in `**` or has more than [`MAX_REDACTED_NAMES`] names.
    pub fn new(
        source: &str,
        path: &str,
        action: RedactAction,
        key: Option<&str>,
    ) -> Result<Self, ArchiveError> {
        let segments: Vec<String> = path.split('.').map(folded).collect();
        if segments.iter().any(String::is_empty) || segments.last().is_some_and(|last| last == "**") {
            let cause =
                "write a path as `requestParameters.password`, `*` for any key, `**.password` for any depth";
            return Err(ArchiveError::new(format!("redaction of `{path}`"), cause));
        }
        if segments.len() > MAX_REDACTED_NAMES {
            let cause = format!(
                "it has {} names, and a path has up to {MAX_REDACTED_NAMES}; write `**` for some of them",
                segments.len()
            );
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
        Open::whole(self).below(&folded(path)).is_some()
    }

    /// As [`Redaction::touches`], but behind `**` only where the path has the names that follow, or stands above one of the
    /// `known` paths that have: any object may hold such a key at some depth, and few do.
    pub fn touches_known(&self, path: &str, known: &[&str]) -> bool {
        let Some(deep) = self.path.iter().position(|name| name == "**") else { return self.touches(path) };
        let head = Self { path: self.path.get(..deep).unwrap_or_default().to_vec(), ..self.clone() };
        if deep > 0 && path.split('.').count() <= deep {
            return head.touches(path);
        }
        let above = format!("{}.", folded(path));
        self.covers(path) || known.iter().any(|below| folded(below).starts_with(&above) && self.covers(below))
    }

    /// Whether what stands at that path is taken out or changed as a whole: it is at the path, or above it.
    pub fn covers(&self, path: &str) -> bool {
        Open::whole(self).below(&folded(path)).is_some_and(Open::is_met)
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

/// A redaction, and how far its path may have come at some place of an event: `*` and `**` have several ways.
#[derive(Clone, Copy)]
struct Open<'r> {
    redaction: &'r Redaction,
    /// One bit for each number of names that may be passed.
    passed: u64,
}

impl<'r> Open<'r> {
    /// At the event itself.
    fn whole(redaction: &'r Redaction) -> Self {
        Self { redaction, passed: redaction.and_nothing(1) }
    }

    /// Below a key, or a path; `None` where nothing is to be redacted there. Dots in a key separate names, as
    /// those of a path do: an event may be written flat. `*` is a whole key too, dots and all.
    fn below(self, key: &str) -> Option<Self> {
        let (mut passed, mut taking) = (self.passed, 0);
        for name in key.split('.') {
            (passed, taking) = self.redaction.step(passed, taking, name);
        }
        (passed != 0).then_some(Self { passed, ..self })
    }

    /// Whether the path ends here.
    fn is_met(self) -> bool {
        self.passed & self.redaction.end() != 0
    }

    /// Whether a text that cannot be taken apart may hold what the rest of the path leads to.
    fn may_be_in(self, text: &str, folded: &str) -> bool {
        // an escape may spell any letter of a name
        let is_spelt = text.contains("\\u");
        let has = |name: &String| {
            is_wild(name) || name.contains(char::is_control) || folded.contains(&name.replace('\\', ""))
        };
        let rests = (0..self.redaction.path.len()).filter(|passed| self.passed & (1 << passed) != 0);
        let mut rests = rests.filter_map(|passed| self.redaction.path.get(passed..));
        is_spelt || rests.any(|rest| rest.iter().all(has))
    }
}

impl Redaction {
    /// The bit of a path that is passed as a whole.
    fn end(&self) -> u64 {
        1 << self.path.len()
    }

    /// `**` may be nothing: whoever stands before it stands behind it too.
    fn and_nothing(&self, mut passed: u64) -> u64 {
        for (number, name) in self.path.iter().enumerate() {
            if name == "**" && passed & (1 << number) != 0 {
                passed |= 1 << (number + 1);
            }
        }
        passed
    }

    /// One name further. `taking` are the ways on which a `*` may take more names of the same key. What stands
    /// below the end of the path is at it still.
    fn step(&self, passed: u64, taking: u64, name: &str) -> (u64, u64) {
        let (mut next, mut taking) = (taking | passed & self.end(), taking);
        for (number, pattern) in
            self.path.iter().enumerate().filter(|(number, _)| passed & (1 << number) != 0)
        {
            match pattern.as_str() {
                "**" => next |= 1 << number,
                "*" => {
                    next |= 1 << (number + 1);
                    taking |= 1 << (number + 1);
                }
                pattern if pattern == name => next |= 1 << (number + 1),
                _ => {}
            }
        }
        (self.and_nothing(next), taking)
    }
}

fn is_wild(name: &str) -> bool {
    matches!(name, "*" | "**")
}

/// A name or a text without case, letter by letter: what stands around a letter does not change it, so that a
/// name is the same alone and in a key.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// An event without what is to be redacted. Never fails: what of the event is no JSON is masked, and of what is
/// no event an empty one is left.
pub fn redact<'e>(event: &'e str, redactions: &[&Redaction]) -> Cow<'e, str> {
    if redactions.is_empty() {
        return Cow::Borrowed(event);
    }
    let open: Vec<Open<'_>> = redactions.iter().map(|redaction| Open::whole(redaction)).collect();
    let event = mended(event);
    match value(event.trim(), &open, 0) {
        Some(changed) => Cow::Owned(changed),
        None => event,
    }
}

/// Whether a text may be JSON that holds values of its own, or was meant to.
pub fn may_be_json(text: &str) -> bool {
    let text = text.trim_start_matches(is_blank);
    // a sequence of values may begin with one that holds nothing
    let begins_with_scalar =
        || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | 't' | 'f' | 'n'));
    text.starts_with(['{', '[', '"']) || (begins_with_scalar() && text.contains(['{', '[']))
}

/// What may stand around JSON in a text: white space, also of no width, a byte order mark, a record separator.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A value as it is kept; `None` where it stays as it is.
fn value(text: &str, open: &[Open<'_>], depth: usize) -> Option<String> {
    if open.is_empty() {
        return None;
    }
    match text.as_bytes().first() {
        Some(b'{' | b'[') => container(text, open, depth),
        Some(b'"') => match string_text(text) {
            Some(inner) => {
                unfolded(&inner, open, depth).map(|changed| serde_json::Value::from(changed).to_string())
            }
            None => Some(masked()),
        },
        _ => None,
    }
}

/// JSON that stands in a string, which may be text that only looks like it: that is masked as a whole where it
/// may hold what is looked for, and is otherwise as good as any text.
fn unfolded(text: &str, open: &[Open<'_>], depth: usize) -> Option<String> {
    if !may_be_json(text) {
        return None;
    }
    let json = text.trim_matches(is_blank);
    if depth >= MAX_UNFOLDED_STRINGS || parse(json).is_err() {
        let plain = folded(json).replace('\\', "");
        return open.iter().any(|open| open.may_be_in(json, &plain)).then(|| MASK.to_owned());
    }
    let changed = value(json, open, depth + 1)?;
    let (before, after) = text.split_once(json).unwrap_or_default();
    Some(format!("{before}{changed}{after}"))
}

/// What becomes of a member or an element.
enum Kept {
    AsItIs,
    As(String),
    Gone,
}

fn container(text: &str, open: &[Open<'_>], depth: usize) -> Option<String> {
    let Some(pieces) = pieces(text) else { return Some(masked()) };
    let (mut kept, mut changed) = (Vec::with_capacity(pieces.len()), false);
    for (key, element) in pieces {
        let new = match key {
            Some(key) => member(key, element, open, depth),
            None => value(element, open, depth).map_or(Kept::AsItIs, Kept::As),
        };
        changed |= !matches!(new, Kept::AsItIs);
        let element = match &new {
            Kept::Gone => continue,
            Kept::As(new) => new,
            Kept::AsItIs => element,
        };
        kept.push(key.map_or_else(|| element.to_owned(), |key| format!("{key}:{element}")));
    }
    changed.then(|| joined(text, &kept))
}

fn member(key: &str, element: &str, open: &[Open<'_>], depth: usize) -> Kept {
    // a key that cannot be read may be the one that is meant
    let Some(name) = string_text(key).map(|name| folded(&name)) else { return Kept::As(masked()) };
    let below: Vec<Open<'_>> = open.iter().filter_map(|open| open.below(&name)).collect();
    match below.iter().find(|open| open.is_met()) {
        Some(met) => met.redaction.replacement(element).map_or(Kept::Gone, Kept::As),
        None => value(element, &below, depth).map_or(Kept::AsItIs, Kept::As),
    }
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
            assert_eq!(redact(event, &[&of(path, action)]), expected, "{path}");
        }
        let untouched = r#"{ "b" : [ ] , "c":"{\"a\":1}" }"#;
        assert!(matches!(redact(untouched, &[&of("a", Drop)]), Cow::Borrowed(_)));
        assert_eq!(redact(r#"{"a":"#, &[&of("a", Drop)]), "{}");
    }

    #[test]
    fn a_text_that_only_looks_like_json_stays_unless_it_may_hold_what_is_meant() {
        let redaction = of("**.password", RedactAction::Drop);
        let of_text = |text: &str| {
            let event = serde_json::json!({ "userAgent": text, "kept": 1 }).to_string();
            let redacted = redact(&event, &[&redaction]).into_owned();
            let read: serde_json::Value = serde_json::from_str(&redacted).unwrap();
            assert_eq!(read["kept"], 1, "{redacted}");
            read["userAgent"].as_str().unwrap().to_owned()
        };
        for text in [
            "{x}",
            "[INFO]",
            "[INFO] it began",
            "{{template}}",
            "{'a':1}",
            r#"{"a":1,}"#,
            "{${jndi:ldap}}",
            "{",
            "\"",
            r#""Chromium";v="110""#,
            r"{C:\temp}",
            r#"{"a":"b"#,
            "\u{feff}",
        ] {
            assert_eq!(of_text(text), text);
        }
        for text in [
            "{'password':'S'}",
            r#"{"Password":"S",}"#,
            r#"{"a":1,"password":"S"#,
            r#"{"p\u0061ssword":"S",}"#,
            r#"{"pass\word":"S",}"#,
            r#"{"a":1} {"password":"S"}"#,
            r#""password":"S""#,
            r#"[{"password":"S"}"#,
        ] {
            assert_eq!(of_text(text), MASK, "{text}");
        }
    }

    #[test]
    fn a_part_of_an_event_that_is_no_json_costs_only_itself() {
        for (event, expected) in [
            (r#"{"a":{x},"password":"S","b":1}"#, r#"{"a":"[redacted]","b":1}"#),
            (r#"{"body":"{\"password\":\"S\",\"x\":\"\q\"}","b":1}"#, r#"{"body":"[redacted]","b":1}"#),
            (r#"{"pass\qword":"S","b":1}"#, r#"{"[redacted]":"[redacted]","b":1}"#),
        ] {
            assert_eq!(redact(event, &[&of("**.password", RedactAction::Drop)]), expected, "{event}");
        }
    }

    #[test]
    fn a_key_with_dots_is_as_many_names_as_it_may_be() {
        for (path, event, expected) in [
            ("**.password", r#"{"user.password":"S"}"#, "{}"),
            ("*.x", r#"{"a.x":1,"a.b.x":2,"a.b":{"x":3,"y":4},"x":5}"#, r#"{"a.b":{"y":4},"x":5}"#),
            (
                "**.content",
                r#"{"gen_ai.prompt.0.content":"S","gen_ai.prompt.0.role":"user"}"#,
                r#"{"gen_ai.prompt.0.role":"user"}"#,
            ),
            (
                "gen_ai.prompt",
                r#"{"gen_ai.prompt.0.content":"S","gen_ai.prompts":1}"#,
                r#"{"gen_ai.prompts":1}"#,
            ),
            ("a.b.c", r#"{"a.b":{"c":1},"a":{"b.c":2,"b":{"c":3}},"a.b.c":4}"#, r#"{"a.b":{},"a":{"b":{}}}"#),
            (
                "a.*.d",
                r#"{"a.b.c.d":1,"a":{"b.c":{"d":2,"e":3}},"a.d":4}"#,
                r#"{"a":{"b.c":{"e":3}},"a.d":4}"#,
            ),
            ("a.**.d", r#"{"a.d":1,"a":{"b.c":[{"d.e":2}]}}"#, r#"{"a":{"b.c":[{}]}}"#),
            ("οδος.x", r#"{"ΟΔΟΣ.x":1,"ΟΔΟΣ":{"x":2}}"#, r#"{"ΟΔΟΣ":{}}"#),
        ] {
            assert_eq!(redact(event, &[&of(path, RedactAction::Drop)]), expected, "{path}");
        }
        // as many ways as there are, each key is looked at once
        let path = format!("{}password", "**.*.".repeat(20));
        let key = "a.".repeat(20_000);
        let event = format!(r#"{{"{key}password":"S","b":1}}"#);
        assert_eq!(redact(&event, &[&of(&path, RedactAction::Drop)]), r#"{"b":1}"#);
        assert!(Redaction::new("s", &"a.".repeat(63), RedactAction::Drop, None).is_err());
    }

    #[test]
    fn json_in_a_string_is_found_behind_quotes_and_a_byte_order_mark() {
        let json = serde_json::json!({ "password": "S", "b": 1 }).to_string();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let kept = r#"{"b":1}"#;
        for (text, expected) in [
            (format!("\u{feff}{json}"), format!("\u{feff}{kept}")),
            (format!("\u{1e}{json}\n"), format!("\u{1e}{kept}\n")),
            (format!("\u{200b}{json}"), format!("\u{200b}{kept}")),
            // values one behind the other
            (format!("null\n{json}"), MASK.to_owned()),
            (format!("1 {json}"), MASK.to_owned()),
            (format!("1 {kept}"), format!("1 {kept}")),
            ("true {x}".to_owned(), "true {x}".to_owned()),
            (quoted(&json), quoted(kept)),
            (quoted(&quoted(&json)), quoted(&quoted(kept))),
            (quoted(&quoted(&quoted(&quoted(&json)))), quoted(&quoted(&quoted(&quoted(MASK))))),
        ] {
            let event = |text: &str| serde_json::json!({ "body": text }).to_string();
            let redaction = of("**.password", RedactAction::Drop);
            assert_eq!(redact(&event(&text), &[&redaction]), event(&expected), "{text}");
        }
    }

    #[test]
    fn a_hash_keeps_equal_values_equal_and_depends_on_its_key() {
        let hash = |key: Option<&str>, event: &str| {
            let redaction = Redaction::new("*", "a", RedactAction::Hash, key).unwrap();
            redact(event, &[&redaction]).into_owned()
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
