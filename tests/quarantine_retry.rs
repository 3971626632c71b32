//! `virga quarantine retry`: whatever happens to it or to whoever reads what it prints, no record is lost.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use daemon_support::{Place, until};
use serde_json::Value;
use virga_engine::event::{Origin, OriginBase};
use virga_ingest::quarantine::{Cause, Quarantined};

const STDIN: &str = "[[input]]\nname = \"in\"\n[input.stdin]\n";
const LONG: Duration = Duration::from_secs(60);

/// A record of quarantine; those of odd numbers cannot be read.
fn bytes(number: u64) -> String {
    match number % 2 {
        0 => format!("{{\"eventName\":\"A\",\"eventID\":\"e-{number}\",\"pad\":\"{}\"}}", "x".repeat(200)),
        _ => format!("{{\"eventID\":\"e-{number}\""),
    }
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    let line = |number| {
        let origin = Origin { base: OriginBase::File { path: "f".into() }, line: Some(number), record: None };
        let bytes = bytes(number).into_bytes();
        Quarantined { origin, cause: Cause::CutOff, time: 0, bytes }.to_json_line() + "\n"
    };
    numbers.map(line).collect()
}

/// A daemon's folder with two files of quarantine.
fn place(older: u64, all: u64) -> Place {
    let place = Place::new(STDIN, "");
    fs::create_dir(place.path("state")).expect("a folder");
    fs::write(place.path("state/quarantine.ndjson.1"), lines(0..older)).expect("a file");
    fs::write(place.path("state/quarantine.ndjson"), lines(older..all)).expect("a file");
    place
}

