//! What was asked of a model: the last message of the user in the body of a request.
//!
//! In: the JSON of a request body, in any of the shapes that model APIs take. Out: the text of the
//! last user message, its hashes and its length, and whether log-probabilities were asked for. An
//! application's own system prompt is the same for all its users and is left out: it would look like
//! a template that somebody sends again and again.
//!
//! | shape | where the message stands |
//! |---|---|
//! | OpenAI chat, Anthropic Messages, Bedrock Converse | `messages[-1 of role user].content`: a text, or blocks with `text` or `guardContent` |
//! | messages alone, as a gateway logs them | `[-1 of role user].content` |
//! | OpenAI Responses | `input`: a text, or messages |
//! | Gemini, Vertex AI | `contents[-1 of role user].parts[].text`; a body without roles is the user's |
//! | Vertex AI predict | `instances[-1].prompt`, `.content` or `.messages` |
//! | Titan, embeddings | `inputText` |
//! | Cohere Command, embeddings | `message`, `texts[-1]` |
//! | completion APIs | `prompt`: from the last turn marker on (`Human:`, `[INST]`, `<\|start_header_id\|>user`) |
//!
//! A body that was cut where the log ends holds no message: what can be seen of it begins the same for
//! all users.
//!
//! The hash is the first 64 bits of BLAKE3 over the message in lower case with white space
//! collapsed, in hexadecimal; the prefix hash is that of its first 48 characters.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

/// Characters of a message that the prefix hash covers.
const PREFIX_CHARACTERS: usize = 48;

/// A user's message, ready to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// The text, as it stands in the body.
    text: String,
    /// The same in lower case, white space collapsed.
    folded: String,
}

impl Message {
    fn new(text: &str) -> Option<Self> {
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        (!folded.is_empty()).then(|| Self { text: text.to_owned(), folded })
    }

    /// The last user message of a request body, given as JSON text: an object, a list of messages, or a
    /// string that holds one of these. `None` where the body is none of the known shapes.
    pub(super) fn of_body(body: &str) -> Option<Self> {
        match parse(body).ok()? {
            Value::String(text) => match parse(&text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => Self::new(&last_user_message(&inner)?),
                Err(_) if begins_as_json(&text) => None,
                // a body that is the prompt itself
                _ => Self::new(&text),
            },
            body => Self::new(&last_user_message(&body)?),
        }
    }

    /// `prompt_hash`
    pub(super) fn hash(&self) -> ColumnValue {
        ColumnValue::Text(hash(&self.folded))
    }

    /// `prompt_prefix_hash`
    pub(super) fn prefix_hash(&self) -> ColumnValue {
        let end = self.folded.char_indices().nth(PREFIX_CHARACTERS).map_or(self.folded.len(), |(at, _)| at);
        ColumnValue::Text(hash(&self.folded[..end]))
    }

    /// `prompt_len`: characters of the message as it stands.
    pub(super) fn length(&self) -> ColumnValue {
        ColumnValue::Int(i64::try_from(self.text.chars().count()).unwrap_or(i64::MAX))
    }
}

/// `{"…` or `[{…`, where a prompt may begin with `[INST]`.
fn begins_as_json(text: &str) -> bool {
    let text = text.trim_start();
    let inside = text.strip_prefix('{').map(|rest| (rest, '"')).or(text.strip_prefix('[').map(|r| (r, '{')));
    inside.is_some_and(|(rest, next)| rest.trim_start().starts_with(next))
}

fn hash(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes());
    hash.to_hex().as_str().get(..16).unwrap_or_default().to_owned()
}

/// Whether a request body asks for log-probabilities; `None` where it is no JSON object.
pub(super) fn asks_logprobs(body: &str) -> Option<bool> {
    let body = match parse(body).ok()? {
        Value::String(text) => return asks_logprobs(&text),
        body => body,
    };
    let Value::Object(members) = &body else { return None };
    Some(members.iter().any(|(key, value)| {
        asks(key, value) || matches!(value, Value::Object(inner) if inner.iter().any(|(k, v)| asks(k, v)))
    }))
}

/// Parameters that ask for log-probabilities, without case and underscores.
const LOGPROBS: &[&str] = &["logprobs", "toplogprobs", "responselogprobs", "returnlikelihoods"];

