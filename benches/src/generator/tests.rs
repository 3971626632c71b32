//! What the generator promises: the same bytes for a seed, valid events of the measured shape, and exactly
//! as many attacks as it says.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::attacks::ATTACKS;
use super::rng::fnv;
use super::{AttackKind, Config, EventKind, Generator, ndjson, service_shares};

/// FNV-1a of the first 10,000 events of seed 1. It changes whenever a table does; that is fine, but all
/// figures published before are then figures of another trail.
const FIRST_TEN_THOUSAND: u64 = 11315948752370839619;

/// The fields that every record of CloudTrail has.
const MANDATORY: [&str; 16] = [
    "eventVersion",
    "userIdentity",
    "eventTime",
    "eventSource",
    "eventName",
    "awsRegion",
    "sourceIPAddress",
    "userAgent",
    "requestParameters",
    "responseElements",
    "eventID",
    "readOnly",
    "eventType",
    "managementEvent",
    "recipientAccountId",
    "eventCategory",
];

fn events(config: Config, count: usize) -> Vec<(EventKind, String, Value)> {
    let mut generator = Generator::new(config);
    (0..count)
        .map(|_| {
            let mut line = Vec::new();
            let kind = generator.next_into(&mut line);
            let line = String::from_utf8(line).expect("events are UTF-8");
            let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            (kind, line, event)
        })
        .collect()
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    assert_eq!(fnv(&ndjson(1, 10_000)), FIRST_TEN_THOUSAND);
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_eq!(ndjson(2, 50), ndjson(2, 50));
    assert_ne!(ndjson(2, 50), ndjson(3, 50));
}

#[test]
fn more_events_begin_with_the_same_events() {
    let (few, many) = (ndjson(4, 100), ndjson(4, 300));
    assert_eq!(few, many[..few.len()]);
}

#[test]
fn every_event_is_a_record() {
    for (_, line, event) in events(Config { seed: 5, attack_rate: 0.05, ..Config::default() }, 8_000) {
        for field in MANDATORY {
            assert!(event.get(field).is_some(), "{field} is missing: {line}");
        }
        assert!(!line.replace("<sensitiveDataRemoved>", "").contains('<'), "a token was not filled: {line}");
        let own = event.pointer("/userIdentity/accountId").and_then(Value::as_str);
        assert!(own.is_none_or(|own| own == text(&event, "/recipientAccountId")), "{line}");
        assert_eq!(event.get("requestID").is_some(), text(&event, "/eventType") == "AwsApiCall", "{line}");
        assert!(event.get("errorCode").is_none_or(|code| code.as_str() != Some("")), "{line}");
    }
}

#[test]
fn fields_stand_in_the_order_of_the_trail() {
    const ORDER: [&str; 26] = [
        "eventVersion",
        "userIdentity",
        "eventTime",
        "eventSource",
        "eventName",
        "awsRegion",
        "sourceIPAddress",
        "userAgent",
        "errorCode",
        "errorMessage",
        "requestParameters",
        "responseElements",
        "additionalEventData",
        "requestID",
        "eventID",
        "readOnly",
        "resources",
        "eventType",
        "managementEvent",
        "recipientAccountId",
        "sharedEventID",
        "serviceEventDetails",
        "vpcEndpointId",
        "eventCategory",
        "tlsDetails",
        "sessionCredentialFromConsole",
    ];
    for (_, line, event) in events(Config { seed: 6, ..Config::default() }, 2_000) {
        let fields = event.as_object().expect("an object").keys();
        let places: Vec<Option<usize>> =
            fields.map(|field| ORDER.iter().position(|known| known == field)).collect();
        assert!(places.is_sorted() && !places.contains(&None), "{line}");
    }
}

#[test]
fn sizes_are_those_of_real_events() {
    let mut sizes: Vec<usize> = events(Config { seed: 7, ..Config::default() }, 5_000)
        .iter()
        .map(|(_, line, _)| line.len())
        .collect();
    sizes.sort_unstable();
    let mean = sizes.iter().sum::<usize>() / sizes.len();
    assert!((1_150..1_400).contains(&mean), "mean {mean}");
    let p95 = sizes[sizes.len() * 95 / 100];
    assert!((1_650..2_050).contains(&p95), "95th percentile {p95}");
}

