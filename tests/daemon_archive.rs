//! `virga run` with an archive: what is read and what is raised stands there, whatever happens, and what must
//! not be kept stands nowhere.

#![cfg(all(feature = "daemon", feature = "lake"))]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daemon_support::{Broker, Chance, Place, event, flush, kafka_input, send, until};
use serde_json::{Value, json};
use virga_test_support::Moto;

const LONG: Duration = Duration::from_secs(180);
const LAKE: &str = "[archive]\nurl = \"lake\"\nevery = \"300ms\"\n";
const FOLLOW: &str =
    "[[input]]\nname = \"trail\"\nlateness = \"10m\"\nfollow = { paths = [\"LOGS/*.ndjson\"] }\n";
const STDIN: &str = "[[input]]\nname = \"trail\"\nlateness = \"30s\"\n[input.stdin]\n";

/// What a query says of an archive, a row each.
fn asked(archive: &str, sql: &str, environment: &[(&str, &str)]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["query", sql, "--archive", archive, "--format", "ndjson"])
        .envs(environment.iter().copied())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

fn texts(rows: &[Value], column: &str) -> Vec<String> {
    rows.iter().map(|row| row[column].as_str().unwrap_or_default().to_owned()).collect()
}

fn lake(place: &Place) -> String {
    place.path("lake").display().to_string()
}

/// The event ids of an archive, and how many rows tell of them.
fn archived(archive: &str) -> (BTreeSet<String>, usize) {
    let ids = texts(&asked(archive, "SELECT event_id FROM events", &[]), "event_id");
    (ids.iter().cloned().collect(), ids.len())
}

/// The alerts that the sink had are those of the table, each once.
fn assert_alerts(place: &Place, archive: &str) {
    let mut ids = texts(&asked(archive, "SELECT alert_id FROM alerts", &[]), "alert_id");
    ids.sort();
    assert_eq!(ids, place.ids(), "alerts of the table and of the sink");
}

/// Failures in bursts from some addresses, intruders now and then, and much else; then an event a day later.
fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    let mut chance = Chance(numbers.start + 7);
    let line = |number: u64| {
        let name = match chance.below(10) {
            0..=2 => "FailedLogin",
            3 if chance.below(5) == 0 => "Intrusion",
            _ => "ConsoleLogin",
        };
        event(number, number / 20, name, &format!("198.51.100.{}", chance.below(9))).to_string() + "\n"
    };
    numbers.map(line).collect()
}

fn last(number: u64) -> String {
    event(number, 200_000, "ConsoleLogin", "203.0.113.1").to_string() + "\n"
}

fn ids_of(lines: &[String]) -> BTreeSet<String> {
    let id = |line: &String| {
        let event: Value = serde_json::from_str(line).expect("an event");
        event["eventID"].as_str().expect("an id").to_owned()
    };
    lines.iter().map(id).collect()
}

/// Runs on standard input to its end; a part comes when the one before has raised alerts.
fn run_stdin(place: &Place, parts: &[&[String]]) {
    let log = File::options().create(true).append(true).open(place.path("log")).expect("a log");
    let mut child = place.command().stdin(Stdio::piped()).stderr(log).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    for (number, lines) in parts.iter().enumerate() {
        if number > 0 {
            until("the part before has raised alerts", LONG, || !place.ids().is_empty());
            std::thread::sleep(Duration::from_secs(1));
        }
        lines.iter().for_each(|line| stdin.write_all(line.as_bytes()).expect("it reads"));
    }
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "{}", place.log());
}

#[test]
fn what_is_read_and_what_is_raised_stands_in_the_archive() {
    let place = Place::new(STDIN, LAKE);
    let check = place.command().arg("--check").output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("ok      archive: would make an archive at"), "{said}");
    assert!(!place.path("lake").exists(), "a check changes nothing");
    let mut lines = lines(0..3_000);
    lines.push(last(3_000));
    run_stdin(&place, &[&lines]);
    assert_eq!(archived(&lake(&place)), (ids_of(&lines), lines.len()));
    assert!(place.ids().len() > 100, "{}", place.log());
    assert_alerts(&place, &lake(&place));
    let sql = "SELECT count(*) AS n FROM alerts WHERE kind = 'correlation' AND level = 'high' AND alert IS NOT NULL";
    assert!(asked(&lake(&place), sql, &[])[0]["n"].as_u64() > Some(0));
    let check = place.command().arg("--check").output().expect("it runs");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("ok      archive: would add to version"), "{said}");
}

