//! Checkpoints: when one is due, what it waits for, and what comes after it.
//!
//! ```text
//! due ─▶ prepare: the state of this instant, written ─▶ barrier ─▶ archive … committed ─▶ put ─▶ acknowledge
//!                                                        (without an archive: at once)
//! ```

use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use super::Correlator;
use crate::archive::keep::Kept;
use crate::checkpoint::{Checkpoint, Written};
use crate::limits::{CHECKPOINT_PAUSE, URGENT_CHECKPOINT, URGENT_COMMIT};
use crate::pipeline::read::Acknowledged;

/// The state of one instant, on disk, on its way to become the checkpoint.
pub(super) struct Prepared {
    written: Written,
    /// By input: up to where it can be acknowledged then.
    done: Vec<Acknowledged>,
    began: Instant,
    /// Somebody waits for it.
    urgent: bool,
}

/// How often it is said that the disk takes no checkpoint, or no record; each failure is counted.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(30);

impl Correlator {
    /// The last checkpoint: all that was taken, and what sinks have not. The archive has `most` for its part, and
    /// where its store is away it has no time at all: the checkpoint before stands.
    pub fn finish(&mut self, most: Duration) -> bool {
        let until = Instant::now() + most;
        // one that is on its way comes first
        if !self.settle_until(until) || self.is_left() {
            return false;
        }
        self.changed = true;
        self.checkpoint() && self.settle_until(until) && !self.changed
    }

    /// Waits for the archive; whether no checkpoint waits for it any more.
    fn settle_until(&mut self, until: Instant) -> bool {
        while self.waiting.is_some() && Instant::now() < until && !self.is_left() {
            std::thread::sleep(Duration::from_millis(5));
            self.settle();
        }
        self.waiting.is_none()
    }

    fn is_left(&self) -> bool {
        self.parts.keeper.is_some() && self.parts.leave.is_left()
    }

    /// Looks whether a checkpoint is due, and whether one that waits can be written.
    pub(super) fn checkpoint_if_due(&mut self) {
        // also while the archive is waited for: that is when an operator looks
        self.tell_if_due();
        if self.is_left() {
            return;
        }
        self.settle();
        if self.waiting.is_some() {
            return;
        }
        let since = self.written.elapsed();
        let (soon, much) = match &self.parts.keeper {
            Some((_, size)) => (URGENT_COMMIT, self.read >= *size),
            None => (URGENT_CHECKPOINT, false),
        };
        let due = since >= self.parts.every.max(self.pause);
        let urgent = (self.urgent || much) && since >= soon.max(self.pause);
        if !due && !urgent {
            return;
        }
        if self.changed || !self.parts.outbox.is_empty() {
            self.checkpoint();
        } else {
            self.written = Instant::now();
        }
    }

    /// Writes a checkpoint and acknowledges what is behind it; where there is an archive, that comes once it has
    /// committed all that was taken. False where it could not be written.
    fn checkpoint(&mut self) -> bool {
        let began = Instant::now();
        let prepared = match self.prepare(began) {
            Ok(prepared) => prepared,
            Err(error) => return self.refuse(&error),
        };
        self.pause = began.elapsed() * CHECKPOINT_PAUSE;
        (self.changed, self.urgent, self.read) = (false, false, 0);
        if self.parts.keeper.is_none() {
            return self.put(prepared);
        }
        self.barrier += 1;
        if !self.archive(Kept::Barrier(self.barrier)) {
            return self.refuse("the archive takes nothing any more");
        }
        self.waiting = Some(prepared);
        true
    }

    /// Whether the archive has said that it is behind what waits for it.
    pub(super) fn settle(&mut self) {
        let (Some((keeper, _)), Some(_)) = (&self.parts.keeper, &self.waiting) else { return };
        match keeper.committed.try_recv() {
            // one for whom nobody waits any more says nothing of the next
            Ok(barrier) if barrier != self.barrier => {}
            Ok(_) => {
                if let Some(prepared) = self.waiting.take() {
                    self.put(prepared);
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                self.waiting = None;
                self.incomplete = true;
                self.refuse("the archive has failed");
            }
        }
    }

    /// The state of this instant, and what can be acknowledged once it is on disk.
    fn prepare(&mut self, began: Instant) -> Result<Prepared, String> {
        if self.incomplete {
            return Err("a record could not be quarantined, or events not be archived".into());
        }
        self.parts.quarantine.sync().map_err(|error| format!("quarantine: {error}"))?;
        let checkpoint = Checkpoint {
            instance: self.parts.from.instance.clone(),
            number: self.number + 1,
            written: (self.parts.clock)(),
            positions: self
                .inputs
                .iter()
                .filter(|input| input.known || !input.positions.is_empty())
                .map(|input| (input.info.name.to_string(), input.positions.clone()))
                // one that is not configured now goes on there when it is again
                .chain(self.parts.from.positions.iter().cloned())
                .collect(),
            marks: self.marks.clone(),
            correlations: Vec::new(),
            suppressed: self.suppressed.kept(),
            outbox: self.parts.outbox.kept(),
        };
        let done = self
            .inputs
            .iter()
            .map(|input| Acknowledged { ticket: input.taken, positions: input.positions.clone() });
        let done = done.collect();
        let live = &self.live;
        let written = self.parts.store.write(&checkpoint, |take| live.write_snapshot(take));
        let written = written.map_err(|error| error.to_string())?;
        Ok(Prepared { written, done, began, urgent: self.urgent })
    }

    /// Puts a checkpoint in the place of the last.
    fn put(&mut self, prepared: Prepared) -> bool {
        let Prepared { written, done, began, urgent } = prepared;
        let put = Instant::now();
        if let Err(error) = self.parts.store.put(&written) {
            self.urgent |= urgent;
            return self.refuse(&error.to_string());
        }
        if self.refused.take().is_some() {
            tracing::info!("checkpoints are written again");
        }
        self.number += 1;
        (self.written, self.pause) = (Instant::now(), self.pause.max(put.elapsed() * CHECKPOINT_PAUSE));
        metrics::counter!("virga_checkpoints_total", "outcome" => "written").increment(1);
        metrics::histogram!("virga_checkpoint_seconds").record(began.elapsed().as_secs_f64());
        metrics::gauge!("virga_checkpoint_bytes").set(written.bytes as f64);
        metrics::gauge!("virga_checkpoint_timestamp_seconds").set(crate::clock::wall() as f64 / 1e6);
        self.acknowledge(done);
        true
    }

    /// Says that no checkpoint was written; the next one holds what this one did.
    fn refuse(&mut self, error: &str) -> bool {
        (self.written, self.changed) = (Instant::now(), true);
        metrics::counter!("virga_checkpoints_total", "outcome" => "failed").increment(1);
        // whoever waits for one has it tried many times a second
        if self.refused.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.refused = Some(Instant::now());
            tracing::error!("the checkpoint was not written ({error}): nothing is acknowledged until one is");
        }
        false
    }

    fn acknowledge(&mut self, done: Vec<Acknowledged>) {
        for (input, done) in self.inputs.iter_mut().zip(done) {
            if done.ticket > input.acknowledged {
                input.acknowledged = done.ticket;
                // an input that is gone needs no word
                let _ = input.acknowledgements.send(done);
            }
        }
    }
}

#[cfg(test)]
mod tests;
