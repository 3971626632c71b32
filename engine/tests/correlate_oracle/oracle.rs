//! What a correlation means, written down as plainly as it can be: in goes one rule and all hits of one
//! group (any order, with duplicates), out come its match instants and its alerts. The engine keeps
//! state and forgets; this looks at all hits again for every tick. It shares no code with the engine, so
//! that the two can only agree by both being right. Below are cases computed by hand that hold the
//! oracle itself to the specification.
//!
//! It takes for granted that durations are above 0, that members are counted from 0 and that each hit
//! matched at least one of them. A hit whose value is not of the sort its type wants (no field, no
//! number) is no hit.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// How a criterion compares a measure with its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// Below.
    Lt,
    /// At most.
    Lte,
    /// Above.
    Gt,
    /// At least.
    Gte,
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
}

/// A condition over members: a member is true where it has a hit in the window.
#[derive(Debug, Clone)]
pub enum Expr {
    /// The member of this number.
    Member(usize),
    /// All of these.
    And(Vec<Expr>),
    /// Any of these.
    Or(Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
}

/// What is measured, and what makes it a match.
#[derive(Debug, Clone)]
pub enum Type {
    /// Events.
    EventCount(Vec<(Op, f64)>),
    /// Distinct values.
    ValueCount(Vec<(Op, f64)>),
    /// Distinct members; without criteria, all of them.
    TemporalCount {
        /// How many members the correlation has.
        members: usize,
        /// What their number must pass.
        criteria: Vec<(Op, f64)>,
    },
    /// Members, by an expression.
    TemporalExpr(Expr),
    /// All members one after the other.
    TemporalOrdered {
        /// How many members the correlation has.
        members: usize,
    },
    /// Sum of the values.
    ValueSum(Vec<(Op, f64)>),
    /// Mean of the values.
    ValueAvg(Vec<(Op, f64)>),
    /// Percentile of the values.
    ValuePercentile(f64, Vec<(Op, f64)>),
    /// A term that the group has not shown for the length of the history.
    NewTerms {
        /// How old the group must be.
        min_age: i64,
        /// How many events the group must have had.
        min_events: f64,
        /// Report known terms that were silent for this long instead.
        idle: Option<i64>,
    },
    /// Two places too far apart for the time between them.
    ImpossibleTravel {
        /// Slowest speed that matches.
        min_speed_kmh: f64,
        /// Shortest distance that matches.
        min_distance_km: f64,
    },
    /// A bucket far above the buckets before it.
    RateBaseline {
        /// Length of a bucket.
        bucket: i64,
        /// How many buckets must lie before.
        min_buckets: f64,
        /// Smallest value that matches.
        min_value: f64,
        /// Smallest multiple of the median that matches.
        min_ratio: f64,
        /// Smallest score that matches.
        min_score: f64,
    },
}

/// What a hit carries for the types that look at a field. Numbers are whole, so sums are exact.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    None,
    /// A value or a term.
    Text(String),
    /// A number; a value or a term by its decimal text.
    Number(i64),
    /// Latitude and longitude in degrees.
    Point(f64, f64),
}

/// An event that matched members of the correlation.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Time in µs.
    pub time: i64,
    /// Identity of the event.
    pub id: u64,
    /// The members that it matched, as a bit set.
    pub members: u64,
    /// Its value.
    pub value: Value,
}

/// A correlation.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What is measured.
    pub kind: Type,
    /// The timespan T, or the history H of `NewTerms`, `ImpossibleTravel` and `RateBaseline`.
    pub timespan: i64,
    /// The suppression period S.
    pub suppress: i64,
}

/// An alert, as far as the specification determines it.
#[derive(Debug, Clone, PartialEq)]
pub struct OracleAlert {
    /// Which suppression period.
    pub bucket: i64,
    /// The term of `NewTerms`.
    pub term: Option<String>,
    /// Its first match instant.
    pub time: i64,
    /// Time of the earliest hit that contributed to the first match instant.
    pub first_seen: i64,
    /// Its last match instant.
    pub last_seen: i64,
    /// How many hits it stands for.
    pub count: u64,
    /// The suppression period before has an alert too.
    pub continues: bool,
}

/// The alerts of the hits of one group, sorted by (bucket, term).
pub fn alerts(rule: &Rule, hits: &[Hit]) -> Vec<OracleAlert> {
    let hits = group(&rule.kind, hits);
    let mut buckets: BTreeMap<(i64, Option<String>), Vec<Match>> = BTreeMap::new();
    for found in matches(rule, &hits) {
        let bucket = found.time.div_euclid(rule.suppress);
        buckets.entry((bucket, found.term.clone())).or_default().push(found);
    }
    let alerts = buckets.iter().map(|((bucket, term), found)| {
        let first = found.iter().map(|m| m.time).min().unwrap_or_default();
        let last = found.iter().map(|m| m.time).max().unwrap_or_default();
        let contributing = found.iter().filter(|m| m.time == first).flat_map(|m| &m.contributing);
        OracleAlert {
            bucket: *bucket,
            term: term.clone(),
            time: first,
            first_seen: contributing.map(|hit| hit.time).min().unwrap_or_default(),
            last_seen: last,
            count: count(&rule.kind, &hits, found, first, last),
            // the alerts of new terms lie under their term, so they never continue
            continues: buckets.contains_key(&(bucket - 1, None)),
        }
    });
    alerts.collect()
}

/// The match instants of the hits of one group, as sorted (time, term).
pub fn instants(rule: &Rule, hits: &[Hit]) -> Vec<(i64, Option<String>)> {
    let hits = group(&rule.kind, hits);
    let instants: BTreeSet<_> = matches(rule, &hits).into_iter().map(|m| (m.time, m.term)).collect();
    instants.into_iter().collect()
}

/// A match instant and the hits that contributed to it.
struct Match<'a> {
    time: i64,
    term: Option<String>,
    contributing: Vec<&'a Hit>,
}

