//! What is still found of attackers who hold back: the AI storylines with paraphrased prompts, spread over ten
//! principals, at a tenth of the rate, and all of that at once; by Bedrock's logs, and by OpenTelemetry.
//!
//! Nothing has to be found here: the table says what is, for better or worse, and is published as it is in
//! `detections/pages/evasion.md`. `VIRGA_ACCEPT=1` writes it anew.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use virga_test_support::workspace;

/// A call to a model.
#[derive(Clone)]
struct Call {
    /// Seconds from the start.
    at: i64,
    principal: usize,
    prompt: String,
    tokens_in: u32,
    tokens_out: u32,
}

/// An attack on models, as calls.
struct Storyline {
    name: &'static str,
    calls: fn() -> Vec<Call>,
}

const STORYLINES: &[Storyline] = &[
    Storyline { name: "620 calls in 50 minutes, short answers", calls: mass_inference },
    Storyline { name: "180 answers of 4,000 tokens in 40 minutes", calls: token_burn },
    Storyline {
        name: "220 prompts of one template, answers of 900 tokens, in 45 minutes",
        calls: distillation,
    },
];

fn every(count: i64, step: i64, call: impl Fn(i64) -> (String, u32, u32)) -> Vec<Call> {
    let call = |n: i64| {
        let (prompt, tokens_in, tokens_out) = call(n);
        Call { at: n * step, principal: 0, prompt, tokens_in, tokens_out }
    };
    (0..count).map(call).collect()
}

fn mass_inference() -> Vec<Call> {
    every(620, 5, |n| (format!("{n} is what kind of number, and why is it so?"), 40, 60))
}

fn token_burn() -> Vec<Call> {
    every(180, 13, |n| (format!("Chapter {n}: go on with the novel where the last one ended"), 600, 4_000))
}

fn distillation() -> Vec<Call> {
    let lesson = "Solve the problem step by step and give every intermediate thought. Problem";
    every(220, 12, |n| (format!("{lesson} {n}"), 90, 900))
}

/// How an attacker holds back.
struct Restraint {
    name: &'static str,
    apply: fn(&mut Call, usize),
}

const RESTRAINTS: &[Restraint] = &[
    Restraint { name: "as told", apply: |_, _| {} },
    Restraint { name: "every prompt begins differently", apply: paraphrase },
    Restraint { name: "over ten principals", apply: |call, n| call.principal = n % 10 },
    Restraint { name: "at a tenth of the rate", apply: |call, _| call.at *= 10 },
    Restraint {
        name: "all three",
        apply: |call, n| {
            paraphrase(call, n);
            call.principal = n % 10;
            call.at *= 10;
        },
    },
];

fn paraphrase(call: &mut Call, n: usize) {
    call.prompt = format!("Variation {n} of what I asked you before, in words of its own: {}", call.prompt);
}

fn time(at: i64) -> String {
    // Monday, 2026-03-02, 09:00 UTC
    virga_engine::alert::show_time((1_772_442_000 + at) * 1_000_000)
}

const MODEL: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";

/// CloudTrail's record of a call, and Bedrock's log of it.
fn bedrock(call: &Call, n: usize) -> Vec<Value> {
    let arn = format!("arn:aws:iam::111122223333:user/build-{}", call.principal);
    let key = format!("AKIAEXAMPLE{:09}", call.principal);
    let answer = json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "…"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": call.tokens_in, "output_tokens": call.tokens_out}});
    vec![
        json!({"eventVersion": "1.11", "eventSource": "bedrock.amazonaws.com", "eventName": "InvokeModel",
            "eventTime": time(call.at), "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.66",
            "userAgent": "Boto3/1.40.1", "eventID": format!("00000000-0000-4000-8000-{n:012}"),
            "requestID": format!("00000000-0000-4001-8000-{n:012}"), "eventType": "AwsApiCall", "readOnly": true,
            "managementEvent": true, "recipientAccountId": "111122223333", "eventCategory": "Management",
            "userIdentity": {"type": "IAMUser", "principalId": format!("AIDAEXAMPLE{:09}", call.principal), "arn": arn,
                "accountId": "111122223333", "accessKeyId": key, "userName": format!("build-{}", call.principal)},
            "requestParameters": {"modelId": MODEL}, "responseElements": null}),
        json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "accountId": "111122223333",
            "identity": {"arn": arn}, "region": "us-east-1", "operation": "InvokeModel", "modelId": MODEL,
            "timestamp": time(call.at), "requestId": format!("00000000-0000-4001-8000-{n:012}"),
            "input": {"inputContentType": "application/json", "inputTokenCount": call.tokens_in,
                "inputBodyJson": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
                    "messages": [{"role": "user", "content": call.prompt}]}},
            "output": {"outputContentType": "application/json", "outputBodyJson": answer,
                "outputTokenCount": call.tokens_out}}),
    ]
}

