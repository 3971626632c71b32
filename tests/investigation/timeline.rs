//! `virga timeline`, against what the events themselves say: chains are followed here once more, in another
//! way, over the JSON of the logs.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;

use serde_json::Value;
use virga_test_support::{corpus, records, workspace};

use crate::lake::{Lake, err, out, virga};

/// What `virga timeline` prints as NDJSON, each event on its own.
fn timeline(lake: &Lake, args: &[&str]) -> Vec<Value> {
    let url = lake.url();
    let all = [&["timeline", "--archive", url.as_str(), "--format", "ndjson", "--all"], args].concat();
    let output = virga(&all);
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn ids(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line["event"]["event_id"].as_str()).map(str::to_owned).collect()
}

fn story(name: &str) -> Vec<Value> {
    let path = workspace().join("samples/stories").join(format!("{name}.ndjson"));
    let text = std::fs::read_to_string(path).expect("a story");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn issued(event: &Value) -> Option<&str> {
    let answer = &event["responseElements"];
    answer["credentials"]["accessKeyId"].as_str().or_else(|| answer["accessKey"]["accessKeyId"].as_str())
}

fn key(event: &Value) -> Option<&str> {
    event["userIdentity"]["accessKeyId"].as_str().filter(|key| !key.is_empty())
}

/// The events of CloudTrail of an entity, of all sessions that they opened, and the calls that opened theirs.
fn by_hand(events: &[Value], is_own: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let id = |event: &Value| event["eventID"].as_str().expect("an id").to_owned();
    let mut found: HashMap<String, &Value> =
        events.iter().filter(|event| is_own(event)).map(|event| (id(event), event)).collect();
    loop {
        let before = found.len();
        let opened: BTreeSet<&str> = found.values().filter_map(|event| issued(event)).collect();
        let down = events.iter().filter(|event| key(event).is_some_and(|key| opened.contains(key)));
        let down: Vec<&Value> = down.collect();
        found.extend(down.into_iter().map(|event| (id(event), event)));
        if found.len() == before {
            break;
        }
    }
    loop {
        let before = found.len();
        let used: BTreeSet<&str> =
            found.values().filter_map(|event| key(event)).filter(|key| key.starts_with("ASIA")).collect();
        let up: Vec<&Value> =
            events.iter().filter(|event| issued(event).is_some_and(|key| used.contains(key))).collect();
        found.extend(up.into_iter().map(|event| (id(event), event)));
        if found.len() == before {
            return found.into_keys().collect();
        }
    }
}

#[test]
fn an_actor_of_real_logs_is_followed_into_the_roles_that_it_assumed() {
    let Some(corpus) = corpus() else { return };
    let lake = Lake::of(&[corpus.join("aws/invictus_native")]);
    let events: Vec<Value> = records(&corpus, "aws/invictus_native")
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    let arn = "arn:aws:iam::123837392027:user/bert-jan";
    let expected = by_hand(&events, |event| event["userIdentity"]["arn"] == arn);
    assert!(expected.len() > 2_641, "{}", expected.len());
    let lines = timeline(&lake, &["--actor", arn]);
    let found = ids(&lines);
    let (missing, extra): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    // his name may also stand as a session's name or a short name: those are his
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:?}, too many {extra:?}");
    let chained = |line: &&Value| line["event"]["via"] == "a session that it opened";
    assert_eq!(lines.iter().filter(chained).count(), 29 + 15 + 1 + 1 + 1);
    let links: Vec<&Value> = lines.iter().filter(|line| line["link"].is_object()).collect();
    let used = |key: &str| {
        links.iter().find(|line| line["link"]["to"] == key).map(|line| line["link"]["events"].clone())
    };
    assert_eq!(used("ASIATFQR7NSCWLLE7IWW"), Some(29.into()));
    let times: Vec<&str> = lines.iter().filter_map(|line| line["event"]["time"].as_str()).collect();
    assert!(times.is_sorted() && times.len() == found.len());
    let summary = &lines[0]["summary"];
    assert_eq!(summary["events"], found.len());
    // one of the sessions alone: what it did, and who opened it
    let session = ids(&timeline(&lake, &["--session", "ASIATFQR7NSCWLLE7IWW"]));
    assert_eq!(session, by_hand(&events, |event| key(event) == Some("ASIATFQR7NSCWLLE7IWW")));
    assert_eq!(session.len(), 30);
}