/// The count of an alert over its matches, the first of them at `first` and the last at `last`.
fn count(kind: &Type, hits: &[Hit], found: &[Match], first: i64, last: i64) -> u64 {
    if matches!(kind, Type::ImpossibleTravel { .. }) {
        return found.len() as u64 + 1;
    }
    if slides(kind) {
        let contributing = found.iter().filter(|m| m.time == first).flat_map(|m| m.contributing.clone());
        let later = hits.iter().filter(|hit| first < hit.time && hit.time <= last);
        return events(contributing) + events(later);
    }
    found.iter().map(|m| events(m.contributing.clone())).sum()
}

/// Number of hits, where those of one event with several values are one.
fn events<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> u64 {
    hits.into_iter().map(|hit| (hit.time, hit.id)).collect::<BTreeSet<_>>().len() as u64
}

/// Number of distinct ids.
fn distinct_ids<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> usize {
    hits.into_iter().map(|hit| hit.id).collect::<BTreeSet<_>>().len()
}

// ---- the hits of a group ----

/// The hits that count for this type, each once, in order of (time, id).
fn group(kind: &Type, hits: &[Hit]) -> Vec<Hit> {
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
fn text(hit: &Hit) -> &str {
    match &hit.value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// The number of a hit; 1 for an event without one.
fn number(hit: &Hit) -> i64 {
    match hit.value {
        Value::Number(number) => number,
        _ => 1,
    }
}

fn sum<'a>(hits: impl IntoIterator<Item = &'a Hit>) -> f64 {
    hits.into_iter().map(|hit| i128::from(number(hit))).sum::<i128>() as f64
}

fn has(hit: &Hit, member: usize) -> bool {
    hit.members & (1 << member) != 0
}

/// The times of the group's ticks.
fn ticks(hits: &[Hit]) -> BTreeSet<i64> {
    hits.iter().map(|hit| hit.time).collect()
}

/// The hits of a window, closed on both sides.
fn between(hits: &[Hit], from: i64, to: i64) -> Vec<&Hit> {
    hits.iter().filter(|hit| from <= hit.time && hit.time <= to).collect()
}

/// The hits by window or bucket of this length, aligned to the epoch.
fn tumbling(hits: &[Hit], length: i64) -> BTreeMap<i64, Vec<&Hit>> {
    let mut windows: BTreeMap<i64, Vec<&Hit>> = BTreeMap::new();
    for hit in hits {
        windows.entry(hit.time.div_euclid(length)).or_default().push(hit);
    }
    windows
}

/// Time of the first hit of the life that the hit at `time` belongs to.
fn life_start(hits: &[Hit], time: i64, history: i64) -> i64 {
    let mut start = time;
    for tick in ticks(hits).into_iter().rev().filter(|tick| *tick < time) {
        if start.saturating_sub(tick) > history {
            break;
        }
        start = tick;
    }
    start
}

// ---- criteria and expressions ----

fn passes(criteria: &[(Op, f64)], measure: f64) -> bool {
    criteria.iter().all(|(op, number)| match op {
        Op::Lt => measure < *number,
        Op::Lte => measure <= *number,
        Op::Gt => measure > *number,
        Op::Gte => measure >= *number,
        Op::Eq => measure == *number,
        Op::Neq => measure != *number,
    })
}

/// The criteria of a type that has some, with the default of `TemporalCount`.
fn criteria(kind: &Type) -> Vec<(Op, f64)> {
    match kind {
        Type::TemporalCount { members, criteria } if criteria.is_empty() => {
            vec![(Op::Gte, *members as f64)]
        }
        Type::EventCount(criteria)
        | Type::ValueCount(criteria)
        | Type::TemporalCount { criteria, .. }
        | Type::ValueSum(criteria)
        | Type::ValueAvg(criteria)
        | Type::ValuePercentile(_, criteria) => criteria.clone(),
        _ => Vec::new(),
    }
}

/// Whether the type has a window that slides from tick to tick.
fn slides(kind: &Type) -> bool {
    match kind {
        Type::EventCount(_) | Type::ValueCount(_) | Type::TemporalCount { .. } | Type::ValueSum(_) => {
            criteria(kind).iter().all(|(op, _)| matches!(op, Op::Gt | Op::Gte))
        }
        Type::TemporalExpr(expr) => !negates(expr),
        Type::TemporalOrdered { .. } => true,
        _ => false,
    }
}

/// Whether there is a `not` in the expression.
fn negates(expr: &Expr) -> bool {
    match expr {
        Expr::Member(_) => false,
        Expr::And(all) => all.iter().any(negates),
        Expr::Or(any) => any.iter().any(negates),
        Expr::Not(_) => true,
    }
}

/// The members that stand under an even number of `not`, of which `nots` are around the expression.
fn positive(expr: &Expr, nots: usize) -> BTreeSet<usize> {
    match expr {
        Expr::Member(member) if nots.is_multiple_of(2) => BTreeSet::from([*member]),
        Expr::Member(_) => BTreeSet::new(),
        Expr::And(inner) | Expr::Or(inner) => inner.iter().flat_map(|expr| positive(expr, nots)).collect(),
        Expr::Not(inner) => positive(inner, nots + 1),
    }
}

fn holds(expr: &Expr, window: &[&Hit]) -> bool {
    match expr {
        Expr::Member(member) => window.iter().any(|hit| has(hit, *member)),
        Expr::And(all) => all.iter().all(|expr| holds(expr, window)),
        Expr::Or(any) => any.iter().any(|expr| holds(expr, window)),
        Expr::Not(inner) => !holds(inner, window),
    }
}

// ---- matches ----

/// All matches; of `ImpossibleTravel` one for each pair, so there may be several at one time.
fn matches<'a>(rule: &Rule, hits: &'a [Hit]) -> Vec<Match<'a>> {
    match &rule.kind {
        kind if slides(kind) => sliding(rule, hits),
        Type::TemporalExpr(expr) => forward(rule, expr, hits),
        Type::NewTerms { min_age, min_events, idle } => new_terms(rule, *min_age, *min_events, *idle, hits),
        Type::ImpossibleTravel { min_speed_kmh, min_distance_km } => {
            impossible_travel(rule, *min_speed_kmh, *min_distance_km, hits)
        }
        Type::RateBaseline { bucket, .. } => rate_baseline(rule, *bucket, hits),
        _ => tumble(rule, hits),
    }
}

