//! What was done, to what, and what it grants.
//!
//! In: the type, and the members that hold what is known of it; a record has one of them. Out: the kind of
//! the action, its outcome, what it was done to, and grants: an invitation, a member or a service account
//! with its role, as `ADD|<who>|<role>`, and `SET|…` where the role of one is changed. That a role was
//! assigned is told without the role, so it grants nothing here.

use virga_engine::event::ColumnValue;

use super::super::derive::text;
use super::Inputs;

/// Where what was acted on is named. Of what names several, the first.
pub(super) const TARGETS: &[&str] = &[
    // the checkpoint, not the permission that is made for it
    "checkpoint.permission.created.data.fine_tuned_model_checkpoint",
    "certificates.activated.certificates.id",
    "certificates.deactivated.certificates.id",
    "ip_allowlist.config.activated.configs.id",
    "ip_allowlist.config.deactivated.configs.id",
    "role.bound_to_resource.role_id",
    "role.unbound_from_resource.role_id",
    "api_key.created.id",
    "api_key.updated.id",
    "api_key.deleted.id",
    "certificate.created.id",
    "certificate.updated.id",
    "certificate.deleted.id",
    "checkpoint.permission.created.id",
    "checkpoint.permission.deleted.id",
    "external_key.registered.id",
    "external_key.removed.id",
    "group.created.id",
    "group.updated.id",
    "group.deleted.id",
    "invite.sent.id",
    "invite.accepted.id",
    "invite.deleted.id",
    "ip_allowlist.created.id",
    "ip_allowlist.updated.id",
    "ip_allowlist.deleted.id",
    "organization.updated.id",
    "project.created.id",
    "project.updated.id",
    "project.archived.id",
    "project.deleted.id",
    "rate_limit.updated.id",
    "rate_limit.deleted.id",
    "role.created.id",
    "role.updated.id",
    "role.deleted.id",
    "role.assignment.created.id",
    "role.assignment.deleted.id",
    "scim.enabled.id",
    "scim.disabled.id",
    "service_account.created.id",
    "service_account.updated.id",
    "service_account.deleted.id",
    "user.added.id",
    "user.updated.id",
    "user.deleted.id",
    "workload_identity_provider.created.id",
    "workload_identity_provider.updated.id",
    "workload_identity_provider.deleted.id",
    "workload_identity_provider_mapping.created.id",
    "workload_identity_provider_mapping.updated.id",
    "workload_identity_provider_mapping.deleted.id",
];

/// Whom it was done to.
pub(super) const USERS: &[&str] = &[
    "invite.sent.data.email",
    "role.assignment.created.principal_id",
    "role.assignment.deleted.principal_id",
    "user.added.id",
    "user.updated.id",
    "user.deleted.id",
];

/// Who is given a role, and which: pairs, each with what happens to it in [`VERBS`].
pub(super) const GRANTS: &[&str] = &[
    "invite.sent.data.email",
    "invite.sent.data.role",
    "user.added.id",
    "user.added.data.role",
    "user.updated.id",
    "user.updated.changes_requested.role",
    "service_account.created.id",
    "service_account.created.data.role",
    "service_account.updated.id",
    "service_account.updated.changes_requested.role",
];

const VERBS: [&str; 5] = ["ADD", "ADD", "SET", "ADD", "SET"];

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let (at, verb) = VERBS.into_iter().enumerate().find(|(at, _)| inputs.has(2 * at + 1))?;
    let (who, role) = (inputs.string(2 * at)?, inputs.string(2 * at + 1)?);
    Some(ColumnValue::List(vec![format!("{verb}|{who}|{role}")]))
}

/// Whether who is invited is of none of the user's own domains; whose the ids of members are is not told.
pub(super) fn grants_external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let invited = inputs.string(0)?;
    let environment = inputs.environment();
    let known = inputs.has(1) && !environment.own_domains.is_empty();
    known.then(|| ColumnValue::Bool(!environment.owns_domain_of(&invited)))
}

/// Sign-ins and tokens are `auth`; all else that this log has changes something, but for a search.
pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let action = inputs.string(0)?;
    text(match action.split('.').next() {
        Some("login" | "logout") => "auth",
        _ if action.ends_with(".access_token.issued") => "auth",
        _ if action.ends_with(".looked_up") => "read",
        _ => "write",
    })
}

/// The log has what took effect, and two kinds of failure.
pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(if inputs.string(0)?.ends_with(".failed") { "failure" } else { "success" })
}

/// The first word of the type, behind what says that the action was the tenant's.
pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let action = inputs.string(0)?;
    let action = action.strip_prefix("tenant.").unwrap_or(&action);
    match action.split_once('.')?.0 {
        "login" | "logout" => None,
        "certificates" => text("certificate"),
        other => text(other),
    }
}
