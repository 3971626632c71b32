//! Amazon Bedrock model-invocation logs: who asked which model what, and how many tokens it took.
//!
//! In: one record (`schemaType` is `ModelInvocationLog`), a line of an object in S3 or the message of
//! a CloudWatch Logs event. Its time is `timestamp`; `requestId`, `operation` and `timestamp` together
//! prove it, for one request of an agent is logged once for each of its operations. Out: canonical
//! columns with `action_kind` always `ai_usage`: CloudTrail's record of the same call is the
//! `ai_invoke`, and the two are joined by `correlation_uid`.
//!
//! | body | where it stands |
//! |---|---|
//! | up to 100 KB | `input.inputBodyJson`, `output.outputBodyJson` (of a stream of `InvokeModel…`: the list of its chunks) |
//! | larger, or no JSON | `input.inputBodyS3Path`, `output.outputBodyS3Path`: the record has no prompt columns then |
//!
//! What a record does not have: address, user agent, access key. A role's path is not in the name of
//! its session, so that `principal` is CloudTrail's own only for roles without a path.
//!
//! Format: Amazon Bedrock User Guide, "Monitor model invocation using CloudWatch Logs and Amazon S3";
//! token counts: Amazon Bedrock API Reference, "TokenUsage".

mod identity;
mod usage;

use virga_engine::event::ColumnValue;

use super::derive::{bedrock_model, count, first, text};
use super::prompt::{Message, asks_logprobs};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "aws.bedrock_invocation",
    description: "Amazon Bedrock model-invocation logs: prompts, completions and token counts",
    logsources: &[
        Logsource {
            product: Some("aws"),
            service: Some("bedrock_invocation"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: &[],
    computed: &[],
    recognised_by: &["schemaType", "operation", "modelId", "requestId"],
    recognise,
    // bodies stay as they came: rules match them as text
    unfold: &[],
    time_paths: &["timestamp"],
    identity: Identity {
        natural: &[&["requestId", "operation", "timestamp"]],
        otherwise: Otherwise::Locator,
    },
    derivations: DERIVATIONS,
};

/// The record says itself what it is, and has at least one of the parts that no record lacks.
fn recognise(inputs: &Inputs<'_>) -> bool {
    inputs.string(0).is_some_and(|kind| kind.eq_ignore_ascii_case("ModelInvocationLog"))
        && (1..4).any(|input| inputs.has(input))
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("aws") },
    Derivation { column: "principal", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::INPUTS, derive: identity::principal_type },
    Derivation { column: "principal_name", inputs: identity::INPUTS, derive: identity::principal_name },
    Derivation { column: "session_name", inputs: identity::INPUTS, derive: identity::session_name },
    Derivation { column: "region", inputs: &["region"], derive: first },
    Derivation { column: "account", inputs: &["accountId"], derive: first },
    Derivation { column: "service", inputs: &[], derive: |_| text("bedrock") },
    Derivation { column: "action", inputs: &["operation"], derive: first },
    Derivation { column: "action_kind", inputs: &[], derive: |_| text("ai_usage") },
    Derivation { column: "outcome", inputs: &["errorCode"], derive: outcome },
    Derivation { column: "error_code", inputs: &["errorCode"], derive: first },
    Derivation { column: "target", inputs: &["modelId"], derive: first },
    Derivation {
        column: "target_type",
        inputs: &["modelId"],
        derive: |inputs| inputs.string(0).and_then(|_| text("model")),
    },
    Derivation { column: "correlation_uid", inputs: &["requestId"], derive: first },
    Derivation { column: "model", inputs: &["modelId"], derive: bedrock_model },
    Derivation { column: "tokens_in", inputs: usage::IN, derive: count },
    Derivation { column: "tokens_out", inputs: usage::OUT, derive: count },
    Derivation { column: "tokens_total", inputs: usage::TOTAL, derive: usage::total },
    Derivation { column: "prompt_hash", inputs: BODY, derive: |inputs| Some(prompt(inputs)?.hash()) },
    Derivation {
        column: "prompt_prefix_hash",
        inputs: BODY,
        derive: |inputs| Some(prompt(inputs)?.prefix_hash()),
    },
    Derivation { column: "prompt_len", inputs: BODY, derive: |inputs| Some(prompt(inputs)?.length()) },
    Derivation {
        column: "req_logprobs",
        inputs: BODY,
        derive: |inputs| Some(ColumnValue::Bool(asks_logprobs(inputs.text(0)?)?)),
    },
];

const BODY: &[&str] = &["input.inputBodyJson"];

fn prompt(inputs: &Inputs<'_>) -> Option<Message> {
    Message::of_body(inputs.text(0)?)
}

/// A call that a guardrail has answered is a success: its rules look at the body.
fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if inputs.scalar(0).is_some() { "failure" } else { "success" })
}

#[cfg(test)]
mod tests;
