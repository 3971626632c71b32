//! What PostgreSQL means by what is written, where the query engine takes it otherwise.
//!
//! In: a statement as the SQL parser reads it. Out: the same, meant as PostgreSQL means it: how far operators reach
//! ([`precedence`]), and that `float` is a number of 64 bits. Of 32 bits seconds since 1970 would be told to the minute, and
//! sums of bytes to a few digits. A pattern with another `ESCAPE` than the backslash becomes one with the backslash, which is
//! the only one that the engine knows.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{
    DataType, ExactNumberInfo, Expr, Statement, Value, VisitMut as _, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::precedence;

/// Reads a statement as PostgreSQL does.
pub(super) fn correct(statement: &mut DfStatement) {
    match statement {
        DfStatement::Statement(statement) => correct_statement(statement),
        DfStatement::Explain(explain) => correct(&mut explain.statement),
        // nothing else is answered
        _ => {}
    }
}

/// The same for what the SQL parser alone has read.
pub(super) fn correct_statement(statement: &mut Statement) {
    precedence::correct(statement);
    let _ = statement.visit(&mut Meant);
}

struct Meant;

impl VisitorMut for Meant {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { data_type, .. } => widen(data_type),
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char
                    && let Value::SingleQuotedString(escape) = &escape.value
                    && escape != "\\"
                    && let Some(meant) = escaped(pattern, escape)
                {
                    (**pattern, *escape_char) = (meant, None);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// A pattern in which a backslash stands before what another character stood before.
fn escaped(pattern: &Expr, escape: &str) -> Option<Expr> {
    let doubled = format!(r"replace({pattern}, '\', '\\')");
    let escape = escape.replace('\'', "''");
    let sql = match escape.trim_matches('\'').chars().count() {
        // nothing stands before anything
        0 if escape.is_empty() => doubled,
        // twice it is itself
        0 | 1 => format!(
            r"replace(replace(replace({doubled}, '{escape}{escape}', '{HELD}'), '{escape}', '\'), '{HELD}', '{escape}')"
        ),
        _ => return None,
    };
    Parser::new(&PostgreSqlDialect {}).try_with_sql(&sql).ok()?.parse_expr().ok()
}

/// Stands for what is done already; no log has it in a text.
const HELD: char = '\u{1}';

/// `float` and `float(25)` to `float(53)`, also as the elements of a list.
fn widen(kind: &mut DataType) {
    use datafusion::sql::sqlparser::ast::ArrayElemTypeDef::{AngleBracket, Parenthesis, SquareBracket};
    match kind {
        DataType::Float(ExactNumberInfo::None) => *kind = DataType::DoublePrecision,
        DataType::Float(ExactNumberInfo::Precision(bits)) if *bits > 24 => *kind = DataType::DoublePrecision,
        DataType::Array(AngleBracket(item) | SquareBracket(item, _) | Parenthesis(item)) => widen(item),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_and_patterns_are_meant_as_postgresql_means_them() {
        for (sql, meant) in [
            ("SELECT a::float, CAST(b AS FLOAT)", "SELECT a::DOUBLE PRECISION, CAST(b AS DOUBLE PRECISION)"),
            ("SELECT a::float(53), a::float(24)", "SELECT a::DOUBLE PRECISION, a::FLOAT(24)"),
            ("SELECT a::float[], a::real", "SELECT a::DOUBLE PRECISION[], a::REAL"),
            ("SELECT a LIKE 'x' ESCAPE '\\'", "SELECT a LIKE 'x' ESCAPE '\\'"),
            (
                "SELECT a LIKE 'x/_' ESCAPE '/'",
                "SELECT a LIKE replace(replace(replace(replace('x/_', '\\', '\\\\'), '//', '\u{1}'), '/', '\\'), '\u{1}', '/')",
            ),
            ("SELECT 1 WHERE x > (y::float + 1)", "SELECT 1 WHERE x > (y::DOUBLE PRECISION + 1)"),
        ] {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            correct_statement(&mut statement);
            assert_eq!(statement.to_string(), meant);
        }
    }
}
