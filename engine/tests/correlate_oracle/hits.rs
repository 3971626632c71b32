//! The hits of one group: which count, each once and in order; their values; those of a window.

use super::*;

/// Number of hits, where those of one event with several values are one.
pub(super) fn events<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> u64 {
    hits.into_iter().map(|hit| (hit.time, hit.id)).collect::<BTreeSet<_>>().len() as u64
}

/// Number of distinct ids.
pub(super) fn distinct_ids<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> usize {
    hits.into_iter().map(|hit| hit.id).collect::<BTreeSet<_>>().len()
}

/// The hits that count for this type, each once, in order of (time, id).
pub(super) fn group(kind: &Type, hits: &[Hit]) -> Vec<Hit> {
    let mut distinct: Vec<Hit> = Vec::new();
    for hit in hits {
        let Some(value) = usable(kind, &hit.value) else { continue };
        let same = distinct.iter_mut().find(|d| (d.time, d.id) == (hit.time, hit.id) && d.value == value);
        match same {
            Some(same) => same.members |= hit.members,
            None => distinct.push(Hit { value, ..hit.clone() }),
        }
    }
    distinct.sort_by(|a, b| (a.time, a.id).cmp(&(b.time, b.id)).then_with(|| order(&a.value, &b.value)));
    distinct
}

/// The value as this type sees it; `None` where the hit is no hit of this type.
fn usable(kind: &Type, value: &Value) -> Option<Value> {
    match (kind, value) {
        (Type::EventCount(_), _) => Some(Value::None),
        (Type::TemporalCount { .. } | Type::TemporalExpr(_) | Type::TemporalOrdered { .. }, _) => {
            Some(Value::None)
        }
        (Type::ValueCount(_) | Type::NewTerms { .. }, Value::Text(text)) => Some(Value::Text(text.clone())),
        (Type::ValueCount(_) | Type::NewTerms { .. }, Value::Number(n)) => Some(Value::Text(n.to_string())),
        (Type::ValueSum(_), Value::Number(n)) if slides(kind) && *n < 0 => None,
        (Type::ValueSum(_) | Type::ValueAvg(_) | Type::ValuePercentile(..), Value::Number(n)) => {
            Some(Value::Number(*n))
        }
        (Type::ImpossibleTravel { .. }, Value::Point(lat, lon)) => Some(Value::Point(*lat, *lon)),
        (Type::RateBaseline { .. }, Value::None) => Some(Value::None),
        (Type::RateBaseline { .. }, Value::Number(n)) => Some(Value::Number(*n)),
        _ => None,
    }
}

/// An order for the values of one event, so that the result does not hang on the order of arrival.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.cmp(b),
        (Value::Point(a, b), Value::Point(c, d)) => a.total_cmp(c).then(b.total_cmp(d)),
        (Value::None, Value::Number(_)) => Ordering::Less,
        (Value::Number(_), Value::None) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}

/// The text of a value or a term.
pub(super) fn text(hit: &Hit) -> &str {
    match &hit.value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// The number of a hit; 1 for an event without one.
pub(super) fn number(hit: &Hit) -> i64 {
    match hit.value {
        Value::Number(number) => number,
        _ => 1,
    }
}

pub(super) fn sum<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> f64 {
    hits.into_iter().map(|hit| i128::from(number(hit))).sum::<i128>() as f64
}

pub(super) fn has(hit: &Hit, member: usize) -> bool {
    hit.members & (1 << member) != 0
}

/// The times of the group's ticks.
pub(super) fn ticks(hits: &[Hit]) -> BTreeSet<i64> {
    hits.iter().map(|hit| hit.time).collect()
}

/// The hits of a window, closed on both sides.
pub(super) fn between(hits: &[Hit], from: i64, to: i64) -> Vec<&Hit> {
    hits.iter().filter(|hit| from <= hit.time && hit.time <= to).collect()
}

/// The hits by window or bucket of this length, aligned to the epoch.
pub(super) fn tumbling(hits: &[Hit], length: i64) -> BTreeMap<i64, Vec<&Hit>> {
    let mut windows: BTreeMap<i64, Vec<&Hit>> = BTreeMap::new();
    for hit in hits {
        windows.entry(hit.time.div_euclid(length)).or_default().push(hit);
    }
    windows
}

/// Time of the first hit of the life that the hit at `time` belongs to.
pub(super) fn life_start(hits: &[Hit], time: i64, history: i64) -> i64 {
    let mut start = time;
    for tick in ticks(hits).into_iter().rev().filter(|tick| *tick < time) {
        if start.saturating_sub(tick) > history {
            break;
        }
        start = tick;
    }
    start
}
