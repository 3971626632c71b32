//! An archive in S3, against moto: all that is done with one on a disk, two writers at once, a store that fails,
//! and an object that is gone. Skipped with a word where no Python is at hand.
#![cfg(feature = "lake")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use virga_test_support::{Moto, workspace};

const BUCKET: &str = "lake";

struct Store(Moto);

impl Store {
    fn start() -> Option<Self> {
        let mut moto = Moto::start()?;
        moto.call("s3", "create_bucket", json!({ "Bucket": BUCKET }));
        Some(Self(moto))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
        command
            .args(args)
            .current_dir(workspace())
            .env("AWS_ENDPOINT_URL", &self.0.endpoint)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env_remove("AWS_PROFILE");
        command
    }

    fn virga(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("virga runs")
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.virga(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).expect("JSON")
    }

    fn start_import(&self, lake: &str, input: &str) -> Child {
        let mut command = self.command(&["archive", "import", "--json", "--archive", lake, input]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("virga runs")
    }

    fn events(&self, lake: &str) -> u64 {
        let listed = self.json(&["archive", "ls", "--json", "--archive", lake]);
        let hours = listed["coverage"].as_array().expect("a list").iter();
        hours.filter_map(|hour| hour["events"].as_u64()).sum()
    }

    fn assert_whole(&self, lake: &str) -> Value {
        let found = self.json(&["archive", "verify", "--json", "--archive", lake]);
        assert_eq!(found["problems"], json!([]), "{found}");
        found
    }

    /// Keys of the archive's files.
    fn files(&mut self) -> Vec<String> {
        let listed = self.0.call("s3", "list_objects_v2", json!({ "Bucket": BUCKET }));
        let keys = listed["Contents"].as_array().expect("objects").iter();
        let keys = keys.filter_map(|object| object["Key"].as_str().map(str::to_owned));
        keys.filter(|key| key.ends_with(".parquet") && !key.contains("_delta_log")).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sample(path: &str) -> String {
    workspace().join("samples").join(path).display().to_string()
}

fn ids(text: &str) -> BTreeSet<String> {
    let alert = |line: &str| serde_json::from_str::<Value>(line).expect("an alert")["alert_id"].to_string();
    text.lines().map(alert).collect()
}

fn backtested(store: &Store, lake: &str, folder: &Path) -> BTreeSet<String> {
    let told = folder.join("alerts.ndjson").display().to_string();
    store.ok(&["backtest", "--quiet", "--format", "json", "--archive", lake, "--alerts", &told]);
    ids(&std::fs::read_to_string(told).expect("alerts"))
}

/// How many events there are of a time long gone.
const OLD: u64 = 3;

fn of_2019() -> String {
    let event = |number: u64| {
        json!({
            "eventVersion": "1.08", "eventTime": "2019-05-01T10:00:00Z", "eventSource": "s3.amazonaws.com",
            "eventName": "ListBuckets", "awsRegion": "us-east-1", "eventID": format!("old-{number}"),
        })
        .to_string()
    };
    (0..OLD).map(event).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_that_is_done_with_an_archive_is_done_in_s3() {
    let Some(store) = Store::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, story) = ("s3://lake/whole", sample("stories/leaked-key-to-llmjacking.ndjson"));
    let detected = ids(&store.ok(&["detect", "--quiet", "--format", "ndjson", &story]));
    assert!(detected.len() > 20);
    let first = store.json(&["archive", "import", "--json", "--archive", lake, &story]);
    let events = first["events"].as_u64().expect("a number");
    assert_eq!(store.json(&["archive", "import", "--json", "--archive", lake, &story])["events"], 0);
    store.ok(&["archive", "import", "--json", "--archive", lake, &sample("aws.cloudtrail/events.ndjson")]);
    let all = store.events(lake);
    assert!(all > events);
    store.assert_whole(lake);
    let count =
        store.ok(&["query", "--format", "csv", "--archive", lake, "SELECT count(*) AS n FROM events"]);
    assert_eq!(count.lines().last(), Some(all.to_string().as_str()));
    assert!(backtested(&store, lake, folder.path()).is_superset(&detected));
    store.ok(&["archive", "compact", "--archive", lake]);
    store.assert_whole(lake);
    assert!(backtested(&store, lake, folder.path()).is_superset(&detected));
    let old = folder.path().join("old.ndjson");
    std::fs::write(&old, of_2019()).expect("a file");
    let old = store.json(&["archive", "import", "--json", "--archive", lake, &old.display().to_string()]);
    assert_eq!(old["events"], OLD);
    assert_eq!(store.events(lake), all + OLD);
    // whatever the clock says, the samples are not as old as that
    store.ok(&["archive", "expire", "--archive", lake, "--keep", "1500d"]);
    assert_eq!(store.events(lake), all);
    store.assert_whole(lake);
}

#[test]
fn the_store_is_found_as_inputs_find_theirs() {
    let Some(store) = Store::start() else { return };
    let lake = "s3://lake/profile";
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join(".aws")).expect("a folder");
    let keys = "[audit]\naws_access_key_id = test\naws_secret_access_key = test\nregion = eu-west-3\n";
    std::fs::write(home.path().join(".aws/credentials"), keys).expect("written");
    let with_a_profile = |args: &[&str]| {
        let mut command = store.command(args);
        for name in ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
            command.env_remove(name);
        }
        command.env("AWS_ENDPOINT_URL_S3", &store.0.endpoint).env("HOME", home.path());
        // where a profile is passed over, the instance that is asked is not there
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1").env("AWS_PROFILE", "audit");
        let output = command.output().expect("virga runs");
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    };
    let input = sample("aws.cloudtrail/events.ndjson");
    with_a_profile(&["archive", "import", "--quiet", "--archive", lake, &input]);
    with_a_profile(&["archive", "ls", "--archive", lake]);
    with_a_profile(&["query", "--archive", lake, "SELECT count(*) FROM events"]);
    with_a_profile(&["backtest", "--archive", lake]);
    assert!(store.events(lake) > 0);
}

#[test]
fn two_writers_at_once_both_come_through() {
    let Some(store) = Store::start() else { return };
    let lake = "s3://lake/two";
    let inputs = [
        "stories/leaked-key-to-llmjacking.ndjson",
        "aws.cloudtrail/events.ndjson",
        "kubernetes.audit/events.ndjson",
    ];
    let mut wanted = 0;
    for (number, input) in inputs.iter().enumerate() {
        let alone = format!("s3://lake/alone{number}");
        wanted += store.json(&["archive", "import", "--json", "--archive", &alone, &sample(input)])["events"]
            .as_u64()
            .expect("a number");
    }
    // the archive is there: what they quarrel about is its next version
    store.ok(&["archive", "import", "--quiet", "--archive", lake, &sample("entra.audit/events.ndjson")]);
    let before = store.events(lake);
    let running: Vec<Child> = inputs.iter().map(|input| store.start_import(lake, &sample(input))).collect();
    for child in running {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(store.events(lake), before + wanted);
    let found = store.assert_whole(lake);
    assert_eq!(found["left_behind"], json!([]));
}

#[test]
fn a_store_that_fails_every_third_request_serves_all_the_same() {
    let Some(mut store) = Store::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (lake, story) = ("s3://lake/third", sample("stories/leaked-key-to-llmjacking.ndjson"));
    let detected = ids(&store.ok(&["detect", "--quiet", "--format", "ndjson", &story]));
    store.0.fault(json!({ "match": "/lake", "every": 3, "times": 1_000_000, "status": 503 }));
    store.ok(&["archive", "import", "--quiet", "--archive", lake, &story]);
    store.assert_whole(lake);
    assert_eq!(backtested(&store, lake, folder.path()), detected);
    store.ok(&["archive", "compact", "--archive", lake]);
    store.assert_whole(lake);
    let failed = store.0.requests().len();
    assert!(failed > 30, "{failed}");
}

#[test]
fn an_object_that_is_gone_is_named() {
    let Some(mut store) = Store::start() else { return };
    let lake = "s3://lake/gone";
    store.ok(&[
        "archive",
        "import",
        "--quiet",
        "--archive",
        lake,
        &sample("stories/leaked-key-to-llmjacking.ndjson"),
    ]);
    let keys = store.files();
    let gone = keys.first().expect("a file").clone();
    store.0.call("s3", "delete_object", json!({ "Bucket": BUCKET, "Key": gone }));
    let name = gone.rsplit('/').next().expect("a name").to_owned();
    for args in [
        vec!["backtest", "--no-prune", "--archive", lake],
        vec!["query", "--archive", lake, "SELECT count(raw) FROM events"],
        vec!["archive", "verify", "--archive", lake],
    ] {
        let output = store.virga(&args);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), said(&output));
        assert!(matches!(output.status.code(), Some(1 | 2)), "{told}");
        assert!(told.contains(&name), "{args:?}: {told}");
    }
}
