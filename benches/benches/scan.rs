//! From raw JSON to hits on one core, beside parsers that only parse, in the same run.
//!
//! In: a million generated CloudTrail events (`VIRGA_BENCH_EVENTS` for another number), as many of all
//! sources mixed, SigmaHQ's rules where the corpus is at hand. Out: events a second for each, as ratios. Each measurement asserts its
//! count before it reports a time: the events read, and the hits, which the reference confirms on a
//! sample.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virga_benches::{Shared, generator, mix};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, OriginBase};
use virga_engine::plan::{Expr, Lists, LoweredRule};
use virga_engine::predicate::{Number, Shape, Test};
use virga_engine::scan::reference::Event;
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{Describer, Recogniser, SOURCES, SourceDef, aws_cloudtrail, generic};
use virga_ingest::transport::{Input, InputError};
use virga_test_support::{SIGMAHQ, corpus, rule_archive, workspace};

const SEED: u64 = 20_261_120;

/// Events that the reference, which is slow, looks at too.
const SAMPLE: usize = 3_000;

/// The best of so many runs: what else the machine does only ever adds time.
const RUNS: usize = 5;

fn main() {
    let wanted = std::env::var("VIRGA_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(1_000_000);
    let Some(corpus) = corpus() else { return };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the generator writes UTF-8");
    let data: Arc<str> = text(generator::ndjson(SEED, count)).into();
    println!("{count} events, {:.0} bytes each on average", data.len() as f64 / count as f64);

    let mixed: Arc<str> = text(mix::ndjson(&workspace(), SEED, count)).into();
    println!("{count} events of all sources, {:.0} bytes each", mixed.len() as f64 / count as f64);

    let archive = rule_archive(&corpus, SIGMAHQ);
    let load = |prefix: &str| {
        let files = archive.iter().filter(|file| file.path.starts_with(prefix));
        let files =
            files.map(|file| Arc::new(SourceFile { name: file.path.clone(), text: file.text.clone() }));
        RuleSet::load(files, &Lists::new())
    };
    let aws = load("rules/cloud/aws/");
    let all = load("rules/");
    let variants = vary(&aws, 50);
    assert_eq!((aws.rules.len(), variants.rules.len(), all.rules.len()), (57, 2_850, 3_141));
    let empty = RuleSet::default();

    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut table: Table<'_> = vec![
        (
            "parse only: sonic-rs to values",
            Box::new(|| parse(&data, |line| sonic_rs::from_str::<sonic_rs::Value>(line).is_ok())),
        ),
        (
            "parse only: serde_json to values",
            Box::new(|| parse(&data, |line| serde_json::from_str::<serde_json::Value>(line).is_ok())),
        ),
        ("read only, no rules", Box::new(|| scan(&empty, &data))),
        (AWS, Box::new(|| scan(&aws, &data))),
        (VARIANTS, Box::new(|| scan(&variants, &data))),
        (ROUTED, Box::new(|| scan(&all, &data))),
        (AUTO, Box::new(|| scan_auto(&all, &data))),
        (MIXED, Box::new(|| scan_auto(&all, &mixed))),
    ];
    table.retain(|(name, _)| only.as_ref().is_none_or(|only| name.contains(only.as_str())));
    if only.is_none() {
        let lines: Vec<&str> = data.lines().take(SAMPLE).collect();
        let sample: Arc<str> = lines.join("\n").into();
        let lines_mixed: Vec<&str> = mixed.lines().take(SAMPLE).collect();
        let sample_mixed: Arc<str> = lines_mixed.join("\n").into();
        assert_eq!(
            scan_auto(&all, &sample_mixed).by_rule,
            reference_auto(&all, &lines_mixed),
            "{MIXED}: the reference agrees on a sample"
        );
        for (name, rules) in [(AWS, &aws), (VARIANTS, &variants), (ROUTED, &all)] {
            assert_eq!(
                scan(rules, &sample).by_rule,
                reference(rules, &lines),
                "{name}: the reference agrees on a sample"
            );
        }
    }
    report(&best(&table, count as u64), data.len() as f64 / mixed.len() as f64);
}

const AWS: &str = "57 AWS rules";
const VARIANTS: &str = "2,850 variants of them";
const ROUTED: &str = "3,141 rules, routed";
const AUTO: &str = "3,141 rules, source found";
const MIXED: &str = "3,141 rules, all sources mixed";

/// What is measured, by name.
type Table<'t> = Vec<(&'static str, Box<dyn Fn() -> Measured + 't>)>;

/// The best run of one row of the table.
struct Best {
    name: &'static str,
    time: Duration,
    measured: Measured,
}

