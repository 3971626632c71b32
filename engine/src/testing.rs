//! What the engine's tests share: rules and events in, matches out, by both ways at once.

use std::sync::Arc;

use crate::diagnostic::SourceFile;
use crate::event::{EventBatch, SourceSpec};
use crate::plan::{Lists, LoweredRule, SourcePlan, lower};
use crate::scan::{Hit, Scanner, reference};
use crate::sigma::{Document, parse_documents};

/// A source that takes every rule and knows no columns.
pub fn source() -> SourceSpec {
    SourceSpec {
        name: "test".into(),
        logsources: Vec::new(),
        all_logsources: true,
        aliases: Vec::new(),
        computed: Vec::new(),
        columns: Vec::new(),
    }
}

/// Lowers all rules of a file, which must have no error.
pub fn lowered(file: &Arc<SourceFile>) -> Vec<LoweredRule> {
    let (documents, diagnostics) = parse_documents(file);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let lists = Lists::from([("example".to_owned(), vec!["alice".to_owned(), "bob".to_owned()])]);
    documents
        .into_iter()
        .filter_map(|document| match document {
            Document::Rule(rule) => {
                let (rule, diagnostics) = lower(&rule, &lists);
                Some(rule.unwrap_or_else(|| panic!("{diagnostics:?}")))
            }
            _ => None,
        })
        .collect()
}

/// The hits of rules on events, by the fast way, in batches of some size.
pub fn fast(rules: &[LoweredRule], events: &[&str], batch_size: usize) -> Vec<Hit> {
    let source = source();
    let numbered: Vec<_> = rules.iter().enumerate().map(|(i, rule)| (i as u32, rule, false)).collect();
    let mut scanner = Scanner::new(SourcePlan::new(&source, &numbered));
    let projection = Arc::clone(&scanner.plan().projection);
    let mut all = Vec::new();
    for (i, chunk) in events.chunks(batch_size.max(1)).enumerate() {
        let mut hits = Vec::new();
        let batch = EventBatch::of_raw("test", &projection, chunk.iter().copied());
        scanner.scan(&batch.unwrap_or_else(|error| panic!("{error}: {chunk:?}")), &mut hits);
        let offset = (i * batch_size.max(1)) as u32;
        all.extend(hits.into_iter().map(|hit| Hit { row: hit.row + offset, ..hit }));
    }
    all
}

/// The hits of rules on events, by the reference.
pub fn slow(rules: &[LoweredRule], events: &[&str]) -> Vec<Hit> {
    let source = source();
    let mut hits = Vec::new();
    for (row, text) in events.iter().enumerate() {
        let event = reference::Event::parse(text, &source, &|_| None)
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        let matching = rules.iter().enumerate().filter(|(_, rule)| event.matches(rule, false));
        hits.extend(matching.map(|(rule, _)| Hit { row: row as u32, rule: rule as u32 }));
    }
    hits
}

/// Whether the one rule of a file matches each event; both ways must agree.
pub fn matches(file: &Arc<SourceFile>, events: &[&str]) -> Vec<bool> {
    let rules = lowered(file);
    assert_eq!(rules.len(), 1);
    let slow = slow(&rules, events);
    assert_eq!(fast(&rules, events, 1), slow, "the two ways differ on {events:?}\n{}", file.text);
    assert_eq!(fast(&rules, events, 100), slow, "the two ways differ on {events:?}\n{}", file.text);
    (0..events.len()).map(|row| slow.iter().any(|hit| hit.row == row as u32)).collect()
}
