//! `virga run` with an archive in a store that is away, refuses, or has to be asked where it is: waited for while it
//! runs, left when it is to end, and nothing lost. Against moto; skipped with a word where no Python is at hand.

#![cfg(all(feature = "daemon", feature = "lake"))]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use daemon_support::archive::{FOLLOW, asked, ids_of, lines, texts};
use daemon_support::{Place, until};
use serde_json::json;
use virga_test_support::Moto;

const LONG: Duration = Duration::from_secs(180);

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
