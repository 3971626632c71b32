//! Amazon Bedrock: two services and a batch job in production, and three people who try models out.
//!
//! In: a moment. Out: an hour of a service, a night of the batch, a sitting at the playground: each call
//! twice, in CloudTrail and, where invocations are logged, with prompt and answer.
//!
//! The services send a system prompt that stays and messages that vary, one of them behind a preamble that
//! also stays. The batch begins every message alike and gets some hundred answers of moderate length in a
//! row: by its outline alone it might be somebody who copies the model.

use serde_json::{Value, json};

use super::calendar::{Rhythm, day_of, iso};
use super::cloudtrail::{Call, Caller, permission_set, tell};
use super::company::{
    self, DATA, EXPERIMENTERS, NAT_PROD, PEOPLE, REGION, ROLE_ASSISTANT, ROLE_SEARCH, ROLE_SUMMARIES,
};
use super::{Habit, Scene, ids};

pub const HABITS: &[Habit] = &[
    Habit { name: "support assistant", share: 4_200, rhythm: Rhythm::Hours, tell: assistant },
    Habit { name: "contract search", share: 2_600, rhythm: Rhythm::Hours, tell: search },
    Habit { name: "nightly summaries", share: 6_700, rhythm: Rhythm::Workdaily(60), tell: summaries },
    Habit { name: "playground", share: 650, rhythm: Rhythm::Work(3), tell: playground },
];

const SONNET: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const HAIKU: &str = "eu.anthropic.claude-haiku-4-5-20251001-v1:0";
const TITAN: &str = "amazon.titan-embed-text-v2:0";

/// Words and phrases out of which customers' and colleagues' texts are made.
const THINGS: [&str; 16] = [
    "the standing desk",
    "a bookshelf in oak",
    "the blue armchair",
    "two bar stools",
    "the lamp with the linen shade",
    "a wardrobe with three doors",
    "the children's bed",
    "a set of six chairs",
    "the outdoor table",
    "a mattress, 140 by 200",
    "the hallway mirror",
    "a rug, wool, grey",
    "the kitchen trolley",
    "a sideboard in walnut",
    "the desk drawer unit",
    "a coat stand",
];
const ASKED: [&str; 14] = [
    "Where is my order {n}? It should have had {t} in it.",
    "Can I send back {t} after assembling it? Order {n}.",
    "{t} arrived with a scratch. What now?",
    "Is {t} available in another colour, and how long would it take?",
    "I was charged twice for {t}, the numbers are {n} and the one before.",
    "The manual of {t} lacks page {p}. Could you send it to me?",
    "How much weight does {t} carry?",
    "Please change the address of order {n}; we move on the {p}th.",
    "Do you deliver {t} to the {p}th floor without a lift?",
    "My voucher does not work with {t}.",
    "Which screws go with {t}? Two are missing.",
    "When will {t} be back in stock? I have waited for {p} days.",
    "Can somebody call me about {t}? I am at home after {p} o'clock.",
    "Does {t} fit beside a window that is {p}0 centimetres wide?",
];
const MOODS: [&str; 6] = [
    "Thank you!",
    "This is the second time I ask.",
    "Kind regards from Halle.",
    "It is a present.",
    "No hurry.",
    "",
];

/// What a customer writes.
pub fn question(scene: &mut Scene<'_>) -> String {
    let number = ids::digits(&mut scene.rng, 7);
    let page = scene.rng.between(2, 28).to_string();
    let text = scene.pick(&ASKED).replace("{n}", &number).replace("{p}", &page);
    let text = text.replace("{t}", scene.pick(&THINGS));
    format!("{text} {}", scene.pick(&MOODS)).trim().to_owned()
}

/// An answer of about so many tokens.
fn answer(scene: &mut Scene<'_>, tokens: u32) -> String {
    let mut text = String::new();
    while text.len() < tokens as usize * 4 {
        text.push_str(scene.pick(&[
            "I have looked into your order and can tell you that it left our warehouse. ",
            "You may send the item back within thirty days, also if it has been assembled. ",
            "A colleague will contact you about the damaged part today. ",
            "The parcel service will ring at your door; the driver carries it to the kerb. ",
            "Please take a picture of the scratch, so that we can send you the right part. ",
            "The missing page is attached below. ",
        ]));
    }
    text.trim_end().to_owned()
}

