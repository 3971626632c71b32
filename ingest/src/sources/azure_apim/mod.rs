//! Azure API Management: what passes its gateway on the way to a model, or to any other API.
//!
//! In: one record of a category below, in any form. Its time is `time` or `TimeGenerated`. Nothing in
//! it proves it (`correlationId` is one for all records of a request), so that a hash of the record
//! does. Out: canonical columns, each from a table below or from the file that is named for its
//! subject.
//!
//! | category | what it is |
//! |---|---|
//! | `GatewayLogs` | a request: who, what, status; bodies (up to 8,192 bytes of each) where the operator logs them |
//! | `GatewayLlmLogs` | a request to a model, in several entries: number 0 has model and tokens, the others have the messages, in pieces where they are large. Who asked is in the `GatewayLogs` of the same `correlationId` only |
//!
//! | form | where its fields stand |
//! |---|---|
//! | resource log (event hub, storage) | `properties.backendResponseBody`, `properties.lastError.reason` |
//! | row of `ApiManagementGatewayLogs`, `ApiManagementGatewayLlmLog` | `BackendResponseBody`, `LastErrorReason` |
//! | row of `AzureDiagnostics` | `backendResponseBody_s`, `lastError_reason_s` |
//!
//! Format: Azure API Management, "Gateway log schema reference" and "Log token usage, prompts, and
//! completions for LLM APIs"; Azure Monitor, "ApiManagementGatewayLogs" and
//! "ApiManagementGatewayLlmLog".

mod action;
mod aliases;
mod body;
mod identity;
mod url;
mod usage;

use super::azure::{resource, status};
use super::derive::{address, address_kind, address_network, first, first_lower, number, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "azure.apim",
    description: "Azure API Management: gateway logs, and its logs of requests to language models",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("apim_gateway"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: aliases::ALIASES,
    computed: &[],
    recognised_by: &["category", "resourceId | _ResourceId", "operationName", "Type"],
    recognise,
    // headers and messages are objects that Log Analytics may write as strings; bodies are texts
    unfold: &[
        "properties",
        "requestHeaders",
        "responseHeaders",
        "backendRequestHeaders",
        "backendResponseHeaders",
        "traceRecords",
        "errors",
        "requestMessages",
        "responseMessages",
        "properties.requestMessages",
        "properties.responseMessages",
    ],
    time_paths: &["time", "TimeGenerated", "TimeGenerated [UTC]"],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// A category of the gateway beside the gateway's own id or operation; a row may have lost them all
/// but the name of its table.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let is = |input: usize, names: &[&str]| {
        inputs.string(input).is_some_and(|text| names.iter().any(|name| name.eq_ignore_ascii_case(&text)))
    };
    let of_gateway = || inputs.string(1).is_some_and(|id| resource::is_of(&id, "microsoft.apimanagement"));
    let operation =
        || is(2, &["Microsoft.ApiManagement/GatewayLogs", "Microsoft.ApiManagement/GatewayLlmLogs"]);
    (is(0, &["GatewayLogs", "GatewayLlmLogs"]) && (of_gateway() || operation()))
        || is(3, &["ApiManagementGatewayLogs", "ApiManagementGatewayLlmLog"])
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::INPUTS, derive: identity::principal_type },
    Derivation { column: "credential_id", inputs: identity::INPUTS, derive: identity::credential_id },
    Derivation { column: "credential_kind", inputs: identity::INPUTS, derive: identity::credential_kind },
    Derivation { column: "src_ip", inputs: &["callerIpAddress"], derive: address },
    Derivation { column: "src_ip_kind", inputs: &["callerIpAddress"], derive: address_kind },
    Derivation { column: "src_net", inputs: &["callerIpAddress"], derive: address_network },
    Derivation { column: "user_agent", inputs: identity::AGENT_INPUTS, derive: first },
    Derivation { column: "region", inputs: &["location", "Region"], derive: first },
    Derivation { column: "account", inputs: resource::ID, derive: resource::account },
    Derivation { column: "service", inputs: &[], derive: |_| text("apim") },
    Derivation { column: "action", inputs: action::NAME_INPUTS, derive: first },
    Derivation { column: "action_kind", inputs: action::KIND_INPUTS, derive: action::kind },
    Derivation { column: "outcome", inputs: action::OUTCOME_INPUTS, derive: action::outcome },
    Derivation { column: "error_code", inputs: action::OUTCOME_INPUTS, derive: action::error_code },
    Derivation { column: "error_message", inputs: &["properties.lastError.message"], derive: first },
    Derivation { column: "target", inputs: resource::ID, derive: resource::target },
    Derivation {
        column: "target_type",
        inputs: resource::ID,
        derive: |inputs| resource::first(inputs).and_then(|_| text("gateway")),
    },
    Derivation { column: "correlation_uid", inputs: &["correlationId"], derive: first_lower },
    Derivation { column: "bytes_out", inputs: &["properties.responseSize"], derive: number },
    Derivation { column: "bytes_in", inputs: &["properties.requestSize"], derive: number },
    Derivation { column: "model", inputs: url::MODEL_INPUTS, derive: url::model },
    Derivation { column: "tokens_in", inputs: usage::INPUTS, derive: usage::tokens_in },
    Derivation { column: "tokens_out", inputs: usage::INPUTS, derive: usage::tokens_out },
    Derivation { column: "tokens_total", inputs: usage::INPUTS, derive: usage::tokens_total },
    Derivation { column: "prompt_hash", inputs: body::PROMPT_INPUTS, derive: body::prompt_hash },
    Derivation {
        column: "prompt_prefix_hash",
        inputs: body::PROMPT_INPUTS,
        derive: body::prompt_prefix_hash,
    },
    Derivation { column: "prompt_len", inputs: body::PROMPT_INPUTS, derive: body::prompt_len },
    Derivation { column: "req_logprobs", inputs: body::PROMPT_INPUTS, derive: body::req_logprobs },
];

#[cfg(test)]
mod tests;
