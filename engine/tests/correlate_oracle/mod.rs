//! What a correlation means, written down as plainly as it can be: in goes one rule and all hits of one
//! group (any order, with duplicates), out come its match instants and its alerts. The engine keeps
//! state and forgets; this looks at all hits again for every tick. It shares no code with the engine, so
//! that the two can only agree by both being right. Cases computed by hand ([`by_hand`]) hold the oracle
//! itself to the specification.
//!
//! It takes for granted that durations are above 0, that members are counted from 0 and that each hit
//! matched at least one of them. A hit whose value is not of the sort its type wants (no field, no
//! number) is no hit.

mod by_hand;
mod conditions;
mod hits;
mod native;
mod sliding;
mod tumbling;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use conditions::{criteria, holds, passes, positive, slides};
use hits::{between, distinct_ids, events, group, has, life_start, number, sum, text, ticks, tumbling};
use native::{impossible_travel, new_terms, rate_baseline};
use sliding::{forward, members_seen, sliding};
use tumbling::{at_the_last, median, percentile, tumble};

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
