//! Who acted, with which credential.
//!
//! In: `userIdentity` in its forms (IAMUser, AssumedRole, Root, FederatedUser, AWSService, AWSAccount,
//! IdentityCenterUser, none at all). Out: the *principal*, which for a role is the role and never the
//! session, so that history groups by it; the session and the credential in columns of their own.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::super::role_session::RoleSession;
use super::{Inputs, text};

pub(super) const PRINCIPAL_INPUTS: &[&str] = &[
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.arn",
    "userIdentity.principalId",
    "userIdentity.onBehalfOf.userId",
    "userIdentity.invokedBy",
    "userIdentity.accountId",
];

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(principal_of(inputs, 0)?)
}

/// The principal, from [`PRINCIPAL_INPUTS`] that begin at an input.
fn principal_of<'a>(inputs: &Inputs<'a>, at: usize) -> Option<Cow<'a, str>> {
    if let Some(issuer) = inputs.string(at) {
        return Some(issuer);
    }
    if let Some(arn) = inputs.string(at + 1) {
        let role = RoleSession::of(&arn).map(|session| session.role_arn());
        return Some(role.map_or(arn, Cow::Owned));
    }
    if let Some(id) = inputs.string(at + 2) {
        // AROA…:session names a role's session
        return Some(match id.split_once(':') {
            Some((role, _)) if role.starts_with("AROA") => Cow::Owned(role.to_owned()),
            _ => id,
        });
    }
    (3..6).find_map(|input| inputs.scalar(at + input))
}

pub(super) const NAME_INPUTS: &[&str] =
    &["userIdentity.userName", "userIdentity.sessionContext.sessionIssuer.userName", "userIdentity.arn"];

pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(name) = inputs.string(0).or_else(|| inputs.string(1)) {
        return text(name);
    }
    let arn = inputs.string(2)?;
    match RoleSession::of(&arn) {
        Some(session) => text(session.role),
        // arn:…:user/path/Name, arn:…:role/Name; not arn:…:root
        None => text(arn.rsplit_once('/')?.1),
    }
}

pub(super) const SESSION_INPUTS: &[&str] = &["userIdentity.principalId", "userIdentity.arn"];

pub(super) fn session_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    // of identities of other providers the part before the colon is a provider or an application
    let is_session = |id: &str| id.starts_with("AROA") || id.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(id) = inputs.string(0)
        && let Some((of, session)) = id.split_once(':')
        && is_session(of)
        && !session.is_empty()
    {
        return text(session);
    }
    let arn = inputs.string(1)?;
    text(RoleSession::of(&arn)?.session)
}

/// A temporary credential is a session: its key id begins with `ASIA`.
pub(super) fn session_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(inputs.string(0).filter(|key| key.starts_with("ASIA"))?)
}

/// Where a call says that a bearer token came with it: Bedrock's first endpoint and its second each have
/// a place of their own.
const BEARER: [&str; 2] =
    ["additionalEventData.callWithBearerToken", "requestParameters.callWithBearerToken"];

/// Whether one of [`BEARER`], which are the first inputs, says so.
fn has_bearer_token(inputs: &Inputs<'_>) -> bool {
    (0..BEARER.len()).any(|input| inputs.flag(input) == Some(true))
}

pub(super) const CREDENTIAL_INPUTS: &[&str] = &[
    BEARER[0],
    BEARER[1],
    "userIdentity.accessKeyId",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.arn",
    "userIdentity.principalId",
    "userIdentity.onBehalfOf.userId",
    "userIdentity.invokedBy",
    "userIdentity.accountId",
    "userIdentity.credentialId",
];

/// A call with a bearer token names no key; such a key belongs to one principal, which stands for it. Who signed in to
/// Identity Center has no key either, but the sign-in's own credential.
pub(super) fn credential_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if has_bearer_token(inputs) {
        return text(principal_of(inputs, 3)?);
    }
    text(inputs.string(2).or_else(|| inputs.string(9))?)
}

pub(super) const KIND_INPUTS: &[&str] = &[BEARER[0], BEARER[1], "userIdentity.accessKeyId"];

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if has_bearer_token(inputs) {
        return text("bearer_api_key");
    }
    match inputs.string(2)?.get(..4)? {
        "AKIA" => text("long_lived"),
        "ASIA" => text("temporary"),
        _ => None,
    }
}

pub(super) const MFA_INPUTS: &[&str] =
    &["additionalEventData.MFAUsed", "userIdentity.sessionContext.attributes.mfaAuthenticated"];

pub(super) fn mfa(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let at_login = inputs.string(0).and_then(|used| match used.as_ref() {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    });
    at_login.or_else(|| inputs.flag(1)).map(ColumnValue::Bool)
}
