//! `virga detect s3://…`: the same alerts as over the same files on disk, read sparingly, whatever the store
//! does meanwhile. Against moto; skipped with a word where no Python is at hand.
#![cfg(feature = "objects")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use virga_test_support::{Moto, workspace};

const ACCOUNT: &str = "111122223333";

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Events that raise alerts: those of a story, in CloudTrail objects of five events each.
fn trail() -> Vec<(String, Vec<u8>)> {
    let path = workspace().join("samples/stories/leaked-key-to-llmjacking.ndjson");
    let text = std::fs::read_to_string(path).expect("the story");
    let events: Vec<&str> = text.lines().filter(|line| line.contains("\"eventSource\"")).collect();
    assert!(events.len() > 20);
    let objects = events.chunks(5).enumerate().map(|(number, events)| {
        let event: Value = serde_json::from_str(events[0]).expect("an event");
        let time = event["eventTime"].as_str().expect("its time");
        let (day, minute) = (time[..10].replace('-', "/"), time[..16].replace(['-', ':'], ""));
        let key = format!(
            "AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{ACCOUNT}_CloudTrail_us-east-1_{minute}Z_{number:04}.json.gz"
        );
        (key, packed(&format!("{{\"Records\":[{}]}}", events.join(","))))
    });
    objects.collect()
}

fn virga(moto: &Moto, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["detect", "--format", "ndjson"])
        .args(arguments)
        .env("AWS_ENDPOINT_URL", &moto.endpoint)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env_remove("AWS_PROFILE")
        .output()
        .expect("virga runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn alerts(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("an alert")).collect()
}

fn ids(output: &Output) -> BTreeSet<String> {
    alerts(output).iter().map(|alert| alert["alert_id"].to_string()).collect()
}

fn bucket(moto: &mut Moto, name: &str, objects: &[(String, Vec<u8>)]) {
    moto.call("s3", "create_bucket", json!({ "Bucket": name }));
    moto.put_many(name, objects.iter().map(|(key, body)| (key.as_str(), body.as_slice())));
}

fn on_disk(folder: &Path, objects: &[(String, Vec<u8>)]) {
    for (key, body) in objects {
        let path: PathBuf = folder.join(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, body).expect("a file");
    }
}