/// One call of a model.
struct Ask<'a> {
    operation: &'static str,
    model: &'a str,
    body: Value,
    output: Value,
    tokens: (u32, u32),
    error: Option<(&'static str, &'static str)>,
}

/// Tells of a call in CloudTrail, and in the invocation log if the region has one.
fn ask(scene: &mut Scene<'_>, who: &Caller, ask: Ask<'_>) {
    let id = ids::guid(&mut scene.rng);
    let mut call = Call::read("bedrock", ask.operation).with(json!({"modelId": ask.model})).under(&id);
    let elsewhere = ask
        .model
        .starts_with("eu.")
        .then(|| scene.pick(&["eu-central-1", "eu-west-1", "eu-west-3", "eu-north-1"]));
    if let Some(region) = elsewhere {
        call = call.adds(json!({"inferenceRegion": region}));
    }
    if let Some((code, message)) = ask.error {
        tell(scene, who, call.fails(code, message));
        return;
    }
    tell(scene, who, call);
    if who.region == REGION {
        invocation(scene, who, &id, ask, elsewhere);
    }
}

/// The record of an invocation, with prompt and answer. It is written when the answer is complete.
fn invocation(scene: &mut Scene<'_>, who: &Caller, id: &str, ask: Ask<'_>, elsewhere: Option<&str>) {
    let begun = scene.at;
    scene.pass(600, 900 + ask.tokens.1 * 12);
    let model = match elsewhere {
        Some(_) => format!("arn:aws:bedrock:{REGION}:{}:inference-profile/{}", who.account, ask.model),
        None => ask.model.to_owned(),
    };
    let mut record = json!({
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": iso(begun),
        "accountId": who.account,
        "identity": {"arn": who.arn},
        "region": REGION,
        "requestId": id,
        "operation": ask.operation,
        "modelId": model,
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": ask.body,
            "inputTokenCount": ask.tokens.0,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": ask.output,
            "outputTokenCount": ask.tokens.1,
        },
    });
    if let Some(region) = elsewhere {
        record["inferenceRegion"] = json!(region);
    }
    let then = std::mem::replace(&mut scene.at, begun);
    scene.put(&record);
    scene.at = then;
}

/// A conversation as `Converse` takes it, and what it gives.
fn converse(system: &str, messages: Value, most: u32) -> Value {
    json!({
        "messages": messages,
        "system": [{"text": system}],
        "inferenceConfig": {"maxTokens": most, "temperature": 0.2},
    })
}

fn spoken(text: &str, stop: &str, tokens: (u32, u32)) -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop,
        "metrics": {"latencyMs": 400 + tokens.1 * 11},
        "usage": {"inputTokens": tokens.0, "outputTokens": tokens.1, "totalTokens": tokens.0 + tokens.1},
    })
}

const ASSISTANT: &str = "You answer customers of Example Furniture. Be brief and friendly. Never promise a date that is not in the order. Hand over to a colleague where somebody is hurt, angry twice, or asks for money.";