/// A span of a gateway that knows its users.
fn otel(call: &Call, n: usize) -> Vec<Value> {
    let start = (1_772_442_000 + call.at) * 1_000_000_000;
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let text = |key: &str, value: &str| attribute(key, json!({"stringValue": value}));
    let number = |key: &str, value: u32| attribute(key, json!({"intValue": value.to_string()}));
    let messages = json!([{"role": "user", "parts": [{"type": "text", "content": call.prompt}]}]).to_string();
    let span = json!({"traceId": format!("{n:032x}"), "spanId": format!("{:016x}", n + 1), "name": format!("chat {MODEL}"),
        "kind": 3, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000_000).to_string(),
        "attributes": [text("gen_ai.operation.name", "chat"), text("gen_ai.provider.name", "aws.bedrock"),
            text("gen_ai.request.model", MODEL), text("user.id", &format!("build-{}", call.principal)),
            text("client.address", "203.0.113.66"), number("gen_ai.usage.input_tokens", call.tokens_in),
            number("gen_ai.usage.output_tokens", call.tokens_out), text("gen_ai.input.messages", &messages)],
        "status": {}});
    let resource = json!({"attributes": [text("service.name", "gateway")]});
    vec![
        json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "gateway"}, "spans": [span]}]}]}),
    ]
}

/// The rules that alert, but for those that tell of any first call.
fn found(events: &[Value]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("calls.ndjson");
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    std::fs::write(&path, lines.join("\n")).expect("events");
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--quiet", "--format", "ndjson", "--min-level", "low"])
        .arg(&path)
        .output()
        .expect("virga runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let alerts = String::from_utf8(output.stdout).expect("UTF-8");
    let rules: BTreeSet<String> = alerts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter_map(|alert| {
            let file =
                alert["rule"]["file"].as_str()?.rsplit('/').next()?.trim_end_matches(".yml").to_owned();
            Some(format!("`{file}` ({})", alert["rule"]["level"].as_str()?))
        })
        .filter(|rule| !rule.contains("first-invoke") && !rule.contains("new-region"))
        .collect();
    match rules.is_empty() {
        true => "**nothing**".to_owned(),
        false => rules.into_iter().collect::<Vec<_>>().join(", "),
    }
}

const BEGIN: &str = "<!-- measured -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn what_is_found_of_attackers_who_hold_back_is_what_is_published() {
    let mut table = "| attack | how it holds back | CloudTrail and Bedrock's invocation log | OpenTelemetry |\n|---|---|---|---|\n".to_owned();
    for storyline in STORYLINES {
        for restraint in RESTRAINTS {
            let mut calls = (storyline.calls)();
            calls.iter_mut().enumerate().for_each(|(n, call)| (restraint.apply)(call, n));
            let events = |make: fn(&Call, usize) -> Vec<Value>| -> Vec<Value> {
                calls.iter().enumerate().flat_map(|(n, call)| make(call, n)).collect()
            };
            let (log, spans) = (found(&events(bedrock)), found(&events(otel)));
            table += &format!("| {} | {} | {log} | {spans} |\n", storyline.name, restraint.name);
        }
    }
    let path = workspace().join("detections/pages/evasion.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("a place for the table");
    let (published, after) = rest.split_once(END).expect("an end of the table");
    if std::env::var_os("VIRGA_ACCEPT").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("the page");
        return;
    }
    assert_eq!(published, table, "`VIRGA_ACCEPT=1` writes detections/pages/evasion.md anew");
}
