//! Real CloudTrail, public rules: `virga detect` and the reference hit what an independent evaluator
//! hit, event for event, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;
use virga_engine::plan::Lists;
use virga_engine::scan::reference::Event;
use virga_ingest::sources::{Describer, aws_cloudtrail};
use virga_test_support::{ArchivedFile, SIGMAHQ, corpus, events, records, rule_archive};

/// By rule id: the events that it hits, each as event id and line; sorted.
type Hits = BTreeMap<String, Vec<(String, Option<u64>)>>;

const LINE_SETS: [&str; 3] = ["aws_otrf_ec2_proxy_s3", "aws_traildiscover_examples", "aws_schema_variants"];

fn aws_rules(corpus: &Path) -> Vec<ArchivedFile> {
    let mut rules = rule_archive(corpus, SIGMAHQ);
    rules.retain(|file| file.path.starts_with("rules/cloud/aws/"));
    rules
}

fn golden(corpus: &Path, set: &str) -> Hits {
    let text =
        std::fs::read_to_string(corpus.join("golden/sigmahq_cloud_hits.dev.jsonl")).expect("the golden");
    let mut hits = Hits::new();
    for row in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        if row["dataset"] != set {
            continue;
        }
        let ids = row["event_ids"].as_array().expect("ids");
        let line = |i: usize| row["lines"].get(i).and_then(Value::as_u64);
        let events =
            ids.iter().enumerate().map(|(i, id)| (id.as_str().unwrap_or_default().to_owned(), line(i)));
        let mut events: Vec<_> = events.collect();
        events.sort();
        hits.insert(row["rule_id"].as_str().expect("an id").to_owned(), events);
    }
    assert!(!hits.is_empty(), "the golden knows nothing of {set}");
    hits
}

/// A folder of the rules, and of each set as `virga detect` reads it.
fn lay_out(corpus: &Path, folder: &Path) -> (PathBuf, BTreeMap<&'static str, PathBuf>) {
    let rules = folder.join("rules");
    for file in aws_rules(corpus) {
        let path = rules.join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, &file.text).expect("a rule");
    }
    let mut sets = BTreeMap::from([("invictus_native", corpus.join("aws/invictus_native"))]);
    for set in LINE_SETS {
        let path = folder.join(format!("{set}.jsonl"));
        std::fs::write(&path, events(corpus, &format!("aws/{set}.jsonl.gz")).join("\n")).expect("a set");
        sets.insert(set, path);
    }
    (rules, sets)
}

#[test]
fn detect_hits_what_the_golden_says_and_nothing_else() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (rules, sets) = lay_out(&corpus, folder.path());
    for (set, path) in sets {
        let output = Command::new(env!("CARGO_BIN_EXE_virga"))
            .args(["detect", "--source", "aws.cloudtrail", "--rules"])
            .args([&rules, &path])
            .output()
            .expect("virga runs");
        let summary = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && summary.contains("quarantined  0"), "{set}: {summary}");
        let mut hits = Hits::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let alert: Value = serde_json::from_str(line).expect("an alert is JSON");
            let event = &alert["events"][0];
            let id = event["event_id"].as_str().unwrap_or_default().to_owned();
            let line = event["origin"]["line"].as_u64();
            hits.entry(alert["rule"]["id"].as_str().unwrap_or_default().to_owned())
                .or_default()
                .push((id, line));
        }
        hits.values_mut().for_each(|events| events.sort());
        assert_eq!(with_native_ids(hits), with_native_ids(golden(&corpus, set)), "{set}");
    }
}

/// Events without an id of their own are told apart by their line alone.
fn with_native_ids(mut hits: Hits) -> Hits {
    for (id, line) in hits.values_mut().flatten() {
        if line.is_some() {
            id.clear();
        }
    }
    hits.values_mut().for_each(|events| events.sort());
    hits
}

#[test]
fn the_reference_hits_what_the_golden_says_and_nothing_else() {
    let Some(corpus) = corpus() else { return };
    let files =
        aws_rules(&corpus).into_iter().map(|file| Arc::new(SourceFile { name: file.path, text: file.text }));
    let rules = RuleSet::load(files, &Lists::new());
    assert_eq!(rules.rules.len(), 57);
    let source = aws_cloudtrail::SOURCE.spec();
    let describer = Describer::new(&aws_cloudtrail::SOURCE, &Arc::default());
    let mut sets: Vec<(&str, Vec<String>)> =
        LINE_SETS.iter().map(|set| (*set, events(&corpus, &format!("aws/{set}.jsonl.gz")))).collect();
    sets.push(("invictus_native", records(&corpus, "aws/invictus_native")));
    for (set, raws) in sets {
        let mut hits = Hits::new();
        for (i, raw) in raws.iter().enumerate() {
            let column = |name: &str| describer.value(raw, name);
            let event = Event::parse(raw, &source, &column).expect("an event");
            // a native trail is known by event ids, a set of lines by its lines
            let place = match set {
                "invictus_native" => {
                    let id = event.field("eventID").and_then(|ids| ids.first().cloned()).unwrap_or_default();
                    (id.trim_matches('"').to_owned(), None)
                }
                _ => (String::new(), Some(i as u64 + 1)),
            };
            for rule in rules.rules.iter().filter(|rule| event.matches(rule, false)) {
                hits.entry(rule.rule.key()).or_default().push(place.clone());
            }
        }
        hits.values_mut().for_each(|events| events.sort());
        assert_eq!(hits, with_native_ids(golden(&corpus, set)), "{set}");
    }
}
