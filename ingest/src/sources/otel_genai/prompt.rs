//! What was asked: the last message of the user, wherever a span or log record has it.
//!
//! In: the attributes, events and body of a record. Out: the message's hashes and length. Content is
//! logged only where somebody has switched it on, and may be cut off: what cannot be read gives none.
//!
//! | place | who |
//! |---|---|
//! | `gen_ai.input.messages`: messages, or JSON in a string | the conventions, on spans and log events |
//! | `gen_ai.prompt.<n>.role` and `.content` | OpenLLMetry |
//! | `llm.input_messages.<n>.message.role` and `.content` | OpenInference |
//! | `gen_ai.prompt`, `llm.prompts`: a text, or JSON in a string | the conventions before events |
//! | `input.value`: a text, or a request body | OpenInference |
//! | a span's event `gen_ai.user.message`, `gen_ai.content.prompt` | the conventions until 1.36 |
//! | the body of a log event `gen_ai.user.message` | the same |

use std::borrow::Cow;

use memchr::memmem;
use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse, string_text};

use super::super::json_value::{get, string};
use super::super::prompt::{Message, asks_logprobs};
use super::Inputs;

pub(super) const INPUTS: &[&str] = &[
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "llm.prompts",
    "input.value",
    "attributes",
    "events",
    "eventName",
    "event.name",
    "body",
];

const ATTRIBUTES: usize = 4;
const EVENTS: usize = 5;
const NAMES: [usize; 2] = [6, 7];
const BODY: usize = 8;

pub(super) fn hash(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    message(inputs).map(|message| message.hash())
}

pub(super) fn prefix_hash(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    message(inputs).map(|message| message.prefix_hash())
}

pub(super) fn length(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    message(inputs).map(|message| message.length())
}

fn message(inputs: &Inputs<'_>) -> Option<Message> {
    inputs
        .text(0)
        .and_then(of_content)
        .or_else(|| of_numbered(inputs.text(ATTRIBUTES)?))
        .or_else(|| (1..ATTRIBUTES).find_map(|input| of_content(inputs.text(input)?)))
        .or_else(|| of_events(inputs.text(EVENTS)?))
        .or_else(|| of_log(inputs))
}

/// The message in a value, given as its JSON text: a list of messages, a request body, a text, or a
/// string that holds one of them.
fn of_content(json: &str) -> Option<Message> {
    let json = json.trim();
    match json.as_bytes().first()? {
        b'[' => Message::of_body(&format!("{{\"messages\":{json}}}")),
        b'{' => Message::of_body(json),
        b'"' => {
            let text = string_text(json)?;
            let inner = text.trim();
            if inner.starts_with(['[', '{']) && parse(inner).is_ok() {
                return of_content(inner);
            }
            // a list of messages that has been cut off is no prompt; `[INST] …` is one
            let cut_off = inner.starts_with("[{") || inner.starts_with("{\"");
            if cut_off { None } else { of_prompt(&text) }
        }
        _ => None,
    }
}

/// A text that is a whole prompt, perhaps with marks of turns.
fn of_prompt(text: &str) -> Option<Message> {
    let prompt = Value::Object(vec![(Cow::Borrowed("prompt"), Value::String(Cow::Borrowed(text)))]);
    let mut json = String::with_capacity(text.len() + 16);
    prompt.write_compact(&mut json);
    Message::of_body(&json)
}

/// A text that is the user's.
fn of_text(text: &str) -> Option<Message> {
    let content = Value::Array(vec![Value::Object(vec![
        (Cow::Borrowed("role"), Value::String(Cow::Borrowed("user"))),
        (Cow::Borrowed("content"), Value::String(Cow::Borrowed(text))),
    ])]);
    let mut json = String::with_capacity(text.len() + 48);
    content.write_compact(&mut json);
    of_content(&json)
}

/// Prefixes of numbered messages, and what stands between the number and `role` or `content`.
const NUMBERED: &[(&str, &str)] = &[("gen_ai.prompt.", "."), ("llm.input_messages.", ".message.")];

/// The last message of the user among numbered attributes.
fn of_numbered(attributes: &str) -> Option<Message> {
    let mut there = NUMBERED
        .iter()
        .filter(|(prefix, _)| memmem::find(attributes.as_bytes(), prefix.as_bytes()).is_some());
    there.find_map(|(prefix, between)| of_prefix(attributes, prefix, between))
}

