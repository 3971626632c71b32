//! Alerts on their way to the sinks.
//!
//! In: alerts, in the order in which they were raised. Out: to each sink the same, in that order; what a sink
//! has taken is its own affair, so that one that is down does not hold up the others. What not all have taken
//! is part of the checkpoint. The outbox is bounded: where it is full, whoever raises alerts waits.
//!
//! ```text
//! push ─▶ [41 42 43 44] ─▶ sink a: has taken up to 43
//!                       └▶ sink b: has taken up to 40     41 is kept until b has it
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::limits::MAX_OUTBOX_BYTES;

/// An alert on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutAlert {
    /// What it is known by.
    pub id: String,
    /// The rule that raised it.
    pub rule: String,
    /// The rule's level, as a word.
    pub level: Option<String>,
    /// The alert as a line of NDJSON, without the line break.
    pub json: String,
    /// When the event that raised it arrived, microseconds since 1970: what latency is counted from.
    pub arrived: i64,
}

/// What a checkpoint holds of the outbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The number of the first alert.
    first: u64,
    alerts: Vec<Arc<OutAlert>>,
    /// By sink: the number of the first that it has not taken.
    next: Vec<(String, u64)>,
}

impl Kept {
    /// Sinks that are not among these any more, and how many alerts each had still to take: nobody takes them now.
    pub fn left(&self, sinks: &[String]) -> Vec<(String, u64)> {
        let end = self.first + self.alerts.len() as u64;
        let gone = self.next.iter().filter(|(name, _)| !sinks.contains(name));
        let left = gone.map(|(name, next)| (name.clone(), end.saturating_sub(*next)));
        left.filter(|(_, count)| *count > 0).collect()
    }
}

/// Alerts on their way to the sinks.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Something was put in, or taken, or it is over.
    changed: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State {
    first: u64,
    alerts: VecDeque<Arc<OutAlert>>,
    bytes: usize,
    next: BTreeMap<String, u64>,
    closed: bool,
}

