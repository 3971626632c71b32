//! The correlator: takes what workers have made, in the one order, and makes checkpoints.
//!
//! In: scanned pieces. Out: alerts to the outbox, records to quarantine, and now and then a checkpoint, after
//! which inputs are acknowledged. Each piece is taken whole: between two pieces everything fits together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use virga_engine::correlate::{CorrelationCounts, LateHit, Live, LiveLimits};
use virga_ingest::position::Positions;
use virga_ingest::transport::live::{Clock, Event, Frontier, Note, Ticket};

use super::read::Acknowledged;
use super::scan::{Scanned, out};
use super::{Done, DoneItem, InputInfo};
use crate::checkpoint::{Checkpoint, Store};
use crate::limits::{CHECKPOINT_PAUSE, URGENT_CHECKPOINT};
use crate::marks::Marks;
use crate::outbox::{OutAlert, Outbox};
use crate::quarantine::Quarantine;
use crate::rotate::Rotating;
use crate::rules::Generation;
use crate::suppress::Suppressed;

/// How long to wait for a piece before the checkpoint is looked at.
const WAIT: Duration = Duration::from_millis(20);
/// How long to wait after a disk has said no.
const DISK_WAIT: Duration = Duration::from_secs(1);

/// An input as the correlator knows it.
struct InputState {
    info: InputInfo,
    positions: Positions,
    /// The last delivery that was taken, and the last that was acknowledged.
    taken: Ticket,
    acknowledged: Ticket,
    acknowledgements: Sender<Acknowledged>,
    ready: bool,
    stopped: bool,
}

/// What the correlator is made with.
pub struct Parts {
    /// The inputs, and where each hears of checkpoints.
    pub inputs: Vec<(InputInfo, Sender<Acknowledged>)>,
    /// What a restart goes on from.
    pub from: Checkpoint,
    /// The rules to begin with.
    pub generation: Arc<Generation>,
    /// Memory of correlations.
    pub memory: usize,
    /// What ids are made with.
    pub tenant: String,
    /// Where alerts go.
    pub outbox: Arc<Outbox>,
    /// Where unreadable records go.
    pub quarantine: Quarantine,
    /// Where late hits go.
    pub late: Rotating,
    /// Where checkpoints lie.
    pub store: Store,
    /// How often one is written.
    pub every: Duration,
    /// The clock.
    pub clock: Clock,
    /// Set where the process is to end at once: what waits for room waits no longer.
    pub hurry: Arc<AtomicBool>,
    /// When it was last alive, by the clock.
    pub alive: Arc<AtomicI64>,
    /// All inputs have begun.
    pub ready: Arc<AtomicBool>,
}

/// Correlates.
pub struct Correlator {
    parts: Parts,
    inputs: Vec<InputState>,
    generation: Arc<Generation>,
    live: Live,
    told: Vec<CorrelationCounts>,
    marks: Marks,
    suppressed: Suppressed,
    number: u64,
    changed: bool,
    urgent: bool,
    /// A record could not be kept: nothing that stands behind it may count as read.
    incomplete: bool,
    written: Instant,
    pause: Duration,
}

impl Correlator {
    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Where the state of correlations cannot be read.
    pub fn new(mut parts: Parts) -> Result<Self, String> {
        let generation = Arc::clone(&parts.generation);
        let mut live = new_live(&generation, &parts.tenant, parts.memory);
        if !parts.from.correlations.is_empty() {
            let anew = live.restore(&parts.from.correlations).map_err(|error| error.to_string())?;
            tell_anew(&anew);
        }
        let mut marks = std::mem::take(&mut parts.from.marks);
        let inputs = std::mem::take(&mut parts.inputs);
        let inputs: Vec<InputState> = inputs
            .into_iter()
            .map(|(info, acknowledgements)| InputState {
                positions: parts.from.positions_of(&info.name),
                info,
                taken: 0,
                acknowledged: 0,
                acknowledgements,
                ready: false,
                stopped: false,
            })
            .collect();
        for input in &inputs {
            marks.expect(&input.info.name, input.info.lateness);
        }
        Ok(Self {
            told: vec![CorrelationCounts::default(); generation.plans.len()],
            suppressed: Suppressed::restore(std::mem::take(&mut parts.from.suppressed)),
            number: parts.from.number,
            inputs,
            generation,
            live,
            marks,
            parts,
            changed: false,
            urgent: false,
            incomplete: false,
            written: Instant::now(),
            pause: Duration::ZERO,
        })
    }

