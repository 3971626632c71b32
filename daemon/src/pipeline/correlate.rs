//! The correlator: takes what workers have made, in the one order, and makes checkpoints.
//!
//! In: scanned pieces. Out: alerts to the outbox, records to quarantine, events and alerts to the archive, and now
//! and then a checkpoint, after which inputs are acknowledged. Each piece is taken whole: between two pieces
//! everything fits together. Where there is an archive, the state of such an instant waits on disk, beside the last one, until all that
//! came before it is committed there; only then it becomes the checkpoint. Pieces are taken on meanwhile.

mod save;
mod tell;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use virga_engine::alert::Alert;
use virga_engine::correlate::{CorrelationCounts, LateHit, Live, LiveLimits, SnapshotError};
use virga_ingest::position::Positions;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::transport::live::{Clock, Event, Ticket};

use self::save::{Prepared, TELL_AGAIN};
use self::tell::{Vain, count, tell_all_anew, tell_anew, tell_removed};
use super::read::Acknowledged;
use super::scan::{Scanned, out};
use super::{Done, DoneItem, InputInfo};
use crate::archive::keep::{Keeper, Kept};
use crate::archive::leave::Leave;
use crate::checkpoint::{Checkpoint, Store};
use crate::limits::DISK_END;
use crate::marks::Marks;
use crate::outbox::{OutAlert, Outbox};
use crate::partitions::Partitions;
use crate::quarantine::Quarantine;
use crate::redact::{self, Redactions};
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
    /// It has begun, now or in a run before: where it has not told of anything yet, it is none of the checkpoint's.
    known: bool,
    stopped: bool,
    /// A piece was not read for the process's end: nor does anything count that came behind it.
    cut: bool,
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
    /// Set where the process is to end: what has been read is bounded then, and waits for no room in the outbox.
    pub stop: Arc<AtomicBool>,
    /// Set where the process is to end at once: what waits for room waits no longer.
    pub hurry: Arc<AtomicBool>,
    /// Whether the archive is waited for.
    pub leave: Leave,
    /// When it was last alive, by the clock.
    pub alive: Arc<AtomicI64>,
    /// All inputs have begun.
    pub ready: Arc<AtomicBool>,
    /// Where events and alerts are kept, and how many bytes are read before a commit does not wait for its time.
    pub keeper: Option<(Keeper, u64)>,
    /// What must not be kept.
    pub redact: Redactions,
    /// What the metrics say of partitions.
    pub partitions: Arc<Partitions>,
}

/// Correlates.
pub struct Correlator {
    parts: Parts,
    inputs: Vec<InputState>,
    generation: Arc<Generation>,
    live: Live,
    told: Vec<CorrelationCounts>,
    vain: Vain,
    /// When the metrics were told of the state last.
    told_at: Option<Instant>,
    marks: Marks,
    suppressed: Suppressed,
    number: u64,
    changed: bool,
    urgent: bool,
    /// A record could not be kept: nothing that stands behind it may count as read.
    incomplete: bool,
    written: Instant,
    pause: Duration,
    /// When it was said last that none can be written; `None` while they can.
    refused: Option<Instant>,
    /// The same of late hits.
    late_refused: Option<Instant>,
    /// Waits for the archive.
    waiting: Option<Prepared>,
    /// Counts what the archive was asked to commit.
    barrier: u64,
    /// Bytes that were read since the last checkpoint.
    read: u64,
}

