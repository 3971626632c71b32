//! AI services of the other clouds: Azure OpenAI with a token and with a key, Vertex AI, and an agent that
//! tells of itself by OpenTelemetry.
//!
//! In: a moment. Out: an hour of an application, or one conversation of the agent, as each log has it. The
//! log of Azure hides the last octet of the caller's address, and tells of each call twice: what was asked
//! for, and how many tokens it took.

use serde_json::{Value, json};

use super::calendar::{MINUTE, Rhythm, iso_with};
use super::company::{AI_SUBSCRIPTION, AZURE_WRITER, GCP_RANKER, NAT_GCP, PEOPLE, PROJECT};
use super::{Habit, Scene, gcp, ids, models};

pub const HABITS: &[Habit] = &[
    Habit { name: "product texts", share: 2_500, rhythm: Rhythm::Hours, tell: product_texts },
    Habit { name: "translation", share: 1_900, rhythm: Rhythm::Always(24), tell: translation },
    Habit { name: "search ranking", share: 1_500, rhythm: Rhythm::Always(24), tell: ranking },
    Habit { name: "order desk", share: 1_800, rhythm: Rhythm::Work(16), tell: order_desk },
];

/// An application's calls of one deployment.
struct Deployment {
    account: &'static str,
    /// Who calls; nobody, where a key is used.
    caller: &'static str,
    network: &'static str,
    name: &'static str,
    model: &'static str,
    version: &'static str,
}

const TEXTS: Deployment = Deployment {
    account: "EXAMPLE-TEXTS",
    caller: AZURE_WRITER,
    network: "198.51.100.***",
    name: "texts-prod",
    model: "gpt-4.1",
    version: "2025-04-14",
};

const TRANSLATION: Deployment = Deployment {
    account: "EXAMPLE-TRANSLATE",
    caller: "",
    network: "198.51.100.***",
    name: "translate-prod",
    model: "gpt-4.1-mini",
    version: "2025-04-14",
};

/// An hour in which texts for products are written, by somebody who presses a button.
fn product_texts(scene: &mut Scene<'_>) {
    hour(scene, &TEXTS, (24, 70));
}

/// An hour of a service that translates, day and night.
fn translation(scene: &mut Scene<'_>) {
    hour(scene, &TRANSLATION, (18, 46));
}

fn hour(scene: &mut Scene<'_>, of: &Deployment, (low, high): (u32, u32)) {
    let calls = scene.rng.between(low, high);
    for _ in 0..calls {
        azure_call(scene, of);
        scene.at += i64::from(scene.rng.below(2 * 3_500_000 / calls));
    }
}

fn azure_call(scene: &mut Scene<'_>, of: &Deployment) {
    let correlation = ids::guid(&mut scene.rng);
    let (sent, made) = (180 + scene.rng.below(900), 60 + scene.rng.below(420));
    // a quota is used up now and then
    let refused = scene.rng.chance(3);
    let took = if refused { 4 } else { 300 + made * 14 };
    let noise = scene.rng.draw();
    let resource = format!(
        "/SUBSCRIPTIONS/{}/RESOURCEGROUPS/RG-AI/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/{}",
        AI_SUBSCRIPTION.to_uppercase(),
        of.account
    );
    // ticks of 100 nanoseconds since the year 1
    let ticks = (scene.at + 62_135_596_800_000) * 10_000;
    let head = |scene: &Scene<'_>, category: &str| {
        json!({
            "time": iso_with(scene.at, 7, noise),
            "resourceId": resource,
            "category": category,
            "operationName": "ChatCompletions_Create",
            "correlationId": correlation,
            "event": "ShoeboxCallResult",
            "location": "swedencentral",
            "Tenant": "swedencentral",
        })
    };
    let mut call = head(scene, "RequestResponse");
    call["resultSignature"] = json!(if refused { "429" } else { "200" });
    call["durationMs"] = json!(took);
    call["callerIpAddress"] = json!(of.network);
    call["properties"] = json!({
        "apiName": "Azure OpenAI API version 2024-10-21",
        "requestTime": ticks,
        "requestLength": sent * 5,
        "responseTime": ticks + i64::from(took) * 10_000,
        "responseLength": if refused { 212 } else { 900 + made * 5 },
        "objectId": of.caller,
        "streamType": "Non-Streaming",
        "modelDeploymentName": of.name,
        "modelName": of.model,
        "modelVersion": of.version,
    });
    scene.put(&call);
    if refused {
        return;
    }
    scene.at += i64::from(took);
    let mut usage = head(scene, "AzureOpenAIRequestUsage");
    usage["properties"] = json!({
        "apiName": "Azure OpenAI API version 2024-10-21",
        "callerObjectId": of.caller,
        "streamType": "Non-Streaming",
        "modelDeploymentName": of.name,
        "modelName": of.model,
        "modelVersion": of.version,
        "promptTokens": [sent],
        "generatedTokens": [made],
        "cachedTokens": [0],
    });
    scene.put(&usage);
}

