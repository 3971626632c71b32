//! What was done, and whether it worked.
//!
//! In: the operation, the status of the record and, of one that failed, the answer. Out: action, its
//! kind, outcome, error. An operation ends in `/write`, `/delete`, `/read` or `/action`, and what an
//! action does is in the word before it: keys are listed by one.
//!
//! | record | outcome |
//! |---|---|
//! | `Start`, `Started`, `Accept`, `Accepted`, `In Progress`: the operation goes on | none |
//! | `Success`, `Succeeded` | success |
//! | `Failure`, `Failed`, `Canceled` | failure |
//! | `Active`, `Resolved`, `Updated`: a report of the platform | none |

use virga_engine::event::ColumnValue;
use virga_engine::json::parse;

use super::super::azure::body::held;
use super::super::json_value::{get, scalar};
use super::{Inputs, text};

/// Where the operation stands, and where a label may.
pub(super) const INPUTS: &[&str] = &[
    "operationName.value | operation_name.value",
    "operationName",
    "OperationNameValue",
    "properties.message",
    "authorization.action",
];

pub(super) fn action(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(operation(inputs)?)
}

pub(super) const PROVIDER_INPUTS: &[&str] =
    &["ResourceProviderValue", "operationName.value | operation_name.value", "operationName"];

/// The namespace of the resource's provider; an event hub has it only before the operation.
pub(super) fn provider(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(provider) = inputs.string(0) {
        return text(provider);
    }
    let operation = (1..3).find_map(|input| inputs.string(input).filter(|name| is_operation(name)))?;
    text(operation.split_once('/')?.0)
}

/// The first of [`INPUTS`] that is an operation; where none is, the label.
pub(super) fn operation(inputs: &Inputs<'_>) -> Option<String> {
    let all = || (0..INPUTS.len()).filter_map(|input| inputs.string(input));
    all().find(|name| is_operation(name)).or_else(|| all().next()).map(|name| name.into_owned())
}

/// `Microsoft.Web/sites/delete`: a namespace, types, a verb. A label has spaces.
pub(super) fn is_operation(name: &str) -> bool {
    let Some((namespace, rest)) = name.split_once('/') else { return false };
    namespace.contains('.') && !rest.is_empty() && !name.contains(char::is_whitespace)
}

pub(super) const KIND_INPUTS: &[&str] = &[
    "operationName.value | operation_name.value",
    "operationName",
    "OperationNameValue",
    "properties.message",
    "authorization.action",
    "properties.eventCategory",
    "CategoryValue",
];

/// Categories in which nobody called anything.
const REPORTS: &[&str] = &["servicehealth", "resourcehealth", "alert", "recommendation", "security"];

/// Words with which the name of an action begins that changes nothing.
const READING: &[&str] = &[
    "calculate",
    "check",
    "find",
    "get",
    "list",
    "preview",
    "query",
    "read",
    "recommend",
    "retrieve",
    "search",
    "show",
    "validate",
    "whatif",
];

/// Actions that change nothing and do not say so.
const READING_ACTIONS: &[&str] = &["audit", "auditifnotexists", "publishxml", "sharedkeys"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let is_report = |category: &str| {
        let category = category.replace(' ', "").to_lowercase();
        REPORTS.contains(&category.as_str())
    };
    if [5, 6].into_iter().filter_map(|input| inputs.string(input)).any(|category| is_report(&category)) {
        return None;
    }
    let operation = operation(inputs).filter(|name| is_operation(name))?.to_lowercase();
    let (path, verb) = operation.rsplit_once('/')?;
    let reads = match verb {
        "read" => true,
        "action" => {
            let (_, name) = path.rsplit_once('/')?;
            READING.iter().any(|word| name.starts_with(word)) || READING_ACTIONS.contains(&name)
        }
        _ => false,
    };
    text(if reads { "read" } else { "write" })
}

pub(super) const STATUS_INPUTS: &[&str] = &[
    "resultType",
    "ActivityStatusValue",
    "status.value",
    "ActivityStatus",
    // `Failed.Forbidden`
    "resultSignature",
];

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if succeeded(inputs)? { "success" } else { "failure" })
}

/// What the first status that is there says; `None` where the operation goes on.
fn succeeded(inputs: &Inputs<'_>) -> Option<bool> {
    let status = (0..STATUS_INPUTS.len()).find_map(|input| inputs.string(input))?;
    let word = status.split('.').next()?.trim().to_ascii_lowercase();
    match word.as_str() {
        "success" | "succeeded" => Some(true),
        "failed" | "failure" | "canceled" | "cancelled" => Some(false),
        _ => None,
    }
}

pub(super) const ERROR_INPUTS: &[&str] = &[
    "resultType",
    "ActivityStatusValue",
    "status.value",
    "ActivityStatus",
    "resultSignature",
    "properties.statusMessage",
    "properties.statusCode",
    "resultDescription",
];

const SIGNATURE: usize = 4;
const MESSAGE: usize = 5;
const CODE: usize = 6;
const DESCRIPTION: usize = 7;

/// The code of the answer, else its HTTP status as a word.
pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    if let Some(code) = answer(inputs, "code").or_else(|| inputs.scalar(CODE).map(|code| code.into_owned())) {
        return text(code);
    }
    // `Failed.Forbidden`, `Forbidden (HTTP Status Code: 403)`, `403`
    let signature = inputs.scalar(SIGNATURE)?;
    let word = signature.split_once('.').map_or(signature.as_ref(), |(_, word)| word);
    let word = word.split_once(" (HTTP").map_or(word, |(word, _)| word).trim();
    text(Some(word).filter(|word| !word.is_empty())?)
}

/// What the answer says, else what the record says.
pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    if let Some(message) = answer(inputs, "message") {
        return text(message);
    }
    let plain = inputs.string(MESSAGE).filter(|message| !message.trim_start().starts_with('{'));
    text(plain.or_else(|| inputs.string(DESCRIPTION))?)
}

/// A member of `{"error":{"code":…,"message":…}}`, or of the same without its wrapper.
fn answer(inputs: &Inputs<'_>, member: &str) -> Option<String> {
    let held = held(inputs, MESSAGE)?;
    let answer = parse(held.trim()).ok()?;
    let error = get(&answer, "error").unwrap_or(&answer);
    get(error, member).and_then(scalar).map(str::to_owned)
}