impl Correlator {
    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Where the state of correlations cannot be read.
    pub fn new(mut parts: Parts) -> Result<Self, String> {
        let generation = Arc::clone(&parts.generation);
        let mut live = new_live(&generation, &parts.tenant, parts.memory);
        let correlations = std::mem::take(&mut parts.from.correlations);
        if !correlations.is_empty() {
            // each piece is let go once it has been read
            match live.restore(correlations) {
                Ok(anew) => tell_anew(&anew),
                // an upgrade: what is read goes on where it stood
                Err(error @ SnapshotError::Version(_)) => tell_all_anew(&error),
                Err(error) => return Err(error.to_string()),
            }
        }
        let mut marks = std::mem::take(&mut parts.from.marks);
        let inputs = std::mem::take(&mut parts.inputs);
        let inputs: Vec<InputState> = inputs
            .into_iter()
            .map(|(info, acknowledgements)| InputState {
                positions: parts.from.positions_of(&info.name),
                known: parts.from.knows(&info.name),
                info,
                taken: 0,
                acknowledged: 0,
                acknowledgements,
                ready: false,
                stopped: false,
                cut: false,
            })
            .collect();
        // what is left is of inputs that are not configured now
        let is_configured = |name: &str| inputs.iter().any(|input| *input.info.name == *name);
        parts.from.positions.retain(|(name, _)| !is_configured(name));
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
            vain: Vain::default(),
            told_at: None,
            written: Instant::now(),
            pause: Duration::ZERO,
            refused: None,
            late_refused: None,
            waiting: None,
            barrier: 0,
            read: 0,
        })
    }

    /// Takes what the workers make, in their turn, until all inputs have stopped; then comes back with the
    /// last checkpoint still to be written ([`Self::finish`]).
    pub fn run(&mut self, workers: &[Receiver<Done>]) {
        let mut next = 0;
        while !self.inputs.iter().all(|input| input.stopped) {
            self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
            self.checkpoint_if_due();
            // a piece is taken only where there is room for what it may raise. What is under way at the end comes
            // through all the same, for some of it nobody gives again: the checkpoint holds what it raises
            while !self.parts.stop.load(Ordering::Relaxed) && self.parts.outbox.is_full(WAIT) {
                self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
                self.checkpoint_if_due();
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

    fn take(&mut self, done: Done) {
        if done.generation.number != self.generation.number {
            self.switch(done.generation);
        }
        let Some(name) = self.inputs.get(done.input).map(|input| Arc::clone(&input.info.name)) else {
            return;
        };
        match done.item {
            DoneItem::Scanned(scanned) if self.is_cut(done.input, scanned.is_cut) => {}
            DoneItem::Scanned(scanned) => self.take_scanned(done.input, &name, *scanned),
            DoneItem::Event(_) if self.is_cut(done.input, false) => {}
            DoneItem::Event(event) => self.take_event(done.input, &name, event),
            DoneItem::Stopped => {
                if let Some(input) = self.inputs.get_mut(done.input) {
                    input.stopped = true;
                }
            }
        }
    }

    /// Whether an input was cut off, with this piece or before: the checkpoint stands where it was then.
    fn is_cut(&mut self, input: usize, now: bool) -> bool {
        let Some(input) = self.inputs.get_mut(input) else { return true };
        if now && !input.cut {
            tracing::info!(input = %input.info.name, "its store does not serve: what is not read is read by the next process");
        }
        input.cut |= now;
        input.cut
    }

    /// Other rules from now on; correlations that are the same keep what they know.
    fn switch(&mut self, generation: Arc<Generation>) {
        // what the old ones have counted since the metrics were told last
        self.tell();
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
                (input.ready, input.known) = (true, true);
                self.marks.ready(name);
                let ready = self.inputs.iter().all(|input| input.ready);
                self.parts.ready.store(ready, Ordering::Relaxed);
            }
            Event::Placed { ticket } => {
                input.taken = ticket;
                (self.changed, self.urgent) = (true, true);
            }
            Event::Reached { partition, frontier } => {
                self.marks.reach(name, &partition, frontier);
                self.advance();
            }
            Event::Ended => {
                tracing::info!(input = %name, "has ended");
                self.marks.close_input(name);
                self.advance();
            }
            // deliveries come scanned, and notes are told by whoever reads
            Event::Delivery(_) | Event::Note(_) => {}
        }
    }

    fn take_scanned(&mut self, number: usize, name: &Arc<str>, mut scanned: Scanned) {
        self.keep_unreadable(name, &scanned);
        self.vain.unknown(name, &scanned.summary);
        self.incomplete |= !scanned.is_whole;
        for batch in std::mem::take(&mut scanned.kept) {
            self.archive(Kept::Events(Arc::clone(&self.generation), Box::new(batch)));
        }
        self.read += scanned.bytes;
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
        for occurrence in scanned.occurrences.iter() {
            self.live.take(&occurrence);
        }
        self.live.count_dropped(&scanned.dropped);
        let raised = self.live.commit();
        alerts.extend(raised.into_iter().map(|alert| self.out(alert, arrived)));
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
        let raised = self.live.advance(watermark);
        let alerts: Vec<OutAlert> = raised.into_iter().map(|alert| self.out(alert, arrived)).collect();
        self.suppressed.pass(watermark);
        self.changed |= !alerts.is_empty();
        self.raise(alerts);
        let mut late = self.live.take_late();
        if let Some(redact) = &self.parts.redact {
            late.iter_mut().for_each(|hit| redact::late(redact.as_ref(), &self.generation.plans, hit));
        }
        if !late.is_empty() {
            self.keep_late(&late);
        }
    }

    /// An alert of a correlation as it goes out.
    fn out(&self, mut alert: Alert, arrived: i64) -> OutAlert {
        if let Some(redact) = &self.parts.redact {
            redact::correlated(redact.as_ref(), &self.generation.plans, &mut alert);
        }
        out(&alert, arrived)
    }

    /// Gives something to the archive, however long it takes; false where it does not take it any more.
    fn archive(&mut self, kept: Kept) -> bool {
        let Some((keeper, _)) = &self.parts.keeper else { return true };
        let alive = || self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
        let given = keeper.way.give(kept, &alive);
        // what was not kept must not count as read
        self.incomplete |= !given;
        given
    }

    fn raise(&mut self, alerts: Vec<OutAlert>) {
        let mut counts: BTreeMap<(&str, Option<&str>), u64> = BTreeMap::new();
        for alert in &alerts {
            *counts.entry((&alert.rule, alert.level.as_deref())).or_default() += 1;
        }
        for ((rule, level), count) in counts {
            let labels = [("rule", rule.to_owned()), ("level", level.unwrap_or_default().to_owned())];
            metrics::counter!("virga_alerts_total", &labels).increment(count);
        }
        if self.parts.keeper.is_some() && !alerts.is_empty() {
            // they wait for a commit as events do
            self.read += alerts.iter().map(|alert| alert.json.len() as u64).sum::<u64>();
            self.archive(Kept::Alerts(alerts.clone()));
        }
        self.parts.outbox.push(alerts);
    }

    /// Quarantine is on disk before anything passes over it: a disk that says no holds everything.
    fn keep_unreadable(&mut self, name: &Arc<str>, scanned: &Scanned) {
        if scanned.quarantined.is_empty() {
            return;
        }
        // what could not be read may hold what must not be kept, and no path leads there
        let bare = |record: &Quarantined| Quarantined { bytes: Vec::new(), ..record.clone() };
        let records = match &self.parts.redact {
            Some(_) => Cow::Owned(scanned.quarantined.iter().map(bare).collect()),
            None => Cow::Borrowed(&scanned.quarantined),
        };
        let (mut told, mut ending): (Option<Instant>, Option<Instant>) = (None, None);
        while let Err(error) = self
            .parts
            .quarantine
            .take(&records)
            .map(|removed| tell_removed("quarantine", "quarantine_full", removed))
        {
            metrics::counter!("virga_quarantine_failures_total").increment(1);
            if told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                told = Some(Instant::now());
                tracing::error!("quarantine cannot be written ({error}): everything waits for it");
            }
            // it waits and is not dead; what the archive commits meanwhile is acknowledged
            self.parts.alive.store((self.parts.clock)(), Ordering::Relaxed);
            self.tell_if_due();
            self.settle();
            if self.is_given_up(&mut ending) {
                self.incomplete = true;
                return;
            }
            std::thread::sleep(DISK_WAIT);
        }
        if told.is_some() {
            tracing::info!("quarantine is written again");
        }
        self.vain.unreadable(name, &scanned.quarantined);
    }

    /// Whether a disk that takes no record is waited for no longer: where the process ends it has some seconds, once for
    /// all records.
    fn is_given_up(&self, ending: &mut Option<Instant>) -> bool {
        if self.parts.hurry.load(Ordering::Relaxed) {
            return true;
        }
        let is_ending = self.parts.stop.load(Ordering::Relaxed);
        is_ending && (self.incomplete || ending.get_or_insert_with(Instant::now).elapsed() >= DISK_END)
    }

    /// Late hits are told beside: they are for a later look, and no promise rests on them.
    fn keep_late(&mut self, late: &[LateHit]) {
        let lines: String = late
            .iter()
            .filter_map(|hit| serde_json::to_string(hit).ok())
            .flat_map(|line| [line, "\n".to_owned()])
            .collect();
        let error = match self.parts.late.append(lines.as_bytes()) {
            Ok(removed) => {
                tell_removed("late hits", "late_full", removed);
                self.late_refused = None;
                return;
            }
            Err(error) => error,
        };
        metrics::counter!("virga_dropped_total", "cause" => "late_unwritten").increment(late.len() as u64);
        if self.late_refused.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.late_refused = Some(Instant::now());
            tracing::warn!("late hits cannot be written ({error}): they are counted, and told nowhere else");
        }
    }
}

fn new_live(generation: &Generation, tenant: &str, memory: usize) -> Live {
    Live::new(&generation.plans, tenant, LiveLimits { memory, ..LiveLimits::default() })
}

#[cfg(test)]
pub(super) mod tests;