#[test]
fn killed_at_any_instant_it_has_every_event_and_the_alerts_of_a_quiet_run() {
    let (events, rounds) = (20_000, 5);
    let killed = Place::new("", "");
    let logs = killed.path("logs");
    fs::create_dir(&logs).expect("a folder");
    let input = FOLLOW.replace("LOGS", &logs.display().to_string());
    killed.configure(&input, LAKE);
    let all: Vec<String> = lines(0..events);
    let mut chance = Chance(3);
    let mut file = File::create(logs.join("a.ndjson")).expect("a file");
    for (round, part) in all.chunks(all.len() / rounds + 1).enumerate() {
        let daemon = killed.start();
        for some in part.chunks(200) {
            file.write_all(some.concat().as_bytes()).expect("written");
            std::thread::sleep(Duration::from_millis(10));
        }
        let wait = chance.below(2_000);
        std::thread::sleep(Duration::from_millis(wait));
        eprintln!(
            "round {round}: killed {wait} ms after the last line, {} alerts so far",
            killed.ids().len()
        );
        daemon.kill();
    }
    file.write_all(last(events).as_bytes()).expect("written");
    let daemon = killed.start();
    let mut expected = ids_of(&all);
    expected.extend(ids_of(&[last(events)]));
    until("the last event is archived", LONG, || {
        killed.path("lake/events/_delta_log").is_dir() && {
            let sql = format!("SELECT event_id FROM events WHERE event_id LIKE '%{events:012x}'");
            !asked(&lake(&killed), &sql, &[]).is_empty()
        }
    });
    assert_eq!(daemon.end(), Some(0), "{}", killed.log());
    let (found, rows) = archived(&lake(&killed));
    assert_eq!(found, expected);
    eprintln!("{rows} rows of {} events: {} came twice", found.len(), rows - found.len());
    let quiet = Place::new(&input, LAKE);
    let daemon = quiet.start();
    until("the quiet run has all", LONG, || {
        quiet.path("lake/events/_delta_log").is_dir() && archived(&lake(&quiet)).0 == expected
    });
    assert_eq!(daemon.end(), Some(0), "{}", quiet.log());
    assert_eq!(archived(&lake(&quiet)).1, expected.len(), "nothing is there twice where nothing happened");
    assert_eq!(killed.ids(), quiet.ids());
    assert_alerts(&killed, &lake(&killed));
    // what came twice goes
    let compacted = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["archive", "compact", "--archive", &lake(&killed), "--rules"])
        .arg(killed.path("rules"))
        .output()
        .expect("it runs");
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    assert_eq!(archived(&lake(&killed)), (expected.clone(), expected.len()));
    assert_alerts(&killed, &lake(&killed));
}

#[test]
fn on_kafka_killed_at_any_instant_every_event_of_a_committed_offset_is_in_the_archive() {
    const PARTITIONS: i32 = 3;
    let broker = Broker::start();
    broker.create("trail", PARTITIONS);
    let killed = Place::new(&kafka_input(&broker, "trail", "killed"), LAKE);
    let all = lines(0..20_000);
    let producer = broker.producer();
    let mut chance = Chance(11);
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| {
            for (number, line) in all.iter().enumerate() {
                send(&producer, "trail", number as i32 % PARTITIONS, line.trim_end().as_bytes());
                if number % 500 == 0 {
                    std::thread::sleep(Duration::from_millis(150));
                }
            }
            for partition in 0..PARTITIONS {
                send(&producer, "trail", partition, last(20_000 + partition as u64).trim_end().as_bytes());
            }
            flush(&producer);
        });
        for round in 0..4 {
            let daemon = killed.start();
            let wait = 500 + chance.below(2_500);
            std::thread::sleep(Duration::from_millis(wait));
            eprintln!("round {round}: killed after {wait} ms, {} alerts so far", killed.ids().len());
            daemon.kill();
        }
        filling.join().expect("the topic is filled");
    });
    let daemon = killed.start();
    daemon.wait_until_read(PARTITIONS as usize, LONG);
    let metrics = daemon.get("/metrics");
    for metric in [
        "virga_archive_commits_total{outcome=\"done\"}",
        "virga_archive_events_total",
        "virga_archive_waiting_events",
    ] {
        assert!(metrics.contains(metric), "{metric}");
    }
    assert_eq!(daemon.end(), Some(0), "{}", killed.log());
    let mut expected = ids_of(&all);
    (0..3).for_each(|n| expected.extend(ids_of(&[last(20_000 + n)])));
    let (found, rows) = archived(&lake(&killed));
    assert_eq!(found, expected);
    eprintln!("{rows} rows of {} events: {} came twice", found.len(), rows - found.len());
    let quiet = Place::new(&kafka_input(&broker, "trail", "quiet"), LAKE);
    let daemon = quiet.start();
    daemon.wait_until_read(PARTITIONS as usize, LONG);
    assert_eq!(daemon.end(), Some(0), "{}", quiet.log());
    assert_eq!(archived(&lake(&quiet)), (expected.clone(), expected.len()));
    assert_eq!(killed.ids(), quiet.ids());
    assert_alerts(&killed, &lake(&killed));
    assert_alerts(&quiet, &lake(&quiet));
}

