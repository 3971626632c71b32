//! What the rules that ship cost: beside SigmaHQ's AWS rules alone, on the same events in the same run.
//!
//! In: a million generated CloudTrail events (`VIRGA_BENCH_EVENTS` for another number). Out: events a second
//! for the scan of each set, and for the scan with everything behind it: correlations over input that ends,
//! and as a stream with a watermark a quarter of an hour behind. Counts are asserted before a time is
//! reported: both ways of correlating raise alerts of the same ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virga_benches::{Shared, generator};
use virga_engine::alert::Alert;
use virga_engine::correlate::{Dropped, Finite, Live, LiveLimits, MemorySpill, Times};
use virga_engine::diagnostic::SourceFile;
use virga_engine::event::{EventBatch, OriginBase};
use virga_engine::plan::Lists;
use virga_engine::{Engine, RuleSet};
use virga_ingest::batcher::BatchLimits;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan};
use virga_ingest::sources::aws_cloudtrail;
use virga_ingest::transport::{Input, InputError};
use virga_test_support::{SIGMAHQ, corpus, rule_archive};

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SEED: u64 = 20_261_129;
const RUNS: usize = 3;
/// How late events may be, in microseconds.
const LATENESS: i64 = 15 * 60 * 1_000_000;

fn main() {
    let wanted = std::env::var("VIRGA_BENCH_EVENTS").ok().and_then(|n| n.parse().ok());
    let count: usize = wanted.unwrap_or(1_000_000);
    let Some(corpus) = corpus() else { return };
    let config = generator::Config { seed: SEED, events_per_second: 50, ..generator::Config::default() };
    let mut generator = generator::Generator::new(config);
    let mut bytes = Vec::new();
    for _ in 0..count {
        generator.next_into(&mut bytes);
        bytes.push(b'\n');
    }
    let data: Arc<str> = String::from_utf8(bytes).expect("the generator writes UTF-8").into();
    let archive = rule_archive(&corpus, SIGMAHQ);
    let aws = archive.iter().filter(|file| file.path.starts_with("rules/cloud/aws/"));
    let file = |name: &str, text: &str| Arc::new(SourceFile { name: name.into(), text: text.into() });
    let sigmahq = RuleSet::load(aws.map(|f| file(&f.path, &f.text)), &Lists::new());
    let shipped = shipped();
    println!(
        "{count} events; {} rules of SigmaHQ; {} rules and {} correlations that ship",
        sigmahq.rules.len(),
        shipped.rules.len(),
        shipped.correlations.len()
    );
    let rows: Table<'_> = vec![
        ("SigmaHQ's 57 AWS rules, scan", Box::new(|| run(&sigmahq, &data, Behind::Nothing))),
        ("what ships, scan", Box::new(|| run(&shipped, &data, Behind::Nothing))),
        ("what ships, correlated, input that ends", Box::new(|| run(&shipped, &data, Behind::Finite))),
        ("what ships, correlated, stream", Box::new(|| run(&shipped, &data, Behind::Live))),
    ];
    // one row alone, for a profiler
    if let Some(only) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        rows.iter().filter(|(name, _)| name.contains(&only)).for_each(|(_, run)| drop(run()));
        return;
    }
    let mut best: Vec<(Duration, Run)> = Vec::new();
    for round in 0..RUNS {
        for (number, (name, run)) in rows.iter().enumerate() {
            let (time, result) = run();
            assert_eq!(result.events, count as u64, "{name}: every event is read");
            match best.get_mut(number) {
                None => best.push((time, result)),
                Some((least, first)) => {
                    assert_eq!(first.hits, result.hits, "{name}: round {round}");
                    assert!(first.alerts == result.alerts, "{name}: other alerts in round {round}");
                    *least = time.min(*least);
                }
            }
        }
    }
    let base = best[0].0.as_secs_f64();
    for ((name, _), (time, run)) in rows.iter().zip(&best) {
        println!(
            "{name:<42} {:>9.0} events/s  {:.2} of the first row's time  {} hits, {} occurrences, {} alerts of correlations",
            count as f64 / time.as_secs_f64(),
            time.as_secs_f64() / base,
            run.hits,
            run.occurrences,
            run.alerts.len()
        );
    }
    let (whole, stream) = (&best[2].1, &best[3].1);
    println!("the stream holds {} groups in {} MB at its end", stream.held.0, stream.held.1 / 1_000_000);
    assert_eq!(stream.late, 0, "the stream's watermark stands behind what may still come");
    let apart: BTreeMap<&str, usize> =
        (whole.alerts.symmetric_difference(&stream.alerts)).fold(BTreeMap::new(), |mut apart, (_, rule)| {
            *apart.entry(rule.as_str()).or_default() += 1;
            apart
        });
    assert!(apart.is_empty(), "a stream raises what input that ends does, but for {apart:?}");
}