    /// Takes what the workers make, in their turn, until all inputs have stopped; then comes back with the
    /// last checkpoint still to be written ([`Self::finish`]).
    pub fn run(&mut self, workers: &[Receiver<Done>]) {
        let mut next = 0;
        while !self.inputs.iter().all(|input| input.stopped) {
            self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
            self.checkpoint_if_due();
            // a piece is taken only where there is room for what it may raise
            while self.parts.outbox.is_full(WAIT) {
                self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
                self.checkpoint_if_due();
                if self.parts.hurry.load(Ordering::Relaxed) {
                    return;
                }
            }
            let Some(worker) = workers.get(next) else { return };
            match worker.recv_timeout(WAIT) {
                Ok(done) => {
                    next = (next + 1) % workers.len();
                    self.take(done);
                }
                Err(RecvTimeoutError::Timeout) if self.parts.hurry.load(Ordering::Relaxed) => return,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The last checkpoint: all that was taken, and what sinks have not.
    pub fn finish(&mut self) -> bool {
        self.changed = true;
        self.checkpoint()
    }

    fn take(&mut self, done: Done) {
        if done.generation.number != self.generation.number {
            self.switch(done.generation);
        }
        let Some(name) = self.inputs.get(done.input).map(|input| Arc::clone(&input.info.name)) else {
            return;
        };
        match done.item {
            DoneItem::Scanned(scanned) => self.take_scanned(done.input, &name, *scanned),
            DoneItem::Event(event) => self.take_event(done.input, &name, event),
            DoneItem::Stopped => {
                if let Some(input) = self.inputs.get_mut(done.input) {
                    input.stopped = true;
                }
            }
        }
    }

    /// Other rules from now on; correlations that are the same keep what they know.
    fn switch(&mut self, generation: Arc<Generation>) {
        let mut live = new_live(&generation, &self.parts.tenant, self.parts.memory);
        match self.live.snapshot().and_then(|snapshot| live.restore(&snapshot)) {
            Ok(anew) => tell_anew(&anew),
            Err(error) => tracing::error!("correlations begin anew with the new rules: {error}"),
        }
        tracing::info!(
            rules = generation.rules,
            correlations = generation.plans.len(),
            "new rules are at work"
        );
        self.live = live;
        self.told = vec![CorrelationCounts::default(); generation.plans.len()];
        self.generation = generation;
        self.changed = true;
    }

    fn take_event(&mut self, number: usize, name: &Arc<str>, event: Event) {
        let Some(input) = self.inputs.get_mut(number) else { return };
        match event {
            Event::Opened { partition, position } => {
                tracing::info!(input = %name, %partition, position = position.as_ref().map(ToString::to_string), "reads");
                self.marks.open(name, &partition, input.info.lateness);
                if let Some(position) = position {
                    input.positions.set(&partition, position);
                }
                self.changed = true;
            }
            Event::Closed { partition } => {
                tracing::info!(input = %name, %partition, "reads no more");
                self.marks.close(name, &partition);
                input.positions.remove(&partition);
                self.changed = true;
                self.advance();
            }
            Event::Ready => {
                input.ready = true;
                self.marks.ready(name);
                let ready = self.inputs.iter().all(|input| input.ready);
                self.parts.ready.store(ready, Ordering::Relaxed);
            }
            Event::Reached { partition, frontier } => {
                self.marks.reach(name, &partition, frontier);
                self.advance();
            }
            Event::Note(Note { cause, count, message }) => {
                let labels = [("input", name.to_string()), ("cause", cause.to_owned())];
                metrics::counter!("virga_input_notes_total", &labels).increment(count);
                tracing::warn!(input = %name, cause, "{message}");
            }
            Event::Ended => {
                tracing::info!(input = %name, "has ended");
                self.marks.close_input(name);
                self.advance();
            }
            // deliveries come scanned
            Event::Delivery(_) => {}
        }
    }

    fn take_scanned(&mut self, number: usize, name: &Arc<str>, scanned: Scanned) {
        self.keep_unreadable(&scanned);
        count(name, &scanned);
        let arrived = scanned.latest.map_or(0, |(_, arrived)| arrived);
        let mut alerts = Vec::new();
        for detected in scanned.alerts {
            match detected.bucket_end {
                Some(end) if !self.suppressed.is_first(&detected.alert.id, end) => {
                    metrics::counter!("virga_alerts_suppressed_total", "rule" => detected.alert.rule)
                        .increment(1);
                }
                _ => alerts.push(detected.alert),
            }
        }
        for occurrence in &scanned.occurrences {
            self.live.take(&occurrence.as_occurrence());
        }
        self.live.count_dropped(&scanned.dropped);
        alerts.extend(self.live.commit().iter().map(|alert| out(alert, arrived)));
        if let Some((time, arrived)) = scanned.latest {
            self.marks.see(name, &scanned.partition, time, arrived);
        }
        self.marks.reach(name, &scanned.partition, scanned.frontier);
        if let Some(input) = self.inputs.get_mut(number) {
            input.taken = scanned.ticket;
            if let Some(position) = scanned.position {
                input.positions.set(&scanned.partition, position);
            }
        }
        self.raise(alerts);
        (self.changed, self.urgent) = (true, self.urgent || scanned.urgent);
        self.advance();
    }

    /// The watermark may have risen: what has become certain.
    fn advance(&mut self) {
        let Some(watermark) = self.marks.now() else { return };
        let arrived = (self.parts.clock)();
        let alerts: Vec<OutAlert> =
            self.live.advance(watermark).iter().map(|alert| out(alert, arrived)).collect();
        self.suppressed.pass(watermark);
        self.changed |= !alerts.is_empty();
        self.raise(alerts);
        let late = self.live.take_late();
        if !late.is_empty() {
            self.keep_late(&late);
        }
    }

    fn raise(&mut self, alerts: Vec<OutAlert>) {
        for alert in &alerts {
            let level = alert.level.clone().unwrap_or_default();
            metrics::counter!("virga_alerts_total", "rule" => alert.rule.clone(), "level" => level)
                .increment(1);
        }
        self.parts.outbox.push(alerts);
    }

    /// Quarantine is on disk before anything passes over it: a disk that says no holds everything.
    fn keep_unreadable(&mut self, scanned: &Scanned) {
        if scanned.quarantined.is_empty() {
            return;
        }
        while let Err(error) = self.parts.quarantine.take(&scanned.quarantined).map(tell_removed) {
            tracing::error!("quarantine cannot be written ({error}): everything waits for it");
            std::thread::sleep(DISK_WAIT);
            if self.parts.hurry.load(Ordering::Relaxed) {
                self.incomplete = true;
                return;
            }
        }
        let first = scanned.quarantined.first();
        if let Some(first) = first {
            let count = scanned.quarantined.len();
            tracing::warn!(origin = %first.origin, count, "quarantined: {}", first.cause);
        }
    }

    /// Late hits are told beside: they are for a later look, and no promise rests on them.
    fn keep_late(&mut self, late: &[LateHit]) {
        let lines: String = late
            .iter()
            .filter_map(|hit| serde_json::to_string(hit).ok())
            .flat_map(|line| [line, "\n".to_owned()])
            .collect();
        if let Err(error) = self.parts.late.append(lines.as_bytes()) {
            tracing::warn!("late hits cannot be written: {error}");
        }
    }

    fn checkpoint_if_due(&mut self) {
        let since = self.written.elapsed();
        let due = since >= self.parts.every.max(self.pause);
        let urgent = self.urgent && since >= URGENT_CHECKPOINT.max(self.pause);
        if !due && !urgent {
            return;
        }
        self.tell();
        if self.changed || !self.parts.outbox.is_empty() {
            self.checkpoint();
        } else {
            self.written = Instant::now();
        }
    }

    /// Writes a checkpoint and acknowledges what is behind it.
    fn checkpoint(&mut self) -> bool {
        let began = Instant::now();
        let saved = self.save();
        (self.written, self.pause) = (Instant::now(), began.elapsed() * CHECKPOINT_PAUSE);
        let outcome = if saved.is_ok() { "written" } else { "failed" };
        metrics::counter!("virga_checkpoints_total", "outcome" => outcome).increment(1);
        metrics::histogram!("virga_checkpoint_seconds").record(began.elapsed().as_secs_f64());
        match saved {
            Ok(bytes) => {
                metrics::gauge!("virga_checkpoint_bytes").set(bytes as f64);
                metrics::gauge!("virga_checkpoint_timestamp_seconds").set(crate::clock::wall() as f64 / 1e6);
                (self.changed, self.urgent) = (false, false);
                self.acknowledge();
                true
            }
            Err(error) => {
                tracing::error!(
                    "the checkpoint was not written ({error}): nothing is acknowledged until one is"
                );
                false
            }
        }
    }

    fn save(&mut self) -> Result<usize, String> {
        if self.incomplete {
            return Err("a record could not be quarantined".into());
        }
        self.parts.quarantine.sync().map_err(|error| format!("quarantine: {error}"))?;
        let checkpoint = Checkpoint {
            instance: self.parts.from.instance.clone(),
            number: self.number + 1,
            written: (self.parts.clock)(),
            positions: self
                .inputs
                .iter()
                .map(|input| (input.info.name.to_string(), input.positions.clone()))
                .collect(),
            marks: self.marks.clone(),
            correlations: self.live.snapshot().map_err(|error| error.to_string())?,
            suppressed: self.suppressed.kept(),
            outbox: self.parts.outbox.kept(),
        };
        let bytes = checkpoint.to_bytes()?;
        self.parts.store.save(&bytes).map_err(|error| error.to_string())?;
        self.number += 1;
        Ok(bytes.len())
    }

    fn acknowledge(&mut self) {
        for input in &mut self.inputs {
            if input.taken > input.acknowledged {
                input.acknowledged = input.taken;
                let done = Acknowledged { ticket: input.taken, positions: input.positions.clone() };
                // an input that is gone needs no word
                let _ = input.acknowledgements.send(done);
            }
        }
    }

    /// What the metrics say of the state.
    fn tell(&mut self) {
        let counts = self.live.counts();
        for ((plan, now), before) in self.generation.plans.iter().zip(counts).zip(&self.told) {
            let correlation = plan.key();
            let add = |name: &'static str, cause: &'static str, count: u64| {
                if count > 0 {
                    metrics::counter!(name, "correlation" => correlation.clone(), "cause" => cause)
                        .increment(count);
                }
            };
            add("virga_correlation_hits_total", "taken", now.taken - before.taken);
            add("virga_correlation_hits_total", "repeated", now.repeated - before.repeated);
            add("virga_late_total", "watermark", now.late - before.late);
            add("virga_correlation_dropped_total", "forgotten", now.forgotten - before.forgotten);
            add(
                "virga_correlation_dropped_total",
                "missing_key",
                now.dropped.missing_key - before.dropped.missing_key,
            );
            add(
                "virga_correlation_dropped_total",
                "missing_value",
                now.dropped.missing_value - before.dropped.missing_value,
            );
            add(
                "virga_correlation_dropped_total",
                "bad_value",
                now.dropped.bad_value - before.dropped.bad_value,
            );
            add(
                "virga_correlation_dropped_total",
                "too_many",
                now.dropped.too_many - before.dropped.too_many,
            );
        }
        self.told = counts.to_vec();
        metrics::gauge!("virga_correlation_groups").set(self.live.groups() as f64);
        metrics::gauge!("virga_outbox_alerts").set(self.parts.outbox.len() as f64);
        for (sink, waiting) in self.parts.outbox.waiting() {
            metrics::gauge!("virga_sink_waiting", "sink" => sink).set(waiting as f64);
        }
        if let Some(watermark) = self.marks.now() {
            metrics::gauge!("virga_watermark_timestamp_seconds").set(watermark as f64 / 1e6);
        }
        if let Some(holder) = self.marks.holder() {
            let at = holder.at.unwrap_or(0) as f64 / 1e6;
            crate::serve::tell_holder(&holder.input, &holder.partition, at);
        }
    }
}

fn new_live(generation: &Generation, tenant: &str, memory: usize) -> Live {
    Live::new(&generation.plans, tenant, LiveLimits { memory, ..LiveLimits::default() })
}

fn tell_anew(anew: &[String]) {
    if !anew.is_empty() {
        tracing::info!("correlations that are new or have changed begin without memory: {}", anew.join(", "));
    }
}

fn tell_removed(removed: usize) {
    if removed > 0 {
        metrics::counter!("virga_dropped_total", "cause" => "quarantine_full").increment(removed as u64);
        tracing::warn!("the oldest file of quarantine was removed to make room");
    }
}

fn count(name: &Arc<str>, scanned: &Scanned) {
    for (source, events) in &scanned.summary.events {
        metrics::counter!("virga_events_total", "input" => name.to_string(), "source" => *source)
            .increment(*events);
    }
    metrics::counter!("virga_bytes_total", "input" => name.to_string()).increment(scanned.bytes);
    metrics::counter!("virga_messages_total", "input" => name.to_string()).increment(scanned.summary.inputs);
    for (cause, count) in scanned.summary.quarantined.iter() {
        metrics::counter!("virga_quarantined_total", "input" => name.to_string(), "cause" => cause.code())
            .increment(count);
    }
    let hits: &BTreeMap<String, u64> = &scanned.hits;
    for (rule, count) in hits {
        metrics::counter!("virga_hits_total", "rule" => rule.clone()).increment(*count);
    }
    if matches!(scanned.frontier, Frontier::Unread { .. }) {
        metrics::counter!("virga_objects_total", "input" => name.to_string()).increment(1);
    }
}
