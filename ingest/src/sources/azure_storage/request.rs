//! What was asked, and how it was answered.
//!
//! In: operation, category and status. Out: `action_kind`, outcome, error. The status is that of HTTP,
//! or for a share that is mounted (SMB) an NTSTATUS, whose two highest bits say success, information,
//! warning or error; a request that was cut off has `Unknown`, and its text says how.

use virga_engine::event::ColumnValue;

use super::{Inputs, text};

/// Operations that hand out what is in an object. A copy reads its source, though its bytes stay in the
/// cloud.
const OBJECT_READS: &[&str] =
    &["GetBlob", "GetFile", "ReadFile", "Read", "QueryBlobContents", "CopyBlobSource", "CopyFileSource"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let operation = inputs.string(0)?;
    if OBJECT_READS.iter().any(|name| name.eq_ignore_ascii_case(&operation)) {
        return text("object_read");
    }
    text(if inputs.string(1)?.eq_ignore_ascii_case("StorageRead") { "read" } else { "write" })
}

pub(super) const STATUS_INPUTS: &[&str] = &["statusCode", "statusText", "protocol"];

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if succeeded(inputs)? { "success" } else { "failure" })
}

fn succeeded(inputs: &Inputs<'_>) -> Option<bool> {
    let status = inputs.string(1);
    // `Success`, `SASSuccess`, `AnonymousSuccess`
    if status.as_ref().is_some_and(|status| status.ends_with("Success")) {
        return Some(true);
    }
    let mounted = inputs.string(2).is_some_and(|protocol| protocol.eq_ignore_ascii_case("SMB"));
    let by_code = match code(inputs) {
        Some(code) if mounted => Some(code >> 30 != 0b11),
        Some(code @ 100..=599) => Some(code < 400),
        _ => None,
    };
    by_code.or_else(|| status.map(|_| false))
}

/// A status as a number, of SMB also as `0xC0000022`.
fn code(inputs: &Inputs<'_>) -> Option<u32> {
    let written = inputs.scalar(0)?;
    match written.strip_prefix("0x").or_else(|| written.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => written.trim().parse().ok(),
    }
}

/// The status in words, else as a number.
pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs)? {
        return None;
    }
    text(inputs.string(1).or_else(|| inputs.scalar(0))?)
}

/// A text that some deliveries put into quotation marks.
pub(super) fn unquoted(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let written = inputs.string(0)?;
    text(Some(without_quotes(&written)).filter(|text| !text.is_empty())?)
}

pub(super) fn without_quotes(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}
