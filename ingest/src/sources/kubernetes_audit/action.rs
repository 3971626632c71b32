//! What was done, and whether it worked.
//!
//! In: `verb`, `objectRef`, for requests without an object the path of `requestURI`; `responseStatus`
//! and the authoriser's annotation. Out: `create pods/exec`, `list secrets`, `get /version`; its kind;
//! the outcome, which a `RequestReceived` event does not have.
//!
//! | request | `action_kind` |
//! |---|---|
//! | `get`, `list`, `watch`, and `head`, `options` of a path | read |
//! | `exec`, `attach`, `portforward` of a pod, whatever the verb (a WebSocket opens with a `get`) | write |
//! | `create` of a review (`selfsubjectaccessreviews`, `tokenreviews`, …): a question that is posted | read |
//! | `create serviceaccounts/token`: hands out a credential | auth |
//! | any other | write |

use virga_engine::event::ColumnValue;

use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &["verb", "objectRef.resource", "objectRef.subresource", "requestURI"];

const READING: &[&str] = &["get", "list", "watch", "head", "options"];

/// Subresources through which a caller gets into a pod.
const INTO_A_POD: &[&str] = &["exec", "attach", "portforward"];

pub(super) fn action(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let verb = inputs.string(0)?;
    text(match (inputs.string(1), inputs.string(2), inputs.string(3)) {
        (Some(resource), Some(sub), _) => format!("{verb} {resource}/{sub}"),
        (Some(resource), None, _) => format!("{verb} {resource}"),
        (None, _, Some(uri)) => format!("{verb} {}", path_of(&uri)),
        (None, _, None) => verb.into_owned(),
    })
}

/// A request URI without its query.
pub(super) fn path_of(uri: &str) -> &str {
    uri.split('?').next().unwrap_or(uri)
}

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let verb = inputs.string(0)?.to_lowercase();
    let resource = inputs.string(1).unwrap_or_default();
    let sub = inputs.string(2).unwrap_or_default();
    text(match (resource.as_ref(), sub.as_ref()) {
        ("pods", sub) if INTO_A_POD.contains(&sub) => "write",
        ("serviceaccounts", "token") if verb == "create" => "auth",
        (resource, _) if verb == "create" && resource.ends_with("reviews") => "read",
        _ if READING.contains(&verb.as_str()) => "read",
        _ => "write",
    })
}

pub(super) const OUTCOME_INPUTS: &[&str] = &[
    "responseStatus.code",
    "responseStatus.status",
    "annotations.authorization.k8s.io/decision",
    "stage",
    "responseStatus.reason",
    "responseStatus.message",
    "annotations.authorization.k8s.io/reason",
];

/// Whether the request failed; `None` where the event does not say.
fn failed(inputs: &Inputs<'_>) -> Option<bool> {
    let says =
        |input: usize, word: &str| inputs.string(input).is_some_and(|is| is.eq_ignore_ascii_case(word));
    if says(1, "Failure") || says(2, "forbid") || says(3, "Panic") {
        return Some(true);
    }
    inputs.count(0).filter(|code| *code > 0).map(|code| code >= 400)
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if failed(inputs)? { "failure" } else { "success" })
}

/// The HTTP status, or the reason's word where there is none.
pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    failed(inputs).filter(|failed| *failed)?;
    text(inputs.scalar(0).or_else(|| inputs.string(4))?)
}

pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    failed(inputs).filter(|failed| *failed)?;
    text(inputs.string(5).or_else(|| inputs.string(6))?)
}
