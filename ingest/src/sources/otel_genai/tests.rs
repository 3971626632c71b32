//! The canonical columns, by fact: hand-written records under each of the names in use; what is
//! recognised and what nearly is; the names that rules write.

use super::*;
use crate::sources::recognise;
use crate::sources::testing;
use crate::sources::time::parse_time;
use virga_engine::event::COLUMNS;

fn columns(event: &str) -> Vec<(&'static str, String)> {
    testing::columns(&SOURCE, event)
}

fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name)
}

/// A client's span with these attributes.
fn span(attributes: &str) -> String {
    span_with(attributes, r#""kind":3"#)
}

fn span_with(attributes: &str, more: &str) -> String {
    format!(
        r#"{{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"n",
        "startTimeUnixNano":"1772445600000000000","endTimeUnixNano":"1772445601500000000",{more},
        "attributes":{{{attributes}}},"resource":{{"attributes":{{"service.name":"shop"}}}}}}"#
    )
}

/// A log record of that name.
fn log(name: &str, body: &str, attributes: &str) -> String {
    format!(
        r#"{{"timeUnixNano":"1772445601500000000","observedTimeUnixNano":"1772445602000000000","eventName":"{name}",
        "body":{body},"attributes":{{{attributes}}},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}}"#
    )
}

/// `(attributes of a span, column, expected)`; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    for (attributes, name, expected) in cases {
        assert_eq!(column(&span(attributes), name), *expected, "{name} of {attributes}");
    }
}

fn field(event: &str, name: &str) -> Option<String> {
    Some(testing::field(&SOURCE, event, name)).filter(|text| text != "-")
}

fn owner(event: &str) -> Option<&'static str> {
    recognise(event).map(|source| source.name)
}