/// The sliding types: each tick closes the window of the timespan before it.
fn sliding<'a>(rule: &Rule, hits: &'a [Hit]) -> Vec<Match<'a>> {
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
            Type::TemporalOrdered { members } => latest_chain(*members, time, &window),
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
fn members_seen(members: usize, window: &[&Hit]) -> usize {
    (0..members).filter(|member| window.iter().any(|hit| has(hit, *member))).count()
}

/// The tick, and the last hit of each member in the window.
fn lasts<'a>(time: i64, window: &[&'a Hit]) -> Vec<&'a Hit> {
    let (mut contributing, _) = tick_and_earlier(time, window);
    contributing.extend((0..64).filter_map(|member| window.iter().rfind(|hit| has(hit, member))));
    contributing
}

/// A chain through all members that ends at the tick, from its last event to its first: of all such
/// chains one that begins as late as possible.
fn latest_chain<'a>(members: usize, time: i64, window: &[&'a Hit]) -> Option<Vec<&'a Hit>> {
    let mut best = None;
    if members > 0 && members_seen(members, window) == members {
        extend_chain(members, time, window, &mut Vec::new(), &mut best);
    }
    best
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
fn forward<'a>(rule: &Rule, expr: &Expr, hits: &'a [Hit]) -> Vec<Match<'a>> {
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

/// Windows side by side: the match is at the last hit of one.
fn tumble<'a>(rule: &Rule, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let criteria = criteria(&rule.kind);
    let windows = tumbling(hits, rule.timespan).into_values();
    let matching = windows.filter(|window| passes(&criteria, measure(&rule.kind, window)));
    matching.map(at_the_last).collect()
}

/// The match of a whole window or bucket.
fn at_the_last(window: Vec<&Hit>) -> Match<'_> {
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
fn percentile(p: f64, mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = p / 100.0 * (values.len() - 1) as f64;
    let (floor, ceil) = (values[rank.floor() as usize], values[rank.ceil() as usize]);
    floor + (rank - rank.floor()) * (ceil - floor)
}

/// The value in the middle, or the mean of the two there.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn new_terms<'a>(
    rule: &Rule,
    min_age: i64,
    min_events: f64,
    idle: Option<i64>,
    hits: &'a [Hit],
) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    for time in ticks(hits) {
        let start = life_start(hits, time, rule.timespan);
        // events count within the history, by eighths of it
        let eighth = |time: i64| time.div_euclid((rule.timespan / 8).max(1));
        let counts = |hit: &&Hit| hit.time < time && eighth(hit.time) > eighth(time) - 8;
        let before = hits.iter().filter(|hit| start <= hit.time).filter(counts);
        let warm = time.saturating_sub(start) >= min_age && distinct_ids(before) as f64 >= min_events;
        let tick = between(hits, time, time);
        for term in tick.iter().map(|hit| text(hit)).collect::<BTreeSet<_>>() {
            let earlier = hits.iter().filter(|hit| text(hit) == term && hit.time < time);
            let ago = earlier.map(|hit| time.saturating_sub(hit.time)).min();
            let known = ago.filter(|ago| *ago <= rule.timespan);
            let unusual = match idle {
                None => known.is_none(),
                Some(idle) => known.is_some_and(|ago| ago >= idle),
            };
            if warm && unusual {
                let contributing = tick.iter().copied().filter(|hit| text(hit) == term).collect();
                found.push(Match { time, term: Some(term.to_owned()), contributing });
            }
        }
    }
    found
}

fn impossible_travel<'a>(rule: &Rule, speed: f64, distance: f64, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let mut found = Vec::new();
    for pair in hits.windows(2) {
        let [from, to] = pair else { continue };
        let apart = to.time.saturating_sub(from.time);
        let (hours, km) = (apart as f64 / 3_600_000_000.0, haversine_km(&from.value, &to.value));
        let fast = apart == 0 || km / hours >= speed;
        if apart <= rule.timespan && km >= distance && fast {
            found.push(Match { time: to.time, term: None, contributing: vec![from, to] });
        }
    }
    found
}

fn haversine_km(from: &Value, to: &Value) -> f64 {
    let (Value::Point(lat1, lon1), Value::Point(lat2, lon2)) = (from, to) else { return 0.0 };
    let square = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let chord = square(lat2 - lat1) + lat1.to_radians().cos() * lat2.to_radians().cos() * square(lon2 - lon1);
    2.0 * 6371.0088 * chord.sqrt().min(1.0).asin()
}

fn rate_baseline<'a>(rule: &Rule, length: i64, hits: &'a [Hit]) -> Vec<Match<'a>> {
    let buckets = tumbling(hits, length);
    let value = |bucket: i64| buckets.get(&bucket).map_or(0.0, |hits| sum(hits.iter().copied()));
    let mut found = Vec::new();
    for (bucket, hits_of_bucket) in &buckets {
        // where a bucket holds two lives the history is shorter than it: there is no baseline at all
        let start = life_start(hits, hits_of_bucket[0].time, rule.timespan);
        let from = start.div_euclid(length).max(bucket - rule.timespan.div_euclid(length));
        let baseline = (from..*bucket).map(value).collect();
        if exceeds(&rule.kind, value(*bucket), baseline) {
            found.push(at_the_last(hits_of_bucket.clone()));
        }
    }
    found
}

/// Whether the value of a bucket stands out from those of the buckets before it.
fn exceeds(kind: &Type, value: f64, baseline: Vec<f64>) -> bool {
    let Type::RateBaseline { min_buckets, min_value, min_ratio, min_score, .. } = kind else { return false };
    if (baseline.len() as f64) < min_buckets.max(1.0) {
        return false;
    }
    let usual = median(baseline.clone());
    let mad = median(baseline.iter().map(|other| (other - usual).abs()).collect());
    let score = (value - usual) / (1.4826 * mad).max(0.1 * usual).max(1.0);
    value >= *min_value && value >= min_ratio * usual && score >= *min_score
}