/// An hour of the assistant that answers customers.
fn assistant(scene: &mut Scene<'_>) {
    let pod = format!("support-assistant-{}", ids::small(&mut ids::of("replica set"), 9));
    let agent = "aws-sdk-js/3.971.0 ua/2.1 os/linux#6.1.159 lang/js md/nodejs#22.22.0 api/bedrock_runtime#3.971.0 m/N,E,e";
    let calls = scene.rng.between(50, 170);
    for _ in 0..calls {
        let who = Caller::pod(scene, ROLE_ASSISTANT, &pod, NAT_PROD, agent);
        let mut messages = vec![json!({"role": "user", "content": [{"text": question(scene)}]})];
        if scene.rng.chance(350) {
            messages.push(
                json!({"role": "assistant", "content": [{"text": "May I have the number of your order?"}]}),
            );
            let number = format!("It is {}. {}", ids::digits(&mut scene.rng, 7), scene.pick(&MOODS));
            messages.push(json!({"role": "user", "content": [{"text": number.trim()}]}));
        }
        let tokens = (420 + scene.rng.below(260), 60 + scene.rng.below(190));
        let text = answer(scene, tokens.1);
        let body = converse(ASSISTANT, Value::Array(messages), 400);
        // somebody swears at it now and then
        let output = if scene.rng.chance(3) {
            let mut output = spoken("I would rather talk about furniture.", "guardrail_intervened", tokens);
            output["trace"] = json!({
                "guardrail": {
                    "inputAssessment": {
                        "7k2mv0q4xw1p": {
                            "contentPolicy": {
                                "filters": [{"type": "INSULTS", "confidence": "MEDIUM", "action": "BLOCKED"}],
                            },
                        },
                    },
                },
            });
            output
        } else {
            spoken(&text, "end_turn", tokens)
        };
        let busy = ("ThrottlingException", "Too many requests, please wait before trying again.");
        let error = scene.rng.chance(4).then_some(busy);
        ask(scene, &who, Ask { operation: "Converse", model: SONNET, body, output, tokens, error });
        scene.at += i64::from(scene.rng.below(2 * 3_400_000 / calls));
    }
}

const SEARCH: &str = "You help the purchasing department to find clauses in contracts. Quote the passage and name the contract.";

/// An hour of the search in contracts: the question becomes numbers, the passages that are near become part
/// of a message.
fn search(scene: &mut Scene<'_>) {
    let pod = format!("contract-search-{}", ids::small(&mut ids::of("replica set of search"), 9));
    let agent = "Boto3/1.42.30 md/Botocore#1.42.30 ua/2.1 os/linux#6.1.159 md/arch#x86_64 lang/python#3.13.11 langchain-aws/1.2.1";
    let calls = scene.rng.between(14, 34);
    for _ in 0..calls {
        let who = Caller::pod(scene, ROLE_SEARCH, &pod, NAT_PROD, agent);
        let asked = scene.pick(&[
            "Which notice period is agreed with the supplier",
            "What are the penalties for late delivery by",
            "Who bears the freight in the contract with",
            "Until when are prices fixed with",
            "Is there a right of audit in the agreement with",
        ]);
        let supplier = format!("{asked} supplier {}?", scene.rng.between(100, 460));
        let vector: Vec<Value> =
            (0..6).map(|_| json!(f64::from(scene.rng.below(2_000)) / 10_000.0)).collect();
        let count = supplier.len() as u32 / 4;
        let embed = Ask {
            operation: "InvokeModel",
            model: TITAN,
            body: json!({"inputText": supplier, "dimensions": 1_024, "normalize": true}),
            output: json!({"embedding": vector, "inputTextTokenCount": count}),
            tokens: (count, 0),
            error: None,
        };
        ask(scene, &who, embed);
        scene.pass(300, 900);
        let passages: Vec<String> = (1..=4)
            .map(|n| {
                format!(
                    "[{n}] Contract {}, section {}: {}",
                    ids::digits(&mut scene.rng, 5),
                    scene.rng.between(2, 19),
                    answer(scene, 60)
                )
            })
            .collect();
        let message = format!(
            "Use only the passages below to answer the question.\n\n{}\n\nQuestion: {supplier}",
            passages.join("\n\n")
        );
        let tokens = (900 + scene.rng.below(700), 90 + scene.rng.below(220));
        let body = converse(SEARCH, json!([{"role": "user", "content": [{"text": message}]}]), 800);
        let output = spoken(&answer(scene, tokens.1), "end_turn", tokens);
        // in the third week a cheaper model is found to be good enough
        let model = if day_of(scene.at) < 17 { SONNET } else { HAIKU };
        ask(scene, &who, Ask { operation: "Converse", model, body, output, tokens, error: None });
        scene.at += i64::from(scene.rng.below(2 * 3_200_000 / calls));
    }
}

