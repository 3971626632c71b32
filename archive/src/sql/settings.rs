//! Settings of a connection: what SHOW says of them, and which a client may SET.
//!
//! In: `SHOW name`, `SHOW ALL`. Out: the value that holds for the client. One that there is not is an error, as it is of
//! PostgreSQL: an empty text would be taken for its value.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::common::{ParamValues, ToDFSchema as _};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{Ident, Statement};
use datafusion_postgres::QueryHook;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::pgwire::api::results::{
    DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response,
};
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::{ErrorInfo, PgWireError, PgWireResult};

use super::timeout;

/// What is said to a client that asks for a setting and has not set it; the version is that of the protocol's greeting.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("DateStyle", "ISO, YMD"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", "16.6"),
    ("server_version_num", "160006"),
    ("ssl", "off"),
    ("standard_conforming_strings", "on"),
    (timeout::NAME, "0"),
    ("TimeZone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Those that a client may set, and that are shown as it has set them.
const KEPT: &[&str] =
    &["application_name", "bytea_output", "datestyle", "extra_float_digits", "intervalstyle", "search_path"];

/// Those that a client may set because they would change no answer here.
const IDLE: &[&str] = &[
    "client_encoding",
    "client_min_messages",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "jit",
    "lock_timeout",
    "row_security",
    "standard_conforming_strings",
];

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is kept for the connection.
    Kept,
    /// It is of no effect.
    Idle,
}

/// Whether a client may set something to a value.
pub(super) fn kind(name: &str, value: &str) -> Option<Kind> {
    let is_in = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    // times are in UTC, and in no other zone
    let is_of_utc =
        |value: &str| ["utc", "etc/utc", "gmt", "z", "0", "default"].contains(&value.to_lowercase().as_str());
    match name {
        _ if is_in(KEPT) => Some(Kind::Kept),
        _ if is_in(IDLE) => Some(Kind::Idle),
        _ if name.eq_ignore_ascii_case("timezone") && is_of_utc(value) => Some(Kind::Idle),
        _ => None,
    }
}

/// A setting by its name, whatever its case: as it is called, and its value for a client that has not set it.
pub(super) fn known(name: &str) -> Option<(&'static str, &'static str)> {
    SETTINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).copied()
}

/// Answers SHOW.
#[derive(Debug)]
pub(super) struct Shown;

/// What is shown: one setting, or all.
enum Wanted {
    One(&'static str),
    All,
}

impl Wanted {
    fn of(statement: &Statement) -> Option<PgWireResult<Self>> {
        let Statement::ShowVariable { variable } = statement else { return None };
        Some(Self::named(variable))
    }

    fn named(words: &[Ident]) -> PgWireResult<Self> {
        let words: Vec<String> = words.iter().map(|word| word.value.to_lowercase()).collect();
        let name = match words.join(" ").as_str() {
            "all" => return Ok(Self::All),
            "time zone" => "TimeZone".to_owned(),
            "transaction isolation level" => "transaction_isolation".to_owned(),
            other => other.to_owned(),
        };
        match known(&name) {
            Some((name, _)) => Ok(Self::One(name)),
            None => {
                let words = format!("there is no setting `{name}`");
                Err(PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), "42704".into(), words))))
            }
        }
    }

    fn columns(&self) -> Vec<&'static str> {
        match self {
            Self::One(name) => vec![name],
            Self::All => vec!["name", "setting", "description"],
        }
    }

    fn rows(&self, client: &dyn ClientInfo) -> Vec<Vec<String>> {
        match self {
            Self::One(name) => vec![vec![value(name, client)]],
            Self::All => {
                let row =
                    |(name, _): &(&str, &str)| vec![(*name).to_owned(), value(name, client), String::new()];
                SETTINGS.iter().map(row).collect()
            }
        }
    }

    fn answer(&self, client: &dyn ClientInfo) -> PgWireResult<Response> {
        let field = |name: &str| FieldInfo::new(name.to_owned(), None, None, Type::TEXT, FieldFormat::Text);
        let fields = Arc::new(self.columns().into_iter().map(field).collect::<Vec<_>>());
        let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
        let mut encoded = Vec::new();
        for row in self.rows(client) {
            for cell in row {
                encoder.encode_field(&Some(cell))?;
            }
            encoded.push(Ok(encoder.take_row()));
        }
        Ok(Response::Query(QueryResponse::new(fields, futures::stream::iter(encoded))))
    }

    fn plan(&self) -> PgWireResult<LogicalPlan> {
        let fields: Vec<Field> =
            self.columns().into_iter().map(|name| Field::new(name, DataType::Utf8, false)).collect();
        let failed = |error: DataFusionError| PgWireError::ApiError(Box::new(error));
        let schema = Schema::new(fields).to_dfschema_ref().map_err(failed)?;
        Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema }))
    }
}

fn value(name: &str, client: &dyn ClientInfo) -> String {
    if name == timeout::NAME {
        let own = timeout::own_timeout(client);
        return own.map_or_else(|| "0".to_owned(), |own| format!("{}ms", own.as_millis()));
    }
    let lower = name.to_lowercase();
    let set = client.metadata().get(&lower).filter(|_| KEPT.contains(&lower.as_str()));
    let default = known(name).map(|(_, value)| value).unwrap_or_default();
    set.map_or_else(|| default.to_owned(), Clone::clone)
}

#[async_trait]
impl QueryHook for Shown {
    async fn handle_simple_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        Wanted::of(statement).map(|wanted| wanted?.answer(&*client))
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        _: &SessionContext,
        _: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        Wanted::of(statement).map(|wanted| wanted?.plan())
    }

    async fn handle_extended_query(
        &self,
        statement: &Statement,
        _: &LogicalPlan,
        _: &ParamValues,
        _: &SessionContext,
        client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        Wanted::of(statement).map(|wanted| wanted?.answer(&*client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_set_what_changes_no_answer() {
        for (name, value, expected) in [
            ("application_name", "x", Some(Kind::Kept)),
            ("DateStyle", "ISO", Some(Kind::Kept)),
            ("jit", "off", Some(Kind::Idle)),
            ("TimeZone", "UTC", Some(Kind::Idle)),
            ("timezone", "Asia/Tokyo", None),
            ("datafusion.execution.batch_size", "1", None),
        ] {
            assert_eq!(kind(name, value), expected, "{name}");
        }
    }
}
