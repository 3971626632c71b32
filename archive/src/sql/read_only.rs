//! What may be asked: statements that read.
//!
//! In: a statement. Out: nothing, or why it is refused. Three things keep an archive from being written: this
//! list of what reads, the plan's own check for whatever a statement hides, and tables that have no way to be
//! written.

use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;

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
        Statement::Query(_)
        | Statement::ExplainTable { .. }
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
