//! Event time: the number of the event comes in, a second comes out that mostly grows.
//!
//! CloudTrail gathers events from many front ends and writes them down as they arrive, so within a file a
//! later line may be earlier by some seconds. Measured over the 2,900 native events, against the latest
//! time before it in its file: half of the lines are not late at all, three quarters by at most a second,
//! nine in ten by at most 3, 99 in a hundred by at most 16, the worst by 29. Between files it is minutes
//! (a file closes 200 s after its median event); two events in a thousand stand for those.

use super::rng::{Rng, Weighted};
use super::text::Seconds;

/// How late an event is: per mille of events, from, to, in seconds.
const LATENESS: [(u64, u32, u32); 6] =
    [(500, 0, 0), (250, 0, 1), (150, 1, 3), (90, 3, 16), (8, 16, 29), (2, 30, 300)];

/// The clock of a trail.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Seconds,
    per_second: u64,
    events: u64,
    lateness: Weighted,
}

impl Clock {
    /// Starts at `start` and lets `per_second` events (at least one) go by each second.
    pub fn new(start: Seconds, per_second: u32) -> Self {
        let lateness = Weighted::new(&LATENESS.map(|(share, ..)| share));
        Self { start, per_second: u64::from(per_second.max(1)), events: 0, lateness }
    }

    /// When the next event happened.
    pub fn tick(&mut self, rng: &mut Rng) -> Seconds {
        let now = self.start + (self.events / self.per_second) as Seconds;
        self.events += 1;
        let (_, from, to) = LATENESS[self.lateness.pick(rng)];
        now - Seconds::from(rng.between(from, to))
    }
}