/// Runs the table round by round, so that whatever else the machine does falls on all rows alike, and
/// keeps the best of each.
fn best(table: &Table<'_>, count: u64) -> Vec<Best> {
    let mut rows: Vec<Best> = Vec::new();
    for round in 0..RUNS {
        for (number, (name, run)) in table.iter().enumerate() {
            let started = Instant::now();
            let measured = run();
            let time = started.elapsed();
            assert_eq!(measured.events, count, "{name}: every event is read");
            match rows.get_mut(number) {
                None => rows.push(Best { name, time, measured }),
                Some(row) => {
                    assert_eq!(row.measured.hits, measured.hits, "{name}: round {round} hits the same");
                    row.time = row.time.min(time);
                }
            }
        }
    }
    rows
}

/// `size` is how many times the bytes of the mix the trail has.
fn report(rows: &[Best], size: f64) {
    let row = |name: &str| rows.iter().find(|row| row.name.starts_with(name));
    let rate = |row: &Best| row.measured.events as f64 / row.time.as_secs_f64();
    for each in rows {
        let ratio =
            row("parse only: sonic-rs").map(|sonic| format!("{:.2} of sonic-rs", rate(each) / rate(sonic)));
        let nanos = each.time.as_nanos() as f64 / each.measured.events as f64;
        let ratio = ratio.unwrap_or_default();
        println!(
            "{:<34} {:>10.0} events/s {nanos:>6.0} ns/event  {ratio}  {}",
            each.name,
            rate(each),
            each.measured
        );
    }
    let (Some(base), Some(many), Some(routed)) = (row(AWS), row(VARIANTS), row(ROUTED)) else { return };
    assert_eq!(routed.measured.hits, base.measured.hits, "rules of other log sources hit nothing");
    assert!(many.measured.hits >= base.measured.hits, "the unchanged rules are among the variants");
    let more = |row: &Best| (row.time.as_secs_f64() / base.time.as_secs_f64() - 1.0) * 100.0;
    println!("57 -> 2,850 rules: {:+.1} %; 57 -> 3,141 routed: {:+.1} %", more(many), more(routed));
    if let (Some(auto), Some(mixed)) = (row(AUTO), row(MIXED)) {
        let per_byte = |of: &Best| of.time.as_secs_f64() / mixed.time.as_secs_f64() / size;
        println!(
            "the mix, per byte: {:.2} of CloudTrail alone, {:.2} of CloudTrail with its source found",
            per_byte(routed),
            per_byte(auto)
        );
    }
}

fn parse(data: &str, read: impl Fn(&str) -> bool) -> Measured {
    // what is parsed is counted, so that the parser's work cannot be left out
    let events = data.lines().map(|line| u64::from(black_box(read(line)))).sum();
    Measured { events, ..Measured::default() }
}

/// What one run came to.
#[derive(Default)]
struct Measured {
    events: u64,
    hits: u64,
    by_rule: BTreeMap<u32, u64>,
    tuples: u64,
    open_rows: u64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.tuples {
            0 => Ok(()),
            tuples => write!(f, "{} hits, {tuples} tuples, {} rows open", self.hits, self.open_rows),
        }
    }
}

struct Count {
    engine: Engine,
    hits: Vec<virga_engine::scan::Hit>,
    scan: Measured,
}

impl Sink for Count {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.hits.clear();
        self.engine.scan(&batch, &mut self.hits);
        self.scan.events += batch.len() as u64;
        self.scan.hits += self.hits.len() as u64;
        for hit in &self.hits {
            *self.scan.by_rule.entry(hit.rule).or_default() += 1;
        }
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        panic!("a generated event was quarantined: {}", record.cause);
    }

    fn unreadable(&mut self, error: InputError) {
        panic!("{error}");
    }
}

/// The whole way: bytes, frames, fields, batches, hits.
fn scan(rules: &RuleSet, data: &Arc<str>) -> Measured {
    let source = &aws_cloudtrail::SOURCE;
    let engine = Engine::new(rules, &[source.spec()]);
    let projection = engine.projection(source.name).expect("a plan");
    let mut count = Count { engine, hits: Vec::new(), scan: Measured::default() };
    let input = Input {
        base: OriginBase::File { path: "generated".into() },
        ingest_time: 0,
        size: None,
        reader: Box::new(Cursor::new(Shared(Arc::clone(data)))),
    };
    Reader::new(Choice::Fixed(SourcePlan { source, projection }), BatchLimits::default(), &Arc::default())
        .run([Ok(input)], &mut count);
    let counts = count.engine.counts(source.name).expect("counts");
    Measured { tuples: counts.tuples, open_rows: counts.open_rows, ..count.scan }
}

