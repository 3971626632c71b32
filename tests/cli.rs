//! The command line as its users meet it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use virga_test_support::workspace;

use serde_json::Value;

const STORY: &str = "samples/stories/leaked-key-to-llmjacking.ndjson";

fn virga(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(args)
        .current_dir(workspace())
        .output()
        .expect("virga runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn alerts(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect()
}

fn rule(level: &str, selection: &str) -> String {
    format!(
        "title: a test rule\nid: 00000000-0000-4000-8000-000000000001\nlevel: {level}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  sel: {{{selection}}}\n  condition: sel\n"
    )
}

fn write(folder: &Path, name: &str, text: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn the_story_raises_exactly_its_expected_alerts() {
    let text =
        std::fs::read_to_string(workspace().join("samples/stories/leaked-key-to-llmjacking.expected.json"));
    let expected: Value = serde_json::from_str(&text.expect("what is expected")).expect("JSON");
    let pair = |rule: &Value, event: &Value| (rule.to_string(), event.to_string());
    let mut expected: Vec<_> = expected["alerts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|a| pair(&a["rule_id"], &a["event_id"]))
        .collect();
    expected.sort();
    for args in [vec!["demo", "--json"], vec!["detect", STORY]] {
        let output = virga(&args);
        assert!(output.status.success(), "{}", err(&output));
        let mut raised: Vec<_> =
            alerts(&output).iter().map(|a| pair(&a["rule"]["id"], &a["events"][0]["event_id"])).collect();
        raised.sort();
        assert_eq!(raised, expected, "{args:?}");
    }
}

#[test]
fn the_demo_explains_its_alerts_and_what_to_try_next() {
    let text = out(&virga(&["demo"]));
    for words in ["CRITICAL", "evidence: samples/stories/", "virga rules explain", "28 alerts"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert!(!text.contains('\x1b'), "colours belong on a terminal");
    let next =
        text.lines().find_map(|line| line.trim().strip_prefix("virga rules explain ")).expect("a next step");
    let args: Vec<&str> = ["rules", "explain"].into_iter().chain(next.split(' ')).collect();
    let output = virga(&args);
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
    assert!(out(&output).contains(" matches "), "{}", out(&output));
}

#[test]
fn every_form_of_delivery_gives_the_same_alerts() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "r.yml", rule("low", "eventName: '*'").as_bytes());
    let ids = |path: &str| {
        let output = virga(&["detect", "--rules", &rules, path]);
        assert!(err(&output).contains("quarantined  0"), "{}", err(&output));
        let mut ids: Vec<(String, String)> = alerts(&output)
            .iter()
            .map(|alert| {
                // where it stood differs; what it says does not
                let mut fields = alert["fields"].clone();
                fields.as_object_mut().map(|fields| fields.remove("src_asn"));
                (alert["alert_id"].to_string(), fields.to_string())
            })
            .collect();
        ids.sort();
        ids
    };
    let records = ids("samples/aws.cloudtrail/records.json");
    assert_eq!(records.len(), 5);
    assert_eq!(ids("samples/aws.cloudtrail/events.ndjson"), records);
    for form in [
        "eventbridge.json",
        "lookup-events.json",
        "cloudwatch-subscription.json",
        "filter-log-events.json",
        "insights.json",
        "kinesis.json",
        "receive-message.json",
    ] {
        let wrapped = ids(&format!("samples/aws.cloudtrail/{form}"));
        assert_eq!(wrapped.len(), 4, "{form}");
        assert!(wrapped.iter().all(|event| records.contains(event)), "{form}: {wrapped:?}\n{records:?}");
    }
}

#[test]
fn the_exit_status_says_what_scripts_need() {
    let folder = tempfile::tempdir().expect("a folder");
    let high = write(folder.path(), "high.yml", rule("high", "eventName: StopLogging").as_bytes());
    let never = write(folder.path(), "never.yml", rule("high", "eventName: Never").as_bytes());
    for (args, status) in [
        (vec!["detect", "--rules", &high, STORY], 0),
        (vec!["detect", "--rules", &never, STORY], 0),
        (vec!["detect", "--rules", &high, "--fail-on", "high", STORY], 1),
        (vec!["detect", "--rules", &high, "--fail-on", "critical", STORY], 0),
        (vec!["detect", "--rules", &never, "--fail-on", "low", STORY], 0),
        (vec!["detect", "--rules", &high, STORY, "no/such/file"], 2),
        (vec!["detect", "--rules", "no/such/folder", STORY], 2),
        (vec!["detect", "--source", "no.such", STORY], 2),
        (vec!["detect", "--generic", STORY], 2),
        (vec!["detect"], 2),
        (vec!["rules", "check", &high], 0),
        (vec!["rules", "check", STORY], 1),
        (vec!["rules", "check", "no/such/folder"], 2),
        (vec!["rules", "test"], 0),
        (vec!["rules", "explain", &high, r#"{"eventName":"StopLogging"}"#], 0),
        (vec!["rules", "explain", &high, r#"{"eventName":"StartLogging"}"#], 1),
        (vec!["rules", "explain", "no such rule", "{}"], 2),
    ] {
        let output = virga(&args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", err(&output));
    }
}

#[test]
fn what_can_be_read_is_worked_through_beside_what_cannot() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).expect("a folder");
    write(&rules, "good.yml", rule("low", "eventName: '*'").as_bytes());
    write(&rules, "broken.yml", b"title: [");
    write(&rules, "binary.yml", b"\xff\xfe");
    let logs = folder.path().join("logs");
    std::fs::create_dir(&logs).expect("a folder");
    let event = r#"{"eventVersion":"1.08","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventID":"e1","eventTime":"2026-11-20T00:00:00Z"}"#;
    write(&logs, "a.ndjson", format!("{event}\n{{broken\n\n{event}\n").as_bytes());
    write(&logs, "b.json", b"");
    write(&logs, "c.json.gz", b"\x1f\x8b\x08\x00broken");
    write(&logs, "d.json", b"{\"eventName\":\"\xff\"}\n");
    let quarantine = folder.path().join("quarantine.ndjson");
    let output = virga(&[
        "detect",
        "--rules",
        &rules.display().to_string(),
        "--quarantine",
        &quarantine.display().to_string(),
        &logs.display().to_string(),
    ]);
    let summary = err(&output);
    assert_eq!(alerts(&output).len(), 2, "{summary}");
    assert!(summary.contains("1 loaded, 1 rejected"), "{summary}");
    assert!(summary.contains("binary.yml"), "{summary}");
    let kept = std::fs::read_to_string(&quarantine).expect("the quarantine");
    let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(
        kept.len() >= 3 && summary.contains(&format!("quarantined  {}", kept.len())),
        "{kept:?} {summary}"
    );
    assert!(kept.iter().all(|entry| entry["cause"].is_string() && entry["origin"]["path"].is_string()));
}

#[test]
fn standard_input_and_formats_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "r.yml", rule("high", "eventName: StopLogging").as_bytes());
    let mut child = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--rules", &rules, "--format", "ocsf", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("virga runs");
    let story = std::fs::read(workspace().join(STORY)).expect("the story");
    child.stdin.take().expect("a pipe").write_all(&story).expect("a write");
    let output = child.wait_with_output().expect("an end");
    let alerts = alerts(&output);
    assert!(!alerts.is_empty(), "{}", err(&output));
    assert!(alerts.iter().all(|alert| alert["class_uid"] == 2004 && alert["severity_id"] == 4));
    let table = out(&virga(&["detect", "--rules", &rules, "--format", "table", STORY]));
    assert!(table.starts_with("TIME") && table.contains("StopLogging"), "{table}");
    let quiet = virga(&["detect", "--quiet", "--rules", &rules, STORY]);
    assert_eq!(err(&quiet), "");
}

#[test]
fn suppression_keeps_the_first_of_a_bucket() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = rule("low", "eventSource: '*'") + "suppress: {by: [eventSource], for: 30d}\n";
    let rules = write(folder.path(), "r.yml", text.as_bytes());
    let all = alerts(&virga(&["detect", "--rules", &rules, STORY]));
    let output = virga(&["detect", "--suppress", "--rules", &rules, STORY]);
    let first = alerts(&output);
    let mut services: Vec<String> =
        first.iter().map(|alert| alert["fields"]["eventSource"].to_string()).collect();
    services.sort();
    services.dedup();
    assert_eq!(services.len(), first.len(), "one alert a service");
    assert!(first.len() < all.len() && err(&output).contains("suppressed"), "{}", err(&output));
}

#[test]
fn any_rule_runs_on_any_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "title: t\nlogsource: {category: process_creation, product: windows}\ndetection:\n  sel: {Image|endswith: '\\evil.exe'}\n  condition: sel\n";
    let rules = write(folder.path(), "r.yml", text.as_bytes());
    let logs = write(
        folder.path(),
        "app.ndjson",
        b"{\"Image\":\"C:\\\\Evil.exe\"}\n{\"Image\":\"C:\\\\good.exe\"}\n",
    );
    for flags in [vec!["--all-logsources"], vec!["--logsource", "product=windows,category=process_creation"]]
    {
        let args: Vec<&str> =
            ["detect", "--rules", &rules].into_iter().chain(flags).chain([logs.as_str()]).collect();
        assert_eq!(alerts(&virga(&args)).len(), 1, "{args:?}");
    }
    let other = virga(&["detect", "--rules", &rules, "--logsource", "product=linux", &logs]);
    assert_eq!(alerts(&other).len(), 0);
    assert!(err(&other).contains("1 unmapped"), "{}", err(&other));
}

#[test]
fn explain_shows_the_values_and_what_stopped_a_near_miss() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  sel: {eventName: StopLogging, errorCode: null}\n  filter: {userAgent|contains: terraform}\n  condition: sel and not filter\n";
    let rule = write(folder.path(), "r.yml", text.as_bytes());
    let event = r#"{"eventVersion":"1.08","eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","userAgent":"Terraform/1.5"}"#;
    let text = out(&virga(&["rules", "explain", &rule, event]));
    for words in [
        "does not match",
        "✓ eventName = 'stoplogging'",
        r#"is: "StopLogging""#,
        "errorCode is null or absent",
        "is: absent",
        "aws.cloudtrail",
    ] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    let stopped = text.split("what stopped it:").nth(1).expect("a reason");
    assert!(
        stopped.contains("userAgent contains 'terraform'") && !stopped.contains("eventName"),
        "{stopped}"
    );
}