fn asks(key: &str, value: &Value) -> bool {
    let key = key.replace('_', "").to_lowercase();
    LOGPROBS.contains(&key.as_str())
        && match value {
            Value::Bool(asked) => *asked,
            Value::Number(number) => number.parse::<f64>().is_ok_and(|number| number > 0.0),
            Value::String(word) => !matches!(word.to_lowercase().as_str(), "" | "none" | "false"),
            _ => false,
        }
}

fn member<'v>(value: &'v Value<'_>, name: &str) -> Option<&'v Value<'v>> {
    let Value::Object(members) = value else { return None };
    members.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The text of the last user message of a body.
fn last_user_message(body: &Value<'_>) -> Option<String> {
    if let Value::Array(messages) = body {
        return last_of_user(messages);
    }
    let messages = ["messages", "contents", "input", "texts"].iter().find_map(|name| member(body, name));
    if let Some(messages) = messages {
        return match messages {
            Value::Array(messages) => last_of_user(messages),
            other => texts(other),
        };
    }
    for name in ["inputText", "prompt", "message", "query", "text"] {
        if let Some(Value::String(prompt)) = member(body, name) {
            return Some(last_turn(prompt).to_owned());
        }
    }
    if let Some(Value::Array(instances)) = member(body, "instances") {
        let instance = instances.last()?;
        return last_user_message(instance).or_else(|| texts(instance));
    }
    None
}

/// The last message of role `user`; where no message says a role, the last.
fn last_of_user(messages: &[Value<'_>]) -> Option<String> {
    let role = |message: &Value<'_>| match member(message, "role") {
        Some(Value::String(role)) => Some(role.to_lowercase()),
        _ => None,
    };
    let nobody = messages.iter().all(|message| role(message).is_none());
    let mut of_user = messages.iter().rev().filter(|m| nobody || role(m).as_deref() == Some("user"));
    of_user.find_map(texts)
}

/// What a tool gave back travels as the user's message and is none of their words.
fn is_tool_result(block: &Value<'_>) -> bool {
    let kind = match member(block, "type") {
        Some(Value::String(kind)) => kind.as_ref(),
        _ => "",
    };
    matches!(kind, "tool_result" | "function_call_output")
        || ["toolResult", "functionResponse"].iter().any(|name| member(block, name).is_some())
}

/// The texts in a message, one after the other: in itself, `content`, `parts`, `text`.
fn texts(value: &Value<'_>) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone().into_owned()),
        Value::Array(parts) => {
            let texts: Vec<String> = parts.iter().filter_map(texts).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        Value::Object(_) if is_tool_result(value) => None,
        Value::Object(_) => {
            let places = ["content", "parts", "text", "input_text", "guardContent"];
            places.iter().find_map(|name| texts(member(value, name)?))
        }
        _ => None,
    }
}

/// Marks of a user's turn in prompts that are one text, and what ends a turn.
const TURNS: &[(&str, &[&str])] = &[
    ("\n\nHuman:", &["\n\nAssistant:"]),
    ("<|start_header_id|>user<|end_header_id|>", &["<|eot_id|>"]),
    ("[INST]", &["[/INST]"]),
    ("<|user|>", &["<|assistant|>", "<|end|>"]),
    ("\nUser:", &["\nBot:", "\nAssistant:"]),
];

