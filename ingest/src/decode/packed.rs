//! What an event or an envelope carries as a text, in base64 or not, packed or not.
//!
//! In: a JSON string. Out: the JSON object or array that it holds; or that it holds something else, which is nobody's
//! mistake; or why what is packed in it cannot be read. JSON that is cut counts as JSON: whoever reads the event will
//! say so.
//!
//! ```text
//! "{\"eventName\":…}"        an object            "[INFO] started"    something else
//! "H4sIAAAA…"                what is packed in it  the same, cut       truncated_compression
//! ```
//!
//! Packed may lie in packed, and in many parts of one value. How much they may be unpacked to is therefore measured
//! for the outermost value as a whole ([`Allowance`]), as it is for an input.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::ops::Range;

use base64::Engine;
use base64::alphabet::{STANDARD as STANDARD_ALPHABET, URL_SAFE as URL_SAFE_ALPHABET};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use virga_engine::json::{skip_value, skip_whitespace, string_text};

use super::compression::{Decompressor, ExpansionLimits, StreamFault, is_packed};
use super::envelope::Inner;
use crate::limits::{MAX_EVENT_BYTES, MAX_EXPANSION, PARTS_FREE_BYTES};
use crate::quarantine::Cause;

/// How many bytes may still be unpacked of one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance(u64);

impl Allowance {
    /// For a value of so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self((bytes as u64).saturating_mul(MAX_EXPANSION).saturating_add(PARTS_FREE_BYTES))
    }
}

/// The object or array that a JSON string is.
pub(super) fn carried_text(bytes: &[u8], string: &Range<usize>) -> Option<Inner> {
    let text = text_of(bytes, string)?;
    is_json(text.as_bytes()).then(|| Inner::Carried(text.into_owned()))
}

/// The object or array that a JSON string is in base64.
pub(super) fn carried_base64(
    bytes: &[u8],
    string: &Range<usize>,
    allowance: &mut Allowance,
) -> Option<Inner> {
    let mut decoded = decode_base64(&text_of(bytes, string)?)?;
    if is_packed(&decoded) {
        decoded = match unpack(decoded, allowance) {
            Ok(unpacked) => unpacked,
            Err(cause) => return Some(Inner::Bad(string.clone(), cause)),
        };
    }
    is_json(&decoded).then(|| match String::from_utf8(decoded) {
        Ok(text) => Inner::Carried(text),
        Err(_) => Inner::Bad(string.clone(), Cause::InvalidUtf8),
    })
}

/// Whether a text is a JSON object, or an array of what may hold events. One that begins so and is cut, or nests too
/// deep, is one too; messages in words begin with brackets as well, and are none.
pub(super) fn is_json(text: &[u8]) -> bool {
    let start = skip_whitespace(text, 0);
    if !begins_as_json(text, start) {
        return false;
    }
    match skip_value(text, start) {
        Ok(end) => skip_whitespace(text, end) == text.len(),
        Err(_) => true,
    }
}

/// Whether there is an object with a key or without any, or such an object in an array, or an empty array.
fn begins_as_json(text: &[u8], start: usize) -> bool {
    let mut at = start;
    while text.get(at) == Some(&b'[') {
        at = skip_whitespace(text, at + 1);
    }
    match text.get(at) {
        Some(b'{') => matches!(text.get(skip_whitespace(text, at + 1)), Some(b'"' | b'}')),
        Some(b']') => at > start,
        _ => false,
    }
}

fn text_of<'b>(bytes: &'b [u8], string: &Range<usize>) -> Option<Cow<'b, str>> {
    let string = simdutf8::basic::from_utf8(bytes.get(string.clone())?).ok()?;
    string_text(string)
}

/// Base64 as senders write it: of either alphabet, padded or not, in lines or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let engine = GeneralPurpose::new(&STANDARD_ALPHABET, LENIENT);
    let url_safe = |_| GeneralPurpose::new(&URL_SAFE_ALPHABET, LENIENT).decode(&text);
    engine.decode(&text).or_else(url_safe).ok()
}

/// What is packed in a part of an event, which may be no larger than an event.
fn unpack(bytes: Vec<u8>, allowance: &mut Allowance) -> Result<Vec<u8>, Cause> {
    let most = allowance.0.min(MAX_EVENT_BYTES as u64);
    let limits = ExpansionLimits { bytes: most, ..ExpansionLimits::default() };
    let mut reader = Decompressor::new(Box::new(Cursor::new(bytes)), limits)
        .map_err(|error| StreamFault::cause(&error))?;
    let mut unpacked = Vec::new();
    let read = reader.read_to_end(&mut unpacked);
    let is_spent = most < MAX_EVENT_BYTES as u64;
    allowance.0 = allowance.0.saturating_sub(reader.unpacked_bytes());
    match read.map_err(|error| StreamFault::cause(&error)) {
        Ok(_) => Ok(unpacked),
        Err(Cause::ExpandsTooFar) if !is_spent => Err(Cause::TooLarge),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_told_from_words_in_brackets() {
        for (text, expected) in [
            (r#"{"a":1}"#, true),
            (r#" [ {"a":1}, {} ] "#, true),
            ("{}", true),
            ("[]", true),
            ("[[]]", true),
            // cut off
            (r#"{"a":"x"#, true),
            (r#"{"a":1,"#, true),
            (r#"[{"a":1},{"#, true),
            ("[INFO] hello", false),
            ("[INFO]", false),
            ("[] nothing", false),
            ("[2026-03-02] started", false),
            ("[{user} logged in", false),
            ("{user} logged in", false),
            ("{user}", false),
            ("[[INFO]]", false),
            ("{", false),
            ("[", false),
            ("]", false),
            (r#"{"a":1} took 5 ms"#, false),
            (r#""text""#, false),
            ("", false),
        ] {
            assert_eq!(is_json(text.as_bytes()), expected, "{text}");
        }
    }
}
