//! What was called, where, and whether it worked.
//!
//! In: provider, operation, model, server, status. Out: provider and service in this program's words
//! (`aws.bedrock` is `aws` and `bedrock`, as in CloudTrail's records of the same calls; who is no
//! cloud is its own provider), the operation as it is called, its kind and outcome.
//!
//! Every model call is `ai_usage`, failed ones too: spans count tokens, and stand beside the audit
//! record of the same call, which is `ai_invoke`; a rule counts one of the two. What an agent does
//! between its calls is neither; nor is the span around an agent that runs in the same process, whose
//! tokens are those of the calls in it.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::{Inputs, text};

/// Names of providers, old ones and those of other conventions among them; provider; service.
const PROVIDERS: &[(&str, &str, &str)] = &[
    ("aws.bedrock", "aws", "bedrock"),
    ("aws_bedrock", "aws", "bedrock"),
    ("bedrock", "aws", "bedrock"),
    ("aws", "aws", "bedrock"),
    ("aws.sagemaker", "aws", "sagemaker"),
    ("sagemaker", "aws", "sagemaker"),
    ("azure.ai.openai", "azure", "azure_openai"),
    ("az.ai.openai", "azure", "azure_openai"),
    ("azure_openai", "azure", "azure_openai"),
    ("azure", "azure", "azure_openai"),
    ("azure.ai.inference", "azure", "azure_ai_inference"),
    ("az.ai.inference", "azure", "azure_ai_inference"),
    ("azure_ai", "azure", "azure_ai_inference"),
    ("gcp.vertex_ai", "gcp", "aiplatform"),
    ("vertex_ai", "gcp", "aiplatform"),
    ("vertexai", "gcp", "aiplatform"),
    ("gcp.gemini", "gcp", "generativelanguage"),
    ("gemini", "gcp", "generativelanguage"),
    ("gcp.gen_ai", "gcp", "gen_ai"),
    ("google", "gcp", "gen_ai"),
    ("ibm.watsonx.ai", "ibm", "watsonx"),
    ("watsonx", "ibm", "watsonx"),
    ("xai", "x_ai", "x_ai"),
    ("mistralai", "mistral_ai", "mistral_ai"),
];

pub(super) const PROVIDER_INPUTS: &[&str] =
    &["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor"];

fn named(inputs: &Inputs<'_>) -> Option<(Cow<'static, str>, Cow<'static, str>)> {
    let name = (0..PROVIDER_INPUTS.len()).find_map(|input| inputs.string(input))?.to_lowercase();
    Some(match PROVIDERS.iter().find(|(known, ..)| *known == name) {
        Some((_, provider, service)) => (Cow::Borrowed(*provider), Cow::Borrowed(*service)),
        None => (Cow::Owned(name.clone()), Cow::Owned(name)),
    })
}

pub(super) fn provider(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(named(inputs)?.0)
}

pub(super) const SERVICE_INPUTS: &[&str] = &[
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "llm.vendor",
    "server.address",
    "kind",
    "service.name",
];

/// The provider's service; where none is named the server that was called, which for a span of the
/// server itself is what it calls itself.
pub(super) fn service(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some((_, service)) = named(inputs) {
        return text(service);
    }
    let itself = || inputs.string(7).filter(|_| is_kind(inputs, 6, Kind::Server));
    text(inputs.string(5).or_else(itself)?.to_lowercase())
}

/// The kinds of spans that make a difference here.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Internal,
    Server,
    Client,
}

/// Whether a span is of that kind, which OTLP writes as a number and some exporters as a name.
pub(super) fn is_kind(inputs: &Inputs<'_>, input: usize, kind: Kind) -> bool {
    let (number, name) = match kind {
        Kind::Internal => ("1", "INTERNAL"),
        Kind::Server => ("2", "SERVER"),
        Kind::Client => ("3", "CLIENT"),
    };
    inputs
        .scalar(input)
        .is_some_and(|is| is == number || is.trim_start_matches("SPAN_KIND_").eq_ignore_ascii_case(name))
}

/// The region of the endpoint that was called, else that of the caller.
pub(super) fn region(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let of_endpoint = inputs.string(0).and_then(|host| {
        let host = host.to_lowercase();
        let aws =
            host.strip_suffix(".amazonaws.com").and_then(|name| Some(name.split_once('.')?.1.to_owned()));
        aws.or_else(|| Some(host.strip_suffix("-aiplatform.googleapis.com")?.to_owned()))
    });
    // `x.vpce.amazonaws.com` and the like have no region there
    text(
        of_endpoint
            .filter(|region| region.contains('-') && !region.contains('.'))
            .or_else(|| inputs.string(1).map(Cow::into_owned))?,
    )
}

