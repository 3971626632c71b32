//! How the process ends: in order, and not later because something is away.
//!
//! In: everything at work. Out: the last checkpoint, and how it went. What a store that is away would have to take or
//! give is left: the positions stay where the last checkpoint has them, and the next process goes on from there.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Process;
use crate::limits::{ARCHIVE_END, ARCHIVE_LEFT_END, DRAIN, FINISH, SINK_END, STORE_RETRY_MOST};

impl Process<'_> {
    /// Readers stop, what is under way comes through, sinks take what they can, the last checkpoint stands,
    /// inputs are acknowledged and closed: in this order.
    pub(super) fn end(self) -> Result<(), String> {
        self.stop.store(true, Ordering::Relaxed);
        let is_archived = self.is_archived.load(Ordering::Relaxed);
        if !is_archived {
            tracing::info!(
                "the archive was away from the start on: what was read since is read again by the next"
            );
            self.hurry.store(true, Ordering::Relaxed);
        }
        let until = Instant::now() + FINISH;
        let mut hurried = false;
        while !self.correlator.is_finished() {
            if Instant::now() > until && !hurried {
                hurried = true;
                tracing::warn!(
                    "what is under way takes too long: it is read again by the next process, but for what nobody gives \
                     again (requests that were answered 202, standard input)"
                );
                self.hurry.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let Ok(mut correlator) = self.correlator.join() else {
            return Err("correlation has failed: the last checkpoint stands".into());
        };
        // where all is to end at once sinks take nothing more
        let is_drained =
            self.outbox.drain(if self.hurry.load(Ordering::Relaxed) { Duration::ZERO } else { DRAIN });
        let saved = is_archived && correlator.finish(FINISH);
        if !is_drained {
            tell_untaken(self.outbox.len(), saved);
        }
        let is_left = self.leave.is_left();
        if !saved {
            // what the archive does not take now it does not take at all
            self.hurry.store(true, Ordering::Relaxed);
        }
        // readers hear that no checkpoint comes any more, acknowledge the last, and close
        drop(correlator);
        self.dispatch.close();
        self.outbox.close();
        self.hurry.store(true, Ordering::Relaxed);
        drop(self.words);
        let (sinks, hanging) = ended(self.sinks, SINK_END);
        for sink in hanging {
            let name = sink.thread().name().unwrap_or_default();
            tracing::warn!(
                "{name} hangs in a write and is not waited for any more: what it was given comes again from the checkpoint"
            );
        }
        let patience = if is_left { ARCHIVE_LEFT_END } else { STORE_RETRY_MOST + ARCHIVE_END };
        let (archive, hanging) = ended(self.archive, patience);
        // one that was left does nothing more that counts
        if !hanging.is_empty() && !is_left {
            tracing::warn!("the archive's store does not answer, and is not waited for any more");
        }
        for thread in self.readers.into_iter().chain(self.workers).chain(sinks).chain(archive) {
            if thread.join().is_err() {
                return Err("a thread has failed".into());
            }
        }
        match saved {
            true => {
                tracing::info!("the last checkpoint is written");
                Ok(())
            }
            // nothing was acknowledged: the checkpoint before stands for all
            false if !is_archived => Ok(()),
            false if is_left => {
                tracing::info!(
                    "the archive's store is away: the checkpoint before stands, and what was read since is read again \
                     by the next"
                );
                Ok(())
            }
            false => Err("the last checkpoint could not be written: the one before it stands".into()),
        }
    }
}

/// Says what becomes of alerts that sinks did not take.
fn tell_untaken(alerts: usize, saved: bool) {
    match saved {
        true => tracing::warn!(alerts, "alerts that sinks did not take stay in the checkpoint"),
        false => tracing::warn!(
            alerts,
            "alerts that sinks did not take are raised again by the next process, of what it reads again"
        ),
    }
}

/// Those of some threads that end within so long, and those that do not.
fn ended(
    threads: impl IntoIterator<Item = JoinHandle<()>>,
    patience: Duration,
) -> (Vec<JoinHandle<()>>, Vec<JoinHandle<()>>) {
    let threads: Vec<_> = threads.into_iter().collect();
    let until = Instant::now() + patience;
    while !threads.iter().all(JoinHandle::is_finished) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    threads.into_iter().partition(JoinHandle::is_finished)
}