#[test]
fn objects_raise_what_the_same_files_raise_and_say_where_they_stand() {
    let Some(mut moto) = Moto::start() else { return };
    let objects = trail();
    let disk = tempfile::tempdir().expect("a folder");
    on_disk(disk.path(), &objects);
    bucket(&mut moto, "trail", &objects);
    moto.put("trail", "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/d.json.gz", &packed("{\"a\":1}"));
    moto.put("trail", "notes.txt", b"not a log");
    let stored = virga(&moto, &["s3://trail/"]);
    let files = virga(&moto, &[disk.path().to_str().expect("a path")]);
    assert!(stored.status.success() && files.status.success(), "{}", said(&stored));
    assert!(!ids(&files).is_empty());
    assert_eq!(ids(&stored), ids(&files));
    let detection = alerts(&stored).into_iter().find(|alert| alert["kind"] == "detection").expect("one");
    let origin = &detection["events"][0]["origin"];
    assert_eq!(origin["bucket"], "trail");
    assert!(objects.iter().any(|(key, _)| origin["key"] == key.as_str()), "{origin}");
    assert!(origin["record"].as_u64() >= Some(1), "{origin}");
    // twice the same, byte for byte
    assert_eq!(stored.stdout, virga(&moto, &["s3://trail"]).stdout);
    // one object by its name, and what is not there
    let one = virga(&moto, &[&format!("s3://trail/{}", objects[0].0)]);
    assert!(one.status.success() && said(&one).contains("from 1 inputs"), "{}", said(&one));
    let none = virga(&moto, &["s3://trail/nothing/"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(said(&none).contains("there are no objects below it"), "{}", said(&none));
}

#[test]
fn only_what_a_key_does_not_rule_out_is_asked_for() {
    let Some(mut moto) = Moto::start() else { return };
    let mut objects = Vec::new();
    for account in ["111122223333", "444455556666", "777788889999"] {
        for region in ["eu-west-1", "us-east-1"] {
            for day in 1..=28 {
                let base = format!("AWSLogs/{account}/CloudTrail/{region}/2023/07/{day:02}");
                for hour in [0, 12] {
                    let key =
                        format!("{base}/{account}_CloudTrail_{region}_202307{day:02}T{hour:02}10Z_x.json.gz");
                    objects.push((key, packed("{\"Records\":[]}")));
                }
            }
        }
    }
    bucket(&mut moto, "many", &objects);
    moto.requests();
    let asked =
        ["--from", "2023-07-10", "--to", "2023-07-11", "--account", "111122223333", "--region", "us-east-1"];
    let output = virga(&moto, &[&["s3://many/AWSLogs/"], &asked[..]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let requests = moto.requests();
    let gets: Vec<&String> = requests.iter().filter(|request| request.contains(".json.gz")).collect();
    // two of the day, and the one that was delivered in the hours after it
    assert_eq!(gets.len(), 3, "{gets:#?}");
    assert!(gets.iter().all(|get| get.contains("/111122223333/CloudTrail/us-east-1/2023/07/1")), "{gets:#?}");
    // accounts, services, regions, and two days
    assert_eq!(requests.len() - gets.len(), 5, "{requests:#?}");
    assert!(said(&output).contains("left         3 folders and 1 objects"), "{}", said(&output));
    // nothing in a stretch of time is not nothing at all
    for prefix in ["s3://many/AWSLogs/", "s3://many/AWSLogs/111122223333/CloudTrail/us-east-1/"] {
        let none = virga(&moto, &[prefix, "--from", "2024-01-10", "--to", "2024-01-11"]);
        assert_eq!(none.status.code(), Some(2));
        assert!(said(&none).contains("no objects of the times, accounts and regions"), "{}", said(&none));
    }
}

#[test]
fn a_store_that_refuses_breaks_off_or_loses_an_object_is_borne() {
    let Some(mut moto) = Moto::start() else { return };
    let objects = trail();
    bucket(&mut moto, "shaky", &objects);
    let quiet = ids(&virga(&moto, &["s3://shaky/"]));
    // refused, slow, broken off in the middle: all of it is read in the end
    moto.fault(json!({ "match": "GET /shaky\\?", "times": 2, "status": 503 }));
    moto.fault(json!({ "match": "0000.json.gz", "times": 3, "status": 503 }));
    moto.fault(json!({ "match": "0001.json.gz", "times": 1, "delay": 1.0 }));
    moto.fault(json!({ "match": "0002.json.gz", "times": 2, "cut": 100 }));
    let output = virga(&moto, &["s3://shaky/"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(ids(&output), quiet);
    // gone between listing and reading: said, counted, and the others are read
    moto.fault(json!({ "match": "GET /shaky/.*0001.json.gz", "times": 1, "status": 404 }));
    let output = virga(&moto, &["s3://shaky/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("0001.json.gz: it is not there any more"), "{}", said(&output));
    assert!(said(&output).contains("unreadable   1 inputs"), "{}", said(&output));
}

#[test]
fn a_truncated_object_goes_to_quarantine_with_its_place() {
    let Some(mut moto) = Moto::start() else { return };
    let mut objects = trail();
    let half = objects[1].1.len() / 2;
    objects[1].1.truncate(half);
    bucket(&mut moto, "broken", &objects);
    let folder = tempfile::tempdir().expect("a folder");
    let quarantine = folder.path().join("quarantine.ndjson");
    let output = virga(&moto, &["s3://broken/", "--quarantine", quarantine.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(2));
    let text = std::fs::read_to_string(quarantine).expect("the quarantine");
    let entry: Value = serde_json::from_str(text.lines().last().expect("an entry")).expect("JSON");
    assert_eq!(entry["cause"], "truncated_compression");
    assert_eq!(entry["origin"]["bucket"], "broken");
    assert_eq!(entry["origin"]["key"], objects[1].0.as_str());
}

#[test]
fn thousands_of_small_objects_are_read_in_bounded_memory() {
    let Some(mut moto) = Moto::start() else { return };
    let event = trail().swap_remove(0).1;
    let keys: Vec<String> = (0..3_000).map(|number| format!("small/{number:05}.json.gz")).collect();
    moto.call("s3", "create_bucket", json!({ "Bucket": "small" }));
    moto.put_many("small", keys.iter().map(|key| (key.as_str(), event.as_slice())));
    let output = virga(&moto, &["s3://small/small/"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("15,000 events from 3,000 inputs"), "{}", said(&output));
    let requests = moto.requests();
    assert_eq!(requests.iter().filter(|request| request.contains(".json.gz")).count(), 3_000);
    assert!(requests.len() < 3_010, "{}", requests.len());
}

#[test]
fn credentials_come_from_profiles_roles_and_web_identities() {
    let Some(mut moto) = Moto::start() else { return };
    let objects = trail();
    bucket(&mut moto, "theirs", &objects);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let credentials =
        write("credentials", "[base]\naws_access_key_id = test\naws_secret_access_key = test\n");
    let config = write(
        "config",
        "[profile audit]\nrole_arn = arn:aws:iam::999988887777:role/Audit\nsource_profile = base\nexternal_id = word\nregion = us-east-1\n",
    );
    let token = write("token", "eyJ.a.token\n");
    let quiet = ids(&virga(&moto, &["s3://theirs/"]));
    let run = |set: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
        command.args(["detect", "--format", "ndjson", "s3://theirs/"]).args(arguments);
        for name in
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"]
        {
            command.env_remove(name);
        }
        command.env("AWS_ENDPOINT_URL", &moto.endpoint).env("HOME", folder.path());
        command.env("AWS_SHARED_CREDENTIALS_FILE", &credentials).env("AWS_CONFIG_FILE", &config);
        command.envs(set.iter().copied()).output().expect("virga runs")
    };
    let keys = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];
    let role = ["--role-arn", "arn:aws:iam::999988887777:role/Audit", "--external-id", "word"];
    let token = token.to_str().expect("a path");
    let web =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", token), ("AWS_ROLE_ARN", "arn:aws:iam::999988887777:role/Web")];
    let mut asked = Vec::new();
    for (set, arguments) in [
        (&[][..], &["--profile", "base"][..]),
        (&[], &["--profile", "audit"]),
        (&keys, &role),
        (&web, &[]),
        (&[("AWS_PROFILE", "base")], &[]),
    ] {
        let output = run(set, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        assert_eq!(ids(&output), quiet);
        asked.push(output);
    }
    // not signed, and so denied
    let anonymous = run(&keys, &["--anonymous"]);
    assert_eq!(anonymous.status.code(), Some(2));
    assert!(said(&anonymous).contains("access is denied"), "{}", said(&anonymous));
    let nobody = run(&[], &["--profile", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(said(&nobody).contains("there is no AWS profile `nobody`"), "{}", said(&nobody));
    let requests = moto.requests();
    // the token service was asked once each for the profile's role, the given role and the web identity
    assert_eq!(requests.iter().filter(|request| request.starts_with("POST /")).count(), 3, "{requests:#?}");
}
