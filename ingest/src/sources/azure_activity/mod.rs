//! Azure Activity log: what Resource Manager was asked to do in subscriptions and management groups, and
//! what the platform reports of them.
//!
//! In: one record in any form that it is delivered in. Out: canonical columns, each from a table below
//! or from the file that is named for its subject.
//!
//! | form | operation | status | caller | time |
//! |---|---|---|---|---|
//! | event hub, storage account | `operationName` in capitals | `resultType` | claims | `time` |
//! | REST interface | `operationName.value` | `status.value` | `caller` | `eventTimestamp` |
//! | command line, libraries | `operation_name.value` | `status.value` | `caller` | `event_timestamp` |
//! | Log Analytics | `OperationNameValue` in capitals | `ActivityStatusValue` | `Caller` | `TimeGenerated` |
//! | Log Analytics until 2021 | `properties.message`; `OperationName` is a label | `ActivityStatus` | `Caller` | `TimeGenerated` |
//!
//! One operation leaves several records, of its start, its acceptance and its end, with one
//! `correlationId` and ids of their own. Only the last has an outcome; the request's body stands in the
//! first. `TenantId` is the tenant everywhere but in Log Analytics, where it is the workspace.
//!
//! Format: Azure Monitor documentation, "Azure Activity Log event schema" (with "Schema from storage
//! account and event hubs") and "AzureActivity" in the table reference.

mod grants;
mod identity;
mod operation;

