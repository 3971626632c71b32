//! Rules over an archive on one core: all of SigmaHQ's AWS rules, one rule, and one rule that only looks into
//! texts, each with and without leaving out what cannot match.
//!
//! In: generated CloudTrail (`VIRGA_BENCH_EVENTS`, a million unless it says otherwise) in an archive in a
//! temporary folder, SigmaHQ's rules where the corpus is at hand. Out: events a second, the share of events and
//! of bytes that were read. Before each run the files are dropped from the page cache. Hits with and without
//! pruning are asserted to be the same before a time is told.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virga_archive::{Archive, CellArray, EventWriter, Layout, Location, Range};
use virga_benches::{Shared, generator};
use virga_engine::correlate::MemorySpill;
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{
    BatchBuilder, Column, ColumnValue, EventBatch, OriginBase, Projection, SourceSpec,
};
use virga_engine::plan::Lists;
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{Arrival, Describer, Normaliser, aws_cloudtrail};
use virga_ingest::transport::{Input, InputError};
use virga_replay::{LogSources, Question, Report, RuleSide, World, run};
use virga_test_support::{SIGMAHQ, corpus, rule_archive};

const SEED: u64 = 20_261_120;

/// The best of so many runs.
const RUNS: usize = 3;

/// Events that are made at a time.
const PART: usize = 200_000;

/// CloudTrail alone.
struct CloudTrail(Describer);

impl LogSources for CloudTrail {
    fn columns(&self, _: &str, raw: &str) -> Vec<(&'static Column, ColumnValue)> {
        self.0.describe(raw)
    }

    fn value(&self, _: &str, raw: &str, name: &str) -> Option<ColumnValue> {
        self.0.value(raw, name)
    }

    fn cells(
        &self,
        name: &str,
        fields: &Arc<Projection>,
        raw: &arrow_array::StringArray,
    ) -> Result<Vec<CellArray>, String> {
        let mut normaliser = Normaliser::new(&aws_cloudtrail::SOURCE, fields, &Arc::default());
        let mut builder = BatchBuilder::new(name.into(), Arc::clone(fields));
        let base = OriginBase::File { path: "".into() };
        let arrival = Arrival { base: &base, line: None, record: None, ingest_time: 0 };
        for raw in raw.iter().flatten() {
            normaliser.normalise(raw, &arrival, &mut builder).map_err(|cause| cause.to_string())?;
        }
        Ok(builder.finish().fields().to_vec())
    }
}

struct Batches(Vec<EventBatch>);

impl Sink for Batches {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.0.push(batch);
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        panic!("a generated event was quarantined: {}", record.cause);
    }

    fn unreadable(&mut self, error: InputError) {
        panic!("{error}");
    }
}

async fn fill(folder: &Path, count: usize, engine: &Engine, spec: &SourceSpec) -> u64 {
    let location = Location::new(folder.to_str().expect("UTF-8"), []).expect("a location");
    let mut archive = Archive::open_or_create(&location).await.expect("an archive");
    let asked = engine.projection(&spec.name).expect("a plan").whole();
    let layout = Layout::new(&spec.columns, &asked);
    let mut writer = EventWriter::new([(spec.name.clone(), layout.clone())]);
    let mut made =
        generator::Generator::new(generator::Config { seed: SEED, ..generator::Config::default() });
    let mut left = count;
    while left > 0 {
        let mut text = Vec::new();
        for _ in 0..left.min(PART) {
            made.next_into(&mut text);
            text.push(b'\n');
        }
        left -= left.min(PART);
        let text: Arc<str> = String::from_utf8(text).expect("UTF-8").into();
        let input = Input {
            base: OriginBase::File { path: "generated".into() },
            ingest_time: 0,
            size: None,
            reader: Box::new(std::io::Cursor::new(Shared(text))),
        };
        let plan = SourcePlan { source: &aws_cloudtrail::SOURCE, projection: Arc::clone(&layout.projection) };
        let mut batches = Batches(Vec::new());
        Reader::new(Choice::Fixed(plan), BatchLimits::default(), &Arc::default())
            .run([Ok(input)], &mut batches);
        for batch in &batches.0 {
            writer.push(&archive, batch).await.expect("events are written");
        }
    }
    let written = writer.commit(&mut archive).await.expect("a commit");
    assert_eq!(written.rows, count);
    written.bytes
}