#[test]
fn explain_names_all_values_of_a_list_that_would_have_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "title: t\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  sel: {eventName: [StopLogging, DeleteTrail]}\n  condition: sel\n";
    let rule = write(folder.path(), "r.yml", text.as_bytes());
    let event =
        r#"{"eventVersion":"1.08","eventSource":"cloudtrail.amazonaws.com","eventName":"CreateTrail"}"#;
    let text = out(&virga(&["rules", "explain", &rule, event]));
    let stopped = text.split("what stopped it:").nth(1).expect("a reason");
    assert!(stopped.contains("'stoplogging'") && stopped.contains("'deletetrail'"), "{stopped}");
}

#[test]
fn check_underlines_the_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path(), "r.yml", rule("high", "eventName|contians: x").as_bytes());
    let text = out(&virga(&["rules", "check", &path]));
    assert!(text.contains("r.yml:6:19") && text.contains("did you mean `contains`?"), "{text}");
    let short = out(&virga(&["rules", "check", "--format", "short", &path]));
    assert!(short.ends_with(":6:19: error[unknown-modifier]: there is no modifier `contians`\n"), "{short}");
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&virga(&["completions", shell]));
        assert!(script.contains("detect"), "{shell}");
    }
}

/// An object has all keys that its schema requires, and none that the schema does not know.
fn fits(value: &Value, schema: &Value, place: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("{place} is no object"));
    let known = schema["properties"].as_object().expect("properties");
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(object.contains_key(required), "{place} has no {required}");
    }
    for (key, value) in object {
        let schema = known.get(key).unwrap_or_else(|| panic!("{place}.{key} is not in the schema"));
        if schema["properties"].is_object() {
            fits(value, schema, &format!("{place}.{key}"));
        }
        for item in
            value.as_array().into_iter().flatten().filter(|_| schema["items"]["properties"].is_object())
        {
            fits(item, &schema["items"], &format!("{place}.{key}[]"));
        }
    }
}