use super::azure::{claims, resource};
use super::derive::{address, address_kind, address_network, first, first_lower, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "azure.activity",
    description: "Azure Activity log: operations of Azure Resource Manager and reports of the platform",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("activitylogs"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: COMPUTED,
    recognised_by: &[
        "Type | $table",
        "operationName.value | operation_name.value",
        "eventTimestamp | event_timestamp",
        "eventDataId | event_data_id | category.value",
        "OperationNameValue",
        "CategoryValue | ActivityStatusValue",
        "operationName",
        "ActivityStatus",
        "category",
        "resourceId",
    ],
    recognise,
    unfold: &[
        "identity",
        "identity.claims",
        "identity.authorization",
        "properties",
        "claims",
        "authorization",
        "httpRequest",
        "Properties_d",
        "Claims_d",
        "Authorization_d",
    ],
    time_paths: &[
        "eventTimestamp",
        "event_timestamp",
        "time",
        "TimeGenerated",
        "TimeGenerated [UTC]",
        // when it could be asked for, less than minutes later
        "submissionTimestamp",
        "submission_timestamp",
        "EventSubmissionTimestamp",
        "properties.eventSubmissionTimestamp",
    ],
    // not `properties.eventDataId`: in an alert it names the event that the alert is about
    identity: Identity { natural: &[&["eventDataId"], &["event_data_id"]], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// Names of rules, and where the values stand in the other forms, best first.
const ALIASES: &[(&str, &str)] = &[
    ("operationName", "OperationNameValue"),
    ("operationName", "operation_name"),
    ("OperationNameValue", "operationName.value"),
    ("OperationNameValue", "operation_name.value"),
    // before `operationName`, which in the old rows of Log Analytics is a label
    ("OperationNameValue", "properties.message"),
    ("OperationNameValue", "operationName"),
    ("category", "CategoryValue"),
    ("category", "category"),
    ("CategoryValue", "category.value"),
    ("CategoryValue", "category"),
    ("resourceId", "_ResourceId"),
    ("resourceId", "resource_id"),
    ("resourceId", "properties.entity"),
    ("resourceId", "authorization.scope"),
    ("_ResourceId", "resourceId"),
    ("_ResourceId", "resource_id"),
    ("ResourceProviderValue", "resourceProviderName.value"),
    ("ResourceProviderValue", "resource_provider_name.value"),
    ("ResourceProviderValue", "ResourceProvider"),
    ("ResourceProviderValue", "properties.resourceProviderValue"),
    ("ResourceProvider", "ResourceProviderValue"),
    ("resourceGroup", "resourceGroupName"),
    ("resourceGroup", "resource_group_name"),
    ("properties.message", "operationName.localizedValue"),
    ("properties.message", "operation_name.localized_value"),
    ("properties.message", "operationName"),
    ("properties.message", "OperationNameValue"),
    ("properties.*", "Properties_d.*"),
    ("properties.*", "properties.eventProperties.*"),
    ("identity.claims.*", "claims.*"),
    ("identity.claims.*", "Claims_d.*"),
    ("claims.*", "identity.claims.*"),
    ("claims.*", "Claims_d.*"),
    ("identity.authorization.*", "authorization.*"),
    ("identity.authorization.*", "Authorization_d.*"),
    ("authorization.*", "identity.authorization.*"),
    ("authorization.*", "Authorization_d.*"),
    ("resultType", "ActivityStatusValue"),
    ("resultType", "status.value"),
    ("resultType", "ActivityStatus"),
    ("resultType", "status"),
    ("ActivityStatusValue", "resultType"),
    ("ActivityStatusValue", "status.value"),
    ("ActivityStatusValue", "ActivityStatus"),
    ("ActivityStatusValue", "status"),
    ("resultSignature", "ActivitySubstatusValue"),
    ("resultSignature", "subStatus.value"),
    ("resultSignature", "sub_status.value"),
    ("resultSignature", "ActivitySubstatus"),
    ("ActivitySubstatusValue", "resultSignature"),
    ("ActivitySubstatusValue", "subStatus.value"),
    ("ActivitySubstatusValue", "sub_status.value"),
    ("ActivitySubstatusValue", "ActivitySubstatus"),
    ("caller", identity::UPN),
    ("caller", identity::NAME),
    ("callerIpAddress", "httpRequest.clientIpAddress"),
    ("callerIpAddress", "http_request.client_ip_address"),
    ("correlationId", "correlation_id"),
    ("eventDataId", "event_data_id"),
    ("operationId", "operation_id"),
    ("subscriptionId", "subscription_id"),
    ("tenantId", "tenant_id"),
    ("resultDescription", "description"),
    ("time", "eventTimestamp"),
    ("time", "event_timestamp"),
    ("time", "TimeGenerated"),
    ("TimeGenerated", "time"),
    ("TimeGenerated", "eventTimestamp"),
    ("TimeGenerated", "event_timestamp"),
];

/// Categories of the log. Exports once wrote the kind of operation in their place.
const CATEGORIES: &[&str] = &[
    "Administrative",
    "Policy",
    "ServiceHealth",
    "ResourceHealth",
    "Alert",
    "Autoscale",
    "Recommendation",
    "Security",
    "Write",
    "Delete",
    "Action",
];

/// The REST and library forms by their times and objects with a `value`, the rows of Log Analytics by
/// their table or its columns. A record of an event hub looks like any resource log, of which Entra's
/// have some of the same categories: it is known by an operation of Resource Manager on a resource.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let [in_rest, at_time, with_id, in_table, with_status] = [1, 2, 3, 4, 5].map(|input| inputs.has(input));
    if (in_rest && at_time && with_id) || (in_table && with_status) {
        return true;
    }
    let is_table = || inputs.string(0).is_some_and(|name| name == "AzureActivity");
    if inputs.has(7) {
        return is_table() || (inputs.has(3) && inputs.has(6));
    }
    is_table() || is_exported(inputs)
}

fn is_exported(inputs: &Inputs<'_>) -> bool {
    let named = |category: &str| CATEGORIES.iter().any(|name| name.eq_ignore_ascii_case(category));
    let on_resource = |id: &str| {
        let id = id.to_ascii_lowercase();
        id.starts_with("/subscriptions/") || id.starts_with("/providers/")
    };
    inputs.string(8).is_some_and(|category| named(&category))
        && inputs.string(6).is_some_and(|name| operation::is_operation(&name))
        && inputs.string(9).is_some_and(|id| on_resource(&id))
}

/// Where the resource stands that was acted on.
const RESOURCE: &[&str] = &["resourceId", "_ResourceId", "properties.entity", "authorization.scope"];

/// Where two fields of one name hold an operation and a label, or a part of the resource's id, rules mean
/// the first.
const COMPUTED: &[Derivation] = &[
    Derivation { column: "operationName", inputs: operation::INPUTS, derive: operation::action },
    Derivation { column: "OperationNameValue", inputs: operation::INPUTS, derive: operation::action },
    Derivation {
        column: "ResourceProviderValue",
        inputs: operation::PROVIDER_INPUTS,
        derive: operation::provider,
    },
];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: identity::PRINCIPAL_INPUTS, derive: identity::principal },
    Derivation { column: "principal_type", inputs: identity::TYPE_INPUTS, derive: identity::principal_type },
    Derivation { column: "session_id", inputs: &["identity.claims.uti"], derive: first },
    Derivation { column: "credential_id", inputs: &["identity.claims.uti"], derive: first },
    Derivation { column: "mfa", inputs: identity::METHODS, derive: claims::mfa },
    Derivation { column: "src_ip", inputs: ADDRESS, derive: address },
    Derivation { column: "src_ip_kind", inputs: ADDRESS, derive: address_kind },
    Derivation { column: "src_net", inputs: ADDRESS, derive: address_network },
    Derivation {
        column: "account",
        inputs: &[
            "resourceId",
            "_ResourceId",
            "properties.entity",
            "authorization.scope",
            "subscriptionId",
            "_SubscriptionId",
        ],
        derive: resource::account,
    },
    Derivation { column: "org", inputs: identity::TENANT_INPUTS, derive: identity::tenant },
    Derivation { column: "service", inputs: &[], derive: |_| text("arm") },
    Derivation { column: "action", inputs: operation::INPUTS, derive: operation::action },
    Derivation { column: "action_kind", inputs: operation::KIND_INPUTS, derive: operation::kind },
    Derivation { column: "outcome", inputs: operation::STATUS_INPUTS, derive: operation::outcome },
    Derivation { column: "error_code", inputs: operation::ERROR_INPUTS, derive: operation::error_code },
    Derivation { column: "error_message", inputs: operation::ERROR_INPUTS, derive: operation::error_message },
    Derivation { column: "target", inputs: RESOURCE, derive: resource::target },
    Derivation { column: "target_type", inputs: RESOURCE, derive: resource::target_type },
    Derivation { column: "target_user", inputs: grants::INPUTS, derive: grants::target_user },
    Derivation { column: "grants", inputs: grants::INPUTS, derive: grants::grants },
    Derivation { column: "grants_public", inputs: grants::INPUTS, derive: grants::public },
    Derivation { column: "grants_external", inputs: grants::INPUTS, derive: grants::external },
    Derivation { column: "correlation_uid", inputs: &["correlationId"], derive: first_lower },
];

/// The address that the request came from. The one in the claims is where the token was issued to.
const ADDRESS: &[&str] =
    &["callerIpAddress", "httpRequest.clientIpAddress", "http_request.client_ip_address"];

#[cfg(test)]
mod tests;
