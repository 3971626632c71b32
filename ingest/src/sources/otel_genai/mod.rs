//! OpenTelemetry's traces and logs of generative AI: what an application, an agent or a gateway says
//! of the model calls that it makes or serves.
//!
//! In: one span or one log record, with its attributes as an object and its resource beside them.
//! Out: canonical columns, each from a table below or from the file that is named for its subject.
//!
//! ```text
//! {"traceId":…,"spanId":…,"name":"chat gpt-4o","kind":3,"startTimeUnixNano":…,"endTimeUnixNano":…,
//!  "status":{…},"attributes":{"gen_ai.provider.name":"openai",…},"events":[{"name":…,"attributes":{…}}],
//!  "resource":{"attributes":{"service.name":…}},"scope":{…}}
//! {"timeUnixNano":…,"eventName":"gen_ai.user.message","body":…,"attributes":{…},"traceId":…,"spanId":…}
//! ```
//!
//! The attributes have had several names, and who writes them keeps to one set or mixes them: those
//! of OpenTelemetry's conventions before and after `gen_ai.system` became `gen_ai.provider.name`,
//! OpenLLMetry's `llm.*`, OpenInference's, vLLM's, and LiteLLM's for keys and users.
//!
//! A span is proven by its trace, its own id, and its start: a log record carries the ids of the span
//! that it belongs to, and must not pass for it. A log record has no id; the same record delivered
//! again (exporters repeat) is one event. A span's time is its end, when its tokens are known and
//! when it is sent; an agent's may have begun hours before.
//!
//! A call may be told several times: by the client's span and the server's, and by the log event
//! `gen_ai.client.inference.operation.details` beside its span. Deliver one of them, or sums are wrong.
//!
//! Format: OpenTelemetry, "Semantic conventions for generative client AI spans", "… for GenAI agent
//! and framework spans", "… for Generative AI events", "Gen AI" in the attribute registry; OTLP
//! Specification, "JSON Protobuf Encoding"; OpenLLMetry, "GenAI Semantic Conventions"; OpenInference,
//! "Semantic Conventions"; LiteLLM, "OpenTelemetry".

mod call;
mod identity;
mod prompt;
mod usage;

