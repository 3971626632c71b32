//! Who called, with which key.
//!
//! In: the subscription whose key came with the request, the user whom the gateway knows, headers
//! where the operator logs them. Out: the principal and the credential.
//!
//! The principal is the subscription: it is the key that was given out, it is paid for and limited,
//! and it is logged whenever a key was used. The user is the subscription's owner, one for many keys
//! or none at all, and stands in only where there is no subscription. A caller with a token of Entra ID
//! alone leaves neither; a request that was refused for its key leaves none. Subscriptions are named
//! within their gateway, where `master` is the one that opens everything.

use virga_engine::event::ColumnValue;

use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &["properties.apimSubscriptionId", "properties.userId"];

pub(super) const AGENT_INPUTS: &[&str] =
    &["properties.requestHeaders.User-Agent", "properties.backendRequestHeaders.User-Agent"];

fn subscription(inputs: &Inputs<'_>) -> Option<String> {
    Some(format!("apim-subscription:{}", inputs.scalar(0)?))
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(subscription(inputs).or_else(|| Some(format!("apim-user:{}", inputs.scalar(1)?)))?)
}

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    match (inputs.scalar(0), inputs.scalar(1)) {
        (Some(_), _) => text("subscription"),
        (None, Some(_)) => text("user"),
        (None, None) => None,
    }
}

pub(super) fn credential_id(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(subscription(inputs)?)
}

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    subscription(inputs).and_then(|_| text("bearer_api_key"))
}
