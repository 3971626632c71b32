//! Stolen and new credentials, sign-ins, keys that move: `B.1` to `B.10`.

use super::*;

/// B.1. Bob's guesses come between Alice's, so that only the group tells whose success follows whose
/// failures.
pub(super) fn console_bruteforce_success() -> Story {
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
pub(super) fn longlived_key_new_network() -> Story {
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
pub(super) fn session_token_multi_network() -> Story {
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
pub(super) fn secrets_bulk_read() -> Story {
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
pub(super) fn access_denied_breadth() -> Story {
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
pub(super) fn password_spray() -> Story {
    let name = |n: i64| format!("user{n}@corp.example");
    let mut attack = every(18, 30, |n| sign_in(&name(n), &SINGAPORE, SignIn::WrongPassword));
    attack.push(sign_in(&name(7), &SINGAPORE, SignIn::Password).at(10 * MINUTE));

    let mut benign = every(8, 40, |n| sign_in(&name(n % 6), &FRANKFURT, SignIn::WrongPassword));
    benign.extend((0..6).map(|n| sign_in(&name(n), &FRANKFURT, SignIn::SecondFactor).at(340 + 20 * n)));
    story("entra-password-spray", &[("entra-password-spray", 1)], attack, benign)
}

/// B.7. Five prompts make a storm, two do not.
pub(super) fn mfa_fatigue_success() -> Story {
    let cfo = "cfo@corp.example";
    let mut attack = every(6, 45, |_| sign_in(cfo, &SINGAPORE, SignIn::PromptDenied));
    attack.push(sign_in(cfo, &SINGAPORE, SignIn::SecondFactor).at(400));

    let mut benign = every(2, 70, |_| sign_in(cfo, &FRANKFURT, SignIn::PromptIgnored));
    benign.push(sign_in(cfo, &FRANKFURT, SignIn::SecondFactor).at(180));
    story("entra-mfa-fatigue-success", &[("entra-mfa-fatigue-success", 1)], attack, benign)
}

/// B.8. 10,300 km in 40 minutes, or in the 14½ hours of a flight; tokens are refreshed through an egress
/// on another continent meanwhile.
pub(super) fn impossible_travel() -> Story {
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
pub(super) fn sa_key_new_network() -> Story {
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
pub(super) fn backdoor_admin_user_chain() -> Story {
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
