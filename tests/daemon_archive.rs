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
use std::time::Duration;

use daemon_support::archive::{FOLLOW, asked, ids_of, lines, texts};
use daemon_support::{Broker, Chance, Place, event, flush, kafka_input, send, until};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(180);
const LAKE: &str = "[archive]\nurl = \"lake\"\nevery = \"300ms\"\n";
const STDIN: &str = "[[input]]\nname = \"trail\"\nlateness = \"30s\"\n[input.stdin]\n";

fn lake(place: &Place) -> String {
    place.path("lake").display().to_string()
}

/// The event ids of an archive, each of which a query gives once, and how many rows lie there.
fn archived(archive: &str) -> (BTreeSet<String>, usize) {
    let ids = texts(&asked(archive, "SELECT event_id FROM events", &[]), "event_id");
    let distinct: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(ids.len(), distinct.len(), "what lies there twice counts once");
    let rows = asked(archive, "SELECT coalesce(sum(events), 0) AS n FROM coverage", &[]);
    (distinct, rows[0]["n"].as_u64().expect("a number") as usize)
}

/// The alerts that the sink had are those of the table, each once.
fn assert_alerts(place: &Place, archive: &str) {
    let mut ids = texts(&asked(archive, "SELECT alert_id FROM alerts", &[]), "alert_id");
    ids.sort();
    assert_eq!(ids, place.ids(), "alerts of the table and of the sink");
}

fn last(number: u64) -> String {
    event(number, 200_000, "ConsoleLogin", "203.0.113.1").to_string() + "\n"
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
    let mut hidden = event(4, 4, "CreateUser", "203.0.113.9");
    hidden["userAgent"] = json!("{x}");
    lines.push(hidden.to_string() + "\n");
    lines.push("{\"eventName\": \"cut off\", \"password\": \"planted-password\n".into());
    lines.push(last(100));
    // behind the watermark: a late hit, which tells of its group
    run_stdin(&place, &[&lines, &[planted(5, 10)]]);
    let late = fs::read_to_string(place.path("state/late.ndjson")).expect("late hits");
    assert!(late.contains("hash:"), "{late}");
    let events = asked(&lake(&place), "SELECT * FROM events", &[]);
    // what looks like JSON and is none takes no event out of the archive
    assert_eq!(events.len(), 7);
    let shown = Value::from(events).to_string();
    assert!(["kept-value", "[redacted]", "hash:", "{x}"].iter().all(|kept| shown.contains(kept)), "{shown}");
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
fn an_archive_that_is_gone_or_is_another_ends_the_start_until_a_new_one_is_meant() {
    let logs = tempfile::tempdir().expect("a folder");
    let place = Place::new(&FOLLOW.replace("LOGS", &logs.path().display().to_string()), LAKE);
    let write =
        |name: &str, numbers| fs::write(logs.path().join(name), lines(numbers).concat()).expect("a log");
    write("a.ndjson", 0..100);
    let begin = |events: usize| {
        let daemon = place.start();
        until("the events are archived", LONG, || {
            place.path("lake/events/_delta_log").is_dir() && archived(&lake(&place)).1 == events
        });
        assert_eq!(daemon.end(), Some(0), "{}", place.log());
    };
    begin(100);
    assert!(!place.log().contains("ERROR"), "that an archive is new is no mistake: {}", place.log());
    let refused = |words: &str| {
        for arguments in [&["--check"][..], &[]] {
            let ran = place.command().args(arguments).output().expect("it runs");
            let said =
                String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(2), "{said}");
            assert!(said.contains(words) && said.contains("state/archive"), "{said}");
        }
    };
    // its disk is not mounted
    fs::rename(place.path("lake"), place.path("away")).expect("it moves");
    refused("the archive that the process goes on from is not there");
    assert!(!place.path("lake").exists(), "nothing is made in its place");
    // another is
    let other = Place::new(&FOLLOW.replace("LOGS", &logs.path().display().to_string()), LAKE);
    let daemon = other.start();
    until("another archive", LONG, || other.path("lake/alerts/_delta_log").is_dir());
    assert_eq!(daemon.end(), Some(0), "{}", other.log());
    fs::rename(other.path("lake"), place.path("lake")).expect("it moves");
    refused("it is another archive than the one that the process goes on from");
    // back again, it is gone on from
    fs::remove_dir_all(place.path("lake")).expect("it goes");
    fs::rename(place.path("away"), place.path("lake")).expect("it moves");
    write("b.ndjson", 100..150);
    begin(150);
    // a new one, where that is said
    fs::remove_dir_all(place.path("lake")).expect("it goes");
    fs::remove_file(place.path("state/archive")).expect("it is meant");
    write("c.ndjson", 150..160);
    begin(10);
}
