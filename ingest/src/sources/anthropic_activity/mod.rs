//! The activity feed of an organisation at Anthropic: Claude and its console, keys, members, sign-in
//! settings, limits, connectors, exports.
//!
//! In: one activity of the Compliance API, alone or out of its pages (`{"data":[…],"has_more":…}`, which the
//! envelopes open). Out: canonical columns. What happened is `type` (`org_sso_toggled`); what is known of it
//! stands beside it, in fields that each type has of its own. The audit log that owners export as CSV has
//! other names and is not read.
//!
//! | actor | principal |
//! |---|---|
//! | `user_actor` | the mail address in lower case, else the user's id |
//! | `unauthenticated_user_actor` | the address that somebody typed who was nobody yet |
//! | `api_actor`, `admin_api_key_actor`, `service_account_actor` | the id of the key or account |
//! | `federated_identity_actor`, `federated_actor` | the subject of the token |
//! | `scim_directory_sync_actor`, `attested_device_actor`, `system_actor` | directory, device, process |
//! | `anthropic_actor` | nobody: Anthropic does not say who |
//!
//! Sign-ins, and calls of the Compliance API itself, may be of no organisation (`null`).
//!
//! Format: Claude API reference, "Compliance API" ("Query compliance activities"); "Query the Activity Feed".

mod what;
mod who;

use super::derive::{address, address_kind, address_network, first, first_name, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "anthropic.activity",
    description: "Anthropic Compliance API activity feed: Claude, its console, keys, members, settings, exports",
    logsources: &[
        Logsource {
            product: Some("anthropic"),
            service: Some("activity"),
            category: None,
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: &[],
    computed: &[],
    recognised_by: &["id", "type", "created_at", "actor.type"],
    recognise,
    unfold: &[],
    time_paths: &["created_at"],
    identity: Identity { natural: &[&["id"]], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// An activity says so in its id, and of its actor what kind of one it is.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let is = |input: usize, test: fn(&str) -> bool| inputs.string(input).is_some_and(|found| test(&found));
    is(0, |id| id.starts_with("activity_"))
        && is(3, |actor| actor.ends_with("_actor"))
        && inputs.string(1).is_some()
        && inputs.has(2)
}

const IP: &[&str] = &["actor.ip_address"];
const ORG: &[&str] = &["organization_id", "organization_uuid"];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("anthropic") },
    Derivation { column: "principal", inputs: who::INPUTS, derive: first_name },
    Derivation { column: "principal_type", inputs: &["actor.type"], derive: who::principal_type },
    Derivation { column: "principal_name", inputs: who::INPUTS, derive: first_name },
    Derivation { column: "credential_id", inputs: who::KEYS, derive: first },
    Derivation { column: "credential_kind", inputs: who::KEYS, derive: who::credential_kind },
    Derivation { column: "src_ip", inputs: IP, derive: address },
    Derivation { column: "src_ip_kind", inputs: IP, derive: address_kind },
    Derivation { column: "src_net", inputs: IP, derive: address_network },
    Derivation { column: "user_agent", inputs: &["actor.user_agent"], derive: first },
    Derivation { column: "account", inputs: ORG, derive: first },
    Derivation { column: "org", inputs: ORG, derive: first },
    Derivation { column: "service", inputs: &[], derive: |_| text("anthropic") },
    Derivation { column: "action", inputs: &["type"], derive: first },
    Derivation { column: "action_kind", inputs: what::CALL, derive: what::kind },
    Derivation { column: "outcome", inputs: what::CALL, derive: what::outcome },
    Derivation { column: "error_code", inputs: what::CALL, derive: what::error_code },
    Derivation { column: "target", inputs: what::TARGETS, derive: first },
    Derivation { column: "target_type", inputs: what::TARGETS, derive: what::target_type },
    Derivation { column: "target_user", inputs: what::USERS, derive: first_name },
    Derivation { column: "grants", inputs: what::GRANTS, derive: what::grants },
    Derivation { column: "grants_external", inputs: what::GRANTS, derive: what::grants_external },
    Derivation { column: "correlation_uid", inputs: &["request_id"], derive: first },
];

#[cfg(test)]
mod tests;