/// The same with all sources, of which each event finds its own.
fn scan_auto(rules: &RuleSet, data: &Arc<str>) -> Measured {
    let specs: Vec<_> = SOURCES.iter().map(|source| source.spec()).collect();
    let engine = Engine::new(rules, &specs);
    let plan = |source: &&'static SourceDef| {
        Some(SourcePlan { source, projection: engine.projection(source.name)? })
    };
    let plans = SOURCES.iter().filter_map(plan).collect();
    let mut count = Count { engine, hits: Vec::new(), scan: Measured::default() };
    let input = Input {
        base: OriginBase::File { path: "generated".into() },
        ingest_time: 0,
        size: None,
        reader: Box::new(Cursor::new(Shared(Arc::clone(data)))),
    };
    let summary = Reader::new(Choice::Auto(plans), BatchLimits::default(), &Arc::default())
        .run([Ok(input)], &mut count);
    assert_eq!(summary.events.get(generic::SOURCE.name), Some(&0), "every event has a source");
    let counts = SOURCES.iter().filter_map(|source| count.engine.counts(source.name));
    let (tuples, open_rows) =
        counts.fold((0, 0), |(tuples, open), more| (tuples + more.tuples, open + more.open_rows));
    Measured { tuples, open_rows, ..count.scan }
}

fn reference_auto(rules: &RuleSet, lines: &[&str]) -> BTreeMap<u32, u64> {
    let specs: Vec<_> = SOURCES.iter().map(|source| source.spec()).collect();
    let describers: Vec<_> = SOURCES.iter().map(|source| Describer::new(source, &Arc::default())).collect();
    let engine = Engine::new(rules, &specs);
    let mut recogniser = Recogniser::new(SOURCES);
    let mut hits = BTreeMap::new();
    for line in lines {
        let owner = recogniser.owner(line).expect("JSON");
        let (spec, describer) = (&specs[owner], &describers[owner]);
        let line = describer.unfolded(line);
        let column = |name: &str| describer.value(&line, name);
        let event = Event::parse(&line, spec, &column).expect("JSON");
        for (number, rule) in engine.rules().iter().enumerate() {
            let here = rule.sources.iter().find(|(name, _)| *name == spec.name);
            if here.is_some_and(|(_, canonical)| event.matches(&rule.lowered, *canonical)) {
                *hits.entry(number as u32).or_default() += 1;
            }
        }
    }
    hits
}

fn reference(rules: &RuleSet, lines: &[&str]) -> BTreeMap<u32, u64> {
    let source = aws_cloudtrail::SOURCE.spec();
    let describer = Describer::new(&aws_cloudtrail::SOURCE, &Arc::default());
    let engine = Engine::new(rules, std::slice::from_ref(&source));
    let mut hits = BTreeMap::new();
    for line in lines {
        let column = |name: &str| describer.value(line, name);
        let event = Event::parse(line, &source, &column).expect("JSON");
        for (number, rule) in engine.rules().iter().enumerate() {
            if rule.sources.iter().any(|(_, canonical)| event.matches(&rule.lowered, *canonical)) {
                *hits.entry(number as u32).or_default() += 1;
            }
        }
    }
    hits
}

/// Variants of rules: the first is the rule itself, the others have changed literals. What names a
/// service stays, as it does in real rule sets.
fn vary(rules: &RuleSet, variants: u32) -> RuleSet {
    let mut set = RuleSet::default();
    for rule in &rules.rules {
        for number in 0..variants {
            let mut expr = rule.expr.clone();
            if number > 0 {
                change(&mut expr, number);
            }
            set.rules.push(LoweredRule { expr, ..rule.clone() });
        }
    }
    set
}

fn change(expr: &mut Expr, number: u32) {
    match expr {
        Expr::Never => {}
        Expr::And(branches) | Expr::Or(branches) | Expr::AtLeast(_, branches) => {
            branches.iter_mut().for_each(|branch| change(branch, number));
        }
        Expr::Not(inner) => change(inner, number),
        Expr::Test(predicate) => match &mut predicate.test {
            Test::Number(value) => *value = Number::Int(i128::from(number) + 1_000_000),
            Test::Text(test) => match &mut test.shape {
                Shape::Exact(text) | Shape::Prefix(text) | Shape::Suffix(text) | Shape::Contains(text)
                    if !text.ends_with(".amazonaws.com") =>
                {
                    text.push_str(&format!("v{number}"));
                }
                _ => {}
            },
            _ => {}
        },
    }
}