pub(super) const ACTION_INPUTS: &[&str] = &[
    "gen_ai.operation.name",
    "llm.request.type",
    "openinference.span.kind",
    "traceloop.span.kind",
    "eventName",
    "event.name",
    "name",
];

pub(super) const KIND_INPUTS: &[&str] = &[
    "gen_ai.operation.name",
    "llm.request.type",
    "openinference.span.kind",
    "traceloop.span.kind",
    "kind",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
];

/// Where the token counts begin in [`KIND_INPUTS`].
const COUNTS: usize = 5;

/// Operations that make a model answer.
const CALLS: &[&str] = &[
    "chat",
    "text_completion",
    "completion",
    "generate_content",
    "embeddings",
    "embedding",
    "rerank",
    "llm",
    "reranker",
];

/// Operations around a model's calls, whose tokens are counted there.
const AROUND: &[&str] = &[
    "create_agent",
    "execute_tool",
    "invoke_workflow",
    "agent",
    "chain",
    "workflow",
    "task",
    "tool",
    "retriever",
];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let counts = (COUNTS..KIND_INPUTS.len()).any(|input| inputs.count(input).is_some());
    let operation = (0..4).find_map(|input| inputs.string(input)).map(|name| name.to_lowercase());
    let usage = match operation.as_deref() {
        // an agent behind an API is called, one in this process is only run
        Some("invoke_agent") => counts && !is_kind(inputs, 4, Kind::Internal),
        Some(operation) if AROUND.contains(&operation) => false,
        Some(operation) => counts || CALLS.contains(&operation),
        None => counts,
    };
    if usage { text("ai_usage") } else { None }
}

pub(super) const OUTCOME_INPUTS: &[&str] = &[
    "status.code",
    "error.type",
    "litellm.provider.error.code",
    "exception.type",
    "http.response.status_code",
    "status.message",
    "error.message",
    "exception.message",
    "startTimeUnixNano",
    "gen_ai.operation.name",
];

/// Whether it failed; `None` for a message that is only told.
fn failed(inputs: &Inputs<'_>) -> Option<bool> {
    let status = inputs.scalar(0).unwrap_or_default();
    let is_error = status == "2" || status.trim_start_matches("STATUS_CODE_").eq_ignore_ascii_case("ERROR");
    if is_error || (1..4).any(|input| inputs.scalar(input).is_some()) {
        return Some(true);
    }
    if inputs.count(4).is_some_and(|code| code >= 400) {
        return Some(true);
    }
    (inputs.has(8) || inputs.has(9)).then_some(false)
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if failed(inputs)? { "failure" } else { "success" })
}

pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    failed(inputs).filter(|failed| *failed)?;
    text((1..5).find_map(|input| inputs.scalar(input))?)
}

pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    failed(inputs).filter(|failed| *failed)?;
    text((5..8).find_map(|input| inputs.string(input))?)
}

/// The model as it was asked for (an alias or deployment), else as it answered.
pub(super) const MODEL_INPUTS: &[&str] = &[
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
    "gen_ai.response.model",
    "llm.response.model",
];

pub(super) const TARGET_INPUTS: &[&str] = &[
    "gen_ai.tool.name",
    "tool.name",
    "gen_ai.agent.id",
    "gen_ai.agent.name",
    "gen_ai.operation.name",
    "gen_ai.request.model",
    "llm.request.model",
    "llm.model_name",
    "embedding.model_name",
    "gen_ai.response.model",
    "llm.response.model",
];

fn find<'a>(inputs: &Inputs<'a>) -> Option<(Cow<'a, str>, &'static str)> {
    let first = |mut range: std::ops::Range<usize>| range.find_map(|input| inputs.string(input));
    let of_agent = || first(2..4).map(|agent| (agent, "agent"));
    let of_model = || first(5..TARGET_INPUTS.len()).map(|model| (model, "model"));
    match inputs.string(4).as_deref() {
        Some("execute_tool") => first(0..2).map(|tool| (tool, "tool")),
        Some("invoke_agent" | "create_agent") => of_agent().or_else(of_model),
        Some(_) => of_model(),
        None => of_model().or_else(|| first(0..2).map(|tool| (tool, "tool"))).or_else(of_agent),
    }
}

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.0)
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.1)
}

/// The id under which the provider's own log knows the call, else the answer's, else the trace.
pub(super) const REQUEST_INPUTS: &[&str] = &[
    "aws.request_id",
    "azure.service.request.id",
    "az.service_request_id",
    "gen_ai.response.id",
    "gen_ai.request.id",
    "litellm.call_id",
    "traceId",
];