#[test]
fn a_cloud_is_called_as_everywhere_and_others_are_their_own_providers() {
    for (attribute, provider, service) in [
        (r#""gen_ai.provider.name":"aws.bedrock""#, "aws", "bedrock"),
        (r#""gen_ai.system":"aws.bedrock""#, "aws", "bedrock"),
        (r#""gen_ai.system":"AWS""#, "aws", "bedrock"),
        (r#""gen_ai.provider.name":"azure.ai.openai""#, "azure", "azure_openai"),
        (r#""gen_ai.system":"az.ai.inference""#, "azure", "azure_ai_inference"),
        (r#""gen_ai.provider.name":"gcp.vertex_ai""#, "gcp", "aiplatform"),
        (r#""gen_ai.system":"vertex_ai""#, "gcp", "aiplatform"),
        (r#""gen_ai.provider.name":"gcp.gemini""#, "gcp", "generativelanguage"),
        (r#""gen_ai.provider.name":"openai""#, "openai", "openai"),
        (r#""gen_ai.system":"OpenAI""#, "openai", "openai"),
        (r#""gen_ai.provider.name":"x_ai","gen_ai.system":"xai""#, "x_ai", "x_ai"),
        (r#""gen_ai.provider.name":null,"gen_ai.system":"xai""#, "x_ai", "x_ai"),
        (r#""llm.provider":"anthropic","llm.system":"openai""#, "anthropic", "anthropic"),
        (r#""llm.vendor":"Cohere""#, "cohere", "cohere"),
    ] {
        check(&[
            (attribute, "provider", &format!("{provider:?}")),
            (attribute, "service", &format!("{service:?}")),
        ]);
    }
    check(&[
        (r#""server.address":"LLM.example.com""#, "service", r#""llm.example.com""#),
        (r#""server.address":"llm.example.com""#, "provider", "-"),
        (r#""gen_ai.request.model":"m""#, "service", "-"),
        (r#""gen_ai.provider.name":7"#, "provider", "-"),
    ]);
    for kind in [r#""kind":2"#, r#""kind":"SPAN_KIND_SERVER""#] {
        assert_eq!(column(&span_with(r#""gen_ai.request.id":"r""#, kind), "service"), r#""shop""#);
    }
}

#[test]
fn a_region_is_the_endpoints_or_the_callers() {
    check(&[
        (r#""server.address":"bedrock-runtime.eu-west-1.amazonaws.com""#, "region", r#""eu-west-1""#),
        (r#""server.address":"europe-west4-aiplatform.googleapis.com""#, "region", r#""europe-west4""#),
        (r#""server.address":"api.openai.com""#, "region", "-"),
        (r#""server.address":"vpce-1.x.vpce.amazonaws.com""#, "region", "-"),
        (r#""server.address":"api.openai.com","cloud.region":"eu-west-1""#, "region", r#""eu-west-1""#),
        (r#""cloud.account.id":"111122223333""#, "account", r#""111122223333""#),
    ]);
}

#[test]
fn tokens_are_counted_under_all_of_their_names() {
    for (attributes, counts) in [
        (r#""gen_ai.usage.input_tokens":12,"gen_ai.usage.output_tokens":30"#, ["12", "30", "42"]),
        (r#""gen_ai.usage.prompt_tokens":"12","gen_ai.usage.completion_tokens":"30""#, ["12", "30", "42"]),
        (
            r#""llm.usage.prompt_tokens":12,"llm.usage.completion_tokens":30,"llm.usage.total_tokens":50"#,
            ["12", "30", "50"],
        ),
        (
            r#""llm.token_count.prompt":12,"llm.token_count.completion":30,"llm.token_count.total":42"#,
            ["12", "30", "42"],
        ),
        (r#""gen_ai.usage.input_tokens":12"#, ["12", "-", "12"]),
        (r#""gen_ai.usage.total_tokens":12"#, ["-", "-", "12"]),
        (r#""gen_ai.usage.input_tokens":null,"gen_ai.usage.prompt_tokens":12"#, ["12", "-", "12"]),
        (r#""gen_ai.usage.input_tokens":-1"#, ["-", "-", "-"]),
        (r#""gen_ai.usage.input_tokens":"many""#, ["-", "-", "-"]),
        (r#""gen_ai.usage.input_tokens":{}"#, ["-", "-", "-"]),
    ] {
        check(&[
            (attributes, "tokens_in", counts[0]),
            (attributes, "tokens_out", counts[1]),
            (attributes, "tokens_total", counts[2]),
        ]);
    }
}

#[test]
fn a_model_is_the_one_that_was_asked_for() {
    for (attributes, model) in [
        (r#""gen_ai.request.model":"gpt-4o","gen_ai.response.model":"gpt-4o-2024-08-06""#, r#""gpt-4o""#),
        (r#""gen_ai.response.model":"facebook/opt-125m""#, r#""facebook/opt-125m""#),
        (r#""llm.model_name":"claude-sonnet""#, r#""claude-sonnet""#),
        (r#""embedding.model_name":"e-3""#, r#""e-3""#),
        (r#""gen_ai.operation.name":"chat""#, "-"),
    ] {
        check(&[(attributes, "model", model), (attributes, "target", model)]);
    }
    check(&[
        (r#""gen_ai.request.model":"gpt-4o""#, "target_type", r#""model""#),
        (
            r#""gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"shell","gen_ai.request.model":"m""#,
            "target",
            r#""shell""#,
        ),
        (r#""gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"shell""#, "target_type", r#""tool""#),
        (
            r#""gen_ai.operation.name":"invoke_agent","gen_ai.agent.name":"triage","gen_ai.request.model":"m""#,
            "target",
            r#""triage""#,
        ),
        (r#""gen_ai.operation.name":"invoke_agent","gen_ai.request.model":"m""#, "target_type", r#""model""#),
        (r#""openinference.span.kind":"TOOL","tool.name":"search""#, "target", r#""search""#),
    ]);
}

#[test]
fn a_call_of_a_model_is_usage_and_what_surrounds_it_is_not() {
    let counted = r#""gen_ai.usage.input_tokens":12"#;
    for (attributes, kind, action_kind, action) in [
        (format!(r#""gen_ai.operation.name":"chat",{counted}"#), 3, "ai_usage", "chat"),
        (r#""gen_ai.operation.name":"chat","error.type":"429""#.to_owned(), 3, "ai_usage", "chat"),
        (r#""gen_ai.operation.name":"embeddings""#.to_owned(), 3, "ai_usage", "embeddings"),
        (r#""llm.request.type":"completion""#.to_owned(), 3, "ai_usage", "completion"),
        (r#""openinference.span.kind":"LLM""#.to_owned(), 1, "ai_usage", "LLM"),
        // vLLM says no operation
        (counted.to_owned(), 2, "ai_usage", "n"),
        (format!(r#""gen_ai.operation.name":"invoke_agent",{counted}"#), 3, "ai_usage", "invoke_agent"),
        (format!(r#""gen_ai.operation.name":"invoke_agent",{counted}"#), 1, "", "invoke_agent"),
        (r#""gen_ai.operation.name":"invoke_agent""#.to_owned(), 3, "", "invoke_agent"),
        (r#""gen_ai.operation.name":"execute_tool""#.to_owned(), 1, "", "execute_tool"),
        (format!(r#""traceloop.span.kind":"workflow",{counted}"#), 1, "", "workflow"),
        (format!(r#""openinference.span.kind":"AGENT",{counted}"#), 1, "", "AGENT"),
        (r#""gen_ai.conversation.id":"c""#.to_owned(), 1, "", "n"),
    ] {
        let event = span_with(&attributes, &format!(r#""kind":{kind}"#));
        let expected = if action_kind.is_empty() { "-".to_owned() } else { format!("{action_kind:?}") };
        assert_eq!(column(&event, "action_kind"), expected, "{attributes} {kind}");
        assert_eq!(column(&event, "action"), format!("{action:?}"), "{attributes}");
    }
    let message = log("gen_ai.user.message", r#"{"content":"x"}"#, r#""gen_ai.system":"openai""#);
    assert_eq!(column(&message, "action_kind"), "-");
    assert_eq!(column(&message, "action"), r#""gen_ai.user.message""#);
    let details = log(
        "gen_ai.client.inference.operation.details",
        "null",
        r#""gen_ai.operation.name":"chat","gen_ai.usage.input_tokens":"12""#,
    );
    assert_eq!(column(&details, "action_kind"), r#""ai_usage""#);
    assert_eq!(column(&details, "action"), r#""chat""#);
}

#[test]
fn an_outcome_is_the_status_or_an_error() {
    for (status, attributes, outcome, code, message) in [
        (r#""status":{}"#, "", r#""success""#, "-", "-"),
        (r#""kind":3"#, "", r#""success""#, "-", "-"),
        (r#""status":{"code":1}"#, "", r#""success""#, "-", "-"),
        (r#""status":{"code":2,"message":"rate limit"}"#, "", r#""failure""#, "-", r#""rate limit""#),
        (r#""status":{"code":"STATUS_CODE_ERROR"}"#, "", r#""failure""#, "-", "-"),
        (r#""status":{"code":"2"}"#, r#""error.type":"timeout""#, r#""failure""#, r#""timeout""#, "-"),
        (r#""status":{"code":0}"#, r#""error.type":500"#, r#""failure""#, r#""500""#, "-"),
        (r#""status":{"code":1}"#, r#""http.response.status_code":429"#, r#""failure""#, r#""429""#, "-"),
        (r#""status":{"code":1}"#, r#""http.response.status_code":200"#, r#""success""#, "-", "-"),
        (r#""status":"broken""#, "", r#""success""#, "-", "-"),
    ] {
        let event = span_with(attributes, status);
        assert_eq!(column(&event, "outcome"), outcome, "{event}");
        assert_eq!(column(&event, "error_code"), code, "{event}");
        assert_eq!(column(&event, "error_message"), message, "{event}");
    }
    let told = log("gen_ai.choice", "{}", "");
    assert_eq!(column(&told, "outcome"), "-");
    let failed = log(
        "gen_ai.client.operation.exception",
        "null",
        r#""exception.type":"RateLimitError","exception.message":"slow down""#,
    );
    assert_eq!(column(&failed, "outcome"), r#""failure""#);
    assert_eq!(column(&failed, "error_code"), r#""RateLimitError""#);
    assert_eq!(column(&failed, "error_message"), r#""slow down""#);
}

#[test]
fn a_principal_is_the_most_certain_that_is_known() {
    for (attributes, principal, kind) in [
        (r#""user.id":"ada","enduser.id":"bob""#, "ada", "user"),
        (r#""enduser.id":"bob""#, "bob", "user"),
        (r#""gen_ai.user":"bob""#, "bob", "user"),
        (r#""user.id":42"#, "42", "user"),
        (r#""metadata.user_api_key_user_id":"ada","metadata.user_api_key_end_user_id":"eve""#, "ada", "user"),
        (r#""litellm.end_user.id":"eve","litellm.api_key.hash":"88dc28d0""#, "eve", "end_user"),
        (r#""metadata.user_api_key_hash":"88dc28d0""#, "apikey:88dc28d0", "api_key"),
        (r#""traceloop.association.properties.user_id":"ada""#, "ada", "user"),
        (r#""user.id":"""#, "shop", "application"),
        (r#""gen_ai.system":"openai""#, "shop", "application"),
    ] {
        check(&[
            (attributes, "principal", &format!("{principal:?}")),
            (attributes, "principal_type", &format!("{kind:?}")),
        ]);
    }
    // a server's name says who was called
    let server = span_with(r#""gen_ai.system":"openai""#, r#""kind":2"#);
    assert_eq!(column(&server, "principal"), "-");
    let unnamed = span("").replace("shop", "unknown_service:python");
    assert_eq!(column(&unnamed, "principal"), "-");
}

#[test]
fn what_is_copied_is_copied() {
    let event = r#""gen_ai.conversation.id":"conv-1","session.id":"s-1","client.address":"203.0.113.7:51000",
        "user_agent.original":"sdk/1","litellm.api_key.hash":"88dc","user.name":"Ada","gen_ai.response.id":"chatcmpl-1",
        "k8s.namespace.name":"ml""#;
    check(&[
        (event, "session_id", r#""conv-1""#),
        (r#""session.id":"s-1""#, "session_id", r#""s-1""#),
        (event, "src_ip", r#""203.0.113.7""#),
        (event, "src_ip_kind", r#""public""#),
        (event, "src_net", r#""203.0.113.0/24""#),
        (r#""metadata.requester_ip_address":"10.1.2.3""#, "src_ip_kind", r#""private""#),
        (r#""client.address":"/tmp/my.sock""#, "src_ip_kind", r#""invalid""#),
        (event, "user_agent", r#""sdk/1""#),
        (event, "credential_id", r#""88dc""#),
        (event, "credential_kind", r#""bearer_api_key""#),
        (r#""user.id":"ada""#, "credential_kind", "-"),
        (event, "principal_name", r#""Ada""#),
        (event, "correlation_uid", r#""chatcmpl-1""#),
        (r#""aws.request_id":"r-1","gen_ai.response.id":"x""#, "correlation_uid", r#""r-1""#),
        ("", "correlation_uid", r#""5b8efff798038103d269b633813fc60c""#),
        (event, "k8s_namespace", r#""ml""#),
    ]);
}

/// Of `Hello`, as the reference implementation of BLAKE3 gives it for `hello`.
const HELLO: &str = r#""ea8f163db3868292""#;

#[test]
fn a_prompt_is_found_wherever_it_is_logged() {
    let messages = r#"[{"role":"system","parts":[{"type":"text","content":"S"}]},{"role":"user","parts":[{"type":"text","content":"Hello"}]},
        {"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"f","arguments":{}}]},
        {"role":"user","parts":[{"type":"tool_call_response","id":"1","result":"rainy"}]}]"#;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    for event in [
        span(&format!(r#""gen_ai.input.messages":{messages}"#)),
        span(&format!(r#""gen_ai.input.messages":{}"#, quoted(messages))),
        span(r#""gen_ai.input.messages":[{"role":"user","content":"Hello"}]"#),
        span(
            r#""gen_ai.prompt.0.role":"system","gen_ai.prompt.0.content":"S","gen_ai.prompt.9.role":"user",
            "gen_ai.prompt.9.content":"no","gen_ai.prompt.10.role":"user","gen_ai.prompt.10.content":"Hello","gen_ai.prompt.11.role":"assistant""#,
        ),
        span(
            r#""gen_ai.prompt.0.role":"user","gen_ai.prompt.0.content":"[{\"type\":\"text\",\"text\":\"Hello\"}]""#,
        ),
        span(
            r#""llm.input_messages.0.message.role":"user","llm.input_messages.0.message.content":"Hello","input.value":"x""#,
        ),
        span(
            r#""llm.input_messages.0.message.role":"user","llm.input_messages.0.message.contents.0.message_content.text":"Hello""#,
        ),
        span(
            r#""gen_ai.prompt.name":"greet","llm.input_messages.0.message.role":"user","llm.input_messages.0.message.content":"Hello""#,
        ),
        span(r#""gen_ai.prompt":"Hello""#),
        span(r#""gen_ai.prompt":"[{\"role\":\"user\",\"content\":\"Hello\"}]""#),
        span(r#""llm.prompts":"\n\nHuman: Hello\n\nAssistant:""#),
        span(r#""input.value":"Hello""#),
        span(r#""input.value":"{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}""#),
        span(r#""gen_ai.prompt":"[INST] Hello [/INST]""#),
        span_with(
            "",
            r#""events":[{"name":"gen_ai.system.message","attributes":{"content":"S"}},{"name":"gen_ai.user.message","attributes":{"content":"Hello"}},{"name":"gen_ai.choice"}]"#,
        ),
        span_with(
            "",
            r#""events":[{"name":"gen_ai.user.message","attributes":{"gen_ai.event.content":"{\"role\":\"user\",\"content\":\"Hello\"}"}}]"#,
        ),
        span_with(
            "",
            r#""events":[{"name":"gen_ai.content.prompt","attributes":{"gen_ai.prompt":"[{\"role\":\"user\",\"content\":\"Hello\"}]"}}]"#,
        ),
        log("gen_ai.user.message", r#"{"content":"Hello"}"#, ""),
        log("gen_ai.user.message", r#"{"role":"user","content":[{"type":"text","text":"Hello"}]}"#, ""),
        log("gen_ai.user.message", r#""Hello""#, ""),
        log("gen_ai.user.message", r#""{\"content\":\"Hello\"}""#, ""),
        log("gen_ai.user.message", r#""Hello""#, "")
            .replace(r#""eventName":"gen_ai.user.message","#, "")
            .replace(r#""attributes":{"#, r#""attributes":{"event.name":"gen_ai.user.message""#),
        log(
            "gen_ai.client.inference.operation.details",
            "null",
            r#""gen_ai.input.messages":[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]"#,
        ),
    ] {
        assert_eq!(column(&event, "prompt_hash"), HELLO, "{event}");
        assert_eq!(column(&event, "prompt_prefix_hash"), HELLO, "{event}");
    }
    check(&[(r#""gen_ai.prompt":"é  x""#, "prompt_len", "4")]);
}

#[test]
fn what_holds_no_message_of_the_user_gives_none() {
    for event in [
        span(r#""gen_ai.system":"openai""#),
        span(r#""gen_ai.input.messages":"[{\"role\":\"user\",\"parts\":[{\"cont""#),
        span(r#""gen_ai.input.messages":[{"role":"assistant","content":"x"}]"#),
        span(r#""gen_ai.input.messages":7"#),
        span(r#""gen_ai.prompt":"[{'role': 'user', 'content': 'x'}]""#),
        span(r#""gen_ai.prompt.x.role":"user","gen_ai.prompt.0.role":7,"gen_ai.prompt.1.role":"user""#),
        span(r#""gen_ai.prompt":"  ""#),
        span_with("", r#""events":"gen_ai.user.message""#),
        span_with("", r#""events":[7,{"name":"gen_ai.user.message"},{"name":7,"gen_ai.prompt":1}]"#),
        span_with("", r#""events":[{"name":"gen_ai.user.message","attributes":{"content":"  "}}]"#),
        log("gen_ai.assistant.message", r#"{"content":"x"}"#, ""),
        log("gen_ai.user.message", "null", ""),
        log("gen_ai.user.message", "7", ""),
        log("gen_ai.user.message", r#"{"content":null}"#, ""),
    ] {
        assert_eq!(column(&event, "prompt_hash"), "-", "{event}");
        assert_eq!(column(&event, "prompt_len"), "-", "{event}");
    }
}

#[test]
fn a_long_prompt_is_no_trouble() {
    let long = "[{\\\"a\\\":".repeat(1 << 17);
    let event = span(&format!(r#""gen_ai.prompt":"{long}""#));
    assert_eq!(column(&event, "prompt_len"), "-");
    let event = span(&format!(r#""input.value":"{}""#, "x ".repeat(1 << 19)));
    assert_eq!(column(&event, "prompt_len"), (1 << 20).to_string());
}

#[test]
fn log_probabilities_are_known_where_parameters_are_logged() {
    check(&[
        (r#""llm.invocation_parameters":"{\"logprobs\":true,\"top_logprobs\":5}""#, "req_logprobs", "true"),
        (r#""llm.invocation_parameters":"{\"temperature\":1}""#, "req_logprobs", "false"),
        (r#""llm.invocation_parameters":{"logprobs":true}"#, "req_logprobs", "true"),
        (r#""gen_ai.request.logprobs":"true""#, "req_logprobs", "true"),
        (r#""gen_ai.request.top_logprobs":0"#, "req_logprobs", "false"),
        (r#""input.value":"{\"messages\":[],\"top_logprobs\":2}""#, "req_logprobs", "true"),
        (r#""input.value":"just a prompt""#, "req_logprobs", "-"),
        (r#""llm.invocation_parameters":"{\"logp""#, "req_logprobs", "-"),
        (r#""gen_ai.request.model":"m""#, "req_logprobs", "-"),
    ]);
}

#[test]
fn a_log_of_a_span_is_not_the_span() {
    let span = span("");
    assert_eq!(
        column(&span, "event_uid"),
        r#""5b8efff798038103d269b633813fc60c|eee19b7ec3c1b174|2026-03-02T10:00:00Z""#
    );
    let [first, again, other] = [
        log("gen_ai.user.message", r#"{"content":"a"}"#, ""),
        log("gen_ai.user.message", r#"{"content":"a"}"#, ""),
        log("gen_ai.user.message", r#"{"content":"b"}"#, ""),
    ]
    .map(|log| column(&log, "event_uid"));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(first.len(), 34, "a hash of 32 digits");
}

#[test]
fn a_span_happened_when_it_ended() {
    let first_time = |event: &str| {
        let texts = SOURCE.time_paths.iter().filter_map(|path| field(event, path));
        texts.into_iter().find_map(|text| parse_time(&text))
    };
    assert_eq!(first_time(&span("")), Some(1_772_445_601_500_000));
    assert_eq!(
        first_time(&span("").replace("1772445601500000000", "0")),
        Some(1_772_445_600_000_000),
        "a span that has not ended"
    );
    assert_eq!(first_time(&log("x", "1", "")), Some(1_772_445_601_500_000));
    assert_eq!(
        first_time(&log("x", "1", "").replace(r#""timeUnixNano":"1772445601500000000","#, "")),
        Some(1_772_445_602_000_000)
    );
}

#[test]
fn names_that_rules_write_are_found() {
    let old = span(r#""gen_ai.system":"openai","gen_ai.usage.prompt_tokens":12,"user":{"id":"ada"}"#);
    let new = span(r#""gen_ai.provider.name":"openai","gen_ai.usage.input_tokens":12"#);
    for (event, name, expected) in [
        (&old, "gen_ai.system", Some(r#""openai""#)),
        (&old, "gen_ai.provider.name", Some(r#""openai""#)),
        (&new, "gen_ai.provider.name", Some(r#""openai""#)),
        (&new, "gen_ai.system", Some(r#""openai""#)),
        (&old, "gen_ai.usage.input_tokens", Some("12")),
        (&new, "gen_ai.usage.prompt_tokens", Some("12")),
        (&new, "gen_ai.usage.output_tokens", None),
        (&old, "attributes.gen_ai.system", Some(r#""openai""#)),
        (&old, "user.id", Some(r#""ada""#)),
        (&old, "service.name", Some(r#""shop""#)),
        (&old, "resource.attributes.service.name", Some(r#""shop""#)),
        (&old, "name", Some(r#""n""#)),
    ] {
        assert_eq!(field(event, name).as_deref(), expected, "{name} of {event}");
    }
    let message = log("gen_ai.user.message", r#"{"content":"x"}"#, "");
    assert_eq!(field(&message, "event.name").as_deref(), Some(r#""gen_ai.user.message""#));
    assert_eq!(field(&message, "body.content").as_deref(), Some(r#""x""#));
}

#[test]
fn spans_and_logs_of_generative_ai_are_recognised_and_others_are_not() {
    for event in [
        span(r#""gen_ai.system":"openai""#),
        span(r#""gen_ai.provider.name":"openai""#),
        span(r#""gen_ai":{"system":"openai"}"#),
        span(r#""gen_ai.response.model":"m","gen_ai.usage.prompt_tokens":1"#),
        span(r#""llm.request.type":"chat""#),
        span(r#""openinference.span.kind":"CHAIN""#),
        span(r#""traceloop.span.kind":"workflow""#),
        log("gen_ai.user.message", r#"{"content":"x"}"#, ""),
        log("", "1", r#""event.name":"gen_ai.choice""#),
        log("other", "1", r#""gen_ai.system":"openai""#),
    ] {
        assert_eq!(owner(&event), Some("otel.genai"), "{event}");
    }
    for event in [
        span(r#""http.request.method":"GET""#),
        span(r#""prompt":"gen_ai.system","llm":"x""#),
        span(""),
        log("user.login", r#""gen_ai.user.message""#, ""),
        // no record of OTLP
        r#"{"attributes":{"gen_ai.system":"openai"}}"#.to_owned(),
        r#"{"gen_ai.system":"openai","startTimeUnixNano":"1772445600000000000"}"#.to_owned(),
        r#"{"eventName":"gen_ai.user.message","eventSource":"x","eventVersion":"1.08","awsRegion":"eu-west-1"}"#
            .to_owned(),
        r#"{"modelId":"m","input":{"inputTokenCount":1},"schemaType":"ModelInvocationLog"}"#.to_owned(),
        "{}".to_owned(),
    ] {
        assert_ne!(owner(&event), Some("otel.genai"), "{event}");
    }
}

#[test]
fn columns_come_in_their_order_and_broken_records_have_hardly_any() {
    let event = span(
        r#""gen_ai.system":"openai","gen_ai.request.model":"m","gen_ai.usage.input_tokens":1,"gen_ai.prompt":"x","client.address":"203.0.113.7""#,
    );
    let place = |name: &str| COLUMNS.iter().position(|column| column.name == name);
    assert!(columns(&event).iter().map(|(name, _)| place(name)).is_sorted());
    for event in ["not json", "[]"] {
        assert_eq!(columns(event), [], "{event}");
    }
    for event in [
        r#"{"attributes":[],"resource":7,"events":{},"status":[],"body":{}}"#,
        r#"{"attributes":"gen_ai.prompt.0.role","resource":null}"#,
    ] {
        let names: Vec<&str> = columns(event).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["event_uid"], "{event}");
    }
}

#[test]
fn nothing_of_the_corpus_is_taken() {
    let Some(corpus) = virga_test_support::corpus() else { return };
    for folder in ["aws", "azure", "gcp", "genai", "saas"] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".jsonl.gz") {
                for event in virga_test_support::events(&corpus, &format!("{folder}/{name}")) {
                    assert_ne!(owner(&event), Some("otel.genai"), "{folder}/{name}: {event}");
                }
            }
        }
    }
}