/// What is measured, by name.
type Table<'t> = Vec<(&'static str, Box<dyn Fn() -> (Duration, Run) + 't>)>;

/// The rules that ship, with their lists.
fn shipped() -> RuleSet {
    let file = |name: String, text: String| Arc::new(SourceFile { name, text });
    let lists = file("lists.yml".into(), virga_detections::LISTS.into());
    let lists = virga_engine::cases::parse_lists(&lists).expect("the lists that ship");
    RuleSet::load(virga_detections::rules().into_iter().map(|f| file(f.path, f.text)), &lists)
}

#[derive(Clone, Copy, PartialEq)]
enum Behind {
    Nothing,
    Finite,
    Live,
}

#[derive(Default)]
struct Run {
    events: u64,
    hits: u64,
    occurrences: u64,
    /// Ids, with the names of their rules.
    alerts: BTreeSet<(String, String)>,
    late: u64,
    /// Groups that a stream holds at its end, and their bytes.
    held: (usize, usize),
}

struct Way {
    engine: Engine,
    hits: Vec<virga_engine::scan::Hit>,
    dropped: Vec<Dropped>,
    finite: Option<Finite>,
    live: Option<Live>,
    latest: i64,
    run: Run,
}

impl Sink for Way {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        self.hits.clear();
        self.engine.scan(&batch, &mut self.hits);
        self.run.events += batch.len() as u64;
        self.run.hits += self.hits.len() as u64;
        let (finite, live, seen) = (&mut self.finite, &mut self.live, &mut self.run.occurrences);
        if finite.is_some() || live.is_some() {
            self.engine.occurrences(&batch, &self.hits, Times::AsWritten, &mut self.dropped, &mut |one| {
                *seen += 1;
                if let Some(finite) = finite {
                    finite.take(&one).expect("memory takes all");
                }
                if let Some(live) = live {
                    live.take(&one);
                }
            });
        }
        if let Some(live) = live {
            self.run.alerts.extend(live.commit().into_iter().map(told));
            let latest = batch.times().values().iter().copied().max().unwrap_or(i64::MIN);
            self.latest = self.latest.max(latest);
            let alerts = live.advance(self.latest.saturating_sub(LATENESS));
            self.run.alerts.extend(alerts.into_iter().map(told));
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

fn told(alert: Alert) -> (String, String) {
    (alert.alert_id, alert.rule.title.clone())
}

/// The whole way: bytes, frames, fields, batches, hits, alerts of correlations; and how long it took.
fn run(rules: &RuleSet, data: &Arc<str>, behind: Behind) -> (Duration, Run) {
    let source = &aws_cloudtrail::SOURCE;
    let engine = Engine::new(rules, &[source.spec()]);
    let projection = engine.projection(source.name).expect("a plan");
    let plans = engine.correlations();
    // a group that is forgotten for want of memory would be an alert of the stream alone
    let limits = LiveLimits { memory: usize::MAX, ..LiveLimits::default() };
    let mut way = Way {
        hits: Vec::new(),
        dropped: vec![Dropped::default(); plans.len()],
        finite: (behind == Behind::Finite)
            .then(|| Finite::new(plans, "", usize::MAX, Box::<MemorySpill>::default())),
        live: (behind == Behind::Live).then(|| Live::new(plans, "", limits)),
        latest: i64::MIN,
        run: Run::default(),
        engine,
    };
    let input = Input {
        base: OriginBase::File { path: "generated".into() },
        ingest_time: 0,
        size: None,
        reader: Box::new(Cursor::new(Shared(Arc::clone(data)))),
    };
    // rules are compiled once, events come without end
    let started = Instant::now();
    Reader::new(Choice::Fixed(SourcePlan { source, projection }), BatchLimits::default(), &Arc::default())
        .run([Ok(input)], &mut way);
    if let Some(mut finite) = way.finite.take() {
        let alerts = finite.finish().expect("memory gives all");
        way.run.alerts.extend(alerts.into_iter().map(told));
    }
    if let Some(mut live) = way.live.take() {
        way.run.held = (live.groups(), live.bytes());
        way.run.alerts.extend(live.finish().into_iter().map(told));
        way.run.late = live.counts().iter().map(|counts| counts.late).sum();
    }
    (started.elapsed(), way.run)
}
