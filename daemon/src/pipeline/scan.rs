//! A worker: decodes what was read, makes batches, scans them, and keeps what matters.
//!
//! In: pieces. Out: for each, in the same order, its alerts on single events, what correlations see of it,
//! what could not be read, and how far its events reach in time. The events themselves are not kept.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use virga_engine::Engine;
use virga_engine::alert::Alert;
use virga_engine::correlate::{Dropped, OwnedOccurrence, Times};
use virga_engine::event::EventBatch;
use virga_engine::scan::Hit;
use virga_ingest::batcher::BatchLimits;
use virga_ingest::position::Position;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::{Choice, Reader, Sink, SourcePlan, Summary};
use virga_ingest::sources::{Describer, SOURCES, SourceDef};
use virga_ingest::transport::InputError;
use virga_ingest::transport::live::{Contents, Delivery, Event, Frontier, Ticket};

use super::{Done, DoneItem, InputInfo, Item, Work};
use crate::outbox::OutAlert;
use crate::rules::Generation;

/// A delivery, scanned.
pub struct Scanned {
    /// Its number.
    pub ticket: Ticket,
    /// The partition.
    pub partition: Arc<str>,
    /// Where reading goes on after it.
    pub position: Option<Position>,
    /// What is known of the unread.
    pub frontier: Frontier,
    /// Somebody waits for the checkpoint.
    pub urgent: bool,
    /// The latest event time and the latest ingest time, where it had events.
    pub latest: Option<(i64, i64)>,
    /// What was read.
    pub summary: Summary,
    /// Bytes as they came.
    pub bytes: u64,
    /// Alerts on single events.
    pub alerts: Vec<Detected>,
    /// What correlations see.
    pub occurrences: Vec<OwnedOccurrence>,
    /// What they could not use, by correlation.
    pub dropped: Vec<Dropped>,
    /// Hits, by rule.
    pub hits: BTreeMap<String, u64>,
    /// What could not be read.
    pub quarantined: Vec<Quarantined>,
}

/// An alert on a single event.
pub struct Detected {
    /// The alert, as it goes out.
    pub alert: OutAlert,
    /// Where its rule is suppressed: when the bucket ends in which equal alerts share its id.
    pub bucket_end: Option<i64>,
}

/// Works until nothing more comes.
pub fn run(inputs: &[InputInfo], work: &Receiver<Work>, done: &SyncSender<Done>) {
    let mut worker: Option<Worker> = None;
    while let Ok(Work { input, generation, item }) = work.recv() {
        let item = match item {
            Item::Stopped => DoneItem::Stopped,
            Item::Event(Event::Delivery(delivery)) => {
                if worker.as_ref().is_none_or(|worker| worker.generation.number != generation.number) {
                    worker = Worker::new(&generation);
                }
                let (Some(worker), Some(info)) = (&mut worker, inputs.get(input)) else { return };
                DoneItem::Scanned(Box::new(worker.scan(delivery, info)))
            }
            Item::Event(event) => DoneItem::Event(event),
        };
        if done.send(Done { input, generation, item }).is_err() {
            return;
        }
    }
}

/// A worker with its rules.
struct Worker {
    generation: Arc<Generation>,
    engine: Engine,
    /// By source; `None` is `auto`.
    readers: HashMap<Option<&'static str>, Reader>,
    describers: HashMap<&'static str, Describer>,
}

impl Worker {
    fn new(generation: &Arc<Generation>) -> Option<Self> {
        let describers =
            SOURCES.iter().map(|source| (source.name, Describer::new(source, &generation.environment)));
        Some(Self {
            engine: generation.engine()?,
            readers: HashMap::new(),
            describers: describers.collect(),
            generation: Arc::clone(generation),
        })
    }

