//! The storylines of the core correlations, as native log events: for each an attack that must raise its
//! alerts, and a benign lookalike that must not, though its events match the same base rules.
//!
//! In: nothing. Out: [`stories`], data that a test runs through the engine with the rules that ship.
//! They are those of the detection catalogue, part B, in its order (`B.1` is the first).
//!
//! A generator makes an event as its source writes it, but for time and id; [`stamp`] puts these in,
//! counted and never drawn by lot: every story begins on Monday, 2026-03-02 at 09:00 UTC, so that nobody
//! needs a clock. All stories happen in one company, whose lists are [`LISTS`]. Addresses are those for
//! documentation: 192.0.2.66 and 203.0.113.66 are an attacker's, 198.51.100.0/24 is the office,
//! 203.0.113.128/25 plays a range of AWS.

use serde_json::{Value, json};

/// An event and what is known of it beside the log.
pub struct Event {
    /// Seconds from the story's start.
    pub at: i64,
    /// The log source.
    pub source: &'static str,
    /// The event as its source writes it.
    pub raw: Value,
    /// Canonical columns that a lookup table would fill, or that the configuration would decide.
    pub enrich: Vec<(&'static str, Value)>,
}

/// A correlation's attack and its benign lookalike.
pub struct Story {
    /// The correlation under test.
    pub name: &'static str,
    /// The attack, in the order of time.
    pub attack: Vec<Event>,
    /// Correlations and the number of alerts that the attack raises of each.
    pub fires: &'static [(&'static str, usize)],
    /// The lookalike, in the order of time. It raises no alert of `name`.
    pub benign: Vec<Event>,
    /// What the `%placeholders%` of the rules stand for.
    pub lists: &'static [(&'static str, &'static [&'static str])],
}

/// All stories.
pub fn stories() -> Vec<Story> {
    let mut stories = vec![
        console_bruteforce_success(),
        longlived_key_new_network(),
        session_token_multi_network(),
        secrets_bulk_read(),
        access_denied_breadth(),
        password_spray(),
        mfa_fatigue_success(),
        impossible_travel(),
        sa_key_new_network(),
        backdoor_admin_user_chain(),
        bedrock_model_recon(),
        llmjacking_sequence(),
        bedrock_probe_errors(),
        bedrock_first_invoke_principal(),
        bedrock_apikey_new_network(),
        new_key_then_bedrock(),
        mass_inference(),
        token_burn(),
        distillation_shape(),
        usage_baseline(),
        localauth_then_keys(),
        weights_first_reader(),
        object_bytes(),
        training_data_bulk_read(),
        logging_tamper_then_exfil(),
    ];
    for (number, story) in (1..).zip(&mut stories) {
        for (side, events) in [(0xa, &mut story.attack), (0xb, &mut story.benign)] {
            events.sort_by_key(|event| event.at);
            for (count, event) in (1..).zip(events) {
                stamp(event, &uuid(number, side, count));
            }
        }
    }
    stories
}

const ATTACKER: &str = "192.0.2.66";
const ATTACKER_TOO: &str = "203.0.113.66";
const OFFICE: &str = "198.51.100.77";
const OFFICE_TOO: &str = "198.51.100.78";
const VPN: &str = "203.0.113.10";
const HOTEL: &str = "203.0.113.20";
const AWS_RANGE: &str = "203.0.113.140";

const ACCOUNT: &str = "111122223333";
const SISTER_ACCOUNT: &str = "444455556666";
const STRANGERS_ACCOUNT: &str = "999988887777";
const TENANT: &str = "0c5e7a91-3b2d-4f68-9a04-d1e8b6c3f702";
const SUBSCRIPTION: &str = "6b1f0d34-92c7-4e5a-8d13-7fa05b9c2e48";
const PROJECT: &str = "corp-ml";

const CLOUDTRAIL: &str = "aws.cloudtrail";
const INVOCATION: &str = "aws.bedrock_invocation";
const SIGN_IN: &str = "entra.signin";
const ACTIVITY: &str = "azure.activity";
const GCP_AUDIT: &str = "gcp.audit";

const SONNET: &str = "anthropic.claude-3-5-sonnet-20240620-v1:0";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The company's lists. Whoever stands in none of them is nobody in particular: `posture-scan` is a
/// scanner that nobody has registered.
const LISTS: &[(&str, &[&str])] = &[
    ("own_egress_ips", &[OFFICE, OFFICE_TOO]),
    ("trusted_accounts", &[ACCOUNT, SISTER_ACCOUNT]),
    ("org_buckets", &["corp-audit-archive"]),
    ("org_projects", &[PROJECT]),
    ("log_buckets", &["corp-audit-archive"]),
    ("training_buckets", &["s3://corp-training-data"]),
    ("ml_jobs", &["arn:aws:iam::111122223333:role/train-job"]),
    ("ml_deployers", &["arn:aws:iam::111122223333:role/ml-release"]),
    ("deployers", &["arn:aws:iam::111122223333:role/release"]),
    ("scanner_principals", &["arn:aws:iam::111122223333:role/nightly-audit"]),
    ("ai_service_principals", &["arn:aws:iam::111122223333:role/chat-prod"]),
];