#[test]
fn alerts_are_what_their_schema_says() {
    let path = workspace().join("docs/reference/alert.schema.json");
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON");
    let alerts = alerts(&virga(&["detect", STORY]));
    assert!(!alerts.is_empty());
    alerts.iter().for_each(|alert| fits(alert, &schema, "alert"));
}

#[test]
fn shipped_rules_have_no_error() {
    let output = virga(&["rules", "list", "--json"]);
    for line in out(&output).lines() {
        let rule: Value = serde_json::from_str(line).expect("JSON");
        let alerts = rule["level"] != "informational";
        assert!(rule["level"].is_string(), "{rule}");
        assert!(!alerts || !rule["tags"].as_array().expect("tags").is_empty(), "{rule}");
    }
    let output = virga(&["rules", "check", "--format", "ndjson"]);
    assert!(output.status.success(), "{}", out(&output));
    for line in out(&output).lines() {
        let said: Value = serde_json::from_str(line).expect("JSON");
        // lists and tables are the operator's to give
        assert!(
            ["undefined-placeholder", "missing-table", "never-heard"]
                .contains(&said["code"].as_str().unwrap_or_default()),
            "{said}"
        );
        assert!(said["help"].as_str().is_some_and(|help| !help.is_empty()), "{said}");
    }
}