// ---- the oracle's own cases, by hand ----

fn rule(kind: Type, timespan: i64, suppress: i64) -> Rule {
    Rule { kind, timespan, suppress }
}

/// A hit of member 0 without a value.
fn plain(time: i64, id: u64) -> Hit {
    Hit { time, id, members: 1, value: Value::None }
}

/// A hit of these members.
fn of(time: i64, id: u64, members: &[usize]) -> Hit {
    Hit { members: members.iter().map(|member| 1 << member).sum(), ..plain(time, id) }
}

fn worded(time: i64, id: u64, text: &str) -> Hit {
    Hit { value: Value::Text(text.into()), ..plain(time, id) }
}

fn valued(time: i64, id: u64, number: i64) -> Hit {
    Hit { value: Value::Number(number), ..plain(time, id) }
}

fn placed(time: i64, id: u64, lat: f64, lon: f64) -> Hit {
    Hit { value: Value::Point(lat, lon), ..plain(time, id) }
}

/// The times of the match instants.
fn times(rule: &Rule, hits: &[Hit]) -> Vec<i64> {
    instants(rule, hits).into_iter().map(|(time, _)| time).collect()
}

/// The alerts as (bucket, time, first seen, last seen, count, continues).
fn rows(rule: &Rule, hits: &[Hit]) -> Vec<(i64, i64, i64, i64, u64, bool)> {
    let alerts = alerts(rule, hits);
    alerts.iter().map(|a| (a.bucket, a.time, a.first_seen, a.last_seen, a.count, a.continues)).collect()
}

fn and(members: &[usize]) -> Expr {
    Expr::And(members.iter().map(|member| Expr::Member(*member)).collect())
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn two_members(criteria: Vec<(Op, f64)>) -> Type {
    Type::TemporalCount { members: 2, criteria }
}

#[test]
fn event_count_window_is_closed_on_both_sides() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[plain(0, 1), plain(10, 2)]), [10]);
    assert_eq!(times(&rule, &[plain(0, 1), plain(11, 2)]), [0; 0]);
}

#[test]
fn event_count_takes_a_duplicate_once_and_equal_times_together() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[plain(5, 1), plain(5, 1)]), [0; 0]);
    // one id at two times is two hits, but one id
    assert_eq!(times(&rule, &[plain(5, 1), plain(6, 1)]), [0; 0]);
    // all hits of the tick are there, not just the one that reaches the threshold
    assert_eq!(rows(&rule, &[plain(5, 1), plain(5, 2), plain(5, 3)]), [(0, 5, 5, 5, 3, false)]);
    // a value makes no further hit where none is asked for
    assert_eq!(times(&rule, &[worded(5, 1, "a"), worded(5, 1, "b")]), [0; 0]);
}

#[test]
fn event_count_thresholds_are_fractions_or_below_one() {
    let hits = [plain(0, 1), plain(1, 2), plain(2, 3), plain(3, 4)];
    let times = |criteria| times(&rule(Type::EventCount(criteria), 10, 100), &hits);
    assert_eq!(times(vec![(Op::Gt, 2.5)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gt, 2.0)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gte, 2.5)]), [2, 3]);
    assert_eq!(times(vec![(Op::Gte, 2.0), (Op::Gt, 3.0)]), [3]);
    assert_eq!(times(vec![(Op::Gte, -3.0)]), [0, 1, 2, 3]);
    assert_eq!(times(vec![(Op::Gt, 0.0)]), [0, 1, 2, 3]);
}

#[test]
fn event_count_alert_has_what_is_needed_and_what_follows() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 3.0)]), 10, 100);
    // the tick at 6 has two of three; of those before, 4 is the latest; then 7 and 30, of which 30 is
    // past the last match
    let hits = [plain(1, 1), plain(4, 2), plain(6, 3), plain(6, 4), plain(7, 5), plain(30, 6)];
    assert_eq!(times(&rule, &hits[1..]), [6, 7]);
    assert_eq!(rows(&rule, &hits), [(0, 6, 4, 7, 4, false)]);
    // 3 match at 4, of which 1 is the earliest; then 6 and 7
    let hits = [plain(1, 1), plain(4, 2), plain(4, 3), plain(6, 4), plain(7, 5), plain(30, 6)];
    assert_eq!(rows(&rule, &hits), [(0, 4, 1, 7, 5, false)]);
    // an id that is there already is not needed once more: 3, 2 and 0
    let hits = [plain(0, 1), plain(1, 2), plain(2, 2), plain(3, 3)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 0, 3, 3, false)]);
}

#[test]
fn event_count_counts_the_hits_between_two_matches() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 2, 100);
    // 10 matches nothing, but lies between the matches at 1 and 21
    let hits = [plain(0, 1), plain(1, 2), plain(10, 3), plain(20, 4), plain(21, 5)];
    assert_eq!(times(&rule, &hits), [1, 21]);
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 21, 5, false)]);
}

#[test]
fn alerts_fall_into_buckets_of_the_epoch_and_continue() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 1.0)]), 5, 10);
    let hits = [plain(-11, 1), plain(-10, 2), plain(-1, 3), plain(0, 4), plain(25, 5)];
    let expected = [
        (-2, -11, -11, -11, 1, false),
        (-1, -10, -10, -1, 2, true),
        (0, 0, 0, 0, 1, true),
        (2, 25, 25, 25, 1, false),
    ];
    assert_eq!(rows(&rule, &hits), expected);
}

#[test]
fn event_count_alert_reaches_back_beyond_its_bucket() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0)]), 10, 10);
    assert_eq!(rows(&rule, &[plain(8, 1), plain(12, 2)]), [(1, 12, 8, 12, 2, false)]);
}

