//! Azure Storage resource logs: every request to blobs, files, queues and tables.
//!
//! In: one record of the categories `StorageRead`, `StorageWrite` and `StorageDelete`, as a diagnostic
//! setting writes it to an event hub or storage account, or a row of `StorageBlobLogs` and its kin, where
//! what stands below `identity` and `properties` has columns of its own. Out: canonical columns.
//!
//! ```text
//! category StorageRead, operationName GetBlob, uri https://acct.blob.core.windows.net:443/c/f?sv=…&sig=…
//!     → object_read of https://acct.blob.core.windows.net/c/f in https://acct.blob.core.windows.net/c
//! ```
//!
//! A request with an account key, a shared access signature or nothing has no user. There the way in
//! stands for one, `sas@<account>`, so that such requests can be counted; the hash of key and signature
//! is the credential. A signature itself never gets into a column.
//!
//! Format: Azure Storage documentation, "Azure Blob Storage monitoring data reference" (and those of
//! files, queues and tables), "Storage Analytics logged operations and status messages"; table
//! reference, "StorageBlobLogs".

mod request;
mod target;
mod who;

use super::azure::resource;
use super::derive::{address, address_kind, address_network, first, first_lower, number, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "azure.storage",
    description: "Azure Storage resource logs: reads, writes and deletions of blobs, files, queues, tables",
    logsources: &[
        Logsource { product: Some("azure"), service: Some("storage"), category: None, canonical_only: false },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: &[],
    recognised_by: &["category", "operationName"],
    recognise: |inputs| {
        let of_storage = |category: &str| CATEGORIES.iter().any(|name| name.eq_ignore_ascii_case(category));
        inputs.string(0).is_some_and(|category| of_storage(&category)) && inputs.string(1).is_some()
    },
    unfold: &["identity", "properties", "AuthorizationDetails"],
    time_paths: &["time", "TimeGenerated", "TimeGenerated [UTC]"],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

const CATEGORIES: &[&str] = &["StorageRead", "StorageWrite", "StorageDelete"];

/// Names of rules, and where the values stand in rows of Log Analytics.
const ALIASES: &[(&str, &str)] = &[
    ("time", "TimeGenerated"),
    ("resourceId", "_ResourceId"),
    ("identity.type", "AuthenticationType"),
    ("identity.tokenHash", "AuthenticationHash"),
    ("identity.authorization", "AuthorizationDetails"),
    ("identity.requester.appId", "RequesterAppId"),
    ("identity.requester.audience", "RequesterAudience"),
    ("identity.requester.objectId", "RequesterObjectId"),
    ("identity.requester.tenantId", "RequesterTenantId"),
    ("identity.requester.tokenIssuer", "RequesterTokenIssuer"),
    ("identity.requester.upn", "RequesterUpn"),
    ("AuthenticationType", "identity.type"),
    ("AuthenticationHash", "identity.tokenHash"),
    ("RequesterAppId", "identity.requester.appId"),
    ("RequesterObjectId", "identity.requester.objectId"),
    ("RequesterTenantId", "identity.requester.tenantId"),
    ("RequesterUpn", "identity.requester.upn"),
    ("properties.*", "*"),
    ("AccountName", "properties.accountName"),
    ("ObjectKey", "properties.objectKey"),
    ("ServiceType", "properties.serviceType"),
    ("UserAgentHeader", "properties.userAgentHeader"),
    ("RequestBodySize", "properties.requestBodySize"),
    ("ResponseBodySize", "properties.responseBodySize"),
    ("TlsVersion", "properties.tlsVersion"),
];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: who::PRINCIPAL_INPUTS, derive: who::principal },
    Derivation { column: "principal_type", inputs: who::WAY_INPUTS, derive: who::principal_type },
    Derivation { column: "credential_id", inputs: &["identity.tokenHash"], derive: first },
    Derivation { column: "credential_kind", inputs: who::WAY_INPUTS, derive: who::credential_kind },
    Derivation { column: "src_ip", inputs: &["callerIpAddress"], derive: address },
    Derivation { column: "src_ip_kind", inputs: &["callerIpAddress"], derive: address_kind },
    Derivation { column: "src_net", inputs: &["callerIpAddress"], derive: address_network },
    Derivation { column: "user_agent", inputs: &["properties.userAgentHeader"], derive: request::unquoted },
    Derivation { column: "region", inputs: &["location"], derive: first },
    Derivation {
        column: "account",
        inputs: &["resourceId", "_ResourceId", "_SubscriptionId"],
        derive: resource::account,
    },
    Derivation { column: "service", inputs: &[], derive: |_| text("storage") },
    Derivation { column: "action", inputs: &["operationName"], derive: first },
    Derivation { column: "action_kind", inputs: &["operationName", "category"], derive: request::kind },
    Derivation { column: "outcome", inputs: request::STATUS_INPUTS, derive: request::outcome },
    Derivation { column: "error_code", inputs: request::STATUS_INPUTS, derive: request::error_code },
    Derivation { column: "target", inputs: target::INPUTS, derive: target::target },
    Derivation { column: "target_type", inputs: target::INPUTS, derive: target::target_type },
    Derivation { column: "target_container", inputs: target::INPUTS, derive: target::container },
    Derivation { column: "correlation_uid", inputs: &["correlationId"], derive: first_lower },
    Derivation { column: "bytes_out", inputs: &["properties.responseBodySize"], derive: number },
    Derivation { column: "bytes_in", inputs: &["properties.requestBodySize"], derive: number },
];

#[cfg(test)]
mod tests;