use super::derive::{address, address_kind, address_network, first, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "otel.genai",
    description: "OpenTelemetry spans and logs of generative AI: applications, agents, gateways, model servers",
    logsources: &[
        Logsource { product: Some("otel"), service: Some("genai"), category: None, canonical_only: false },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: &[],
    recognised_by: &[MARKS, TIMES, "eventName", "attributes.event.name"],
    recognise,
    unfold: &[],
    time_paths: &["endTimeUnixNano", "timeUnixNano", "startTimeUnixNano", "observedTimeUnixNano"],
    identity: Identity {
        natural: &[&["traceId", "spanId", "startTimeUnixNano"]],
        otherwise: Otherwise::Record,
    },
    derivations: DERIVATIONS,
};

/// Old and new names of one attribute; then every field among the attributes, of the record itself
/// and of what sent it.
const ALIASES: &[(&str, &str)] = &[
    ("gen_ai.provider.name", "attributes.gen_ai.provider.name"),
    ("gen_ai.provider.name", "attributes.gen_ai.system"),
    ("gen_ai.system", "attributes.gen_ai.system"),
    ("gen_ai.system", "attributes.gen_ai.provider.name"),
    ("gen_ai.usage.input_tokens", "attributes.gen_ai.usage.input_tokens"),
    ("gen_ai.usage.input_tokens", "attributes.gen_ai.usage.prompt_tokens"),
    ("gen_ai.usage.prompt_tokens", "attributes.gen_ai.usage.prompt_tokens"),
    ("gen_ai.usage.prompt_tokens", "attributes.gen_ai.usage.input_tokens"),
    ("gen_ai.usage.output_tokens", "attributes.gen_ai.usage.output_tokens"),
    ("gen_ai.usage.output_tokens", "attributes.gen_ai.usage.completion_tokens"),
    ("gen_ai.usage.completion_tokens", "attributes.gen_ai.usage.completion_tokens"),
    ("gen_ai.usage.completion_tokens", "attributes.gen_ai.usage.output_tokens"),
    ("event.name", "eventName"),
    ("*", "attributes.*"),
    ("*", "resource.attributes.*"),
];

/// Attributes of which a span or log of generative AI has at least one.
const MARKS: &str = "attributes.gen_ai.provider.name | attributes.gen_ai.system | \
    attributes.gen_ai.operation.name | attributes.gen_ai.request.model | attributes.gen_ai.response.model | \
    attributes.gen_ai.request.id | attributes.gen_ai.response.id | \
    attributes.gen_ai.usage.input_tokens | attributes.gen_ai.usage.output_tokens | \
    attributes.gen_ai.usage.prompt_tokens | attributes.gen_ai.usage.completion_tokens | \
    attributes.gen_ai.usage.total_tokens | attributes.gen_ai.input.messages | \
    attributes.gen_ai.conversation.id | attributes.gen_ai.agent.id | attributes.gen_ai.agent.name | \
    attributes.gen_ai.tool.name | attributes.gen_ai.prompt | attributes.gen_ai.prompt.0.content | \
    attributes.llm.request.type | attributes.llm.request.model | attributes.llm.vendor | \
    attributes.llm.usage.total_tokens | attributes.llm.model_name | attributes.llm.provider | \
    attributes.llm.system | attributes.llm.token_count.prompt | attributes.llm.token_count.completion | \
    attributes.llm.token_count.total | attributes.embedding.model_name | \
    attributes.openinference.span.kind | attributes.traceloop.span.kind";

/// What every span or log record of OTLP has one of.
const TIMES: &str = "startTimeUnixNano | timeUnixNano | observedTimeUnixNano | endTimeUnixNano";

/// A span or log record, and one of the attributes, or an event that is named for them.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let named = |input: usize| inputs.string(input).is_some_and(|name| name.starts_with("gen_ai."));
    inputs.has(1) && (inputs.has(0) || named(2) || named(3))
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: call::PROVIDER_INPUTS, derive: call::provider },
    Derivation { column: "principal", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::INPUTS, derive: identity::principal_type },
    Derivation { column: "principal_name", inputs: identity::NAME_INPUTS, derive: first },
    Derivation { column: "session_id", inputs: identity::SESSION_INPUTS, derive: first },
    Derivation { column: "credential_id", inputs: identity::KEY_INPUTS, derive: first },
    Derivation {
        column: "credential_kind",
        inputs: identity::KEY_INPUTS,
        derive: |inputs| first(inputs).and_then(|_| text("bearer_api_key")),
    },
    Derivation { column: "src_ip", inputs: CLIENT_INPUTS, derive: address },
    Derivation { column: "src_ip_kind", inputs: CLIENT_INPUTS, derive: address_kind },
    Derivation { column: "src_net", inputs: CLIENT_INPUTS, derive: address_network },
    Derivation {
        column: "user_agent",
        inputs: &["user_agent.original", "http.user_agent", "metadata.user_agent"],
        derive: first,
    },
    Derivation { column: "region", inputs: &["server.address", "cloud.region"], derive: call::region },
    Derivation { column: "account", inputs: &["cloud.account.id"], derive: first },
    Derivation { column: "service", inputs: call::SERVICE_INPUTS, derive: call::service },
    Derivation { column: "action", inputs: call::ACTION_INPUTS, derive: first },
    Derivation { column: "action_kind", inputs: call::KIND_INPUTS, derive: call::kind },
    Derivation { column: "outcome", inputs: call::OUTCOME_INPUTS, derive: call::outcome },
    Derivation { column: "error_code", inputs: call::OUTCOME_INPUTS, derive: call::error_code },
    Derivation { column: "error_message", inputs: call::OUTCOME_INPUTS, derive: call::error_message },
    Derivation { column: "target", inputs: call::TARGET_INPUTS, derive: call::target },
    Derivation { column: "target_type", inputs: call::TARGET_INPUTS, derive: call::target_type },
    Derivation { column: "correlation_uid", inputs: call::REQUEST_INPUTS, derive: first },
    Derivation { column: "k8s_namespace", inputs: &["k8s.namespace.name"], derive: first },
    Derivation { column: "model", inputs: call::MODEL_INPUTS, derive: first },
    Derivation { column: "tokens_in", inputs: usage::INPUTS, derive: usage::tokens_in },
    Derivation { column: "tokens_out", inputs: usage::INPUTS, derive: usage::tokens_out },
    Derivation { column: "tokens_total", inputs: usage::INPUTS, derive: usage::tokens_total },
    Derivation { column: "prompt_hash", inputs: prompt::INPUTS, derive: prompt::hash },
    Derivation { column: "prompt_prefix_hash", inputs: prompt::INPUTS, derive: prompt::prefix_hash },
    Derivation { column: "prompt_len", inputs: prompt::INPUTS, derive: prompt::length },
    Derivation { column: "req_logprobs", inputs: prompt::PARAMETER_INPUTS, derive: prompt::logprobs },
];

/// The caller's address: of the conventions, as they were before, and as LiteLLM writes it.
const CLIENT_INPUTS: &[&str] = &["client.address", "http.client_ip", "metadata.requester_ip_address"];

#[cfg(test)]
mod tests;
