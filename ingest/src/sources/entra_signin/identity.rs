//! Who signed in, and with how many factors.
//!
//! In: the category, by whatever name a form gives it, and the names of user and service principal. Out:
//! `principal`, which is an address in lower case for a user and an object id for everything else.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::result::succeeded;
use crate::sources::Inputs;
use crate::sources::derive::text;
use crate::sources::entra::{first_principal, is_any, principal_id};
use crate::sources::json_value::{elements, get, string};

pub(super) const PRINCIPAL_INPUTS: &[&str] =
    &["category", "Type", "signInEventTypes", "userPrincipalName", "userId", "servicePrincipalId", "appId"];

/// Categories of Event Hubs, tables of Log Analytics and event types of Graph, and whose sign-ins they
/// hold.
const KINDS: &[(&str, &[&str])] = &[
    (
        "user",
        &[
            "SignInLogs",
            "NonInteractiveUserSignInLogs",
            "AADNonInteractiveUserSignInLogs",
            "interactiveUser",
            "nonInteractiveUser",
        ],
    ),
    (
        "service_principal",
        &["ServicePrincipalSignInLogs", "AADServicePrincipalSignInLogs", "servicePrincipal"],
    ),
    ("managed_identity", &["ManagedIdentitySignInLogs", "AADManagedIdentitySignInLogs", "managedIdentity"]),
];

fn kind(inputs: &Inputs<'_>) -> Option<&'static str> {
    let named = |name: &str| KINDS.iter().find(|(_, names)| is_any(name, names)).map(|(kind, _)| *kind);
    let by_name = || (0..2).find_map(|input| named(&inputs.string(input)?));
    let by_event_type = || {
        let types = parse(inputs.text(2)?).ok()?;
        elements(&types).iter().find_map(|name| named(string(name)?))
    };
    let by_presence = || {
        let is_user = inputs.string(3).or_else(|| inputs.string(4)).is_some();
        let is_application = inputs.string(5).is_some();
        if is_user { Some("user") } else { is_application.then_some("service_principal") }
    };
    by_name().or_else(by_event_type).or_else(by_presence)
}

/// The address or id of a user; the object id of a service principal, or the id of its application where
/// a sign-in failed before that was found.
pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let places: &[usize] = match kind(inputs) {
        Some("user") => &[3, 4],
        _ => &[5, 6],
    };
    text(first_principal(inputs, places)?)
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(kind(inputs)?)
}

pub(super) const NAME_INPUTS: &[&str] = &["userPrincipalName", "servicePrincipalName"];

pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..2).find_map(|input| principal_id(&inputs.string(input)?))?)
}

pub(super) const MFA_INPUTS: &[&str] = &[
    "resultType",
    "status.errorCode",
    "resultSignature",
    "authenticationRequirement",
    "authenticationDetails",
];

/// A step of the sign-in that is no primary authentication says whether the second factor was given.
/// Without such a step: who needed one factor gave no second, and who needed two and got in gave it. A
/// sign-in that failed before it came to the second factor says nothing.
pub(super) fn mfa(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(given) = inputs.text(4).and_then(second_factor) {
        return Some(ColumnValue::Bool(given));
    }
    let requirement = inputs.string(3)?.to_ascii_lowercase();
    let given = match requirement.as_str() {
        "multifactorauthentication" => succeeded(inputs).filter(|succeeded| *succeeded),
        "singlefactorauthentication" => Some(false),
        _ => None,
    };
    given.map(ColumnValue::Bool)
}

/// Whether a step with a second factor succeeded, where there was one.
fn second_factor(steps: &str) -> Option<bool> {
    let steps = parse(steps).ok()?;
    let mut given = None;
    for step in elements(&steps) {
        let requirement = get(step, "authenticationStepRequirement").and_then(string).unwrap_or_default();
        if requirement.to_ascii_lowercase().contains("multi") {
            given = Some(given.unwrap_or(false) || flag(get(step, "succeeded")));
        }
    }
    given
}

fn flag(value: Option<&Value<'_>>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}
