//! The canonical columns of rows in the documented schema, in the ways in which exports write them.

use super::*;
use crate::sources::recognise as owner;
use crate::sources::testing;

fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name)
}

/// `(event, column, expected)`; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    testing::check(&SOURCE, cases);
}

const GEMINI: &str = r#"{"endpoint":"projects/p1/locations/us-central1/publishers/google/models/gemini-2.5-pro",
    "deployed_model_id":"","logging_time":"2026-11-18 08:24:18.004117 UTC","request_id":4815162342001122334,
    "request_payload":[],"response_payload":[],"model":"gemini-2.5-pro","model_version":"default",
    "api_method":"generateContent",
    "full_request":{"contents":[{"role":"user","parts":[{"text":"Hello"}]}],"generationConfig":{"responseLogprobs":true}},
    "full_response":{"candidates":[],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":30,"thoughtsTokenCount":5,"totalTokenCount":50}},
    "metadata":{"request_latency":1834.2}}"#;

const DEPLOYED: &str = r#"{"endpoint":"projects/481/locations/europe-west4/endpoints/33","deployed_model_id":"88",
    "logging_time":"2026-11-18T08:31:05.12Z","request_id":"771","request_payload":["{\"prompt\":\"Hello\"}"],
    "response_payload":["Hi"]}"#;