fn story(
    name: &'static str,
    fires: &'static [(&'static str, usize)],
    attack: Vec<Event>,
    benign: Vec<Event>,
) -> Story {
    Story { name, attack, fires, benign, lists: LISTS }
}

// ---- the stories ----

/// B.1. Bob's guesses come between Alice's, so that only the group tells whose success follows whose
/// failures.
fn console_bruteforce_success() -> Story {
    let mut attack = every(7, 20, |_| console_login("alice", ATTACKER, Login::Failed));
    attack.push(console_login("alice", ATTACKER, Login::WithoutMfa).at(200));
    let alice = user_with_key("alice", &key("ASIA", "alice"));
    let created = access_key_created(&alice, ATTACKER, "alice", &key("AKIA", "alice2"));
    attack.push(created.at(260).in_console());

    let mut benign = every(3, 60, |_| console_login("alice", OFFICE, Login::Failed));
    benign.extend(every(6, 25, |_| console_login("bob", OFFICE, Login::Failed)));
    benign.push(console_login("alice", OFFICE, Login::WithMfa).at(180));
    story("aws-console-bruteforce-success", &[("aws-console-bruteforce-success", 1)], attack, benign)
}

/// B.2. The new key has no history that its network could be new to.
fn longlived_key_new_network() -> Story {
    let ci = user("ci");
    let listing = |who: &Value, ip: &str| call(who, ip, "s3", "ListBuckets", Value::Null);
    let history = || daily(5, 12, 7_000).map(|at| listing(&ci, OFFICE).at(at));

    let mut attack: Vec<Event> = history().collect();
    attack.push(call(&ci, ATTACKER, "sts", "GetCallerIdentity", Value::Null).at(5 * DAY + 100));
    attack.push(listing(&ci, ATTACKER).at(5 * DAY + 130));

    let mut benign: Vec<Event> = history().collect();
    benign.push(listing(&ci, OFFICE_TOO).at(5 * DAY + 100));
    benign.push(listing(&user_with_key("ci", &key("AKIA", "ci2")), ATTACKER_TOO).at(5 * DAY + 130));
    story("aws-longlived-key-new-network", &[("aws-longlived-key-new-network", 1)], attack, benign)
}

/// B.3. An AWS service that acts for the session has no network of its own.
fn session_token_multi_network() -> Story {
    let dev = role("dev", "mia");
    let instances = || call(&dev, OFFICE, "ec2", "DescribeInstances", json!({"maxResults": 100}));
    let attack = vec![
        instances(),
        call(&dev, ATTACKER, "s3", "ListBuckets", Value::Null).at(5 * MINUTE),
        call(&dev, ATTACKER_TOO, "iam", "ListUsers", Value::Null).at(12 * MINUTE),
    ];
    let service = "cloudformation.amazonaws.com";
    let mut on_behalf = call(&dev, service, "ec2", "DescribeVpcs", json!({})).at(12 * MINUTE);
    on_behalf.raw["userIdentity"]["invokedBy"] = json!(service);
    on_behalf.raw["userAgent"] = json!(service);
    let benign =
        vec![instances(), call(&dev, VPN, "s3", "ListBuckets", Value::Null).at(5 * MINUTE), on_behalf];
    story("aws-session-token-multi-network", &[("aws-session-token-multi-network", 1)], attack, benign)
}

/// B.4. Both read more than 15 times; only the attacker reads more than 15 secrets.
fn secrets_bulk_read() -> Story {
    let web = role("web", "i-0a1b2c3d4e5f60718");
    let secret = |ip: &str, name: String| {
        let arn = format!("arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:{name}");
        call(&web, ip, "secretsmanager", "GetSecretValue", json!({"secretId": arn}))
    };
    let mut attack = vec![call(&web, ATTACKER, "secretsmanager", "ListSecrets", json!({"maxResults": 100}))];
    attack.extend((0..22).map(|n| secret(ATTACKER, format!("app-{n}")).at(5 + 4 * n)));
    let benign = every(60, 10, |n| secret(AWS_RANGE, format!("web-{}", n % 3)).inside_aws());
    story("aws-secrets-bulk-read", &[("aws-secrets-bulk-read", 1)], attack, benign)
}

/// B.5. 200 refusals of one API are fewer APIs than 10 refusals of ten.
fn access_denied_breadth() -> Story {
    let svc = user("svc");
    let refused = "User is not authorized to perform this operation";
    let denied = |who: &Value, ip: &str, service: &str, name: &str| {
        call(who, ip, service, name, Value::Null).failed("AccessDenied", refused)
    };
    let tried = "iam:ListUsers iam:ListRoles iam:GetAccountAuthorizationDetails s3:ListBuckets \
        ec2:DescribeInstances lambda:ListFunctions20150331 secretsmanager:ListSecrets \
        rds:DescribeDBInstances kms:ListKeys eks:ListClusters";
    let tried = tried.split(' ').filter_map(|api| api.split_once(':'));
    let tried = tried.map(|(service, name)| denied(&svc, ATTACKER, service, name));
    let attack = (0..).zip(tried).map(|(n, event)| event.at(4 * n)).collect();
    let cron = user("nightly-report");
    let benign = every(200, 3, |_| denied(&cron, OFFICE, "s3", "ListBuckets"));
    story("aws-access-denied-breadth", &[("aws-access-denied-breadth", 1)], attack, benign)
}

