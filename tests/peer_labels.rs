//! Other rule sets' labelled tests: where their intent is in the scope of the rules that ship, these agree with
//! the label, or `tests/goldens/peer-labels.json` says why not. A deviation that is not listed fails, and so
//! does a reason that nothing needs any more.
//!
//! `ours` names the rules that answer a peer's rule. Those on single events are run; a correlation among them
//! cannot be, for a test is one event, and stands there with the building block that sees the event.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use virga_engine::cases::parse_lists;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, OriginBase};
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{SOURCES, SourceDef};
use virga_ingest::transport::{Input, InputError};
use virga_test_support::{corpus, workspace};

/// A peer's test.
struct Labelled {
    meta: Value,
    event: Value,
}

fn labelled(corpus: &Path, set: &str) -> Vec<Labelled> {
    let mut text = String::new();
    let file = std::fs::File::open(corpus.join(format!("{set}.jsonl.gz"))).expect("a set");
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("a set");
    let read = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        Labelled { meta: line["_meta"].take(), event: line["event"].take() }
    };
    text.lines().map(read).collect()
}

/// The names of the rules on single events that match, by line.
struct Matching {
    engine: Engine,
    names: Vec<String>,
    by_line: HashMap<u64, BTreeSet<String>>,
}

impl Sink for Matching {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        let mut hits = Vec::new();
        self.engine.scan(&batch, &mut hits);
        for hit in hits {
            let line = batch.row(hit.row as usize).origin().line.unwrap_or_default();
            self.by_line.entry(line).or_default().insert(self.names[hit.rule as usize].clone());
        }
        ControlFlow::Continue(())
    }

    // some tests hold what is no event at all
    fn quarantined(&mut self, _: Quarantined) {}

    fn unreadable(&mut self, error: InputError) {
        panic!("{error}");
    }
}

/// What matches each of these events.
fn matching(events: &[Labelled]) -> HashMap<u64, BTreeSet<String>> {
    let file = |name: String, text: String| Arc::new(SourceFile { name, text });
    let lists = file("lists.yml".into(), virga_detections::LISTS.into());
    let lists = parse_lists(&lists).expect("the lists that ship");
    let set = RuleSet::load(virga_detections::rules().into_iter().map(|f| file(f.path, f.text)), &lists);
    let specs: Vec<_> = SOURCES.iter().map(|source| source.spec()).collect();
    let engine = Engine::new(&set, &specs);
    let plan = |source: &&'static SourceDef| {
        Some(SourcePlan { source, projection: engine.projection(source.name)? })
    };
    let plans = SOURCES.iter().filter_map(plan).collect();
    let name = |rule: &virga_engine::LoadedRule| rule.lowered.rule.name.clone().unwrap_or_default();
    let names = engine.rules().iter().map(name).collect();
    let mut sink = Matching { engine, names, by_line: HashMap::new() };
    let lines: Vec<String> = events.iter().map(|test| test.event.to_string()).collect();
    let input = Input {
        base: OriginBase::File { path: "-".into() },
        ingest_time: 0,
        size: None,
        reader: Box::new(Cursor::new(lines.join("\n"))),
    };
    Reader::new(Choice::Auto(plans), BatchLimits::default(), &Arc::default()).run([Ok(input)], &mut sink);
    sink.by_line
}

/// The tests of a set: peer rule, name of the test, and whether it must hit.
fn expectations(test: &Labelled, rules: &BTreeMap<String, Vec<String>>) -> Vec<(String, String, bool)> {
    let text = |key: &str| test.meta[key].as_str().unwrap_or_default().to_owned();
    match test.meta.get("expected") {
        Some(expected) => vec![(text("rule_id"), text("test_name"), expected.as_bool().unwrap_or_default())],
        None => {
            let triggers: Vec<&str> = test.meta["trigger_rules"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            rules.keys().map(|rule| (rule.clone(), text("desc"), triggers.contains(&rule.as_str()))).collect()
        }
    }
}

#[test]
fn labelled_tests_of_peers_agree_or_it_is_said_why_not() {
    let Some(corpus) = corpus() else { return };
    let golden =
        std::fs::read_to_string(workspace().join("tests/goldens/peer-labels.json")).expect("the golden");
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let known: BTreeSet<String> = {
        let file = |f: virga_detections::EmbeddedFile| f.text;
        let text: Vec<String> = virga_detections::rules().into_iter().map(file).collect();
        text.iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.strip_prefix("name: "))
            .map(str::to_owned)
            .collect()
    };
    let (mut wrong, mut compared, mut agree) = (Vec::new(), 0, 0);
    for (set, rules) in golden["sets"].as_object().expect("sets") {
        let mut ours: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (peer, said) in rules.as_object().expect("rules") {
            let names: Vec<String> = said["ours"]
                .as_array()
                .expect("ours")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            for name in names.iter().filter(|name| !known.contains(*name)) {
                wrong.push(format!("{set} {peer}: there is no rule `{name}`"));
            }
            match names.is_empty() {
                true => {
                    assert!(said["why"].as_str().is_some_and(|why| why.len() > 10), "{set} {peer}: why not?")
                }
                false => drop(ours.insert(peer.clone(), names)),
            }
        }
        let mut reasons: HashMap<(String, String), bool> = HashMap::new();
        for (peer, tests) in golden["deviations"][set].as_object().into_iter().flatten() {
            let tests = tests.as_object().expect("tests");
            reasons.extend(tests.keys().map(|test| ((peer.clone(), test.clone()), false)));
        }
        let tests = labelled(&corpus, set);
        let mut by_line = matching(&tests);
        for (line, test) in (1..).zip(&tests) {
            let matching = by_line.remove(&line).unwrap_or_default();
            for (peer, name, expected) in expectations(test, &ours) {
                let Some(names) = ours.get(&peer) else { continue };
                compared += 1;
                let hit = names.iter().any(|name| matching.contains(name));
                if hit == expected {
                    agree += 1;
                    continue;
                }
                match reasons.get_mut(&(peer.clone(), name.clone())) {
                    Some(needed) => *needed = true,
                    None => wrong.push(format!("{set} {peer} / {name}: {matching:?}, expected {expected}")),
                }
            }
        }
        let idle = reasons.iter().filter(|(_, needed)| !**needed);
        wrong.extend(idle.map(|((peer, test), _)| format!("{set} {peer} / {test}: no reason is needed")));
    }
    println!("{compared} tests compared, {agree} agree");
    assert!(compared > 1_000 && wrong.is_empty(), "{}", wrong.join("\n"));
}