/// Drops the files below a folder from the page cache; whether that could be done.
fn drop_cache(folder: &Path) -> bool {
    let mut all = true;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all &= drop_cache(&path);
            continue;
        }
        let file = std::fs::File::open(&path).expect("a file");
        file.sync_all().expect("a file on disk");
        all &= rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).is_ok();
    }
    all
}

async fn backtest(folder: &Path, rules: &RuleSet, spec: &SourceSpec, prune: bool) -> (Report, Duration) {
    assert!(drop_cache(folder), "the page cache can be told to forget");
    let started = Instant::now();
    let location = Location::new(folder.to_str().expect("UTF-8"), []).expect("a location");
    let archive = Archive::open(&location).await.expect("an archive");
    let engine = Engine::new(rules, std::slice::from_ref(spec));
    let sides = vec![RuleSide { name: "rules".into(), hash: String::new(), engine }];
    let question = Question { range: Range::ALL, prune, suppress: false, curves: &[], labels: None };
    let logs = CloudTrail(Describer::new(&aws_cloudtrail::SOURCE, &Arc::default()));
    let clock = || started.elapsed();
    let world = World {
        specs: std::slice::from_ref(spec),
        logs: &logs,
        clock: &clock,
        memory: 256 << 20,
        spill: &|| Box::new(MemorySpill::default()),
    };
    let report = run(&archive, sides, &question, &world, None, &mut |_| {}).await.expect("a report");
    (report, started.elapsed())
}

fn main() {
    let wanted = std::env::var("VIRGA_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(1_000_000);
    let Some(corpus) = corpus() else { return };
    let files = rule_archive(&corpus, SIGMAHQ);
    let load = |wanted: &dyn Fn(&str) -> bool| {
        let files = files.iter().filter(|file| wanted(&file.path));
        let files =
            files.map(|file| Arc::new(SourceFile { name: file.path.clone(), text: file.text.clone() }));
        RuleSet::load(files, &Lists::new())
    };
    let of_text = |text: &str| {
        RuleSet::load([Arc::new(SourceFile { name: "r.yml".into(), text: text.into() })], &Lists::new())
    };
    let aws = load(&|path| path.starts_with("rules/cloud/aws/"));
    assert_eq!(aws.rules.len(), 57);
    let equality = of_text(
        "title: one\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging}, condition: s}\n",
    );
    let contains = of_text(
        "title: text\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {userAgent|contains: kali}, condition: s}\n",
    );
    let spec = aws_cloudtrail::SOURCE.spec();
    let engine = Engine::new(&aws, std::slice::from_ref(&spec));
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = Instant::now();
    let bytes = runtime.block_on(fill(folder.path(), count, &engine, &spec));
    println!(
        "{count} events in {bytes} bytes ({:.0} an event), made, read and written in {:.1} s",
        bytes as f64 / count as f64,
        started.elapsed().as_secs_f64()
    );
    for (name, rules) in
        [("57 AWS rules", &aws), ("one rule, by equality", &equality), ("one rule, contains", &contains)]
    {
        let mut digests: Vec<(u64, String)> = Vec::new();
        for prune in [true, false] {
            let mut best: Option<(Report, Duration)> = None;
            for _ in 0..RUNS {
                let one = runtime.block_on(backtest(folder.path(), rules, &spec, prune));
                assert_eq!(one.0.cost.events, count as u64, "{name}: every event is there");
                if best.as_ref().is_none_or(|best| one.1 < best.1) {
                    best = Some(one);
                }
            }
            let Some((report, time)) = best else { continue };
            digests.push((report.sets[0].alerts, report.sets[0].digest.clone()));
            let cost = &report.cost;
            let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
            println!(
                "{name:<24} {:<10} {:>12.0} events/s  {:>7.1} ms  {:>5.1} % of events  {:>5.2} % of bytes  {} alerts  {:?}",
                if prune { "pruned" } else { "unpruned" },
                count as f64 / time.as_secs_f64(),
                time.as_secs_f64() * 1e3,
                share(cost.scanned, cost.events),
                share(cost.bytes_read, cost.bytes_total),
                report.sets[0].alerts,
                cost.phases
                    .iter()
                    .map(|(name, seconds)| format!("{name} {:.0} ms", seconds * 1e3))
                    .collect::<Vec<_>>()
            );
        }
        assert_eq!(digests.first(), digests.last(), "{name}: what is left out holds no hit");
    }
}
