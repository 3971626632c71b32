//! What a measure must pass, and which members an expression asks for.

use super::*;

pub(super) fn passes(criteria: &[(Op, f64)], measure: f64) -> bool {
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
pub(super) fn criteria(kind: &Type) -> Vec<(Op, f64)> {
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
pub(super) fn slides(kind: &Type) -> bool {
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
pub(super) fn positive(expr: &Expr, nots: usize) -> BTreeSet<usize> {
    match expr {
        Expr::Member(member) if nots.is_multiple_of(2) => BTreeSet::from([*member]),
        Expr::Member(_) => BTreeSet::new(),
        Expr::And(inner) | Expr::Or(inner) => inner.iter().flat_map(|expr| positive(expr, nots)).collect(),
        Expr::Not(inner) => positive(inner, nots + 1),
    }
}

pub(super) fn holds(expr: &Expr, window: &[&Hit]) -> bool {
    match expr {
        Expr::Member(member) => window.iter().any(|hit| has(hit, *member)),
        Expr::And(all) => all.iter().all(|expr| holds(expr, window)),
        Expr::Or(any) => any.iter().any(|expr| holds(expr, window)),
        Expr::Not(inner) => !holds(inner, window),
    }
}
