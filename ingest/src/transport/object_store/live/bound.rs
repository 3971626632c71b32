//! How old what is unread of a queue may be.
//!
//! In: counts of the queue, and messages that are done with. Out: a time before which nothing is unread. It only
//! rises. When as many messages as a count held that were sent before it are done with, nothing older is left.
//! A message that cannot be worked on is given up: it no longer holds the bound as long as it is known to lie in
//! the queue. Where that is not known (the queue's own policy may have taken it away), it is counted as unread
//! until it comes again: in doubt the bound stays.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often the queue is counted, if only to say how much is unread.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// How long a count may wait for what it held before another is taken.
const COUNT_PATIENCE: Duration = Duration::from_secs(60);

/// A count of the queue, and how many of what it held are still to be read.
struct Count {
    at: i64,
    left: i64,
    taken: Instant,
}

/// The bound of one queue, or of one prefix that is listed.
pub(super) struct Bound {
    at: i64,
    /// How much counts may be behind, in microseconds.
    settle: i64,
    counted: Option<Count>,
    /// When the queue was counted last.
    looked: Option<Instant>,
    /// Messages that were given up, and until when they lie in the queue for certain.
    given_up: HashMap<String, Instant>,
}

impl Bound {
    pub(super) fn new(settle: i64) -> Self {
        Self { at: 0, settle, counted: None, looked: None, given_up: HashMap::new() }
    }

    /// Nothing from before this time is unread.
    pub(super) fn at(&self) -> i64 {
        self.at
    }

    /// Nothing from before this time is unread, as something else than a count says.
    pub(super) fn reach(&mut self, at: i64) {
        self.at = self.at.max(at);
    }

    /// Whether the queue is to be counted.
    pub(super) fn is_due(&self) -> bool {
        let Some(looked) = self.looked else { return true };
        // a settle time of nothing is for queues that count exactly: there every look may be a count
        let counts_exactly = self.settle == 0 && !self.is_waiting();
        counts_exactly || looked.elapsed() >= COUNT_EVERY
    }

    /// Whether what a count held is not all read, and it has not waited for too long.
    fn is_waiting(&self) -> bool {
        self.counted.as_ref().is_some_and(|count| count.left > 0 && count.taken.elapsed() < COUNT_PATIENCE)
    }

    /// At this time the queue held so many messages, of which so many are in our hands. Says how many are unread.
    pub(super) fn count(&mut self, at: i64, held: u64, in_hand: usize) -> u64 {
        let now = Instant::now();
        self.given_up.retain(|_, until| *until > now);
        let known = i64::try_from(in_hand + self.given_up.len()).unwrap_or(i64::MAX);
        let left = i64::try_from(held).unwrap_or(i64::MAX) - known;
        self.looked = Some(now);
        // the bound moves with the first count whose messages are read, and a newer one holds more
        if !self.is_waiting() {
            self.counted = Some(Count { at, left, taken: now });
        }
        self.settle();
        left.max(0).unsigned_abs()
    }

    /// A message is done with; it was sent at this time.
    pub(super) fn done(&mut self, id: &str, sent: Option<i64>) {
        // one that was given up is in no count
        if self.given_up.remove(id).is_none() {
            self.take_off(sent);
        }
    }

    /// A message cannot be worked on. Until then it lies in the queue, whatever the queue's policy.
    pub(super) fn give_up(&mut self, id: String, sent: Option<i64>, until: Instant) {
        if self.given_up.insert(id, until).is_none() {
            self.take_off(sent);
        }
    }

    fn take_off(&mut self, sent: Option<i64>) {
        if let Some(count) = &mut self.counted
            && sent.is_none_or(|sent| sent <= count.at)
        {
            count.left -= 1;
        }
        self.settle();
    }

    fn settle(&mut self) {
        if let Some(count) = &self.counted
            && count.left <= 0
        {
            self.at = self.at.max(count.at - self.settle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn it_moves_when_as_many_are_done_with_as_the_count_held() {
        let mut bound = Bound::new(10);
        assert!(bound.is_due());
        assert_eq!(bound.count(1_000, 5, 2), 3);
        bound.done("a", Some(900));
        bound.done("late", Some(1_001));
        bound.done("b", Some(1_000));
        assert_eq!((bound.at(), bound.is_due()), (0, false));
        bound.done("c", None);
        assert_eq!(bound.at(), 990);
        assert_eq!(bound.count(500, 0, 0), 0);
        assert_eq!(bound.at(), 990, "it went back");
    }

    #[test]
    fn a_backlog_is_counted_while_it_is_read_and_the_bound_moves_with_the_first_count() {
        let mut bound = Bound::new(10);
        assert_eq!(bound.count(1_000, 3, 0), 3);
        bound.done("a", Some(900));
        assert!(!bound.is_due());
        bound.looked = Instant::now().checked_sub(COUNT_EVERY);
        assert!(bound.is_due(), "what is unread is said anew while the first count waits");
        // two of the old and five that came since
        assert_eq!(bound.count(2_000, 7, 0), 7);
        bound.done("b", Some(900));
        bound.done("c", Some(900));
        assert_eq!(bound.at(), 990);
        // the next is a count of its own
        assert_eq!(bound.count(3_000, 1, 0), 1);
        bound.done("d", Some(2_500));
        assert_eq!(bound.at(), 2_990);
    }

    #[test]
    fn what_is_given_up_holds_nothing_as_long_as_it_is_known_to_be_there() {
        let mut bound = Bound::new(0);
        bound.count(1_000, 2, 0);
        bound.give_up("a".into(), Some(1), Instant::now() + HOUR);
        bound.give_up("a".into(), Some(1), Instant::now() + HOUR);
        assert_eq!(bound.at(), 0, "one was given up, and is not two");
        bound.done("b", Some(2));
        assert_eq!(bound.at(), 1_000);
        assert_eq!(bound.count(2_000, 1, 0), 0);
        assert_eq!(bound.at(), 2_000);
        // it can be read at last: it was in no count
        bound.count(3_000, 2, 0);
        bound.done("a", Some(1));
        assert_eq!(bound.at(), 2_000);
    }

    #[test]
    fn what_was_given_up_and_may_be_gone_hides_no_other() {
        let mut bound = Bound::new(0);
        bound.count(1_000, 1, 0);
        bound.give_up("gone".into(), Some(1), Instant::now());
        assert_eq!(bound.at(), 1_000);
        // the queue has thrown it away, and holds another
        assert_eq!(bound.count(2_000, 1, 0), 1);
        assert_eq!(bound.at(), 1_000);
        bound.done("other", Some(1_500));
        assert_eq!(bound.at(), 2_000);
    }
}