#[test]
fn event_count_ranges_tumble() {
    let rule = rule(Type::EventCount(vec![(Op::Gte, 2.0), (Op::Lte, 3.0)]), 10, 100);
    // windows -1: 2 hits, 0: 1 hit, 1: 4 hits, 2: 3 hits
    let mut hits = vec![plain(-10, 1), plain(-1, 2), plain(9, 3)];
    hits.extend([plain(10, 4), plain(11, 5), plain(12, 6), plain(19, 7)]);
    hits.extend([plain(20, 8), plain(21, 9), plain(25, 10)]);
    assert_eq!(times(&rule, &hits), [-1, 25]);
    assert_eq!(rows(&rule, &hits), [(-1, -1, -10, -1, 2, false), (0, 25, 20, 25, 3, true)]);
}

#[test]
fn tumbling_counts_the_hits_of_all_matching_windows_of_a_bucket() {
    let hits = [plain(1, 1), plain(12, 2), plain(13, 3), plain(14, 4), plain(27, 5), plain(28, 6)];
    let rows = |op, number| rows(&rule(Type::EventCount(vec![(op, number)]), 10, 100), &hits);
    assert_eq!(rows(Op::Neq, 3.0), [(0, 1, 1, 28, 3, false)]);
    assert_eq!(rows(Op::Lt, 3.0), [(0, 1, 1, 28, 3, false)]);
    assert_eq!(rows(Op::Eq, 2.0), [(0, 28, 27, 28, 2, false)]);
    // a window without a hit is no match, however small its measure
    assert_eq!(rows(Op::Lte, 0.0), []);
}

#[test]
fn value_count_counts_values_not_hits() {
    let rule = rule(Type::ValueCount(vec![(Op::Gte, 2.0)]), 10, 100);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(1, 2, "a"), plain(1, 3)]), [0; 0]);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(10, 2, "b")]), [10]);
    assert_eq!(times(&rule, &[worded(0, 1, "a"), worded(11, 2, "b")]), [0; 0]);
    // an event with two values is two hits that count as one
    let hits = [worded(3, 1, "b"), worded(3, 1, "a"), worded(3, 1, "a")];
    assert_eq!(rows(&rule, &hits), [(0, 3, 3, 3, 1, false)]);
}

#[test]
fn value_count_alert_takes_the_most_recent_values() {
    let rule = rule(Type::ValueCount(vec![(Op::Gt, 2.0)]), 10, 100);
    // at 5 there are a (last at 3), b (2) and c (5): all three, each with its last hit
    let hits = [worded(0, 1, "a"), worded(2, 2, "b"), worded(3, 3, "a"), worded(5, 4, "c")];
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 5, 3, false)]);
    // every hit of the tick, even of one value, and the last of another
    let hits = [worded(1, 1, "a"), worded(2, 2, "b"), worded(5, 3, "c"), worded(5, 4, "c")];
    assert_eq!(rows(&rule, &hits), [(0, 5, 1, 5, 4, false)]);
    // at 5 there is d, and a, b and c are all last at 2: the smaller two are taken, which are one event
    let rule = Rule { suppress: 4, ..rule };
    let hits = [worded(2, 1, "b"), worded(2, 2, "c"), worded(2, 1, "a"), worded(5, 3, "d")];
    assert_eq!(rows(&rule, &hits), [(0, 2, 2, 2, 2, false), (1, 5, 2, 5, 2, true)]);
}

#[test]
fn value_count_below_a_number_tumbles() {
    let rule = rule(Type::ValueCount(vec![(Op::Lt, 2.0)]), 10, 100);
    let hits = [worded(0, 1, "a"), worded(9, 2, "a"), worded(10, 3, "a"), worded(11, 4, "b")];
    assert_eq!(rows(&rule, &hits), [(0, 9, 0, 9, 2, false)]);
}

#[test]
fn temporal_counts_an_event_for_each_of_its_members() {
    let rule = rule(two_members(Vec::new()), 10, 100);
    assert_eq!(rows(&rule, &[of(4, 1, &[0, 1])]), [(0, 4, 4, 4, 1, false)]);
    // the two hits are one: their members are united
    assert_eq!(rows(&rule, &[of(4, 1, &[0]), of(4, 1, &[1])]), [(0, 4, 4, 4, 1, false)]);
    assert_eq!(times(&rule, &[of(4, 1, &[0]), of(14, 2, &[1])]), [14]);
    assert_eq!(times(&rule, &[of(4, 1, &[0]), of(15, 2, &[1])]), [0; 0]);
}

#[test]
fn temporal_alert_has_the_last_hit_of_each_member() {
    let rule = rule(two_members(vec![(Op::Gte, 2.0)]), 10, 100);
    let hits = [of(0, 1, &[0]), of(2, 2, &[0]), of(5, 3, &[1]), of(5, 4, &[1])];
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 5, 3, false)]);
}

#[test]
fn temporal_with_an_upper_limit_tumbles() {
    let rule = rule(two_members(vec![(Op::Lte, 1.0)]), 10, 100);
    let hits = [of(0, 1, &[0]), of(2, 2, &[1]), of(10, 3, &[1]), of(12, 4, &[1])];
    assert_eq!(rows(&rule, &hits), [(0, 12, 10, 12, 2, false)]);
}

#[test]
fn temporal_expressions_look_back() {
    let expr = Expr::Or(vec![and(&[0, 1]), Expr::Member(2)]);
    let rule = rule(Type::TemporalExpr(expr), 10, 100);
    let hits = [of(0, 1, &[0]), of(10, 2, &[1]), of(11, 3, &[1]), of(30, 4, &[2])];
    assert_eq!(times(&rule, &hits), [10, 30]);
    assert_eq!(rows(&rule, &hits), [(0, 10, 0, 30, 4, false)]);
}

