//! Who asked.
//!
//! In: `identity.arn`, the one thing that a record says of its caller. Out: the principal, which for
//! an assumed role is the role and never the session, as in CloudTrail's columns; its kind in
//! CloudTrail's words; the session's name.
//!
//! | `identity.arn` | principal | kind |
//! |---|---|---|
//! | `arn:aws:sts::<account>:assumed-role/Role/session` | `arn:aws:iam::<account>:role/Role` | `AssumedRole` |
//! | `arn:aws:iam::<account>:user/path/Name` | the ARN | `IAMUser` |
//! | `arn:aws:sts::<account>:federated-user/Name` | the ARN | `FederatedUser` |
//! | `arn:aws:iam::<account>:root` | the ARN | `Root` |
//!
//! A long-term Bedrock API key is an IAM user of its own (`BedrockAPIKey-…`).

use virga_engine::event::ColumnValue;

use super::super::role_session::RoleSession;
use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &["identity.arn"];

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    match RoleSession::of(&arn) {
        Some(session) => text(session.role_arn()),
        None => text(arn),
    }
}

/// Kinds of principals by how the last part of their ARN begins.
const KINDS: &[(&str, &str)] = &[
    ("assumed-role/", "AssumedRole"),
    ("user/", "IAMUser"),
    ("federated-user/", "FederatedUser"),
    ("root", "Root"),
];

pub(super) fn principal_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    // arn:partition:service:region:account:resource
    let resource = arn.splitn(6, ':').nth(5)?;
    text(KINDS.iter().find(|(begin, _)| resource.starts_with(begin))?.1)
}

pub(super) fn principal_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    match RoleSession::of(&arn) {
        Some(session) => text(session.role),
        // user/path/Name; root has no name
        None => text(arn.rsplit_once('/')?.1),
    }
}

pub(super) fn session_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    text(RoleSession::of(&arn).map(|of| of.session).filter(|name| !name.is_empty())?)
}
