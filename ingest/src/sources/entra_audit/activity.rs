//! What was done, by whom, from where, and whether it worked.
//!
//! In: the activity's name, category, initiator, result and details. Out: the columns about the call.
//! The initiator is a user or an application; a record may name neither, only a display name beside it
//! (`identity`), which anybody may choose and so is no principal.

use virga_engine::event::ColumnValue;
use virga_engine::json::parse;

use crate::sources::Inputs;
use crate::sources::derive::text;
use crate::sources::entra::{detail, first_principal, principal_id, property_text};
use crate::sources::json_value::{elements, get, string};
use crate::sources::net::{Address, without_port};

pub(super) const PRINCIPAL_INPUTS: &[&str] = &[
    "initiatedBy.user.userPrincipalName",
    "initiatedBy.user.id",
    "initiatedBy.app.servicePrincipalId",
    "initiatedBy.app.appId",
    "initiatedBy.app.servicePrincipalName",
];

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(first_principal(inputs, &[0, 1, 2, 3, 4])?)
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if first_principal(inputs, &[0, 1]).is_some() {
        return text("user");
    }
    first_principal(inputs, &[2, 3, 4]).and_then(|_| text("service_principal"))
}

pub(super) const NAME_INPUTS: &[&str] = &[
    "initiatedBy.user.userPrincipalName",
    "initiatedBy.app.displayName",
    "initiatedBy.user.displayName",
    "identity",
];

pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..inputs.len()).find_map(|input| principal_id(&inputs.string(input)?))?)
}

pub(super) const IP_INPUTS: &[&str] = &["initiatedBy.user.ipAddress", "callerIpAddress", "additionalDetails"];

/// The initiator's address, else the caller's, else what Privileged Identity Management notes of it.
/// Absence is written `<null>` now and then.
fn ip(inputs: &Inputs<'_>) -> Option<String> {
    let written = |input| inputs.string(input).filter(|address| address != "<null>");
    let noted = || detail(inputs.text(2)?, "ipaddr");
    (0..2).find_map(written).map(String::from).or_else(noted)
}

pub(super) fn src_ip(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(without_port(&ip(inputs)?))
}

pub(super) fn src_ip_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(Address::parse(&ip(inputs)?).kind())
}

pub(super) fn src_net(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(Address::parse(&ip(inputs)?).network()?)
}

pub(super) const AGENT_INPUTS: &[&str] = &["userAgent", "additionalDetails"];

pub(super) fn user_agent(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let noted = || detail(inputs.text(1)?, "User-Agent");
    text(inputs.string(0).map(String::from).or_else(noted)?)
}

pub(super) const NAMES: &[&str] = &["operationName", "activityDisplayName"];

/// The activity's name, from [`NAMES`]; some end in a space.
pub(super) fn name(inputs: &Inputs<'_>) -> Option<String> {
    (0..2).find_map(|input| {
        let name = inputs.string(input)?;
        let name = name.trim();
        (!name.is_empty()).then(|| name.to_owned())
    })
}

pub(super) fn action(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(name(inputs)?)
}

/// The activity's name for rules, which write the space behind it or not.
pub(super) fn names(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = name(inputs)?;
    let written = (0..2).find_map(|input| inputs.string(input)).filter(|written| *written != name);
    match written {
        Some(written) => Some(ColumnValue::List(vec![name, written.into_owned()])),
        None => text(name),
    }
}

/// The result and its reason: rules look for words of either under `Status`.
pub(super) fn status(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let words = (0..inputs.len()).filter_map(|input| inputs.string(input).map(String::from));
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then_some(ColumnValue::List(words))
}

/// What `ConsentContext.IsAdminConsent` was set to, among the properties of what was changed.
pub(super) fn is_admin_consent(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let targets = parse(inputs.text(0)?).ok()?;
    let changed = elements(&targets).iter().filter_map(|target| get(target, "modifiedProperties"));
    let mut properties = changed.flat_map(elements);
    let consent = properties.find(|property| {
        get(property, "displayName").and_then(string) == Some("ConsentContext.IsAdminConsent")
    })?;
    text(property_text(get(consent, "newValue")?)?)
}

pub(super) const KIND_INPUTS: &[&str] = &["operationName", "activityDisplayName", "category"];

/// How the few activities begin that hand something out and change nothing.
const READING: &[&str] = &["Read ", "Recover ", "Get ", "List ", "View ", "Download ", "Export "];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if inputs.string(2).is_some_and(|category| category.eq_ignore_ascii_case("Authentication")) {
        return text("auth");
    }
    let name = name(inputs)?;
    let reads = READING
        .iter()
        .any(|verb| name.get(..verb.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(verb)));
    text(if reads { "read" } else { "write" })
}

pub(super) const RESULT_INPUTS: &[&str] = &["properties.result", "resultType"];

/// Words for a result. A timeout has a reason for its failure as a failure has. `0` stood for success
/// before the words did.
const RESULTS: &[(&str, bool)] = &[
    ("success", true),
    ("0", true),
    ("failure", false),
    ("failed", false),
    ("timeout", false),
    ("1", false),
];

fn succeeded(inputs: &Inputs<'_>) -> Option<bool> {
    let said = |input| {
        let word = inputs.scalar(input)?;
        RESULTS.iter().find(|(result, _)| result.eq_ignore_ascii_case(&word)).map(|(_, success)| *success)
    };
    (0..2).find_map(said)
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if succeeded(inputs)? { "success" } else { "failure" })
}

pub(super) const MESSAGE_INPUTS: &[&str] =
    &["properties.result", "resultType", "properties.resultReason", "resultDescription"];

/// Why it failed. What the same field holds of a success is no error.
pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    text((2..4).find_map(|input| inputs.string(input))?)
}
