//! Who called, with which credential.
//!
//! In: the object id in a record's properties. Out: the principal and the credential. A call with one
//! of the resource's keys has an empty object id: all callers by key are one principal,
//! `apikey@<resource id>`, because the log does not tell the two keys or their holders apart.
//!
//! | object id | status | principal |
//! |---|---|---|
//! | `e4a7c9d2-…` | any | `e4a7c9d2-…` |
//! | empty | any but 401 | `apikey@/subscriptions/…/accounts/<name>` |
//! | empty | 401 | none: the key was no key |
//! | not there (a record without properties) | any | none |

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::{Inputs, resource, status, text};

pub(super) const INPUTS: &[&str] = &[
    "resourceId | _ResourceId",
    "properties.objectId",
    "properties.callerObjectId",
    "category",
    "resultSignature",
];

/// The all-zero object id stands for nobody.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

fn object_id<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    [1, 2].into_iter().find_map(|input| inputs.string(input).filter(|id| id != NOBODY))
}

/// Only calls of the API can be made with a key; an entry of the audit log has an object id or none.
fn by_key(inputs: &Inputs<'_>) -> bool {
    const CALLS: [&str; 2] = ["RequestResponse", "AzureOpenAIRequestUsage"];
    let call =
        inputs.string(3).is_some_and(|category| CALLS.iter().any(|c| c.eq_ignore_ascii_case(&category)));
    call && object_id(inputs).is_none()
        && (inputs.has(1) || inputs.has(2))
        && status::code(inputs, 4) != Some(401)
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    match object_id(inputs) {
        Some(id) => text(id.to_lowercase()),
        None if by_key(inputs) => text(format!("apikey@{}", resource::normal(&inputs.string(0)?)?)),
        None => None,
    }
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(by_key(inputs).then_some("api_key")?)
}

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(by_key(inputs).then_some("bearer_api_key")?)
}
