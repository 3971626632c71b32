//! Bodies of requests and answers, which logs keep as texts.
//!
//! In: the JSON text of a field that holds an object, or a string with JSON in it, as it is,
//! URL-encoded, or quoted once more. Out: the JSON that it holds. A body may be cut off, for Azure keeps
//! only so much of one; then it is no JSON and says nothing.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use virga_engine::json::string_text;

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
        return Some(Cow::Owned(percent_decode_str(&inside).decode_utf8_lossy().into_owned()));
    }
    if inside.trim_start().starts_with('"') {
        return string_text(inside.trim()).map(|text| Cow::Owned(text.into_owned()));
    }
    Some(inside)
}
