//! Models that are looked for, tried, used and stolen: `B.11` to `B.22`.

use super::*;

/// B.11. One API forty times, or six APIs that a console's page asks by itself.
pub(super) fn bedrock_model_recon() -> Story {
    let leaked = user("leaked");
    let attack = recon(&leaked, ATTACKER, &RECON[..4]);

    let app = role("catalogue", "task-1");
    let mut benign = every(40, 20, |_| call(&app, OFFICE, "bedrock", "ListFoundationModels", Value::Null));
    benign.extend(recon(&role("dev", "mia"), OFFICE, &RECON).into_iter().map(Event::in_console));
    story("aws-bedrock-model-recon", &[("aws-bedrock-model-recon", 1)], attack, benign)
}

/// B.12. Who looks round and who invokes must be one credential; a scanner and an application are two,
/// and a console's session looks round by itself.
pub(super) fn llmjacking_sequence() -> Story {
    let leaked = user("leaked");
    let mut attack = recon(&leaked, ATTACKER, &RECON[..4]);
    let probes = PROBED.iter().take(3).map(|model| probe(&leaked, ATTACKER, model));
    attack.extend((0..).zip(probes).map(|(n, event)| event.at(5 * MINUTE + 15 * n)));
    let form = json!({"formData": "eyJjb21wYW55TmFtZSI6ICJDb3JwIiwgInVzZUNhc2VzIjogImNoYXQifQ=="});
    attack.push(call(&leaked, ATTACKER, "bedrock", "PutUseCaseForModelAccess", form).at(8 * MINUTE));
    attack.extend((0..30).map(|n| invoke(&leaked, ATTACKER, "InvokeModel").at(10 * MINUTE + 20 * n)));

    let mut benign = recon(&role("posture-scan", "weekly"), OFFICE, &RECON[..4]);
    let chat = role("chat-prod", "task-1");
    benign.extend(every(30, 20, |_| invoke(&chat, OFFICE, "InvokeModel")));
    let mia = role("dev", "mia");
    benign.extend(recon(&mia, OFFICE, &RECON).into_iter().map(Event::in_console));
    let asked = |n: i64| invoke(&mia, OFFICE, "ConverseStream").at(6 * MINUTE + 30 * n).in_console();
    benign.extend((0..5).map(asked));
    let fires = &[
        ("aws-bedrock-model-recon", 1),
        ("aws-bedrock-probe-errors", 1),
        ("aws-llmjacking-sequence", 1),
        ("aws-bedrock-enable-then-invoke", 1),
    ];
    story("aws-llmjacking-sequence", fires, attack, benign)
}

/// B.13. Four models that fail once each, or one that fails fifty times.
pub(super) fn bedrock_probe_errors() -> Story {
    let leaked = user("leaked");
    let probes = PROBED.iter().map(|model| probe(&leaked, ATTACKER, model));
    let attack = (0..).zip(probes).map(|(n, event)| event.at(15 * n)).collect();
    let dev = user("mia");
    let benign = every(50, 10, |_| probe(&dev, OFFICE, SONNET));
    story("aws-bedrock-probe-errors", &[("aws-bedrock-probe-errors", 1)], attack, benign)
}

/// B.14. A role's new session and key are not a new principal.
pub(super) fn bedrock_first_invoke_principal() -> Story {
    let old = role("chat-prod", "task-1");
    let history = || daily(5, 10, 3_000).map(|at| invoke(&old, OFFICE, "InvokeModel").at(at));
    let mut attack: Vec<Event> = history().collect();
    attack.push(invoke(&role("web", "task-9"), ATTACKER, "Converse").at(5 * DAY));

    let mut benign: Vec<Event> = history().collect();
    benign.push(invoke(&role("chat-prod", "task-2"), OFFICE, "InvokeModel").at(5 * DAY));
    let name = "aws-bedrock-first-invoke-principal";
    story(name, &[("aws-bedrock-first-invoke-principal", 1)], attack, benign)
}