fn of_prefix(attributes: &str, prefix: &str, between: &str) -> Option<Message> {
    let Ok(Value::Object(attributes)) = parse(attributes) else { return None };
    let mut last: Option<(u32, &str)> = None;
    for (key, value) in &attributes {
        let Some((number, role)) = key.strip_prefix(prefix).and_then(|rest| rest.split_once(between)) else {
            continue;
        };
        let (Ok(number), "role", Value::String(who)) = (number.parse(), role, value) else { continue };
        if who.eq_ignore_ascii_case("user") && last.is_none_or(|(before, _)| number > before) {
            last = Some((number, key.strip_suffix("role").unwrap_or(key)));
        }
    }
    let start = last?.1;
    let content = |name: &str| {
        attributes.iter().find(|(key, _)| key.strip_prefix(start) == Some(name)).map(|(_, value)| value)
    };
    // OpenInference numbers the parts of a message too
    match content("content").or_else(|| content("contents.0.message_content.text"))? {
        Value::String(text) if text.trim_start().starts_with('[') => {
            of_blocks(text).or_else(|| of_text(text))
        }
        Value::String(text) => of_text(text),
        _ => None,
    }
}

/// A content that is a list of blocks, as text.
fn of_blocks(blocks: &str) -> Option<Message> {
    parse(blocks).ok()?;
    Message::of_body(&format!("{{\"messages\":[{{\"role\":\"user\",\"content\":{blocks}}}]}}"))
}

/// The last message of the user among a span's events.
fn of_events(events: &str) -> Option<Message> {
    memmem::find(events.as_bytes(), b"gen_ai.")?;
    let Ok(Value::Array(events)) = parse(events) else { return None };
    events.iter().rev().find_map(|event| {
        let keys: &[&str] = match get(event, "name").and_then(string)? {
            "gen_ai.user.message" => &["content", "gen_ai.event.content", "gen_ai.prompt"],
            "gen_ai.content.prompt" => &["gen_ai.prompt"],
            "gen_ai.client.inference.operation.details" => &["gen_ai.input.messages"],
            _ => return None,
        };
        let attributes = get(event, "attributes")?;
        keys.iter().find_map(|key| of_value(get(attributes, key)?))
    })
}

/// The message of a log event that is one.
fn of_log(inputs: &Inputs<'_>) -> Option<Message> {
    match NAMES.iter().find_map(|name| inputs.string(*name)).as_deref()? {
        "gen_ai.user.message" | "gen_ai.content.prompt" => {}
        "gen_ai.client.inference.operation.details" => return of_content(inputs.text(BODY)?),
        _ => return None,
    }
    let body = parse(inputs.text(BODY)?).ok()?;
    match ["content", "gen_ai.prompt", "gen_ai.event.content"].iter().find_map(|key| get(&body, key)) {
        Some(content) => of_value(content),
        None => of_value(&body),
    }
}

/// The message in what is the user's by its place: a text, blocks, or an object with a `content`, the
/// latter two also as JSON in a string.
fn of_value(value: &Value<'_>) -> Option<Message> {
    match value {
        Value::String(text) => match parse(text.trim()) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => of_value(&inner).or_else(|| of_text(text)),
            _ => of_text(text),
        },
        Value::Object(_) if get(value, "content").is_some() => of_value(get(value, "content")?),
        Value::Object(_) | Value::Array(_) => {
            let mut json = String::new();
            value.write_compact(&mut json);
            of_content(&json).or_else(|| of_blocks(&json))
        }
        _ => None,
    }
}

pub(super) const PARAMETER_INPUTS: &[&str] =
    &["llm.invocation_parameters", "gen_ai.request.logprobs", "gen_ai.request.top_logprobs", "input.value"];

/// Whether log-probabilities were asked for; `None` where the parameters are not logged.
pub(super) fn logprobs(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let asked = asks_logprobs(inputs.text(0).unwrap_or_default())
        .or_else(|| inputs.flag(1))
        .or_else(|| inputs.count(2).map(|count| count > 0))
        .or_else(|| asks_logprobs(inputs.text(3)?));
    asked.map(ColumnValue::Bool)
}
