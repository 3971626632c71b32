//! Who acted, with which credential, in which cluster.
//!
//! In: `user` (what the authenticator made of the credential), `impersonatedUser`, AKS's resource id.
//! Out: the *principal* is `user`, who holds the credential. Whom it chose to act as
//! (`kubectl --as`) is a name out of a request header: it stands in `target_user`, so that history
//! and blame stay with the credential, and a rule sees that somebody acted as somebody else.
//!
//! | `user.username` | type | name |
//! |---|---|---|
//! | `system:serviceaccount:web:builder` | service_account | `builder` |
//! | `system:node:node-1` | node | `node-1` |
//! | `system:anonymous` | anonymous | the whole |
//! | `system:kube-scheduler` | system | the whole |
//! | `arn:aws:sts::…:assumed-role/Dev/ada` (EKS access entries) | user | `Dev`; the principal is the role, `ada` the session |
//! | any other | user | the whole |
//!
//! The cluster is known only where AKS names it; a file or a CloudWatch message does not.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::super::role_session::RoleSession;
use super::{AKS_CATEGORIES, Inputs, first_of_list, text};

pub(super) const PROVIDER_INPUTS: &[&str] =
    &["category", "resourceId", "_ResourceId", "user.username", "user.extra.arn", "user.extra.canonicalArn"];

/// The cloud, where something in the event is its own: AKS's record, an AWS identity.
pub(super) fn provider(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let of_aks = inputs
        .string(0)
        .is_some_and(|is| AKS_CATEGORIES.iter().any(|category| category.eq_ignore_ascii_case(&is)));
    if of_aks
        || [1, 2].into_iter().any(|input| inputs.string(input).is_some_and(|id| cluster_in(&id).is_some()))
    {
        return text("azure");
    }
    (3..6).find_map(|input| first_of_list(inputs, input).filter(|arn| arn.starts_with("arn:aws")))?;
    text("aws")
}

/// The cluster's name.
pub(super) fn cluster(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..2).find_map(|input| cluster_in(&inputs.string(input)?))?)
}

/// `/SUBSCRIPTIONS/…/MANAGEDCLUSTERS/PROD` → `prod`; Azure writes the id now in capitals and now not.
fn cluster_in(resource: &str) -> Option<String> {
    let resource = resource.to_lowercase();
    let kinds = ["/managedclusters/", "/connectedclusters/"];
    let (_, rest) = kinds.iter().find_map(|kind| resource.split_once(kind))?;
    let name = rest.split('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0)?;
    let role = RoleSession::of(&name).map(|session| session.role_arn());
    text(role.map_or(name, Cow::Owned))
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0)?;
    text(match name.strip_prefix("system:") {
        Some(rest) if rest.starts_with("serviceaccount:") => "service_account",
        Some(rest) if rest.starts_with("node:") => "node",
        Some("anonymous" | "unauthenticated") => "anonymous",
        Some(_) => "system",
        None => "user",
    })
}

pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let name = inputs.string(0)?;
    if let Some(session) = RoleSession::of(&name) {
        return text(session.role);
    }
    if let Some(account) = name.strip_prefix("system:serviceaccount:") {
        return text(account.rsplit(':').next()?);
    }
    if name.starts_with("arn:") {
        return text(name.rsplit('/').next()?);
    }
    text(name.strip_prefix("system:node:").unwrap_or(&name))
}

pub(super) const SESSION_INPUTS: &[&str] =
    &["user.extra.authentication.kubernetes.io/pod-name", "user.extra.sessionName", "user.username"];

/// The pod whose token it is, or the name of the role's session.
pub(super) fn session_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let said = first_of_list(inputs, 0).or_else(|| first_of_list(inputs, 1));
    let in_arn = || Some(RoleSession::of(&inputs.string(2)?)?.session.to_owned());
    text(said.map(Cow::into_owned).or_else(in_arn)?)
}

pub(super) const CREDENTIAL_INPUTS: &[&str] =
    &["user.extra.authentication.kubernetes.io/credential-id", "user.extra.accessKeyId"];

/// `JTI=…` of a token, `X509SHA256=…` of a client certificate, the access key of an AWS identity.
fn credential<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    first_of_list(inputs, 0).or_else(|| first_of_list(inputs, 1))
}

pub(super) fn credential_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(credential(inputs)?)
}

/// Tokens that have an id end by themselves; how long a certificate lives the log does not say.
fn kind_of(credential: &str) -> Option<&'static str> {
    match credential.get(..4)? {
        "JTI=" | "ASIA" => Some("temporary"),
        "AKIA" => Some("long_lived"),
        _ => None,
    }
}

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(kind_of(&credential(inputs)?)?)
}

/// A temporary credential is a session.
pub(super) fn session_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(credential(inputs).filter(|credential| kind_of(credential) == Some("temporary"))?)
}
