//! Google Cloud Audit Logs: admin activity, data access, system event and policy denied.
//!
//! In: one `LogEntry` whose `protoPayload` is an `AuditLog`: as a sink writes it to Cloud Storage, out
//! of a Pub/Sub message or of `entries:list`, as a lake has renamed it (`logname`, `at_sign_type`), or
//! as a row of the BigQuery table of a log sink (`protopayload_auditlog`, whose open-ended parts are
//! JSON in strings and are unfolded). Its time is `timestamp`; `logName`, `timestamp` and `insertId`
//! together prove it. Out: canonical columns, each from a table below or from the file that is named
//! for its subject.
//!
//! The audit entries of GKE (`k8s.io`), of Google Workspace and of Cloud Identity (`admin` and
//! `login.googleapis.com`) are `AuditLog`s as any other and belong here. Entries of other logs are no
//! audit entries, nor is Access Transparency, which has a `jsonPayload`.
//!
//! Format: Cloud Logging, "LogEntry" and "Understanding audit logs"; Cloud Audit Logs API reference,
//! "AuditLog" (authenticationInfo, authorizationInfo, requestMetadata); Cloud Logging, "BigQuery schema
//! for exported logs" for the rows of a sink.

mod action;
mod aliases;
mod grants;
mod identity;
mod place;
mod target;

use super::derive::{address, address_kind, address_network, first, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "gcp.audit",
    description: "Google Cloud Audit Logs: admin activity, data access, system event and policy denied",
    logsources: &[
        Logsource { product: Some("gcp"), service: Some("gcp.audit"), category: None, canonical_only: false },
        CLOUD_NORMALIZED,
    ],
    aliases: aliases::ALIASES,
    computed: &[],
    recognised_by: &[
        "protoPayload",
        "protoPayload.@type | protoPayload.at_sign_type",
        "logName",
        "protoPayload.methodName",
        "protoPayload.authorizationInfo",
        "protopayload_auditlog",
    ],
    recognise,
    unfold: &[
        "protopayload_auditlog.requestJson",
        "protopayload_auditlog.responseJson",
        "protopayload_auditlog.metadataJson",
    ],
    time_paths: &[
        "timestamp",
        "protoPayload.requestMetadata.requestAttributes.time",
        "receiveTimestamp",
        "@timestamp",
    ],
    identity: Identity { natural: &[&["logName", "timestamp", "insertId"]], otherwise: Otherwise::Locator },
    derivations: DERIVATIONS,
};

/// What a log of audit entries is called in `logName`.
const AUDIT_LOGS: &str = "cloudaudit.googleapis.com";

/// The payload's type decides; where a lake has dropped it, the log's name; where that is gone too,
/// what only an audit entry has.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let object = |input: usize| inputs.text(input).is_some_and(|text| text.starts_with('{'));
    if object(5) {
        return true;
    }
    if !object(0) {
        return false;
    }
    if let Some(kind) = inputs.string(1) {
        return kind.ends_with("google.cloud.audit.AuditLog");
    }
    match inputs.string(2) {
        Some(log) => log.contains(AUDIT_LOGS),
        None => inputs.string(3).is_some() || inputs.has(4),
    }
}

const CALLER_IP: &[&str] = &["protoPayload.requestMetadata.callerIp"];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("gcp") },
    Derivation { column: "principal", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::INPUTS, derive: identity::principal_type },
    Derivation { column: "principal_name", inputs: identity::INPUTS, derive: identity::principal_name },
    Derivation { column: "credential_id", inputs: identity::INPUTS, derive: identity::credential_id },
    Derivation { column: "credential_kind", inputs: identity::INPUTS, derive: identity::credential_kind },
    Derivation { column: "invoked_by", inputs: identity::DELEGATION_INPUTS, derive: identity::invoked_by },
    Derivation { column: "src_ip", inputs: CALLER_IP, derive: address },
    Derivation { column: "src_ip_kind", inputs: CALLER_IP, derive: address_kind },
    Derivation { column: "src_net", inputs: CALLER_IP, derive: address_network },
    Derivation {
        column: "user_agent",
        inputs: &["protoPayload.requestMetadata.callerSuppliedUserAgent"],
        derive: first,
    },
    Derivation { column: "region", inputs: place::REGION_INPUTS, derive: place::region },
    Derivation { column: "account", inputs: place::ACCOUNT_INPUTS, derive: place::account },
    Derivation { column: "org", inputs: place::ORG_INPUTS, derive: place::org },
    Derivation { column: "service", inputs: &["protoPayload.serviceName"], derive: action::service },
    Derivation { column: "action", inputs: &["protoPayload.methodName"], derive: first },
    Derivation { column: "action_kind", inputs: action::KIND_INPUTS, derive: action::kind },
    Derivation { column: "outcome", inputs: action::OUTCOME_INPUTS, derive: action::outcome },
    Derivation { column: "error_code", inputs: action::OUTCOME_INPUTS, derive: action::error_code },
    Derivation { column: "error_message", inputs: action::OUTCOME_INPUTS, derive: action::error_message },
    Derivation { column: "target", inputs: target::NAME_INPUTS, derive: first },
    Derivation { column: "target_type", inputs: target::TYPE_INPUTS, derive: target::target_type },
    Derivation { column: "target_container", inputs: target::TYPE_INPUTS, derive: target::container },
    Derivation { column: "target_user", inputs: target::USER_INPUTS, derive: target::user },
    Derivation { column: "passed_role", inputs: target::PASSED_ROLE_INPUTS, derive: target::passed_role },
    Derivation { column: "grants", inputs: grants::INPUTS, derive: grants::grants },
    Derivation { column: "grants_public", inputs: grants::INPUTS, derive: grants::public },
    Derivation { column: "grants_external", inputs: grants::INPUTS, derive: grants::external },
    Derivation { column: "correlation_uid", inputs: &["operation.id"], derive: first },
    Derivation { column: "k8s_namespace", inputs: target::TYPE_INPUTS, derive: target::k8s_namespace },
    Derivation { column: "model", inputs: target::MODEL_INPUTS, derive: target::model },
];

#[cfg(test)]
mod tests;
