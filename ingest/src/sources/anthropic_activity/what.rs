//! What was done, to what, and what it grants.
//!
//! In: the type and the fields beside it. Out: the kind of the action, its outcome, what it was done to, and
//! grants: `ADD|<who>|<role>` for an invitation, an assigned role or a new primary owner, `SET|…` where a
//! member's role is changed, `REMOVE|…` where one is taken away.
//!
//! A type says in its last word what became of it. What somebody only set out to do (`sso_login_initiated`)
//! has no outcome.

use virga_engine::event::ColumnValue;

use super::super::derive::text;
use super::Inputs;

/// The type, and of a call of the Compliance API its answer and its verb.
pub(super) const CALL: &[&str] = &["type", "status_code", "request_method"];

/// Where what was acted on is named: what is in something before what it is in, a key before its user. The
/// name of a field but for its `_id` is the kind of the thing.
pub(super) const TARGETS: &[&str] = &[
    // a call of the Compliance API, beside which the caller's own key stands
    "url",
    "admin_api_key_id",
    "service_key_id",
    "api_key_id",
    "tunnel_token_id",
    "signing_key_id",
    "new_signing_key_id",
    "mcp_server_id",
    "plugin_id",
    "skill_id",
    "command_id",
    "integration_id",
    "ghe_configuration_id",
    "marketplace_id",
    "connection_id",
    "federation_rule_id",
    "federation_issuer_id",
    "certificate_id",
    "spend_limit_id",
    "invite_id",
    "target_id",
    "principal_id",
    "role_id",
    "group_id",
    "service_account_id",
    "new_owner_id",
    "deleted_user_id",
    "claude_artifact_id",
    "claude_project_document_id",
    "claude_file_id",
    "claude_chat_snapshot_id",
    "claude_chat_id",
    "claude_project_id",
    "share_id",
    "session_id",
    "file_id",
    "webhook_id",
    "environment_id",
    "workspace_id",
    "user_id",
];

/// Whom it was done to.
pub(super) const USERS: &[&str] = &[
    "invited_email",
    "invitee_email",
    "deleted_user_email",
    "user_email",
    "new_owner_id",
    "deleted_user_id",
    "target_id",
    "principal_id",
    "user_id",
];

/// The type, and pairs of who and which role.
pub(super) const GRANTS: &[&str] = &[
    "type",
    "invited_email | invitee_email",
    "invited_role",
    "user_email | user_id",
    "current_role",
    "target_id",
    "role",
    "principal_id",
    "role_id",
    "new_owner_id",
];

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let grant = |verb: &str, who: usize, role: usize| {
        Some(format!("{verb}|{}|{}", inputs.string(who)?, inputs.string(role)?))
    };
    let granted = match inputs.string(0)?.as_ref() {
        "org_user_invite_sent" => grant("ADD", 1, 2),
        "claude_user_role_updated" => grant("SET", 3, 4),
        "role_assignment_granted" => grant("ADD", 5, 6),
        "role_assignment_revoked" => grant("REMOVE", 5, 6),
        "rbac_role_assigned" => grant("ADD", 7, 8),
        "rbac_role_unassigned" => grant("REMOVE", 7, 8),
        "primary_owner_transferred" => Some(format!("ADD|{}|primary_owner", inputs.string(9)?)),
        _ => None,
    };
    Some(ColumnValue::List(vec![granted?]))
}

/// Whether who is invited, or given a role, is of none of the user's own domains; whose an id is is not told.
pub(super) fn grants_external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let who = match inputs.string(0)?.as_ref() {
        "org_user_invite_sent" => inputs.string(1)?,
        "claude_user_role_updated" => inputs.string(3)?,
        _ => return None,
    };
    let environment = inputs.environment();
    let known = who.contains('@') && !environment.own_domains.is_empty();
    known.then(|| ColumnValue::Bool(!environment.owns_domain_of(&who)))
}

/// Types of signing in and out that do not have `login` in their name.
const AUTH: &[&str] = &[
    "user_logged_out",
    "session_revoked",
    "phone_code_sent",
    "phone_code_verified",
    "sso_second_factor_magic_link",
    "lti_launch_initiated",
    "lti_launch_success",
];

const READING: &[&str] = &["_viewed", "_listed", "_accessed", "_downloaded", "_exported", "_access_failed"];

pub(super) fn kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let action = inputs.string(0)?;
    if action.contains("_login_") || AUTH.contains(&action.as_ref()) {
        return text("auth");
    }
    if action == "compliance_api_accessed" {
        let reads = inputs.string(2).is_none_or(|method| method.eq_ignore_ascii_case("GET"));
        return text(if reads { "read" } else { "write" });
    }
    text(if READING.iter().any(|end| action.ends_with(end)) { "read" } else { "write" })
}

pub(super) fn outcome(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let action = inputs.string(0)?;
    if ["_login_initiated", "_login_attempted"].iter().any(|end| action.ends_with(end)) {
        return None;
    }
    let failed = action.ends_with("_failed") || action.ends_with("_blocked");
    text(if failed || status(inputs).is_some() { "failure" } else { "success" })
}

pub(super) fn error_code(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(status(inputs)?.to_string())
}

/// With what the Compliance API refused a call.
fn status(inputs: &Inputs<'_>) -> Option<i64> {
    inputs.count(1).filter(|status| *status >= 400)
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let (_, name) = TARGETS.iter().enumerate().find(|(input, _)| inputs.string(*input).is_some())?;
    let kind = name.strip_suffix("_id").unwrap_or(name);
    text(match kind {
        "new_signing_key" => "signing_key",
        "target" | "principal" | "new_owner" | "deleted_user" => "user",
        kind => kind.strip_prefix("claude_").unwrap_or(kind),
    })
}
