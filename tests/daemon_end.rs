//! How `virga run` ends where a sink does not let go, and what becomes of what it did not take.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use daemon_support::{Place, SmallDisk, event, until};

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

/// Puts events with an alert each behind what a log has.
fn intrude(place: &Place, log: &str, numbers: std::ops::Range<u64>) {
    use std::io::Write;
    let lines = numbers.map(|number| event(number, number, "Intrusion", "203.0.113.1").to_string() + "\n");
    let mut file = fs::File::options().create(true).append(true).open(place.path(log)).expect("a log");
    file.write_all(lines.collect::<String>().as_bytes()).expect("it is written");
}

#[test]
fn asked_to_end_on_a_full_disk_with_a_record_to_put_aside_it_ends_soon_and_says_so() {
    let Some(disk) = SmallDisk::mount(2) else { return };
    let place = Place::new(INPUT, "");
    place.replace("folder = \"state\"", &format!("folder = \"{}\"", disk.path().display()));
    fs::create_dir(place.path("logs")).expect("a folder");
    intrude(&place, "logs/a.json", 0..10);
    let daemon = place.start();
    until("the first alerts", LONG, || place.delivered() == 10);
    std::thread::sleep(Duration::from_secs(1));
    disk.fill();
    fs::write(place.path("logs/b.json"), "{\"eventName\": \"cut o\n").expect("a log");
    until("it waits", LONG, || place.log().contains("everything waits for it"));
    intrude(&place, "logs/a.json", 10..20);
    let began = Instant::now();
    assert_eq!(daemon.end(), Some(2), "{}", place.log());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(place.log().contains("the last checkpoint could not be written"), "{}", place.log());
    disk.free();
    let daemon = place.start();
    until("all alerts", LONG, || place.ids().len() == 20);
    until("it is put aside", LONG, || {
        fs::read_to_string(disk.path().join("quarantine.ndjson")).is_ok_and(|text| text.lines().count() == 1)
    });
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
}

#[test]
fn an_input_that_is_taken_out_and_put_back_goes_on_where_it_stood() {
    let input = |name: &str| {
        format!(
            "[[input]]\nname = \"{name}\"\nsource = \"aws.cloudtrail\"\n\
             follow = {{ paths = [\"logs/{name}.json\"], from_start = false }}\n"
        )
    };
    let both = input("a") + &input("b");
    let place = Place::new(&both, "");
    fs::create_dir(place.path("logs")).expect("a folder");
    for name in ["a", "b"] {
        fs::write(place.path(&format!("logs/{name}.json")), "").expect("a log");
    }
    // what is there at an input's own first start is passed over
    let daemon = place.start();
    until("both are followed", LONG, || daemon.get("/readyz").contains("ready\n"));
    intrude(&place, "logs/b.json", 0..5);
    until("the first alerts", LONG, || place.ids().len() == 5);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    place.configure(&input("a"), "");
    let daemon = place.start();
    intrude(&place, "logs/b.json", 5..10);
    intrude(&place, "logs/a.json", 10..15);
    until("those of the other", LONG, || place.ids().len() == 10);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let said = "it is not configured any more: where it stood is kept, for when it is again input=\"b\"";
    assert!(place.log().contains(said), "{}", place.log());
    let checked = place.command().arg("--check").output().expect("it runs");
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("; it keeps where \"b\" stood, not configured any more"), "{checked}");
    place.configure(&both, "");
    let daemon = place.start();
    until("those that came meanwhile", LONG, || place.ids().len() == 15);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(place.alerts().values().all(|(_, times)| *times == 1));
}
