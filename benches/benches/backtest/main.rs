//! The archive: how fast events come into it, and how fast rules run over it.
//!
//! In: generated CloudTrail (`VIRGA_BENCH_EVENTS`, a million unless it says otherwise) in an archive in a
//! temporary folder (or in `VIRGA_BENCH_LAKE`, where it stays and is used again), SigmaHQ's rules where the
//! corpus is at hand. Out: events a second of the import, its bytes and memory; for all of SigmaHQ's AWS rules,
//! for the same with correlations on them, for the rules that ship with theirs, for one rule, and for one that only looks into texts, some of them counted only too, each with and
//! without leaving out what cannot match: events a second, the share of events and of bytes that were read. Then
//! two questions in SQL, each with files that are asked before and without. Then
//! DuckDB over the same files, where Python is at hand. Before each run the files are dropped from the page
//! cache. Counts are asserted before a time is told. An argument names the rows to run.

mod lake;
mod peer;
mod queries;
/// As the program does it.
#[path = "../../../src/spill.rs"]
mod spill;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use virga_engine::RuleSet;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::SourceSpec;
use virga_ingest::sources::aws_cloudtrail;
use virga_replay::Report;
use virga_test_support::{ArchivedFile, SIGMAHQ, corpus, rule_archive};

use self::lake::How;

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The best of so many runs.
const RUNS: usize = 3;

const EQUALITY: &str = "
title: one rule, by equality
id: 5b4f0a52-5d0e-4d3d-9a3b-0f6f6d3a0011
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}, condition: s}
";

const CONTAINS: &str = "
title: one rule, contains
id: 5b4f0a52-5d0e-4d3d-9a3b-0f6f6d3a0012
logsource: {product: aws, service: cloudtrail}
detection: {s: {userAgent|contains: kali}, condition: s}
";

/// Correlations on SigmaHQ's rules: of each kind one that is often near to its threshold.
const CORRELATIONS: &str = include_str!("correlations.yml");

fn set(files: &[(String, String)]) -> RuleSet {
    let files =
        files.iter().map(|(name, text)| Arc::new(SourceFile { name: name.clone(), text: text.clone() }));
    // rules that have no placeholders ask for none of them
    let lists = Arc::new(SourceFile { name: "lists.yml".into(), text: virga_detections::LISTS.into() });
    let lists = virga_engine::cases::parse_lists(&lists).expect("the lists that ship");
    let set = RuleSet::load(files, &lists);
    assert_eq!(set.rejected, 0, "{:?}", set.diagnostics);
    set
}

/// The rows whose fields are columns of the archive.
const IMPORTED: [&str; 2] = ["57 AWS rules, correlations", "what ships"];

/// A row: its name, its rules, whether everything is read once too, to see what is left out, and whether the
/// numbers alone are asked for.
struct Row {
    name: &'static str,
    files: Vec<(String, String)>,
    unpruned: bool,
    counts: bool,
}

fn main() {
    let wanted = std::env::var("VIRGA_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(1_000_000);
    let Some(corpus) = corpus() else { return };
    let is_aws = |file: &ArchivedFile| file.path.starts_with("rules/cloud/aws/");
    let files = rule_archive(&corpus, SIGMAHQ).into_iter().filter(is_aws);
    let aws: Vec<(String, String)> = files.map(|file| (file.path, file.text)).collect();
    assert_eq!(aws.len(), 57);
    let one = |text: &str| vec![("rule.yml".to_owned(), text.to_owned())];
    let mut correlated = aws.clone();
    correlated.push(("correlations.yml".into(), CORRELATIONS.into()));
    let ships: Vec<(String, String)> =
        virga_detections::rules().into_iter().map(|file| (file.path, file.text)).collect();
    let rows = [
        Row { name: "57 AWS rules", files: aws.clone(), unpruned: true, counts: false },
        Row { name: "57 AWS rules, counts", files: aws, unpruned: true, counts: true },
        Row { name: "57 AWS rules, correlations", files: correlated, unpruned: true, counts: false },
        Row { name: "what ships", files: ships, unpruned: false, counts: false },
        Row { name: "one rule, by equality", files: one(EQUALITY), unpruned: true, counts: false },
        Row { name: "one rule, by equality, counts", files: one(EQUALITY), unpruned: true, counts: true },
        Row { name: "one rule, contains", files: one(CONTAINS), unpruned: true, counts: false },
        Row { name: "one rule, contains, counts", files: one(CONTAINS), unpruned: true, counts: true },
    ];
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    let spec = aws_cloudtrail::SOURCE.spec();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let temporary = tempfile::tempdir().expect("a folder");
    let folder = std::env::var_os("VIRGA_BENCH_LAKE").map_or(temporary.path().to_owned(), PathBuf::from);
    if !folder.join("events").is_dir() {
        let all: Vec<(String, String)> = rows
            .iter()
            .filter(|row| IMPORTED.contains(&row.name))
            .flat_map(|row| row.files.clone())
            .collect();
        import(&runtime, &folder, count, &set(&all), &spec);
    }
    let mut found: BTreeMap<&str, (Duration, Report)> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_wanted(row.name)) {
        if let Some(best) = backtests(&runtime, &folder, count, row, &spec) {
            found.insert(row.name, best);
        }
    }
    if is_wanted("SQL") {
        runtime.block_on(queries::run(&folder));
    }
    if is_wanted("DuckDB") {
        duckdb(&runtime, &folder, &rows, &found);
    }
}

