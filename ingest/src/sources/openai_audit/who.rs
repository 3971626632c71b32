//! Who acted: a person, a service account, or a key of which no more is known.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::super::derive::text;
use super::Inputs;

pub(super) const INPUTS: &[&str] = &[
    "actor.session.user.email | actor.api_key.user.email",
    "actor.session.user.id | actor.api_key.user.id",
    "actor.api_key.service_account.id",
    "actor.api_key.id",
];

/// What an actor is, in the order of [`INPUTS`].
const TYPES: [&str; 4] = ["user", "user", "service_account", "api_key"];

fn find<'a>(inputs: &Inputs<'a>) -> Option<(Cow<'a, str>, &'static str)> {
    TYPES.into_iter().enumerate().find_map(|(input, kind)| Some((inputs.string(input)?, kind)))
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.1)
}

/// A session of the browser has no credential that the log would name.
pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    inputs.string(0).filter(|actor| actor == "api_key")?;
    text("bearer_api_key")
}
