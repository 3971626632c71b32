//! Who acted, with which credential, and through whom.
//!
//! In: `authenticationInfo`. Out: the *principal*, which for an impersonated service account is that
//! account, for it is whose rights are used; who stands behind it is `invoked_by`. A chain of delegations
//! begins with the account nearest to the principal (so logs have it; Google's reference says only that the
//! order is that of the delegations), and only its far end can be anything but a service account: who is none
//! is the one, else the last.
//!
//! Some denied calls have an empty `authenticationInfo`: their principal is `unknown@` the address,
//! so that what comes from one place can still be counted together. It is no credential and has no
//! name.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::{Inputs, text};
use crate::sources::json_value::{elements, get, string};
use crate::sources::net::without_port;

pub(super) const INPUTS: &[&str] = &[
    "protoPayload.authenticationInfo.principalEmail",
    "protoPayload.authenticationInfo.principalSubject",
    "protoPayload.requestMetadata.callerIp",
    "protoPayload.authenticationInfo.serviceAccountKeyName",
];

const EMAIL: usize = 0;
const SUBJECT: usize = 1;
const CALLER_IP: usize = 2;
const KEY: usize = 3;

pub(super) const DELEGATION_INPUTS: &[&str] =
    &["protoPayload.authenticationInfo.serviceAccountDelegationInfo"];

/// Who stands behind an impersonated service account.
pub(super) fn invoked_by(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let chain = parse(inputs.text(0)?).ok()?;
    let chain: Vec<&str> = elements(&chain).iter().filter_map(authority).collect();
    let is_account = |name: &&&str| kind_of(name) == Some("service_account");
    text(chain.iter().find(|name| !is_account(name)).or(chain.last())?.to_string())
}

/// What one delegation calls the one who was given the right: an address, a subject of a pool, or what the claims of
/// another provider say.
fn authority<'v>(delegation: &'v Value<'_>) -> Option<&'v str> {
    let named = |value: &'v Value<'_>, name| get(value, name).and_then(string);
    let address = get(delegation, "firstPartyPrincipal").and_then(|by| named(by, "principalEmail"));
    let claims = || get(get(delegation, "thirdPartyPrincipal")?, "thirdPartyClaims");
    address
        .or_else(|| named(delegation, "principalSubject"))
        .or_else(|| claims().and_then(|claims| named(claims, "email").or_else(|| named(claims, "sub"))))
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(known) = known(inputs) {
        return text(known);
    }
    text(format!("unknown@{}", without_port(&inputs.string(CALLER_IP)?)))
}

/// The address; where it is missing the subject, without the word before an address.
fn known<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    if let Some(email) = inputs.string(EMAIL) {
        return Some(email);
    }
    let subject = inputs.string(SUBJECT)?;
    let address = ["user:", "serviceAccount:"].iter().find_map(|word| subject.strip_prefix(word));
    Some(address.map(str::to_owned).map_or(subject, Cow::Owned))
}

/// What address and subject say; where they differ, `user` is the weaker word.
pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let kinds = [EMAIL, SUBJECT].map(|input| inputs.string(input).and_then(|name| kind_of(&name)));
    let kinds = || kinds.iter().flatten();
    text(*kinds().find(|kind| **kind != "user").or_else(|| kinds().next())?)
}

fn kind_of(name: &str) -> Option<&'static str> {
    if name.contains("/workforcePools/") {
        return Some("workforce");
    }
    if name.contains("/workloadIdentityPools/") || name.contains(".svc.id.goog[") {
        return Some("workload");
    }
    let of_account = ["serviceAccount:", "system:serviceaccount:"].iter().any(|word| name.starts_with(word));
    if of_account || name.ends_with("gserviceaccount.com") {
        return Some("service_account");
    }
    if name.starts_with("system:") {
        // a component or an anonymous caller of a GKE cluster
        return Some("system");
    }
    name.contains('@').then_some("user")
}

/// The address, or what a subject of a pool calls its own.
pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let known = known(inputs)?;
    let own = known.split_once("/subject/").map(|(_, own)| own.to_owned());
    text(own.unwrap_or_else(|| known.into_owned()))
}

/// The key that signed the call; any other credential is known by its principal only.
pub(super) fn credential_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(inputs.string(KEY).or_else(|| known(inputs))?)
}

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    inputs.string(KEY)?;
    text("service_key")
}