#[test]
fn a_key_that_was_made_for_another_user_is_followed() {
    let name = "console-login-from-afar-to-snapshot-sharing";
    let lake = Lake::of_story(name);
    let events: Vec<Value> = story(name).into_iter().filter(|event| event["eventID"].is_string()).collect();
    let arn = "arn:aws:iam::111122223333:user/ben.ortiz";
    let lines = timeline(&lake, &["--actor", arn]);
    let expected = by_hand(&events, |event| event["userIdentity"]["arn"] == arn);
    let found = ids(&lines);
    // a failed sign-in names no ARN; the principal is made of the name
    assert!(expected.is_subset(&found), "{:?}", expected.difference(&found).collect::<Vec<_>>());
    let of_new_user = |line: &&Value| {
        line["event"]["principal"] == "arn:aws:iam::111122223333:user/backup-sync"
            && line["event"]["via"] == "a session that it opened"
    };
    assert_eq!(lines.iter().filter(of_new_user).count(), 22);
    let new: BTreeSet<(&str, &str)> = lines
        .iter()
        .flat_map(|line| {
            let ip = line["event"]["src_ip"].as_str().unwrap_or_default();
            let kinds = line["event"]["first_seen"].as_array().into_iter().flatten();
            kinds.filter_map(move |kind| Some((kind.as_str()?, ip)))
        })
        .collect();
    assert!(new.contains(&("address", "203.0.113.31")), "{new:?}");
}

#[test]
fn alerts_of_a_file_are_marked_on_their_events() {
    let name = "console-login-from-afar-to-snapshot-sharing";
    let lake = Lake::of_story(name);
    let detected =
        virga(&["detect", "--format", "ndjson", "--quiet", &format!("samples/stories/{name}.ndjson")]);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&detected.stdout).expect("alerts");
    let path = file.path().display().to_string();
    let lines = timeline(&lake, &["--actor", "ben.ortiz", "--alerts", &path]);
    let marked = |title: &str| {
        let has = |line: &&Value| {
            line["event"]["alerts"].as_array().into_iter().flatten().any(|mark| mark["title"] == title)
        };
        lines.iter().filter(has).count()
    };
    // as many events as the alerts themselves name
    let named = |title: &str| {
        let alerts = out(&detected)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("an alert"))
            .collect::<Vec<_>>();
        let own = alerts.iter().filter(|alert| alert["rule"]["title"] == title);
        let events = own.flat_map(|alert| alert["events"].as_array().into_iter().flatten());
        events
            .filter_map(|event| event["event_id"].as_str().map(str::to_owned))
            .collect::<BTreeSet<_>>()
            .len()
    };
    assert_eq!(marked("CloudTrail logging stopped, deleted or curtailed"), 1);
    for title in [
        "Disk snapshot, database snapshot or machine image shared outside",
        "Snapshot made and then shared outside by the same principal",
    ] {
        assert!(named(title) >= 2);
        assert_eq!(marked(title), named(title), "{title}");
    }
    let text = virga(&[
        "timeline",
        "--archive",
        &lake.url(),
        "--actor",
        "ben.ortiz",
        "--alerts",
        &path,
        "--format",
        "text",
    ]);
    let text = out(&text);
    assert!(text.contains("! CloudTrail logging stopped, deleted or curtailed (high)"), "{text}");
    assert!(!text.contains('\x1b'), "colours outside of a terminal");
    let bad = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(bad.path(), "{\"no\": \"alert\"}\n").expect("a line");
    let output = virga(&[
        "timeline",
        "--archive",
        &lake.url(),
        "--ip",
        "x",
        "--alerts",
        &bad.path().display().to_string(),
    ]);
    assert!(err(&output).contains(":1: this is no alert"), "{}", err(&output));
}

