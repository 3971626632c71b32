//! Who asked the model.
//!
//! In: attributes that name a user, an API key, or only the application. Out: the *principal*, which
//! is the most certain of them:
//!
//! | known | principal | type |
//! |---|---|---|
//! | the user that a gateway's key belongs to | that user | user |
//! | the user that the application says | that user | user |
//! | the end user that the caller of a gateway says (its own word) | that user | end_user |
//! | the key only | `apikey:<hash or id>` | api_key |
//! | the application only (spans of a client; a server's name says who was called) | `service.name` | application |
//!
//! None of this is proven to whoever reads it: an application says of its users what it likes.

use std::borrow::Cow;

use virga_engine::event::ColumnValue;

use super::call::{Kind, is_kind};
use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &[
    "metadata.user_api_key_user_id",
    "user.id",
    "enduser.id",
    "gen_ai.user",
    "gen_ai.user.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "user.email",
    "litellm.end_user.id",
    "metadata.user_api_key_end_user_id",
    "llm.user",
    "gen_ai.request.user",
    "litellm.api_key.hash",
    "metadata.user_api_key_hash",
    "kind",
    "service.name",
];

/// Where end users, keys, and the rest begin in [`INPUTS`].
const END_USERS: usize = 8;
const KEYS: usize = 12;
const SPAN_KIND: usize = 14;
const SERVICE: usize = 15;

fn find<'a>(inputs: &Inputs<'a>) -> Option<(Cow<'a, str>, &'static str)> {
    let first = |mut range: std::ops::Range<usize>| range.find_map(|input| inputs.scalar(input));
    if let Some(user) = first(0..END_USERS) {
        return Some((user, "user"));
    }
    if let Some(user) = first(END_USERS..KEYS) {
        return Some((user, "end_user"));
    }
    if let Some(key) = first(KEYS..SPAN_KIND) {
        return Some((Cow::Owned(format!("apikey:{key}")), "api_key"));
    }
    if !is_kind(inputs, SPAN_KIND, Kind::Client) && !is_kind(inputs, SPAN_KIND, Kind::Internal) {
        return None;
    }
    // what an SDK writes whom nobody has given a name
    let service = inputs.string(SERVICE).filter(|name| !name.starts_with("unknown_service"))?;
    Some((service, "application"))
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.0)
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.1)
}

pub(super) const NAME_INPUTS: &[&str] = &[
    "user.name",
    "user.full_name",
    "user.email",
    "metadata.user_api_key_user_email",
    "metadata.user_api_key_alias",
];

pub(super) const SESSION_INPUTS: &[&str] = &[
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "mcp.session.id",
];

/// A gateway logs a hash of the key, never the key.
pub(super) const KEY_INPUTS: &[&str] = &["litellm.api_key.hash", "metadata.user_api_key_hash"];