#[test]
fn ordered_steps_are_distinct_events_in_the_order_of_time() {
    let ordered = |members| rule(Type::TemporalOrdered { members }, 10, 100);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[0]), of(10, 2, &[1])]), [10]);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[0]), of(11, 2, &[1])]), [0; 0]);
    assert_eq!(times(&ordered(2), &[of(0, 1, &[1]), of(1, 2, &[0])]), [0; 0]);
    // one event is not two steps; two events that match both are
    assert_eq!(times(&ordered(2), &[of(4, 1, &[0, 1])]), [0; 0]);
    assert_eq!(times(&ordered(2), &[of(4, 1, &[0, 1]), of(4, 2, &[0, 1])]), [4]);
    // equal times are in order, whichever id is smaller
    assert_eq!(times(&ordered(2), &[of(4, 1, &[1]), of(4, 2, &[0])]), [4]);
    // 2 must be the first step, so that 1 can be the second
    assert_eq!(times(&ordered(3), &[of(4, 1, &[0, 1]), of(4, 2, &[0]), of(4, 3, &[2])]), [4]);
    assert_eq!(times(&ordered(3), &[of(4, 1, &[0, 1, 2]), of(4, 2, &[0, 1, 2])]), [0; 0]);
}

#[test]
fn ordered_alert_begins_as_late_as_possible() {
    let rule = rule(Type::TemporalOrdered { members: 3 }, 10, 100);
    // the chain is at 2, 3 and 5, where a second hit is not part of it; 8 and 9 follow, and 9 matches
    let hits = [
        of(0, 1, &[0]),
        of(2, 2, &[0]),
        of(3, 3, &[1]),
        of(4, 4, &[0]),
        of(5, 5, &[2]),
        of(5, 6, &[2]),
        of(8, 7, &[0]),
        of(9, 8, &[2]),
    ];
    assert_eq!(times(&rule, &hits), [5, 9]);
    assert_eq!(rows(&rule, &hits), [(0, 5, 2, 9, 5, false)]);
}

#[test]
fn forward_looks_for_what_does_not_follow() {
    let expr = Expr::And(vec![Expr::Member(0), not(Expr::Member(1))]);
    let rule = rule(Type::TemporalExpr(expr), 10, 100);
    // the window is closed: 10 follows 0, 31 does not follow 20; a hit of the tick follows as well
    assert_eq!(times(&rule, &[of(0, 1, &[0]), of(10, 2, &[1])]), [0; 0]);
    assert_eq!(times(&rule, &[of(20, 1, &[0]), of(31, 2, &[1])]), [20]);
    assert_eq!(times(&rule, &[of(0, 1, &[0]), of(0, 2, &[1])]), [0; 0]);
    // what came before does not matter, and the negated member opens no window
    assert_eq!(times(&rule, &[of(-1, 1, &[1]), of(0, 2, &[0])]), [0]);
    // only the hits of match instants count: 20 is not one
    let hits = [of(0, 1, &[0]), of(0, 2, &[0]), of(20, 3, &[0]), of(21, 4, &[1]), of(40, 5, &[0])];
    assert_eq!(rows(&rule, &hits), [(0, 0, 0, 40, 3, false)]);
}

#[test]
fn forward_opens_at_members_under_an_even_number_of_nots() {
    let nested = not(Expr::And(vec![not(Expr::Member(0)), not(not(Expr::Member(1)))]));
    assert_eq!(positive(&nested, 0), BTreeSet::from([0]));
    // not (not a and not not b) = a or not b: a opens, and is true there
    let nested = rule(Type::TemporalExpr(nested), 10, 100);
    assert_eq!(times(&nested, &[of(0, 1, &[0]), of(20, 2, &[1])]), [0]);
    let nothing = rule(Type::TemporalExpr(not(Expr::Member(0))), 10, 100);
    assert_eq!(times(&nothing, &[of(0, 1, &[0]), of(20, 2, &[1])]), [0; 0]);
    // a double negation looks forward, too
    let double = Expr::And(vec![not(not(Expr::Member(0))), Expr::Member(1)]);
    let double = rule(Type::TemporalExpr(double), 10, 100);
    assert_eq!(times(&double, &[of(0, 1, &[0]), of(5, 2, &[1])]), [0]);
}

#[test]
fn value_sum_slides_without_negative_values() {
    let rule = rule(Type::ValueSum(vec![(Op::Gte, 10.0)]), 10, 100);
    let hits = [valued(0, 1, 6), valued(5, 2, -9), valued(10, 3, 4), valued(11, 4, 4)];
    assert_eq!(times(&rule, &hits), [10]);
    assert_eq!(rows(&rule, &hits), [(0, 10, 0, 10, 2, false)]);
    // the hits at 4 and 5 reach it, then one more at 6: the negative one there is no hit
    let hits = [valued(1, 1, 9), valued(4, 2, 4), valued(5, 3, 6), valued(6, 4, 1), valued(6, 5, -1)];
    assert_eq!(rows(&rule, &hits[1..]), [(0, 5, 4, 6, 3, false)]);
    assert_eq!(rows(&rule, &hits), [(0, 4, 1, 6, 4, false)]);
    // no more than is needed: 9 and 2 suffice without 1
    let hits = [valued(1, 1, 1), valued(2, 2, 2), valued(3, 3, 9)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 2, 3, 2, false)]);
    // an event with two values gives both, and one with the same value twice gives it once
    assert_eq!(rows(&rule, &[valued(0, 1, 4), valued(0, 1, 6)]), [(0, 0, 0, 0, 1, false)]);
    assert_eq!(times(&rule, &[valued(0, 1, 5), valued(0, 1, 5)]), [0; 0]);
}

#[test]
fn value_sum_tumbles_with_negative_values() {
    let rule = rule(Type::ValueSum(vec![(Op::Lt, 0.0)]), 10, 100);
    let hits = [valued(1, 1, 6), valued(5, 2, -9), valued(10, 3, 4), valued(20, 4, -4), valued(21, 5, 4)];
    assert_eq!(rows(&rule, &hits), [(0, 5, 1, 5, 2, false)]);
}

#[test]
fn value_avg_divides_by_the_hits() {
    let rule = rule(Type::ValueAvg(vec![(Op::Gt, 2.0), (Op::Lte, 2.5)]), 10, 100);
    let hits = [valued(-10, 1, 2), valued(-1, 2, 3), valued(-1, 3, 2), valued(0, 4, 2), valued(9, 5, 2)];
    assert_eq!(rows(&rule, &hits), [(-1, -1, -10, -1, 3, false)]);
    // an event with two values is two hits here, and one in the count: (2 + 4 + 1) / 3
    let hits = [valued(0, 1, 2), valued(0, 1, 4), valued(5, 2, 1)];
    assert_eq!(rows(&rule, &hits), [(0, 5, 0, 5, 2, false)]);
}

