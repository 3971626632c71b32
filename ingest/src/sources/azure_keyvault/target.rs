//! What in a vault was asked for.
//!
//! In: the object's address (`id`), which only an answer has, and the request's own; else the vault's
//! resource id. Out: the object's address in lower case, as vaults take it, and without version, or a
//! read with a version and one without would be of two secrets. A list is of its vault.

use virga_engine::event::ColumnValue;

use super::super::azure::resource;
use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &["properties.id", "properties.requestUri", "resourceId", "_ResourceId"];

/// Collections of a vault, and what is in them.
const COLLECTIONS: &[(&str, &str)] = &[
    ("certificates", "certificate"),
    ("deletedcertificates", "certificate"),
    ("deletedkeys", "key"),
    ("deletedsecrets", "secret"),
    ("deletedstorage", "storage_account"),
    ("keys", "key"),
    ("secrets", "secret"),
    ("storage", "storage_account"),
];

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.0)
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.1)
}

/// The target and its kind.
fn find(inputs: &Inputs<'_>) -> Option<(String, String)> {
    if let Some(found) = [0, 1].into_iter().find_map(|input| object(&inputs.string(input)?)) {
        return Some(found);
    }
    let id = [2, 3].into_iter().find_map(|input| resource::normal(&inputs.string(input)?))?;
    let kind = resource::kind(&id)?;
    Some((id, kind))
}

/// `https://kv.vault.azure.net/secrets/name/version?…` → the secret. The management of vaults asks other
/// hosts, with paths that are resource ids: those are not of a vault's own address.
fn object(uri: &str) -> Option<(String, String)> {
    let uri = uri.to_lowercase();
    let (scheme, rest) = uri.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    let host = parts.next()?;
    let host = host.strip_suffix(":443").unwrap_or(host);
    match (parts.next(), parts.next()) {
        (Some("subscriptions"), _) => None,
        (Some(collection), Some(name)) => match COLLECTIONS.iter().find(|(known, _)| *known == collection) {
            Some((_, kind)) => {
                Some((format!("{scheme}://{host}/{}/{name}", live(collection)), (*kind).to_owned()))
            }
            None => Some((format!("{scheme}://{host}"), "vault".to_owned())),
        },
        _ => Some((format!("{scheme}://{host}"), "vault".to_owned())),
    }
}

/// What was deleted and can be taken back is the same thing.
fn live(collection: &str) -> &str {
    collection.strip_prefix("deleted").unwrap_or(collection)
}