/// B.15. A long-term API key is a user of its own, and its calls are signed by no access key.
pub(super) fn bedrock_apikey_new_network() -> Story {
    let mut bearer = user("BedrockAPIKey-826f");
    bearer.as_object_mut().map(|identity| identity.remove("accessKeyId"));
    let asked = |ip: &str| {
        let mut event = invoke(&bearer, ip, "InvokeModel");
        event.raw["additionalEventData"] = json!({"callWithBearerToken": true});
        event
    };
    let mut attack = every(16, 11_000, |_| asked(OFFICE));
    attack.push(asked(ATTACKER).at(3 * DAY));
    let benign = every(20, 11_000, |n| asked([OFFICE, OFFICE_TOO][usize::from(n > 14)]));
    story("aws-bedrock-apikey-new-network", &[("aws-bedrock-apikey-new-network", 1)], attack, benign)
}

/// B.16. The lookalike's call is the same user's, with the key that it had before.
pub(super) fn new_key_then_bedrock() -> Story {
    let admin = role("admin", "ops");
    let fresh = key("AKIA", "mail2");
    let signed_by = |name: &str, key: &str, ip| invoke(&user_with_key(name, key), ip, "InvokeModel");
    let attack = vec![
        access_key_created(&admin, ATTACKER, "svc-mail", &fresh),
        signed_by("svc-mail", &fresh, ATTACKER).at(14 * MINUTE),
    ];
    let benign = vec![
        access_key_created(&admin, OFFICE, "ci", &key("AKIA", "ci2")),
        signed_by("ci", &key("AKIA", "ci"), OFFICE).at(14 * MINUTE),
    ];
    story("aws-new-key-then-bedrock", &[("aws-new-key-then-bedrock", 1)], attack, benign)
}

/// B.17. 2,000 calls of a registered service, 300 of a person.
pub(super) fn mass_inference() -> Story {
    let leaked = user("leaked");
    let attack = (0..620).map(|n| invoke(&leaked, ATTACKER, "InvokeModel").at(n * 24 / 5)).collect();
    let (chat, mia) = (role("chat-prod", "task-1"), user("mia"));
    let mut benign: Vec<Event> =
        (0..2_000).map(|n| invoke(&chat, OFFICE, "InvokeModel").at(n * 9 / 5)).collect();
    benign.extend(every(300, 12, |_| invoke(&mia, OFFICE, "InvokeModel")));
    story("ai-mass-inference", &[("ai-mass-inference", 1)], attack, benign)
}

/// B.18. Two million tokens of a registered service, 60,000 of a person.
pub(super) fn token_burn() -> Story {
    let chapter = |n: i64| format!("Chapter {n}: go on with the novel where the last one ended");
    let attack = every(180, 13, |n| invocation("user/leaked", chapter(n), 600, 4_000));
    let mut benign = every(500, 7, |n| invocation("role/chat-prod", chapter(n), 600, 4_000));
    benign.extend(every(60, 58, |n| invocation("user/mia", chapter(n), 600, 1_000)));
    let fires = &[("ai-long-output-avg", 1), ("ai-output-p95", 1), ("ai-token-burn", 1)];
    story("ai-token-burn", fires, attack, benign)
}

/// B.19. One template, many prompts and long answers; the lookalikes lack the template, or the answers.
pub(super) fn distillation_shape() -> Story {
    let lesson = "Solve the problem step by step and give every intermediate thought. Problem";
    let ticket = "Is the following support ticket about billing, about access, or neither? Ticket";
    let chat = |n: i64| format!("{n} rivers are on my map. Which of them carry ice in a cold spring?");
    let attack = every(220, 12, |n| invocation("role/research", format!("{lesson} {n}"), 90, 900));
    let mut benign = every(220, 12, |n| invocation("user/mia", chat(n), 30, 900));
    benign.extend(every(600, 6, |n| invocation("role/ticket-router", format!("{ticket} {n}"), 90, 5)));
    let fires = &[("ai-long-output-avg", 1), ("ai-distillation-shape", 1)];
    story("ai-distillation-shape", fires, attack, benign)
}

