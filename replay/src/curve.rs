//! The threshold curve of a correlation: how many alerts there would be with another N, from one pass.
//!
//! In: what a correlation with `gte: N` (or `gt`) on events or different values sees. Out: alerts as a function
//! of N. There is one alert for a group and bucket of time in which some window holds N; so the greatest count
//! of any window in each bucket says it for all N at once.
//!
//! ```text
//! group a, bucket 1: windows of 1 2 3 4 4 2   ──▶ 4 ─┐
//! group a, bucket 2: windows of 1 1           ──▶ 1 ─┼─▶ N=1: 3   N=2: 2   N=3: 1   N=4: 1   N=5: 0
//! group b, bucket 1: windows of 2 1           ──▶ 2 ─┘
//! ```

use std::hash::{Hash as _, Hasher as _};

use hashbrown::HashMap;
use serde::Serialize;
use virga_archive::Range;
use virga_engine::correlate::{Member, Occurrence, Plan, Value};
use virga_engine::sigma::{CorrelationCondition, CorrelationType, Criterion};

use crate::limits::{MAX_ASKED_CURVE_HITS, MAX_CURVE_HITS, MAX_CURVE_POINTS};

/// Alerts with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point {
    /// The threshold, as `gte`.
    pub n: u64,
    /// The alerts that there would be.
    pub alerts: u64,
}

/// The threshold curve of a correlation.
#[derive(Debug, Clone, Serialize)]
pub struct Curve {
    /// The correlation's id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// The threshold that it has now, as `gte`.
    pub now: u64,
    /// It only feeds other correlations: none of these alerts is raised.
    pub muted: bool,
    /// It is asked for by name.
    #[serde(skip)]
    pub asked: bool,
    /// The curve; thresholds that change nothing are left out.
    pub points: Vec<Point>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

impl Curve {
    /// Of a correlation that has none, though it is asked for.
    pub fn none_of(plan: &Plan) -> Self {
        let why = "only a number of events, or of different values, of rules has a threshold whose curve can be drawn, \
                   where it is a lower bound (`gte`, `gt`)";
        Self {
            rule: plan.key(),
            title: plan.correlation.title.clone(),
            now: 0,
            muted: plan.muted,
            asked: true,
            points: Vec::new(),
            missing: Some(why.to_owned()),
        }
    }

    /// The alerts that a threshold gives.
    pub fn at(&self, n: u64) -> u64 {
        // a threshold that is left out gives what the next greater one gives
        self.points.iter().find(|point| point.n >= n).map_or(0, |point| point.alerts)
    }
}

/// What is remembered of an occurrence: hashes of its group, event and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Remembered {
    group: u64,
    time: i64,
    event: u64,
    value: u64,
}

/// Collects what one correlation sees.
#[derive(Debug, Clone)]
pub struct Collector {
    rule: String,
    title: String,
    now: u64,
    muted: bool,
    window: i64,
    bucket: i64,
    counts_values: bool,
    asked: bool,
    seen: Vec<Remembered>,
    is_full: bool,
}

/// The threshold of a correlation, where it has one that a curve can be drawn of.
fn threshold(plan: &Plan) -> Option<(u64, bool)> {
    let correlation = &plan.correlation;
    let counts_values = match correlation.kind.value {
        CorrelationType::EventCount => false,
        CorrelationType::ValueCount => true,
        _ => return None,
    };
    if plan.members.iter().any(|member| matches!(member.member, Member::Correlation(_))) {
        return None;
    }
    let CorrelationCondition::Number { criteria, .. } = &correlation.condition else { return None };
    let mut least = 1.0f64;
    for (criterion, bound) in criteria {
        least = least.max(match criterion {
            Criterion::Gte => bound.ceil(),
            Criterion::Gt => bound.floor() + 1.0,
            _ => return None,
        });
    }
    Some((least as u64, counts_values))
}

/// Whether a correlation is called so: by its id, name or title.
pub fn is_called(plan: &Plan, name: &str) -> bool {
    let of = &plan.correlation;
    name.eq_ignore_ascii_case(&of.key())
        || name.eq_ignore_ascii_case(&of.title)
        || of.name.as_ref().is_some_and(|own| name.eq_ignore_ascii_case(own))
}