/// Files below a folder that hold some bytes as they lie.
fn holding(folder: &Path, bytes: &[u8], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            holding(&path, bytes, found);
        } else if fs::read(&path).expect("a file").windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
}

const SECRET_RULES: &str = r#"title: Tells of a password
id: 22222222-0000-4000-8000-000000000001
name: tells
status: test
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {requestParameters.password|startswith: planted}
  condition: selection
fields: [requestParameters.password, requestParameters.token]
level: low
---
title: The same token again
id: 22222222-0000-4000-8000-000000000002
status: test
correlation:
  type: value_count
  rules: [tells]
  group-by: [requestParameters.token]
  timespan: 1m
  condition: {gte: 2, field: requestParameters.secret}
  generate: true
level: high
"#;

#[test]
fn a_planted_secret_is_found_nowhere_on_disk() {
    let redact = r#"
[[redact]]
source = "aws.cloudtrail"
path = "requestParameters.password"
action = "drop"
[[redact]]
source = "*"
path = "**.token"
action = "hash"
key = "a key"
[[redact]]
source = "aws.cloudtrail"
path = "requestParameters.secret"
action = "mask"
"#;
    let place = Place::new(STDIN, &format!("{LAKE}{redact}"));
    fs::write(place.path("rules/secrets.yml"), SECRET_RULES).expect("rules");
    let planted = |number: u64, second: u64| {
        let mut event = event(number, second, "CreateUser", "203.0.113.9");
        event["requestParameters"] = json!({
            "password": format!("planted-password-{number}"), "token": "planted-token",
            "secret": format!("planted-secret-{number}"), "kept": "kept-value",
        });
        event.to_string() + "\n"
    };
    let mut lines: Vec<String> = (0..4).map(|number| planted(number, number)).collect();
    lines.push("{\"eventName\": \"cut off\", \"password\": \"planted-password\n".into());
    lines.push(last(100));
    // behind the watermark: a late hit, which tells of its group
    run_stdin(&place, &[&lines, &[planted(5, 10)]]);
    let late = fs::read_to_string(place.path("state/late.ndjson")).expect("late hits");
    assert!(late.contains("hash:"), "{late}");
    let events = asked(&lake(&place), "SELECT * FROM events", &[]);
    assert_eq!(events.len(), 6);
    let shown = Value::from(events).to_string();
    assert!(
        shown.contains("kept-value") && shown.contains("[redacted]") && shown.contains("hash:"),
        "{shown}"
    );
    let alerts = fs::read_to_string(place.path("alerts.ndjson")).expect("alerts");
    assert!(alerts.contains("Tells of a password") && alerts.contains("The same token again"), "{alerts}");
    assert!(alerts.contains("hash:") && alerts.contains("[redacted]"), "{alerts}");
    assert_eq!(fs::read_to_string(place.path("state/quarantine.ndjson")).expect("one").lines().count(), 1);
    let kept = Value::from(asked(&lake(&place), "SELECT * FROM alerts", &[])).to_string();
    assert!(!shown.contains("planted") && !alerts.contains("planted") && !kept.contains("planted"));
    assert_alerts(&place, &lake(&place));
    fs::remove_file(place.path("rules/secrets.yml")).expect("the rule names what it looks for");
    let mut found = Vec::new();
    holding(place.folder.path(), b"planted-password", &mut found);
    assert_eq!(found, Vec::<String>::new(), "a value that is not grouped by stands nowhere");
    holding(place.folder.path(), b"planted", &mut found);
    let is_state = |path: &&String| path.contains("/state/checkpoint");
    assert_eq!(found.iter().filter(|path| !is_state(path)).count(), 0, "{found:?}");
    // base64 too
    assert_eq!(events_of_quarantine(&place), [""]);
}

