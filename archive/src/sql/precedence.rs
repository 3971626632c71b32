//! How far `IS DISTINCT FROM` reaches to its right.
//!
//! In: a statement as the SQL parser reads it. Out: the same as PostgreSQL reads it. The parser takes all that follows
//! `IS [NOT] DISTINCT FROM` for what is compared, also the conditions behind it:
//!
//! ```text
//! mfa IS DISTINCT FROM true AND action = 'DeleteTrail'
//! mfa IS DISTINCT FROM (true AND action = 'DeleteTrail')      as the parser reads it
//! (mfa IS DISTINCT FROM true) AND action = 'DeleteTrail'      as it is meant
//! ```
//!
//! Brackets that somebody has written are an expression of their own, so that only what was taken too much is moved.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Statement, UnaryOperator, Value, VisitMut as _, VisitorMut,
};

/// Reads a statement as PostgreSQL does.
pub(super) fn correct(statement: &mut Statement) {
    let _ = statement.visit(&mut Lifting { has_lifted: false });
}

struct Lifting {
    /// Whether a condition was moved: what stands around it may have to let it go on.
    has_lifted: bool,
}

impl VisitorMut for Lifting {
    type Break = ();

    /// From the inside out: what is on the right of an expression is as it is meant already.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let takes = match expr {
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => Some(Taken::Joined),
            Expr::UnaryOp { op: UnaryOperator::Not, .. } if self.has_lifted => Some(Taken::Joined),
            Expr::BinaryOp { op: BinaryOperator::And, .. } if self.has_lifted => Some(Taken::Either),
            _ => None,
        };
        self.has_lifted |= takes.is_some_and(|takes| lift(expr, takes));
        ControlFlow::Continue(())
    }
}

/// What an expression must not take for its right side.
#[derive(Clone, Copy)]
enum Taken {
    /// `AND` and `OR`.
    Joined,
    /// `OR`.
    Either,
}

impl Taken {
    fn is(self, op: &BinaryOperator) -> bool {
        match op {
            BinaryOperator::Or => true,
            BinaryOperator::And => matches!(self, Self::Joined),
            _ => false,
        }
    }
}

/// The right side of an expression that may have taken too much.
fn right(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::IsDistinctFrom(_, right)
        | Expr::IsNotDistinctFrom(_, right)
        | Expr::UnaryOp { expr: right, .. }
        | Expr::BinaryOp { right, .. } => Some(right),
        _ => None,
    }
}

/// Leaves an expression the first of the conditions on its right, and puts it in the place of that one.
fn lift(expr: &mut Expr, takes: Taken) -> bool {
    let Some(all) = right(expr) else { return false };
    if !matches!(all, Expr::BinaryOp { op, .. } if takes.is(op)) {
        return false;
    }
    let mut all = std::mem::replace(all, Expr::Value(Value::Null.into()));
    let mut first = &mut all;
    while matches!(first, Expr::BinaryOp { op, .. } if takes.is(op)) {
        let Expr::BinaryOp { left, .. } = first else { break };
        first = left;
    }
    if let Some(right) = right(expr) {
        std::mem::swap(right, first);
    }
    std::mem::swap(first, expr);
    *expr = all;
    true
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    /// With brackets around everything.
    fn bracketed(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", bracketed(left), bracketed(right)),
            Expr::UnaryOp { op, expr } => format!("({op} {})", bracketed(expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} <> {})", bracketed(left), bracketed(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} == {})", bracketed(left), bracketed(right)),
            Expr::Nested(inner) => format!("[{}]", bracketed(inner)),
            other => other.to_string(),
        }
    }

    #[test]
    fn conditions_behind_a_comparison_are_none_of_it() {
        for (written, meant) in [
            ("a IS DISTINCT FROM b", "(a <> b)"),
            ("a IS DISTINCT FROM b AND c", "((a <> b) AND c)"),
            ("a IS NOT DISTINCT FROM b OR c", "((a == b) OR c)"),
            ("a IS DISTINCT FROM b AND c OR d", "(((a <> b) AND c) OR d)"),
            ("a IS DISTINCT FROM b OR c AND d", "((a <> b) OR (c AND d))"),
            ("x AND a IS DISTINCT FROM b OR c", "((x AND (a <> b)) OR c)"),
            ("x AND a IS DISTINCT FROM b AND c OR d", "((x AND ((a <> b) AND c)) OR d)"),
            ("x OR a IS DISTINCT FROM b AND c", "(x OR ((a <> b) AND c))"),
            ("NOT a IS DISTINCT FROM b AND c", "((NOT (a <> b)) AND c)"),
            ("x AND NOT a IS DISTINCT FROM b OR c", "((x AND (NOT (a <> b))) OR c)"),
            ("a IS DISTINCT FROM b + 1 AND c", "((a <> (b + 1)) AND c)"),
            ("a IS DISTINCT FROM b AND c IS DISTINCT FROM d OR e", "(((a <> b) AND (c <> d)) OR e)"),
            ("a IS DISTINCT FROM (b AND c) AND d", "((a <> [(b AND c)]) AND d)"),
            ("(x AND a IS DISTINCT FROM b) OR c", "([(x AND (a <> b))] OR c)"),
            ("x AND (y OR z)", "(x AND [(y OR z)])"),
            ("x AND y OR z", "((x AND y) OR z)"),
        ] {
            let sql = format!("SELECT 1 WHERE {written}");
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap().remove(0);
            correct(&mut statement);
            let Statement::Query(query) = &statement else { panic!("{statement}") };
            let condition = query.body.as_select().and_then(|select| select.selection.as_ref()).unwrap();
            assert_eq!(bracketed(condition), meant, "{written}");
        }
    }
}
