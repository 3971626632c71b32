//! Bodies of requests and answers, which logs keep as texts.
//!
//! In: the JSON text of a field that holds an object, or a string with JSON in it, as it is,
//! URL-encoded, or quoted once more. Out: the JSON that it holds. A body may be cut off, for Azure keeps
//! only so much of one; then it is no JSON and says nothing.

use std::borrow::Cow;

use virga_engine::json::{Value, string_text};

use super::super::Inputs;

/// The JSON text that an input holds.
pub(in crate::sources) fn held<'a>(inputs: &Inputs<'a>, input: usize) -> Option<Cow<'a, str>> {
    let text = inputs.text(input)?;
    if text.starts_with('{') {
        return Some(Cow::Borrowed(text));
    }
    let inside = string_text(text)?;
    // an object of JSON without a quotation mark is empty, or has them encoded
    if inside.contains('%') && !inside.contains('"') {
        return Some(Cow::Owned(url_decoded(&inside)));
    }
    if inside.trim_start().starts_with('"') {
        return string_text(inside.trim()).map(|text| Cow::Owned(text.into_owned()));
    }
    Some(inside)
}

/// A member of an object, in any case: requests of the portal begin their names with a capital.
pub(in crate::sources) fn get<'v, 'a>(value: &'v Value<'a>, key: &str) -> Option<&'v Value<'a>> {
    let Value::Object(members) = value else { return None };
    members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

/// A text or number that is not empty.
pub(in crate::sources) fn scalar<'v>(value: Option<&'v Value<'_>>) -> Option<&'v str> {
    match value? {
        Value::String(text) => Some(text.as_ref()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number),
        _ => None,
    }
}

/// RFC 3986 percent-decoding; what is not UTF-8 afterwards is replaced.
fn url_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