#[test]
fn a_secret_in_a_configuration_is_shown_by_no_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[[redact]]\nsource = \"*\"\nkey = \"hunter2\n";
    let path = write(folder.path(), "virga.toml", text.as_bytes());
    for arguments in [
        vec!["rules", "check", "-c", &path],
        vec!["detect", "-c", &path, STORY],
        vec!["run", "-c", &path, "--check"],
    ] {
        let output = virga(&arguments);
        let said = out(&output) + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("line 3, column") && !said.contains("hunter2"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_rule_that_only_feeds_what_can_never_match_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let logsource = "level: high\nlogsource: {product: aws, service: cloudtrail}\n";
    let rules = format!(
        "title: a\nname: a\n{logsource}detection: {{s: {{eventName: A}}, condition: s}}\n---\n\
         title: b\nname: b\n{logsource}detection: {{s: {{eventName|expand: '%none%'}}, condition: s}}\n---\n\
         title: both\nname: both\ncorrelation: {{type: temporal, rules: [a, b], group-by: x, timespan: 5m}}\n"
    );
    let path = write(folder.path(), "r.yml", rules.as_bytes());
    let output = virga(&["rules", "check", "--format", "ndjson", &path]);
    let said: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<&Value> = said.iter().filter(|said| said["code"] == "never-heard").collect();
    assert_eq!(told.len(), 1, "{said:?}");
    assert!(told[0]["severity"] == "warning" && told[0]["line"] == 4, "{told:?}");
    assert!(told[0]["cause"].as_str().expect("a text").contains("`both`, which can never match"), "{told:?}");
    let output = virga(&["rules", "check", "--warnings-as-errors", &path]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
}

#[test]
fn cases_on_disk_are_the_ones_that_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("detections/rules");
    std::fs::create_dir_all(&rules).expect("a folder");
    write(&rules, "r.yml", rule("low", "eventName: A").as_bytes());
    let case = "cases: [{name: wrong, match: true, events: [{source: aws.cloudtrail, raw: {eventName: B}}]}]";
    write(&rules, "r.cases.yml", case.as_bytes());
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["rules", "test", "detections/rules"])
        .current_dir(folder.path())
        .output()
        .expect("virga runs");
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
}

#[test]
fn a_mistake_far_along_a_line_is_told_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = rule("low", &format!("a: {}, \"b|foo\": 1", "x".repeat(70_000)));
    let path = write(folder.path(), "wide.yml", long.as_bytes());
    let output = virga(&["rules", "check", &path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).contains("there is no modifier `foo`"));
}