/// A night's batch: the day's conversations are summarised, one after the other.
fn summaries(scene: &mut Scene<'_>) {
    let agent =
        "Boto3/1.42.30 md/Botocore#1.42.30 ua/2.1 os/linux#6.1.159 md/arch#x86_64 lang/python#3.13.11";
    let session = format!("nightly-summaries-{}", scene.nth + 29_500_000);
    for _ in 0..scene.rng.between(150, 200) {
        let who = Caller::pod(scene, ROLE_SUMMARIES, &session, NAT_PROD, agent);
        let turns: Vec<String> = (0..scene.rng.between(2, 6))
            .map(|_| format!("Customer: {}\nAgent: {}", question(scene), answer(scene, 30)))
            .collect();
        let text = format!(
            "Summarise the following support conversation in three sentences and name the product and the next step.\n\n{}",
            turns.join("\n")
        );
        let tokens = (260 + scene.rng.below(700), 110 + scene.rng.below(150));
        let body = json!({
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 400,
            "temperature": 0,
            "messages": [{"role": "user", "content": text}],
        });
        let output = json!({
            "id": format!("msg_bdrk_{}", ids::small(&mut scene.rng, 24)),
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5-20251001",
            "content": [{"type": "text", "text": answer(scene, tokens.1)}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": tokens.0, "output_tokens": tokens.1},
        });
        ask(scene, &who, Ask { operation: "InvokeModel", model: HAIKU, body, output, tokens, error: None });
        scene.pass(300, 4_000);
    }
}

/// What people who try something out write.
const TRIED: [&str; 8] = [
    "Write a regular expression that finds order numbers of seven digits.",
    "Explain what this query does, and why it is slow: SELECT * FROM orders WHERE lower(mail) = $1",
    "Translate into French: The shelf is delivered in two parcels.",
    "Give me five names for a line of garden furniture.",
    "Turn this list into JSON: desk 12, chair 40, lamp 7",
    "Which of these reviews are about delivery? 1) Came late. 2) Wobbles. 3) Box was wet.",
    "Draft a polite reply to a supplier who wants to raise prices by four per cent.",
    "Summarise our return policy in two sentences: thirty days, free, assembled or not.",
];

/// Somebody tries models out, in the console or with a script.
fn playground(scene: &mut Scene<'_>) {
    let who = EXPERIMENTERS[scene.nth % 3];
    let (account, by_hand) = (DATA, scene.rng.chance(550));
    let set = permission_set(PEOPLE[who].team, account);
    let script = "Boto3/1.42.25 md/Botocore#1.42.25 ua/2.1 os/macos#25.2.0 md/arch#arm64 lang/python#3.13.11 md/pyimpl#CPython";
    let agent = if by_hand { company::browser(who) } else { script };
    // newer models are in America first
    let region = if scene.rng.chance(250) { "us-east-1" } else { REGION };
    let mut caller = Caller::person(who, account, set, scene.at, agent).in_region(region);
    if by_hand {
        caller = caller.in_console();
        for name in ["ListFoundationModels", "ListInferenceProfiles", "ListProvisionedModelThroughputs"] {
            tell(scene, &caller, Call::read("bedrock", name));
            scene.pass(100, 700);
        }
    }
    let models: &[&str] = if region == REGION {
        &[SONNET, HAIKU, "eu.amazon.nova-pro-v1:0", "mistral.mistral-large-2402-v1:0"]
    } else {
        &["us.anthropic.claude-opus-4-5-20251101-v1:0", "us.amazon.nova-premier-v1:0"]
    };
    let model = scene.pick(models);
    for _ in 0..scene.rng.between(3, 12) {
        try_out(scene, &caller, model, by_hand);
        scene.pass(9_000, 160_000);
    }
}

fn try_out(scene: &mut Scene<'_>, caller: &Caller, model: &str, by_hand: bool) {
    let text = scene.pick(&TRIED);
    let tokens = (20 + text.len() as u32 / 4, 80 + scene.rng.below(520));
    let body = converse("You are helpful.", json!([{"role": "user", "content": [{"text": text}]}]), 1_024);
    let output = spoken(&answer(scene, tokens.1), "end_turn", tokens);
    let error = match scene.rng.below(60) {
        0 => Some(("AccessDenied", "You don't have access to the model with the specified model ID.")),
        1 => Some(("ValidationException", "The provided model identifier is invalid.")),
        _ => None,
    };
    let operation = if by_hand { "ConverseStream" } else { "Converse" };
    ask(scene, caller, Ask { operation, model, body, output, tokens, error });
}
