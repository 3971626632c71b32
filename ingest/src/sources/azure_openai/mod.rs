//! Azure OpenAI and other Cognitive Services: diagnostic logs of an account.
//!
//! In: one record of a category below, in either form. Its time is `time` or `TimeGenerated`. Nothing
//! in it proves it (`correlationId` is one for all records of a request), so that a hash of the record
//! does. Out: canonical columns, each from a table below or from the file that is named for its
//! subject.
//!
//! | category | what it is |
//! |---|---|
//! | `RequestResponse` | a call: operation, status, model, lengths in bytes; no prompt, and only sometimes tokens |
//! | `AzureOpenAIRequestUsage` | the tokens of a call |
//! | `Audit` | a call of the management plane that reaches into the account (`ListKey`): object id, no address |
//! | `Trace`, `ManagedNetworkEvent` | no calls |
//!
//! | form | properties |
//! |---|---|
//! | resource log (event hub, storage) | `properties`: an object, or a string that holds one |
//! | row of `AzureDiagnostics` in Log Analytics | `properties_s`, a string; `location_s`, `event_s`, `Tenant_s` |
//!
//! The caller's address has its last octet masked: `src_net` is exact all the same.
//!
//! Format: Azure Monitor, "Supported logs for Microsoft.CognitiveServices/accounts" and
//! "AzureDiagnostics"; Azure OpenAI, "Monitoring data reference". The keys of `properties` are not
//! documented: they are those of records as they arrive.

mod action;
mod identity;
mod usage;

use super::azure::{resource, status};
use super::derive::{address, address_kind, address_network, first, first_lower, number, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "azure.openai",
    description: "Azure OpenAI and Cognitive Services: diagnostic logs of calls, usage and key access",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("cognitiveservices"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: &[],
    recognised_by: &["category", "resourceId | _ResourceId", "ResourceProvider"],
    recognise,
    unfold: &["properties", "properties_s"],
    time_paths: &["time", "TimeGenerated", "TimeGenerated [UTC]"],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// Names differ in case only, but for properties and for what Log Analytics gives a suffix. Properties
/// that were an object may stand in columns of their own there.
const ALIASES: &[(&str, &str)] = &[
    ("resourceId", "_ResourceId"),
    ("location", "location_s"),
    ("event", "event_s"),
    ("Tenant", "Tenant_s"),
    ("properties.objectId", "objectId_g"),
    ("properties.objectId", "objectId_s"),
    ("properties.*", "properties_s.*"),
    ("properties.*", "*"),
    ("properties_s.*", "properties.*"),
    ("*", "properties.*"),
    ("*", "properties_s.*"),
];

/// Categories of the provider's diagnostic logs. Its entries in the activity log have others.
const CATEGORIES: &[&str] =
    &["RequestResponse", "AzureOpenAIRequestUsage", "Audit", "Trace", "ManagedNetworkEvent"];

fn recognise(inputs: &Inputs<'_>) -> bool {
    let category = inputs.string(0).unwrap_or_default();
    let named =
        || inputs.string(2).is_some_and(|name| name.eq_ignore_ascii_case("Microsoft.CognitiveServices"));
    let of_provider =
        || inputs.string(1).is_some_and(|id| resource::is_of(&id, "microsoft.cognitiveservices"));
    CATEGORIES.iter().any(|known| known.eq_ignore_ascii_case(&category)) && (of_provider() || named())
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::INPUTS, derive: identity::principal_type },
    Derivation { column: "credential_id", inputs: identity::INPUTS, derive: identity::principal },
    Derivation { column: "credential_kind", inputs: identity::INPUTS, derive: identity::credential_kind },
    Derivation { column: "src_ip", inputs: &["callerIpAddress"], derive: address },
    Derivation { column: "src_ip_kind", inputs: &["callerIpAddress"], derive: address_kind },
    Derivation { column: "src_net", inputs: &["callerIpAddress"], derive: address_network },
    Derivation { column: "region", inputs: &["location"], derive: first },
    Derivation { column: "account", inputs: resource::ID, derive: resource::account },
    Derivation { column: "service", inputs: &[], derive: |_| text("azure_openai") },
    Derivation { column: "action", inputs: &["operationName"], derive: first },
    Derivation { column: "action_kind", inputs: action::KIND_INPUTS, derive: action::kind },
    Derivation { column: "outcome", inputs: action::OUTCOME_INPUTS, derive: action::outcome },
    Derivation { column: "error_code", inputs: action::OUTCOME_INPUTS, derive: action::error_code },
    Derivation { column: "target", inputs: resource::ID, derive: resource::target },
    Derivation {
        column: "target_type",
        inputs: resource::ID,
        derive: |inputs| resource::first(inputs).and_then(|_| text("ai_account")),
    },
    Derivation { column: "correlation_uid", inputs: &["correlationId"], derive: first_lower },
    Derivation { column: "bytes_out", inputs: &["properties.responseLength"], derive: number },
    Derivation { column: "bytes_in", inputs: &["properties.requestLength"], derive: number },
    // the deployment is what callers name and what quotas and keys are given for
    Derivation {
        column: "model",
        inputs: &["properties.modelDeploymentName", "properties.modelName"],
        derive: first,
    },
    Derivation { column: "tokens_in", inputs: usage::IN, derive: usage::first },
    Derivation { column: "tokens_out", inputs: usage::OUT, derive: usage::first },
    Derivation { column: "tokens_total", inputs: usage::TOTAL, derive: usage::total },
];

#[cfg(test)]
mod tests;