#[test]
fn values_are_fresh() {
    let events = events(Config { seed: 8, ..Config::default() }, 5_000);
    let distinct = |field: fn(&Value) -> String| {
        let values: HashSet<String> = events.iter().map(|(.., event)| field(event)).collect();
        values.len() as f64 / events.len() as f64
    };
    let ratios = [
        ("eventID", distinct(|event| event["eventID"].to_string()), 1.0..=1.0),
        ("requestID", distinct(|event| event["requestID"].to_string()), 0.98..=1.0),
        ("requestParameters", distinct(|event| event["requestParameters"].to_string()), 0.85..=0.99),
        ("eventName", distinct(|event| event["eventName"].to_string()), 0.03..=0.1),
        ("userAgent", distinct(|event| event["userAgent"].to_string()), 0.3..=0.6),
        ("sourceIPAddress", distinct(|event| event["sourceIPAddress"].to_string()), 0.25..=0.6),
        ("arn", distinct(|event| event["userIdentity"]["arn"].to_string()), 0.2..=0.6),
        ("recipientAccountId", distinct(|event| event["recipientAccountId"].to_string()), 0.005..=0.02),
    ];
    for (field, ratio, range) in ratios {
        assert!(range.contains(&ratio), "{field}: {ratio}");
    }
}

#[test]
fn the_mix_is_that_of_the_tables() {
    let events = events(Config { seed: 9, ..Config::default() }, 10_000);
    let mut sources: BTreeMap<&str, u32> = BTreeMap::new();
    for (.., event) in &events {
        *sources.entry(text(event, "/eventSource").trim_end_matches(".amazonaws.com")).or_default() += 1;
    }
    let total: u32 = service_shares().map(|(.., share)| share).sum();
    for (host, _, share) in service_shares().filter(|(.., share)| *share >= 300) {
        let want = share * 10_000 / total;
        let got = sources.get(host).copied().unwrap_or(0);
        assert!(got.abs_diff(want) < want / 5, "{host}: {got} of {want}");
    }
    let share = |of: fn(&Value) -> bool| events.iter().filter(|(.., event)| of(event)).count();
    let read_only = share(|event| event["readOnly"] == true);
    assert!((7_500..8_600).contains(&read_only), "read-only {read_only}");
    let errors = share(|event| event.get("errorCode").is_some());
    assert!((400..800).contains(&errors), "errors {errors}");
    let assumed = share(|event| text(event, "/userIdentity/type") == "AssumedRole");
    assert!((3_000..5_000).contains(&assumed), "assumed roles {assumed}");
}

#[test]
fn there_are_as_many_kinds_of_call_as_a_busy_organisation_makes() {
    let calls: HashSet<String> = events(Config { seed: 10, ..Config::default() }, 10_000)
        .iter()
        .map(|(.., event)| format!("{} {}", text(event, "/eventSource"), text(event, "/eventName")))
        .collect();
    assert!(calls.len() > 250, "{}", calls.len());
}

#[test]
fn time_grows_with_the_disorder_of_a_trail() {
    let config = Config { seed: 11, events_per_second: 100, start_time: 1_000_000_000, ..Config::default() };
    let mut generator = Generator::new(config);
    let (mut late, mut latest) = (0, 0);
    for i in 0..10_000_i64 {
        generator.next_into(&mut Vec::new());
        let time = generator.origin().time;
        assert!(time <= 1_000_000_000 + i / 100 && time >= 1_000_000_000 + i / 100 - 300);
        late += u32::from(time < latest);
        latest = latest.max(time);
    }
    assert!((3_000..6_000).contains(&late), "{late} of 10,000 are late");
}

#[test]
fn attacks_come_at_the_rate_asked_for() {
    for (rate, range) in [(0.0, 0..=0), (0.002, 60..=140), (0.5, 24_500..=25_500), (1.0, 50_000..=50_000)] {
        let mut generator = Generator::new(Config { seed: 12, attack_rate: rate, ..Config::default() });
        let mut out = Vec::new();
        for _ in 0..50_000 {
            out.clear();
            generator.next_into(&mut out);
        }
        let counts = generator.counts();
        assert!(range.contains(&counts.attacks()), "{rate}: {}", counts.attacks());
        assert_eq!(counts.benign() + counts.attacks(), 50_000);
    }
}

#[test]
fn every_kind_of_attack_is_made_and_counted() {
    let mut generator = Generator::new(Config { seed: 13, attack_rate: 1.0, ..Config::default() });
    let mut seen: BTreeMap<AttackKind, u64> = BTreeMap::new();
    for _ in 0..2_000 {
        match generator.next_into(&mut Vec::new()) {
            EventKind::Attack(kind) => *seen.entry(kind).or_default() += 1,
            EventKind::Benign => panic!("a benign event at a rate of one"),
        }
    }
    assert_eq!(seen.len(), ATTACKS.len());
    assert!(generator.counts().each().all(|(kind, count)| seen.get(&kind) == Some(&count)));
}

