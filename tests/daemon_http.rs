//! `virga run` on requests: what a configuration says of them, as its operator meets it.

#![cfg(feature = "daemon")]
#![allow(missing_docs, dead_code)]

mod daemon_support;

use std::fs;
use std::process::Output;
use std::time::Duration;

use daemon_support::{Place, event, until};
use virga_test_support::workspace;

const LONG: Duration = Duration::from_secs(60);

/// An input that listens, with further keys.
fn http(listen: &str, keys: &str) -> String {
    format!(
        "[[input]]\nname = \"push\"\n[input.http]\nlisten = \"{listen}\"\ntoken = {{ env = \"PUSH_TOKEN\" }}\n{keys}\n"
    )
}

/// The certificate of tests, in a folder beside the configuration.
fn with_certificate(place: &Place) {
    fs::create_dir(place.path("tls")).expect("a folder");
    for name in ["server.pem", "server.key", "other.key"] {
        let from = workspace().join("ingest/tests/tls").join(name);
        fs::copy(from, place.path("tls").join(name)).expect("a copy");
    }
}

fn check(place: &Place) -> Output {
    place.command().arg("--check").env("PUSH_TOKEN", "word").output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_certificate_is_found_beside_the_configuration_and_a_wrong_one_ends_the_start() {
    let place = Place::new("", "");
    with_certificate(&place);
    for (tls, status, expected) in [
        ("cert = \"tls/server.pem\", key = \"tls/server.key\"", 0, "takes events at https://0.0.0.0:0/"),
        ("cert = \"tls/nowhere.pem\", key = \"tls/server.key\"", 2, "tls/nowhere.pem: No such file"),
        ("cert = \"tls/server.pem\", key = \"tls/nowhere.key\"", 2, "tls/nowhere.key: No such file"),
        ("cert = \"tls/server.key\", key = \"tls/server.key\"", 2, "tls/server.key: it holds no certificate"),
        ("cert = \"tls/server.pem\", key = \"tls/other.key\"", 2, "the key that it was made for"),
        ("cert = \"tls/server.pem\"", 2, "missing field `key`"),
    ] {
        place.configure(&http("0.0.0.0:0", &format!("tls = {{ {tls} }}")), "");
        let checked = check(&place);
        assert_eq!(checked.status.code(), Some(status), "{tls}: {}", said(&checked));
        assert!(said(&checked).contains(expected), "{tls}: {}", said(&checked));
        assert!(!said(&checked).contains("in the clear"), "{}", said(&checked));
        if status != 0 {
            let started = place.command().env("PUSH_TOKEN", "word").output().expect("it runs");
            assert_eq!(started.status.code(), Some(status), "{tls}: {}", said(&started));
            assert!(said(&started).contains(expected), "{tls}: {}", said(&started));
        }
    }
}

#[test]
fn tokens_in_the_clear_are_warned_of_at_the_check_and_at_the_start() {
    let place = Place::new(&http("0.0.0.0:0", ""), "");
    let checked = check(&place);
    assert!(checked.status.success(), "{}", said(&checked));
    assert!(
        said(&checked).contains("warning input \"push\": tokens and events come to"),
        "{}",
        said(&checked)
    );
    let mut command = place.command();
    command.env("PUSH_TOKEN", "word");
    let daemon = place.start_as(command, std::process::Stdio::null());
    until("the start has warned", LONG, || place.log().contains("in the clear"));
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    assert!(!place.log().contains("word"), "{}", place.log());
    let place = Place::new(&http("127.0.0.1:0", ""), "");
    let checked = check(&place);
    assert!(checked.status.success() && !said(&checked).contains("warning"), "{}", said(&checked));
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_configuration_is_checked_beside_the_process_that_runs_and_a_stranger_is_told() {
    let (push, metrics) = (free_port(), free_port());
    let input =
        http(&format!("127.0.0.1:{push}"), "tls = { cert = \"tls/server.pem\", key = \"tls/server.key\" }");
    let place = |folder: &str| {
        let place = Place::new(&input, "");
        with_certificate(&place);
        place.replace("127.0.0.1:0", &format!("127.0.0.1:{metrics}"));
        place.replace("folder = \"state\"", &format!("folder = \"{folder}\""));
        place
    };
    let running = place("state");
    let mut command = running.command();
    command.env("PUSH_TOKEN", "word");
    let daemon = running.start_as(command, std::process::Stdio::null());
    until("it is alive", LONG, || daemon.get("/healthz").contains("alive"));
    let parts = ["ok      metrics:", "ok      input \"push\":"];
    // whether it has written a checkpoint or not
    let checked = check(&running);
    assert!(checked.status.success(), "{}", said(&checked));
    let own = "the port is held by the process that runs on this state folder";
    for part in parts {
        let line = said(&checked).lines().find(|line| line.starts_with(part)).map(str::to_owned);
        assert!(line.is_some_and(|line| line.contains(own)), "{part} {}", said(&checked));
    }
    let other = check(&place("state"));
    assert!(other.status.success(), "{}", said(&other));
    assert_eq!(said(&other).matches("a virga with another state folder").count(), 2, "{}", said(&other));
    assert_eq!(daemon.end(), Some(0), "{}", running.log());
    assert!(!running.log().contains("hung up on"), "{}", running.log());
    let strangers = [push, metrics].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)));
    let checked = check(&running);
    assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
    assert_eq!(said(&checked).matches("does not answer as a virga").count(), 2, "{}", said(&checked));
    drop(strangers);
    let checked = check(&running);
    assert!(checked.status.success() && !said(&checked).contains("held"), "{}", said(&checked));
}

