//! A clock that does not jump.
//!
//! In: the system's two clocks. Out: microseconds since 1970 that only rise, at the pace of the monotonic
//! clock. Where the wall clock is set (a virtual machine that was asleep, a wrong hour corrected), this clock
//! goes after it slowly: the watermark of a partition that has been read to its end moves by it, and a jump
//! ahead would make all that comes late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use virga_ingest::transport::live::Clock;

/// How fast a difference to the wall clock is made good: one part in so many.
const SLEW: i64 = 20;

/// Between two looks at the clocks.
struct Steady {
    at: Instant,
    now: i64,
}

impl Steady {
    /// Time has gone on by `elapsed`, and the wall clock stands at `wall`.
    fn advance(&mut self, elapsed: i64, wall: i64) -> i64 {
        let due = self.now.saturating_add(elapsed);
        let most = elapsed / SLEW;
        // never backwards: the correction is smaller than the step
        self.now = due.saturating_add((wall.saturating_sub(due)).clamp(-most, most));
        self.now
    }
}

/// The wall clock, microseconds since 1970.
pub fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A clock that begins with the wall clock and does not jump.
pub fn steady() -> Clock {
    let state = Mutex::new(Steady { at: Instant::now(), now: wall() });
    Arc::new(move || {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(state.at);
        state.at = now;
        state.advance(i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX), wall())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marks::Marks;
    use virga_ingest::transport::live::Frontier;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_jump_of_the_wall_clock_is_followed_slowly() {
        let mut clock = Steady { at: Instant::now(), now: 1_000 * SECOND };
        // an hour ahead at once: a second takes a second and a twentieth
        assert_eq!(clock.advance(SECOND, 4_601 * SECOND), 1_001 * SECOND + SECOND / SLEW);
        // and an hour back: it still rises
        let before = clock.now;
        assert_eq!(clock.advance(SECOND, -2_600 * SECOND), before + SECOND - SECOND / SLEW);
        // where both agree, nothing is corrected
        let due = clock.now + SECOND;
        assert_eq!(clock.advance(SECOND, due), due);
    }

    #[test]
    fn a_jump_of_an_hour_makes_nothing_late_that_comes_in_its_time() {
        // true time, and a wall clock that somebody sets an hour ahead and a minute later back
        let (start, lateness) = (1_000_000 * SECOND, 10 * SECOND);
        let mut clock = Steady { at: Instant::now(), now: start };
        let mut marks = Marks::default();
        marks.open("a", "0", lateness);
        for second in 1..=180 {
            let truth = start + second * SECOND;
            let wall = if (30..90).contains(&second) { truth + 3_600 * SECOND } else { truth };
            let now = clock.advance(SECOND, wall);
            // an idle partition moves by the clock; an event of now comes, and one as late as is allowed would
            marks.reach("a", "0", Frontier::CaughtUp { now });
            let ahead = now - truth;
            assert!((0..=3 * SECOND).contains(&ahead), "second {second}: {ahead} µs ahead");
            assert!(marks.now().is_some_and(|mark| mark <= truth - lateness + 3 * SECOND), "second {second}");
        }
        assert_eq!(clock.now, start + 180 * SECOND, "what it went ahead is made good");
    }
}
