//! The audit log of an OpenAI organisation: keys, members, roles, sign-ins, limits, networks, settings.
//!
//! In: one record of the organisation's audit log API, alone or out of its pages
//! (`{"object":"list","data":[…],"has_more":…}`, which the envelopes open). Out: canonical columns.
//!
//! What happened is `type` (`api_key.created`), and what is known of it stands in a member of that very
//! name, dot and all: `"api_key.created": {"id": …}`. Collectors that cannot have a dot in a name write
//! `api_key_created`. Rules may use either name for either form (`members`).
//!
//! | actor | principal | type |
//! |---|---|---|
//! | `session.user`, `api_key.user` | the mail address in lower case, else the id | user |
//! | `api_key.service_account` | its id | service_account |
//! | a key of which nobody is told | the key's id | api_key |
//!
//! A record has neither the organisation's id nor that of a session; `project` is there where the action
//! was in one, and what an admin key does is of the default project. Names of keys, projects and lists are
//! whatever their maker calls them.
//!
//! Format: OpenAI API reference, "Audit logs" ("The audit log object").

mod members;
mod what;
mod who;

use super::derive::{address, address_kind, address_network, count, first, first_name, number, text};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "openai.audit",
    description: "OpenAI organisation audit log: keys, members, roles, sign-ins, limits, networks, settings",
    logsources: &[
        Logsource { product: Some("openai"), service: Some("audit"), category: None, canonical_only: false },
        CLOUD_NORMALIZED,
    ],
    aliases: members::ALIASES,
    computed: &[],
    recognised_by: &["id", "type", "effective_at", "object", "actor.type"],
    recognise,
    unfold: &[],
    time_paths: &["effective_at"],
    identity: Identity { natural: &[&["id"]], otherwise: Otherwise::Record },
    derivations: DERIVATIONS,
};

/// A record has the time at which it took effect, a type of several words, and its kind, id or actor as
/// only this log has them.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let dotted = inputs.string(1).is_some_and(|kind| kind.contains('.'));
    let is_log = inputs.string(0).is_some_and(|id| id.starts_with("audit_log"))
        || inputs.string(3).is_some_and(|object| object == "organization.audit_log")
        || inputs.string(4).is_some_and(|actor| matches!(actor.as_ref(), "session" | "api_key"));
    inputs.has(2) && dotted && is_log
}

const IP: &[&str] = &["actor.session.ip_address"];

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: &[], derive: |_| text("openai") },
    Derivation { column: "principal", inputs: who::INPUTS, derive: first_name },
    Derivation { column: "principal_type", inputs: who::INPUTS, derive: who::principal_type },
    Derivation { column: "principal_name", inputs: who::INPUTS, derive: first_name },
    Derivation { column: "credential_id", inputs: &["actor.api_key.id"], derive: first },
    Derivation { column: "credential_kind", inputs: &["actor.type"], derive: who::credential_kind },
    Derivation { column: "src_ip", inputs: IP, derive: address },
    Derivation { column: "src_ip_kind", inputs: IP, derive: address_kind },
    Derivation { column: "src_net", inputs: IP, derive: address_network },
    Derivation { column: "src_asn", inputs: &["actor.session.ip_address_details.asn"], derive: count },
    Derivation {
        column: "src_country",
        inputs: &["actor.session.ip_address_details.country"],
        derive: first,
    },
    Derivation { column: "src_lat", inputs: &["actor.session.ip_address_details.latitude"], derive: number },
    Derivation { column: "src_lon", inputs: &["actor.session.ip_address_details.longitude"], derive: number },
    Derivation { column: "user_agent", inputs: &["actor.session.user_agent"], derive: first },
    Derivation { column: "account", inputs: &["project.id"], derive: first },
    Derivation { column: "service", inputs: &[], derive: |_| text("openai") },
    Derivation { column: "action", inputs: &["type"], derive: first },
    Derivation { column: "action_kind", inputs: &["type"], derive: what::kind },
    Derivation { column: "outcome", inputs: &["type"], derive: what::outcome },
    Derivation {
        column: "error_code",
        inputs: &["login.failed.error_code", "logout.failed.error_code"],
        derive: first,
    },
    Derivation {
        column: "error_message",
        inputs: &["login.failed.error_message", "logout.failed.error_message"],
        derive: first,
    },
    Derivation { column: "target", inputs: what::TARGETS, derive: first },
    Derivation { column: "target_type", inputs: &["type"], derive: what::target_type },
    Derivation { column: "target_user", inputs: what::USERS, derive: first_name },
    Derivation { column: "grants", inputs: what::GRANTS, derive: what::grants },
    Derivation { column: "grants_external", inputs: what::GRANTS, derive: what::grants_external },
];

#[cfg(test)]
mod tests;