fn last_turn(prompt: &str) -> &str {
    let turn = TURNS.iter().find_map(|(mark, ends)| Some((prompt.rfind(mark)? + mark.len(), ends)));
    let Some((start, ends)) = turn else { return prompt };
    let turn = &prompt[start..];
    let end = ends.iter().filter_map(|end| turn.find(end)).min().unwrap_or(turn.len());
    &turn[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_is_found_in_every_shape() {
        for (body, expected) in [
            (r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"Hello"}]}"#, "Hello"),
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
                    {"role":"user","content":[{"type":"text","text":"c"},{"type":"image","source":{}},{"text":"d"}]}]}"#,
                "c\nd",
            ),
            (r#"{"anthropic_version":"x","messages":[{"role":"user","content":[{"text":"q"}]}]}"#, "q"),
            (
                r#"{"messages":[{"role":"user","content":"asked"},{"role":"assistant","content":[{"type":"tool_use"}]},
                    {"role":"user","content":[{"type":"tool_result","content":"rows"}]}]}"#,
                "asked",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"toolResult":{"content":[{"text":"x"}]}},{"text":"y"}]}]}"#,
                "y",
            ),
            (
                r#"{"contents":[{"role":"user","parts":[{"text":"g"}]},{"role":"model","parts":[{"text":"m"}]}]}"#,
                "g",
            ),
            (r#"{"contents":{"parts":{"text":"single"}}}"#, "single"),
            (r#"{"contents":[{"parts":[{"text":"no role"}]}]}"#, "no role"),
            (r#"{"input":"responses"}"#, "responses"),
            (r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"r"}]}]}"#, "r"),
            (r#"{"input":["one","two"]}"#, "two"),
            (r#"{"inputText":"titan"}"#, "titan"),
            (r#"{"instances":[{"prompt":"p1"},{"prompt":"p2"}]}"#, "p2"),
            (r#"{"instances":[{"content":"embed"}]}"#, "embed"),
            (r#"{"prompt":"\n\nHuman: one\n\nAssistant: two\n\nHuman: three\n\nAssistant:"}"#, " three"),
            (r#"{"prompt":"<s>[INST] do it [/INST]"}"#, " do it "),
            (r#"{"prompt":"plain"}"#, "plain"),
            (r#""{\"prompt\":\"in a string\"}""#, "in a string"),
            (r#""just a prompt""#, "just a prompt"),
            (r#""[INST] just a prompt""#, "[INST] just a prompt"),
            (
                r#"{"messages":[{"role":"user","content":[{"guardContent":{"text":{"text":"guarded","qualifiers":["query"]}}},
                    {"text":"and not"}]}]}"#,
                "guarded\nand not",
            ),
            (r#"{"message":"command","chat_history":[{"role":"USER","message":"before"}]}"#, "command"),
            (r#"{"texts":["one","two"],"input_type":"search_document"}"#, "two"),
            (r#"[{"role":"system","content":"S"},{"role":"user","content":"alone"}]"#, "alone"),
            (r#""[{\"role\":\"user\",\"content\":\"alone\"}]""#, "alone"),
        ] {
            assert_eq!(Message::of_body(body).map(|message| message.text), Some(expected.into()), "{body}");
        }
    }

    #[test]
    fn what_holds_no_user_message_gives_none() {
        for body in [
            "{}",
            "null",
            "12",
            r#"{"messages":[]}"#,
            r#"{"messages":[{"role":"assistant","content":"x"}]}"#,
            r#"{"messages":[{"role":"user","content":"  "}]}"#,
            r#"{"prompt":7}"#,
            r#"{"messages":"#,
            r#""{\"messages\":[{\"role\":\"user\",\"content\":\"cut""#,
            r#"" [ {\"role\":\"user\",\"content\":\"cut""#,
            r#"[{"role":"assistant","content":"x"}]"#,
            "[]",
        ] {
            assert_eq!(Message::of_body(body), None, "{body}");
        }
    }

    #[test]
    fn hashes_do_not_depend_on_case_and_white_space_and_a_prefix_is_48_characters() {
        let message = |text: &str| Message::new(text).unwrap();
        assert_eq!(message("Tell  me\nMORE").hash(), message("tell me more").hash());
        assert_ne!(message("tell me more").hash(), message("tell me mor").hash());
        let long = "é".repeat(PREFIX_CHARACTERS);
        assert_eq!(message(&format!("{long}x")).prefix_hash(), message(&format!("{long}y")).prefix_hash());
        assert_ne!(message(&format!("{long}x")).hash(), message(&format!("{long}y")).hash());
        assert_eq!(message("tell me more").hash(), message("tell me more").prefix_hash());
        assert_eq!(message("é  x").length(), ColumnValue::Int(4));
        // BLAKE3 of `hello`, as its reference implementation gives it
        assert_eq!(message("Hello").hash(), ColumnValue::Text("ea8f163db3868292".into()));
    }

    #[test]
    fn asking_for_log_probabilities_is_seen_wherever_the_api_has_it() {
        for (body, expected) in [
            (r#"{"logprobs":true}"#, Some(true)),
            (r#"{"logprobs":false}"#, Some(false)),
            (r#"{"top_logprobs":5}"#, Some(true)),
            (r#"{"logprobs":0}"#, Some(false)),
            (r#"{"generationConfig":{"responseLogprobs":true}}"#, Some(true)),
            (r#"{"additionalModelRequestFields":{"return_likelihoods":"ALL"}}"#, Some(true)),
            (r#"{"return_likelihoods":"NONE"}"#, Some(false)),
            (r#"{"messages":[{"role":"user","content":"logprobs"}]}"#, Some(false)),
            (r#""{\"logprobs\":true}""#, Some(true)),
            ("[]", None),
            ("{", None),
        ] {
            assert_eq!(asks_logprobs(body), expected, "{body}");
        }
    }
}
