//! `statement_timeout`: how long a client wants to wait for a statement.
//!
//! In: the value of a SET, or of what a client says when it connects (`PGOPTIONS`), as PostgreSQL writes lengths of time:
//! `5000`, `'5s'`, `'1.5 min'`. Out: the connection's own limit. `SET LOCAL` holds for a transaction, and what was set in one
//! that is rolled back was never set. A value that is none is an error: a limit that is taken and not kept is none.

use std::time::Duration;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion_postgres::pgwire::api::ClientInfo;
use datafusion_postgres::pgwire::messages::response::TransactionStatus;

/// What it is called.
pub(super) const NAME: &str = "statement_timeout";

/// What a client has said, in milliseconds; zero means that it waits as long as any statement may take.
#[derive(Debug, Clone, Copy)]
struct Own {
    now: u64,
    after_commit: u64,
    after_rollback: u64,
}

impl Own {
    fn of<C: ClientInfo + ?Sized>(client: &C) -> Self {
        match client.session_extensions().get::<Self>() {
            Some(own) => *own,
            None => Self::all(at_start(client)),
        }
    }

    fn all(milliseconds: u64) -> Self {
        Self { now: milliseconds, after_commit: milliseconds, after_rollback: milliseconds }
    }
}

/// What the client said when it connected.
fn at_start<C: ClientInfo + ?Sized>(client: &C) -> u64 {
    let said = said(|name| client.metadata().get(name).map(String::as_str));
    said.and_then(|text| read(&text)).unwrap_or(0)
}

/// The value among the parameters of a connection: by itself, or in `options` as in `-c statement_timeout=5s`.
pub(super) fn said<'t>(parameter: impl Fn(&str) -> Option<&'t str>) -> Option<String> {
    let options = parameter("options").map(settings).unwrap_or_default();
    let in_options = options.into_iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(NAME));
    in_options.map(|(_, value)| value).or_else(|| parameter(NAME).map(str::to_owned))
}

/// `-c name=value`, `-cname=value` and `--name=value`; a backslash stands before blanks of a value.
fn settings(options: &str) -> Vec<(String, String)> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut rest = options.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' => word.extend(rest.next()),
            blank if blank.is_whitespace() => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut all = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        if let Some((name, value)) = setting.as_deref().and_then(|setting| setting.split_once('=')) {
            all.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    all
}

/// How long a client wants to wait, if it has said so.
pub(super) fn own_timeout<C: ClientInfo + ?Sized>(client: &C) -> Option<Duration> {
    Some(Own::of(client).now).filter(|now| *now > 0).map(Duration::from_millis)
}

/// Keeps a value, or the one of the connection's beginning; `is_local` until the transaction ends.
pub(super) fn keep<C: ClientInfo + ?Sized>(client: &C, milliseconds: Option<u64>, is_local: bool) {
    let now = milliseconds.unwrap_or_else(|| at_start(client));
    let own = match (client.transaction_status(), is_local) {
        // of no transaction nothing is left at its end
        (TransactionStatus::Idle, true) => return,
        (TransactionStatus::Idle, false) => Own::all(now),
        (_, true) => Own { now, ..Own::of(client) },
        (_, false) => Own { now, after_commit: now, ..Own::of(client) },
    };
    client.session_extensions().insert(own);
}

/// A transaction ends.
pub(super) fn end<C: ClientInfo + ?Sized>(client: &C, is_committed: bool) {
    // one that has failed is rolled back
    let is_committed = is_committed && client.transaction_status() != TransactionStatus::Error;
    let own = Own::of(client);
    client.session_extensions().insert(Own::all(if is_committed {
        own.after_commit
    } else {
        own.after_rollback
    }));
}

/// The milliseconds of a value; `None` within for `DEFAULT`.
pub(super) fn parse(values: &[Expr]) -> Option<Option<u64>> {
    let [value] = values else { return None };
    let text = value.to_string();
    let text = text.trim_matches(['\'', '"']);
    if text.trim().eq_ignore_ascii_case("default") {
        return Some(None);
    }
    read(text).map(Some)
}

/// The milliseconds of a length of time.
pub(super) fn read(text: &str) -> Option<u64> {
    let text = text.trim();
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
            ("2000", Some(Some(2_000))),
            ("'2000'", Some(Some(2_000))),
            ("'2s'", Some(Some(2_000))),
            ("'2 s'", Some(Some(2_000))),
            ("'250ms'", Some(Some(250))),
            ("'1.5min'", Some(Some(90_000))),
            ("'1h'", Some(Some(3_600_000))),
            ("0", Some(Some(0))),
            ("DEFAULT", Some(None)),
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

    #[test]
    fn a_client_may_say_it_when_it_connects() {
        for (options, alone, expected) in [
            (Some("-c statement_timeout=5s"), None, Some("5s")),
            (Some("-cstatement_timeout=5s --search_path=x"), None, Some("5s")),
            (Some("--statement-timeout=1\\ min -c geqo=off"), None, Some("1 min")),
            (Some("-c statement_timeout=1 -c Statement_Timeout=2"), Some("3"), Some("2")),
            (Some("-c search_path=x"), Some("3"), Some("3")),
            (Some("-c"), None, None),
            (None, None, None),
        ] {
            let found = said(|name| match name {
                "options" => options,
                _ => alone,
            });
            assert_eq!(found.as_deref(), expected, "{options:?}");
        }
    }
}