/// An hour of the service that puts what is found into order, with a model of Vertex AI.
fn ranking(scene: &mut Scene<'_>) {
    let night = !(5..22).contains(&(scene.at.rem_euclid(24 * 60 * MINUTE) / (60 * MINUTE)));
    let calls = if night { scene.rng.between(8, 16) } else { scene.rng.between(30, 80) };
    let model =
        format!("projects/{PROJECT}/locations/europe-west3/publishers/google/models/gemini-2.5-flash");
    for _ in 0..calls {
        let mut entry = gcp::Entry::of(GCP_RANKER, NAT_GCP, "google-genai-sdk/1.60.0 gl-python/3.13.11");
        entry.service = "aiplatform.googleapis.com";
        entry.method = "google.cloud.aiplatform.v1.PredictionService.GenerateContent";
        entry.permission = "aiplatform.endpoints.predict";
        entry.kind = "DATA_READ";
        entry.resource.clone_from(&model);
        entry.request = json!({
            "@type": "type.googleapis.com/google.cloud.aiplatform.v1.GenerateContentRequest",
            "model": model,
        });
        if scene.rng.chance(3) {
            entry.status = Some((8, "Resource exhausted. Please try again later."));
        }
        gcp::tell(scene, entry);
        scene.at += i64::from(scene.rng.below(2 * 3_500_000 / calls));
    }
}

/// One conversation of the agent that helps at the order desk: what it is asked, models, tools.
fn order_desk(scene: &mut Scene<'_>) {
    let trace = ids::hex(&mut scene.rng, 32);
    let conversation = format!("conv_{}", ids::small(&mut scene.rng, 20));
    let user = PEOPLE[6 + scene.rng.below(19) as usize].upn();
    let root = ids::hex(&mut scene.rng, 16);
    let begun = scene.at;
    let asked = models::question(scene);
    let turns = scene.rng.between(2, 5);
    for turn in 0..turns {
        let chat = chat_span(scene, &trace, &root, (&conversation, &user, &asked), turn);
        scene.put(&chat);
        scene.pass(200, 900);
        if turn + 1 < turns {
            let tool = tool_span(scene, &trace, &root, (&conversation, &user));
            scene.put(&tool);
            scene.pass(100, 700);
        }
    }
    let mut span = span(begun, scene.at, &trace, &root, "invoke_agent order-desk", 1);
    span["attributes"] = json!({
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.agent.name": "order-desk",
        "gen_ai.conversation.id": conversation,
        "user.id": user,
    });
    scene.put(&span);
}

fn span(begun: i64, ended: i64, trace: &str, id: &str, name: &str, kind: u32) -> Value {
    json!({
        "traceId": trace,
        "spanId": id,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": (begun * 1_000_000).to_string(),
        "endTimeUnixNano": (ended * 1_000_000).to_string(),
        "status": {},
        "attributes": {},
        "resource": {"attributes": {
            "service.name": "order-desk",
            "service.version": "1.14.2",
            "deployment.environment.name": "prod",
            "telemetry.sdk.language": "python",
            "k8s.namespace.name": "order-desk",
        }},
        "scope": {"name": "opentelemetry.instrumentation.langchain", "version": "0.50.1"},
    })
}

/// A span below the agent's.
fn inner(scene: &mut Scene<'_>, trace: &str, root: &str, name: &str, kind: u32, took: (u32, u32)) -> Value {
    let (begun, id) = (scene.at, ids::hex(&mut scene.rng, 16));
    scene.pass(took.0, took.1);
    let mut span = span(begun, scene.at, trace, &id, name, kind);
    span["parentSpanId"] = json!(root);
    span
}

fn chat_span(scene: &mut Scene<'_>, trace: &str, root: &str, of: (&str, &str, &str), turn: u32) -> Value {
    let model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let mut span = inner(scene, trace, root, &format!("chat {model}"), 3, (900, 4_500));
    let (conversation, user, asked) = of;
    let messages = json!([
        {
            "role": "system",
            "parts": [
                {
                    "type": "text",
                    "content": "You help colleagues at the order desk. Use the tools; never guess a number.",
                },
            ],
        },
        {"role": "user", "parts": [{"type": "text", "content": asked}]},
    ]);
    span["attributes"] = json!({
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.finish_reasons": [if turn == 0 { "tool_use" } else { "end_turn" }],
        "gen_ai.usage.input_tokens": 700 + turn * 400 + scene.rng.below(300),
        "gen_ai.usage.output_tokens": 40 + scene.rng.below(220),
        "gen_ai.conversation.id": conversation,
        "gen_ai.agent.name": "order-desk",
        "gen_ai.input.messages": messages.to_string(),
        "server.address": "bedrock-runtime.eu-central-1.amazonaws.com",
        "server.port": 443,
        "user.id": user,
    });
    if scene.rng.chance(4) {
        span["status"] = json!({"code": 2, "message": "Too many requests, please wait before trying again."});
        span["attributes"]["error.type"] = json!("ThrottlingException");
    }
    span
}

fn tool_span(scene: &mut Scene<'_>, trace: &str, root: &str, of: (&str, &str)) -> Value {
    let (tool, arguments) = [
        ("find_order", json!({"number": ids::digits(&mut scene.rng, 7)})),
        ("stock_of", json!({"article": ids::digits(&mut scene.rng, 6)})),
        ("carrier_status", json!({"parcel": ids::digits(&mut scene.rng, 12)})),
        ("note_on_order", json!({"number": ids::digits(&mut scene.rng, 7), "text": "customer calls back"})),
    ]
    .into_iter()
    .nth(scene.rng.below(4) as usize)
    .unwrap_or(("find_order", Value::Null));
    let mut span = inner(scene, trace, root, &format!("execute_tool {tool}"), 1, (30, 900));
    span["attributes"] = json!({
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": format!("tooluse_{}", ids::small(&mut scene.rng, 22)),
        "gen_ai.tool.call.arguments": arguments.to_string(),
        "gen_ai.conversation.id": of.0,
        "gen_ai.agent.name": "order-desk",
        "user.id": of.1,
    });
    span
}