/// 64 bits of a text; nothing of it is kept.
fn hash(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Collector {
    /// For a correlation, where it has a threshold. `asked`: its curve is asked for by name.
    pub fn new(plan: &Plan, asked: bool) -> Option<Self> {
        let (now, counts_values) = threshold(plan)?;
        Some(Self {
            rule: plan.key(),
            title: plan.correlation.title.clone(),
            now,
            muted: plan.muted,
            window: plan.correlation.timespan,
            bucket: plan.bucket,
            counts_values,
            asked,
            seen: Vec::new(),
            is_full: false,
        })
    }

    /// Takes what the correlation sees.
    pub fn take(&mut self, occurrence: &Occurrence<'_>) {
        let most = if self.asked { MAX_ASKED_CURVE_HITS } else { MAX_CURVE_HITS };
        if self.seen.len() >= most {
            self.give_up();
        }
        if self.is_full {
            return;
        }
        let value = match (self.counts_values, occurrence.value) {
            (true, Value::Text(text)) => hash(text),
            _ => 0,
        };
        self.seen.push(Remembered {
            group: hash(occurrence.key),
            time: occurrence.time,
            event: hash(occurrence.event_id),
            value,
        });
    }

    fn give_up(&mut self) {
        self.is_full = true;
        self.seen = Vec::new();
    }

    /// The curve over alerts whose first match lies in a stretch of time.
    pub fn curve(mut self, range: Range) -> Curve {
        let mut curve = Curve {
            rule: self.rule.clone(),
            title: self.title.clone(),
            now: self.now,
            muted: self.muted,
            asked: self.asked,
            points: Vec::new(),
            missing: None,
        };
        if self.is_full {
            curve.missing = Some(match self.asked {
                true => format!(
                    "it saw more than {MAX_ASKED_CURVE_HITS} events: ask about a shorter stretch of time"
                ),
                false => format!("it saw too many events: `--curve {}` draws it", self.rule),
            });
            return curve;
        }
        self.seen.sort_unstable();
        self.seen.dedup();
        let mut greatest: Vec<u64> = Vec::new();
        for group in self.seen.chunk_by(|a, b| a.group == b.group) {
            self.group(group, range, &mut greatest);
        }
        curve.points = points(&mut greatest, self.now);
        curve
    }

    /// The thresholds at which each bucket of a group stops to be an alert of the stretch.
    fn group(&self, seen: &[Remembered], range: Range, greatest: &mut Vec<u64>) {
        let counts: Vec<(i64, u64)> = match self.counts_values {
            true => value_counts(seen, self.window),
            false => event_counts(seen, self.window),
        };
        for bucket in counts.chunk_by(|a, b| a.0.div_euclid(self.bucket) == b.0.div_euclid(self.bucket)) {
            // an alert has the time of its first match: with that threshold it may lie before the stretch
            let before = bucket.iter().filter(|(time, _)| *time < range.from).map(|(_, count)| *count).max();
            let within = bucket.iter().filter(|(time, _)| range.has(*time)).map(|(_, count)| *count).max();
            match (before.unwrap_or(0), within.unwrap_or(0)) {
                (0, 0) => {}
                (0, most) => greatest.push(most),
                // thresholds up to `before` are alerts before the stretch, those beyond it up to `most` in it
                (before, most) if most > before => greatest.push(most | (before << 32)),
                _ => {}
            }
        }
    }
}

/// At each time, how many events lie in the window that ends there.
fn event_counts(seen: &[Remembered], window: i64) -> Vec<(i64, u64)> {
    let mut first = 0;
    let mut counts: Vec<(i64, u64)> = Vec::new();
    let mut different = seen.iter().collect::<Vec<_>>();
    different.dedup_by(|a, b| a.time == b.time && a.event == b.event);
    for (at, one) in different.iter().enumerate() {
        while different[first].time < one.time.saturating_sub(window) {
            first += 1;
        }
        let count = (at - first + 1) as u64;
        match counts.last_mut() {
            Some((time, last)) if *time == one.time => *last = count,
            _ => counts.push((one.time, count)),
        }
    }
    counts
}

/// At each time, how many different values lie in the window that ends there.
fn value_counts(seen: &[Remembered], window: i64) -> Vec<(i64, u64)> {
    let mut within: HashMap<u64, usize> = HashMap::new();
    let (mut first, mut counts): (usize, Vec<(i64, u64)>) = (0, Vec::new());
    for one in seen {
        while seen[first].time < one.time.saturating_sub(window) {
            if let Some(count) = within.get_mut(&seen[first].value) {
                *count -= 1;
                if *count == 0 {
                    within.remove(&seen[first].value);
                }
            }
            first += 1;
        }
        *within.entry(one.value).or_default() += 1;
        let count = within.len() as u64;
        match counts.last_mut() {
            Some((time, last)) if *time == one.time => *last = count,
            _ => counts.push((one.time, count)),
        }
    }
    counts
}

/// The curve of buckets that are alerts for thresholds above their upper half and up to their lower half.
fn points(greatest: &mut Vec<u64>, now: u64) -> Vec<Point> {
    let mut steps: std::collections::BTreeMap<u64, (i64, i64)> = std::collections::BTreeMap::new();
    for bounds in greatest.drain(..) {
        let (above, upto) = (bounds >> 32, bounds & 0xffff_ffff);
        steps.entry(upto).or_default().0 += 1;
        if above > 0 {
            steps.entry(above).or_default().1 += 1;
        }
    }
    steps.entry(now).or_default();
    // from the greatest threshold down: a bucket begins to count at its greatest, and ends where an earlier
    // match takes the alert out of the stretch
    let mut alerts = 0i64;
    let mut points: Vec<Point> = Vec::new();
    for (n, (begin, end)) in steps.iter().rev() {
        alerts += begin - end;
        points.push(Point { n: *n, alerts: u64::try_from(alerts).unwrap_or(0) });
    }
    points.reverse();
    thinned(points, now)
}

/// At most so many points; the threshold that is set stays, and small ones stay before great ones.
fn thinned(points: Vec<Point>, now: u64) -> Vec<Point> {
    if points.len() <= MAX_CURVE_POINTS {
        return points;
    }
    let (low, high) = (MAX_CURVE_POINTS / 2, MAX_CURVE_POINTS / 2);
    let rest = points.len() - low;
    let keep = |at: usize| {
        at < low || at + 1 == points.len() || (at - low) * high / rest != (at + 1 - low) * high / rest
    };
    points
        .iter()
        .enumerate()
        .filter(|(at, point)| keep(*at) || point.n == now)
        .map(|(_, point)| *point)
        .collect()
}

/// Lets the longest curves go that nobody has asked for by name, until all of these hold no more hits than they may.
pub fn bound(collectors: &mut [Option<Collector>], most: usize) {
    let held = |collector: &Option<Collector>| {
        collector.as_ref().filter(|collector| !collector.asked).map_or(0, |collector| collector.seen.len())
    };
    while collectors.iter().map(held).sum::<usize>() > most {
        let longest = collectors.iter_mut().max_by_key(|collector| held(collector));
        longest.into_iter().flatten().for_each(Collector::give_up);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_hits_the_longest_curve_goes_that_nobody_asked_for_and_says_so() {
        let collector = |hits: u64, asked: bool| {
            let seen = (0..hits).map(|event| Remembered { group: 1, time: 0, event, value: 0 }).collect();
            let (rule, title) = ("id".to_owned(), "a rule".to_owned());
            let (now, window, bucket) = (3, 60_000_000, 60_000_000);
            let (muted, counts_values, is_full) = (false, false, false);
            Collector { rule, title, now, muted, window, bucket, counts_values, asked, seen, is_full }
        };
        let mut all = [Some(collector(5, false)), None, Some(collector(9, true)), Some(collector(7, false))];
        bound(&mut all, 12);
        let missing = |of: &[Option<Collector>]| -> Vec<bool> {
            let range = Range { from: 0, to: 1 };
            of.iter().flatten().cloned().map(|one| one.curve(range).missing.is_some()).collect()
        };
        assert_eq!(missing(&all), [false, false, false], "as many as they may");
        bound(&mut all, 11);
        assert_eq!(missing(&all), [false, false, true]);
        bound(&mut all, 4);
        assert_eq!(missing(&all), [true, false, true], "what is asked for stays");
        let said =
            all.into_iter().flatten().next().and_then(|one| one.curve(Range { from: 0, to: 1 }).missing);
        assert!(said.is_some_and(|said| said.contains("`--curve id` draws it")));
    }
}