#[test]
fn a_rule_cannot_steer_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = rule("low", "eventName: StopLogging").replace("a test rule", "\"T\\e[31mred\\u202e\"");
    let path = write(folder.path(), "r.yml", text.as_bytes());
    for args in [vec!["rules", "list", &path], vec!["detect", "--format", "table", "--rules", &path, STORY]] {
        let text = out(&virga(&args));
        assert!(text.contains("[31mred") && !text.contains(['\x1b', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn a_quarantine_never_overwrites_its_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let logs = write(folder.path(), "q.json", b"{\"eventName\":\"A\"}\nbad\n");
    for input in [logs.clone(), folder.path().display().to_string()] {
        let output = virga(&["detect", "--quarantine", &logs, &input]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(std::fs::read_to_string(&logs).expect("the log").contains("bad"));
    }
}

#[test]
fn recognised_events_stay_with_their_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "r.yml", rule("high", "eventName: StopLogging").as_bytes());
    let app = write(folder.path(), "app.json", b"{\"x\":1}\n");
    let output = virga(&["detect", "--rules", &rules, "--logsource", "product=app", STORY, &app]);
    let found = alerts(&output);
    assert!(
        !found.is_empty() && found.iter().all(|a| a["events"][0]["source"] == "aws.cloudtrail"),
        "{}",
        err(&output)
    );
    let output =
        virga(&["detect", "--rules", &rules, "--source", "aws.cloudtrail", "--all-logsources", STORY]);
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_are_followed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "r.yml", rule("low", "eventName: A").as_bytes());
    for name in ["a", "b"] {
        std::os::unix::fs::symlink(".", folder.path().join(name)).expect("a link");
    }
    let output = virga(&["rules", "list", &folder.path().display().to_string()]);
    assert_eq!(out(&output).lines().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_loses_no_alert() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "r.yml", rule("low", "eventName: StopLogging").as_bytes());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--rules", &rules, STORY])
        .current_dir(workspace())
        .stderr(full)
        .output()
        .expect("virga runs");
    assert!(output.status.success() && !alerts(&output).is_empty());
}

#[test]
fn coverage_is_a_layer_of_the_navigator_and_a_table_of_atlas() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = folder.path().join("layer.json");
    let path = layer.to_str().expect("a path");
    let output = virga(&["rules", "coverage", "--format", "navigator", "--output", path]);
    assert!(output.status.success(), "{}", err(&output));
    let layer: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a layer")).expect("JSON");
    assert_eq!(
        (layer["domain"].as_str(), layer["versions"]["layer"].as_str()),
        (Some("enterprise-attack"), Some("4.5"))
    );
    let techniques = layer["techniques"].as_array().expect("techniques");
    let valid =
        techniques.iter().find(|technique| technique["techniqueID"] == "T1078.004").expect("valid accounts");
    assert!(valid["score"].as_u64() > Some(5) && techniques.len() > 40, "{valid}");

    let table = out(&virga(&["rules", "coverage", "--format", "atlas"]));
    let rows: Vec<Vec<&str>> = table.lines().skip(2).map(|row| row.split(" | ").collect()).collect();
    assert!(rows.len() > 15, "{table}");
    // each technique has its name and at least one rule
    assert!(
        rows.iter().all(|row| row.len() == 3 && !row[1].trim().is_empty() && row[2].len() > 10),
        "{table}"
    );

    // a rule that only feeds a correlation finds nothing by itself
    let rules = write(
        folder.path(),
        "r.yml",
        b"title: block\nname: block\ntags: [attack.t1098]\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: x}, condition: s}\n---\ntitle: many\ntags: [attack.t1110]\nlevel: high\ncorrelation: {type: event_count, rules: [block], group-by: principal, timespan: 5m, condition: {gte: 3}}\n",
    );
    let told = out(&virga(&["rules", "coverage", &rules]));
    assert!(told.contains("T1110") && !told.contains("T1098"), "{told}");
}

