//! The command line with correlations, as a user meets it: detect, explain, list, check.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use virga_test_support::workspace;

const RULES: &str = "title: Sign-in failed
name: failed
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: ConsoleLogin, errorMessage: Failed}, condition: selection}
---
title: Signed in
name: passed
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: ConsoleLogin}, failed: {errorMessage: '*'}, condition: selection and not failed}
---
title: Guessing
name: guessing
level: medium
correlation: {type: event_count, rules: [failed], group-by: [src_ip], timespan: 5m, condition: {gte: 3}}
---
title: Guessed
id: 6f0a1d2e-5b1c-4b5e-9a53-0d8c9b7e1f10
level: high
tags: [attack.t1110.001]
correlation: {type: temporal_ordered, rules: [guessing, passed], group-by: [src_ip], timespan: 10m}
";

fn virga(args: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga")).args(args).current_dir(folder).output().expect("virga runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with the rules, and a trail that was delivered out of order and partly twice: three failures from
/// one address, then a success; two failures from another.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let event = |second: u32, address: &str, failed: bool| {
        let mut event = json!({
            "eventVersion": "1.08", "eventID": format!("00000000-0000-4000-8000-0000000000{second:02}"),
            "eventTime": format!("2026-03-02T09:00:{second:02}Z"), "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin", "awsRegion": "us-east-1", "sourceIPAddress": address,
            "userIdentity": {"type": "IAMUser", "accountId": "111122223333", "userName": "alice"},
        });
        if failed {
            event["errorMessage"] = "Failed".into();
        }
        event.to_string()
    };
    let (attacker, office) = ("192.0.2.66", "198.51.100.7");
    let lines = [
        event(30, attacker, false),
        event(20, attacker, true),
        event(5, office, true),
        event(10, attacker, true),
        event(20, attacker, true),
        event(0, attacker, true),
        event(6, office, true),
    ];
    std::fs::write(folder.path().join("trail.ndjson"), lines.join("\n")).expect("a trail");
    std::fs::write(folder.path().join("rules.yml"), RULES).expect("rules");
    folder
}

#[test]
fn detect_raises_alerts_of_correlations_and_not_of_the_rules_that_only_feed_them() {
    let folder = folder();
    let output =
        virga(&["detect", "--rules", "rules.yml", "trail.ndjson", "--fail-on", "high"], folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let alerts: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect();
    let told: Vec<_> = alerts
        .iter()
        .map(|alert| (alert["rule"]["title"].as_str().unwrap_or_default(), alert["count"].as_u64()))
        .collect();
    assert_eq!(told, [("Guessed", Some(2))]);
    let guessed = &alerts[0];
    assert_eq!(guessed["group"], json!({"src_ip": "192.0.2.66"}));
    assert_eq!((&guessed["time"], &guessed["kind"]), (&json!("2026-03-02T09:00:30Z"), &json!("correlation")));
    // the failures behind the inner match, and the success; each where it was read
    let lines: Vec<_> =
        guessed["events"].as_array().expect("events").iter().map(|e| e["origin"]["line"].as_u64()).collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (4, Some(6), Some(1)));
    let summary = err(&output);
    assert!(summary.contains("2 muted") && summary.contains("correlations 2 loaded, 1 muted"), "{summary}");
}

