//! A worker: decodes what was read, makes batches, scans them, and keeps what matters.
//!
//! In: pieces. Out: for each, in the same order, its alerts on single events, what correlations see of it,
//! what could not be read, and how far its events reach in time. The events themselves are kept where there is an
//! archive, as it wants them.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use virga_engine::Engine;
use virga_engine::alert::{Alert, Described};
use virga_engine::correlate::{Dropped, Occurrences, Times};
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
use crate::archive::columns::Columns;
use crate::archive::keep::{Kept, Way};
use crate::limits::PIECE_BYTES;
use crate::outbox::OutAlert;
use crate::redact::{self, Redactions};
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
    pub occurrences: Occurrences,
    /// What they could not use, by correlation.
    pub dropped: Vec<Dropped>,
    /// Hits, by what the rule is known by.
    pub hits: BTreeMap<String, u64>,
    /// What could not be read.
    pub quarantined: Vec<Quarantined>,
    /// The events, where they are archived.
    pub kept: Vec<EventBatch>,
    /// Whether all that was to be kept is among them or on its way.
    pub is_whole: bool,
    /// The process ended before it did: it was not read, and nothing of it counts.
    pub is_cut: bool,
}

/// An alert on a single event.
pub struct Detected {
    /// The alert, as it goes out.
    pub alert: OutAlert,
    /// Where its rule is suppressed: when the bucket ends in which equal alerts share its id.
    pub bucket_end: Option<i64>,
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The inputs.
    pub inputs: Vec<InputInfo>,
    /// What must not be kept.
    pub redact: Redactions,
    /// The way to the archive, for pieces that are too large to wait as a whole.
    pub way: Option<Way>,
}

