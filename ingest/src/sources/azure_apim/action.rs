//! What was done, and whether it worked.
//!
//! In: method, addresses, status, the last error, the tokens. Out: the operation's name in the
//! gateway's API, `action_kind`, outcome, error code.
//!
//! | record | `action_kind` |
//! |---|---|
//! | tokens known, from the log of models or a logged response | `ai_usage` |
//! | an entry of the log of models without any | none: it is a piece of a message |
//! | a request to a model, with any method that sends | `ai_invoke` |
//! | any other | `read` (GET, HEAD, OPTIONS) or `write` |

use virga_engine::event::ColumnValue;

use super::{Inputs, status, text, url, usage};

/// `operationName` is one constant for all.
pub(super) const NAME_INPUTS: &[&str] = &["properties.operationId", "properties.method", "operationName"];

/// [`usage::INPUTS`], then what only this needs.
pub(super) const KIND_INPUTS: &[&str] = &[
    usage::INPUTS[0],
    usage::INPUTS[1],
    usage::INPUTS[2],
    usage::INPUTS[3],
    usage::INPUTS[4],
    usage::INPUTS[5],
    usage::INPUTS[6],
    "category | Type",
    "properties.method",
    "properties.url",
    "properties.backendUrl",
];

const READING: &[&str] = &["GET", "HEAD", "OPTIONS"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if usage::known(inputs) {
        return text("ai_usage");
    }
    if inputs.string(7).is_some_and(|category| category.to_lowercase().contains("llmlog")) {
        return None;
    }
    let method = inputs.string(8)?;
    if READING.iter().any(|reading| reading.eq_ignore_ascii_case(&method)) {
        return text("read");
    }
    let asks = url::asks_model([9, 10].into_iter().filter_map(|input| inputs.string(input)));
    text(if asks { "ai_invoke" } else { "write" })
}

pub(super) const OUTCOME_INPUTS: &[&str] =
    &["properties.responseCode", "isRequestSuccess | isRequestSuccess_b", "properties.lastError.reason"];

/// By the status that the client got; without one, by what the gateway thinks of the request.
pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    match (status::code(inputs, 0), inputs.flag(1)) {
        (Some(code), _) => text(status::outcome(code)),
        (None, Some(success)) => text(if success { "success" } else { "failure" }),
        (None, None) => None,
    }
}

/// The gateway's own reason (`SubscriptionKeyInvalid`, `RateLimitExceeded`), else the status.
pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if outcome(inputs) != text("failure") {
        return None;
    }
    match inputs.scalar(2) {
        Some(reason) => text(reason),
        None => text(status::code(inputs, 0)?.to_string()),
    }
}
