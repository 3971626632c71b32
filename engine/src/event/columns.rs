//! The canonical columns: flat, short, the same for every cloud.
//!
//! In: nothing. Out: [`COLUMNS`], the one list of their names, types, OCSF names and meanings.
//! Sources derive them, alerts carry them, correlations across clouds group by them, and the
//! reference page is printed from here. OCSF names follow OCSF 1.8.0.

use serde::{Serialize, Serializer};

/// What a canonical column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// Several texts.
    List,
}

/// One canonical column.
#[derive(Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as rules and SQL write it.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Its OCSF attribute; empty where OCSF has none.
    pub ocsf: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Filled from a lookup table, where the log itself does not say it.
    pub from_table: bool,
}

/// The value of a canonical column for one event.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValue {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Several texts.
    List(Vec<String>),
}

impl Serialize for ColumnValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

impl ColumnValue {
    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Int(n) => (*n).into(),
            Self::Float(n) => (*n).into(),
            Self::Bool(b) => (*b).into(),
            Self::List(list) => list.clone().into(),
        }
    }
}

const fn col(name: &'static str, kind: ColumnKind, ocsf: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, ocsf, meaning, from_table: false }
}

const fn table(name: &'static str, kind: ColumnKind, ocsf: &'static str, meaning: &'static str) -> Column {
    Column { from_table: true, ..col(name, kind, ocsf, meaning) }
}

use ColumnKind::{Bool, Float, Int, List, Text};

/// Every canonical column, in the order in which an alert shows them.
pub static COLUMNS: &[Column] = &[
    col(
        "provider",
        Text,
        "cloud.provider",
        "cloud provider: aws, azure, gcp; for models of others their vendor",
    ),
    col(
        "principal",
        Text,
        "actor.user.uid",
        "who acted: for an assumed role, the role and never the session",
    ),
    col("principal_type", Text, "actor.user.type_id", "kind of principal, in the provider's words"),
    col("principal_name", Text, "actor.user.name", "the principal's short name"),
    col("session_name", Text, "actor.session.uid_alt", "name of the role session (i-… for an EC2 instance)"),
    col("session_id", Text, "actor.session.uid", "temporary credential or session identifier"),
    col(
        "credential_id",
        Text,
        "actor.user.programmatic_credentials[].uid",
        "credential that signed the call",
    ),
    col(
        "credential_kind",
        Text,
        "actor.user.programmatic_credentials[].type_id",
        "long_lived, temporary, bearer_api_key, service_key",
    ),
    col("mfa", Bool, "is_mfa", "whether a second factor was used; absent where the log does not say"),
    col("invoked_by", Text, "actor.invoked_by", "service or delegate that acted for the principal"),
    col("src_ip", Text, "src_endpoint.ip", "source address as logged (may be a service name or masked)"),
    col("src_ip_kind", Text, "", "public, private, aws_service, internal, masked, invalid"),
    col("src_net", Text, "", "/24 (IPv4) or /48 (IPv6) network of src_ip"),
    table(
        "src_asn",
        Int,
        "src_endpoint.autonomous_system.number",
        "autonomous system of src_ip (lookup table)",
    ),
    table("src_country", Text, "src_endpoint.location.country", "country of src_ip (native or lookup table)"),
    table("src_lat", Float, "src_endpoint.location.lat", "latitude of src_ip (native or lookup table)"),
    table("src_lon", Float, "src_endpoint.location.long", "longitude of src_ip (native or lookup table)"),
    table("src_is_cloud", Bool, "", "src_ip belongs to a cloud provider (lookup table)"),
    table("src_tags", List, "", "operator's tags of src_ip: tor, vpn, proxy (lookup table)"),
    col("user_agent", Text, "http_request.user_agent", "client's own word for itself; attacker-controlled"),
    col("region", Text, "cloud.region", "region or location"),
    col("account", Text, "cloud.account.uid", "account, subscription or project"),
    col("org", Text, "cloud.org.uid", "organisation or tenant"),
    col("service", Text, "api.service.name", "service called"),
    col("action", Text, "api.operation", "operation called, in the provider's words"),
    col("action_kind", Text, "activity_id", "ai_invoke, ai_usage, object_read, auth, read or write"),
    col("outcome", Text, "status_id", "success or failure"),
    col("error_code", Text, "status_code", "error code; absent on success"),
    col("error_message", Text, "status_detail", "error message; absent on success"),
    col("target", Text, "resources[0].uid", "what was acted on"),
    col(
        "target_type",
        Text,
        "resources[0].type",
        "kind of target: bucket, object, secret, role, user, key, snapshot, image, model, …",
    ),
    col(
        "target_container",
        Text,
        "databucket.name",
        "container of an object: s3://bucket, gs://bucket, container URI",
    ),
    col("target_user", Text, "user.name", "user or role acted on"),
    col("passed_role", Text, "resources[].role", "role handed to a service"),
    col(
        "grants",
        List,
        "privileges[]",
        "what a policy change grants: ADD|<principal>|<action>, SET|… where a whole policy is replaced, REMOVE|… where it is taken away",
    ),
    col("grants_public", Bool, "", "a grant is to everyone"),
    col(
        "grants_external",
        Bool,
        "",
        "a grant is to a principal outside the account's trusted circle, or to everyone",
    ),
    col("event_uid", Text, "metadata.uid", "the event's natural id"),
    col("correlation_uid", Text, "metadata.correlation_uid", "request id that joins logs of one call"),
    col("k8s_namespace", Text, "resources[0].namespace", "Kubernetes namespace"),
    col("bytes_out", Float, "", "bytes that left"),
    col("bytes_in", Float, "", "bytes that came in"),
    col("model", Text, "ai_model.name", "model or deployment invoked"),
    col("tokens_in", Int, "message_context.prompt_tokens", "tokens of the prompt"),
    col("tokens_out", Int, "message_context.completion_tokens", "tokens of the completion"),
    col("tokens_total", Int, "message_context.total_tokens", "tokens of the call"),
    col(
        "prompt_hash",
        Text,
        "",
        "64-bit BLAKE3 of the last user message, lower-cased, white space collapsed",
    ),
    col("prompt_prefix_hash", Text, "", "the same on its first 48 characters"),
    col("prompt_len", Int, "", "characters of the last user message"),
    col("req_logprobs", Bool, "", "the request asked for log-probabilities"),
];

/// The canonical column of that name, in any case.
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        for (i, column) in COLUMNS.iter().enumerate() {
            assert_eq!(column.name, column.name.to_lowercase());
            assert!(COLUMNS[..i].iter().all(|other| other.name != column.name), "{} twice", column.name);
        }
    }

    #[test]
    fn a_column_is_found_in_any_case() {
        assert_eq!(column("Src_IP").map(|c| c.name), Some("src_ip"));
        assert_eq!(column("eventName"), None);
    }
}