#[test]
fn what_cannot_match_is_no_coverage_and_is_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = |id: u32, technique: u32, source: &str, detection: &str| {
        format!(
            "title: rule {id}\nid: 11111111-2222-4333-8444-{id:012}\nname: r{id}\ntags: [attack.t{technique}]\nlevel: high\nlogsource: {source}\ndetection: {detection}\n"
        )
    };
    let many = |id: u32, technique: u32, rule: u32| {
        format!(
            "title: many {id}\nid: 11111111-2222-4333-8444-{id:012}\ntags: [attack.t{technique}]\nlevel: high\ncorrelation: {{type: event_count, rules: [r{rule}], group-by: principal, timespan: 5m, condition: {{gte: 3}}, generate: true}}\n"
        )
    };
    let aws = "{product: aws, service: cloudtrail}";
    let listed = "{s: {principal|expand: '%list%'}, condition: s}";
    let rules = [
        one(1, 1001, aws, "{s: {eventName: x}, condition: s}"),
        // an exception of an empty list excepts nothing
        one(2, 1002, aws, "{s: {eventName: x}, f: {principal|expand: '%list%'}, condition: s and not f}"),
        one(3, 1003, aws, listed),
        one(4, 1004, aws, "{s: {eventName: x}, f: {principal|expand: '%list%'}, condition: all of them}"),
        one(5, 1005, "{product: windows, service: sysmon}", "{s: {eventName: x}, condition: s}"),
        one(6, 1006, aws, "{s: {src_country: DE}, condition: s}"),
        one(7, 1007, aws, "{s: {eventName: x}, condition: s}"),
        many(8, 1008, 3),
        many(9, 1009, 5),
        many(10, 1010, 1),
    ];
    let path = write(folder.path(), "r.yml", rules.join("---\n").as_bytes());
    let tuning = write(
        folder.path(),
        "tuning.yml",
        b"11111111-2222-4333-8444-000000000007: {enabled: false, why: not here}\n",
    );
    let lists = |values: &str| write(folder.path(), "lists.yml", format!("list: [{values}]\n").as_bytes());
    let techniques = |lists: &str| {
        let layer = folder.path().join("layer.json");
        let layer = layer.to_str().expect("a path");
        let output = virga(&[
            "rules",
            "coverage",
            &path,
            "--lists",
            lists,
            "--tuning",
            &tuning,
            "--format",
            "navigator",
            "-o",
            layer,
        ]);
        assert!(output.status.success(), "{}", err(&output));
        let layer: Value =
            serde_json::from_str(&std::fs::read_to_string(layer).expect("a layer")).expect("JSON");
        let about = layer["techniques"].as_array().expect("techniques").iter();
        let about: Vec<String> = about
            .map(|technique| {
                assert_eq!(technique["score"], 1, "{technique}");
                technique["techniqueID"].as_str().expect("an id").to_owned()
            })
            .collect();
        (about.join(" "), err(&output), layer["description"].as_str().expect("words").to_owned())
    };
    let (about, said, description) = techniques(&lists(""));
    assert_eq!(about, "T1001 T1002 T1010");
    assert!(said.contains("3 rules that raise alerts, 3 ATT&CK techniques"), "{said}");
    let expected = "left out: 1 switched off by tuning, 1 without a lookup table for src_country, \
                    2 with nothing but empty lists to compare with (`virga rules lists`), \
                    1 of a log source that is none of Virga's, \
                    2 as correlations of rules that do not run or cannot match";
    assert!(said.contains(expected) && description.ends_with(expected), "{said}\n{description}");
    let (about, said, _) = techniques(&lists("alice"));
    assert_eq!(about, "T1001 T1002 T1003 T1004 T1008 T1010");
    assert!(said.contains("1 as correlations") && !said.contains("empty lists"), "{said}");
}

#[test]
fn rules_that_ship_stand_beside_ones_own_and_their_lists_can_be_filled_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = write(folder.path(), "r.yml", rule("low", "eventName: '*'").as_bytes());
    let output = virga(&["detect", "--rules", "built-in", "--rules", &rules, STORY]);
    let titles: std::collections::BTreeSet<String> =
        alerts(&output).iter().map(|alert| alert["rule"]["title"].to_string()).collect();
    assert!(titles.len() > 10, "{titles:?}");
    let lists = out(&virga(&["rules", "lists"]));
    assert!(lists.contains("own_egress_ips:") && lists.contains("training_buckets:"), "{lists}");
    // what is printed is a file of lists
    let path = write(folder.path(), "lists.yml", lists.as_bytes());
    let output = virga(&["detect", "--lists", &path, STORY]);
    assert!(output.status.success() && !alerts(&output).is_empty(), "{}", err(&output));
}
