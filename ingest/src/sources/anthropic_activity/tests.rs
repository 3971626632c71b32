//! Actors, outcomes, targets, grants and what is none of this feed: hand-written activities in the
//! documented format.

use super::SOURCE;
use crate::environment::Environment;
use crate::sources::testing::{check, column, column_in, owner, time};

/// An activity of this actor, with these fields.
fn activity(kind: &str, actor: &str, fields: &str) -> String {
    format!(
        r#"{{"id":"activity_1","created_at":"2026-11-18T09:00:00.5Z","organization_id":"org_1","actor":{actor},"type":"{kind}"{fields}}}"#
    )
}

const ADA: &str = r#"{"type":"user_actor","email_address":"Ada@Example.com","user_id":"user_1","ip_address":"203.0.113.7","user_agent":"x"}"#;

#[test]
fn every_kind_of_actor_is_known_by_what_it_has() {
    for (actor, principal, kind, credential) in [
        (ADA, r#""ada@example.com""#, r#""user""#, "-"),
        (r#"{"type":"user_actor","user_id":"user_1"}"#, r#""user_1""#, r#""user""#, "-"),
        (
            r#"{"type":"unauthenticated_user_actor","unauthenticated_email_address":"Eve@example.com","ip_address":"203.0.113.9"}"#,
            r#""eve@example.com""#,
            r#""unauthenticated_user""#,
            "-",
        ),
        (
            r#"{"type":"unauthenticated_user_actor","unauthenticated_email_address":null}"#,
            "-",
            r#""unauthenticated_user""#,
            "-",
        ),
        (r#"{"type":"api_actor","api_key_id":"apikey_1"}"#, r#""apikey_1""#, r#""api""#, r#""apikey_1""#),
        (
            r#"{"type":"admin_api_key_actor","admin_api_key_id":"apikey_2"}"#,
            r#""apikey_2""#,
            r#""admin_api_key""#,
            r#""apikey_2""#,
        ),
        (
            r#"{"type":"service_account_actor","service_account_id":"svac_1"}"#,
            r#""svac_1""#,
            r#""service_account""#,
            "-",
        ),
        (
            r#"{"type":"federated_identity_actor","issuer":"https://i","subject":"repo:a/b"}"#,
            r#""repo:a/b""#,
            r#""federated_identity""#,
            "-",
        ),
        (
            r#"{"type":"scim_directory_sync_actor","directory_id":"directory_1","workos_event_id":"e"}"#,
            r#""directory_1""#,
            r#""scim_directory_sync""#,
            "-",
        ),
        (r#"{"type":"system_actor","service":"billing"}"#, r#""billing""#, r#""system""#, "-"),
        (r#"{"type":"anthropic_actor","email_address":null}"#, "-", r#""anthropic""#, "-"),
    ] {
        let event = activity("org_sso_toggled", actor, "");
        assert_eq!(owner(&event), "anthropic.activity", "{event}");
        check(
            &SOURCE,
            &[
                (&event, "principal", principal),
                (&event, "principal_type", kind),
                (&event, "credential_id", credential),
                (&event, "credential_kind", if credential == "-" { "-" } else { r#""bearer_api_key""# }),
            ],
        );
    }
}

#[test]
fn the_last_word_of_a_type_says_what_became_of_it() {
    for (action, fields, kind, outcome) in [
        ("sso_login_succeeded", "", r#""auth""#, r#""success""#),
        ("sso_login_failed", "", r#""auth""#, r#""failure""#),
        ("sso_login_initiated", "", r#""auth""#, "-"),
        ("anonymous_mobile_login_attempted", "", r#""auth""#, "-"),
        ("user_logged_out", "", r#""auth""#, r#""success""#),
        ("claude_chat_access_failed", "", r#""read""#, r#""failure""#),
        ("claude_chat_viewed", "", r#""read""#, r#""success""#),
        ("org_creation_blocked", "", r#""write""#, r#""failure""#),
        ("org_data_export_started", "", r#""write""#, r#""success""#),
        (
            "compliance_api_accessed",
            r#","request_method":"GET","status_code":200"#,
            r#""read""#,
            r#""success""#,
        ),
        (
            "compliance_api_accessed",
            r#","request_method":"DELETE","status_code":403"#,
            r#""write""#,
            r#""failure""#,
        ),
    ] {
        let event = activity(action, ADA, fields);
        check(&SOURCE, &[(&event, "action_kind", kind), (&event, "outcome", outcome)]);
    }
    let refused = activity("compliance_api_accessed", ADA, r#","status_code":403,"request_id":"req_1""#);
    check(&SOURCE, &[(&refused, "error_code", r#""403""#), (&refused, "correlation_uid", r#""req_1""#)]);
    assert_eq!(time(&SOURCE, &refused), "2026-11-18T09:00:00.500Z");
}

#[test]
fn what_was_acted_on_stands_before_what_it_is_in() {
    for (fields, target, kind, user) in [
        (r#","claude_chat_id":"c","claude_file_id":"f""#, r#""f""#, r#""file""#, "-"),
        (r#","claude_chat_id":"c","claude_project_id":null"#, r#""c""#, r#""chat""#, "-"),
        (r#","workspace_id":"w","user_id":"user_2""#, r#""w""#, r#""workspace""#, r#""user_2""#),
        (
            r#","deleted_user_id":"user_2","deleted_user_email":"b@example.com""#,
            r#""user_2""#,
            r#""user""#,
            r#""b@example.com""#,
        ),
        (r#","mcp_server_id":"m","mcp_server_name":"n""#, r#""m""#, r#""mcp_server""#, "-"),
        (
            r#","new_owner_id":"user_2","previous_owner_id":"user_1""#,
            r#""user_2""#,
            r#""user""#,
            r#""user_2""#,
        ),
        (r#","api_key_id":"k","url":"https://a.test/v1""#, r#""https://a.test/v1""#, r#""url""#, "-"),
        ("", "-", "-", "-"),
    ] {
        let event = activity("x", ADA, fields);
        check(
            &SOURCE,
            &[(&event, "target", target), (&event, "target_type", kind), (&event, "target_user", user)],
        );
    }
}

#[test]
fn roles_that_are_given_and_taken_are_grants() {
    let own = || Environment { own_domains: vec!["example.com".into()], ..Environment::default() };
    for (kind, fields, grants, external) in [
        (
            "org_user_invite_sent",
            r#","invited_email":"eve@rival.test","invited_role":"admin""#,
            r#"["ADD|eve@rival.test|admin"]"#,
            "true",
        ),
        (
            "claude_user_role_updated",
            r#","user_id":"u","user_email":"b@example.com","current_role":"owner""#,
            r#"["SET|b@example.com|owner"]"#,
            "false",
        ),
        ("role_assignment_granted", r#","target_id":"u","role":"editor""#, r#"["ADD|u|editor"]"#, "-"),
        ("role_assignment_revoked", r#","target_id":"u","role":"editor""#, r#"["REMOVE|u|editor"]"#, "-"),
        ("rbac_role_assigned", r#","principal_id":"u","role_id":"rbac_1""#, r#"["ADD|u|rbac_1"]"#, "-"),
        ("primary_owner_transferred", r#","new_owner_id":"u""#, r#"["ADD|u|primary_owner"]"#, "-"),
        ("org_user_deleted", r#","role":"owner","target_id":"u""#, "-", "-"),
    ] {
        let event = activity(kind, ADA, fields);
        assert_eq!(column(&SOURCE, &event, "grants"), grants, "{event}");
        assert_eq!(column_in(&SOURCE, &event, "grants_external", own()), external, "{event}");
    }
}

#[test]
fn what_resembles_an_activity_is_none() {
    for event in [
        r#"{"id":"activity_1","created_at":"2026-11-18T09:00:00Z","type":"x","actor":"ada"}"#,
        r#"{"id":"7","created_at":"2026-11-18T09:00:00Z","type":"x","actor":{"type":"user_actor"}}"#,
        r#"{"id":"activity_1","type":"x","actor":{"type":"user_actor"}}"#,
    ] {
        assert_eq!(owner(event), "-", "{event}");
    }
}