#[test]
fn impersonation_and_correlation_ids_join() {
    let lake = Lake::of_story("service-account-key-to-model-weights");
    let lines = timeline(&lake, &["--actor", "report-export@fernleaf-ml.iam.gserviceaccount.com"]);
    let of = |name: &str| lines.iter().filter(|line| line["event"]["principal"] == name).count();
    assert_eq!(of("report-export@fernleaf-ml.iam.gserviceaccount.com"), 97);
    assert_eq!(of("platform-admin@fernleaf-ml.iam.gserviceaccount.com"), 62);
    let name = "consent-phishing-to-key-vault";
    let lake = Lake::of_story(name);
    let lines = timeline(&lake, &["--actor", "ines.kaya@example.com"]);
    let correlated: Vec<&Value> =
        lines.iter().filter(|line| line["event"]["via"] == "the same correlation id").collect();
    let own: BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["event"]["via"].is_null())
        .filter_map(|line| line["event"]["correlation_uid"].as_str())
        .collect();
    assert!(!own.is_empty());
    assert!(
        correlated
            .iter()
            .all(|line| own.contains(line["event"]["correlation_uid"].as_str().unwrap_or_default()))
    );
}

/// An event of CloudTrail by a credential, in the minute of an hour of 2026-03-02.
fn event(id: &str, time: &str, action: &str, key: &str, answer: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventID":"{id}","eventTime":"{time}","eventSource":"sts.amazonaws.com","eventName":"{action}","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.7","recipientAccountId":"111122223333","userIdentity":{{"type":"IAMUser","userName":"ben","accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/ben","accessKeyId":"{key}"}},"responseElements":{answer}}}"#
    )
}

fn lake_of(events: &[String]) -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.ndjson");
    std::fs::write(&path, events.join("\n")).expect("a file");
    (folder, Lake::of(&[path]))
}

#[test]
fn two_records_under_one_id_are_two_events_and_a_time_may_be_far_away() {
    let (_folder, lake) = lake_of(&[
        event("same", "2026-03-02T09:12:00Z", "GetUser", "AKIABEN", "null"),
        event("same", "2026-03-02T09:13:00Z", "StopLogging", "AKIABEN", "null"),
        event("far", "9999-12-31T23:59:59Z", "GetUser", "AKIABEN", "null"),
    ]);
    let lines = timeline(&lake, &["--key", "AKIABEN"]);
    let actions: Vec<&str> = lines.iter().filter_map(|line| line["event"]["action"].as_str()).collect();
    assert_eq!(actions, ["GetUser", "StopLogging", "GetUser"]);
}

#[test]
fn what_is_done_with_a_credential_of_before_the_range_is_done_by_who_had_it() {
    let issued = |key: &str| format!(r#"{{"credentials":{{"accessKeyId":"{key}"}}}}"#);
    let session = |id: &str, time: &str, action: &str, key: &str, answer: &str| {
        event(id, time, action, key, answer).replace(r#""userName":"ben","#, "").replace("user/ben", "role/r")
    };
    let (_folder, lake) = lake_of(&[
        event("open", "2026-03-02T08:50:00Z", "AssumeRole", "AKIABEN", &issued("ASIAONE")),
        session("chain", "2026-03-02T08:55:00Z", "AssumeRole", "ASIAONE", &issued("ASIATWO")),
        session("first", "2026-03-02T09:11:00Z", "DeleteTrail", "ASIAONE", "null"),
        session("second", "2026-03-02T09:12:00Z", "StopLogging", "ASIATWO", "null"),
        session("other", "2026-03-02T09:13:00Z", "StopLogging", "ASIATHREE", "null"),
    ]);
    let found = |from: &str| ids(&timeline(&lake, &["--key", "AKIABEN", "--from", from]));
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found("2026-03-02T08:00:00Z"), owned(&["open", "chain", "first", "second"]));
    assert_eq!(found("2026-03-02T09:00:00Z"), owned(&["first", "second"]));
}

#[test]
fn long_runs_are_folded_and_a_range_cuts() {
    let lake = Lake::of_story("instance-role-to-bucket-exfiltration");
    let url = lake.url();
    let args = ["timeline", "--archive", url.as_str(), "--ip", "203.0.113.87", "--format", "text"];
    let text = out(&virga(&args));
    assert!(text.contains(" times until ") && text.contains(" targets"), "{text}");
    assert!(text.starts_with("ip 203.0.113.87: "), "{text}");
    let whole = timeline(&lake, &["--ip", "203.0.113.87"]);
    let cut = timeline(
        &lake,
        &["--ip", "203.0.113.87", "--from", "2026-11-12T13:05:00Z", "--to", "2026-11-12T13:06:00"],
    );
    let within = |line: &&Value| {
        let time = line["event"]["time"].as_str().unwrap_or_default();
        ("2026-11-12T13:05:00Z".."2026-11-12T13:06:00Z").contains(&time)
    };
    let expected = whole.iter().filter(within).count();
    assert!(expected > 3);
    assert_eq!(ids(&cut).len(), expected);
    let nobody = virga(&["timeline", "--archive", &url, "--key", "it's nobody's", "--format", "ndjson"]);
    assert!(nobody.status.success() && err(&nobody).contains("has no event"), "{}", err(&nobody));
    assert_eq!(virga(&["timeline", "--archive", &url]).status.code(), Some(2));
    let backwards =
        virga(&["timeline", "--archive", &url, "--ip", "x", "--from", "2026-11-12", "--to", "2026-11-11"]);
    assert!(err(&backwards).contains("--from must be before --to"));
}

#[test]
fn a_timeline_of_so_many_events_holds_the_earliest_and_says_that_there_are_more() {
    let lake = Lake::of_story("leaked-key-to-llmjacking");
    let key = ["--key", "AKIAIOSFODNN7EXAMPLE"];
    let whole = timeline(&lake, &key);
    let url = lake.url();
    let few =
        [&["timeline", "--archive", url.as_str(), "--format", "ndjson", "--all", "--rows", "5"], &key[..]];
    let output = virga(&few.concat());
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("a timeline holds 5 events") && err(&output).contains("--rows takes more"),
        "{}",
        err(&output)
    );
    let lines: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["is_cut"], true);
    let times = |lines: &[Value]| -> Vec<Value> {
        lines.iter().map(|line| line["event"]["time"].clone()).filter(|time| !time.is_null()).collect()
    };
    let (few, whole) = (times(&lines), times(&whole));
    assert_eq!(few.len(), 5);
    assert!(whole.len() > 5);
    assert_eq!(few, whole[..5]);
}

