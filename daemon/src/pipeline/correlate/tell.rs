//! What metrics and the log say of correlation.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virga_engine::correlate::SnapshotError;
use virga_engine::event::Origin;
use virga_ingest::quarantine::Quarantined;
use virga_ingest::reader::Summary;
use virga_ingest::sources::generic;
use virga_ingest::transport::live::Frontier;

use super::Correlator;
use super::save::TELL_AGAIN;
use crate::partitions::HELD_BY;
use crate::pipeline::scan::Scanned;

/// What is said of events that no source knows.
const NO_SOURCE: &str = "no log source knows these events, so that no rule sees them: `virga sources explain` shows \
                         what they are taken for";

/// How often that is said: where they stand among others for good, it is no news.
const TELL_UNKNOWN_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How often the metrics are told of the state.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Correlator {
    /// Tells the metrics of the state now and then, by a clock that waits for no checkpoint.
    pub(super) fn tell_if_due(&mut self) {
        if self.told_at.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            self.tell();
            self.vain.tell_rest();
        }
    }

    /// What the metrics say of the state.
    pub(super) fn tell(&mut self) {
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
            metrics::gauge!("virga_watermark_holder_timestamp_seconds").set(at);
            self.parts.partitions.set_only(HELD_BY, &holder.input, &holder.partition, 1.0);
        }
    }
}

/// What is said of records that are in vain: each kind of each input at once, then no more often than now and then,
/// with how many there were. Each is counted; what cannot be read stands in quarantine.
#[derive(Default)]
pub(super) struct Vain(BTreeMap<(Arc<str>, &'static str), Said>);

/// Of one kind.
struct Said {
    at: Instant,
    /// How long it is only counted.
    pause: Duration,
    /// Since then, and the last of them.
    count: u64,
    last: Option<Told>,
}

/// A record that is told of: where it stood, and what it is.
struct Told {
    origin: Origin,
    what: String,
}

impl Vain {
    /// Records that cannot be read.
    pub(super) fn unreadable(&mut self, name: &Arc<str>, records: &[Quarantined]) {
        for records in records.chunk_by(|one, next| one.cause == next.cause) {
            let Some(record) = records.first() else { continue };
            let told =
                || Told { origin: record.origin.clone(), what: format!("quarantined: {}", record.cause) };
            self.tell(name, record.cause.code(), TELL_AGAIN, records.len() as u64, told);
        }
    }

    /// Events that no source knows, where sources are to be found: no rule sees them, and but for a metric
    /// nothing else shows it.
    pub(super) fn unknown(&mut self, name: &Arc<str>, summary: &Summary) {
        let Some(first) = &summary.first_unknown else { return };
        let count = summary.events.get(generic::SOURCE.name).copied().unwrap_or(0);
        let told = || Told { origin: first.clone(), what: NO_SOURCE.to_owned() };
        self.tell(name, "no_source", TELL_UNKNOWN_AGAIN, count, told);
    }

    fn tell(
        &mut self,
        name: &Arc<str>,
        kind: &'static str,
        pause: Duration,
        count: u64,
        told: impl FnOnce() -> Told,
    ) {
        match self.0.entry((Arc::clone(name), kind)) {
            Entry::Vacant(free) => {
                say(name, &told(), count);
                free.insert(Said { at: Instant::now(), pause, count: 0, last: None });
            }
            Entry::Occupied(mut said) => {
                let said = said.get_mut();
                said.count += count;
                said.last = Some(told());
                said.again(name);
            }
        }
    }

    /// How many of each kind are still to be said.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<(&'static str, u64)> {
        self.0.iter().map(|((_, kind), said)| (*kind, said.count)).collect()
    }

    /// Says what came since a kind was said last, where that is long enough ago.
    pub(super) fn tell_rest(&mut self) {
        self.0.iter_mut().for_each(|((name, _), said)| said.again(name));
    }
}

impl Said {
    fn again(&mut self, name: &str) {
        if self.at.elapsed() >= self.pause
            && let Some(last) = self.last.take()
        {
            say(name, &last, std::mem::take(&mut self.count));
            self.at = Instant::now();
        }
    }
}

fn say(name: &str, Told { origin, what }: &Told, count: u64) {
    tracing::warn!(input = name, %origin, count, "{what}");
}

pub(super) fn tell_anew(anew: &[String]) {
    if !anew.is_empty() {
        tracing::info!("correlations that are new or have changed begin without memory: {}", anew.join(", "));
    }
}

pub(super) fn tell_all_anew(error: &SnapshotError) {
    tracing::warn!("{error}: all correlations begin without memory; inputs go on where they stood");
}

/// Old files were removed to make room.
pub(super) fn tell_removed(of: &str, cause: &'static str, removed: usize) {
    if removed > 0 {
        metrics::counter!("virga_dropped_total", "cause" => cause).increment(removed as u64);
        tracing::warn!("the oldest file of {of} was removed to make room");
    }
}

pub(super) fn count(name: &Arc<str>, scanned: &Scanned) {
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
