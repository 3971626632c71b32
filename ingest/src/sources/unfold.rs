//! JSON that a delivery has put into strings, taken for the JSON that it is.
//!
//! In: an event and the slots whose values a source unfolds (dynamic columns of Log Analytics,
//! `properties.log` of a cluster's audit log). Out: the event with those strings replaced by what
//! they hold, letter for letter; `None` where none of them holds an object or array. From then on
//! that text is the event: rules look into it, its record hash is made of it, and it is kept.

use std::borrow::Cow;
use std::ops::Range;

use virga_engine::json::{Cells, Projector, Value, parse, string_text};

use crate::limits::{MAX_EVENT_BYTES, MAX_UNFOLDINGS};

/// An event that has been projected, with all that `slots` hold unfolded; the cells are those of the
/// result. An event that would then nest too deep stays as it is.
pub(super) fn unfold_all<'e>(
    raw: &'e str,
    projector: &Projector,
    cells: &mut Cells,
    slots: &[usize],
) -> Cow<'e, str> {
    let mut event = Cow::Borrowed(raw);
    for _ in 0..MAX_UNFOLDINGS {
        let Some(next) = unfold(&event, cells, slots) else { break };
        if projector.project(&next, cells).is_err() {
            // it could be read as it was
            let _ = projector.project(&event, cells);
            break;
        }
        event = Cow::Owned(next);
    }
    event
}

/// The event unfolded once, if there is something to unfold.
fn unfold(raw: &str, cells: &Cells, slots: &[usize]) -> Option<String> {
    let mut pieces: Vec<(Range<usize>, String)> =
        slots.iter().filter_map(|slot| held(raw, cells.range(*slot)?)).collect();
    if pieces.is_empty() {
        return None;
    }
    pieces.sort_by_key(|(range, _)| range.start);
    let mut unfolded = String::with_capacity(raw.len());
    let mut at = 0;
    for (range, json) in pieces {
        unfolded.push_str(raw.get(at..range.start)?);
        unfolded.push_str(&json);
        at = range.end;
    }
    unfolded.push_str(raw.get(at..)?);
    (unfolded.len() <= MAX_EVENT_BYTES).then_some(unfolded)
}

/// The JSON object or array in a string.
fn held(raw: &str, range: Range<usize>) -> Option<(Range<usize>, String)> {
    let text = raw.get(range.clone())?;
    // most strings are none: their first letters say it without unescaping
    let inside = text.strip_prefix('"')?.trim_start_matches(['\\', 'r', 'n', 't', ' ']);
    if !inside.starts_with(['{', '[']) {
        return None;
    }
    let json = string_text(text)?;
    matches!(parse(&json), Ok(Value::Object(_) | Value::Array(_))).then(|| (range, json.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(raw: &str) -> Option<String> {
        let projector = Projector::new(&[vec!["a".into()], vec!["b.c".into()]]);
        let mut cells = Cells::default();
        projector.project(raw, &mut cells).unwrap();
        unfold(raw, &cells, &[0, 1])
    }

    #[test]
    fn a_string_that_holds_an_object_or_array_is_taken_for_it() {
        for (raw, expected) in [
            (r#"{"a":"{\"x\":1}","z":2}"#, Some(r#"{"a":{"x":1},"z":2}"#)),
            (r#"{"b":{"c":"[1,\"é\"]"},"a":"\r\n {}"}"#, Some("{\"b\":{\"c\":[1,\"é\"]},\"a\":\r\n {}}")),
            (r#"{"a":"{\"x\":1","b":{"c":"{}"}}"#, Some(r#"{"a":"{\"x\":1","b":{"c":{}}}"#)),
            (r#"{"a":"text","b":1}"#, None),
            (r#"{"a":"12"}"#, None),
            (r#"{"a":{"x":1}}"#, None),
            (r#"{"a":""}"#, None),
        ] {
            assert_eq!(unfolded(raw).as_deref(), expected, "{raw}");
        }
    }
}