    /// The reader of a source, or of all.
    fn reader(&mut self, source: Option<&'static SourceDef>) -> Reader {
        let name = source.map(|source| source.name);
        if let Some(reader) = self.readers.remove(&name) {
            return reader;
        }
        let plan = |source: &&'static SourceDef| {
            Some(SourcePlan { source, projection: self.engine.projection(source.name)? })
        };
        let plans: Vec<SourcePlan> = match &source {
            Some(source) => plan(source).into_iter().collect(),
            None => SOURCES.iter().filter_map(plan).collect(),
        };
        let choice = match (source, plans.as_slice()) {
            (Some(_), [only]) => Choice::Fixed(only.clone()),
            _ => Choice::Auto(plans),
        };
        Reader::new(choice, BatchLimits::default(), &self.generation.environment)
    }

    fn scan(&mut self, delivery: Delivery, info: &InputInfo) -> Scanned {
        let source = delivery.source.or(info.source);
        let mut reader = self.reader(source);
        let mut sink = ScanSink {
            scanned: Scanned {
                ticket: delivery.ticket,
                partition: delivery.partition,
                position: delivery.position,
                frontier: delivery.frontier,
                urgent: delivery.urgent,
                latest: None,
                summary: Summary::default(),
                bytes: 0,
                alerts: Vec::new(),
                occurrences: Vec::new(),
                dropped: vec![Dropped::default(); self.generation.plans.len()],
                hits: BTreeMap::new(),
                quarantined: Vec::new(),
            },
            engine: &mut self.engine,
            describers: &self.describers,
            hits: Vec::new(),
        };
        // a sink that never breaks ends nothing early
        let _ = match delivery.contents {
            Contents::Messages(messages) => {
                sink.scanned.bytes = messages.bytes() as u64;
                reader.messages(&messages, &mut sink)
            }
            Contents::Stream(input) => {
                sink.scanned.bytes = input.size.unwrap_or(0);
                reader.read(input, &mut sink)
            }
        };
        let _ = reader.flush(&mut sink);
        let mut scanned = sink.scanned;
        scanned.summary = reader.take_summary();
        self.readers.insert(source.map(|source| source.name), reader);
        scanned
    }
}

/// Takes the batches of one delivery.
struct ScanSink<'a> {
    scanned: Scanned,
    engine: &'a mut Engine,
    describers: &'a HashMap<&'static str, Describer>,
    hits: Vec<Hit>,
}

impl Sink for ScanSink<'_> {
    fn batch(&mut self, batch: EventBatch) -> ControlFlow<()> {
        for row in 0..batch.len() {
            let (time, arrived) = (Times::Clamped.of(&batch, row), batch.ingest_times().value(row));
            let latest = self.scanned.latest.get_or_insert((time, arrived));
            *latest = (latest.0.max(time), latest.1.max(arrived));
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.engine.scan(&batch, &mut hits);
        let occurrences = &mut self.scanned.occurrences;
        self.engine.occurrences(&batch, &hits, Times::Clamped, &mut self.scanned.dropped, &mut |one| {
            occurrences.push(one.to_owned());
        });
        for hit in &hits {
            self.raise(&batch, *hit);
        }
        self.hits = hits;
        ControlFlow::Continue(())
    }

    fn quarantined(&mut self, record: Quarantined) {
        self.scanned.quarantined.push(record);
    }

    fn unreadable(&mut self, error: InputError) {
        // a live transport gives streams that are open
        tracing::warn!("{error}");
    }
}

impl ScanSink<'_> {
    fn raise(&mut self, batch: &EventBatch, hit: Hit) {
        let Some(rule) = self.engine.rules().get(hit.rule as usize) else { return };
        let rule = Arc::clone(&rule.lowered.rule);
        *self.scanned.hits.entry(rule.key()).or_default() += 1;
        if self.engine.is_muted(hit.rule) {
            return;
        }
        let row = batch.row(hit.row as usize);
        let describer = self.describers.get(row.source());
        let columns = describer.map(|describer| describer.describe(row.raw())).unwrap_or_default();
        let computed = |name: &str| describer?.value(row.raw(), name);
        let mut alert = self.engine.alert(batch, hit, &columns, &computed);
        let mut bucket_end = None;
        if let (Some(id), Some(suppress)) = (self.engine.suppressed_id(hit, &alert, row), &rule.suppress) {
            alert.alert_id = id;
            let bucket = suppress.bucket.max(1);
            bucket_end = Some(row.time().div_euclid(bucket).saturating_add(1).saturating_mul(bucket));
        }
        let arrived = batch.ingest_times().value(hit.row as usize);
        self.scanned.alerts.push(Detected { alert: out(&alert, arrived), bucket_end });
    }
}

/// An alert as it goes out.
pub fn out(alert: &Alert, arrived: i64) -> OutAlert {
    OutAlert {
        id: alert.alert_id.clone(),
        rule: alert.rule.id.clone(),
        level: alert.rule.level.map(str::to_owned),
        // an alert has texts, numbers and maps with texts as keys: all of it is JSON
        json: serde_json::to_string(alert).unwrap_or_default(),
        arrived,
    }
}