#[test]
fn percentiles_are_interpolated() {
    assert_eq!(percentile(50.0, vec![4.0, 1.0, 3.0, 2.0]), 2.5);
    assert_eq!(percentile(25.0, vec![40.0, 10.0, 20.0, 30.0]), 17.5);
    assert_eq!(percentile(0.0, vec![3.0, 1.0]), 1.0);
    assert_eq!(percentile(100.0, vec![3.0, 1.0]), 3.0);
    assert_eq!(percentile(99.0, vec![7.0]), 7.0);
    let rule = rule(Type::ValuePercentile(50.0, vec![(Op::Eq, 2.5)]), 10, 100);
    let hits = [valued(0, 1, 4), valued(1, 2, 1), valued(2, 3, 3), valued(3, 4, 2), valued(10, 5, 2)];
    assert_eq!(rows(&rule, &hits), [(0, 3, 0, 3, 4, false)]);
}

fn terms(min_age: i64, min_events: f64, idle: Option<i64>) -> Rule {
    rule(Type::NewTerms { min_age, min_events, idle }, 20, 100)
}

fn pairs(rule: &Rule, hits: &[Hit]) -> Vec<(i64, String)> {
    instants(rule, hits).into_iter().map(|(time, term)| (time, term.unwrap_or_default())).collect()
}

#[test]
fn new_terms_are_those_of_a_warm_group() {
    let hits = [worded(0, 1, "a"), worded(4, 2, "b"), worded(5, 3, "c"), worded(6, 4, "c")];
    assert_eq!(pairs(&terms(5, 2.0, None), &hits), [(5, "c".into())]);
    assert_eq!(pairs(&terms(6, 2.0, None), &hits), []);
    assert_eq!(pairs(&terms(5, 3.0, None), &hits), []);
    assert_eq!(pairs(&terms(0, 0.0, None), &hits), [(0, "a".into()), (4, "b".into()), (5, "c".into())]);
    // events, not values: the first has two
    let hits = [worded(0, 1, "a"), worded(0, 1, "b"), worded(5, 3, "c")];
    assert_eq!(pairs(&terms(5, 2.0, None), &hits), []);
}

#[test]
fn new_terms_forget_after_the_history() {
    // b at 20 is known to 40, and at 61 no more; the group lives on with a
    let mut hits = vec![worded(0, 1, "b"), worded(20, 2, "b"), worded(40, 3, "b"), worded(41, 4, "a")];
    hits.extend([worded(55, 5, "a"), worded(61, 6, "b")]);
    assert_eq!(pairs(&terms(1, 1.0, None), &hits), [(41, "a".into()), (61, "b".into())]);
    // a gap above the history ends the life: 100 begins a new one, which is not warm
    hits.extend([worded(100, 7, "x"), worded(101, 8, "y")]);
    assert_eq!(pairs(&terms(1, 1.0, None), &hits)[2..], [(101, "y".into())]);
}

#[test]
fn new_terms_count_events_by_eighths_of_the_history() {
    // an eighth of 20 is 2: at 40 and 41 it is the one of 40, and the first that counts is that of 26
    for (time, before, warm) in
        [(40, 25, false), (40, 26, true), (41, 26, true), (42, 27, false), (42, 28, true)]
    {
        let hits = [worded(before - 15, 1, "a"), worded(before, 2, "a"), worded(time, 3, "b")];
        let expected: &[(i64, String)] = if warm { &[(time, "b".into())] } else { &[] };
        assert_eq!(pairs(&terms(0, 1.0, None), &hits), expected, "{time} {before}");
    }
}

#[test]
fn new_terms_with_idle_are_known_and_were_silent() {
    let rule = terms(1, 0.0, Some(10));
    let mut hits = vec![worded(0, 1, "a"), worded(9, 2, "a"), worded(19, 3, "a"), worded(20, 4, "b")];
    hits.extend([worded(39, 5, "a"), worded(41, 6, "b")]);
    // 19 is 10 after 9 and 39 is 20 after 19; 41 is 21 after 20: not known; b at 20 is new
    assert_eq!(pairs(&rule, &hits), [(19, "a".into()), (39, "a".into())]);
}

#[test]
fn new_terms_have_an_alert_for_each_term() {
    let rule = Rule { suppress: 10, ..terms(1, 1.0, None) };
    let hits =
        [worded(0, 1, "a"), worded(5, 2, "y"), worded(5, 3, "x"), worded(5, 4, "y"), worded(12, 5, "z")];
    let found = alerts(&rule, &hits);
    let row = |bucket, term: &str, time, count| OracleAlert {
        bucket,
        term: Some(term.into()),
        time,
        first_seen: time,
        last_seen: time,
        count,
        continues: false,
    };
    assert_eq!(found, [row(0, "x", 5, 1), row(0, "y", 5, 2), row(1, "z", 12, 1)]);
}

const HOUR: i64 = 3_600_000_000;

fn travel(min_speed_kmh: f64, min_distance_km: f64) -> Rule {
    rule(Type::ImpossibleTravel { min_speed_kmh, min_distance_km }, 2 * HOUR, 24 * HOUR)
}

