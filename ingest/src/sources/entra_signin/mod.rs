//! Sign-ins to Microsoft Entra ID: of users, interactive or not, of service principals and of managed
//! identities.
//!
//! In: one sign-in, in any of the three forms that `entra` tells. Out: canonical columns. Place
//! and autonomous system stand in the log itself, so no lookup table is needed for them.
//!
//! The time is `createdDateTime`, when the sign-in began; `time` of Event Hubs is when the record was
//! written, a minute or two later, and only stands in for it. Exports of the portal have neither under
//! its name; then a step of the sign-in says when it was.
//!
//! An identifier proves no event: one sign-in with a second factor is several records of one `id`. So a
//! record is known by its hash.
//!
//! Format: Microsoft Graph "signIn resource type"; Azure Monitor tables `SigninLogs`,
//! `AADNonInteractiveUserSignInLogs`, `AADServicePrincipalSignInLogs`, `AADManagedIdentitySignInLogs`;
//! "Sign-in log schema in Azure Monitor".

mod identity;
mod result;

use virga_engine::event::ColumnValue;

use super::derive::{address, address_kind, address_network, count, first, first_lower, text};
use super::entra::{self, is_any};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "entra.signin",
    description: "Microsoft Entra ID sign-ins: users, service principals, managed identities",
    logsources: &[
        Logsource {
            product: Some("azure"),
            service: Some("signinlogs"),
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
        "operationName | resourceId",
        "createdDateTime",
        "status.errorCode",
        "appId",
        "isInteractive | conditionalAccessStatus",
    ],
    recognise,
    unfold: &[
        "Status",
        "Status_dynamic",
        "DeviceDetail",
        "DeviceDetail_dynamic",
        "LocationDetails",
        "LocationDetails_dynamic",
        "MfaDetail",
        "AuthenticationDetails",
        "AuthenticationProcessingDetails",
        "AuthenticationRequirementPolicies",
        "ConditionalAccessPolicies",
        "ConditionalAccessPolicies_dynamic",
        "NetworkLocationDetails",
        "RiskEventTypes",
        "RiskEventTypes_V2",
        "SessionLifetimePolicies",
    ],
    time_paths: &[
        "properties.createdDateTime",
        "createdDateTime",
        "time",
        "TimeGenerated",
        "CreatedDateTime [UTC]",
        "TimeGenerated [UTC]",
        "AuthenticationDetails.authenticationStepDateTime",
    ],
    identity: Identity { natural: &[], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// Names of public rules, and of one form in the others. Tables that were loaded by hand end the names
/// of their dynamic columns in `_dynamic`.
const ALIASES: &[(&str, &str)] = &[
    // Log Analytics has two fields where the others have one name in two places
    ("properties.resourceId", "ResourceIdentity"),
    ("ResourceIdentity", "properties.resourceId"),
    ("ResourceIdentity", "resourceId"),
    ("properties.location.*", "LocationDetails.*"),
    ("properties.location.*", "LocationDetails_dynamic.*"),
    ("location.*", "LocationDetails.*"),
    ("location.*", "LocationDetails_dynamic.*"),
    ("LocationDetails.*", "properties.location.*"),
    ("LocationDetails.*", "location.*"),
    ("LocationDetails.*", "LocationDetails_dynamic.*"),
    ("properties.deviceDetail.*", "DeviceDetail_dynamic.*"),
    ("DeviceDetail.*", "DeviceDetail_dynamic.*"),
    ("properties.status.*", "Status_dynamic.*"),
    ("status.*", "Status_dynamic.*"),
    ("properties.appliedConditionalAccessPolicies.*", "ConditionalAccessPolicies.*"),
    ("ConditionalAccessPolicies.*", "properties.appliedConditionalAccessPolicies.*"),
    ("ConditionalAccessPolicies.*", "appliedConditionalAccessPolicies.*"),
    // one place to the other
    ("*", "properties.*"),
    ("properties.*", "*"),
    // Graph has neither a result nor a caller
    ("ResultType", "properties.status.errorCode"),
    ("ResultType", "status.errorCode"),
    ("ResultType", "Status_dynamic.errorCode"),
    ("ResultDescription", "properties.status.failureReason"),
    ("ResultDescription", "status.failureReason"),
    ("ResultDescription", "Status_dynamic.failureReason"),
    ("callerIpAddress", "properties.ipAddress"),
    ("callerIpAddress", "ipAddress"),
    ("ipAddress", "callerIpAddress"),
    // names of the portal
    ("ClientApp", "properties.clientAppUsed"),
    ("ClientApp", "clientAppUsed"),
    ("Username", "properties.userPrincipalName"),
    ("Username", "userPrincipalName"),
];

const CATEGORIES: &[&str] = &[
    "SignInLogs",
    "NonInteractiveUserSignInLogs",
    "ServicePrincipalSignInLogs",
    "ManagedIdentitySignInLogs",
    "MicrosoftServicePrincipalSignInLogs",
];

const TABLES: &[&str] = &[
    "SigninLogs",
    "AADNonInteractiveUserSignInLogs",
    "AADServicePrincipalSignInLogs",
    "AADManagedIdentitySignInLogs",
    "MicrosoftServicePrincipalSignInLogs",
];

/// A record of Event Hubs names its category, a row its table; an object of Graph has both the beginning
/// and the result of a sign-in, an application, and what conditional access made of it.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let one_of = |input: usize, names| inputs.string(input).is_some_and(|name| is_any(&name, names));
    (one_of(0, CATEGORIES) && inputs.has(2)) || one_of(1, TABLES) || (3..7).all(|input| inputs.has(input))
}

/// What the portal shows in words and rules ask for in those words.
const COMPUTED: &[Derivation] = &[
    Derivation { column: "Status", inputs: result::STATUS_INPUTS, derive: result::status },
    Derivation { column: "properties.message", inputs: &["authenticationProtocol"], derive: protocol },
];

/// `deviceCode` → `Device Code`.
fn protocol(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0)?;
    let mut words = String::with_capacity(name.len() + 2);
    for (at, letter) in name.char_indices() {
        match at {
            0 => words.extend(letter.to_uppercase()),
            _ if letter.is_ascii_uppercase() => words.extend([' ', letter]),
            _ => words.push(letter),
        }
    }
    text(words)
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("azure") },
    Derivation { column: "principal", inputs: identity::PRINCIPAL_INPUTS, derive: identity::principal },
    Derivation {
        column: "principal_type",
        inputs: identity::PRINCIPAL_INPUTS,
        derive: identity::principal_type,
    },
    Derivation { column: "principal_name", inputs: identity::NAME_INPUTS, derive: identity::principal_name },
    Derivation { column: "session_id", inputs: &["sessionId"], derive: first },
    Derivation { column: "credential_id", inputs: &["uniqueTokenIdentifier"], derive: first },
    Derivation { column: "mfa", inputs: identity::MFA_INPUTS, derive: identity::mfa },
    Derivation { column: "src_ip", inputs: IP_INPUTS, derive: address },
    Derivation { column: "src_ip_kind", inputs: IP_INPUTS, derive: address_kind },
    Derivation { column: "src_net", inputs: IP_INPUTS, derive: address_network },
    Derivation { column: "src_asn", inputs: &["autonomousSystemNumber"], derive: asn },
    Derivation { column: "src_country", inputs: entra::COUNTRY_INPUTS, derive: entra::country },
    Derivation { column: "src_lat", inputs: entra::COORDINATES, derive: entra::latitude },
    Derivation { column: "src_lon", inputs: entra::COORDINATES, derive: entra::longitude },
    Derivation { column: "user_agent", inputs: &["userAgent"], derive: first },
    Derivation { column: "account", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "org", inputs: entra::TENANT_INPUTS, derive: entra::tenant },
    Derivation { column: "service", inputs: &[], derive: |_| text("entra") },
    Derivation { column: "action", inputs: &["operationName"], derive: action },
    Derivation { column: "action_kind", inputs: &[], derive: |_| text("auth") },
    Derivation { column: "outcome", inputs: result::INPUTS, derive: result::outcome },
    Derivation { column: "error_code", inputs: result::INPUTS, derive: result::error_code },
    Derivation { column: "error_message", inputs: result::MESSAGE_INPUTS, derive: result::error_message },
    Derivation { column: "target", inputs: TARGET_INPUTS, derive: target },
    Derivation { column: "target_type", inputs: TARGET_INPUTS, derive: target_type },
    Derivation {
        column: "correlation_uid",
        inputs: &["properties.correlationId", "correlationId"],
        derive: first_lower,
    },
];

const IP_INPUTS: &[&str] = &["properties.ipAddress", "callerIpAddress"];

/// Number 0 stands for an unknown network.
fn asn(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    count(inputs).filter(|number| *number != ColumnValue::Int(0))
}

/// The documentation gives all sign-ins one operation; Graph leaves it out.
fn action(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    first(inputs).or_else(|| text("Sign-in activity"))
}

const TARGET_INPUTS: &[&str] = &["properties.resourceId", "resourceDisplayName"];

/// The application that was signed in to: its id, else its name. `resourceId` of the record around it is
/// the directory, which is no target.
fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let id = inputs.string(0).filter(|id| !id.starts_with('/'));
    text(id.or_else(|| inputs.string(1))?)
}

fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    target(inputs).and_then(|_| text("application"))
}

#[cfg(test)]
mod tests;
