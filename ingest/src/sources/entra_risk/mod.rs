//! What Microsoft Entra ID Protection found: risk detections of users and of service principals, and the
//! users and service principals that are at risk.
//!
//! In: one detection or one state of a principal, in any of the three forms that `entra` tells.
//! Out: canonical columns. A detection is no call: it has neither an outcome nor an `action_kind`, and its
//! principal is the one whose activity is risky.
//!
//! `time` of Event Hubs is written `7/18/2026 2:03:03 PM` here, and is when the record was exported; the
//! time is `detectedDateTime`, or of a state when it last changed. The record's own `correlationId`
//! repeats the detection's id; the sign-in's stands in `properties`.
//!
//! Format: Microsoft Graph "riskDetection", "servicePrincipalRiskDetection", "riskyUser" resource types;
//! Azure Monitor tables `AADUserRiskEvents`, `AADServicePrincipalRiskEvents`, `AADRiskyUsers`,
//! `AADRiskyServicePrincipals`.

use virga_engine::event::ColumnValue;

use super::derive::{address, address_kind, address_network, first, text};
use super::entra::{self, detail, first_principal, is_any, principal_id};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "entra.risk",
    description: "Microsoft Entra ID Protection: risk detections, risky users and service principals",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("riskdetection"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: &[("*", "properties.*"), ("properties.*", "*")],
    computed: &[],
    recognised_by: &[
        "category",
        "Type",
        "operationName | resourceId | properties",
        "riskEventType",
        "detectedDateTime | activityDateTime | lastUpdatedDateTime",
        "riskLastUpdatedDateTime",
        "riskState",
        "riskLevel",
    ],
    recognise,
    unfold: &["Location", "AdditionalInfo", "properties.additionalInfo", "KeyIds"],
    time_paths: &[
        "properties.detectedDateTime",
        "detectedDateTime",
        "properties.riskLastUpdatedDateTime",
        "riskLastUpdatedDateTime",
        "time",
        "TimeGenerated",
        "TimeGenerated [UTC]",
        "properties.activityDateTime",
        "activityDateTime",
    ],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

const CATEGORIES: &[&str] =
    &["UserRiskEvents", "ServicePrincipalRiskEvents", "RiskyUsers", "RiskyServicePrincipals"];

const TABLES: &[&str] =
    &["AADUserRiskEvents", "AADServicePrincipalRiskEvents", "AADRiskyUsers", "AADRiskyServicePrincipals"];

/// A record of Event Hubs names its category, a row its table; an object of Graph is a detection with its
/// time, or a state with the time of its change, and has the risk.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let one_of = |input: usize, names| inputs.string(input).is_some_and(|name| is_any(&name, names));
    let [detection, detected, changed, state, level] = [3, 4, 5, 6, 7].map(|input| inputs.has(input));
    (one_of(0, CATEGORIES) && inputs.has(2))
        || one_of(1, TABLES)
        || (state && level && ((detection && detected) || changed))
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: PRINCIPAL_INPUTS, derive: principal },
    Derivation { column: "principal_type", inputs: PRINCIPAL_INPUTS, derive: principal_type },
    Derivation { column: "principal_name", inputs: NAME_INPUTS, derive: principal_name },
    Derivation { column: "src_ip", inputs: &["properties.ipAddress"], derive: address },
    Derivation { column: "src_ip_kind", inputs: &["properties.ipAddress"], derive: address_kind },
    Derivation { column: "src_net", inputs: &["properties.ipAddress"], derive: address_network },
    Derivation { column: "src_country", inputs: entra::COUNTRY_INPUTS, derive: entra::country },
    Derivation { column: "src_lat", inputs: entra::COORDINATES, derive: entra::latitude },
    Derivation { column: "src_lon", inputs: entra::COORDINATES, derive: entra::longitude },
    Derivation { column: "user_agent", inputs: &["additionalInfo"], derive: user_agent },
    Derivation { column: "account", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "org", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "service", inputs: &[], derive: |_| text("entra") },
    Derivation { column: "action", inputs: &["operationName"], derive: first },
    Derivation {
        column: "correlation_uid",
        inputs: &["properties.correlationId", "properties.id"],
        derive: correlation,
    },
];

const PRINCIPAL_INPUTS: &[&str] = &[
    "userPrincipalName",
    "userId",
    "servicePrincipalId",
    "riskEventType",
    "properties.id",
    "category",
    "Type",
    "appId",
];

/// Of a state the id is that of the user or service principal; of a detection it is its own.
fn id_of_state(inputs: &Inputs<'_>) -> Option<String> {
    if inputs.has(3) {
        return None;
    }
    first_principal(inputs, &[4])
}

fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(first_principal(inputs, &[0, 1, 2]).or_else(|| id_of_state(inputs))?)
}

fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let is_named = |input: usize| {
        inputs.string(input).is_some_and(|name| name.to_ascii_lowercase().contains("serviceprincipal"))
    };
    if first_principal(inputs, &[0, 1]).is_some() {
        return text("user");
    }
    let is_application =
        first_principal(inputs, &[2]).is_some() || is_named(5) || is_named(6) || inputs.has(7);
    let is_known = is_application || id_of_state(inputs).is_some();
    is_known.then_some(()).and_then(|()| text(if is_application { "service_principal" } else { "user" }))
}

const NAME_INPUTS: &[&str] =
    &["userPrincipalName", "servicePrincipalDisplayName", "userDisplayName", "properties.displayName"];

fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..inputs.len()).find_map(|input| principal_id(&inputs.string(input)?))?)
}

/// What the client called itself, as far as the detection looked at it.
fn user_agent(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(detail(inputs.text(0)?, "userAgent")?)
}

/// The sign-in that a detection is about, if it is about one.
fn correlation(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let correlation = inputs.string(0)?;
    let is_own = inputs.string(1).is_some_and(|id| id == correlation);
    if is_own { None } else { text(correlation) }
}

#[cfg(test)]
mod tests;