fn retry(place: &Place, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
    command.args(["quarantine", "retry", "-c"]).arg(place.path("virga.toml")).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(place: &Place, more: &[&str]) -> Output {
    retry(place, more).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The records that files whose names begin so hold, once each.
fn held(place: &Place, name: &str) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for file in fs::read_dir(place.path("state")).expect("a folder") {
        let path = file.expect("a file").path();
        if !path.is_file() || !path.file_name().is_some_and(|own| own.to_string_lossy().starts_with(name)) {
            continue;
        }
        for line in fs::read_to_string(&path).expect("text").lines() {
            let entry: Value = serde_json::from_str(line).expect("an entry");
            let raw = entry["raw_base64"].as_str().expect("bytes");
            let raw = base64::engine::general_purpose::STANDARD.decode(raw).expect("base64");
            held.insert(String::from_utf8(raw).expect("text"));
        }
    }
    held
}

fn records(numbers: std::ops::Range<u64>, readable: bool) -> BTreeSet<String> {
    numbers.filter(|number| (number % 2 == 0) == readable).map(bytes).collect()
}

/// Each record is in the quarantine or among those that were printed.
fn nothing_is_lost(place: &Place, all: u64) {
    let both: BTreeSet<String> = held(place, "quarantine").union(&held(place, "retried")).cloned().collect();
    let every: BTreeSet<String> = (0..all).map(bytes).collect();
    assert_eq!(both.len(), every.len());
    assert!(both == every);
}

#[test]
fn what_can_be_read_is_printed_and_kept_where_it_can_be_printed_again() {
    let place = place(3, 10);
    let first = output(&place, &[]);
    assert!(first.status.success(), "{}", said(&first));
    assert!(said(&first).contains("5 records can be read now, 5 still cannot"), "{}", said(&first));
    let printed: BTreeSet<String> =
        String::from_utf8_lossy(&first.stdout).lines().map(str::to_owned).collect();
    assert_eq!(printed, records(0..10, true));
    assert_eq!(held(&place, "retried"), records(0..10, true));
    assert_eq!(held(&place, "quarantine"), records(0..10, false));
    let second = output(&place, &[]);
    assert!(second.status.success() && second.stdout.is_empty(), "{}", said(&second));
    for _ in 0..2 {
        let again = output(&place, &["--again"]);
        assert!(again.status.success(), "{}", said(&again));
        assert_eq!(again.stdout, first.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_loses_nothing() {
    // it is gone before the first word
    let first = place(200, 1_000);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let gone = retry(&first, &[]).stdout(writer).output().expect("it runs");
    assert_eq!(gone.status.code(), Some(2), "{}", said(&gone));
    assert!(said(&gone).contains("whoever read the events has gone"), "{}", said(&gone));
    assert_eq!(held(&first, "quarantine").len(), 1_000);
    nothing_is_lost(&first, 1_000);
    // it reads a line, and the rest is in the pipe when it goes
    for all in [20, 1_000] {
        let place = place(10, all);
        let mut child = retry(&place, &[]).spawn().expect("it starts");
        let mut reader = BufReader::with_capacity(16, child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if all == 20 {
            // all of it fits into the pipe
            assert!(child.wait().expect("it ends").success());
        }
        drop(reader);
        let ended = child.wait_with_output().expect("it ends");
        assert_eq!(ended.status.code(), Some(if all == 20 { 0 } else { 2 }), "{}", said(&ended));
        nothing_is_lost(&place, all);
        let again = output(&place, &["--again"]);
        let printed = String::from_utf8_lossy(&again.stdout).lines().count();
        assert_eq!(printed, held(&place, "retried").len());
        assert!(all > 20 || printed == 10, "{printed}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    let place = place(200, 1_000);
    let full = || File::options().write(true).open("/dev/full").expect("a full device");
    let ended = retry(&place, &[]).stdout(full()).output().expect("it runs");
    assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
    assert!(said(&ended).contains("No space left on device"), "{}", said(&ended));
    assert_eq!(held(&place, "quarantine").len(), 1_000);
    nothing_is_lost(&place, 1_000);
    // what was printed cannot be kept: it stays
    fs::create_dir(place.path("state/retried.ndjson")).expect("a folder");
    let ended = output(&place, &[]);
    assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
    assert!(said(&ended).contains("in the quarantine still"), "{}", said(&ended));
    assert_eq!(held(&place, "quarantine").len(), 1_000);
    fs::remove_dir(place.path("state/retried.ndjson")).expect("it is empty");
    assert!(output(&place, &[]).status.success());
    nothing_is_lost(&place, 1_000);
}

#[test]
fn killed_at_any_instant_it_loses_nothing() {
    for taken in [1, 3_000, 30_000, 150_000] {
        let place = place(300, 3_000);
        let mut child = retry(&place, &[]).spawn().expect("it starts");
        let mut some = vec![0; taken];
        child.stdout.as_mut().expect("a pipe").read_exact(&mut some).expect("it prints");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        nothing_is_lost(&place, 3_000);
        let rest = output(&place, &[]);
        assert!(rest.status.success(), "{}", said(&rest));
        nothing_is_lost(&place, 3_000);
        assert_eq!(held(&place, "retried"), records(0..3_000, true));
        assert_eq!(held(&place, "quarantine"), records(0..3_000, false));
    }
}

#[test]
fn a_line_that_a_crash_has_cut_off_is_no_record() {
    let place = place(2, 6);
    let path = place.path("state/quarantine.ndjson");
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, format!("{text}{{\"origin\":{{\"pa")).expect("a file");
    for command in ["ls", "retry"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_virga"))
            .args(["quarantine", command, "-c"])
            .arg(place.path("virga.toml"))
            .output()
            .expect("it runs");
        assert!(ended.status.success(), "{command}: {}", said(&ended));
    }
    nothing_is_lost(&place, 6);
}

#[test]
fn a_damaged_line_hides_no_other_and_stays_where_it_is() {
    for damaged in [&b"{\"bad\"\n"[..], b"\xff\xfe\n", b"\0\0\0\n", b"{}\n"] {
        let place = place(4, 8);
        let path = place.path("state/quarantine.ndjson");
        let whole = [damaged, &fs::read(&path).expect("a file")].concat();
        fs::write(&path, whole).expect("a file");
        let quarantine = |what: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_virga"));
            command.arg("quarantine").args(what).arg("-c").arg(place.path("virga.toml"));
            command.output().expect("it runs")
        };
        let listed = quarantine(&["ls"]);
        assert_eq!(listed.status.code(), Some(2), "{}", said(&listed));
        assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 8);
        assert!(said(&listed).contains("record 5: a line is no entry of quarantine"), "{}", said(&listed));
        assert!(said(&listed).contains("8 records: 8 cut_off; 1 lines are damaged"), "{}", said(&listed));
        // those behind it have their numbers
        assert_eq!(quarantine(&["show", "9"]).stdout, bytes(7).into_bytes());
        let failed = quarantine(&["show", "5"]);
        assert!(said(&failed).contains("quarantine.ndjson: a line is no entry"), "{}", said(&failed));
        let retried = output(&place, &[]);
        assert_eq!(retried.status.code(), Some(2));
        assert!(said(&retried).contains("4 records can be read now, 4 still cannot; 1 lines are damaged"));
        assert_eq!(String::from_utf8_lossy(&retried.stdout).lines().count(), 4);
        assert!(fs::read(&path).expect("a file").starts_with(damaged), "it stays");
        let whole = fs::read(&path).expect("a file");
        fs::write(&path, &whole[damaged.len()..]).expect("a file");
        nothing_is_lost(&place, 8);
    }
}

#[test]
fn it_is_refused_while_the_process_is_running() {
    let place = place(3, 10);
    let mut command = place.command();
    command.stdin(Stdio::piped());
    let daemon = place.start_as(command, Stdio::null());
    until("it runs", LONG, || daemon.get("/readyz").contains("200 OK"));
    let ended = output(&place, &[]);
    assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
    assert!(ended.stdout.is_empty());
    let words = said(&ended);
    assert!(words.contains("another process uses it; stop it first"), "{words}");
    assert_eq!(held(&place, "quarantine").len(), 10);
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(output(&place, &[]).status.success());
    nothing_is_lost(&place, 10);
}
