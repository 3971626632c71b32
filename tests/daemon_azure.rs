//! `virga run` over Azure's blobs: what grows is read on from where it stood, over kills too, and what was written anew
//! from its beginning. Against Azurite; skipped with a word where it cannot be had.

#![cfg(all(feature = "daemon", feature = "lake"))]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::process::Stdio;
use std::time::Duration;

use daemon_support::archive::asked;
use daemon_support::{Daemon, Place, until};
use serde_json::{Value, json};
use virga_test_support::Store;

const LONG: Duration = Duration::from_secs(120);

/// A container of logs without ids, and a daemon's place that archives what is in it.
struct Logs {
    store: Store,
    place: Place,
}

impl Logs {
    /// `archive` goes behind the configuration of the archive.
    fn start(archive: &str) -> Option<Self> {
        let mut store = Store::azure()?;
        store.bucket("logs");
        let input = format!(
            "[[input]]\nname = \"blobs\"\nsource = \"generic\"\nlateness = \"10m\"\n\
             [input.s3]\nurl = \"az://logs/app/\"\nlist_every = \"1s\"\nsettle = \"0s\"\n\
             [input.s3.store]\nendpoint = \"{}\"\n",
            store.endpoint
        );
        let place = Place::new(&input, &format!("[archive]\nurl = \"lake\"\n{archive}\n"));
        Some(Self { store, place })
    }

    fn daemon(&self) -> Daemon {
        let mut command = self.place.command();
        command.envs(self.store.environment.iter().map(|(name, value)| (name, value.as_str())));
        self.place.start_as(command, Stdio::null())
    }

    /// Adds numbered events to a blob that grows.
    fn add(&mut self, key: &str, numbers: std::ops::Range<u64>) {
        self.store.append("logs", key, lines(numbers).as_bytes());
    }

    /// Which numbers are archived, each as often as it counts.
    fn archived(&self) -> Vec<u64> {
        let lake = self.place.path("lake").display().to_string();
        let rows = asked(&lake, "SELECT raw FROM events", &[]);
        let number = |row: &Value| {
            let raw: Value = serde_json::from_str(row["raw"].as_str().expect("a text")).expect("an event");
            raw["number"].as_u64().expect("a number")
        };
        let mut numbers: Vec<u64> = rows.iter().map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    let line = |number| {
        let second = number % 60;
        json!({ "time": format!("2026-03-02T09:00:{second:02}Z"), "number": number }).to_string() + "\n"
    };
    numbers.map(line).collect()
}

/// Waits until the process has read so many events since it began.
fn wait_for_events(daemon: &Daemon, count: u64) {
    until(&format!("{count} events are read"), LONG, || {
        let metrics = daemon.get("/metrics");
        let counts = metrics.lines().filter(|line| line.starts_with("virga_events_total"));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counts.sum::<f64>() >= count as f64
    });
}

#[test]
fn a_blob_that_grew_before_a_kill_is_read_on_from_where_the_checkpoint_has_it() {
    // no checkpoint is written but at the end
    let Some(mut logs) = Logs::start("every = \"10m\"") else { return };
    let key = "app/y=2026/PT1H.json";
    logs.add(key, 0..50);
    let daemon = logs.daemon();
    wait_for_events(&daemon, 50);
    assert_eq!(daemon.end(), Some(0));
    let daemon = logs.daemon();
    logs.add(key, 50..80);
    wait_for_events(&daemon, 30);
    logs.add(key, 80..90);
    wait_for_events(&daemon, 40);
    daemon.kill();
    logs.add(key, 90..100);
    let daemon = logs.daemon();
    wait_for_events(&daemon, 50);
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(logs.archived(), (0..100).collect::<Vec<_>>());
    assert_eq!(logs.place.quarantined(), "");
}

#[test]
fn a_blob_that_was_written_anew_is_read_from_its_beginning_whatever_its_length() {
    let Some(mut logs) = Logs::start("every = \"300ms\"") else { return };
    for key in ["app/shorter.json", "app/longer.json", "app/as-long.json"] {
        logs.store.put("logs", key, lines(100..120).as_bytes());
    }
    logs.add("app/grows.json", 0..10);
    let daemon = logs.daemon();
    wait_for_events(&daemon, 70);
    logs.store.put("logs", "app/shorter.json", lines(200..210).as_bytes());
    logs.store.put("logs", "app/longer.json", lines(300..340).as_bytes());
    logs.store.put("logs", "app/as-long.json", lines(400..420).as_bytes());
    logs.add("app/grows.json", 10..20);
    wait_for_events(&daemon, 150);
    assert_eq!(daemon.end(), Some(0));
    let mut numbers: Vec<u64> = (100..120).flat_map(|number| [number; 3]).collect();
    numbers.extend((0..20).chain(200..210).chain(300..340).chain(400..420));
    numbers.sort_unstable();
    assert_eq!(logs.archived(), numbers);
    assert!(!logs.place.log().contains("object_unreadable"), "{}", logs.place.log());
}
