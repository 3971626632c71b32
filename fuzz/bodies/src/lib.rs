//! What the fuzz targets check.
//!
//! In: any bytes. Out: nothing, or a panic where a promise does not hold. The targets under
//! `fuzz_targets/` hand these functions what the fuzzer makes up (`make fuzz`, with a nightly
//! toolchain); the test beside them hands them what stands under `fuzz/corpus`, on stable.

mod grammar;

use std::sync::{Arc, LazyLock};

use virga_engine::cases::{parse_cases, parse_lists};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase, Projection, SourceSpec};
use virga_engine::json::{Cells, Projector, parse, skip_value};
use virga_engine::pipeline::{Pipelines, parse_pipeline};
use virga_engine::plan::{Lists, LoweredRule, SourcePlan, lower};
use virga_engine::scan::{Hit, Scanner, reference};
use virga_engine::sigma::{Document, parse_documents};
use virga_engine::tuning::Tuning;
use virga_engine::{RuleSet, Surroundings};
use virga_ingest::decode::{Frame, Framer};
use virga_ingest::sources::{Arrival, Describer, Normaliser, Outcome, SOURCES, recognise};

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

/// A rule that has something for most transformations to work on.
const RULE: &str = "title: t\nid: 11111111-1111-4111-8111-111111111111\nlogsource: {product: aws, service: cloudtrail}\n\
    detection:\n  s0: {a: x, b|contains|all: [y, z], c|re: 'u+', d|cidr: 10.0.0.0/8, e|expand: '%example%'}\n  \
    s1: [k, {f|fieldref: a}]\n  condition: s0 or not s1\nlevel: low\n";

/// Any text as a pipeline, as a tuning, and as a filter around a rule: a set that loads, or diagnostics
/// with places inside the text; never a panic.
pub fn around(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let file = |name: &str, text: &str| Arc::new(SourceFile { name: name.into(), text: text.to_owned() });
    let own = file("fuzz.yml", text);
    let check = |diagnostics: &[virga_engine::diagnostic::Diagnostic]| {
        for diagnostic in diagnostics {
            let text = &diagnostic.file.text;
            assert!(
                diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= text.len(),
                "{diagnostic} in {text:?}"
            );
        }
    };
    let lists = Lists::from([("example".to_owned(), vec!["a".to_owned(), "b*".to_owned()])]);
    let mut around = vec![Surroundings { lists: lists.clone(), ..Surroundings::default() }];
    match parse_pipeline(&own) {
        Ok(pipeline) => around.push(Surroundings {
            lists: lists.clone(),
            pipelines: Pipelines::new(vec![pipeline]),
            ..Surroundings::default()
        }),
        Err(diagnostics) => check(&diagnostics),
    }
    match Tuning::parse(&own) {
        Ok(tuning) => around.push(Surroundings { lists, tuning, ..Surroundings::default() }),
        Err(diagnostics) => check(&diagnostics),
    }
    for (number, around) in around.iter().enumerate() {
        let mut files = vec![file("rule.yml", RULE)];
        // as what may be a filter, or another rule
        files.extend((number == 0).then(|| Arc::clone(&own)));
        let set = RuleSet::load_with(files, around);
        check(&set.diagnostics);
        compare(&set.rules, &[r#"{"a":"x","b":"yz","k":"k"}"#.to_owned(), "{}".to_owned()]);
    }
}

/// Any bytes as a delivered file: every frame is an event or is put aside, and every event that is JSON
/// is a row of its source; nothing makes one panic.
pub fn sources(data: &[u8]) {
    // to make one costs much more than to use it
    static DESCRIBERS: LazyLock<Vec<Describer>> =
        LazyLock::new(|| SOURCES.iter().map(|source| Describer::new(source, &Arc::default())).collect());
    let mut framer = Framer::new(data);
    let environment = Arc::default();
    while let Some(frame) = framer.next() {
        let Frame::Event { text, place } = frame else { continue };
        let Some(source) = recognise(text) else { continue };
        let place_of = SOURCES.iter().position(|known| known.name == source.name).expect("a known source");
        let describer = &DESCRIBERS[place_of];
        let unfolded = describer.unfolded(text);
        let _ = describer.describe(&unfolded);
        let projection = Projection::default();
        let mut normaliser = Normaliser::new(source, &projection, &environment);
        let mut batch = BatchBuilder::new(source.name.into(), Arc::new(projection));
        let base = OriginBase::File { path: "fuzz".into() };
        let arrival = Arrival { base: &base, line: place.line, record: place.record, ingest_time: 0 };
        let outcome = normaliser.normalise(text, &arrival, &mut batch);
        // what is skipped on the way to a column is not looked at, so that a broken event may have some
        let whole = serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| depth(&value) < virga_engine::limits::MAX_JSON_DEPTH);
        assert!(!whole || matches!(outcome, Ok(Outcome::Row { .. })), "{outcome:?} {text:?}");
    }
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
