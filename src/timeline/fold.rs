//! Runs: what was done again and again is one line.
//!
//! In: events in order. Out: runs of events that follow one another and differ in nothing but time and target.
//! An event that says something by itself (an alert, something new, a credential that was handed out) stands
//! alone.

use std::collections::BTreeSet;

use super::Event;

/// Events that follow one another and are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Run<'e> {
    /// The first.
    pub first: &'e Event,
    /// The time of the last.
    pub last: i64,
    /// How many they are.
    pub count: usize,
    /// Different targets.
    pub targets: BTreeSet<&'e str>,
}

/// Makes runs of events.
pub fn fold(events: &[Event]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for event in events {
        match runs.last_mut() {
            Some(run) if are_alike(run.first, event) => {
                run.last = event.time;
                run.count += 1;
                run.targets.extend(event.target.as_deref());
            }
            _ => runs.push(one(event)),
        }
    }
    runs
}

/// Each event as a run of its own.
pub fn unfolded(events: &[Event]) -> Vec<Run<'_>> {
    events.iter().map(one).collect()
}

fn one(event: &Event) -> Run<'_> {
    Run { first: event, last: event.time, count: 1, targets: event.target.as_deref().into_iter().collect() }
}

fn stands_alone(event: &Event) -> bool {
    !event.alerts.is_empty() || !event.first_seen.is_empty() || event.issued.is_some()
}

fn are_alike(a: &Event, b: &Event) -> bool {
    fn of(event: &Event) -> [&Option<String>; 10] {
        [
            &event.principal,
            &event.session_name,
            &event.credential_id,
            &event.src_ip,
            &event.region,
            &event.service,
            &event.action,
            &event.outcome,
            &event.error_code,
            &event.via,
        ]
    }
    !stands_alone(a) && !stands_alone(b) && a.source == b.source && of(a) == of(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, action: &str, target: &str) -> Event {
        Event { time, action: Some(action.into()), target: Some(target.into()), ..Event::default() }
    }

    #[test]
    fn what_follows_one_another_and_is_alike_is_a_run() {
        let mut events: Vec<Event> =
            (0..5).map(|n| event(n, if n == 3 { "b" } else { "a" }, &format!("t{}", n % 2))).collect();
        let counts = |events: &[Event]| fold(events).iter().map(|run| run.count).collect::<Vec<_>>();
        assert_eq!(counts(&events), [3, 1, 1]);
        assert_eq!(fold(&events)[0].targets.len(), 2);
        assert_eq!(fold(&events)[0].last, 2);
        events[1].first_seen.push("region".into());
        assert_eq!(counts(&events), [1, 1, 1, 1, 1]);
        assert_eq!(unfolded(&events).len(), 5);
    }
}
