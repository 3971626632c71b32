//! Windows that slide: each tick closes the one before it, or opens the one after it.

use super::*;

/// The sliding types: each tick closes the window of the timespan before it.
pub(super) fn sliding<'a>(rule: &Rule, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let criteria = criteria(&rule.kind);
    let mut found = Vec::new();
    for time in ticks(hits) {
        let window = between(hits, time.saturating_sub(rule.timespan), time);
        let contributing = match &rule.kind {
            Type::EventCount(_) => event_count(&criteria, time, &window),
            Type::ValueCount(_) => value_count(&criteria, time, &window),
            Type::TemporalCount { members, .. } => {
                passes(&criteria, members_seen(*members, &window) as f64).then(|| lasts(time, &window))
            }
            Type::TemporalExpr(expr) => holds(expr, &window).then(|| lasts(time, &window)),
            Type::TemporalOrdered { members } => ordered(*members, time, &window),
            _ => value_sum(&criteria, time, &window),
        };
        found.extend(contributing.map(|contributing| Match { time, term: None, contributing }));
    }
    found
}

/// The hits of the tick, then the hits before it with the latest first.
fn tick_and_earlier<'a>(time: i64, window: &[&'a Hit]) -> (Vec<&'a Hit>, Vec<&'a Hit>) {
    let (tick, mut earlier): (Vec<&Hit>, Vec<&Hit>) = window.iter().partition(|hit| hit.time == time);
    earlier.reverse();
    (tick, earlier)
}

/// Enough distinct ids: the tick, and of the latest hits before it as many as are needed.
fn event_count<'a>(criteria: &[(Op, f64)], time: i64, window: &[&'a Hit]) -> Option<Vec<&'a Hit>> {
    let enough = |hits: &[&Hit]| passes(criteria, distinct_ids(hits.iter().copied()) as f64);
    if !enough(window) {
        return None;
    }
    let (mut contributing, earlier) = tick_and_earlier(time, window);
    for hit in earlier {
        if !enough(&contributing) && contributing.iter().all(|other| other.id != hit.id) {
            contributing.push(hit);
        }
    }
    Some(contributing)
}

/// Enough distinct values: the tick, and the last hit of each of the most recent values.
fn value_count<'a>(criteria: &[(Op, f64)], time: i64, window: &[&'a Hit]) -> Option<Vec<&'a Hit>> {
    // the window is in order of (time, id): the last insert stays
    let last: BTreeMap<&str, &Hit> = window.iter().map(|hit| (text(hit), *hit)).collect();
    if !passes(criteria, last.len() as f64) {
        return None;
    }
    let threshold = (1..=last.len()).find(|number| passes(criteria, *number as f64))?;
    let mut recent: Vec<(&str, &Hit)> = last.into_iter().collect();
    recent.sort_by(|(text_a, a), (text_b, b)| b.time.cmp(&a.time).then(text_a.cmp(text_b)));
    let (mut contributing, _) = tick_and_earlier(time, window);
    contributing.extend(recent.into_iter().take(threshold).map(|(_, hit)| hit));
    Some(contributing)
}

/// A large enough sum: the tick, and of the latest hits before it as many as are needed.
fn value_sum<'a>(criteria: &[(Op, f64)], time: i64, window: &[&'a Hit]) -> Option<Vec<&'a Hit>> {
    let enough = |hits: &[&Hit]| passes(criteria, sum(hits.iter().copied()));
    if !enough(window) {
        return None;
    }
    let (mut contributing, earlier) = tick_and_earlier(time, window);
    for hit in earlier {
        if !enough(&contributing) {
            contributing.push(hit);
        }
    }
    Some(contributing)
}

/// How many members have a hit in the window.
pub(super) fn members_seen(members: usize, window: &[&Hit]) -> usize {
    (0..members).filter(|member| window.iter().any(|hit| has(hit, *member))).count()
}

/// The tick, and the last hit of each member in the window.
fn lasts<'a>(time: i64, window: &[&'a Hit]) -> Vec<&'a Hit> {
    let (mut contributing, _) = tick_and_earlier(time, window);
    contributing.extend((0..64).filter_map(|member| window.iter().rfind(|hit| has(hit, member))));
    contributing
}

/// A chain through all members, of all in the window one that begins as late as possible, and of those one that ends
/// as late as possible; and the tick, where it ends before.
fn ordered<'a>(members: usize, time: i64, window: &[&'a Hit]) -> Option<Vec<&'a Hit>> {
    if members == 0 || members_seen(members, window) < members {
        return None;
    }
    let ends: BTreeSet<i64> = window.iter().map(|hit| hit.time).collect();
    let (mut best, mut ends_at) = (None, time);
    for end in ends.into_iter().rev() {
        let before = best.as_ref().and_then(|chain: &Vec<&Hit>| chain.last()).map(|hit| hit.time);
        extend_chain(members, end, window, &mut Vec::new(), &mut best);
        let now = best.as_ref().and_then(|chain| chain.last()).map(|hit| hit.time);
        if now != before {
            ends_at = end;
        }
    }
    let mut contributing = best?;
    if ends_at < time {
        contributing.extend(tick_and_earlier(time, window).0);
    }
    Some(contributing)
}

/// Tries every hit as the event before those of the chain, and so on back to the first.
fn extend_chain<'a>(
    missing: usize,
    time: i64,
    window: &[&'a Hit],
    chain: &mut Vec<&'a Hit>,
    best: &mut Option<Vec<&'a Hit>>,
) {
    let begin = |chain: &[&Hit]| chain.last().map(|hit| hit.time);
    if missing == 0 {
        *best = Some(chain.clone());
        return;
    }
    let mut tried = BTreeSet::new();
    for hit in window.iter().rev() {
        let in_order = begin(chain).map_or(hit.time == time, |next| hit.time <= next);
        let unused = chain.iter().all(|other| (other.time, other.id) != (hit.time, hit.id));
        // what begins no later than the best chain does is no better
        let better = best.as_deref().and_then(begin).is_none_or(|best| hit.time > best);
        // of hits that are alike, one will do
        if has(hit, missing - 1) && in_order && unused && better && tried.insert((hit.time, hit.members)) {
            chain.push(hit);
            extend_chain(missing - 1, time, window, chain, best);
            chain.pop();
        }
    }
}

/// Expressions with `not`: each tick of a positive member opens the window of the timespan after it.
pub(super) fn forward<'a>(rule: &Rule, expr: &Expr, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let positive = positive(expr, 0);
    let mut found = Vec::new();
    for time in ticks(hits) {
        let contributing = between(hits, time, time);
        let opens = contributing.iter().any(|hit| positive.iter().any(|member| has(hit, *member)));
        let window = between(hits, time, time.saturating_add(rule.timespan));
        if opens && holds(expr, &window) {
            found.push(Match { time, term: None, contributing });
        }
    }
    found
}
