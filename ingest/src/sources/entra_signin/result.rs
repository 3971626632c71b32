//! Whether a sign-in worked.
//!
//! In: `resultType`, which is an error code, 0 for success, or `status.errorCode` where there is none or
//! where it is a word. Out: outcome, error code and message.
//!
//! Every code but 0 is a failure, with one exception: an *interrupt*, a page that the sign-in shows on
//! its way (stay signed in?, is this the app you meant?, register a phone number first), refuses nobody
//! and is followed by another record. It has its code and no outcome: counted as a failure it would make
//! every first sign-in of a morning one, counted as a success it would end a guessing of passwords that
//! has not succeeded. 50074 is called an interrupt too, but says that a second factor was asked for and
//! not given; it is a failure.
//!
//! Format: "Microsoft Entra authentication and authorization error codes".

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use crate::sources::Inputs;
use crate::sources::derive::text;

pub(super) const INPUTS: &[&str] = &["resultType", "status.errorCode", "resultSignature"];

/// Codes that the documentation calls expected, or an interrupt that refuses nothing.
const INTERRUPTS: &[&str] = &[
    "50058", // no session yet for a silent sign-in
    "50072", // the password was right; a second factor must be registered first
    "50125", // a password reset or its registration comes first
    "50140", // stay signed in?
    "50168", // the browser is asked for its single sign-on token
    "50199", // is this the application that you meant?
    "70016", // a device is polling and its code has not been entered yet
];

/// The error code: the first of the inputs that is a number.
fn code<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    let is_number =
        |text: &Cow<'_, str>| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    (0..3).find_map(|input| inputs.scalar(input).filter(is_number))
}

/// Whether it worked; nothing for an interrupt.
pub(super) fn succeeded(inputs: &Inputs<'_>) -> Option<bool> {
    match code(inputs) {
        Some(code) if code == "0" => Some(true),
        Some(code) if INTERRUPTS.contains(&code.as_ref()) => None,
        Some(_) => Some(false),
        None => match inputs.string(0)?.to_ascii_lowercase().as_str() {
            "success" => Some(true),
            "failure" => Some(false),
            _ => None,
        },
    }
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if succeeded(inputs)? { "success" } else { "failure" })
}

pub(super) const STATUS_INPUTS: &[&str] = &[
    "resultType",
    "status.errorCode",
    "resultSignature",
    "status.additionalDetails",
    "status.failureReason",
    "resultDescription",
];

/// The status as the portal shows it: `Success` or `Failure`, and the details of it, for rules look for
/// words of either (`MFA Denied`).
pub(super) fn status(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let word = succeeded(inputs).map(|succeeded| if succeeded { "Success" } else { "Failure" });
    let details = (3..6).filter_map(|input| inputs.string(input).map(Cow::into_owned));
    let mut all: Vec<String> = word.map(str::to_owned).into_iter().collect();
    for detail in details {
        if !all.contains(&detail) {
            all.push(detail);
        }
    }
    (!all.is_empty()).then_some(ColumnValue::List(all))
}

pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(code(inputs).filter(|code| code != "0")?)
}

pub(super) const MESSAGE_INPUTS: &[&str] =
    &["resultType", "status.errorCode", "resultSignature", "resultDescription", "status.failureReason"];

pub(super) fn error_message(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if succeeded(inputs) == Some(true) {
        return None;
    }
    text((3..5).find_map(|input| inputs.string(input).filter(|reason| reason != "N/A"))?)
}