impl Outbox {
    /// An outbox for sinks, with what a checkpoint holds. A sink that it does not know begins with what is
    /// raised from now on; one that is no longer configured is forgotten.
    pub fn new(sinks: &[String], kept: Kept, most: usize) -> Self {
        let end = kept.first + kept.alerts.len() as u64;
        let next = sinks.iter().map(|sink| {
            let known = kept.next.iter().find(|(name, _)| name == sink);
            (sink.clone(), known.map_or(end, |(_, next)| (*next).clamp(kept.first, end)))
        });
        let mut state = State {
            first: kept.first,
            next: next.collect(),
            bytes: kept.alerts.iter().map(|alert| alert.bytes()).sum(),
            alerts: kept.alerts.into(),
            closed: false,
        };
        state.forget();
        Self { state: Mutex::new(state), changed: Condvar::new(), most }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts alerts in.
    pub fn push(&self, alerts: impl IntoIterator<Item = OutAlert>) {
        let mut state = self.state();
        for alert in alerts {
            state.bytes += alert.bytes();
            state.alerts.push_back(Arc::new(alert));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether there is no room; waits for some, so long at the most.
    pub fn is_full(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        loop {
            if state.alerts.len() < self.most && state.bytes < MAX_OUTBOX_BYTES {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.wait(state, left);
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        let (state, _) = self.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
        state
    }

    /// The next alerts of a sink, at most so many; waits for some. Empty where none came; `None` where the
    /// outbox is closed and the sink has all.
    pub fn take(&self, sink: &str, most: usize, wait: Duration) -> Option<Vec<Arc<OutAlert>>> {
        let until = Instant::now() + wait;
        let mut state = self.state();
        loop {
            let next = state.next.get(sink).copied().unwrap_or(state.first);
            let skip = usize::try_from(next.saturating_sub(state.first)).unwrap_or(usize::MAX);
            let alerts: Vec<_> = state.alerts.iter().skip(skip).take(most).cloned().collect();
            let left = until.saturating_duration_since(Instant::now());
            match alerts.is_empty() {
                false => return Some(alerts),
                true if state.closed => return None,
                true if left.is_zero() => return Some(alerts),
                true => state = self.wait(state, left),
            }
        }
    }

    /// A sink has taken the next so many.
    pub fn taken(&self, sink: &str, count: usize) {
        let mut state = self.state();
        if let Some(next) = state.next.get_mut(sink) {
            *next += count as u64;
        }
        state.forget();
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more will be put in.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Waits until all sinks have taken all, so long at the most; whether they have.
    pub fn drain(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        while !state.alerts.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    /// How many alerts wait.
    pub fn len(&self) -> usize {
        self.state().alerts.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// By sink: how many alerts it has still to take.
    pub fn waiting(&self) -> Vec<(String, u64)> {
        let state = self.state();
        let end = state.first + state.alerts.len() as u64;
        state.next.iter().map(|(sink, next)| (sink.clone(), end.saturating_sub(*next))).collect()
    }

    /// What a checkpoint is to hold.
    pub fn kept(&self) -> Kept {
        let state = self.state();
        Kept {
            first: state.first,
            alerts: state.alerts.iter().map(Arc::clone).collect(),
            next: state.next.iter().map(|(sink, next)| (sink.clone(), *next)).collect(),
        }
    }
}

impl OutAlert {
    fn bytes(&self) -> usize {
        self.json.len() + self.id.len() + self.rule.len()
    }
}

impl State {
    /// Forgets what all have taken.
    fn forget(&mut self) {
        let end = self.first + self.alerts.len() as u64;
        let least = self.next.values().copied().min().unwrap_or(end);
        while self.first < least {
            let Some(alert) = self.alerts.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(alert.bytes());
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str) -> OutAlert {
        OutAlert { id: id.into(), rule: "r".into(), level: None, json: "{}".into(), arrived: 0 }
    }

    fn ids(alerts: Option<Vec<Arc<OutAlert>>>) -> Vec<String> {
        alerts.unwrap_or_default().iter().map(|alert| alert.id.clone()).collect()
    }

    const NOW: Duration = Duration::ZERO;

    fn sinks() -> [String; 2] {
        ["a".into(), "b".into()]
    }

    #[test]
    fn each_sink_takes_all_in_order_at_its_own_pace() {
        let outbox = Outbox::new(&sinks(), Kept::default(), 10);
        outbox.push(["1", "2", "3"].map(alert));
        assert_eq!(ids(outbox.take("a", 2, NOW)), ["1", "2"]);
        // not taken yet: it is given again
        assert_eq!(ids(outbox.take("a", 2, NOW)), ["1", "2"]);
        outbox.taken("a", 2);
        assert_eq!(ids(outbox.take("a", 2, NOW)), ["3"]);
        assert_eq!((outbox.len(), outbox.waiting()), (3, vec![("a".into(), 1), ("b".into(), 3)]));
        outbox.taken("b", 3);
        assert_eq!(outbox.len(), 1);
        outbox.taken("a", 1);
        assert!(outbox.is_empty() && outbox.drain(NOW));
        outbox.close();
        assert_eq!(outbox.take("a", 2, NOW), None);
    }

    #[test]
    fn what_is_not_taken_comes_back_after_a_restart() {
        let outbox = Outbox::new(&sinks(), Kept::default(), 10);
        outbox.push(["1", "2", "3"].map(alert));
        outbox.taken("a", 3);
        outbox.taken("b", 1);
        let again = Outbox::new(&["b".into(), "c".into()], outbox.kept(), 10);
        assert_eq!(ids(again.take("b", 9, NOW)), ["2", "3"]);
        // a new sink hears of what comes now
        assert!(ids(again.take("c", 9, NOW)).is_empty());
        // and those of one that is gone are told of before they go
        assert_eq!(outbox.kept().left(&["b".into(), "c".into()]), []);
        assert_eq!(outbox.kept().left(&["c".into()]), [("b".to_owned(), 2)]);
        let only = Outbox::new(&["c".into()], outbox.kept(), 10);
        assert!(only.is_empty());
    }

    #[test]
    fn it_is_full_until_somebody_takes() {
        let outbox = Outbox::new(&["a".into()], Kept::default(), 2);
        assert!(!outbox.is_full(NOW));
        outbox.push(["1", "2"].map(alert));
        assert!(outbox.is_full(NOW) && !outbox.drain(NOW));
        std::thread::scope(|scope| {
            scope.spawn(|| outbox.taken("a", 1));
            assert!(!outbox.is_full(Duration::from_secs(10)));
        });
    }
}
