//! Every public rule compiles, and the two ways of the scan agree on real events.

use std::sync::Arc;

use virga_engine::diagnostic::{Severity, SourceFile, codes};
use virga_engine::event::{BatchBuilder, EventId, OriginBase, RowIdentity, SourceSpec};
use virga_engine::json::{Cells, Projector};
use virga_engine::plan::{Lists, SourcePlan};
use virga_engine::scan::{Hit, Scanner, reference};
use virga_engine::{RuleSet, sigma::parse_documents};
use virga_test_support::{SIGMAHQ, SUZAKU, corpus, events, rule_archive};

fn load(archive: &str, wanted: impl Fn(&str) -> bool) -> Option<RuleSet> {
    let files = rule_archive(&corpus()?, archive).into_iter().filter(|file| wanted(&file.path));
    let files = files.map(|file| Arc::new(SourceFile { name: file.path, text: file.text }));
    Some(RuleSet::load(files, &Lists::new()))
}

fn errors(set: &RuleSet) -> Vec<String> {
    let errors = set.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

#[test]
fn all_3780_rules_of_sigmahq_compile() {
    let Some(set) = load(SIGMAHQ, |path| !path.starts_with("unsupported/")) else { return };
    assert_eq!(errors(&set), Vec::<String>::new());
    assert_eq!((set.rules.len(), set.rejected, set.repeated), (3780, 0, 0));
    // what is not an error is said all the same: a placeholder without a list, a selection unused
    let warned: std::collections::BTreeSet<&str> = set.diagnostics.iter().map(|d| d.code.id).collect();
    let expected = [codes::UNDEFINED_PLACEHOLDER.id, codes::UNUSED_SELECTION.id];
    assert!(warned.iter().all(|code| expected.contains(code)), "{warned:?}");
}

#[test]
fn each_unsupported_rule_of_sigmahq_says_why() {
    let Some(corpus) = corpus() else { return };
    let files =
        rule_archive(&corpus, SIGMAHQ).into_iter().filter(|file| file.path.starts_with("unsupported/"));
    let (mut refused, mut fine) = (0, Vec::new());
    for file in files {
        let source = Arc::new(SourceFile { name: file.path.clone(), text: file.text });
        let set = RuleSet::load([Arc::clone(&source)], &Lists::new());
        let is_old = source.text.lines().map(str::trim_start).any(|line| {
            let aggregates = line.contains('|') || line.contains("count(");
            line.starts_with("timeframe:")
                || line.starts_with("action:")
                || (line.starts_with("condition:") && aggregates)
        });
        match set.rejected {
            0 => fine.push((file.path, is_old)),
            _ => {
                refused += 1;
                // three conditions are prose: no syntax, old or new, but the place is told all the same
                let told = [codes::OLD_SYNTAX, codes::CONDITION_SYNTAX];
                assert!(set.diagnostics.iter().any(|d| told.contains(&d.code)), "{:?}", set.diagnostics);
            }
        }
    }
    assert_eq!(refused + fine.len(), 87);
    // what compiles is written in today's syntax: it is unsupported for other reasons (its fields)
    assert!(fine.iter().all(|(_, is_old)| !is_old), "{fine:?}");
    println!("{refused} refused, {} in today's syntax", fine.len());
}

#[test]
fn the_rules_of_suzaku_compile() {
    let Some(set) = load(SUZAKU, |_| true) else { return };
    println!("{} rules, {} correlations", set.rules.len(), set.correlations.len());
    assert_eq!(errors(&set), Vec::<String>::new());
}

#[test]
fn the_sample_files_of_the_specification_load() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("spec/tests/schema");
    let mut seen = 0;
    for kind in ["rules", "correlation", "filter"] {
        for entry in std::fs::read_dir(folder.join(kind)).expect("the folder") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a file");
            let file = Arc::new(SourceFile { name: path.display().to_string(), text });
            let (documents, diagnostics) = parse_documents(&file);
            assert!(diagnostics.iter().all(|d| d.severity != Severity::Error), "{diagnostics:?}");
            assert!(!documents.is_empty(), "{}", file.name);
            seen += 1;
        }
    }
    assert_eq!(seen, 12);
}

/// Both ways on the same events, without log sources: every rule meets every event.
#[test]
fn the_two_ways_agree_on_every_public_rule_and_real_events() {
    let Some(set) = load(SIGMAHQ, |path| path.starts_with("rules/")) else { return };
    let Some(corpus) = corpus() else { return };
    let source = SourceSpec {
        name: "any".into(),
        logsources: vec![],
        all_logsources: true,
        aliases: vec![],
        computed: Vec::new(),
        columns: vec![],
    };
    let mut sample = Vec::new();
    for file in [
        "aws/aws_otrf_ec2_proxy_s3.jsonl.gz",
        "aws/aws_traildiscover_examples.jsonl.gz",
        "aws/aws_schema_variants.jsonl.gz",
        "azure/azure_sentinel_training_lab.jsonl.gz",
        "azure/panther_azure.dev.jsonl.gz",
        "gcp/panther_gcp.dev.jsonl.gz",
        "saas/panther_identity_saas.dev.jsonl.gz",
    ] {
        sample.extend(events(&corpus, file).into_iter().step_by(19));
    }
    let numbered: Vec<_> = set.rules.iter().enumerate().map(|(i, rule)| (i as u32, rule, false)).collect();
    let mut slow = Vec::new();
    for (row, text) in sample.iter().enumerate() {
        let event = reference::Event::parse(text, &source, &|_| None).expect("JSON");
        let matching = numbered.iter().filter(|(_, rule, _)| event.matches(rule, false));
        slow.extend(matching.map(|(rule, _, _)| Hit { row: row as u32, rule: *rule }));
    }
    let mut scanner = Scanner::new(SourcePlan::new(&source, &numbered));
    let projection = Arc::clone(&scanner.plan().projection);
    let projector =
        Projector::new(&projection.fields.iter().map(|field| field.paths.clone()).collect::<Vec<_>>());
    let mut builder = BatchBuilder::new("any".into(), Arc::clone(&projection));
    let mut cells = Cells::default();
    let base = OriginBase::File { path: "sample".into() };
    for text in &sample {
        projector.project(text, &mut cells).expect("an event");
        for field in 0..projection.fields.len() {
            if cells.text(field, text).is_some() {
                builder.field_texts(field, cells.texts(field, text));
            }
        }
        let identity = RowIdentity {
            event_id: EventId::Natural(""),
            time: 0,
            ingest_time: 0,
            time_missing: true,
            base: &base,
            line: None,
            record: None,
        };
        builder.finish_row(&identity, text);
    }
    let mut fast = Vec::new();
    scanner.scan(&builder.finish(), &mut fast);
    println!("{} events, {} rules, {} hits", sample.len(), set.rules.len(), slow.len());
    assert!(slow.len() > 50, "the sample must hit something: {}", slow.len());
    assert_eq!(fast, slow);
}
