//! Azure Key Vault audit events: every request to a vault and to the secrets, keys and certificates in it.
//!
//! In: one record of the category `AuditEvent` of a vault or managed HSM, as a diagnostic setting writes
//! it to an event hub or storage account; or a row of Log Analytics, in the vault's own table
//! (`AZKVAuditLogs`) or in that of all resources (`AzureDiagnostics`), where names end in their type
//! (`id_s`, `httpStatusCode_d`). Out: canonical columns.
//!
//! ```text
//! SecretGet, id https://kv-prod.vault.azure.net/secrets/db-password/4c39bacace9a49b2bd542ce61bd6f312
//!     → read of https://kv-prod.vault.azure.net/secrets/db-password, a secret
//! ```
//!
//! `resultType` says `Success` also of what was refused; the status of HTTP does not. A client without a
//! token is answered 401 to tell it where to get one (`Authentication`): no outcome, for every client
//! begins so.
//!
//! Format: Azure Key Vault documentation, "Azure Key Vault logging" and "Monitoring Azure Key Vault data
//! reference"; table reference, "AZKVAuditLogs".

mod operation;
mod target;

use super::azure::{claims, resource};
use super::derive::{address, address_kind, address_network, first, first_lower, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "azure.keyvault",
    description: "Azure Key Vault audit events: requests to vaults, secrets, keys and certificates",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("keyvault"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: &[],
    recognised_by: &[
        "category",
        "operationName",
        "Type | $table",
        "resourceId",
        "_ResourceId",
        "ResourceProvider",
        "properties.requestUri",
        "properties.id",
        "HttpStatusCode | RequestUri | Identity",
    ],
    recognise,
    unfold: &[
        "identity",
        "properties",
        "VaultProperties",
        "NetworkAcls",
        "KeyProperties",
        "SecretProperties",
        "CertificateProperties",
    ],
    time_paths: &["time", "TimeGenerated", "TimeGenerated [UTC]"],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

const UPN: &str = "identity.claim.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";

const OBJECT_ID: &str = "identity.claim.http://schemas.microsoft.com/identity/claims/objectidentifier";

/// Names of rules, and where the values stand in rows of Log Analytics. A column of `AzureDiagnostics`
/// has underscores in place of every sign, and the letter of its type.
const ALIASES: &[(&str, &str)] = &[
    ("time", "TimeGenerated"),
    ("resourceId", "_ResourceId"),
    ("identity.claim.upn", UPN),
    ("identity.claim.upn", "identity_claim_upn_s"),
    ("identity.claim.upn", "identity_claim_http_schemas_xmlsoap_org_ws_2005_05_identity_claims_upn_s"),
    ("identity.claim.oid", OBJECT_ID),
    ("identity.claim.oid", "identity_claim_oid_g"),
    ("identity.claim.oid", "identity_claim_http_schemas_microsoft_com_identity_claims_objectidentifier_g"),
    ("identity.claim.appid", "identity_claim_appid_g"),
    ("identity.claim.idtyp", "identity_claim_idtyp_s"),
    ("identity.claim.amr", "identity_claim_amr_s"),
    ("properties.id", "id_s"),
    ("properties.requestUri", "requestUri_s"),
    ("properties.clientInfo", "clientInfo_s"),
    ("properties.httpStatusCode", "httpStatusCode_d"),
    ("properties.*", "*"),
];

/// An event of an audit is a vault's if the resource is one, or the address that was asked.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let Some(category) = inputs.string(0) else {
        return inputs.string(1).is_some() && is_row(inputs);
    };
    category.eq_ignore_ascii_case("AuditEvent") && inputs.string(1).is_some() && is_of_vault(inputs)
}

/// A row of the vault's own table, which has no category.
fn is_row(inputs: &Inputs<'_>) -> bool {
    match inputs.string(2) {
        Some(table) => table == "AZKVAuditLogs",
        None => {
            let id = inputs.string(4).unwrap_or_default();
            inputs.has(8) && contains(&id, "/providers/microsoft.keyvault/")
        }
    }
}

fn is_of_vault(inputs: &Inputs<'_>) -> bool {
    let is_vaults = |input: usize| inputs.string(input).is_some_and(|id| contains(&id, "microsoft.keyvault"));
    let asks_vault = |input: usize| {
        let hosts = [".vault.", ".vaultcore.", ".managedhsm."];
        inputs.string(input).is_some_and(|uri| hosts.iter().any(|host| contains(&uri, host)))
    };
    let other = [3, 4, 5].into_iter().any(|input| inputs.string(input).is_some());
    if other { [3, 4, 5].into_iter().any(is_vaults) } else { [6, 7].into_iter().any(asks_vault) }
}

fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(part)
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation {
        column: "principal",
        inputs: &[UPN, "identity.claim.upn", OBJECT_ID, "identity.claim.oid", "identity.claim.appid"],
        derive: |inputs| text(claims::first(inputs, 0..5)?),
    },
    Derivation { column: "principal_type", inputs: &["identity.claim.idtyp"], derive: first },
    Derivation {
        column: "mfa",
        inputs: &[
            "identity.claim.amr",
            "identity.claim.http://schemas.microsoft.com/claims/authnmethodsreferences",
        ],
        derive: claims::mfa,
    },
    Derivation { column: "src_ip", inputs: &["callerIpAddress"], derive: address },
    Derivation { column: "src_ip_kind", inputs: &["callerIpAddress"], derive: address_kind },
    Derivation { column: "src_net", inputs: &["callerIpAddress"], derive: address_network },
    Derivation { column: "user_agent", inputs: &["properties.clientInfo"], derive: first },
    Derivation {
        column: "account",
        inputs: &["resourceId", "_ResourceId", "SubscriptionId", "_SubscriptionId"],
        derive: resource::account,
    },
    Derivation { column: "service", inputs: &[], derive: |_| text("keyvault") },
    Derivation { column: "action", inputs: &["operationName"], derive: first },
    Derivation { column: "action_kind", inputs: &["operationName"], derive: operation::kind },
    Derivation { column: "outcome", inputs: operation::STATUS_INPUTS, derive: operation::outcome },
    Derivation { column: "error_code", inputs: operation::STATUS_INPUTS, derive: operation::error_code },
    Derivation {
        column: "error_message",
        inputs: operation::STATUS_INPUTS,
        derive: operation::error_message,
    },
    Derivation { column: "target", inputs: target::INPUTS, derive: target::target },
    Derivation { column: "target_type", inputs: target::INPUTS, derive: target::target_type },
    Derivation { column: "correlation_uid", inputs: &["correlationId"], derive: first_lower },
];

#[cfg(test)]
mod tests;
