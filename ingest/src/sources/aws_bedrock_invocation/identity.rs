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

use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &["identity.arn"];

/// A role's session, taken apart: what stands before `:sts::`, the account, the role, the session.
struct Session<'a> {
    partition: &'a str,
    account: &'a str,
    role: &'a str,
    name: &'a str,
}

impl<'a> Session<'a> {
    fn of(arn: &'a str) -> Option<Self> {
        let (partition, rest) = arn.split_once(":sts::")?;
        let (account, rest) = rest.split_once(":assumed-role/")?;
        let (role, name) = rest.split_once('/')?;
        Some(Self { partition, account, role, name })
    }
}

pub(super) fn principal(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    match Session::of(&arn) {
        Some(Session { partition, account, role, .. }) => {
            text(format!("{partition}:iam::{account}:role/{role}"))
        }
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
    match Session::of(&arn) {
        Some(session) => text(session.role),
        // user/path/Name; root has no name
        None => text(arn.rsplit_once('/')?.1),
    }
}

pub(super) fn session_name(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let arn = inputs.string(0)?;
    text(Session::of(&arn).map(|session| session.name).filter(|name| !name.is_empty())?)
}