#[test]
fn travel_is_impossible_by_speed_and_distance() {
    // a degree of the equator is 111.195 km
    let hits = [placed(0, 1, 0.0, 0.0), placed(HOUR, 2, 0.0, 1.0)];
    assert_eq!(times(&travel(111.19, 100.0), &hits), [HOUR]);
    assert_eq!(times(&travel(111.2, 100.0), &hits), [0; 0]);
    assert_eq!(times(&travel(1.0, 111.19), &hits), [HOUR]);
    assert_eq!(times(&travel(1.0, 111.2), &hits), [0; 0]);
    // within the history, ends included
    let late = |time| [placed(0, 1, 0.0, 0.0), placed(time, 2, 0.0, 90.0)];
    assert_eq!(times(&travel(1.0, 1.0), &late(2 * HOUR)), [2 * HOUR]);
    assert_eq!(times(&travel(1.0, 1.0), &late(2 * HOUR + 1)), [0; 0]);
    // no time at all is always fast enough, even for no distance
    assert_eq!(times(&travel(1.0, 0.0), &[placed(0, 1, 0.0, 0.0), placed(0, 2, 0.0, 0.0)]), [0]);
    assert_eq!(times(&travel(1.0, 0.0), &[placed(0, 1, 0.0, 0.0), placed(1, 2, 0.0, 0.0)]), [0; 0]);
    assert_eq!(times(&travel(1e9, 100.0), &[placed(0, 1, 0.0, 0.0), placed(0, 2, 0.0, 1.0)]), [0]);
}

#[test]
fn travel_compares_neighbours_in_order_of_time_and_id() {
    let rule = travel(500.0, 100.0);
    // near, far, near, near: two pairs match
    let hits = [
        placed(3, 4, 0.0, 0.0),
        placed(2, 3, 0.0, 0.0),
        placed(1, 2, 0.0, 90.0),
        placed(0, 1, 0.0, 0.0),
        placed(0, 1, 0.0, 0.0),
    ];
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 2, 3, false)]);
    // two pairs at one instant: the first begins it
    let hits = [placed(0, 5, 0.0, 0.0), placed(1, 3, 0.0, 0.0), placed(1, 2, 0.0, 90.0)];
    assert_eq!(rows(&rule, &hits), [(0, 1, 0, 1, 3, false)]);
}

fn baseline(min_buckets: f64, min_value: f64, min_ratio: f64, min_score: f64) -> Rule {
    rule(Type::RateBaseline { bucket: 10, min_buckets, min_value, min_ratio, min_score }, 40, 1000)
}

#[test]
fn rate_baseline_is_the_median_and_its_deviation() {
    assert_eq!(median(vec![5.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(vec![5.0, 1.0, 3.0, 2.0]), 2.5);
    // before: 10, 20, 30, 0; median 15, deviations 5, 5, 15, 15: MAD 10; score of 60 is 45 / 14.826 = 3.04
    let hits = [valued(0, 1, 10), valued(10, 2, 20), valued(20, 3, 30), valued(40, 4, 25), valued(49, 5, 35)];
    assert_eq!(rows(&baseline(4.0, 60.0, 4.0, 3.03), &hits), [(0, 49, 40, 49, 2, false)]);
    assert_eq!(rows(&baseline(4.0, 60.0, 4.0, 3.04), &hits), []);
    assert_eq!(rows(&baseline(4.0, 61.0, 4.0, 3.03), &hits), []);
    assert_eq!(rows(&baseline(4.0, 60.0, 4.1, 3.03), &hits), []);
    assert_eq!(rows(&baseline(5.0, 60.0, 4.0, 3.03), &hits), []);
}

#[test]
fn rate_baseline_deviates_by_a_tenth_of_the_median_or_one_at_least() {
    // 100 and 100: MAD 0, so 10; score of 130 is 3
    let hits = [valued(0, 1, 100), valued(10, 2, 100), valued(20, 3, 130)];
    assert_eq!(times(&baseline(2.0, 0.0, 0.0, 3.0), &hits), [20]);
    assert_eq!(times(&baseline(2.0, 0.0, 0.0, 3.1), &hits), [0; 0]);
    // one event each, and then four: MAD 0, a tenth 0.1, so 1; score 3
    let mut hits = vec![plain(0, 1), plain(10, 2), plain(20, 3), plain(21, 4), plain(22, 5), plain(23, 6)];
    hits.push(plain(23, 6));
    assert_eq!(rows(&baseline(2.0, 0.0, 0.0, 3.0), &hits), [(0, 23, 20, 23, 4, false)]);
    assert_eq!(rows(&baseline(2.0, 0.0, 0.0, 3.1), &hits), []);
}

#[test]
fn rate_baseline_begins_with_the_life_and_goes_back_by_the_history() {
    // a first bucket has no baseline, whatever is asked for; the times are before the epoch
    let hits = [valued(-15, 1, 9), valued(-1, 2, 9)];
    assert_eq!(times(&baseline(0.0, 0.0, 0.0, 0.0), &hits), [-1]);
    // 41 after the last hit a new life begins
    let hits = [valued(0, 1, 1), valued(41, 2, 9)];
    assert_eq!(times(&baseline(1.0, 0.0, 0.0, 0.0), &hits), [0; 0]);
    // 40 after it does not: the buckets 0 to 3 are 1, 0, 0, 0
    let hits = [valued(0, 1, 1), valued(40, 2, 9)];
    assert_eq!(times(&baseline(4.0, 0.0, 0.0, 9.0), &hits), [40]);
    // four buckets back and no further: 50 is not in the baseline of bucket 5, which is 1, 0, 0, 0
    let hits = [valued(0, 1, 50), valued(10, 2, 1), valued(50, 3, 9)];
    assert_eq!(times(&baseline(4.0, 0.0, 0.0, 9.0), &hits), [50]);
    assert_eq!(times(&baseline(5.0, 0.0, 0.0, 0.0), &hits), [0; 0]);
}

#[test]
fn the_order_of_arrival_and_duplicates_change_nothing() {
    let ordered = rule(Type::TemporalOrdered { members: 2 }, 10, 10);
    let hits = [of(0, 9, &[0]), of(5, 1, &[1]), of(5, 2, &[0, 1]), of(12, 3, &[1])];
    let mut shuffled = hits.to_vec();
    shuffled.reverse();
    shuffled.extend(hits.iter().rev().cloned());
    assert_eq!(alerts(&ordered, &hits), alerts(&ordered, &shuffled));
    assert_eq!(rows(&ordered, &hits), [(0, 5, 5, 5, 2, false), (1, 12, 5, 12, 2, true)]);
}
