//! Calls of Bedrock, as CloudTrail and the invocation log write them.

use super::*;

/// What somebody asks who looks round, 45 seconds apart; the first four are an attacker's.
pub(super) const RECON: [&str; 6] = [
    "ListFoundationModels",
    "GetModelInvocationLoggingConfiguration",
    "GetFoundationModelAvailability",
    "ListFoundationModelAgreementOffers",
    "ListInferenceProfiles",
    "ListCustomModels",
];

pub(super) fn recon(who: &Value, ip: &str, calls: &[&str]) -> Vec<Event> {
    let asked = |name: &str| match name {
        "GetFoundationModelAvailability" | "ListFoundationModelAgreementOffers" => json!({"modelId": SONNET}),
        _ => Value::Null,
    };
    let calls = calls.iter().map(|name| call(who, ip, "bedrock", name, asked(name)));
    (0..).zip(calls).map(|(n, event)| event.at(45 * n)).collect()
}

/// Models that a stolen key is tried on.
pub(super) const PROBED: [&str; 4] = [
    "anthropic.claude-v2",
    "anthropic.claude-3-opus-20240229-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "mistral.mistral-large-2402-v1:0",
];

/// A call that is meant to fail on its input, and so tells that the model would have answered.
pub(super) fn probe(who: &Value, ip: &str, model: &str) -> Event {
    let mut event =
        invoke(who, ip, "InvokeModel").failed("ValidationException", "max_tokens: must not be negative");
    event.raw["requestParameters"] = json!({"modelId": model});
    event
}

/// A model answers: CloudTrail's record, which knows neither prompt nor tokens.
pub(super) fn invoke(who: &Value, ip: &str, name: &str) -> Event {
    call(who, ip, "bedrock", name, json!({"modelId": SONNET}))
}

/// A model answers: the invocation log's record, which knows neither address nor key. `who` is
/// `user/<name>` or `role/<name>`.
pub(super) fn invocation(who: &str, prompt: String, tokens_in: u32, tokens_out: u32) -> Event {
    let arn = match who.strip_prefix("role/") {
        Some(role) => format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/task-1"),
        None => format!("arn:aws:iam::{ACCOUNT}:{who}"),
    };
    let usage = json!({"input_tokens": tokens_in, "output_tokens": tokens_out});
    let asked = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{"role": "user", "content": prompt}]});
    let answer = json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "…"}],
        "stop_reason": "end_turn", "usage": usage});
    let raw = json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "accountId": ACCOUNT,
        "identity": {"arn": arn}, "region": "us-east-1", "operation": "InvokeModel", "modelId": SONNET,
        "input": {"inputContentType": "application/json", "inputBodyJson": asked, "inputTokenCount": tokens_in},
        "output": {"outputContentType": "application/json", "outputBodyJson": answer,
            "outputTokenCount": tokens_out}});
    Event::new(INVOCATION, raw)
}