fn import(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    count: usize,
    rules: &RuleSet,
    spec: &SourceSpec,
) {
    lake::peak();
    let started = Instant::now();
    let written = runtime.block_on(lake::import(folder, count, rules, spec));
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "import                       {:>12.0} events/s  {count} events in {} files, {} bytes ({:.0} an event), {} MB of memory",
        count as f64 / seconds,
        written.files,
        written.bytes,
        written.bytes as f64 / count as f64,
        lake::peak().unwrap_or(0)
    );
}

/// Runs a row, and gives its best run that left out what it could.
fn backtests(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    count: usize,
    row: &Row,
    spec: &SourceSpec,
) -> Option<(Duration, Report)> {
    let rules = set(&row.files);
    let mut bests: Vec<(Duration, Report)> = Vec::new();
    for prune in [true, false].into_iter().take(1 + usize::from(row.unpruned)) {
        let mut best: Option<(Duration, Report)> = None;
        lake::peak();
        for _ in 0..RUNS {
            let (report, time) = runtime.block_on(lake::backtest(
                folder,
                &rules,
                spec,
                How { prune, digest: false, counts: row.counts },
            ));
            assert_eq!(report.cost.events, count as u64, "{}: every event is there", row.name);
            if best.as_ref().is_none_or(|(least, _)| time < *least) {
                best = Some((time, report));
            }
        }
        let best = best?;
        show(row.name, prune, &best, count);
        bests.push(best);
    }
    // whether they are the same alerts is asked apart: it takes every event's id
    let digests = [true, false].map(|prune| {
        let (report, _) = runtime.block_on(lake::backtest(
            folder,
            &rules,
            spec,
            How { prune, digest: true, counts: false },
        ));
        (report.sets[0].alerts, report.sets[0].digest.clone())
    });
    assert!(digests[0].1.is_some());
    assert_eq!(digests[0], digests[1], "{}: what is left out holds no hit", row.name);
    let first = bests.into_iter().next()?;
    assert_eq!(first.1.sets[0].alerts, digests[0].0, "{}: as many without their ids", row.name);
    Some(first)
}

fn show(name: &str, prune: bool, (time, report): &(Duration, Report), count: usize) {
    let cost = &report.cost;
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    let phases = cost.phases.iter().map(|(name, seconds)| format!("{name} {:.0} ms", seconds * 1e3));
    println!(
        "{name:<28} {:>12.0} events/s  {:<8} {:>7.1} ms  {:>5.1} % of events  {:>5.2} % of bytes  {} alerts  {} MB  {}",
        count as f64 / time.as_secs_f64(),
        if prune { "pruned" } else { "unpruned" },
        time.as_secs_f64() * 1e3,
        share(cost.scanned, cost.events),
        share(cost.bytes_read, cost.bytes_total),
        report.sets[0].alerts,
        lake::peak().unwrap_or(0),
        phases.collect::<Vec<_>>().join(", ")
    );
}

/// The same of DuckDB, and where its counts are others.
fn duckdb(
    runtime: &tokio::runtime::Runtime,
    folder: &Path,
    rows: &[Row],
    found: &BTreeMap<&str, (Duration, Report)>,
) {
    let files = runtime.block_on(lake::files(folder));
    assert!(lake::drop_cache(folder), "the page cache can be told to forget");
    let texts = |row: &Row| row.files.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    let sets: Vec<(&str, Vec<String>)> = rows
        .iter()
        .filter(|row| found.contains_key(row.name) && !row.counts && !IMPORTED.contains(&row.name))
        .map(|row| (row.name, texts(row)))
        .collect();
    let Some((version, answers)) = peer::ask(&files, &sets, RUNS) else { return };
    for answer in answers {
        let Some((time, report)) = found.get(answer.set.as_str()) else { continue };
        // it counts, and says no more
        let counted = found.get(format!("{}, counts", answer.set).as_str());
        let counted = counted.map(|(time, _)| format!("{:.2}", answer.seconds / time.as_secs_f64()));
        println!(
            "DuckDB {version}, {:<24} {:<22} {:>8.1} ms  {:.2} times ours, {} times ours where we count only",
            answer.set,
            answer.form,
            answer.seconds * 1e3,
            answer.seconds / time.as_secs_f64(),
            counted.as_deref().unwrap_or("-")
        );
        let ours: BTreeMap<&str, u64> =
            report.sets[0].rules.iter().map(|rule| (rule.id.as_str(), rule.alerts)).collect();
        for (rule, count) in &answer.counts {
            let own = ours.get(rule.as_str()).copied().unwrap_or(0);
            if own != *count {
                println!("    {rule}: {count}, ours {own}");
            }
        }
    }
}
