//! An archive in Google's and in Azure's object store, written from logs in the same store: all that is done with one on
//! a disk, and two writers at once. Against Azurite and `tests/stores/google.py`; skipped with a word where what they
//! take is not at hand.
#![cfg(feature = "lake")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use virga_test_support::{Store, workspace};

const STORY: &str = "stories/console-login-from-afar-to-snapshot-sharing.ndjson";

fn command(store: &Store, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
    command.args(args).current_dir(workspace());
    command.envs(store.environment.iter().map(|(name, value)| (name, value.as_str())));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ok(store: &Store, args: &[&str]) -> String {
    let output = command(store, args).output().expect("virga runs");
    assert!(output.status.success(), "{} {args:?}: {}", store.scheme, said(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn parsed(store: &Store, args: &[&str]) -> Value {
    serde_json::from_str(&ok(store, args)).expect("JSON")
}

fn sample(path: &str) -> Vec<u8> {
    std::fs::read(workspace().join("samples").join(path)).expect("a sample")
}

fn ids(text: &str) -> BTreeSet<String> {
    let alert = |line: &str| serde_json::from_str::<Value>(line).expect("an alert")["alert_id"].to_string();
    text.lines().map(alert).collect()
}

fn count(store: &Store, lake: &str) -> u64 {
    let sql = "SELECT count(raw) AS n FROM events";
    let row = ok(store, &["query", "--format", "ndjson", "--archive", lake, sql]);
    serde_json::from_str::<Value>(&row).expect("a row")["n"].as_u64().expect("a number")
}

fn assert_whole(store: &Store, lake: &str) -> Value {
    let found = parsed(store, &["archive", "verify", "--json", "--archive", lake]);
    assert_eq!(found["problems"], json!([]), "{found}");
    found
}

/// Both stores, as far as they are at hand, with logs and room for archives.
fn stores() -> Vec<Store> {
    let mut stores: Vec<Store> = [Store::azure(), Store::google()].into_iter().flatten().collect();
    for store in &mut stores {
        store.bucket("logs");
        store.bucket("lake");
        store.put("logs", "a story/of 2026.ndjson", &sample(STORY));
        store.put("logs", "records/a.json", &sample("aws.cloudtrail/records.json"));
    }
    stores
}

#[test]
fn all_that_is_done_with_an_archive_is_done_in_google_and_azure() {
    for store in stores() {
        let [story, records, lake] = ["logs/a story/", "logs/records/a.json", "lake/of ours/#1"]
            .map(|of| format!("{}://{of}", store.scheme));
        let file = workspace().join("samples").join(STORY).display().to_string();
        let detect = |input: &str| ids(&ok(&store, &["detect", "--quiet", "--format", "ndjson", input]));
        let detected = detect(&story);
        assert!(detected.len() > 5);
        assert_eq!(detected, detect(&file));
        let import =
            |input: &str| parsed(&store, &["archive", "import", "--json", "--archive", &lake, input]);
        let events = import(&story)["events"].as_u64().expect("a number");
        assert!(events > 150);
        assert_eq!(import(&story)["events"], 0);
        let more = import(&records)["events"].as_u64().expect("a number");
        assert_eq!(count(&store, &lake), events + more);
        assert_whole(&store, &lake);
        let folder = tempfile::tempdir().expect("a folder");
        let told = folder.path().join("alerts.ndjson").display().to_string();
        for then in ["compact", "expire"] {
            let args = ["backtest", "--quiet", "--format", "json", "--archive", &lake, "--alerts", &told];
            ok(&store, &args);
            assert!(ids(&std::fs::read_to_string(&told).expect("alerts")).is_superset(&detected), "{then}");
            let keep: &[&str] = if then == "expire" { &["--keep", "20000d"] } else { &[] };
            ok(&store, &[&["archive", then, "--archive", &lake], keep].concat());
            assert_whole(&store, &lake);
            assert_eq!(count(&store, &lake), events + more, "{then}");
        }
    }
}

#[test]
fn two_writers_at_once_both_come_through_in_google_and_azure() {
    for store in stores() {
        let [story, records, lake] =
            ["logs/a story/", "logs/records/", "lake/two"].map(|of| format!("{}://{of}", store.scheme));
        // the archive is there: what they quarrel about is its next version
        let kubernetes = workspace().join("samples/kubernetes.audit/events.ndjson").display().to_string();
        let entra = workspace().join("samples/entra.audit/events.ndjson").display().to_string();
        ok(&store, &["archive", "import", "--quiet", "--archive", &lake, &entra]);
        let before = count(&store, &lake);
        let start = |input: &str| {
            let mut command = command(&store, &["archive", "import", "--json", "--archive", &lake, input]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("virga runs")
        };
        let mut written = 0;
        for child in [start(&story), start(&records), start(&kubernetes)] {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}: {}", store.scheme, said(&output));
            let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            written += told["events"].as_u64().expect("a number");
        }
        assert_eq!(count(&store, &lake), before + written);
        assert_eq!(assert_whole(&store, &lake)["left_behind"], json!([]));
    }
}

#[test]
fn what_keeps_a_store_from_serving_is_told() {
    for store in stores() {
        let told = |args: &[&str], more: &[(&str, &str)]| {
            let output = command(&store, args).envs(more.iter().copied()).output().expect("virga runs");
            assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
            said(&output)
        };
        let away = format!("{}://nothere/x/", store.scheme);
        let (cause, wrong) = match store.scheme {
            "az" => ("ContainerNotFound", "AZURE_STORAGE_ENDPOINT"),
            _ => ("NoSuchBucket", "STORAGE_EMULATOR_HOST"),
        };
        let here = format!("{}://logs/x/", store.scheme);
        assert!(told(&["detect", &away], &[]).contains(cause));
        for args in [&["detect", &here][..], &["archive", "ls", "--archive", &here]] {
            let said = told(args, &[(wrong, "http://127.0.0.1:99999")]);
            assert!(said.contains("is no address of a service"), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        let said = told(&["detect", "--role-arn", "arn:aws:iam::111122223333:role/x", &here], &[]);
        assert!(said.contains("`--role-arn` is said of stores of S3"), "{said}");
        if store.scheme == "az" {
            let said = told(&["detect", &here], &[("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")]);
            assert!(said.contains("403") && said.contains("AuthorizationFailure"), "{said}");
        }
    }
}