/// B.6. One address fails for 18 users, or for six, each of whom then gets in.
fn password_spray() -> Story {
    let name = |n: i64| format!("user{n}@corp.example");
    let mut attack = every(18, 30, |n| sign_in(&name(n), &SINGAPORE, SignIn::WrongPassword));
    attack.push(sign_in(&name(7), &SINGAPORE, SignIn::Password).at(10 * MINUTE));

    let mut benign = every(8, 40, |n| sign_in(&name(n % 6), &FRANKFURT, SignIn::WrongPassword));
    benign.extend((0..6).map(|n| sign_in(&name(n), &FRANKFURT, SignIn::SecondFactor).at(340 + 20 * n)));
    story("entra-password-spray", &[("entra-password-spray", 1)], attack, benign)
}

/// B.7. Five prompts make a storm, two do not.
fn mfa_fatigue_success() -> Story {
    let cfo = "cfo@corp.example";
    let mut attack = every(6, 45, |_| sign_in(cfo, &SINGAPORE, SignIn::PromptDenied));
    attack.push(sign_in(cfo, &SINGAPORE, SignIn::SecondFactor).at(400));

    let mut benign = every(2, 70, |_| sign_in(cfo, &FRANKFURT, SignIn::PromptIgnored));
    benign.push(sign_in(cfo, &FRANKFURT, SignIn::SecondFactor).at(180));
    story("entra-mfa-fatigue-success", &[("entra-mfa-fatigue-success", 1)], attack, benign)
}

/// B.8. 10,300 km in 40 minutes, or in the 14½ hours of a flight; tokens are refreshed through an egress
/// on another continent meanwhile.
fn impossible_travel() -> Story {
    let ann = "ann@corp.example";
    let attack = vec![
        sign_in(ann, &FRANKFURT, SignIn::SecondFactor),
        sign_in(ann, &SINGAPORE, SignIn::SecondFactor).at(40 * MINUTE),
    ];
    let benign = vec![
        sign_in(ann, &FRANKFURT, SignIn::SecondFactor),
        sign_in(ann, &VIRGINIA, SignIn::Password).at(20 * MINUTE).not_interactive(),
        sign_in(ann, &Place { ip: HOTEL, ..SINGAPORE }, SignIn::SecondFactor).at(14 * HOUR + 30 * MINUTE),
    ];
    story("entra-impossible-travel", &[("entra-impossible-travel", 1)], attack, benign)
}

/// B.9. The lookalike's second key is old enough to be judged, but its nine calls are too few.
fn sa_key_new_network() -> Story {
    let buckets = |key, ip| gcp_call(key, ip, "storage.googleapis.com", "storage.buckets.list");
    let test = "google.cloud.resourcemanager.v3.Projects.TestIamPermissions";
    let mut attack = every(96, HOUR, |_| buckets("etl", OFFICE));
    let probe = gcp_call("etl", ATTACKER, "cloudresourcemanager.googleapis.com", test);
    attack.push(probe.at(4 * DAY + HOUR));
    attack.push(buckets("etl", ATTACKER).at(4 * DAY + HOUR + 20));

    let mut benign = every(96, HOUR, |n| buckets("etl", [OFFICE, OFFICE_TOO][usize::from(n > 90)]));
    benign.extend(daily(3, 3, 8 * HOUR).map(|at| buckets("export", OFFICE).at(at)));
    benign.push(buckets("export", ATTACKER_TOO).at(3 * DAY));
    story("gcp-sa-key-new-network", &[("gcp-sa-key-new-network", 1)], attack, benign)
}

