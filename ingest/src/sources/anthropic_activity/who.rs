//! Who acted, of all that may act.

use virga_engine::event::ColumnValue;

use super::super::derive::text;
use super::Inputs;

/// Each kind of actor has one or two of these.
pub(super) const INPUTS: &[&str] = &[
    "actor.email_address",
    "actor.unauthenticated_email_address",
    "actor.user_id",
    "actor.service_account_id",
    "actor.admin_api_key_id",
    "actor.api_key_id",
    "actor.subject",
    "actor.directory_id",
    "actor.external_client_id",
    "actor.service",
];

/// The key with which an actor called, as far as one did.
pub(super) const KEYS: &[&str] = &["actor.admin_api_key_id", "actor.api_key_id"];

/// `user`, `api`, `admin_api_key`, `service_account`, `unauthenticated_user` and so on.
pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let kind = inputs.string(0)?;
    text(kind.strip_suffix("_actor").unwrap_or(&kind))
}

pub(super) fn credential_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    (inputs.has(0) || inputs.has(1)).then_some(())?;
    text("bearer_api_key")
}