#[test]
fn alerts_of_correlations_are_what_the_schema_says_and_have_an_ocsf_form() {
    let folder = folder();
    let text =
        std::fs::read_to_string(workspace().join("docs/reference/alert.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let output = virga(&["detect", "-q", "--rules", "rules.yml", "trail.ndjson"], folder.path());
    for line in out(&output).lines() {
        let alert: Value = serde_json::from_str(line).expect("an alert is JSON");
        for key in schema["required"].as_array().expect("keys") {
            assert!(alert.get(key.as_str().expect("a key")).is_some(), "{key} of {alert}");
        }
        for key in alert.as_object().expect("an object").keys() {
            assert!(schema["properties"].get(key).is_some(), "{key} is not in the schema");
        }
    }
    let output =
        virga(&["detect", "-q", "--format", "ocsf", "--rules", "rules.yml", "trail.ndjson"], folder.path());
    let ocsf: Value = serde_json::from_str(out(&output).lines().last().expect("an alert")).expect("JSON");
    assert_eq!((ocsf["class_uid"].as_u64(), ocsf["count"].as_u64()), (Some(2004), Some(2)));
    assert_eq!(ocsf["finding_info"]["attacks"][0]["technique"]["uid"], "T1110.001");
}

#[test]
fn the_order_of_the_input_changes_nothing() {
    let folder = folder();
    let text = std::fs::read_to_string(folder.path().join("trail.ndjson")).expect("the trail");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    std::fs::write(folder.path().join("sorted.ndjson"), lines.join("\n")).expect("a trail");
    let ids = |trail: &str| -> Vec<String> {
        let output = virga(&["detect", "-q", "--rules", "rules.yml", trail], folder.path());
        let alert = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["alert_id"].to_string();
        out(&output).lines().map(alert).collect()
    };
    assert_eq!(ids("trail.ndjson"), ids("sorted.ndjson"));
}

#[test]
fn explain_shows_every_group_and_what_was_missing() {
    let folder = folder();
    let output = virga(&["rules", "explain", "rules.yml", "trail.ndjson"], folder.path());
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    for expected in [
        "Guessed (temporal_ordered): 1 alerts in 1 of 1 groups",
        "Guessing (event_count): 1 alerts in 1 of 2 groups",
        "✓ failed: 6 events",
        "✗ src_ip 198.51.100.7",
        "nearest: 2 of 3 events within 5m at 2026-03-02T09:00:06Z",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    let output =
        virga(&["rules", "explain", "--rules", "rules.yml", "guessing", "trail.ndjson:3"], folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("nearest: 1 of 3 events"), "{}", out(&output));
}

#[test]
fn list_and_check_know_correlations() {
    let folder = folder();
    let output = virga(&["rules", "list", "rules.yml"], folder.path());
    assert!(out(&output).contains("guessing, passed"), "{}", out(&output));
    assert!(err(&output).contains("2 rules, 2 correlations"), "{}", err(&output));
    let broken = [
        ("type: event_count, rules: [failed], timespan: 0s, condition: {gte: 1}", "timespan"),
        ("type: event_count, rules: [failed], timespan: 10y, condition: {gte: 3}", "400 days"),
        ("type: event_count, rules: [], timespan: 5m, condition: {gte: 3}", "no rule"),
        ("type: event_count, rules: [c], timespan: 5m, condition: {gte: 3}", "stand on itself"),
        ("type: event_count, rules: [nothing], timespan: 5m, condition: {gte: 3}", "no rule `nothing`"),
        ("type: temporal, rules: [failed], timespan: 5m, condition: not failed", "no event to begin with"),
        (
            "type: temporal_ordered, rules: [failed, passed], timespan: 5m, condition: {gte: 1}",
            "in their order",
        ),
        ("type: value_sum, rules: [failed], timespan: 5m, condition: {gte: 3}", "needs a `field`"),
        ("type: event_count, rules: [failed], timespan: 5m, missing: maybe, condition: {gte: 3}", "maybe"),
    ];
    for (body, expected) in broken {
        let text = format!("{RULES}---\ntitle: c\nname: c\ncorrelation: {{{body}, group-by: src_ip}}\n");
        std::fs::write(folder.path().join("broken.yml"), text).expect("rules");
        let output = virga(&["rules", "check", "--format", "short", "broken.yml"], folder.path());
        assert_eq!(output.status.code(), Some(1), "{body}: {}", out(&output));
        assert!(out(&output).contains(expected), "{body}: {}", out(&output));
    }
}

#[test]
fn an_error_in_a_correlation_lets_its_building_blocks_loose_on_nobody_and_says_so() {
    let folder = folder();
    for (of, wrong, silent) in [
        ("condition: {gte: 3}", "condition: {gtee: 3}", ["`failed`", "`passed`"].as_slice()),
        ("rules: [guessing, passed]", "rules: [guessing, passed, nobody]", &["`guessing`, `passed`"]),
    ] {
        std::fs::write(folder.path().join("broken.yml"), RULES.replace(of, wrong)).expect("rules");
        let detect = virga(&["detect", "--rules", "broken.yml", "trail.ndjson"], folder.path());
        assert!(detect.status.success() && out(&detect).is_empty(), "{wrong}: {}", out(&detect));
        let check = virga(&["rules", "check", "--format", "short", "broken.yml"], folder.path());
        assert_eq!(check.status.code(), Some(1), "{wrong}: {}", out(&check));
        for silent in silent {
            let told = format!("no alert tells of {silent}");
            assert!(err(&detect).contains(&told), "{wrong}: {}", err(&detect));
            assert!(out(&check).contains(&told), "{wrong}: {}", out(&check));
        }
    }
}

#[test]
fn a_correlation_without_its_lookup_table_says_so() {
    let folder = folder();
    let text = format!(
        "{RULES}---\ntitle: Travel\nname: travel\ncorrelation: {{type: impossible_travel, rules: [passed], group-by: [principal], history: 1d}}\n"
    );
    std::fs::write(folder.path().join("travel.yml"), text).expect("rules");
    let output = virga(&["rules", "check", "--format", "short", "travel.yml"], folder.path());
    assert!(out(&output).contains("no lookup table fills `src_lat`"), "{}", out(&output));
    let output = virga(&["detect", "--rules", "travel.yml", "trail.ndjson"], folder.path());
    assert!(err(&output).contains("1 disabled (no lookup table fills src_lat)"), "{}", err(&output));
}