#[test]
fn an_attack_can_be_told_by_its_fields_and_nothing_else_looks_like_it() {
    for (kind, line, event) in events(Config { seed: 14, attack_rate: 0.1, ..Config::default() }, 10_000) {
        let found = recognised(&event).map_or(EventKind::Benign, EventKind::Attack);
        assert_eq!(found, kind, "{line}");
        if kind != EventKind::Benign {
            assert!(event.get("errorCode").is_none(), "an attack failed: {line}");
        }
    }
}

/// What a rule would see.
fn recognised(event: &Value) -> Option<AttackKind> {
    let params = event["requestParameters"].to_string();
    let by_user = text(event, "/userIdentity/accessKeyId").starts_with("AKIA");
    if text(event, "/userIdentity/type") == "Root" {
        return Some(AttackKind::RootActivity);
    }
    Some(match text(event, "/eventName") {
        "ConsoleLogin" if text(event, "/additionalEventData/MFAUsed") == "No" => AttackKind::LoginWithoutMfa,
        "AuthorizeSecurityGroupIngress" if params.contains("0.0.0.0/0") => AttackKind::OpenSecurityGroup,
        "PutBucketVersioning" if params.contains("Suspended") => AttackKind::SuspendVersioning,
        "GetSecretValue" if by_user => AttackKind::StealSecret,
        "InvokeModel" if by_user => AttackKind::InvokeModelByUser,
        "StopLogging" => AttackKind::StopLogging,
        "DeleteTrail" => AttackKind::DeleteTrail,
        "PutEventSelectors" => AttackKind::BlindTrail,
        "CreateAccessKey" => AttackKind::CreateAccessKey,
        "CreateLoginProfile" => AttackKind::CreateLoginProfile,
        "UpdateLoginProfile" => AttackKind::UpdateLoginProfile,
        "AttachUserPolicy" => AttackKind::AttachAdminPolicy,
        "PutUserPolicy" => AttackKind::PutAdminPolicy,
        "UpdateAssumeRolePolicy" => AttackKind::TrustOtherAccount,
        "DeactivateMFADevice" => AttackKind::DeactivateMfa,
        "ModifySnapshotAttribute" => AttackKind::ShareSnapshot,
        "ModifyImageAttribute" => AttackKind::PublishImage,
        "ModifyDBSnapshotAttribute" => AttackKind::ShareDbSnapshot,
        "DeleteFlowLogs" => AttackKind::DeleteFlowLogs,
        "PutBucketPolicy" => AttackKind::PublishBucket,
        "GetPasswordData" => AttackKind::GetPasswordData,
        "ModifyInstanceAttribute" => AttackKind::ChangeUserData,
        "SendCommand" => AttackKind::SendCommand,
        "AddPermission20150331v2" => AttackKind::BackdoorFunction,
        "ScheduleKeyDeletion" => AttackKind::ScheduleKeyDeletion,
        "DeleteLogGroup" => AttackKind::DeleteLogGroup,
        "StopConfigurationRecorder" => AttackKind::StopConfigRecorder,
        "DeleteDetector" => AttackKind::DeleteDetector,
        "DisableSecurityHub" => AttackKind::DisableSecurityHub,
        "LeaveOrganization" => AttackKind::LeaveOrganization,
        "DeleteModelInvocationLoggingConfiguration" => AttackKind::DeleteModelLogging,
        _ => return None,
    })
}

#[test]
fn the_table_of_attacks_is_in_the_order_of_their_kinds() {
    for (at, attack) in ATTACKS.iter().enumerate() {
        assert_eq!(attack.kind as usize, at, "{}", attack.name);
        assert_eq!(attack.kind.name(), attack.name);
        assert!(service_shares().any(|(host, ..)| host == attack.host), "{}: no service", attack.name);
    }
}

#[test]
fn any_configuration_works() {
    let odd = [(0, 0, 0, f64::NAN), (1, 1, 1, -3.0), (u32::MAX, 3, u32::MAX, 7.0)];
    for (accounts, principals_per_account, events_per_second, attack_rate) in odd {
        let config =
            Config { accounts, principals_per_account, events_per_second, attack_rate, ..Config::default() };
        assert_eq!(events(config, 200).len(), 200);
    }
}
