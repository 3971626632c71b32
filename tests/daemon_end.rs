//! How `virga run` ends where something does not let go.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use daemon_support::{Place, event, until};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_sink_that_hangs_in_a_write_is_left_and_its_alerts_stay_in_the_checkpoint() {
    let input =
        "[[input]]\nname = \"app\"\nsource = \"aws.cloudtrail\"\nfollow = { paths = [\"logs/*.json\"] }\n";
    let place = Place::new(input, "[[sink]]\nname = \"out\"\n[sink.stdout]\n");
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
