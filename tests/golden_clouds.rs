//! Real logs of Azure, Google Cloud and Kubernetes, public rules: `virga detect` and the reference hit
//! what `tests/goldens/sigmahq_clouds.json` says, and nothing else. Under `checked` stand the hits that
//! were compared by hand with rule and event, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::SourceSpec;
use virga_engine::plan::Lists;
use virga_engine::scan::reference::Event;
use virga_engine::{Engine, RuleSet};
use virga_ingest::sources::{Describer, SOURCES, generic, recognise};
use virga_test_support::{ArchivedFile, SIGMAHQ, corpus, events, rule_archive, workspace};

/// By rule: the lines that it hits.
type Hits = BTreeMap<String, BTreeSet<u64>>;

fn golden() -> Value {
    let path = workspace().join("tests/goldens/sigmahq_clouds.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a golden is JSON")
}

fn hits_of(golden: &Value, file: &str) -> Hits {
    let rules = golden["hits"][file].as_object().expect("hits by rule");
    let lines = |lines: &Value| lines.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    rules.iter().map(|(rule, hit)| (rule.clone(), lines(hit))).collect()
}

fn rules(corpus: &Path) -> Vec<ArchivedFile> {
    let mut rules = rule_archive(corpus, SIGMAHQ);
    rules.retain(|file| {
        file.path.starts_with("rules/cloud/") || file.path.starts_with("rules/application/kubernetes/")
    });
    rules
}

#[test]
fn detect_hits_what_the_golden_says_and_nothing_else() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for file in rules(&corpus) {
        let path = folder.path().join("rules").join(&file.path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, &file.text).expect("a rule");
    }
    let golden = golden();
    for file in golden["hits"].as_object().expect("hits by file").keys() {
        let set = folder.path().join("set.ndjson");
        std::fs::write(&set, events(&corpus, file).join("\n")).expect("a set");
        let output = Command::new(env!("CARGO_BIN_EXE_virga"))
            .args(["detect", "--format", "ndjson", "--rules"])
            .args([&folder.path().join("rules"), &set])
            .output()
            .expect("virga runs");
        let summary = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && summary.contains("quarantined  0"), "{file}: {summary}");
        let mut hits = Hits::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let alert: Value = serde_json::from_str(line).expect("an alert is JSON");
            let line = alert["events"][0]["origin"]["line"].as_u64().expect("a line");
            hits.entry(alert["rule"]["id"].as_str().unwrap_or_default().to_owned()).or_default().insert(line);
        }
        assert_eq!(hits, hits_of(&golden, file), "{file}");
    }
}

#[test]
fn the_reference_hits_what_the_golden_says_and_nothing_else() {
    let Some(corpus) = corpus() else { return };
    let files =
        rules(&corpus).into_iter().map(|file| Arc::new(SourceFile { name: file.path, text: file.text }));
    let set = RuleSet::load(files, &Lists::new());
    let specs: Vec<SourceSpec> = SOURCES.iter().map(|source| source.spec()).collect();
    let engine = Engine::new(&set, &specs);
    let golden = golden();
    for file in golden["hits"].as_object().expect("hits by file").keys() {
        let mut hits = Hits::new();
        for (line, raw) in events(&corpus, file).iter().enumerate() {
            let source = recognise(raw).unwrap_or(&generic::SOURCE);
            let describer = Describer::new(source, &Arc::default());
            let raw = describer.unfolded(raw);
            let columns = |name: &str| describer.value(&raw, name);
            let spec = source.spec();
            let event = Event::parse(&raw, &spec, &columns).expect("an event");
            for rule in engine.rules() {
                let here = rule.sources.iter().find(|(name, _)| name == source.name);
                if here.is_some_and(|(_, canonical)| event.matches(&rule.lowered, *canonical)) {
                    hits.entry(rule.lowered.rule.key()).or_default().insert(line as u64 + 1);
                }
            }
        }
        assert_eq!(hits, hits_of(&golden, file), "{file}");
    }
}

#[test]
fn twenty_hits_on_azure_and_google_cloud_were_checked_by_hand() {
    let golden = golden();
    let checked = golden["checked"].as_array().expect("a list");
    assert!(checked.len() >= 20);
    for entry in checked {
        let file = entry["file"].as_str().expect("a file");
        assert!(file.starts_with("azure/") || file.starts_with("gcp/"), "{entry}");
        assert!(entry["why"].as_str().is_some_and(|why| why.len() > 10), "{entry}");
        let hits = hits_of(&golden, file);
        let rule = entry["rule"].as_str().expect("a rule");
        assert!(hits[rule].contains(&entry["line"].as_u64().expect("a line")), "{entry}");
    }
}