#[test]
fn a_row_says_what_where_and_how_much() {
    check(&[
        (GEMINI, "provider", r#""gcp""#),
        (GEMINI, "service", r#""aiplatform""#),
        (GEMINI, "action", r#""generateContent""#),
        (GEMINI, "action_kind", r#""ai_usage""#),
        (GEMINI, "outcome", r#""success""#),
        (GEMINI, "account", r#""p1""#),
        (GEMINI, "region", r#""us-central1""#),
        (GEMINI, "model", r#""gemini-2.5-pro""#),
        (GEMINI, "target_type", r#""model""#),
        (GEMINI, "correlation_uid", r#""4815162342001122334""#),
        (GEMINI, "tokens_in", "12"),
        (GEMINI, "tokens_out", "35"),
        // Gemini's own total, which counts what tools read
        (GEMINI, "tokens_total", "50"),
        // BLAKE3 of `hello`, as its reference implementation gives it
        (GEMINI, "prompt_hash", r#""ea8f163db3868292""#),
        (GEMINI, "prompt_len", "5"),
        (GEMINI, "req_logprobs", "true"),
        (GEMINI, "principal", "-"),
        (GEMINI, "src_ip", "-"),
        (DEPLOYED, "account", r#""481""#),
        (DEPLOYED, "model", r#""33""#),
        (DEPLOYED, "target", r#""projects/481/locations/europe-west4/endpoints/33""#),
        (DEPLOYED, "target_type", r#""endpoint""#),
        (DEPLOYED, "action", "-"),
        (DEPLOYED, "outcome", r#""success""#),
        (DEPLOYED, "prompt_hash", r#""ea8f163db3868292""#),
        (DEPLOYED, "tokens_total", "-"),
    ]);
}

#[test]
fn json_in_strings_is_taken_for_what_it_is() {
    let value: serde_json::Value = serde_json::from_str(GEMINI).unwrap();
    let mut quoted = value.clone();
    for name in ["full_request", "full_response", "metadata"] {
        quoted[name] = value[name].to_string().into();
    }
    for name in
        ["tokens_in", "tokens_out", "tokens_total", "prompt_hash", "prompt_len", "req_logprobs", "outcome"]
    {
        assert_eq!(column(&quoted.to_string(), name), column(GEMINI, name), "{name}");
    }
    let broken = r#"{"endpoint":"e","logging_time":"2026-11-18T08:00:00Z","full_request":"{\"contents\":","full_response":"{"}"#;
    check(&[
        (broken, "tokens_in", "-"),
        (broken, "req_logprobs", "-"),
        (broken, "action_kind", r#""ai_usage""#),
    ]);
}

#[test]
fn tokens_are_counted_in_every_spelling() {
    for (response, tokens) in [
        (
            r#"{"usageMetadata":{"promptTokenCount":"12","candidatesTokenCount":"3","totalTokenCount":"15"}}"#,
            ["12", "3", "15"],
        ),
        (
            r#"{"usage_metadata":{"prompt_token_count":12,"candidates_token_count":3,"thoughts_token_count":4}}"#,
            ["12", "7", "19"],
        ),
        (r#"{"usageMetadata":{"promptTokenCount":12,"totalTokenCount":12}}"#, ["12", "-", "12"]),
        // thoughts alone used the answer up
        (r#"{"usageMetadata":{"promptTokenCount":12,"thoughtsTokenCount":9}}"#, ["12", "9", "21"]),
        // pieces: the counts grow
        (
            r#"[{"usageMetadata":{"promptTokenCount":12,"totalTokenCount":12}},{"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":2}},
                {"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":9,"totalTokenCount":21}}]"#,
            ["12", "9", "21"],
        ),
        (
            r#"{"usage":{"input_tokens":15,"output_tokens":21,"cache_read_input_tokens":100,"cache_creation_input_tokens":0}}"#,
            ["15", "21", "136"],
        ),
        (
            r#"[{"type":"message_start","message":{"usage":{"input_tokens":15,"output_tokens":1}}},{"type":"message_delta","usage":{"output_tokens":21}}]"#,
            ["15", "21", "36"],
        ),
        (r#"{"usageMetadata":{"promptTokenCount":-1,"candidatesTokenCount":"many"}}"#, ["-", "-", "-"]),
        (
            r#"{"usageMetadata":{"promptTokenCount":9223372036854775807,"candidatesTokenCount":9223372036854775807}}"#,
            ["9223372036854775807", "9223372036854775807", "9223372036854775807"],
        ),
        (r#"{"usageMetadata":"..."}"#, ["-", "-", "-"]),
        ("null", ["-", "-", "-"]),
    ] {
        let event = format!(r#"{{"full_response":{response}}}"#);
        for (name, expected) in ["tokens_in", "tokens_out", "tokens_total"].into_iter().zip(tokens) {
            assert_eq!(column(&event, name), expected, "{name} of {response}");
        }
    }
}

#[test]
fn a_prompt_is_words_and_the_users() {
    for (row, length) in [
        (
            r#"{"full_request":{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"bb"}]},{"role":"user","parts":[{"text":"ccc"}]}]}}"#,
            "3",
        ),
        (
            r#"{"full_request":{"anthropic_version":"v","messages":[{"role":"user","content":[{"type":"text","text":"four"}]}]}}"#,
            "4",
        ),
        (r#"{"request_payload":["{\"prompt\":\"one\"}","{\"prompt\":\"three\"}"]}"#, "5"),
        (r#"{"request_payload":["just words"]}"#, "10"),
        // rows of numbers are no prompt
        (r#"{"request_payload":["[5.1,3.5]"]}"#, "-"),
        (r#"{"request_payload":["-1.5"]}"#, "-"),
        (r#"{"request_payload":["{\"values\":[1]}"]}"#, "-"),
        (r#"{"request_payload":[7]}"#, "-"),
        (r#"{"request_payload":[""]}"#, "-"),
        (r#"{"request_payload":[]}"#, "-"),
        (r#"{"request_payload":"x"}"#, "1"),
        (r#"{"full_request":{"contents":[]}}"#, "-"),
    ] {
        assert_eq!(column(row, "prompt_len"), length, "{row}");
    }
}

#[test]
fn an_answer_that_is_an_error_failed() {
    let error = r#"{"full_response":{"error":{"code":429,"message":"Resource exhausted."}}}"#;
    check(&[
        (error, "outcome", r#""failure""#),
        (error, "error_code", r#""429""#),
        (error, "error_message", r#""Resource exhausted.""#),
        (r#"{"full_response":{"candidates":[]}}"#, "outcome", r#""success""#),
        (r#"{"full_response":null,"response_payload":[]}"#, "outcome", "-"),
        (r#"{"response_payload":["x"]}"#, "outcome", r#""success""#),
    ]);
}

#[test]
fn a_model_is_called_as_the_audit_log_calls_it() {
    for (row, model, account, region) in [
        (
            r#"{"model":"projects/p1/locations/global/publishers/google/models/gemini-2.5-flash"}"#,
            r#""gemini-2.5-flash""#,
            r#""p1""#,
            r#""global""#,
        ),
        (r#"{"model":"publishers/google/models/gemini-2.5-flash"}"#, r#""gemini-2.5-flash""#, "-", "-"),
        (r#"{"model":"gemini-2.5-flash"}"#, r#""gemini-2.5-flash""#, "-", "-"),
        (
            r#"{"endpoint":"projects/p1/locations/l/publishers/google/models/m"}"#,
            r#""m""#,
            r#""p1""#,
            r#""l""#,
        ),
        (r#"{"endpoint":"projects/p1/locations/l/endpoints/7","model":""}"#, r#""7""#, r#""p1""#, r#""l""#),
        (r#"{"deployed_model_id":88}"#, r#""88""#, "-", "-"),
        (r#"{"endpoint":"odd"}"#, r#""odd""#, "-", "-"),
    ] {
        check(&[(row, "model", model), (row, "account", account), (row, "region", region)]);
    }
}

#[test]
fn a_row_is_known_by_model_time_and_request_or_by_its_hash() {
    check(&[
        (
            DEPLOYED,
            "event_uid",
            r#""projects/481/locations/europe-west4/endpoints/33|88|2026-11-18T08:31:05.120Z|771""#,
        ),
        (
            GEMINI,
            "event_uid",
            r#""projects/p1/locations/us-central1/publishers/google/models/gemini-2.5-pro|gemini-2.5-pro|2026-11-18T08:24:18.004117Z|4815162342001122334""#,
        ),
        (r#"{"endpoint":"e","logging_time":"t","request_id":"1"}"#, "event_uid", r#""e|t|1""#),
        (r#"{"model":"m","logging_time":"t","request_id":"1"}"#, "event_uid", r#""m|t|1""#),
    ]);
    let hash = column(r#"{"endpoint":"e","logging_time":"t"}"#, "event_uid");
    assert_eq!(hash.len(), 34, "{hash}");
    assert_eq!(hash, column(r#"{"endpoint":"e","logging_time":"t"}"#, "event_uid"));
}

#[test]
fn rows_are_recognised_and_nothing_else_is() {
    let name = |event: &str| owner(event).map(|source| source.name);
    for ours in [
        GEMINI,
        DEPLOYED,
        r#"{"model":"m","logging_time":"2026-11-18T08:00:00Z","full_request":"{}"}"#,
        r#"{"ENDPOINT":"e","LOGGING_TIME":"2026-11-18T08:00:00Z","REQUEST_PAYLOAD":["x"]}"#,
        r#"{"model":"m","logging_time":"2026-11-18T08:00:00Z","api_method":"generateContent"}"#,
    ] {
        assert_eq!(name(ours), Some("gcp.vertex_prompt_response"), "{ours}");
    }
    for other in [
        r#"{"model":"m","logging_time":"2026-11-18T08:00:00Z"}"#,
        r#"{"endpoint":"e","request_payload":["x"]}"#,
        r#"{"logging_time":"2026-11-18T08:00:00Z","request_payload":["x"]}"#,
        r#"{"model":"m","logging_time":null,"full_request":{}}"#,
        // a model invocation log of another provider
        r#"{"timestamp":"2026-11-18T08:00:00Z","schemaType":"ModelInvocationLog","modelId":"m","input":{},"output":{},"requestId":"r"}"#,
        r#"{"endpoint":"/v1/chat","model":"m","request_id":"r","time":"2026-11-18T08:00:00Z"}"#,
        "{}",
    ] {
        assert_ne!(name(other), Some("gcp.vertex_prompt_response"), "{other}");
    }
    let audit = r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"aiplatform.googleapis.com"},"logging_time":"x","model":"m","full_request":{}}"#;
    assert_eq!(name(audit), Some("gcp.audit"));
}

#[test]
fn nothing_that_is_odd_is_lost_or_panics() {
    for value in [
        "null",
        "7",
        "true",
        r#""""#,
        r#""é""#,
        "[]",
        "[[]]",
        "[null]",
        "{}",
        r#"[{"a":1}]"#,
        r#""\ud800""#,
        r#""[""#,
    ] {
        for path in [
            "endpoint",
            "model",
            "request_id",
            "request_payload",
            "response_payload",
            "full_request",
            "full_response",
            "metadata",
        ] {
            let event = format!(r#"{{"logging_time":{value},"{path}":{value}}}"#);
            assert_eq!(column(&event, "action_kind"), r#""ai_usage""#, "{event}");
        }
    }
    assert_eq!(column("not json", "provider"), "-");
}

#[test]
fn the_rules_of_every_cloud_see_its_columns() {
    let spec = SOURCE.spec();
    assert!(
        spec.serves(Some("cloud"), Some("normalized"), None).is_some_and(|mapping| mapping.canonical_only)
    );
    assert!(spec.serves(Some("gcp"), Some("vertex_prompt_response"), None).is_some());
    assert!(spec.serves(Some("gcp"), Some("gcp.audit"), None).is_none());
}
