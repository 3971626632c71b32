//! Whether a call over HTTP worked.
//!
//! In: a status code, as number or text. Out: it as a number, and the outcome that it means.

use crate::sources::Inputs;

/// The status code of an input; `None` where none was sent (0) or it is none.
pub(in crate::sources) fn code(inputs: &Inputs<'_>, input: usize) -> Option<i64> {
    inputs.count(input).filter(|code| (100..600).contains(code))
}

/// `success` up to 399, `failure` from 400 on.
pub(in crate::sources) fn outcome(code: i64) -> &'static str {
    if code < 400 { "success" } else { "failure" }
}