fn events_of_quarantine(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path("state/quarantine.ndjson")).expect("a quarantine");
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an entry"));
    entries.map(|entry| entry["raw_base64"].as_str().expect("bytes").to_owned()).collect()
}

#[test]
fn a_backtest_names_the_rules_that_redaction_blinds() {
    let redact = "[[redact]]\nsource = \"*\"\npath = \"sourceIPAddress\"\naction = \"hash\"\n[[redact]]\nsource = \"*\"\npath = \"requestParameters.password\"\naction = \"drop\"\n";
    let place = Place::new(STDIN, &format!("{LAKE}{redact}"));
    fs::write(place.path("rules/secrets.yml"), SECRET_RULES).expect("rules");
    run_stdin(&place, &[&lines(0..100)]);
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["backtest", "--archive", &lake(&place), "--rules"])
        .arg(place.path("rules"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 rules look at what is redacted"), "{said}");
    assert!(said.contains("Tells of a password (requestparameters.password)"), "{said}");
}

#[test]
fn a_store_that_fails_or_refuses_writes_is_waited_for_and_nothing_is_lost() {
    let Some(mut moto) = Moto::start() else { return };
    moto.call("s3", "create_bucket", json!({"Bucket": "lake"}));
    let endpoint = moto.endpoint.clone();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let archive = "[archive]\nurl = \"s3://lake/a\"\nevery = \"300ms\"\n";
    let place = Place::new("", "");
    let logs = place.path("logs");
    fs::create_dir(&logs).expect("a folder");
    place.configure(&FOLLOW.replace("LOGS", &logs.display().to_string()), archive);
    let start = || {
        let log = File::options().create(true).append(true).open(place.path("log")).expect("a log");
        let mut command = place.command();
        command.envs(environment).stdout(Stdio::null()).stderr(log);
        place.daemon(command.spawn().expect("it starts"))
    };
    let ids = || -> BTreeSet<String> {
        let rows = asked("s3://lake/a", "SELECT event_id FROM events", &environment);
        texts(&rows, "event_id").into_iter().collect()
    };
    let all = lines(0..4_000);
    let mut file = File::create(logs.join("a.ndjson")).expect("a file");
    file.write_all(all[..1_000].concat().as_bytes()).expect("written");
    let daemon = start();
    until("the first are archived", LONG, || {
        place.log().contains("events and alerts are archived") && ids().len() == 1_000
    });
    // a store that is busy now and then, at every kind of request
    moto.fault(json!({"match": "/lake", "times": 60, "every": 3, "status": 503}));
    file.write_all(all[1_000..2_000].concat().as_bytes()).expect("written");
    until("the next are archived", LONG, || ids().len() == 2_000);
    moto.clear_faults();
    // a store that is full: it refuses what is written, and serves what is read
    moto.fault(json!({"match": "PUT /lake", "times": 1_000_000, "status": 403}));
    file.write_all(all[2_000..].concat().as_bytes()).expect("written");
    until("it is said and counted", LONG, || {
        let metrics = daemon.get("/metrics");
        let is_held = metrics.lines().any(|line| line == "virga_archive_held 1");
        is_held && place.log().contains("the archive is held up")
    });
    let alerts = place.ids().len();
    std::thread::sleep(Duration::from_secs(2));
    assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
    let checkpoint = fs::read(place.path("state/checkpoint")).expect("a checkpoint");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(fs::read(place.path("state/checkpoint")).expect("a checkpoint"), checkpoint);
    assert!(alerts > 0);
    // killed while nothing can be written: the next goes on where the archive ends
    daemon.kill();
    moto.clear_faults();
    let daemon = start();
    until("all are archived", LONG, || ids().len() == 4_000);
    until("it is not held any more", LONG, || {
        daemon.get("/metrics").lines().any(|line| line == "virga_archive_held 0")
    });
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(ids(), ids_of(&all));
    let rows = asked("s3://lake/a", "SELECT alert_id FROM alerts", &environment);
    let mut table = texts(&rows, "alert_id");
    table.sort();
    assert_eq!(table, place.ids());
}

#[test]
fn asked_to_end_it_waits_for_no_archive_whose_store_is_away_and_nothing_is_lost() {
    let Some(mut moto) = Moto::start() else { return };
    moto.call("s3", "create_bucket", json!({"Bucket": "lake"}));
    let endpoint = moto.endpoint.clone();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let place = Place::new("", "");
    let logs = place.path("logs");
    fs::create_dir(&logs).expect("a folder");
    let archive = "[archive]\nurl = \"s3://lake/a\"\nevery = \"300ms\"\n";
    place.configure(&FOLLOW.replace("LOGS", &logs.display().to_string()), archive);
    let start = || {
        let mut command = place.command();
        command.envs(environment);
        place.start_as(command, Stdio::null())
    };
    let ids = || -> BTreeSet<String> {
        let rows = asked("s3://lake/a", "SELECT event_id FROM events", &environment);
        texts(&rows, "event_id").into_iter().collect()
    };
    let all = lines(0..2_000);
    let mut file = File::create(logs.join("a.ndjson")).expect("a file");
    file.write_all(all[..1_000].concat().as_bytes()).expect("written");
    let daemon = start();
    until("the first are archived", LONG, || {
        place.log().contains("events and alerts are archived") && ids().len() == 1_000
    });
    moto.fault(json!({"match": "/lake", "times": 1_000_000, "status": 503}));
    file.write_all(all[1_000..].concat().as_bytes()).expect("written");
    until("it is held up", LONG, || place.log().contains("the archive is held up"));
    let checkpoint = fs::read(place.path("state/checkpoint")).expect("a checkpoint");
    let asked_to = Instant::now();
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(asked_to.elapsed() < Duration::from_secs(15), "{:?}", asked_to.elapsed());
    assert_eq!(fs::read(place.path("state/checkpoint")).expect("a checkpoint"), checkpoint);
    assert!(place.log().contains("the archive's store is away"), "{}", place.log());
    moto.clear_faults();
    let daemon = start();
    until("all are archived", LONG, || ids().len() == all.len());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(ids(), ids_of(&all));
    let rows = asked("s3://lake/a", "SELECT alert_id FROM alerts", &environment);
    let mut table = texts(&rows, "alert_id");
    table.sort();
    assert_eq!(table, place.ids());
}

#[test]
fn a_region_that_nobody_names_is_asked_for_when_the_store_is_there() {
    let Some(mut moto) = Moto::start() else { return };
    moto.call("s3", "create_bucket", json!({"Bucket": "lake"}));
    let (proxy, authority) = moto.as_aws();
    let endpoint = moto.endpoint.clone();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let place = Place::new("", "");
    let logs = place.path("logs");
    fs::create_dir(&logs).expect("a folder");
    let archive = format!(
        "[archive]\nurl = \"s3://lake/a\"\nevery = \"300ms\"\n\
         [archive.store]\nproxy = \"{proxy}\"\nca_file = \"{authority}\"\n"
    );
    place.configure(&FOLLOW.replace("LOGS", &logs.display().to_string()), &archive);
    let all = lines(0..1_000);
    fs::write(logs.join("a.ndjson"), all.concat()).expect("written");
    let command = || {
        let mut command = place.command();
        let named =
            ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "NO_PROXY"];
        for name in named {
            command.env_remove(name);
        }
        command
    };
    let check = || {
        let output = command().arg("--check").output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    moto.fault(json!({"match": "", "times": 1_000_000, "status": 503}));
    // what can be proved is proved, and the archive's store is one of all
    let (status, said) = check();
    assert!(status == Some(2) && said.contains("failed  archive: "), "{said}");
    assert!(said.contains("ok      rules: ") && said.contains("ok      input \"trail\": "), "{said}");
    let daemon = place.start_as(command(), Stdio::null());
    until("it is said and counted", LONG, || {
        let metrics = daemon.get("/metrics");
        let is_held = metrics.lines().any(|line| line == "virga_archive_held 1");
        is_held && place.log().contains("the archive is held up")
    });
    assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
    assert!(daemon.get("/readyz").contains("503"), "it cannot archive yet");
    until("alerts do not wait for it", LONG, || !place.ids().is_empty());
    moto.requests();
    moto.clear_faults();
    until("all are archived", LONG, || {
        place.log().contains("events and alerts are archived")
            && asked("s3://lake/a", "SELECT event_id FROM events", &environment).len() == all.len()
    });
    let first = moto.requests().into_iter().find(|request| !request.contains("/lake")).unwrap_or_default();
    assert!(first.starts_with("HEAD /"), "the bucket is asked for its region: {first}");
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let (status, said) = check();
    assert!(status == Some(0) && said.contains("ok      archive: would add to version"), "{said}");
}

#[test]
fn a_store_that_is_away_at_the_start_is_waited_for_and_one_that_is_wrong_is_not() {
    let Some(mut moto) = Moto::start() else { return };
    moto.call("s3", "create_bucket", json!({"Bucket": "lake"}));
    let endpoint = moto.endpoint.clone();
    let environment = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ];
    let start = |place: &Place| {
        let mut command = place.command();
        command.envs(environment);
        place.start_as(command, Stdio::null())
    };
    let archive = |bucket: &str| format!("[archive]\nurl = \"s3://{bucket}/a\"\nevery = \"300ms\"\n");
    let place = Place::new("", "");
    let logs = place.path("logs");
    fs::create_dir(&logs).expect("a folder");
    let input = FOLLOW.replace("LOGS", &logs.display().to_string());
    place.configure(&input, &archive("lake"));
    let all = lines(0..1_000);
    fs::write(logs.join("a.ndjson"), all.concat()).expect("written");
    moto.fault(json!({"match": "/lake", "times": 1_000_000, "status": 503}));
    let said = "the archive is held up";
    let away = |starts: usize| {
        let daemon = start(&place);
        until("it is said and counted", LONG, || {
            let metrics = daemon.get("/metrics");
            let is_held = metrics.lines().any(|line| line == "virga_archive_held 1");
            is_held && place.log().matches(said).count() == starts
        });
        until("alerts do not wait for it", LONG, || !place.ids().is_empty());
        assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
        assert!(daemon.get("/readyz").contains("503"), "it cannot archive yet");
        assert!(!place.path("state/checkpoint").exists(), "nothing may count as read");
        daemon
    };
    // asked to end while it waits, it ends, and the next reads the same again
    let daemon = away(1);
    let asked_to = Instant::now();
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(asked_to.elapsed() < Duration::from_secs(20), "{:?}", asked_to.elapsed());
    assert!(!place.path("state/checkpoint").exists(), "nothing may count as read");
    let daemon = away(2);
    moto.clear_faults();
    until("it is ready", LONG, || daemon.get("/readyz").contains("200 OK"));
    until("all are archived", LONG, || {
        asked("s3://lake/a", "SELECT event_id FROM events", &environment).len() == all.len()
    });
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert_eq!(place.log().matches(said).count(), 2, "once a start: {}", place.log());
    assert!(place.log().contains("the archive's store serves again"), "{}", place.log());
    for (what, bucket, fault, word) in [
        ("a bucket that is not there", "absent", None, "NoSuchBucket"),
        (
            "a store that refuses",
            "lake",
            Some(json!({"match": "/lake", "times": 1_000, "status": 403})),
            "403",
        ),
    ] {
        fault.into_iter().for_each(|fault| moto.fault(fault));
        let place = Place::new(&input, &archive(bucket));
        let mut daemon = start(&place);
        let mut status = None;
        until(&format!("{what}: it ends"), LONG, || {
            status = daemon.child.try_wait().expect("a status");
            status.is_some()
        });
        moto.clear_faults();
        assert!(status.is_some_and(|status| !status.success()), "{what}: {}", place.log());
        assert!(place.log().contains("[archive]") && place.log().contains(word), "{what}: {}", place.log());
    }
}
