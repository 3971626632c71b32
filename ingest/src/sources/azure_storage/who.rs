//! Who asked, and by what right.
//!
//! In: the way of authentication, the requester of a token, the address asked for. Out: the principal,
//! the way, the kind of credential. The documentation writes the ways `SAS Key` and `Account Key`, the
//! log `SAS` and `AccountKey`; a record that does not say it shows it by the signature in its address, or
//! by a status such as `AnonymousSuccess`.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::super::azure::claims;
use super::{Inputs, text};

pub(super) const WAY_INPUTS: &[&str] = &["identity.type", "uri", "statusText"];

pub(super) const PRINCIPAL_INPUTS: &[&str] = &[
    "identity.type",
    "uri",
    "statusText",
    "identity.requester.upn",
    "identity.requester.objectId",
    "requester.upn",
    "requester.objectId",
    "identity.requester.appId",
    "properties.accountName",
    "uri",
];

/// A user by name, an application by its object id; where there is neither, the way into the account.
pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(requester) = claims::first(inputs, 3..8) {
        return text(requester);
    }
    let way = way(inputs)?.to_lowercase().replace(' ', "");
    let way = ["sas", "accountkey", "anonymous", "trustedaccess"].into_iter().find(|w| way.starts_with(w))?;
    let account = inputs.string(8).or_else(|| account_of(inputs.string(9)?))?;
    text(format!("{way}@{}", account.to_lowercase()))
}

/// `https://acct.blob.core.windows.net/…` → `acct`
fn account_of(uri: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let (account, _) = uri.split_once("://")?.1.split_once('.')?;
    (!account.is_empty() && !account.contains(['/', ':'])).then(|| Cow::Owned(account.to_owned()))
}

/// How the request was let in, in the log's words.
fn way<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    if let Some(kind) = inputs.string(0) {
        return Some(kind);
    }
    let is_signed = |uri: &str| uri.split_once('?').is_some_and(|(_, query)| has_parameter(query, "sig"));
    if inputs.string(1).is_some_and(|uri| is_signed(&uri)) {
        return Some(Cow::Borrowed("SAS"));
    }
    let status = inputs.string(2)?;
    ["SAS", "Anonymous"].into_iter().find(|way| status.starts_with(way)).map(Cow::Borrowed)
}

fn has_parameter(query: &str, name: &str) -> bool {
    query.split('&').any(|part| part.split_once('=').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name)))
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(way(inputs)?)
}

/// An account key is valid until somebody changes it, a token for an hour or a day. A signature may be
/// either.
pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    match way(inputs)?.to_lowercase().replace(' ', "").as_str() {
        "accountkey" => text("long_lived"),
        "oauth" => text("temporary"),
        _ => None,
    }
}
