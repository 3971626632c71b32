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
use daemon_support::{Daemon, Place, until};
use serde_json::json;
use virga_test_support::Moto;

const LONG: Duration = Duration::from_secs(180);

/// A lake in a store, and a daemon's place that archives what is written below its logs there.
struct Lake {
    moto: Moto,
    place: Place,
    endpoint: String,
}

impl Lake {
    /// `None` where there is no store; `of_store` goes behind the configuration of the archive.
    fn start(of_store: impl FnOnce(&mut Moto) -> String) -> Option<Self> {
        let mut moto = Moto::start()?;
        moto.call("s3", "create_bucket", json!({"Bucket": "lake"}));
        let place = Place::new("", "");
        fs::create_dir(place.path("logs")).expect("a folder");
        let endpoint = moto.endpoint.clone();
        let archive = archive_in("lake") + &of_store(&mut moto);
        let lake = Self { moto, place, endpoint };
        lake.place.configure(&lake.input(), &archive);
        Some(lake)
    }

    fn input(&self) -> String {
        FOLLOW.replace("LOGS", &self.place.path("logs").display().to_string())
    }

    fn environment(&self) -> [(&str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    fn daemon_in(&self, place: &Place) -> Daemon {
        let mut command = place.command();
        command.envs(self.environment());
        place.start_as(command, Stdio::null())
    }

    fn daemon(&self) -> Daemon {
        self.daemon_in(&self.place)
    }

    fn logs(&self) -> File {
        File::create(self.place.path("logs").join("a.ndjson")).expect("a file")
    }

    /// The ids of the events that are archived.
    fn events(&self) -> BTreeSet<String> {
        let rows = asked("s3://lake/a", "SELECT event_id FROM events", &self.environment());
        texts(&rows, "event_id").into_iter().collect()
    }

    /// The ids of the alerts that are archived, in order.
    fn alerts(&self) -> Vec<String> {
        let rows = asked("s3://lake/a", "SELECT alert_id FROM alerts", &self.environment());
        let mut ids = texts(&rows, "alert_id");
        ids.sort();
        ids
    }
}

fn archive_in(bucket: &str) -> String {
    format!("[archive]\nurl = \"s3://{bucket}/a\"\nevery = \"300ms\"\n")
}

/// That the archive's store does not serve is said, and counted.
fn is_held_up(place: &Place, daemon: &Daemon) -> bool {
    let metrics = daemon.get("/metrics");
    let is_held = metrics.lines().any(|line| line == "virga_archive_held 1");
    is_held && place.log().contains("the archive is held up")
}

#[test]
fn a_store_that_fails_or_refuses_writes_is_waited_for_and_nothing_is_lost() {
    let Some(mut lake) = Lake::start(|_| String::new()) else { return };
    let all = lines(0..4_000);
    let mut file = lake.logs();
    file.write_all(all[..1_000].concat().as_bytes()).expect("written");
    let daemon = lake.daemon();
    until("the first are archived", LONG, || {
        lake.place.log().contains("events and alerts are archived") && lake.events().len() == 1_000
    });
    // a store that is busy now and then, at every kind of request
    lake.moto.fault(json!({"match": "/lake", "times": 60, "every": 3, "status": 503}));
    file.write_all(all[1_000..2_000].concat().as_bytes()).expect("written");
    until("the next are archived", LONG, || lake.events().len() == 2_000);
    lake.moto.clear_faults();
    // a store that is full: it refuses what is written, and serves what is read
    lake.moto.fault(json!({"match": "PUT /lake", "times": 1_000_000, "status": 403}));
    file.write_all(all[2_000..].concat().as_bytes()).expect("written");
    until("it is said and counted", LONG, || is_held_up(&lake.place, &daemon));
    let alerts = lake.place.ids().len();
    std::thread::sleep(Duration::from_secs(2));
    assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
    let checkpoint = fs::read(lake.place.path("state/checkpoint")).expect("a checkpoint");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(fs::read(lake.place.path("state/checkpoint")).expect("a checkpoint"), checkpoint);
    assert!(alerts > 0);
    // killed while nothing can be written: the next goes on where the archive ends
    daemon.kill();
    lake.moto.clear_faults();
    let daemon = lake.daemon();
    until("all are archived", LONG, || lake.events().len() == 4_000);
    until("it is not held any more", LONG, || {
        daemon.get("/metrics").lines().any(|line| line == "virga_archive_held 0")
    });
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    assert_eq!(lake.events(), ids_of(&all));
    assert_eq!(lake.alerts(), lake.place.ids());
}

#[test]
fn asked_to_end_it_waits_for_no_archive_whose_store_is_away_and_nothing_is_lost() {
    let Some(mut lake) = Lake::start(|_| String::new()) else { return };
    let all = lines(0..2_000);
    let mut file = lake.logs();
    file.write_all(all[..1_000].concat().as_bytes()).expect("written");
    let daemon = lake.daemon();
    until("the first are archived", LONG, || {
        lake.place.log().contains("events and alerts are archived") && lake.events().len() == 1_000
    });
    lake.moto.fault(json!({"match": "/lake", "times": 1_000_000, "status": 503}));
    file.write_all(all[1_000..].concat().as_bytes()).expect("written");
    until("it is held up", LONG, || lake.place.log().contains("the archive is held up"));
    let checkpoint = fs::read(lake.place.path("state/checkpoint")).expect("a checkpoint");
    let asked_to = Instant::now();
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    assert!(asked_to.elapsed() < Duration::from_secs(15), "{:?}", asked_to.elapsed());
    assert_eq!(fs::read(lake.place.path("state/checkpoint")).expect("a checkpoint"), checkpoint);
    assert!(lake.place.log().contains("the archive's store is away"), "{}", lake.place.log());
    lake.moto.clear_faults();
    let daemon = lake.daemon();
    until("all are archived", LONG, || lake.events().len() == all.len());
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    assert_eq!(lake.events(), ids_of(&all));
    assert_eq!(lake.alerts(), lake.place.ids());
}

#[test]
fn a_region_that_nobody_names_is_asked_for_when_the_store_is_there() {
    let of_store = |moto: &mut Moto| {
        let (proxy, authority) = moto.as_aws();
        format!("[archive.store]\nproxy = \"{proxy}\"\nca_file = \"{authority}\"\n")
    };
    let Some(mut lake) = Lake::start(of_store) else { return };
    let all = lines(0..1_000);
    lake.logs().write_all(all.concat().as_bytes()).expect("written");
    let command = || {
        let mut command = lake.place.command();
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
    lake.moto.fault(json!({"match": "", "times": 1_000_000, "status": 503}));
    // what can be proved is proved, and the archive's store is one of all
    let (status, said) = check();
    assert!(status == Some(2) && said.contains("failed  archive: "), "{said}");
    assert!(said.contains("ok      rules: ") && said.contains("ok      input \"trail\": "), "{said}");
    let daemon = lake.place.start_as(command(), Stdio::null());
    until("it is said and counted", LONG, || is_held_up(&lake.place, &daemon));
    assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
    assert!(daemon.get("/readyz").contains("503"), "it cannot archive yet");
    until("alerts do not wait for it", LONG, || !lake.place.ids().is_empty());
    lake.moto.requests();
    lake.moto.clear_faults();
    until("all are archived", LONG, || {
        lake.place.log().contains("events and alerts are archived") && lake.events().len() == all.len()
    });
    let first =
        lake.moto.requests().into_iter().find(|request| !request.contains("/lake")).unwrap_or_default();
    assert!(first.starts_with("HEAD /"), "the bucket is asked for its region: {first}");
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    let (status, said) = check();
    assert!(status == Some(0) && said.contains("ok      archive: would add to version"), "{said}");
}

#[test]
fn a_store_that_is_away_at_the_start_is_waited_for_and_one_that_is_wrong_is_not() {
    let Some(mut lake) = Lake::start(|_| String::new()) else { return };
    let all = lines(0..1_000);
    lake.logs().write_all(all.concat().as_bytes()).expect("written");
    lake.moto.fault(json!({"match": "/lake", "times": 1_000_000, "status": 503}));
    let said = "the archive is held up";
    let away = |starts: usize| {
        let daemon = lake.daemon();
        until("it is said and counted", LONG, || {
            is_held_up(&lake.place, &daemon) && lake.place.log().matches(said).count() == starts
        });
        until("alerts do not wait for it", LONG, || !lake.place.ids().is_empty());
        assert!(daemon.get("/healthz").contains("200 OK"), "it is alive while it waits");
        assert!(daemon.get("/readyz").contains("503"), "it cannot archive yet");
        assert!(!lake.place.path("state/checkpoint").exists(), "nothing may count as read");
        daemon
    };
    // asked to end while it waits, it ends, and the next reads the same again
    let daemon = away(1);
    let asked_to = Instant::now();
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    assert!(asked_to.elapsed() < Duration::from_secs(20), "{:?}", asked_to.elapsed());
    assert!(!lake.place.path("state/checkpoint").exists(), "nothing may count as read");
    let daemon = away(2);
    lake.moto.clear_faults();
    until("it is ready", LONG, || daemon.get("/readyz").contains("200 OK"));
    until("all are archived", LONG, || lake.events().len() == all.len());
    assert_eq!(daemon.end(), Some(0), "{}", lake.place.log());
    assert_eq!(lake.place.log().matches(said).count(), 2, "once a start: {}", lake.place.log());
    assert!(lake.place.log().contains("the archive's store serves again"), "{}", lake.place.log());
    for (what, bucket, fault, word) in [
        ("a bucket that is not there", "absent", None, "NoSuchBucket"),
        (
            "a store that refuses",
            "lake",
            Some(json!({"match": "/lake", "times": 1_000, "status": 403})),
            "403",
        ),
    ] {
        fault.into_iter().for_each(|fault| lake.moto.fault(fault));
        let place = Place::new(&lake.input(), &archive_in(bucket));
        let mut daemon = lake.daemon_in(&place);
        let mut status = None;
        until(&format!("{what}: it ends"), LONG, || {
            status = daemon.child.try_wait().expect("a status");
            status.is_some()
        });
        lake.moto.clear_faults();
        assert!(status.is_some_and(|status| !status.success()), "{what}: {}", place.log());
        assert!(place.log().contains("[archive]") && place.log().contains(word), "{what}: {}", place.log());
    }
}
