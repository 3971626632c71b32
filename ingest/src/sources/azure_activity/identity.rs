//! Who acted, for which tenant.
//!
//! In: `caller`, or where a form has none (event hub, storage account) the claims of the token: the
//! same name that `caller` would have. Out: principal, its kind, the tenant.
//!
//! The evidence in `authorization` names whoever holds the role that let the request through; where
//! that is a group, it is not the caller.

use virga_engine::event::ColumnValue;

use super::super::azure::claims;
use super::{Inputs, text};

/// The user principal name.
pub(super) const UPN: &str = "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";

/// The name of an account; a guest has no other.
pub(super) const NAME: &str = "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";

pub(super) const PRINCIPAL_INPUTS: &[&str] = &[
    "caller",
    UPN,
    "identity.claims.upn",
    NAME,
    "identity.claims.http://schemas.microsoft.com/identity/claims/objectidentifier",
    "identity.claims.oid",
    "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/spn",
    "identity.claims.name",
    "identity.authorization.evidence.principalId",
    "identity.claims.appid",
    "identity.authorization.evidence.principalType",
];

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let named = claims::first(inputs, 0..7).map(without_provider);
    // a person's name, or a user principal name all the same
    let by_name =
        || inputs.string(7).filter(|name| name.contains('@')).and_then(|name| claims::normal(&name));
    let by_evidence = || if is_group(inputs, 10) { None } else { claims::first(inputs, 8..9) };
    text(named.or_else(by_name).or_else(by_evidence).or_else(|| claims::first(inputs, 9..10))?)
}

/// `live.com#ada@example.com` → `ada@example.com`: the claims of an account of another provider name it, and
/// `caller` does not. (A guest of another directory, `ada_example.com#ext#@…`, is called so in both.)
fn without_provider(name: String) -> String {
    let own = name.split_once('#').filter(|(provider, own)| !provider.contains('@') && own.contains('@'));
    match own {
        Some((provider, own)) if provider.contains('.') && !own.starts_with("ext#") => own.to_owned(),
        _ => name,
    }
}

pub(super) const TYPE_INPUTS: &[&str] =
    &["identity.claims.idtyp", "identity.authorization.evidence.principalType"];

/// `app` or `user`, as the token says; else the kind that the evidence has.
pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(kind) = inputs.string(0) {
        return text(kind);
    }
    text(inputs.string(1).filter(|_| !is_group(inputs, 1))?)
}

fn is_group(inputs: &Inputs<'_>, input: usize) -> bool {
    inputs.string(input).is_some_and(|kind| kind.to_ascii_lowercase().ends_with("group"))
}

/// How the caller had signed in.
pub(super) const METHODS: &[&str] =
    &["identity.claims.http://schemas.microsoft.com/claims/authnmethodsreferences", "identity.claims.amr"];

pub(super) const TENANT_INPUTS: &[&str] = &[
    // what only a row of Log Analytics has
    "SourceSystem | EventSubmissionTimestamp | EventSubmissionTimestamp [UTC] | $table | Type",
    "tenantId",
    "properties.hierarchy",
    "Hierarchy",
    "identity.claims.http://schemas.microsoft.com/identity/claims/tenantid",
    "identity.claims.tid",
];

/// The tenant that the resource belongs to. It is the id of the root of all management groups, which the
/// hierarchy begins with; the token's tenant is the caller's, and as good as always the same.
pub(super) fn tenant(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    // in a row of Log Analytics `TenantId` is the workspace
    let written = if inputs.has(0) { None } else { inputs.string(1) };
    let root = || {
        let hierarchy = inputs.string(2).or_else(|| inputs.string(3))?;
        let (root, _) = hierarchy.split_once('/')?;
        is_guid(root).then(|| root.to_owned())
    };
    let of_token = || inputs.string(4).or_else(|| inputs.string(5)).map(|tenant| tenant.into_owned());
    let tenant = written.map(|tenant| tenant.into_owned()).or_else(root).or_else(of_token)?;
    text(tenant.trim().to_lowercase())
}

fn is_guid(id: &str) -> bool {
    id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
