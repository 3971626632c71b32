//! Windows side by side, and what they are measured by.

use super::*;

/// Windows side by side: the match is at the last hit of one.
pub(super) fn tumble<'a>(rule: &Rule, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let criteria = criteria(&rule.kind);
    let windows = tumbling(hits, rule.timespan).into_values();
    let matching = windows.filter(|window| passes(&criteria, measure(&rule.kind, window)));
    matching.map(at_the_last).collect()
}

/// The match of a whole window or bucket.
pub(super) fn at_the_last(window: Vec<&Hit>) -> Match<'_> {
    let time = window.iter().map(|hit| hit.time).max().unwrap_or_default();
    Match { time, term: None, contributing: window }
}

/// What a tumbling window is measured by.
fn measure(kind: &Type, window: &[&Hit]) -> f64 {
    let hits = || window.iter().copied();
    match kind {
        Type::EventCount(_) => distinct_ids(hits()) as f64,
        Type::ValueCount(_) => hits().map(text).collect::<BTreeSet<_>>().len() as f64,
        Type::TemporalCount { members, .. } => members_seen(*members, window) as f64,
        Type::ValueAvg(_) => sum(hits()) / window.len() as f64,
        Type::ValuePercentile(p, _) => percentile(*p, hits().map(|hit| number(hit) as f64).collect()),
        _ => sum(hits()),
    }
}

/// Linear interpolation between the closest ranks.
pub(super) fn percentile(p: f64, mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = p / 100.0 * (values.len() - 1) as f64;
    let (floor, ceil) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    floor + (rank - rank.floor()) * (ceil - floor)
}

/// The value in the middle, or the mean of the two there.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
