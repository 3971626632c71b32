//! What the fuzz targets check.
//!
//! In: any bytes. Out: nothing, or a panic where a promise does not hold. The targets under
//! `fuzz_targets/` hand these functions what the fuzzer makes up (`make fuzz`, with a nightly
//! toolchain); the test beside them hands them what stands under `fuzz/corpus`, on stable.

mod grammar;

use std::sync::Arc;

use virga_engine::cases::{parse_cases, parse_lists};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, SourceSpec};
use virga_engine::json::{Cells, Projector, parse, skip_value};
use virga_engine::plan::{Lists, LoweredRule, SourcePlan, lower};
use virga_engine::scan::{Hit, Scanner, reference};
use virga_engine::sigma::{Document, parse_documents};

use grammar::Bytes;

fn rules_of(text: String) -> Vec<LoweredRule> {
    let file = Arc::new(SourceFile { name: "fuzz.yml".into(), text });
    let (documents, diagnostics) = parse_documents(&file);
    for diagnostic in &diagnostics {
        assert!(diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= file.text.len());
        assert!(!diagnostic.to_string().is_empty());
    }
    let lists = Lists::from([("example".to_owned(), vec!["a".to_owned(), "b*".to_owned()])]);
    let rules = documents.into_iter().filter_map(|document| match document {
        Document::Rule(rule) => lower(&rule, &lists).0,
        _ => None,
    });
    rules.collect()
}

/// Any text as a rule file, a file of cases, a file of lists: diagnostics with places inside the text,
/// never a panic; what compiles can be scanned with.
pub fn yaml_front(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = Arc::new(SourceFile { name: "fuzz.yml".into(), text: text.to_owned() });
    // whatever they say, they say it
    let _ = (parse_cases(&file), parse_lists(&file));
    let rules = rules_of(text.to_owned());
    compare(&rules, &[r#"{"a":"b"}"#.to_owned(), "{}".to_owned()]);
}

/// Any text as an event: the two ways of the projector agree; where `serde_json` reads it, they find
/// what it finds; the tree that the engine reads is the one that `serde_json` reads.
pub fn json_projection(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let paths = ["a", "b", "a.b", "a.b.c", "é", "b.a"];
    let projector = Projector::new(&paths.map(|path| vec![path.to_owned()]));
    let (mut fast, mut careful) = (Cells::default(), Cells::default());
    let fast_result = projector.project(text, &mut fast);
    let careful_result = projector.project_carefully(text, &mut careful);
    let texts = |cells: &Cells, slot: usize| cells.texts(slot, text).map(str::to_owned).collect::<Vec<_>>();
    if fast_result.is_ok() && careful_result.is_ok() {
        for (slot, path) in paths.iter().enumerate() {
            assert_eq!(texts(&fast, slot), texts(&careful, slot), "{path} in {text:?}");
        }
    }
    // serde_json refuses lone surrogates and nests deeper: where it reads a text, so do we
    let Ok(expected) = serde_json::from_str::<serde_json::Value>(text) else { return };
    if depth(&expected) >= virga_engine::limits::MAX_JSON_DEPTH {
        return;
    }
    let value = parse(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let mut compact = String::new();
    value.write_compact(&mut compact);
    let again: serde_json::Value =
        serde_json::from_str(&compact).unwrap_or_else(|error| panic!("{error}: {compact:?}"));
    assert_eq!(again, expected, "{text:?}");
    let start = text.len() - text.trim_start_matches([' ', '\n', '\r', '\t']).len();
    assert_eq!(skip_value(text.as_bytes(), start).map(|end| text[end..].trim().len()), Ok(0), "{text:?}");
    if expected.is_object() {
        assert!(fast_result.is_ok() && careful_result.is_ok(), "{fast_result:?} {careful_result:?} {text:?}");
        let source = source();
        let event = reference::Event::parse(text, &source, &|_| None).expect("serde_json has read it");
        for (slot, path) in paths.iter().enumerate() {
            let found: Option<Vec<String>> = event.field(path);
            let own: Vec<String> = texts(&fast, slot)
                .iter()
                .map(|text| {
                    let mut compact = String::new();
                    parse(text).expect("a value").write_compact(&mut compact);
                    compact
                })
                .collect();
            assert_eq!(found.unwrap_or_default(), own, "{path} in {text:?}");
        }
    }
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Rules and events that the bytes spell by a small grammar: the fast scan and the reference agree.
pub fn scan(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let rules: Vec<LoweredRule> = (0..1 + bytes.below(3)).flat_map(|_| rules_of(bytes.rule())).collect();
    let events: Vec<String> = (0..1 + bytes.below(6)).map(|_| bytes.event()).collect();
    compare(&rules, &events);
}

fn source() -> SourceSpec {
    SourceSpec {
        name: "fuzz".into(),
        logsources: Vec::new(),
        all_logsources: true,
        aliases: Vec::new(),
        computed: Vec::new(),
        columns: Vec::new(),
    }
}

fn compare(rules: &[LoweredRule], events: &[String]) {
    let source = source();
    let numbered: Vec<_> = rules.iter().enumerate().map(|(i, rule)| (i as u32, rule, false)).collect();
    let mut expected = Vec::new();
    for (row, text) in events.iter().enumerate() {
        let event = reference::Event::parse(text, &source, &|_| None).expect("events are JSON");
        let matching = numbered.iter().filter(|(_, rule, _)| event.matches(rule, false));
        expected.extend(matching.map(|(rule, _, _)| Hit { row: row as u32, rule: *rule }));
    }
    let mut scanner = Scanner::new(SourcePlan::new(&source, &numbered));
    let projection = Arc::clone(&scanner.plan().projection);
    let batch = EventBatch::of_raw("fuzz", &projection, events.iter().map(String::as_str));
    let mut hits = Vec::new();
    scanner.scan(&batch.expect("events are JSON objects"), &mut hits);
    let texts: Vec<&str> = rules.iter().map(|rule| rule.rule.file.text.as_str()).collect();
    assert_eq!(hits, expected, "{texts:?} on {events:?}");
}