#[test]
fn two_parts_on_one_port_are_both_named_at_the_check_and_at_the_start() {
    let place = Place::new(&http("127.0.0.1:8088", ""), "");
    place.replace("127.0.0.1:0", "127.0.0.1:8088");
    let mut start = place.command();
    let started = start.env("PUSH_TOKEN", "word").output().expect("it runs");
    for output in [check(&place), started] {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        let expected = "input \"push\" listens on 127.0.0.1:8088 and [metrics] on 127.0.0.1:8088";
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}

#[test]
fn what_an_input_names_is_found_beside_the_configuration_wherever_it_is_started() {
    let follow = "[[input]]\nname = \"app\"\n[input.follow]\npaths = [\"logs/*.json\"]\n";
    let place = Place::new(&format!("{follow}{}", http("127.0.0.1:0", "")), "");
    place.replace("token = { env = \"PUSH_TOKEN\" }", "token = { file = \"token\" }");
    fs::write(place.path("token"), "word\n").expect("a file");
    fs::create_dir(place.path("logs")).expect("a folder");
    fs::write(place.path("logs/a.json"), "{}\n").expect("a file");
    for folder in [std::path::Path::new("/"), place.folder.path()] {
        let checked = place.command().current_dir(folder).arg("--check").output().expect("it runs");
        assert!(checked.status.success(), "{}", said(&checked));
        assert!(said(&checked).contains("follows 1 files"), "{}", said(&checked));
    }
}

/// The wrong topic, or an envelope that nobody opens: without a word it would look like quiet days.
#[test]
fn events_that_no_source_knows_are_told_of_once_with_where_they_stand() {
    let follow = "[[input]]\nname = \"app\"\n[input.follow]\npaths = [\"logs/*.json\"]\n";
    let place = Place::new(follow, "");
    fs::create_dir(place.path("logs")).expect("a folder");
    let known = event(0, 0, "Intrusion", "203.0.113.1");
    let strange = "{\"level\":\"info\",\"msg\":\"up\"}\n";
    fs::write(place.path("logs/a.json"), format!("{known}\n{}", strange.repeat(40))).expect("a log");
    let daemon = place.start();
    let counted = "virga_events_total{input=\"app\",source=\"generic\"} 40";
    until("all are read", LONG, || daemon.get("/metrics").contains(counted));
    fs::write(place.path("logs/b.json"), strange.repeat(2)).expect("a log");
    let counted = counted.replace("40", "42");
    until("these too", LONG, || daemon.get("/metrics").contains(&counted));
    assert_eq!(daemon.end(), Some(0), "{}", place.log());
    let log = place.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("no log source knows")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("a.json:2") && told[0].contains("sources explain"), "{}", told[0]);
    assert_eq!(place.delivered(), 1, "{log}");
}
