//! How `virga run` ends where a sink does not let go, and what becomes of what it did not take.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use daemon_support::{Place, event, until};

const LONG: Duration = Duration::from_secs(60);
const INPUT: &str =
    "[[input]]\nname = \"app\"\nsource = \"aws.cloudtrail\"\nfollow = { paths = [\"logs/*.json\"] }\n";

#[test]
fn a_sink_that_hangs_in_a_write_is_left_and_its_alerts_stay_in_the_checkpoint() {
    let place = Place::new(INPUT, "[[sink]]\nname = \"out\"\n[sink.stdout]\n");
    fs::create_dir(place.path("logs")).expect("a folder");
    // more than a pipe holds
    let events = 1_000;
    let lines =
        (0..events).map(|number| event(number, number, "Intrusion", "203.0.113.1").to_string() + "\n");
    fs::write(place.path("logs/a.json"), lines.collect::<String>()).expect("a log");
    // nobody reads it
    let daemon = place.start_as(place.command(), Stdio::piped());
    until("the other sink has all", LONG, || place.delivered() == events as usize);
    let began = Instant::now();
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert!(place.log().contains("sink-out hangs in a write"), "{}", place.log());
    // the next process gives them on
    let output = place.path("out");
    let stdout = fs::File::create(&output).expect("a file");
    let daemon = place.start_as(place.command(), Stdio::from(stdout));
    let lines = || fs::read_to_string(&output).unwrap_or_default().lines().count();
    until("all are given to it", LONG, || lines() == events as usize);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn alerts_that_wait_for_a_sink_that_is_renamed_are_told_of() {
    let place = Place::new(INPUT, "[[sink]]\nname = \"old\"\nfile = { path = \"/dev/full\" }\n");
    fs::create_dir(place.path("logs")).expect("a folder");
    let lines = (0..7).map(|number| event(number, number, "Intrusion", "203.0.113.1").to_string() + "\n");
    fs::write(place.path("logs/a.json"), lines.collect::<String>()).expect("a log");
    let daemon = place.start();
    until("the other sink has all", LONG, || place.delivered() == 7);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    place.replace("\"old\"", "\"new\"");
    let words = "the sink is not configured any more: 7 alerts that it had still to take go to nobody";
    let checked = place.command().arg("--check").output().expect("it runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(said.contains(&format!("warning state: sink \"old\": {words}")), "{said}");
    let daemon = place.start();
    let counted = "virga_dropped_total{cause=\"sink_removed\"} 7";
    until("it is counted", LONG, || daemon.get("/metrics").contains(counted));
    assert!(place.log().contains(words), "{}", place.log());
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}
