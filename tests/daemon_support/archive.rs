//! What tests of the daemon's archive share: events to archive, and what a query says of them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{Chance, event};

/// An input that follows the files below `LOGS`.
pub const FOLLOW: &str =
    "[[input]]\nname = \"trail\"\nlateness = \"10m\"\nfollow = { paths = [\"LOGS/*.ndjson\"] }\n";

/// What a query says of an archive, a row each.
pub fn asked(archive: &str, sql: &str, environment: &[(&str, &str)]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_virga"))
        .args(["query", sql, "--archive", archive, "--format", "ndjson"])
        .envs(environment.iter().copied())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// A column of them.
pub fn texts(rows: &[Value], column: &str) -> Vec<String> {
    rows.iter().map(|row| row[column].as_str().unwrap_or_default().to_owned()).collect()
}

/// Failures in bursts from some addresses, intruders now and then, and much else; then an event a day later.
pub fn lines(numbers: std::ops::Range<u64>) -> Vec<String> {
    let mut chance = Chance(numbers.start + 7);
    let line = |number: u64| {
        let name = match chance.below(10) {
            0..=2 => "FailedLogin",
            3 if chance.below(5) == 0 => "Intrusion",
            _ => "ConsoleLogin",
        };
        event(number, number / 20, name, &format!("198.51.100.{}", chance.below(9))).to_string() + "\n"
    };
    numbers.map(line).collect()
}

/// The ids of events.
pub fn ids_of(lines: &[String]) -> BTreeSet<String> {
    let id = |line: &String| {
        let event: Value = serde_json::from_str(line).expect("an event");
        event["eventID"].as_str().expect("an id").to_owned()
    };
    lines.iter().map(id).collect()
}
