//! Events as nobody should send them: every sample of every source, with each of its values replaced by
//! one of another kind. Nothing panics, nothing is lost, and an event is the same whatever stood before.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{auto, bytes, read};
use serde_json::{Value, json};
use virga_engine::event::COLUMNS;
use virga_ingest::sources::{SOURCES, generic};
use virga_test_support::workspace;

fn samples() -> Vec<Value> {
    let known = SOURCES.iter().filter(|source| source.name != generic::SOURCE.name);
    let text = |name: &str| {
        std::fs::read_to_string(workspace().join("samples").join(name).join("events.ndjson")).unwrap()
    };
    let events = |name: &str| -> Vec<Value> {
        // a few of each are enough: they differ in what they hold, not in how it is held
        text(name).lines().step_by(4).map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    known.flat_map(|source| events(source.name)).collect()
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            members.iter().map(|(key, value)| (format!("{at}/{}", escaped(key)), value)).collect()
        }
        Value::Array(items) => {
            items.iter().take(2).enumerate().map(|(i, item)| (format!("{at}/{i}"), item)).collect()
        }
        _ => Vec::new(),
    };
    for (place, child) in children {
        places(child, &place, all);
        all.push(place);
    }
}

#[test]
fn no_value_of_another_kind_loses_an_event() {
    let others = [
        json!(null),
        json!(""),
        json!("300.1.2.3:99999"),
        json!("203.0.113.xxx"),
        json!("%7B%22Statement%22%3A[{\"broken"),
        json!("{\"a\":[1,{\"b\":\"c\"}]}"),
        json!("1700000000000"),
        json!("-12"),
        json!(-1),
        json!(1e308),
        json!(true),
        json!([]),
        json!([[null, {"x": "y"}], "z"]),
        json!({"value": {"value": 1}}),
    ];
    let columns: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let mut lines = Vec::new();
    for event in samples() {
        let mut all = Vec::new();
        places(&event, "", &mut all);
        for (number, place) in all.iter().enumerate() {
            // each place meets every kind over the samples, not in each of them
            for other in others.iter().skip(number % 3).step_by(3) {
                let mut mutated = event.clone();
                *mutated.pointer_mut(place).unwrap() = other.clone();
                lines.push(mutated.to_string());
            }
        }
    }
    assert!(lines.len() > 5_000, "{} events", lines.len());
    let (kept, summary) = read(auto(&columns), vec![bytes("s", lines.join("\n"))]);
    assert_eq!(summary.quarantined.total(), 0, "{:?}", &kept.bad()[..3.min(kept.bad().len())]);
    assert_eq!(summary.total_events(), lines.len() as u64);
    lines.reverse();
    let (again, _) = read(auto(&columns), vec![bytes("s", lines.join("\n"))]);
    // the id of an event without one says where it stood, so what is compared is what it is
    let what = |kept: &common::Kept| {
        let mut rows: Vec<(String, i64, String)> =
            kept.rows().into_iter().map(|(source, _, time, _, raw)| (raw, time, source)).collect();
        rows.sort();
        rows
    };
    assert_eq!(what(&kept), what(&again));
}