/// B.20. 80 hours of 8,000 tokens; then an hour of 402,000, or a busy one of 24,000, which is far above
/// what it was and below what counts. Answers are short but the attacker's: averages are taken hour by
/// hour, and those of the history would raise alerts of their own.
pub(super) fn usage_baseline() -> Story {
    let asked = |n: i64, tokens_in, tokens_out| {
        invocation("role/chat-prod", format!("Request {n}: where is my order?"), tokens_in, tokens_out)
    };
    let history = || every(360, 800, |n| asked(n, 1_280, 500));
    let mut attack = history();
    let start = 80 * HOUR + 400;
    attack.extend((0..60).map(|n| asked(1_000 + n, 3_700, 3_000).at(start + 10 * n)));
    let mut benign = history();
    benign.extend((0..12).map(|n| asked(1_000 + n, 1_500, 500).at(start + 250 * n)));
    let fires = &[("ai-usage-baseline", 1)];
    story("ai-usage-baseline", fires, attack, benign)
}

/// B.21. Each operation leaves a record of its start, with the request, and one of its end.
pub(super) fn localauth_then_keys() -> Story {
    let write = |at, resource, body: Value| operation(at, resource, "write", Some(body));
    let list_keys = |at, resource| operation(at, resource, "listKeys/action", None);
    let with_keys = || json!({"properties": {"disableLocalAuth": false}});
    let tags = json!({"tags": {"team": "search"}});
    let attack = [write(0, "aoai-prod", with_keys()), list_keys(90, "aoai-prod")].into_iter().flatten();
    let benign = [
        write(0, "aoai-search", tags),
        list_keys(90, "aoai-search"),
        write(300, "aoai-lab", with_keys()),
        list_keys(390, "aoai-test"),
    ];
    let (attack, benign) = (attack.collect(), benign.into_iter().flatten().collect());
    let name = "azure-openai-localauth-then-keys";
    story(name, &[("azure-openai-localauth-then-keys", 1)], attack, benign)
}

/// B.22. A read of the weights is the reader's role, whichever instance it runs on; a read of the page
/// beside them is no read of the weights.
pub(super) fn weights_first_reader() -> Story {
    const BUCKET: &str = "corp-model-artifacts";
    let (server, analyst) = (role("model-server", "i-0b7e5d3c1a9f86420"), user("analyst"));
    let shard = |who: &Value, ip: &str, version: i64, n: i64, size: f64| {
        get_object(who, ip, BUCKET, &format!("llm/v{version}/model-{n:05}.safetensors"), size)
    };
    let served = |who: &Value, n: i64| shard(who, AWS_RANGE, n % 3, n % 6, 2e9).inside_aws();
    let history = || (0..).zip(daily(5, 6, 4_000)).map(|(n, at)| served(&server, n).at(at));

    let mut attack: Vec<Event> = history().collect();
    attack.extend((0..4).map(|n| shard(&analyst, ATTACKER, 3, n, 4.9e9).at(5 * DAY + MINUTE * n)));

    let mut benign: Vec<Event> = history().collect();
    let more = ["i-0c1d2e3f4a5b60711", "i-0d1e2f3a4b5c60722", "i-0e1f2a3b4c5d60733", "i-0f1a2b3c4d5e60744"];
    let started = more.map(|instance| role("model-server", instance));
    benign.extend((0..).zip(&started).map(|(n, who)| served(who, n).at(5 * DAY + 30 * n)));
    benign.push(get_object(&analyst, ATTACKER, BUCKET, "llm/v3/README.md", 4_200.0).at(5 * DAY + 200));
    let fires = &[("ai-weights-first-reader", 1), ("ai-weights-bulk-download", 1), ("exf-object-bytes", 1)];
    story("ai-weights-first-reader", fires, attack, benign)
}
