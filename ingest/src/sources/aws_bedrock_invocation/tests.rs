//! The canonical columns, by fact: hand-written records in the documented format, each with what it
//! must give and, where it nearly says something else, what it must not.

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

const CONVERSE: &str = r#"{"schemaType":"ModelInvocationLog","schemaVersion":"1.0","timestamp":"2026-11-18T09:02:11Z",
    "accountId":"012345678901","identity":{"arn":"arn:aws:sts::012345678901:assumed-role/support/prod-1"},
    "region":"eu-central-1","requestId":"r-1","operation":"Converse","modelId":"anthropic.claude-3-haiku-20240307-v1:0",
    "input":{"inputContentType":"application/json","inputBodyJson":{"messages":[{"role":"user","content":[{"text":"Hello"}]}],
    "additionalModelRequestFields":{"logprobs":true}},"inputTokenCount":5},
    "output":{"outputBodyJson":{"stopReason":"end_turn","usage":{"inputTokens":50,"outputTokens":70}},"outputTokenCount":7}}"#;

#[test]
fn what_is_copied_is_copied() {
    check(&[
        (CONVERSE, "provider", r#""aws""#),
        (CONVERSE, "service", r#""bedrock""#),
        (CONVERSE, "action", r#""Converse""#),
        (CONVERSE, "action_kind", r#""ai_usage""#),
        (CONVERSE, "account", r#""012345678901""#),
        (CONVERSE, "region", r#""eu-central-1""#),
        (CONVERSE, "correlation_uid", r#""r-1""#),
        (CONVERSE, "event_uid", r#""r-1|Converse|2026-11-18T09:02:11Z""#),
        (CONVERSE, "target", r#""anthropic.claude-3-haiku-20240307-v1:0""#),
        (CONVERSE, "target_type", r#""model""#),
        (CONVERSE, "outcome", r#""success""#),
        (CONVERSE, "error_code", "-"),
        // the log does not say these
        (CONVERSE, "src_ip", "-"),
        (CONVERSE, "credential_id", "-"),
        (CONVERSE, "bytes_in", "-"),
        (r#"{"accountId":12345678901}"#, "account", r#""12345678901""#),
        (r#"{"requestId":"r-1","operation":"Converse"}"#, "event_uid", "-"),
        (r#"{"errorCode":"AccessDeniedException"}"#, "outcome", r#""failure""#),
        (r#"{"errorCode":"AccessDeniedException"}"#, "error_code", r#""AccessDeniedException""#),
        (r#"{"errorCode":null}"#, "outcome", r#""success""#),
        (r#"{"errorCode":""}"#, "outcome", r#""success""#),
        (r#"{"output":{"outputBodyJson":{"stopReason":"guardrail_intervened"}}}"#, "outcome", r#""success""#),
    ]);
}

#[test]
fn a_principal_is_the_role_and_never_the_session() {
    let cases = [
        (
            "arn:aws:sts::123456789012:assumed-role/web/me@example.com",
            ["arn:aws:iam::123456789012:role/web", "AssumedRole", "web", "me@example.com"],
        ),
        (
            "arn:aws-us-gov:sts::123456789012:assumed-role/web/i-0abc",
            ["arn:aws-us-gov:iam::123456789012:role/web", "AssumedRole", "web", "i-0abc"],
        ),
        (
            "arn:aws:iam::123456789012:user/team/lena",
            ["arn:aws:iam::123456789012:user/team/lena", "IAMUser", "lena", "-"],
        ),
        (
            "arn:aws:iam::123456789012:user/BedrockAPIKey-k3pd",
            ["arn:aws:iam::123456789012:user/BedrockAPIKey-k3pd", "IAMUser", "BedrockAPIKey-k3pd", "-"],
        ),
        (
            "arn:aws:sts::123456789012:federated-user/lena",
            ["arn:aws:sts::123456789012:federated-user/lena", "FederatedUser", "lena", "-"],
        ),
        ("arn:aws:iam::123456789012:root", ["arn:aws:iam::123456789012:root", "Root", "-", "-"]),
        (
            "arn:aws:sts::123456789012:assumed-role/web",
            ["arn:aws:sts::123456789012:assumed-role/web", "AssumedRole", "web", "-"],
        ),
        ("<redacted>", ["<redacted>", "-", "-", "-"]),
        ("arn:", ["arn:", "-", "-", "-"]),
    ];
    for (arn, expected) in cases {
        let event = format!(r#"{{"identity":{{"arn":"{arn}"}}}}"#);
        let found = ["principal", "principal_type", "principal_name", "session_name"]
            .map(|name| column(&event, name).trim_matches('"').to_owned());
        assert_eq!(found, expected, "{arn}");
    }
    for event in [
        r#"{"identity":null}"#,
        r#"{"identity":""}"#,
        r#"{"identity":{"arn":""}}"#,
        r#"{"identity":{"arn":7}}"#,
    ] {
        assert_eq!(column(event, "principal"), "-", "{event}");
    }
}

#[test]
fn a_model_is_known_by_its_own_name() {
    for (id, model) in [
        ("amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v2:0"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-70b-instruct-v1:0",
            "meta.llama3-70b-instruct-v1:0",
        ),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.x.y-v1:0", "us.x.y-v1:0"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2", "a1b2"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.titan-text-lite-v1:0:4k/ab12",
            "amazon.titan-text-lite-v1:0:4k/ab12",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/",
            "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/",
        ),
        ("a/b", "a/b"),
    ] {
        let event = format!(r#"{{"modelId":"{id}"}}"#);
        assert_eq!(column(&event, "model"), format!("{model:?}"));
        assert_eq!(column(&event, "target"), format!("{id:?}"));
    }
    assert_eq!(column(r#"{"modelId":null}"#, "model"), "-");
}

#[test]
fn tokens_are_those_of_the_record_and_else_of_the_response() {
    let tokens = |event: &str| ["tokens_in", "tokens_out", "tokens_total"].map(|name| column(event, name));
    for (event, expected) in [
        (CONVERSE, ["5", "7", "12"]),
        (
            r#"{"input":{"inputTokenCount":12,"cacheReadInputTokenCount":2048,"cacheWriteInputTokenCount":256},"output":{"outputTokenCount":9}}"#,
            ["12", "9", "2325"],
        ),
        (r#"{"input":{"inputTokenCount":"12"},"output":{"outputTokenCount":"9"}}"#, ["12", "9", "21"]),
        // embeddings give no tokens
        (r#"{"input":{"inputTokenCount":8},"output":{"outputBodyS3Path":"s3://b/k"}}"#, ["8", "-", "8"]),
        (
            r#"{"output":{"outputBodyJson":{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}}}"#,
            ["3", "4", "7"],
        ),
        (
            r#"{"output":{"outputBodyJson":{"usage":{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":10}}}}"#,
            ["3", "4", "17"],
        ),
        (
            r#"{"output":{"outputBodyJson":[{"type":"message_start","message":{"usage":{"input_tokens":6,"output_tokens":1}}},
                {"type":"message_delta","usage":{"output_tokens":31}},
                {"amazon-bedrock-invocationMetrics":{"inputTokenCount":6,"outputTokenCount":31}},"[DONE]"]}}"#,
            ["6", "31", "37"],
        ),
        (r#"{"input":{"inputTokenCount":-1}}"#, ["-", "-", "-"]),
        (r#"{"input":{"inputTokenCount":"many"},"output":"x"}"#, ["-", "-", "-"]),
        (r#"{"input":{"cacheReadInputTokenCount":5}}"#, ["-", "-", "-"]),
        (
            r#"{"input":{"inputTokenCount":9223372036854775807},"output":{"outputTokenCount":1}}"#,
            ["9223372036854775807", "1", "9223372036854775807"],
        ),
    ] {
        assert_eq!(tokens(event), expected, "{event}");
    }
}

#[test]
fn prompts_are_hashed_where_the_body_is_in_the_record() {
    let same = [
        r#"{"input":{"inputBodyJson":{"messages":[{"role":"user","content":"  hello "}]}}}"#,
        r#"{"input":{"inputBodyJson":{"inputText":"HELLO"}}}"#,
        r#"{"input":{"inputBodyJson":{"message":"Hello"}}}"#,
        r#"{"input":{"inputBodyJson":{"prompt":"<s>[INST] hello [/INST]"}}}"#,
        r#"{"input":{"inputBodyJson":"{\"prompt\":\"Hello\"}"}}"#,
        r#"{"input":{"inputBodyJson":{"messages":[{"role":"user","content":[{"guardContent":{"text":{"text":"hello"}}}]}]}}}"#,
    ];
    for event in same {
        assert_eq!(column(event, "prompt_hash"), column(CONVERSE, "prompt_hash"), "{event}");
        assert_eq!(column(event, "prompt_prefix_hash"), column(CONVERSE, "prompt_hash"), "{event}");
    }
    // BLAKE3 of `hello`, as its reference implementation gives it
    check(&[
        (CONVERSE, "prompt_hash", r#""ea8f163db3868292""#),
        (CONVERSE, "prompt_len", "5"),
        (CONVERSE, "req_logprobs", "true"),
        (same[0], "prompt_len", "8"),
        (same[0], "req_logprobs", "false"),
        (r#"{"input":{"inputBodyS3Path":"s3://b/k"}}"#, "prompt_hash", "-"),
        (r#"{"input":{"inputBodyS3Path":"s3://b/k"}}"#, "req_logprobs", "-"),
        (r#"{"input":{"inputBodyJson":null}}"#, "prompt_len", "-"),
        (r#"{"input":{"inputBodyJson":"{\"messages\":[{\"role\":\"us"}}"#, "prompt_hash", "-"),
    ]);
    let huge = format!(r#"{{"input":{{"inputBodyJson":{{"prompt":"{}"}}}}}}"#, "x".repeat(10 << 20));
    assert_eq!(column(&huge, "prompt_len"), (10 << 20).to_string());
}

#[test]
fn a_record_says_itself_what_it_is() {
    let name = |event: &str| owner(event).map_or("-", |source| source.name);
    for (event, expected) in [
        (CONVERSE, "aws.bedrock_invocation"),
        (r#"{"schemaType":"ModelInvocationLog","modelId":"m"}"#, "aws.bedrock_invocation"),
        (r#"{"schemaType":"ModelInvocationLog"}"#, "-"),
        (r#"{"schemaType":"Other","modelId":"m","operation":"Converse","requestId":"r"}"#, "-"),
        (r#"{"operation":"Converse","modelId":"m","requestId":"r","input":{},"output":{}}"#, "-"),
        // the body that a record points to
        (r#"{"messages":[{"role":"user","content":"schemaType ModelInvocationLog"}]}"#, "-"),
        (
            r#"{"eventVersion":"1.11","eventSource":"bedrock.amazonaws.com","eventName":"Converse","requestParameters":{"modelId":"m"}}"#,
            "aws.cloudtrail",
        ),
    ] {
        assert_eq!(name(event), expected, "{event}");
    }
}
