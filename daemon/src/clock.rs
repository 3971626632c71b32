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
    use crate::rules::{Generation, Loaded};
    use std::collections::BTreeMap;
    use virga_engine::RuleSet;
    use virga_engine::correlate::{Live, LiveLimits, Occurrence, Value};
    use virga_engine::diagnostic::SourceFile;
    use virga_engine::event::{Origin, OriginBase};
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

    /// How far a wall clock is from the truth, in seconds, at each second of ten minutes; and how far the clock that
    /// follows it may get to be in either direction: a twentieth of the time for which it was wrong.
    type Wall = (&'static str, fn(i64) -> i64, i64);
    const WALLS: [Wall; 6] = [
        ("is right", |_| 0, 0),
        ("is an hour ahead for a minute", |second| if (90..150).contains(&second) { 3_600 } else { 0 }, 3),
        ("is an hour behind for a minute", |second| if (90..150).contains(&second) { -3_600 } else { 0 }, 3),
        (
            "is a year ahead for a minute",
            |second| if (90..150).contains(&second) { 31_536_000 } else { 0 },
            3,
        ),
        ("goes back and forth each second", |second| if second % 2 == 0 { 3_600 } else { -3_600 }, 1),
        ("goes back by two seconds for good", |second| if second > 90 { -2 } else { 0 }, 2),
    ];

    const RULES: &str = "title: r
name: r
id: 11111111-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: a}, condition: s}
---
title: many
id: 11111111-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [r], group-by: [sourceIPAddress], timespan: 1m, condition: {gte: 4}}
---
title: few
id: 11111111-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [r], group-by: [sourceIPAddress], timespan: 1m, condition: {lt: 4}}
";

    /// The alerts of ten minutes of a partition that is read to its end each second, each with the second in which it
    /// is raised; and how many hits were late. Events come as late as the lateness allows, and not for minutes.
    fn alerts_under(wall: fn(i64) -> i64, most: i64) -> (BTreeMap<String, i64>, usize) {
        let file = Arc::new(SourceFile { name: "r.yml".into(), text: RULES.into() });
        let loaded = Loaded { set: RuleSet::load([file], &Default::default()), environment: Arc::default() };
        let generation = Generation::compile(1, &loaded, 1).unwrap();
        assert_eq!(generation.plans.len(), 2);
        let mut live = Live::new(&generation.plans, "", LiveLimits::default());
        let (start, lateness) = (1_700_000_040 * SECOND, 10 * SECOND);
        let mut clock = Steady { at: Instant::now(), now: start };
        let mut marks = Marks::default();
        marks.open("a", "0", lateness);
        let (mut alerts, mut before, mut late) = (BTreeMap::new(), None, 0);
        let (source, origin) = (
            Arc::from("aws.cloudtrail"),
            Origin { base: OriginBase::File { path: "-".into() }, line: None, record: None },
        );
        for second in 1..=600 {
            let truth = start + second * SECOND;
            let now = clock.advance(SECOND, truth + wall(second) * SECOND);
            let ahead = now - truth;
            assert!(ahead.abs() <= most * SECOND, "second {second}: {ahead} µs from the truth");
            // some minutes have many events, some few, and some none
            if second % [7, 29, 1_000][(second / 60 % 3) as usize] == 0 {
                // what is late by all that is allowed, but for what the clock may be ahead
                let time = truth - (second % 2) * (lateness - (most + 1) * SECOND);
                for correlation in 0..generation.plans.len() {
                    live.take(&Occurrence {
                        correlation,
                        members: 1,
                        time,
                        key: &format!("[\"198.51.100.{}\"]", second / 60),
                        value: Value::None,
                        event_id: &format!("e{second}"),
                        source: &source,
                        origin: &origin,
                        carried: None,
                    });
                }
                marks.see("a", "0", time, truth);
            }
            let mut raised = live.commit();
            marks.reach("a", "0", Frontier::CaughtUp { now });
            let mark = marks.now();
            assert!(mark >= before, "second {second}: the watermark fell");
            before = mark;
            raised.extend(live.advance(mark.unwrap_or(i64::MIN)));
            late += live.take_late().len();
            raised.into_iter().for_each(|alert| {
                alerts.entry(alert.alert_id).or_insert(second);
            });
        }
        (alerts, late)
    }

    #[test]
    fn a_wall_clock_that_jumps_makes_nothing_late_loses_no_alert_and_delays_none_for_long() {
        let (expected, _) = alerts_under(|_| 0, 3);
        assert!(expected.len() > 5, "{expected:?}");
        for (what, wall, most) in WALLS {
            let (found, late) = alerts_under(wall, most.max(3));
            assert_eq!(late, 0, "it {what}");
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "it {what}");
            for (id, second) in &expected {
                let apart = found.get(id).unwrap_or(&0) - second;
                assert!(apart.abs() <= most + 1, "it {what}: {apart} s apart");
            }
        }
    }
}