#[test]
fn the_earliest_events_are_those_of_all_sessions() {
    let issued = r#"{"credentials":{"accessKeyId":"ASIAONE"}}"#;
    let mut events = vec![event("open", "2026-03-02T09:00:00Z", "AssumeRole", "AKIABEN", issued)];
    let many = |key: &str, hour: u32| {
        let key = key.to_owned();
        (0..20).map(move |n| {
            event(
                &format!("{key}-{n:02}"),
                &format!("2026-03-02T{hour:02}:10:{n:02}Z"),
                "GetUser",
                &key,
                "null",
            )
        })
    };
    events.extend(many("ASIAONE", 9).chain(many("AKIABEN", 10)));
    let (_folder, lake) = lake_of(&events);
    let all = timeline(&lake, &["--key", "AKIABEN"]);
    let ids = |lines: &[Value]| -> Vec<Value> {
        let ids = lines.iter().map(|line| line["event"]["event_id"].clone());
        ids.filter(|id| !id.is_null()).collect()
    };
    assert_eq!((ids(&all).len(), &all[0]["is_cut"]), (41, &Value::from(false)));
    for rows in [1, 5, 20, 21, 30, 40, 41, 42] {
        let some = timeline(&lake, &["--key", "AKIABEN", "--rows", &rows.to_string()]);
        assert_eq!(ids(&some), ids(&all)[..rows.min(41)], "{rows}");
        assert_eq!(some[0]["is_cut"], rows < 41, "{rows}");
    }
}

#[test]
fn what_is_new_is_marked_of_however_many_principals() {
    let by = |n: usize, minute: &str, action: &str| {
        event(&format!("{n}-{minute}"), &format!("2026-03-02T09:{minute}:00Z"), action, "AKIA", "null")
            .replace("user/ben", &format!("user/u{n:04}"))
    };
    let events: Vec<String> =
        (0..700).flat_map(|n| [by(n, "00", "GetUser"), by(n, "01", "StopLogging")]).collect();
    let (_folder, lake) = lake_of(&events);
    let lines = timeline(&lake, &["--ip", "192.0.2.7"]);
    let new = lines.iter().filter(|line| line["event"]["first_seen"] == serde_json::json!(["action"]));
    assert_eq!(new.count(), 700);
}
