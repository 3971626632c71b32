//! What was asked of a vault, and how it was answered.
//!
//! In: the operation (`SecretGet`: an object, then what is done with it), the status of HTTP, the result
//! in words. Out: `action_kind`, outcome, error. To use a key (sign, decrypt) or to take a backup
//! of something changes nothing.

use virga_engine::event::ColumnValue;

use super::{Inputs, text};

/// Ends of operations that read or use.
const READING: &[&str] =
    &["Backup", "Decrypt", "Encrypt", "Export", "Release", "Sign", "Unwrap", "Verify", "Wrap"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0)?;
    if name == "Authentication" {
        return text("auth");
    }
    // the vault reports that a date has come
    if name.ends_with("Notification") {
        return None;
    }
    let reads =
        name.contains("Get") || name.contains("List") || READING.iter().any(|verb| name.ends_with(verb));
    text(if reads { "read" } else { "write" })
}

pub(super) const STATUS_INPUTS: &[&str] =
    &["operationName", "properties.httpStatusCode", "resultSignature", "resultType", "resultDescription"];

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if succeeded(inputs)? { "success" } else { "failure" })
}

fn succeeded(inputs: &Inputs<'_>) -> Option<bool> {
    let status = status(inputs);
    if status == Some(401) && inputs.string(0).is_some_and(|name| name == "Authentication") {
        return None;
    }
    match status {
        Some(status) => Some(status < 400),
        None => match inputs.string(3)?.to_ascii_lowercase().as_str() {
            "success" | "succeeded" => Some(true),
            "failed" | "failure" => Some(false),
            _ => None,
        },
    }
}

/// The status of HTTP, as a number or in the words of the result: `OK`, `Forbidden`.
fn status(inputs: &Inputs<'_>) -> Option<i64> {
    let by_number = inputs.count(1).or_else(|| inputs.count(2)).filter(|status| (100..600).contains(status));
    by_number.or_else(|| {
        let word = inputs.string(2)?.to_ascii_lowercase();
        match word.as_str() {
            "ok" | "created" | "accepted" | "nocontent" => Some(200),
            "unauthorized" => Some(401),
            "none" => None,
            // any other word is one of refusal
            _ => Some(400),
        }
    })
}

/// The result in words, else the status.
pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    if let Some(word) = inputs.scalar(2) {
        return text(word);
    }
    text(inputs.count(1)?.to_string())
}

pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    text(inputs.string(4)?)
}
