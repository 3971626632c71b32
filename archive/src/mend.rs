//! What of an event is no JSON, though the event could be read: it is masked where it stands.
//!
//! In: an event's text. Out: the same, to the byte where all of it is JSON. Reading an event looks only at what
//! somebody asks for, so that a flaw elsewhere costs no event; who has to find paths in it, or to make columns
//! of other fields, needs all of it. What cannot be read may hold anything, so nothing of it is kept; the rest
//! of the event is.

use std::borrow::Cow;

use virga_engine::json::{parse, skip_value, skip_whitespace, string_text};

use crate::redact::MASK;

/// What stands for a member whose key cannot be read.
const UNREADABLE_MEMBER: &str = "\"[redacted]\":\"[redacted]\"";

/// The masked value as JSON.
pub(crate) fn masked() -> String {
    format!("\"{MASK}\"")
}

/// An event with what is no JSON in it masked; where its own members cannot be told from each other, an empty one.
pub(crate) fn mended(event: &str) -> Cow<'_, str> {
    if parse(event).is_ok() {
        return Cow::Borrowed(event);
    }
    match pieces(event.trim()) {
        None => Cow::Borrowed("{}"),
        Some(_) => value(event.trim()).map_or(Cow::Borrowed(event), Cow::Owned),
    }
}

/// A value that can be read; `None` where it can be as it is.
fn value(text: &str) -> Option<String> {
    match text.as_bytes().first() {
        Some(b'{' | b'[') => container(text),
        Some(b'"') => string_text(text).is_none().then(masked),
        _ => None,
    }
}

fn container(text: &str) -> Option<String> {
    let Some(pieces) = pieces(text) else { return Some(masked()) };
    let mut changed = false;
    let mut piece = |(key, element): (Option<&str>, &str)| {
        let is_unreadable = key.is_some_and(|key| string_text(key).is_none());
        let new = if is_unreadable { None } else { value(element) };
        changed |= is_unreadable || new.is_some();
        let element = new.as_deref().unwrap_or(element);
        match key {
            Some(_) if is_unreadable => UNREADABLE_MEMBER.to_owned(),
            Some(key) => format!("{key}:{element}"),
            None => element.to_owned(),
        }
    };
    let kept: Vec<String> = pieces.into_iter().map(&mut piece).collect();
    changed.then(|| joined(text, &kept))
}

/// A list or an object of such pieces.
pub(crate) fn joined(like: &str, pieces: &[impl std::borrow::Borrow<str>]) -> String {
    let pieces = pieces.join(",");
    if like.starts_with('{') { format!("{{{pieces}}}") } else { format!("[{pieces}]") }
}

/// The pieces of a list or an object, each with its key as it is written; `None` where it is neither to its end.
pub(crate) fn pieces(text: &str) -> Option<Vec<(Option<&str>, &str)>> {
    let bytes = text.as_bytes();
    let (is_object, close) = match bytes.first()? {
        b'{' => (true, b'}'),
        b'[' => (false, b']'),
        _ => return None,
    };
    let ends_at = |at: usize| bytes.get(at) == Some(&close) && at + 1 == bytes.len();
    let mut at = skip_whitespace(bytes, 1);
    let mut pieces = Vec::new();
    if ends_at(at) {
        return Some(pieces);
    }
    loop {
        let mut key = None;
        if is_object {
            let end = skip_value(bytes, at).ok()?;
            key = Some(text.get(at..end)?);
            let colon = skip_whitespace(bytes, end);
            (bytes.get(colon) == Some(&b':')).then_some(())?;
            at = skip_whitespace(bytes, colon + 1);
        }
        let end = skip_value(bytes, at).ok()?;
        pieces.push((key, text.get(at..end)?));
        at = skip_whitespace(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = skip_whitespace(bytes, at + 1),
            _ => return ends_at(at).then_some(pieces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_masked_where_it_stands_and_the_rest_stays() {
        for (event, expected) in [
            (r#"{ "a" : [ 1 ] }"#, r#"{ "a" : [ 1 ] }"#),
            (r#"{"a":{x},"b": 1.50}"#, r#"{"a":"[redacted]","b":1.50}"#),
            (r#"{"a":[1,[2,]],"b":[{"c":3}]}"#, r#"{"a":[1,"[redacted]"],"b":[{"c":3}]}"#),
            (r#"{"a":{"b":1],"c":2}"#, r#"{"a":"[redacted]","c":2}"#),
            (r#"{"a":["x":1],"c":2}"#, r#"{"a":"[redacted]","c":2}"#),
            (r#"{"a":"\q","b":"\u0041"}"#, r#"{"a":"[redacted]","b":"\u0041"}"#),
            (r#"{"a\q":"x","b":{"c":1}}"#, r#"{"[redacted]":"[redacted]","b":{"c":1}}"#),
            (r#"{"a":"#, "{}"),
            ("no JSON", "{}"),
        ] {
            assert_eq!(mended(event), expected, "{event}");
        }
    }
}
