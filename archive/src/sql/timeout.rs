//! `statement_timeout`: how long a client wants to wait for a statement.
//!
//! In: the value of a SET, as PostgreSQL writes lengths of time: `5000`, `'5s'`, `'1.5 min'`. Out: the connection's own limit.
//! A value that is none is an error: a limit that is taken and not kept is none.

use std::time::Duration;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion_postgres::pgwire::api::ClientInfo;

/// What it is called.
pub(super) const NAME: &str = "statement_timeout";

/// Where it is kept, in milliseconds; `SHOW` reads it there.
const KEPT: &str = "statement_timeout_ms";

/// How long a client wants to wait, if it has said so.
pub(super) fn own_timeout<C: ClientInfo + ?Sized>(client: &C) -> Option<Duration> {
    client.metadata().get(KEPT).and_then(|text| text.parse().ok()).map(Duration::from_millis)
}

/// Keeps it; zero means that the client has no limit of its own.
pub(super) fn keep<C: ClientInfo + ?Sized>(client: &mut C, milliseconds: u64) {
    match milliseconds {
        0 => client.metadata_mut().remove(KEPT),
        some => client.metadata_mut().insert(KEPT.into(), some.to_string()),
    };
}

/// The milliseconds of a value.
pub(super) fn parse(values: &[Expr]) -> Option<u64> {
    let [value] = values else { return None };
    let text = value.to_string();
    let text = text.trim_matches(['\'', '"']).trim();
    if text.eq_ignore_ascii_case("default") {
        return Some(0);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let milliseconds = (number.parse::<f64>().ok()? * unit).round();
    // PostgreSQL's own bound
    (milliseconds <= f64::from(i32::MAX)).then_some(milliseconds as u64)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{Set, Statement};
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_postgresql_writes_them() {
        for (written, milliseconds) in [
            ("2000", Some(2_000)),
            ("'2000'", Some(2_000)),
            ("'2s'", Some(2_000)),
            ("'2 s'", Some(2_000)),
            ("'250ms'", Some(250)),
            ("'1.5min'", Some(90_000)),
            ("'1h'", Some(3_600_000)),
            ("0", Some(0)),
            ("DEFAULT", Some(0)),
            ("'2 seconds'", None),
            ("'soon'", None),
            ("-1", None),
            ("'100d'", None),
        ] {
            let sql = format!("SET statement_timeout = {written}");
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap();
            let [Statement::Set(Set::SingleAssignment { values, .. })] = parsed.as_slice() else {
                panic!("{sql}: {parsed:?}")
            };
            assert_eq!(parse(values), milliseconds, "{written}");
        }
    }
}
