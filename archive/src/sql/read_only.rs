//! What may be asked: statements that read.
//!
//! In: a statement. Out: nothing, or why it is refused. Four things keep an archive from being written: this
//! list of what reads, the plan's own check for whatever a statement hides, a schema that no statement changes, and
//! tables that have no way to be written.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::{Select, Statement, Visit as _, Visitor};

use super::error::SqlError;

/// Refuses what does not read.
pub(crate) fn check(statement: &DfStatement) -> Result<(), SqlError> {
    match statement {
        DfStatement::Statement(statement) => check_statement(statement),
        DfStatement::Explain(explain) => check(&explain.statement),
        other => Err(refused(&other.to_string())),
    }
}

/// The same for what the SQL parser alone has read.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::Query(query) => match query.visit(&mut Into) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(refused("SELECT INTO")),
        },
        Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowVariable { .. }
        | Statement::ShowVariables { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowDatabases { .. } => Ok(()),
        Statement::Explain { statement, .. } => check_statement(statement),
        other => Err(refused(&other.to_string())),
    }
}

/// Looks for a SELECT that makes a table, wherever it stands: in brackets, in a WITH, below a UNION.
struct Into;

impl Visitor for Into {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        match select.into {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Named by its first words: `CREATE TABLE`, `INSERT INTO`.
fn refused(text: &str) -> SqlError {
    let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase());
    let words: Vec<&str> = text.split_whitespace().take(2).take_while(is_word).collect();
    let words = match words.is_empty() {
        true => text.split_whitespace().next().unwrap_or_default().to_owned(),
        false => words.join(" "),
    };
    SqlError::refused(&words)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn a_select_that_makes_a_table_is_refused_wherever_it_stands() {
        for (sql, reads) in [
            ("SELECT 1 AS a", true),
            ("WITH t AS (SELECT 1 AS a) SELECT * FROM t WHERE a IN (SELECT 2)", true),
            ("SELECT 1 AS a INTO t", false),
            ("SELECT 1 AS a INTO TEMPORARY t", false),
            ("(SELECT 1 AS a INTO t)", false),
            ("EXPLAIN ANALYZE SELECT 1 AS a INTO t", false),
            ("WITH t AS (SELECT 1 AS a INTO s) SELECT * FROM t", false),
            ("SELECT * FROM (SELECT 1 AS a INTO s) t", false),
            ("SELECT 1 UNION SELECT 2 INTO s", false),
            ("SELECT 1 WHERE 1 IN (SELECT 1 INTO s)", false),
        ] {
            let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
            let said = statements.iter().try_for_each(check_statement);
            assert_eq!(said.is_ok(), reads, "{sql}: {said:?}");
        }
    }
}
