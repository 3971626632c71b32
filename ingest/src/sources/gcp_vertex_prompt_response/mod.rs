//! Vertex AI request-response logging: what was asked of a model, what it answered, how many tokens.
//!
//! In: a row of the BigQuery table that an endpoint or a publisher's model logs to, as a JSON line.
//! `full_request` and `full_response` are objects, or strings of JSON where an export wrote them so.
//! Out: canonical columns of `ai_usage`. Its time is `logging_time`, about when the answer was given.
//!
//! A row has neither caller nor address: those stand in the data access audit log, and no field joins
//! the two for certain. Logging is a sample, if the user has said so.
//!
//! | column | where it stands |
//! |---|---|
//! | `endpoint`, `deployed_model_id`, `logging_time`, `request_id` | every row; `request_id` is a number that is made for the request, and one request may be logged for several deployed models, so the four prove a row together |
//! | `request_payload`, `response_payload` | lists of strings: instances and predictions of a deployed model |
//! | `model`, `model_version`, `api_method`, `full_request`, `full_response`, `metadata`, `otel_log` | models that generate |
//!
//! Tokens: Gemini's `usageMetadata` (in either spelling; thoughts are answer), or the `usage` of a
//! Claude model (`rawPredict`). An answer that came in pieces is a list whose counts grow: the largest
//! counts.
//!
//! Format: Vertex AI, "Log requests and responses" (generative AI) and "Online prediction logging";
//! "GenerateContentResponse: UsageMetadata".

mod usage;

use virga_engine::event::ColumnValue;

use super::derive::{first, member_of, text};
use super::prompt::{Message, asks_logprobs};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "gcp.vertex_prompt_response",
    description: "Vertex AI request-response logging (rows of its BigQuery table)",
    logsources: &[
        Logsource {
            product: Some("gcp"),
            service: Some("vertex_prompt_response"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: &[],
    computed: &[],
    recognised_by: &[
        "logging_time",
        "endpoint",
        "model",
        "deployed_model_id",
        "api_method",
        "full_request",
        "full_response",
        "request_payload",
        "response_payload",
    ],
    recognise,
    unfold: &["full_request", "full_response", "metadata", "otel_log"],
    time_paths: &["logging_time"],
    identity: Identity {
        natural: &[
            &["endpoint", "deployed_model_id", "logging_time", "request_id"],
            &["endpoint", "model", "logging_time", "request_id"],
            &["endpoint", "logging_time", "request_id"],
            &["model", "logging_time", "request_id"],
        ],
        otherwise: Otherwise::Record,
    },
    derivations: DERIVATIONS,
};

/// A row has its time, says which model, and has a column that only such a table has.
fn recognise(inputs: &Inputs<'_>) -> bool {
    inputs.has(0) && (inputs.has(1) || inputs.has(2)) && (3..inputs.len()).any(|input| inputs.has(input))
}

const RESOURCES: &[&str] = &["endpoint", "model"];
const PROMPT: &[&str] = &["full_request", "request_payload"];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("gcp") },
    Derivation { column: "region", inputs: RESOURCES, derive: |inputs| named(inputs, "locations") },
    Derivation { column: "account", inputs: RESOURCES, derive: |inputs| named(inputs, "projects") },
    Derivation { column: "service", inputs: &[], derive: |_| text("aiplatform") },
    Derivation { column: "action", inputs: &["api_method"], derive: first },
    Derivation { column: "action_kind", inputs: &[], derive: |_| text("ai_usage") },
    Derivation { column: "outcome", inputs: OUTCOME_INPUTS, derive: outcome },
    Derivation { column: "error_code", inputs: &["full_response.error.code"], derive: first },
    Derivation { column: "error_message", inputs: &["full_response.error.message"], derive: first },
    Derivation { column: "target", inputs: RESOURCES, derive: first },
    Derivation { column: "target_type", inputs: RESOURCES, derive: target_type },
    Derivation { column: "correlation_uid", inputs: &["request_id"], derive: first },
    Derivation { column: "model", inputs: MODEL_INPUTS, derive: model },
    Derivation { column: "tokens_in", inputs: usage::INPUTS, derive: usage::tokens_in },
    Derivation { column: "tokens_out", inputs: usage::INPUTS, derive: usage::tokens_out },
    Derivation { column: "tokens_total", inputs: usage::INPUTS, derive: usage::tokens_total },
    Derivation { column: "prompt_hash", inputs: PROMPT, derive: |inputs| Some(prompt(inputs)?.hash()) },
    Derivation {
        column: "prompt_prefix_hash",
        inputs: PROMPT,
        derive: |inputs| Some(prompt(inputs)?.prefix_hash()),
    },
    Derivation { column: "prompt_len", inputs: PROMPT, derive: |inputs| Some(prompt(inputs)?.length()) },
    Derivation { column: "req_logprobs", inputs: &["full_request"], derive: logprobs },
];

/// What follows a collection in a resource's name (`projects/p/locations/l/endpoints/7`).
fn named(inputs: &Inputs<'_>, collection: &str) -> Option<ColumnValue> {
    let found = |input| member_of(&inputs.string(input)?, collection).map(str::to_owned);
    text((0..inputs.len()).find_map(found)?)
}

const MODEL_INPUTS: &[&str] = &["model", "endpoint", "deployed_model_id"];

/// The model's own name, which is what the audit log calls it too; a model that has none is known by
/// the endpoint that it is deployed to.
fn model(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(model) = inputs.string(0) {
        return text(member_of(&model, "models").unwrap_or(&model));
    }
    if let Some(endpoint) = inputs.string(1) {
        let own = member_of(&endpoint, "models").or_else(|| member_of(&endpoint, "endpoints"));
        return text(own.unwrap_or(&endpoint));
    }
    text(inputs.scalar(2)?)
}

fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0).or_else(|| inputs.string(1))?;
    let deployed = member_of(&name, "endpoints").is_some();
    text(if deployed { "endpoint" } else { "model" })
}

const OUTCOME_INPUTS: &[&str] = &["full_response.error", "full_response", "response_payload"];

/// A row has no status: an answer that is an error failed, any other answer is one.
fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if inputs.has(0) {
        return text("failure");
    }
    let answered = inputs.has(1) || inputs.text(2).is_some_and(|payload| payload != "[]");
    answered.then_some(())?;
    text("success")
}

/// The last user message. A deployed model's instances are strings: of the last, unless it is numbers
/// rather than words.
fn prompt(inputs: &Inputs<'_>) -> Option<Message> {
    if let Some(request) = inputs.text(0) {
        return Message::of_body(request);
    }
    let last = inputs.texts(1).last().and_then(last_instance)?;
    let held = virga_engine::json::string_text(&last)?;
    let in_words = |letter: char| letter != '[' && letter != '-' && !letter.is_ascii_digit();
    held.trim_start().starts_with(in_words).then(|| Message::of_body(&last))?
}

/// The last string of a list, as JSON text.
fn last_instance(payload: &str) -> Option<String> {
    use virga_engine::json::{Value, parse};
    let last = match parse(payload).ok()? {
        Value::Array(mut instances) => instances.pop()?,
        one => one,
    };
    let mut text = String::new();
    matches!(last, Value::String(_)).then(|| last.write_compact(&mut text))?;
    Some(text)
}

fn logprobs(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    asks_logprobs(inputs.text(0)?).map(ColumnValue::Bool)
}

#[cfg(test)]
mod tests;
