//! Actors, members under both names, grants and what is none of this log: hand-written records in the
//! documented format.

use super::SOURCE;
use crate::environment::Environment;
use crate::sources::testing::{check, column, column_in, field, owner, time};

/// A record with these members beside an id, a time and a person.
fn record(kind: &str, members: &str) -> String {
    format!(
        r#"{{"id":"audit_log-1","type":"{kind}","effective_at":1795000000,"actor":{{"type":"session","session":{{"user":{{"id":"user-1","email":"Ada@Example.com"}},
        "ip_address":"203.0.113.7","user_agent":"x","ip_address_details":{{"country":"DE","city":"Berlin","asn":"64500","latitude":"52.5","longitude":"13.4"}}}}}}{members}}}"#
    )
}

#[test]
fn a_member_is_found_under_both_its_names_in_both_forms() {
    for member in ["api_key.created", "api_key_created"] {
        let event = record(
            "api_key.created",
            &format!(r#","{member}":{{"id":"key_1","data":{{"scopes":["a","b"]}}}}"#),
        );
        for name in
            ["api_key.created.data.scopes", "api_key_created.data.scopes", "API_Key.Created.data.scopes"]
        {
            assert_eq!(field(&SOURCE, &event, name), r#"["a","b"]"#, "{name} of {member}");
        }
        check(&SOURCE, &[(&event, "target", r#""key_1""#), (&event, "target_type", r#""api_key""#)]);
    }
    for member in ["ip_allowlist.config.deactivated", "ip_allowlist_config_deactivated"] {
        let event = record(
            "ip_allowlist.config.deactivated",
            &format!(r#","{member}":{{"configs":[{{"id":"ipallow_1"}},{{"id":"ipallow_2"}}]}}"#),
        );
        check(&SOURCE, &[(&event, "target", r#""ipallow_1""#), (&event, "target_type", r#""ip_allowlist""#)]);
        assert_eq!(
            field(&SOURCE, &event, "ip_allowlist.config.deactivated.configs.id"),
            r#""ipallow_1" "ipallow_2""#
        );
    }
}

#[test]
fn who_acted_is_a_person_a_service_account_or_a_key() {
    let person = record("login.succeeded", "");
    let key = |key: &str| {
        format!(
            r#"{{"id":"audit_log-1","type":"user.added","effective_at":1795000000,"actor":{{"type":"api_key","api_key":{key}}}}}"#
        )
    };
    let of_person = key(r#"{"type":"user","id":"key_1","user":{"id":"user-1","email":"ada@example.com"}}"#);
    let of_nameless = key(r#"{"type":"user","id":"key_1","user":{"id":"user-1"}}"#);
    let of_service = key(r#"{"type":"service_account","id":"key_1","service_account":{"id":"svc-1"}}"#);
    let bare = key(r#"{"id":"key_1"}"#);
    let nobody =
        r#"{"id":"audit_log-1","type":"tenant.migration.completed","effective_at":1795000000,"actor":null}"#;
    check(
        &SOURCE,
        &[
            (&person, "principal", r#""ada@example.com""#),
            (&person, "principal_type", r#""user""#),
            (&person, "credential_id", "-"),
            (&person, "credential_kind", "-"),
            (&person, "src_net", r#""203.0.113.0/24""#),
            (&person, "src_asn", "64500"),
            (&person, "src_country", r#""DE""#),
            (&person, "src_lat", "52.5"),
            (&person, "src_lon", "13.4"),
            (&of_person, "principal", r#""ada@example.com""#),
            (&of_person, "credential_id", r#""key_1""#),
            (&of_person, "credential_kind", r#""bearer_api_key""#),
            (&of_nameless, "principal", r#""user-1""#),
            (&of_service, "principal", r#""svc-1""#),
            (&of_service, "principal_type", r#""service_account""#),
            (&bare, "principal", r#""key_1""#),
            (&bare, "principal_type", r#""api_key""#),
            (nobody, "principal", "-"),
            (nobody, "action", r#""tenant.migration.completed""#),
            (nobody, "target_type", r#""migration""#),
        ],
    );
    assert_eq!(time(&SOURCE, &person), "2026-11-18T11:06:40Z");
    for event in [&person, &of_service, &bare, nobody] {
        assert_eq!(owner(event), "openai.audit", "{event}");
    }
}

#[test]
fn actions_are_sign_ins_or_changes_and_few_fail() {
    for (action, kind, outcome) in [
        ("login.succeeded", "auth", "success"),
        ("login.failed", "auth", "failure"),
        ("logout.failed", "auth", "failure"),
        ("tenant.workload_identity.access_token.issued", "auth", "success"),
        ("tenant.user.looked_up", "read", "success"),
        ("tenant.user.removed", "write", "success"),
        ("api_key.created", "write", "success"),
    ] {
        let event = record(action, "");
        assert_eq!(column(&SOURCE, &event, "action_kind"), format!("\"{kind}\""), "{action}");
        assert_eq!(column(&SOURCE, &event, "outcome"), format!("\"{outcome}\""), "{action}");
    }
    let failed = record("login.failed", r#","login.failed":{"error_code":"c","error_message":"m"}"#);
    check(
        &SOURCE,
        &[
            (&failed, "error_code", r#""c""#),
            (&failed, "error_message", r#""m""#),
            (&failed, "target_type", "-"),
        ],
    );
}

#[test]
fn roles_that_are_given_are_grants_and_of_strangers_only_invitations_tell() {
    let own = || Environment { own_domains: vec!["example.com".into()], ..Environment::default() };
    for (kind, member, grants, external) in [
        (
            "invite.sent",
            r#"{"id":"i","data":{"email":"eve@rival.test","role":"owner"}}"#,
            r#"["ADD|eve@rival.test|owner"]"#,
            "true",
        ),
        (
            "invite.sent",
            r#"{"id":"i","data":{"email":"bob@example.com","role":"reader"}}"#,
            r#"["ADD|bob@example.com|reader"]"#,
            "false",
        ),
        ("user.added", r#"{"id":"user-2","data":{"role":"member"}}"#, r#"["ADD|user-2|member"]"#, "-"),
        (
            "user.updated",
            r#"{"id":"user-2","changes_requested":{"role":"owner"}}"#,
            r#"["SET|user-2|owner"]"#,
            "-",
        ),
        (
            "service_account.created",
            r#"{"id":"svc-1","data":{"role":"owner"}}"#,
            r#"["ADD|svc-1|owner"]"#,
            "-",
        ),
        (
            "service_account.updated",
            r#"{"id":"svc-1","changes_requested":{"role":"owner"}}"#,
            r#"["SET|svc-1|owner"]"#,
            "-",
        ),
        ("user.updated", r#"{"id":"user-2","changes_requested":{}}"#, "-", "-"),
    ] {
        let event = record(kind, &format!(r#","{kind}":{member}"#));
        assert_eq!(column(&SOURCE, &event, "grants"), grants, "{event}");
        assert_eq!(column(&SOURCE, &event, "grants_external"), "-", "{event}");
        assert_eq!(column_in(&SOURCE, &event, "grants_external", own()), external, "{event}");
    }
}

#[test]
fn what_resembles_a_record_is_none() {
    for event in [
        r#"{"id":"audit_log-1","type":"login","effective_at":1795000000}"#,
        r#"{"id":"audit_log-1","type":"login.failed"}"#,
        r#"{"id":"evt-1","type":"login.failed","effective_at":1795000000,"actor":{"type":"User"}}"#,
        r#"{"id":"resp_1","object":"response","type":"message.created","effective_at":1795000000}"#,
    ] {
        assert_eq!(owner(event), "-", "{event}");
    }
}
