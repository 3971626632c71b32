use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;
use virga_engine::event::ColumnValue;
use virga_ingest::sources::{Describer, Recogniser, SOURCES, SourceDef};

use super::calendar::{DAY, END, HOUR, START, iso, weekday_of};
use super::*;

/// What each source's part of the events is, per mille, at least and at most; where its time stands, and
/// which fields together are its natural id. Where none are, two records must not be the same.
const EXPECTED: [(&str, usize, usize, &str, &[&str]); 11] = [
    ("aws.cloudtrail", 510, 590, "/eventTime", &["/eventID"]),
    ("aws.bedrock_invocation", 55, 90, "/timestamp", &["/requestId", "/operation", "/timestamp"]),
    ("entra.signin", 55, 90, "/properties/createdDateTime", &[]),
    ("entra.audit", 8, 16, "/properties/activityDateTime", &[]),
    ("azure.activity", 20, 40, "/time", &[]),
    ("azure.openai", 35, 55, "/time", &[]),
    ("azure.keyvault", 18, 36, "/time", &[]),
    ("azure.storage", 40, 60, "/time", &[]),
    ("gcp.audit", 55, 85, "/timestamp", &["/logName", "/timestamp", "/insertId"]),
    ("kubernetes.audit", 45, 75, "/stageTimestamp", &["/auditID", "/stage"]),
    ("otel.genai", 14, 24, "/endTimeUnixNano", &["/traceId", "/spanId", "/startTimeUnixNano"]),
];

const EVENTS: usize = 20_000;

/// The lines, and which source each belongs to.
fn recognised(made: &[u8]) -> Vec<(&'static SourceDef, &str)> {
    let mut recogniser = Recogniser::new(SOURCES);
    let text = std::str::from_utf8(made).unwrap();
    text.lines().map(|line| (SOURCES[recogniser.owner(line).unwrap()], line)).collect()
}

fn at<'v>(event: &'v Value, pointer: &str) -> &'v str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {event}"))
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_as_many_lines_as_asked_for() {
    for events in [0, 1, 97, 3_000] {
        let made = ndjson(5, events);
        assert_eq!(made, ndjson(5, events));
        assert_eq!(made.iter().filter(|byte| **byte == b'\n').count(), events);
    }
    assert_ne!(ndjson(5, 500), ndjson(6, 500));
}

#[test]
fn every_source_occurs_in_its_share_and_is_recognised() {
    let made = ndjson(1, EVENTS);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (source, _) in recognised(&made) {
        *counts.entry(source.name).or_default() += 1;
    }
    assert_eq!(counts.len(), EXPECTED.len(), "{counts:?}");
    for (source, least, most, ..) in EXPECTED {
        let part = counts[source] * 1_000 / EVENTS;
        assert!((least..=most).contains(&part), "{source}: {part} of a thousand, not {least} to {most}");
    }
}

#[test]
fn ids_are_unique_and_times_within_the_four_weeks() {
    let made = ndjson(2, EVENTS);
    let (first, last) = (iso(START), iso(END));
    let mut seen = HashSet::new();
    for (source, line) in recognised(&made) {
        let event: Value = serde_json::from_str(line).unwrap();
        let (.., time, id) = EXPECTED.iter().find(|(name, ..)| *name == source.name).unwrap();
        let id: Vec<&str> =
            if id.is_empty() { vec![line] } else { id.iter().map(|part| at(&event, part)).collect() };
        assert!(seen.insert(format!("{} {}", source.name, id.join("|"))), "twice: {line}");
        let time = at(&event, time);
        let within = match time.parse::<i64>() {
            Ok(nanos) => (START..END).contains(&(nanos / 1_000_000)),
            Err(_) => time[..19] >= first[..19] && time[..19] < last[..19],
        };
        assert!(within, "{time} in {line}");
    }
}

#[test]
fn arrival_is_nearly_the_order_of_time() {
    let made = ndjson(3, EVENTS);
    let mut latest = String::new();
    let (mut late, mut count) = (0, 0);
    for (_, line) in recognised(&made).into_iter().filter(|(source, _)| source.name == "aws.cloudtrail") {
        let event: Value = serde_json::from_str(line).unwrap();
        let time = at(&event, "/eventTime").to_owned();
        (count, late) = (count + 1, late + usize::from(time < latest));
        latest = latest.max(time);
    }
    assert!(late > 0 && late * 10 < count * 4, "{late} of {count} are late");
}

#[test]
fn people_work_by_day_and_on_weekdays() {
    let mut log = Log { room: 4_000, ..Log::default() };
    engineers::HABITS[0].fill(Rng::new(4), &mut log);
    let (mut by_day, mut all) = (0, 0);
    for (at, _) in log.events {
        assert!(weekday_of(at) < 5);
        (all, by_day) = (all + 1, by_day + usize::from((7..18).contains(&(at.rem_euclid(DAY) / HOUR))));
    }
    // three of the twenty-five are six hours behind
    assert!(by_day * 100 > all * 85 && by_day < all, "{by_day} of {all}");
}

#[test]
fn few_events_fail() {
    let made = ndjson(6, EVENTS);
    let mut describers: HashMap<&str, Describer> = HashMap::new();
    let mut failed = 0;
    for (source, line) in recognised(&made) {
        let describer =
            describers.entry(source.name).or_insert_with(|| Describer::new(source, &Arc::default()));
        let outcome = describer.value(&describer.unfolded(line), "outcome");
        failed += usize::from(outcome == Some(ColumnValue::Text("failure".to_owned())));
    }
    let part = failed * 10_000 / EVENTS;
    assert!((8..=40).contains(&part), "{part} of ten thousand fail");
}

#[test]
fn habits_have_names_of_their_own_and_shares_of_one_scale() {
    let habits: Vec<&Habit> = HABITS.iter().flat_map(|habits| habits.iter()).collect();
    let names: HashSet<&str> = habits.iter().map(|habit| habit.name).collect();
    assert_eq!(names.len(), habits.len());
    let whole = habits.iter().map(|habit| habit.share).sum::<u64>();
    assert!((95_000..105_000).contains(&whole), "the shares are those of 100,000 events, not {whole}");
}

#[test]
fn episodes_are_spread_evenly() {
    let mut rng = Rng::new(9);
    for n in [1, 2, 20, 28, 672] {
        let all: Vec<usize> = spread(n, &mut rng).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), n);
    }
    let mut some: Vec<usize> = spread(672, &mut rng).take(28).collect();
    some.sort_unstable();
    assert!(some.windows(2).all(|pair| pair[1] - pair[0] < 60), "{some:?}");
}

#[test]
fn of_what_comes_round_nothing_is_told_twice() {
    for habit in HABITS.iter().flat_map(|habits| habits.iter()) {
        let mut log = Log { room: habit.share as usize, ..Log::default() };
        let told = habit.fill(Rng::new(4), &mut log);
        let moments = habit.rhythm.moments(&mut Rng::new(4)).len();
        assert!(told <= moments, "{}: {told} episodes at {moments} moments", habit.name);
    }
}