/// Works until nothing more comes.
pub fn run(shared: &Shared, work: &Receiver<Work>, done: &SyncSender<Done>) {
    let mut worker: Option<Worker<'_>> = None;
    while let Ok(Work { input, generation, item }) = work.recv() {
        let item = match item {
            Item::Stopped => DoneItem::Stopped,
            Item::Event(Event::Delivery(delivery)) => {
                if worker.as_ref().is_none_or(|worker| worker.generation.number != generation.number) {
                    worker = Worker::new(&generation, shared);
                }
                let (Some(worker), Some(info)) = (&mut worker, shared.inputs.get(input)) else { return };
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
struct Worker<'a> {
    shared: &'a Shared,
    generation: Arc<Generation>,
    engine: Engine,
    /// By source; `None` is `auto`.
    readers: HashMap<Option<&'static str>, Reader>,
    describers: HashMap<&'static str, Describer>,
}

impl<'a> Worker<'a> {
    fn new(generation: &Arc<Generation>, shared: &'a Shared) -> Option<Self> {
        let describers =
            SOURCES.iter().map(|source| (source.name, Describer::new(source, &generation.environment)));
        Some(Self {
            shared,
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
            let projection = match self.generation.columns.get(source.name) {
                // what is redacted gets the archive's columns afterwards
                Some(columns) if !self.shared.redacts(source.name) => Arc::clone(&columns.read),
                _ => self.engine.projection(source.name)?,
            };
            Some(SourcePlan { source, projection })
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
                occurrences: Occurrences::default(),
                dropped: vec![Dropped::default(); self.generation.plans.len()],
                hits: BTreeMap::new(),
                quarantined: Vec::new(),
                kept: Vec::new(),
                is_whole: true,
                is_cut: false,
            },
            kept_bytes: 0,
            shared: self.shared,
            generation: &self.generation,
            engine: &mut self.engine,
            describers: &self.describers,
            hits: Vec::new(),
            by_rule: BTreeMap::new(),
        };
        // a sink that never breaks ends nothing early
        let _ = match delivery.contents {
            Contents::Messages(messages) => {
                sink.scanned.bytes = messages.bytes() as u64;
                reader.messages(&messages, &mut sink)
            }
            Contents::Stream(input, cut) => {
                sink.scanned.bytes = input.size.unwrap_or(0);
                let flow = reader.read(input, &mut sink);
                sink.scanned.is_cut = cut.is_set();
                flow
            }
        };
        let _ = reader.flush(&mut sink);
        let ScanSink { mut scanned, by_rule, .. } = sink;
        let rules = self.engine.rules();
        for (rule, hits) in by_rule {
            let Some(rule) = rules.get(rule as usize) else { continue };
            *scanned.hits.entry(rule.lowered.rule.key()).or_default() += hits;
        }
        scanned.summary = reader.take_summary();
        self.readers.insert(source.map(|source| source.name), reader);
        scanned
    }
}

/// Takes the batches of one delivery.
struct ScanSink<'a> {
    scanned: Scanned,
    kept_bytes: usize,
    shared: &'a Shared,
    generation: &'a Arc<Generation>,
    engine: &'a mut Engine,
    describers: &'a HashMap<&'static str, Describer>,
    hits: Vec<Hit>,
    /// Hits, by number of the rule.
    by_rule: BTreeMap<u32, u64>,
}

impl Sink for ScanSink<'_> {
    fn batch(&mut self, read: EventBatch) -> ControlFlow<()> {
        let columns = self.generation.columns.get(read.source().as_ref());
        let is_wide = columns.filter(|columns| Arc::ptr_eq(read.projection(), &columns.read));
        let narrow = is_wide.map(|columns| columns.scanned(&read));
        let batch = narrow.as_ref().unwrap_or(&read);
        for row in 0..batch.len() {
            let (time, arrived) = (Times::Clamped.of(batch, row), batch.ingest_times().value(row));
            let latest = self.scanned.latest.get_or_insert((time, arrived));
            *latest = (latest.0.max(time), latest.1.max(arrived));
        }
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.engine.scan(batch, &mut hits);
        let occurrences = &mut self.scanned.occurrences;
        self.engine.occurrences(batch, &hits, Times::Clamped, &mut self.scanned.dropped, &mut |one| {
            occurrences.push(&one);
        });
        for of_row in hits.chunk_by(|a, b| a.row == b.row) {
            self.raise(batch, of_row);
        }
        self.hits = hits;
        match (is_wide, columns) {
            (Some(columns), _) => self.keep(columns.kept(&read)),
            (None, Some(columns)) => self.keep_redacted(&read, columns),
            (None, None) => {}
        }
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

impl Shared {
    fn redacts(&self, source: &str) -> bool {
        self.redact.as_ref().is_some_and(|redact| redact.concerns(source))
    }
}

impl ScanSink<'_> {
    /// Events wait for the turn of their piece; of a piece of gigabytes not all can.
    fn keep(&mut self, batch: EventBatch) {
        let way = self.shared.way.as_ref().filter(|_| self.kept_bytes > PIECE_BYTES);
        let Some(way) = way else {
            self.kept_bytes += batch.raw().value_data().len();
            self.scanned.kept.push(batch);
            return;
        };
        // where the process ends at once, nothing that stands behind it counts as read either
        if !way.give(Kept::Events(Arc::clone(self.generation), Box::new(batch)), &|| ()) {
            self.scanned.is_whole = false;
        }
    }

    fn keep_redacted(&mut self, batch: &EventBatch, columns: &Columns) {
        let Some(redact) = &self.shared.redact else { return };
        let environment = &self.generation.environment;
        match redact::batch(redact.as_ref(), batch, columns.kept_fields(), environment) {
            Ok(batch) => self.keep(batch),
            Err(why) => {
                tracing::error!("events cannot be archived: {why}");
                self.scanned.is_whole = false;
            }
        }
    }

    /// The alerts of one event. What it is, and what of it may be shown, is found once for all its hits.
    fn raise(&mut self, batch: &EventBatch, hits: &[Hit]) {
        let Some(first) = hits.first() else { return };
        hits.iter().for_each(|hit| *self.by_rule.entry(hit.rule).or_default() += 1);
        let heard: Vec<Hit> = hits.iter().filter(|hit| !self.engine.is_muted(hit.rule)).copied().collect();
        if heard.is_empty() {
            return;
        }
        let row = batch.row(first.row as usize);
        let arrived = batch.ingest_times().value(first.row as usize);
        let columns = self.columns(batch, *first);
        let redact = self.shared.redact.as_ref().filter(|redact| redact.concerns(row.source()));
        let shown = redact.map(|redact| redact::shown(redact.as_ref(), row, arrived));
        let shown_columns = shown.as_ref().map(|shown| self.columns(shown, Hit { row: 0, ..*first }));
        for hit in heard {
            let mut alert = self.alert(batch, hit, &columns);
            let mut bucket_end = None;
            let suppress = self.engine.rules().get(hit.rule as usize);
            let bucket = suppress.and_then(|rule| Some(rule.lowered.rule.suppress.as_ref()?.bucket.max(1)));
            if let (Some(id), Some(bucket)) = (self.engine.suppressed_id(hit, &alert, row), bucket) {
                alert.alert_id = id;
                bucket_end = Some(row.time().div_euclid(bucket).saturating_add(1).saturating_mul(bucket));
            }
            if let (Some(shown), Some(columns)) = (&shown, &shown_columns) {
                // what it is known by is that of the event as it came
                alert.fields = self.alert(shown, Hit { row: 0, ..hit }, columns).fields;
            }
            self.scanned.alerts.push(Detected { alert: out(&alert, arrived), bucket_end });
        }
    }

    /// The canonical columns of a hit's event.
    fn columns(&self, batch: &EventBatch, hit: Hit) -> Described {
        let row = batch.row(hit.row as usize);
        let describer = self.describers.get(row.source());
        Arc::new(describer.map(|describer| describer.describe(row.raw())).unwrap_or_default())
    }

    fn alert(&mut self, batch: &EventBatch, hit: Hit, columns: &Described) -> Alert {
        let row = batch.row(hit.row as usize);
        let describer = self.describers.get(row.source());
        let computed = |name: &str| describer?.value(row.raw(), name);
        self.engine.alert(batch, hit, columns, &computed)
    }
}

/// What the JSON of an ordinary alert takes, and more: a text that grows is copied each time.
const JSON_BYTES: usize = 4 << 10;

fn json_of(alert: &Alert) -> String {
    let mut json = Vec::with_capacity(JSON_BYTES);
    let written = serde_json::to_writer(&mut json, alert).map_err(|error| error.to_string());
    json.shrink_to_fit();
    let text = written.and_then(|()| String::from_utf8(json).map_err(|error| error.to_string()));
    text.unwrap_or_else(|error| {
        // an alert has texts, numbers and maps with texts as keys: it cannot be; whoever hears of it has its id
        tracing::error!(alert = %alert.alert_id, "an alert cannot be written as JSON: {error}");
        serde_json::json!({"alert_id": alert.alert_id, "rule": {"id": alert.rule.id}}).to_string()
    })
}

/// An alert as it goes out.
pub fn out(alert: &Alert, arrived: i64) -> OutAlert {
    OutAlert {
        id: alert.alert_id.clone(),
        rule: alert.rule.id.clone(),
        level: alert.rule.level.map(str::to_owned),
        json: json_of(alert),
        arrived,
    }
}
