//! How the process ends: in order, and not later because something is away.
//!
//! In: everything at work. Out: the last checkpoint, and how it went. What a store that is away would have to take or
//! give is left: the positions stay where the last checkpoint has them, and the next process goes on from there.

use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Process;
use crate::limits::{ARCHIVE_END, ARCHIVE_LEFT_END, DRAIN, FINISH, STORE_RETRY_MOST};

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
        if !self.outbox.drain(DRAIN) {
            tracing::warn!(
                alerts = self.outbox.len(),
                "alerts that sinks did not take stay in the checkpoint"
            );
        }
        let saved = is_archived && correlator.finish(FINISH);
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
        let threads = self.readers.into_iter().chain(self.workers).chain(self.sinks);
        for thread in threads.chain(self.archive.and_then(|archive| ended(archive, is_left))) {
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

/// The archive's thread once it has ended; none where its store keeps it. One that was left does nothing more that
/// counts.
fn ended(archive: JoinHandle<()>, is_left: bool) -> Option<JoinHandle<()>> {
    let patience = if is_left { ARCHIVE_LEFT_END } else { STORE_RETRY_MOST + ARCHIVE_END };
    let until = Instant::now() + patience;
    while !archive.is_finished() {
        if Instant::now() > until {
            if !is_left {
                tracing::warn!("the archive's store does not answer, and is not waited for any more");
            }
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(archive)
}
