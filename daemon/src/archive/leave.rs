//! When the archive is waited for no longer.
//!
//! In: the signs of the process's end, and whether the store serves. Out: one word for all who wait for the archive:
//! its thread, those who give it something, and whoever writes the last checkpoint. A process that ends waits for a
//! store that works, and not for one that is away. Once left, the archive stays left: what it did not get, no
//! checkpoint may stand on, even where the store comes back before the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the archive is still waited for.
#[derive(Debug, Clone, Default)]
pub struct Leave {
    /// The process is to end.
    stop: Arc<AtomicBool>,
    /// It is to end at once.
    hurry: Arc<AtomicBool>,
    /// The store does not serve, which has been said.
    is_held: Arc<AtomicBool>,
    left: Arc<AtomicBool>,
}

impl Leave {
    /// By the signs that the process is to end, and that it is to end at once.
    pub fn new(stop: &Arc<AtomicBool>, hurry: &Arc<AtomicBool>) -> Self {
        Self { stop: Arc::clone(stop), hurry: Arc::clone(hurry), ..Self::default() }
    }

    /// Whether nobody waits any longer: the process ends at once, or it ends and the store is away.
    pub fn is_due(&self) -> bool {
        self.hurry.load(Ordering::Relaxed) || self.is_left()
    }

    /// Whether the archive was left because its store was away when the process was to end.
    pub fn is_left(&self) -> bool {
        if self.stop.load(Ordering::Relaxed) && self.is_held.load(Ordering::Relaxed) {
            self.left.store(true, Ordering::Relaxed);
        }
        self.left.load(Ordering::Relaxed)
    }

    /// The store does not serve; whether that is news.
    pub(super) fn hold(&self) -> bool {
        !self.is_held.swap(true, Ordering::Relaxed)
    }

    /// The store serves; whether that is news.
    pub(super) fn serve(&self) -> bool {
        self.is_held.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_away_is_left_at_the_end_and_one_that_serves_is_not() {
        let (stop, hurry) = (Arc::default(), Arc::default());
        let leave = Leave::new(&stop, &hurry);
        assert!(leave.hold() && !leave.hold() && !leave.is_due(), "it is waited for while the process runs");
        assert!(leave.serve() && !leave.serve());
        stop.store(true, Ordering::Relaxed);
        assert!(!leave.is_due(), "a store that serves is waited for");
        leave.hold();
        assert!(leave.is_due() && leave.is_left());
        leave.serve();
        assert!(leave.is_due() && leave.is_left(), "what it was not given is missing all the same");
    }

    #[test]
    fn an_end_at_once_waits_for_nothing_and_leaves_no_store() {
        let hurry = Arc::default();
        let leave = Leave::new(&Arc::default(), &hurry);
        hurry.store(true, Ordering::Relaxed);
        assert!(leave.is_due() && !leave.is_left());
    }
}
