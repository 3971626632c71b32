//! An archive of generated CloudTrail: how it is filled, forgotten by the page cache, and asked.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Sender, channel};
use virga_archive::{Archive, CellArray, EventWriter, Lake, Layout, Location, Range, Written};
use virga_benches::generator::{Config, Generator};
use virga_engine::event::{
    BatchBuilder, Column, ColumnValue, EventBatch, OriginBase, Projection, SourceSpec,
};
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::{Arrival, Describer, Normaliser, aws_cloudtrail};
use virga_ingest::transport::{Input, InputError};
use virga_replay::{LogSources, Question, Report, RuleSide, World, run};

use crate::spill;

const SEED: u64 = 20_261_120;

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

/// Lines of generated events, as a program at the other end of a pipe would write them.
struct Lines {
    generator: Generator,
    left: usize,
    ready: VecDeque<u8>,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut text = Vec::new();
        while self.ready.len() < out.len() && self.left > 0 {
            text.clear();
            self.generator.next_into(&mut text);
            text.push(b'\n');
            self.ready.extend(&text);
            self.left -= 1;
        }
        self.ready.read(out)
    }
}

/// Hands batches on.
struct Batches(Sender<EventBatch>);

impl Sink for Batches {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        match self.0.blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn quarantined(&mut self, record: Quarantined) {
        panic!("a generated event was quarantined: {}", record.cause);
    }

    fn unreadable(&mut self, error: InputError) {
        panic!("{error}");
    }
}

pub fn location(folder: &Path) -> Location {
    Location::new(folder.to_str().expect("UTF-8")).expect("a location")
}

/// Fills an archive as `virga archive import` does: one thread reads, others write. The generator works on the
/// first.
pub async fn import(folder: &Path, count: usize, rules: &RuleSet, spec: &SourceSpec) -> Written {
    let engine = Engine::new(rules, std::slice::from_ref(spec));
    let mut archive = Archive::open_or_create(&location(folder)).await.expect("an archive");
    let asked = engine.projection(&spec.name).expect("a plan").whole();
    let layout = Layout::new(&spec.columns, &asked);
    let plan = SourcePlan { source: &aws_cloudtrail::SOURCE, projection: Arc::clone(&layout.projection) };
    let (sender, mut batches) = channel(2);
    let generator = Generator::new(Config { seed: SEED, ..Config::default() });
    let reading = std::thread::spawn(move || {
        let lines = Lines { generator, left: count, ready: VecDeque::new() };
        let base = OriginBase::File { path: "generated".into() };
        let input = Input { base, ingest_time: 0, size: None, reader: Box::new(lines) };
        Reader::new(Choice::Fixed(plan), BatchLimits::default(), &Arc::default())
            .run([Ok(input)], &mut Batches(sender))
    });
    let mut writer = EventWriter::new([(spec.name.clone(), layout)]);
    while let Some(batch) = batches.recv().await {
        writer.push(&archive, &batch).await.expect("events are written");
    }
    let written = writer.commit(&mut archive).await.expect("a commit");
    let summary = reading.join().expect("the reading ends");
    assert_eq!((summary.total_events() as usize, written.rows), (count, count), "every event is archived");
    written
}

/// The files of the archive's last version.
pub async fn files(folder: &Path) -> Vec<PathBuf> {
    let archive = Archive::open(&location(folder)).await.expect("an archive");
    let entries = archive.entries(Range::ALL).await.expect("its files");
    entries.iter().map(|entry| folder.join("events").join(&entry.path)).collect()
}

/// Drops the files below a folder from the page cache; whether that could be done.
pub fn drop_cache(folder: &Path) -> bool {
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

/// How a backtest is asked.
#[derive(Clone, Copy)]
pub struct How {
    /// What cannot match is left out.
    pub prune: bool,
    /// A hash of all alerts is asked for.
    pub digest: bool,
    /// Numbers alone are asked for.
    pub counts: bool,
}

/// One backtest, of files that the page cache does not hold.
pub async fn backtest(folder: &Path, rules: &RuleSet, spec: &SourceSpec, how: How) -> (Report, Duration) {
    assert!(drop_cache(folder), "the page cache can be told to forget");
    let started = Instant::now();
    let archive = Lake::Own(Box::new(Archive::open(&location(folder)).await.expect("an archive")));
    let engine = Engine::new(rules, std::slice::from_ref(spec));
    let sides = vec![RuleSide { name: "rules".into(), hash: String::new(), engine }];
    let How { prune, digest, counts } = how;
    let question =
        Question { range: Range::ALL, prune, suppress: false, curves: &[], labels: None, digest, counts };
    let logs = CloudTrail(Describer::new(&aws_cloudtrail::SOURCE, &Arc::default()));
    let clock = || started.elapsed();
    let world = World {
        specs: std::slice::from_ref(spec),
        logs: &logs,
        clock: &clock,
        memory: spill::MEMORY,
        spill: &|| Box::new(spill::TemporaryFiles::default()),
    };
    let report = run(&archive, sides, &question, &world, None, &mut |_| {}).await.expect("a report");
    (report, started.elapsed())
}

/// The most memory that the process has held since the last call, in megabytes, where Linux tells.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    // 5 makes the peak what is held now
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(kilobytes / 1024)
}