/// B.10. The same three steps for one user, or for three.
fn backdoor_admin_user_chain() -> Story {
    let admin = role("admin", "ops");
    let steps = |created: &str, raised: &str, given: &str| {
        let user = json!({"userName": created});
        let policy = json!({"userName": raised, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
        let arn = format!("arn:aws:iam::{ACCOUNT}:user/{created}");
        vec![
            call(&admin, ATTACKER, "iam", "CreateUser", user).answered(
                json!({"user": {"path": "/", "userName": created, "userId": user_id(created), "arn": arn}}),
            ),
            call(&admin, ATTACKER, "iam", "AttachUserPolicy", policy).at(30),
            access_key_created(&admin, ATTACKER, given, &key("AKIA", given)).at(70),
        ]
    };
    let attack = steps("support-bot", "support-bot", "support-bot");
    let benign = steps("new-colleague", "platform-lead", "ci");
    story("aws-backdoor-admin-user-chain", &[("aws-backdoor-admin-user-chain", 1)], attack, benign)
}

/// B.11. One API forty times, or six APIs that a console's page asks by itself.
fn bedrock_model_recon() -> Story {
    let leaked = user("leaked");
    let attack = recon(&leaked, ATTACKER, &RECON[..4]);

    let app = role("catalogue", "task-1");
    let mut benign = every(40, 20, |_| call(&app, OFFICE, "bedrock", "ListFoundationModels", Value::Null));
    benign.extend(recon(&role("dev", "mia"), OFFICE, &RECON).into_iter().map(Event::in_console));
    story("aws-bedrock-model-recon", &[("aws-bedrock-model-recon", 1)], attack, benign)
}

/// B.12. Who looks round and who invokes must be one credential; a scanner and an application are two,
/// and a console's session looks round by itself.
fn llmjacking_sequence() -> Story {
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
fn bedrock_probe_errors() -> Story {
    let leaked = user("leaked");
    let probes = PROBED.iter().map(|model| probe(&leaked, ATTACKER, model));
    let attack = (0..).zip(probes).map(|(n, event)| event.at(15 * n)).collect();
    let dev = user("mia");
    let benign = every(50, 10, |_| probe(&dev, OFFICE, SONNET));
    story("aws-bedrock-probe-errors", &[("aws-bedrock-probe-errors", 1)], attack, benign)
}

/// B.14. A role's new session and key are not a new principal.
fn bedrock_first_invoke_principal() -> Story {
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
fn bedrock_apikey_new_network() -> Story {
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
fn new_key_then_bedrock() -> Story {
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
fn mass_inference() -> Story {
    let leaked = user("leaked");
    let attack = (0..620).map(|n| invoke(&leaked, ATTACKER, "InvokeModel").at(n * 24 / 5)).collect();
    let (chat, mia) = (role("chat-prod", "task-1"), user("mia"));
    let mut benign: Vec<Event> =
        (0..2_000).map(|n| invoke(&chat, OFFICE, "InvokeModel").at(n * 9 / 5)).collect();
    benign.extend(every(300, 12, |_| invoke(&mia, OFFICE, "InvokeModel")));
    story("ai-mass-inference", &[("ai-mass-inference", 1)], attack, benign)
}

/// B.18. Two million tokens of a registered service, 60,000 of a person.
fn token_burn() -> Story {
    let chapter = |n: i64| format!("Chapter {n}: go on with the novel where the last one ended");
    let attack = every(180, 13, |n| invocation("user/leaked", chapter(n), 600, 4_000));
    let mut benign = every(500, 7, |n| invocation("role/chat-prod", chapter(n), 600, 4_000));
    benign.extend(every(60, 58, |n| invocation("user/mia", chapter(n), 600, 1_000)));
    let fires = &[("ai-long-output-avg", 1), ("ai-output-p95", 1), ("ai-token-burn", 1)];
    story("ai-token-burn", fires, attack, benign)
}

/// B.19. One template, many prompts and long answers; the lookalikes lack the template, or the answers.
fn distillation_shape() -> Story {
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
fn usage_baseline() -> Story {
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
fn localauth_then_keys() -> Story {
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
fn weights_first_reader() -> Story {
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

/// B.23. Twelve gigabytes that leave, twelve that stay within AWS, three that leave.
fn object_bytes() -> Story {
    let table = |who: &Value, ip: &str, n: i64, size: f64| {
        get_object(who, ip, "corp-finance", &format!("2026/{n}.parquet"), size)
    };
    let (backup, etl, mia) = (user("backup"), role("etl", "i-0a9b8c7d6e5f40312"), user("mia"));
    let attack = every(240, 8, |n| table(&backup, ATTACKER, n, 5e7));
    let mut benign = every(240, 8, |n| table(&etl, AWS_RANGE, n, 5e7).inside_aws());
    benign.extend(every(30, 60, |n| table(&mia, OFFICE, n, 1e8)));
    story("exf-object-bytes", &[("exf-object-bytes", 1)], attack, benign)
}

/// B.24. 600 objects; or 3,000 of a registered job, and 600 reads of 40 objects.
fn training_data_bulk_read() -> Story {
    let shard = |who: &Value, ip: &str, n: i64| {
        get_object(who, ip, "corp-training-data", &format!("corpus/shard-{n:05}.jsonl"), 4e6)
    };
    let notebook = role("notebook", "SageMaker");
    let attack = (0..600).map(|n| shard(&notebook, ATTACKER, n).at(n * 6 / 5)).collect();
    let (job, mia) = (role("train-job", "job-7"), user("mia"));
    let mut benign: Vec<Event> =
        (0..3_000).map(|n| shard(&job, AWS_RANGE, n).at(n / 4).inside_aws()).collect();
    benign.extend(every(600, 1, |n| shard(&mia, OFFICE, n % 40)));
    story("exf-training-data-bulk-read", &[("exf-training-data-bulk-read", 1)], attack, benign)
}

/// B.25. The lookalike shares with the company's other account, which only the configuration knows, and
/// does so before the trail goes.
fn logging_tamper_then_exfil() -> Story {
    let admin = role("admin", "ops");
    let trail = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main");
    let selectors = json!([{"readWriteType": "WriteOnly", "includeManagementEvents": false,
        "dataResources": [], "excludeManagementEventSources": []}]);
    let weakened = json!({"trailName": trail, "eventSelectors": selectors});
    let taken = json!({"volumeId": "vol-0d4c3b2a190817263", "description": "copy"});
    let shared_with = |account: &str| {
        json!({"snapshotId": "snap-0f1e2d3c4b5a69788", "attributeType": "CREATE_VOLUME_PERMISSION",
            "createVolumePermission": {"add": {"items": [{"userId": account}]}}})
    };
    let done = |ip, service, name, request| call(&admin, ip, service, name, request);
    let attack = vec![
        done(ATTACKER, "bedrock", "DeleteModelInvocationLoggingConfiguration", Value::Null),
        done(ATTACKER, "cloudtrail", "PutEventSelectors", weakened).at(5 * MINUTE),
        done(ATTACKER, "ec2", "CreateSnapshot", taken)
            .answered(json!({"snapshotId": "snap-0f1e2d3c4b5a69788", "status": "pending"}))
            .at(3 * HOUR + 30 * MINUTE),
        done(ATTACKER, "ec2", "ModifySnapshotAttribute", shared_with(STRANGERS_ACCOUNT))
            .at(3 * HOUR + 31 * MINUTE),
    ];
    let mut shared = done(OFFICE, "ec2", "ModifySnapshotAttribute", shared_with(SISTER_ACCOUNT));
    shared.enrich.push(("grants_external", json!(false)));
    let lab = json!({"name": format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/lab")});
    let benign = vec![shared, done(OFFICE, "cloudtrail", "DeleteTrail", lab).at(3 * HOUR)];
    let fires = &[("aws-snapshot-exfil-chain", 1), ("mc-logging-tamper-then-exfil", 1)];
    story("mc-logging-tamper-then-exfil", fires, attack, benign)
}

// ---- time and ids ----

/// Events at equal distances, the first at the start.
fn every(count: i64, step: i64, event: impl Fn(i64) -> Event) -> Vec<Event> {
    (0..count).map(|n| event(n).at(n * step)).collect()
}

/// Times of some events a day at equal distances, for some days.
fn daily(days: i64, a_day: i64, step: i64) -> impl Iterator<Item = i64> {
    (0..days).flat_map(move |day| (0..a_day).map(move |n| day * DAY + n * step))
}

/// `2026-03-02T09:00:00` and so many seconds. No story lasts into April.
fn clock(at: i64) -> String {
    let second = 9 * HOUR + at;
    let (day, hour, minute) = (2 + second / DAY, second / HOUR % 24, second / MINUTE % 60);
    format!("2026-03-{day:02}T{hour:02}:{minute:02}:{:02}", second % MINUTE)
}

/// An id that no two events share.
fn uuid(story: u32, side: u32, count: i64) -> String {
    format!("{story:08x}-{side:04x}-4000-8000-{count:012x}")
}

/// Puts time and id where the event's source has them.
fn stamp(event: &mut Event, id: &str) {
    let now = format!("{}Z", clock(event.at));
    let raw = &mut event.raw;
    match event.source {
        CLOUDTRAIL => {
            raw["eventTime"] = json!(now);
            raw["eventID"] = json!(id);
            raw["requestID"] = json!(id.replacen("-4000-", "-4001-", 1));
        }
        INVOCATION => {
            raw["timestamp"] = json!(now);
            raw["requestId"] = json!(id);
        }
        SIGN_IN => {
            // the record is written after the sign-in
            raw["time"] = json!(format!("{}Z", clock(event.at + 75)));
            raw["correlationId"] = json!(id);
            let properties = &mut raw["properties"];
            properties["createdDateTime"] = json!(format!("{}+00:00", clock(event.at)));
            properties["id"] = json!(id);
            properties["correlationId"] = json!(id);
        }
        GCP_AUDIT => {
            raw["timestamp"] = json!(now);
            raw["receiveTimestamp"] = json!(format!("{}Z", clock(event.at + 1)));
            raw["protoPayload"]["requestMetadata"]["requestAttributes"]["time"] = json!(now);
            raw["insertId"] = json!(id.replace('-', ""));
        }
        // start and end of an operation have its id already
        _ => raw["time"] = json!(now),
    }
}

impl Event {
    fn new(source: &'static str, raw: Value) -> Self {
        Self { at: 0, source, raw, enrich: Vec::new() }
    }

    fn at(self, at: i64) -> Self {
        Self { at, ..self }
    }

    /// CloudTrail: the call was refused or went wrong.
    fn failed(mut self, code: &str, message: &str) -> Self {
        self.raw["errorCode"] = json!(code);
        self.raw["errorMessage"] = json!(message);
        self
    }

    /// CloudTrail: what the call gave back.
    fn answered(mut self, response: Value) -> Self {
        self.raw["responseElements"] = response;
        self
    }

    /// CloudTrail: the console made the call.
    fn in_console(mut self) -> Self {
        self.raw["sessionCredentialFromConsole"] = json!("true");
        self.raw["userAgent"] = json!(BROWSER);
        self
    }

    /// CloudTrail: the lookup table knows the address for one of a cloud.
    fn inside_aws(mut self) -> Self {
        self.enrich = vec![("src_is_cloud", json!(true))];
        self
    }

    /// Entra: a token was refreshed, and nobody was asked anything.
    fn not_interactive(mut self) -> Self {
        self.raw["category"] = json!("NonInteractiveUserSignInLogs");
        let properties = &mut self.raw["properties"];
        properties["isInteractive"] = json!(false);
        properties["signInEventTypes"] = json!(["nonInteractiveUser"]);
        self
    }
}

// ---- CloudTrail ----

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
const SDK: &str = "Boto3/1.40.52 md/Botocore#1.40.52 ua/2.1 os/linux#6.1.0-37-amd64 lang/python#3.12.3";

/// An id of AWS's shape out of a name: `AKIA`, `ci` → `AKIACI7777777EXAMPLE`.
fn aws_id(kind: &str, of: &str, length: usize) -> String {
    let letters = of.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
    let own: String = letters.chain(std::iter::repeat('7')).take(length).collect();
    format!("{kind}{own}EXAMPLE")
}

fn key(kind: &str, of: &str) -> String {
    aws_id(kind, of, 9)
}

fn user_id(name: &str) -> String {
    aws_id("AIDA", name, 10)
}

/// An IAM user with a long-lived key.
fn user(name: &str) -> Value {
    user_with_key(name, &key("AKIA", name))
}

fn user_with_key(name: &str, key: &str) -> Value {
    json!({"type": "IAMUser", "principalId": user_id(name), "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        "accountId": ACCOUNT, "accessKeyId": key, "userName": name})
}

/// A session of a role; its key is made of the session's name.
fn role(name: &str, session: &str) -> Value {
    let id = aws_id("AROA", name, 10);
    let issuer = json!({"type": "Role", "principalId": id, "arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
        "accountId": ACCOUNT, "userName": name});
    let attributes = json!({"creationDate": "2026-03-02T08:30:00Z", "mfaAuthenticated": "false"});
    json!({"type": "AssumedRole", "principalId": format!("{id}:{session}"),
        "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"), "accountId": ACCOUNT,
        "accessKeyId": key("ASIA", &format!("{session}{name}")),
        "sessionContext": {"sessionIssuer": issuer, "attributes": attributes}})
}

/// A call of an API. The company has a table of the clouds' addresses, without which rules that ask for
/// them do not run; this address is not in it.
fn call(who: &Value, ip: &str, service: &str, name: &str, request: Value) -> Event {
    let reads = ["Get", "List", "Describe", "Invoke", "Converse"].iter().any(|verb| name.starts_with(verb));
    let raw = json!({"eventVersion": "1.11", "userIdentity": who,
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
        "sourceIPAddress": ip, "userAgent": SDK, "requestParameters": request, "responseElements": null,
        "readOnly": reads, "eventType": "AwsApiCall", "managementEvent": true,
        "recipientAccountId": ACCOUNT, "eventCategory": "Management"});
    Event { enrich: vec![("src_is_cloud", json!(false))], ..Event::new(CLOUDTRAIL, raw) }
}

enum Login {
    Failed,
    WithoutMfa,
    WithMfa,
}

/// A sign-in to the console. One that fails names the user, but has no ARN yet.
fn console_login(name: &str, ip: &str, login: Login) -> Event {
    let mut identity = json!({"type": "IAMUser", "principalId": user_id(name), "accountId": ACCOUNT,
        "accessKeyId": "", "userName": name});
    let failed = matches!(login, Login::Failed);
    if !failed {
        identity["arn"] = json!(format!("arn:aws:iam::{ACCOUNT}:user/{name}"));
    }
    let mut event = call(&identity, ip, "signin", "ConsoleLogin", Value::Null);
    event.raw["userAgent"] = json!(BROWSER);
    event.raw["eventType"] = json!("AwsConsoleSignIn");
    event.raw["responseElements"] = json!({"ConsoleLogin": if failed { "Failure" } else { "Success" }});
    if failed {
        event.raw["errorMessage"] = json!("Failed authentication");
    }
    let mfa = if matches!(login, Login::WithMfa) { "Yes" } else { "No" };
    event.raw["additionalEventData"] = json!({"LoginTo": "https://console.aws.amazon.com/console/home",
        "MobileVersion": "No", "MFAUsed": mfa});
    event
}

fn access_key_created(who: &Value, ip: &str, of: &str, key: &str) -> Event {
    let made = json!({"accessKey": {"userName": of, "accessKeyId": key, "status": "Active"}});
    call(who, ip, "iam", "CreateAccessKey", json!({"userName": of})).answered(made)
}

/// A read of an object, of so many bytes; CloudTrail writes them as a float.
fn get_object(who: &Value, ip: &str, bucket: &str, object: &str, bytes: f64) -> Event {
    let host = format!("{bucket}.s3.us-east-1.amazonaws.com");
    let request = json!({"bucketName": bucket, "Host": host, "key": object});
    let mut event = call(who, ip, "s3", "GetObject", request);
    event.raw["additionalEventData"] = json!({"SignatureVersion": "SigV4", "AuthenticationMethod": "AuthHeader",
        "bytesTransferredIn": 0.0, "bytesTransferredOut": bytes});
    event.raw["resources"] = json!([
        {"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{object}")},
        {"type": "AWS::S3::Bucket", "ARN": format!("arn:aws:s3:::{bucket}"), "accountId": ACCOUNT}]);
    event.raw["managementEvent"] = json!(false);
    event.raw["eventCategory"] = json!("Data");
    event
}

// ---- Bedrock ----

/// What somebody asks who looks round, 45 seconds apart; the first four are an attacker's.
const RECON: [&str; 6] = [
    "ListFoundationModels",
    "GetModelInvocationLoggingConfiguration",
    "GetFoundationModelAvailability",
    "ListFoundationModelAgreementOffers",
    "ListInferenceProfiles",
    "ListCustomModels",
];

fn recon(who: &Value, ip: &str, calls: &[&str]) -> Vec<Event> {
    let asked = |name: &str| match name {
        "GetFoundationModelAvailability" | "ListFoundationModelAgreementOffers" => json!({"modelId": SONNET}),
        _ => Value::Null,
    };
    let calls = calls.iter().map(|name| call(who, ip, "bedrock", name, asked(name)));
    (0..).zip(calls).map(|(n, event)| event.at(45 * n)).collect()
}

/// Models that a stolen key is tried on.
const PROBED: [&str; 4] = [
    "anthropic.claude-v2",
    "anthropic.claude-3-opus-20240229-v1:0",
    "meta.llama3-70b-instruct-v1:0",
    "mistral.mistral-large-2402-v1:0",
];

/// A call that is meant to fail on its input, and so tells that the model would have answered.
fn probe(who: &Value, ip: &str, model: &str) -> Event {
    let mut event =
        invoke(who, ip, "InvokeModel").failed("ValidationException", "max_tokens: must not be negative");
    event.raw["requestParameters"] = json!({"modelId": model});
    event
}

/// A model answers: CloudTrail's record, which knows neither prompt nor tokens.
fn invoke(who: &Value, ip: &str, name: &str) -> Event {
    call(who, ip, "bedrock", name, json!({"modelId": SONNET}))
}

/// A model answers: the invocation log's record, which knows neither address nor key. `who` is
/// `user/<name>` or `role/<name>`.
fn invocation(who: &str, prompt: String, tokens_in: u32, tokens_out: u32) -> Event {
    let arn = match who.strip_prefix("role/") {
        Some(role) => format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/task-1"),
        None => format!("arn:aws:iam::{ACCOUNT}:{who}"),
    };
    let usage = json!({"input_tokens": tokens_in, "output_tokens": tokens_out});
    let asked = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{"role": "user", "content": prompt}]});
    let answer = json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "…"}],
        "stop_reason": "end_turn", "usage": usage});
    let raw = json!({"schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "accountId": ACCOUNT,
        "identity": {"arn": arn}, "region": "us-east-1", "operation": "InvokeModel", "modelId": SONNET,
        "input": {"inputContentType": "application/json", "inputBodyJson": asked, "inputTokenCount": tokens_in},
        "output": {"outputContentType": "application/json", "outputBodyJson": answer,
            "outputTokenCount": tokens_out}});
    Event::new(INVOCATION, raw)
}

// ---- Entra ----

/// Where a sign-in comes from, as Entra says it.
struct Place {
    ip: &'static str,
    asn: u32,
    city: &'static str,
    country: &'static str,
    latitude: f64,
    longitude: f64,
}

const FRANKFURT: Place =
    Place { ip: OFFICE, asn: 64500, city: "Frankfurt", country: "DE", latitude: 50.11, longitude: 8.68 };
const SINGAPORE: Place =
    Place { ip: ATTACKER, asn: 64505, city: "Singapore", country: "SG", latitude: 1.29, longitude: 103.85 };
const VIRGINIA: Place =
    Place { ip: VPN, asn: 64510, city: "Ashburn", country: "US", latitude: 39.04, longitude: -77.49 };

#[derive(Clone, Copy, PartialEq)]
enum SignIn {
    WrongPassword,
    PromptDenied,
    PromptIgnored,
    Password,
    SecondFactor,
}

impl SignIn {
    /// Error code, reason of a failure, details.
    fn result(self) -> (u32, &'static str, Option<&'static str>) {
        let wrong = "Error validating credentials due to invalid username or password.";
        let prompt = "Authentication failed during strong authentication request.";
        match self {
            Self::WrongPassword => (50126, wrong, None),
            Self::PromptDenied => (500121, prompt, Some("MFA denied; user declined the authentication")),
            Self::PromptIgnored => (500121, prompt, Some("MFA denied; user did not respond to the prompt")),
            Self::Password => (0, "Other.", None),
            Self::SecondFactor => (0, "Other.", Some("MFA requirement satisfied by claim in the token")),
        }
    }

    /// The requirement, and the steps taken.
    fn steps(self) -> (&'static str, Value) {
        let step = |method: &str, succeeded: bool, requirement: &str| {
            json!({"authenticationMethod": method, "succeeded": succeeded,
                "authenticationStepRequirement": requirement})
        };
        let password = step("Password", self != Self::WrongPassword, "Primary authentication");
        if matches!(self, Self::WrongPassword | Self::Password) {
            return ("singleFactorAuthentication", json!([password]));
        }
        let granted = self == Self::SecondFactor;
        let prompt = step("Mobile app notification", granted, "Multi-factor authentication");
        ("multiFactorAuthentication", json!([password, prompt]))
    }
}

/// An interactive sign-in, as it comes through an event hub.
fn sign_in(user: &str, place: &Place, kind: SignIn) -> Event {
    let (code, reason, details) = kind.result();
    let (requirement, steps) = kind.steps();
    let name = user.split('@').next().unwrap_or(user);
    let location = json!({"city": place.city, "countryOrRegion": place.country,
        "geoCoordinates": {"altitude": null, "latitude": place.latitude, "longitude": place.longitude}});
    let properties = json!({"userDisplayName": name, "userPrincipalName": user, "userType": "member",
        "appId": "c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "appDisplayName": "Azure Portal",
        "ipAddress": place.ip, "autonomousSystemNumber": place.asn, "location": location,
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": details},
        "clientAppUsed": "Browser", "userAgent": BROWSER, "isInteractive": true,
        "signInEventTypes": ["interactiveUser"], "authenticationProtocol": "none",
        "authenticationRequirement": requirement, "authenticationDetails": steps,
        "conditionalAccessStatus": if code == 0 { "success" } else { "notApplied" },
        "riskState": "none", "riskLevelDuringSignIn": "none", "riskLevelAggregated": "none",
        "resourceDisplayName": "Microsoft Graph", "resourceId": "00000003-0000-0000-c000-000000000000",
        "homeTenantId": TENANT, "resourceTenantId": TENANT, "servicePrincipalId": ""});
    let raw = json!({"resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"),
        "operationName": "Sign-in activity", "operationVersion": "1.0", "category": "SignInLogs",
        "tenantId": TENANT, "resultType": code.to_string(), "resultSignature": "None", "durationMs": 0,
        "callerIpAddress": place.ip, "identity": name, "Level": 4, "location": place.country,
        "properties": properties});
    Event::new(SIGN_IN, raw)
}

// ---- Azure Activity ----

/// An operation on an account of an AI service, as it comes through an event hub: the record of its
/// start, which has the request, and that of its end a second later. No two begin at one time.
fn operation(at: i64, resource: &str, name: &str, request: Option<Value>) -> [Event; 2] {
    let scope = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/{resource}"
    );
    let action = format!("Microsoft.CognitiveServices/accounts/{name}");
    let upn = "eve@corp.example";
    let claims = json!({"aud": "https://management.core.windows.net/", "ipaddr": ATTACKER,
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": upn,
        "http://schemas.microsoft.com/claims/authnmethodsreferences": "pwd",
        "http://schemas.microsoft.com/identity/claims/tenantid": TENANT, "uti": "kF3vQz8mT0aLw6XyRb2NAA"});
    let record = |status: &str, signature: &str, properties: Value| {
        let raw = json!({"resourceId": scope.to_uppercase(), "operationName": action.to_uppercase(),
            "category": "Administrative", "resultType": status, "resultSignature": signature,
            "durationMs": "0", "callerIpAddress": ATTACKER, "correlationId": uuid(21, 0xc, at),
            "identity": {"authorization": {"scope": scope, "action": action}, "claims": claims},
            "level": "Information", "properties": properties, "tenantId": TENANT});
        Event::new(ACTIVITY, raw)
    };
    let common = json!({"eventCategory": "Administrative", "entity": scope, "message": action});
    let (mut asked, mut answered) = (common.clone(), common);
    if let Some(body) = request {
        asked["requestbody"] = json!(body.to_string());
    }
    answered["statusCode"] = json!("OK");
    [record("Start", "Started.", asked).at(at), record("Success", "Succeeded.OK", answered).at(at + 1)]
}

// ---- Google Cloud ----

/// A call that is signed with a service account's key; each account has one.
fn gcp_call(account: &str, ip: &str, service: &str, method: &str) -> Event {
    let email = format!("{account}@{PROJECT}.iam.gserviceaccount.com");
    let key =
        format!("//iam.googleapis.com/projects/{PROJECT}/serviceAccounts/{email}/keys/5c1e0d7f3a29b864");
    let who = json!({"principalEmail": email, "principalSubject": format!("serviceAccount:{email}"),
        "serviceAccountKeyName": key});
    let payload = json!({"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "status": {},
        "authenticationInfo": who, "serviceName": service, "methodName": method,
        "requestMetadata": {"callerIp": ip, "callerSuppliedUserAgent": "google-cloud-sdk gcloud/551.0.0",
            "requestAttributes": {"auth": {}}, "destinationAttributes": {}},
        "authorizationInfo": [{"resource": format!("projects/{PROJECT}"), "granted": true}],
        "resourceName": format!("projects/{PROJECT}")});
    let raw = json!({"protoPayload": payload, "severity": "INFO",
        "resource": {"type": "project", "labels": {"project_id": PROJECT}},
        "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Fdata_access")});
    Event::new(GCP_AUDIT, raw)
}
