//! The audit log of Microsoft Entra ID: what was changed in the directory, and by whom.
//!
//! In: one activity, in any of the three forms that `entra` tells. Out: canonical columns; who
//! was given which role or permission stands in `grants`.
//!
//! Two fields are called `category`: of a record of Event Hubs it is the log (`AuditLogs`), inside its
//! `properties` it is the activity's (`RoleManagement`). Rules mean the second. Its time is
//! `activityDateTime`; `time` of Event Hubs is when the record was written.
//!
//! Format: Microsoft Graph "directoryAudit resource type"; Azure Monitor table `AuditLogs`; "Interpret the
//! audit log schema in Azure Monitor"; "Microsoft Entra audit log categories and activities".

mod activity;
mod grants;
mod target;

use super::derive::{first_lower, text};
use super::entra::{self, is_any, is_directory};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "entra.audit",
    description: "Microsoft Entra ID audit log: changes of users, groups, applications, roles, policies",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("auditlogs"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: COMPUTED,
    recognised_by: &[
        "category",
        "Type",
        "resourceId",
        "properties.activityDisplayName | activityDisplayName",
        "properties.loggedByService | loggedByService",
        "properties.activityDateTime | activityDateTime",
        "properties.initiatedBy | initiatedBy | properties.targetResources | targetResources",
    ],
    recognise,
    unfold: &["InitiatedBy", "TargetResources", "AdditionalDetails"],
    time_paths: &[
        "properties.activityDateTime",
        "activityDateTime",
        "time",
        "TimeGenerated",
        "ActivityDateTime [UTC]",
        "TimeGenerated [UTC]",
    ],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// Names of public rules, and of one form in the others.
const ALIASES: &[(&str, &str)] = &[
    // the activity's category before the log's
    ("category", "properties.category"),
    ("category", "category"),
    // one place to the other
    ("*", "properties.*"),
    ("properties.*", "*"),
    // an activity has three names for its name, and the portal's `Activity type` is it too
    ("properties.message", "properties.activityDisplayName"),
    ("properties.message", "activityDisplayName"),
    ("properties.message", "operationName"),
    ("OperationName", "properties.activityDisplayName"),
    ("OperationName", "activityDisplayName"),
    ("ActivityDisplayName", "operationName"),
    ("ActivityType", "properties.activityDisplayName"),
    ("ActivityType", "activityDisplayName"),
    ("ActivityType", "operationName"),
    // names of the portal and of Log Analytics
    ("Status", "properties.result"),
    ("Status", "result"),
    ("failure_status_reason", "properties.resultReason"),
    ("failure_status_reason", "resultReason"),
    ("failure_status_reason", "ResultDescription"),
    ("properties.resultReason", "ResultDescription"),
    ("operationType", "AADOperationType"),
    ("properties.operationType", "AADOperationType"),
    ("AADOperationType", "properties.operationType"),
    ("AADOperationType", "operationType"),
    ("Target", "properties.targetResources"),
    ("Target", "targetResources"),
    ("Initiatied.By", "properties.initiatedBy"),
    ("Initiatied.By", "initiatedBy"),
    ("additionalDetails.additionalInfo", "properties.additionalDetails.value"),
    ("additionalDetails.additionalInfo", "additionalDetails.value"),
];

/// A row names its table; everything else has an activity and who logged it, in a record of the
/// directory or with the activity's time.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let is = |input: usize, name: &str| inputs.string(input).is_some_and(|found| is_any(&found, &[name]));
    let [activity, service, time, details] = [3, 4, 5, 6].map(|input| inputs.has(input));
    let of_log = is(0, "AuditLogs") || is(1, "AuditLogs");
    let of_directory = inputs.string(2).is_some_and(|resource| is_directory(&resource));
    ((of_log || of_directory) && (activity || service)) || (activity && time && (service || details))
}

/// Names of activities come with a space behind them; what rules call the status is the result and its
/// reason; a consent says what it is among the properties that it changed.
const COMPUTED: &[Derivation] = &[
    Derivation { column: "properties.message", inputs: activity::NAMES, derive: activity::names },
    Derivation { column: "operationName", inputs: activity::NAMES, derive: activity::names },
    Derivation { column: "Status", inputs: activity::MESSAGE_INPUTS, derive: activity::status },
    Derivation {
        column: "ConsentContext.IsAdminConsent",
        inputs: &["targetResources"],
        derive: activity::is_admin_consent,
    },
];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: activity::PRINCIPAL_INPUTS, derive: activity::principal },
    Derivation {
        column: "principal_type",
        inputs: activity::PRINCIPAL_INPUTS,
        derive: activity::principal_type,
    },
    Derivation { column: "principal_name", inputs: activity::NAME_INPUTS, derive: activity::principal_name },
    Derivation { column: "src_ip", inputs: activity::IP_INPUTS, derive: activity::src_ip },
    Derivation { column: "src_ip_kind", inputs: activity::IP_INPUTS, derive: activity::src_ip_kind },
    Derivation { column: "src_net", inputs: activity::IP_INPUTS, derive: activity::src_net },
    Derivation { column: "user_agent", inputs: activity::AGENT_INPUTS, derive: activity::user_agent },
    Derivation { column: "account", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "org", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "service", inputs: &[], derive: |_| text("entra") },
    Derivation { column: "action", inputs: activity::NAMES, derive: activity::action },
    Derivation { column: "action_kind", inputs: activity::KIND_INPUTS, derive: activity::kind },
    Derivation { column: "outcome", inputs: activity::RESULT_INPUTS, derive: activity::outcome },
    Derivation { column: "error_message", inputs: activity::MESSAGE_INPUTS, derive: activity::error_message },
    Derivation { column: "target", inputs: target::INPUTS, derive: target::target },
    Derivation { column: "target_type", inputs: target::INPUTS, derive: target::target_type },
    Derivation { column: "target_user", inputs: target::INPUTS, derive: target::target_user },
    Derivation { column: "grants", inputs: grants::INPUTS, derive: grants::grants },
    Derivation { column: "grants_external", inputs: grants::INPUTS, derive: grants::external },
    Derivation {
        column: "correlation_uid",
        inputs: &["properties.correlationId", "correlationId"],
        derive: first_lower,
    },
];

#[cfg(test)]
mod tests;
