//! What stands in the bodies that an operator lets the gateway log.
//!
//! In: request and response bodies, each as the client and as the backend saw it: strings that hold
//! JSON, a stream of server-sent events, anything else, or all of that cut at 8,192 bytes; in the log
//! of models, the messages alone. Out: the prompt, and JSON values for whoever looks for usage or
//! model.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse, string_text};

use super::Inputs;
use crate::sources::prompt::{Message, asks_logprobs};

pub(super) const PROMPT_INPUTS: &[&str] =
    &["properties.requestBody", "properties.backendRequestBody", "properties.requestMessages"];

fn prompt(inputs: &Inputs<'_>) -> Option<Message> {
    (0..inputs.len()).find_map(|input| Message::of_body(inputs.text(input)?))
}

pub(super) fn prompt_hash(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    Some(prompt(inputs)?.hash())
}

pub(super) fn prompt_prefix_hash(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    Some(prompt(inputs)?.prefix_hash())
}

pub(super) fn prompt_len(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    Some(prompt(inputs)?.length())
}

/// Only a whole request says it: its messages do not.
pub(super) fn req_logprobs(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let asked = (0..2).find_map(|input| asks_logprobs(inputs.text(input)?))?;
    Some(ColumnValue::Bool(asked))
}

/// The text of a body: what its string holds, or the JSON that stands there itself.
pub(super) fn content(body: &str) -> Option<Cow<'_, str>> {
    match body.as_bytes().first()? {
        b'"' => string_text(body),
        b'{' => Some(Cow::Borrowed(body)),
        _ => None,
    }
}

/// Shows the JSON values of a body: the body itself, or the `data` of each of its events in which a
/// word stands. What cannot be read is left out; a stream that was cut has whole events before.
pub(super) fn for_each_value(content: &str, word: &str, mut see: impl FnMut(&Value<'_>)) {
    if content.trim_start().starts_with('{') {
        if let Ok(value) = parse(content) {
            see(&value);
        }
        return;
    }
    let data = content.lines().filter_map(|line| line.trim_start().strip_prefix("data:"));
    for event in data.filter(|event| event.contains(word)) {
        if let Ok(value) = parse(event.trim()) {
            see(&value);
        }
    }
}

/// A member of an object.
pub(super) fn member<'v>(value: &'v Value<'_>, name: &str) -> Option<&'v Value<'v>> {
    let Value::Object(members) = value else { return None };
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The `model` that a body names.
pub(super) fn model(body: &str) -> Option<String> {
    let mut found = None;
    for_each_value(&content(body)?, "\"model\"", |value| {
        if let Some(Value::String(model)) = member(value, "model")
            && !model.is_empty()
        {
            found.get_or_insert_with(|| model.clone().into_owned());
        }
    });
    found
}
