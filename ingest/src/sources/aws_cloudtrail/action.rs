//! What was done, and whether it worked.
//!
//! In: `eventSource`, `eventName`, `readOnly`, the error, and for sign-in events their response, for
//! these fail without an `errorCode`. Out: service, `action_kind`, outcome.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::{Inputs, text};

pub(super) const SERVICE_INPUTS: &[&str] = &["eventSource", "insightDetails.eventSource"];

pub(super) const NAME_INPUTS: &[&str] = &["eventName", "insightDetails.eventName"];

pub(super) fn service(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let source = inputs.string(0).or_else(|| inputs.string(1))?;
    text(service_of(&source))
}

/// `s3.amazonaws.com` → `s3`.
pub(super) fn service_of(source: &str) -> &str {
    source.strip_suffix(".amazonaws.com").unwrap_or(source)
}

pub(super) const KIND_INPUTS: &[&str] = &["eventSource", "eventName", "readOnly", "insightDetails"];

/// Calls that make a model answer. Bedrock's own names, that of its second endpoint (a family of its own,
/// for Bedrock itself has a `CreateInferenceProfile`), and the two of SageMaker that can be logged.
const AI_INVOKE: &[(&str, &[&str])] = &[
    (
        "bedrock",
        &[
            "InvokeModel",
            "Converse",
            "InvokeAgent",
            "InvokeInlineAgent",
            "InvokeFlow",
            "RetrieveAndGenerate",
            "StartAsyncInvoke",
        ],
    ),
    ("bedrock-mantle", &["CreateInference"]),
    ("sagemaker", &["InvokeEndpoint"]),
];

/// Verbs of calls that read, for events that do not say (`readOnly` came with version 1.01).
const READING_VERBS: &[&str] = &["Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if inputs.has(3) {
        return None;
    }
    let name = inputs.string(1)?;
    let source = inputs.string(0).unwrap_or_default();
    let service = service_of(&source);
    if invokes_model(service, &name) {
        return text("ai_invoke");
    }
    if service == "s3" && name == "GetObject" {
        return text("object_read");
    }
    if authenticates(service, &name) {
        return text("auth");
    }
    let reads = inputs.flag(2).unwrap_or_else(|| READING_VERBS.iter().any(|verb| name.starts_with(verb)));
    text(if reads { "read" } else { "write" })
}

/// The name begins with a runtime call of the service (`InvokeModelWithResponseStream`,
/// `ConverseStream`) or of one of its parts (`bedrock-runtime`, `bedrock-agentcore`).
fn invokes_model(service: &str, name: &str) -> bool {
    AI_INVOKE.iter().any(|(family, calls)| {
        let in_family =
            service.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        in_family && calls.iter().any(|call| name.starts_with(call))
    })
}

fn authenticates(service: &str, name: &str) -> bool {
    match service {
        "signin" => true,
        "sts" => name.starts_with("Assume") || name == "GetSessionToken" || name == "GetFederationToken",
        _ => name == "ConsoleLogin",
    }
}

pub(super) const OUTCOME_INPUTS: &[&str] = &[
    "errorCode",
    "eventSource",
    "eventName",
    "responseElements",
    "serviceEventDetails",
    "errorMessage",
    "insightDetails",
];

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if inputs.has(6) {
        return None;
    }
    if inputs.string(0).is_some() {
        return text("failure");
    }
    let name = inputs.string(2)?;
    let source = inputs.string(1).unwrap_or_default();
    if service_of(&source) != "signin" && name != "ConsoleLogin" {
        return text("success");
    }
    let said = [3, 4].into_iter().find_map(|input| said_by(inputs.text(input)?, &name));
    match said.as_deref() {
        Some("Failure") => text("failure"),
        Some(_) => text("success"),
        // a sign-in that gives no answer and a reason has failed
        None => text(if inputs.string(5).is_some() { "failure" } else { "success" }),
    }
}

/// The answer of a sign-in event stands under its own name: `{"ConsoleLogin":"Failure"}`.
fn said_by(object: &str, name: &str) -> Option<String> {
    let Ok(Value::Object(members)) = parse(object) else { return None };
    members.into_iter().find_map(|(key, value)| match value {
        Value::String(said) if key == name => Some(said.into_owned()),
        _ => None,
    })
}
