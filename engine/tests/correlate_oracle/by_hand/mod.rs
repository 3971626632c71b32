//! Cases computed by hand that hold the oracle to the specification. Here stands what they share.

mod counts;
mod native;
mod temporal;
mod values;

use super::*;

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
fn the_order_of_arrival_and_duplicates_change_nothing() {
    let ordered = rule(Type::TemporalOrdered { members: 2 }, 10, 10);
    let hits = [of(0, 9, &[0]), of(5, 1, &[1]), of(5, 2, &[0, 1]), of(12, 3, &[1])];
    let mut shuffled = hits.to_vec();
    shuffled.reverse();
    shuffled.extend(hits.iter().rev().cloned());
    assert_eq!(alerts(&ordered, &hits), alerts(&ordered, &shuffled));
    assert_eq!(rows(&ordered, &hits), [(0, 5, 5, 5, 2, false), (1, 12, 5, 12, 2, true)]);
}
