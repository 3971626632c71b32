//! The canonical columns, by fact, in every delivery form; what is recognised and what nearly is; the
//! names that public rules write.

use std::sync::Arc;

use super::*;
use crate::environment::Environment;
use crate::sources::testing;
use crate::sources::{Describer, recognise};
use virga_engine::event::COLUMNS;

/// The same event as each delivery holds it.
fn forms(event: &str) -> [String; 4] {
    let quoted = serde_json::Value::from(event).to_string();
    let columns = format!(
        r#"{{"TenantId":"t","Type":"AKSAudit","TimeGenerated":"2026-03-02T10:00:09Z",{}"#,
        event.trim_start_matches('{')
    );
    [
        event.to_owned(),
        format!(r#"{{"category":"kube-audit","properties":{{"log":{quoted},"stream":"stdout"}}}}"#),
        format!(r#"{{"Category":"kube-audit-admin","log_s":{quoted},"Type":"AzureDiagnostics"}}"#),
        columns,
    ]
}

/// Column and value pairs of an event, as JSON texts.
fn columns_in(event: &str, environment: Environment) -> Vec<(&'static str, String)> {
    testing::columns_in(&SOURCE, event, environment)
}

fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name)
}

/// `(event, column, expected)` in every form; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    for (event, name, expected) in cases {
        for form in forms(event) {
            assert_eq!(column(&form, name), *expected, "{name} of {form}");
        }
    }
}

/// The JSON text of a field as a rule names it.
fn field(event: &str, name: &str) -> Option<String> {
    Some(testing::field(&SOURCE, event, name)).filter(|text| text != "-")
}

fn owner(event: &str) -> Option<&'static str> {
    recognise(event).map(|source| source.name)
}

/// An event with a user.
fn by(user: &str) -> String {
    format!(r#"{{"kind":"Event","verb":"get","user":{{"username":"{user}"}},"requestURI":"/version"}}"#)
}

/// An event about an object.
fn on(verb: &str, reference: &str, more: &str) -> String {
    format!(r#"{{"kind":"Event","verb":"{verb}","objectRef":{reference}{more}}}"#)
}

#[test]
fn a_principal_is_who_holds_the_credential() {
    for (user, principal, kind, name, session) in [
        ("ada@example.com", "ada@example.com", "user", "ada@example.com", "-"),
        (
            "system:serviceaccount:web:builder",
            "system:serviceaccount:web:builder",
            "service_account",
            "builder",
            "-",
        ),
        ("system:node:node-1", "system:node:node-1", "node", "node-1", "-"),
        ("system:anonymous", "system:anonymous", "anonymous", "system:anonymous", "-"),
        ("system:kube-scheduler", "system:kube-scheduler", "system", "system:kube-scheduler", "-"),
        (
            "arn:aws:sts::111122223333:assumed-role/Dev/ada",
            "arn:aws:iam::111122223333:role/Dev",
            "user",
            "Dev",
            "\"ada\"",
        ),
        (
            "arn:aws:iam::111122223333:user/ops/ada",
            "arn:aws:iam::111122223333:user/ops/ada",
            "user",
            "ada",
            "-",
        ),
    ] {
        let event = by(user);
        check(&[
            (&event, "principal", &format!("{principal:?}")),
            (&event, "principal_type", &format!("{kind:?}")),
            (&event, "principal_name", &format!("{name:?}")),
            (&event, "session_name", session),
            (&event, "target_user", "-"),
        ]);
    }
    check(&[
        (r#"{"kind":"Event","verb":"get","user":{},"requestURI":"/"}"#, "principal", "-"),
        (r#"{"kind":"Event","verb":"get","user":null,"requestURI":"/"}"#, "principal_type", "-"),
        (r#"{"kind":"Event","verb":"get","user":"ada","requestURI":"/"}"#, "principal", "-"),
    ]);
}

#[test]
fn whom_somebody_acts_as_is_no_principal() {
    let event = r#"{"kind":"Event","verb":"list","user":{"username":"ada@example.com"},
        "impersonatedUser":{"username":"system:admin","groups":["system:masters"]},"objectRef":{"resource":"secrets"}}"#;
    check(&[
        (event, "principal", r#""ada@example.com""#),
        (event, "target_user", r#""system:admin""#),
        (event, "invoked_by", "-"),
    ]);
}

#[test]
fn a_credential_is_what_the_authenticator_says_beside_the_user() {
    let with = |extra: &str| {
        format!(
            r#"{{"kind":"Event","verb":"get","requestURI":"/","user":{{"username":"u","extra":{extra}}}}}"#
        )
    };
    let token = with(
        r#"{"authentication.kubernetes.io/credential-id":["JTI=9d1c"],"authentication.kubernetes.io/pod-name":["web-0"]}"#,
    );
    let certificate = with(r#"{"authentication.kubernetes.io/credential-id":["X509SHA256=ab"]}"#);
    let key = with(
        r#"{"accessKeyId":["ASIAEXAMPLE"],"arn":["arn:aws:sts::111122223333:assumed-role/Dev/ada"],"sessionName":["ada"]}"#,
    );
    let long = with(r#"{"accessKeyId":["AKIAEXAMPLE"]}"#);
    check(&[
        (&token, "credential_id", r#""JTI=9d1c""#),
        (&token, "credential_kind", r#""temporary""#),
        (&token, "session_id", r#""JTI=9d1c""#),
        (&token, "session_name", r#""web-0""#),
        (&certificate, "credential_id", r#""X509SHA256=ab""#),
        (&certificate, "credential_kind", "-"),
        (&certificate, "session_id", "-"),
        (&key, "credential_id", r#""ASIAEXAMPLE""#),
        (&key, "credential_kind", r#""temporary""#),
        (&key, "session_name", r#""ada""#),
        (&long, "credential_kind", r#""long_lived""#),
        (&long, "session_id", "-"),
        (&with("{}"), "credential_id", "-"),
        (&with(r#"{"accessKeyId":[]}"#), "credential_id", "-"),
        (&with(r#"{"accessKeyId":["é"]}"#), "credential_kind", "-"),
        (&with("7"), "credential_id", "-"),
    ]);
    assert_eq!(column(&key, "provider"), r#""aws""#);
    assert_eq!(column(&long, "provider"), "-");
}

#[test]
fn a_cluster_and_its_cloud_are_known_where_azure_names_them() {
    let log = r#""properties":{"log":"{\"kind\":\"Event\",\"verb\":\"get\"}"}"#;
    for (event, account, provider) in [
        (
            format!(
                r#"{{"category":"kube-audit","resourceId":"/SUBSCRIPTIONS/5B1F/RESOURCEGROUPS/ML/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/PROD-1",{log}}}"#
            ),
            r#""prod-1""#,
            r#""azure""#,
        ),
        (format!(r#"{{"category":"kube-audit",{log}}}"#), "-", r#""azure""#),
        (format!(r#"{{"category":"kube-audit","resourceId":"/subscriptions/x",{log}}}"#), "-", r#""azure""#),
        (format!(r#"{{"category":"kube-audit","resourceId":null,{log}}}"#), "-", r#""azure""#),
        (
            r#"{"AuditId":"a","Stage":"Panic","Verb":"get","_ResourceId":"/subscriptions/5b1f/resourcegroups/ml/providers/microsoft.containerservice/managedclusters/prod-1"}"#
                .to_owned(),
            r#""prod-1""#,
            r#""azure""#,
        ),
        (
            r#"{"AuditId":"a","Stage":"Panic","Verb":"get","_ResourceId":"/subscriptions/5b1f/resourcegroups/e/providers/microsoft.kubernetes/connectedclusters/edge/"}"#
                .to_owned(),
            r#""edge""#,
            r#""azure""#,
        ),
        (by("ada@example.com"), "-", "-"),
    ] {
        assert_eq!(column(&event, "account"), account, "{event}");
        assert_eq!(column(&event, "provider"), provider, "{event}");
    }
}

#[test]
fn an_action_is_a_verb_and_what_it_is_about() {
    for (event, action, kind) in [
        (on("list", r#"{"resource":"secrets"}"#, ""), "list secrets", "read"),
        (on("watch", r#"{"resource":"pods","namespace":"web"}"#, ""), "watch pods", "read"),
        (on("delete", r#"{"resource":"events"}"#, ""), "delete events", "write"),
        (on("deletecollection", r#"{"resource":"pods"}"#, ""), "deletecollection pods", "write"),
        (on("create", r#"{"resource":"pods","subresource":"exec"}"#, ""), "create pods/exec", "write"),
        (on("get", r#"{"resource":"pods","subresource":"exec"}"#, ""), "get pods/exec", "write"),
        (
            on("get", r#"{"resource":"pods","subresource":"portforward"}"#, ""),
            "get pods/portforward",
            "write",
        ),
        (on("get", r#"{"resource":"pods","subresource":"log"}"#, ""), "get pods/log", "read"),
        (on("get", r#"{"resource":"nodes","subresource":"proxy"}"#, ""), "get nodes/proxy", "read"),
        (
            on("create", r#"{"resource":"serviceaccounts","subresource":"token"}"#, ""),
            "create serviceaccounts/token",
            "auth",
        ),
        (
            on("create", r#"{"resource":"selfsubjectrulesreviews"}"#, ""),
            "create selfsubjectrulesreviews",
            "read",
        ),
        (on("create", r#"{"resource":"tokenreviews"}"#, ""), "create tokenreviews", "read"),
        (
            r#"{"kind":"Event","verb":"get","requestURI":"/version?timeout=32s"}"#.to_owned(),
            "get /version",
            "read",
        ),
        (r#"{"kind":"Event","verb":"post","requestURI":"/x"}"#.to_owned(), "post /x", "write"),
        (r#"{"kind":"Event","verb":"get","responseStatus":{}}"#.to_owned(), "get", "read"),
    ] {
        check(&[(&event, "action", &format!("{action:?}")), (&event, "action_kind", &format!("{kind:?}"))]);
    }
    let no_verb = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","objectRef":{"resource":"pods"}}"#;
    check(&[
        (no_verb, "action", "-"),
        (no_verb, "action_kind", "-"),
        (no_verb, "service", r#""kubernetes""#),
    ]);
}

#[test]
fn an_outcome_is_the_responses_or_the_authorisers() {
    let with = |more: &str| format!(r#"{{"kind":"Event","verb":"get","requestURI":"/",{more}}}"#);
    for (more, outcome, code, message) in [
        (r#""responseStatus":{"code":200}"#, "success", "-", "-"),
        (r#""responseStatus":{"code":101}"#, "success", "-", "-"),
        (r#""responseStatus":{"code":"404","message":"not found"}"#, "failure", r#""404""#, r#""not found""#),
        (
            r#""responseStatus":{"status":"Failure","reason":"Forbidden","code":403,"message":"no"}"#,
            "failure",
            r#""403""#,
            r#""no""#,
        ),
        (r#""responseStatus":{"status":"Failure","reason":"Expired"}"#, "failure", r#""Expired""#, "-"),
        (
            r#""annotations":{"authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":"none"}"#,
            "failure",
            "-",
            r#""none""#,
        ),
        (r#""stage":"Panic""#, "failure", "-", "-"),
        (r#""annotations":{"authorization.k8s.io/decision":"allow"}"#, "", "-", "-"),
        (r#""stage":"RequestReceived""#, "", "-", "-"),
        (r#""responseStatus":null"#, "", "-", "-"),
        (r#""responseStatus":{"code":0}"#, "", "-", "-"),
        (r#""responseStatus":{"code":"many"}"#, "", "-", "-"),
        (r#""responseStatus":"broken""#, "", "-", "-"),
    ] {
        let event = with(more);
        let outcome = if outcome.is_empty() { "-".to_owned() } else { format!("{outcome:?}") };
        check(&[
            (&event, "outcome", &outcome),
            (&event, "error_code", code),
            (&event, "error_message", message),
        ]);
    }
}

#[test]
fn a_target_has_as_much_as_there_is() {
    for (event, target, kind, namespace) in [
        (
            on("get", r#"{"resource":"secrets","namespace":"web","name":"db"}"#, ""),
            r#""web/secrets/db""#,
            r#""secret""#,
            r#""web""#,
        ),
        (on("list", r#"{"resource":"secrets"}"#, ""), r#""secrets""#, r#""secret""#, "-"),
        (
            on("get", r#"{"resource":"clusterroles","name":"admin"}"#, ""),
            r#""clusterroles/admin""#,
            r#""role""#,
            "-",
        ),
        (
            on(
                "create",
                r#"{"resource":"pods","namespace":"web"}"#,
                r#","requestObject":{"metadata":{"generateName":"web-"}},"responseObject":{"metadata":{"name":"web-x7"}}"#,
            ),
            r#""web/pods/web-x7""#,
            r#""pod""#,
            r#""web""#,
        ),
        (
            on(
                "create",
                r#"{"resource":"roles","namespace":"web"}"#,
                r#","requestObject":{"metadata":{"name":"r"}}"#,
            ),
            r#""web/roles/r""#,
            r#""role""#,
            r#""web""#,
        ),
        (
            on("get", r#"{"resource":"gizmos","namespace":"web","name":"g"}"#, ""),
            r#""web/gizmos/g""#,
            r#""gizmos""#,
            r#""web""#,
        ),
        (
            r#"{"kind":"Event","verb":"get","requestURI":"/healthz?x"}"#.to_owned(),
            r#""/healthz""#,
            r#""path""#,
            "-",
        ),
        (r#"{"kind":"Event","verb":"get","sourceIPs":[]}"#.to_owned(), "-", "-", "-"),
        (on("get", "null", ""), "-", "-", "-"),
    ] {
        check(&[
            (&event, "target", target),
            (&event, "target_type", kind),
            (&event, "k8s_namespace", namespace),
        ]);
    }
}

#[test]
fn a_workload_is_handed_its_service_account() {
    let create = |resource: &str, spec: &str| {
        let reference = format!(r#"{{"resource":"{resource}","namespace":"web"}}"#);
        on("create", &reference, &format!(r#","requestObject":{{"spec":{spec}}}"#))
    };
    let expected = r#""system:serviceaccount:web:root""#;
    check(&[
        (&create("pods", r#"{"serviceAccountName":"root"}"#), "passed_role", expected),
        (
            &create("deployments", r#"{"template":{"spec":{"serviceAccountName":"root"}}}"#),
            "passed_role",
            expected,
        ),
        (
            &create(
                "cronjobs",
                r#"{"jobTemplate":{"spec":{"template":{"spec":{"serviceAccountName":"root"}}}}}"#,
            ),
            "passed_role",
            expected,
        ),
        (&create("pods", r#"{"containers":[]}"#), "passed_role", "-"),
    ]);
}

#[test]
fn a_source_address_is_the_one_that_the_client_cannot_have_made_up() {
    for (addresses, address, kind, network) in [
        (r#"["203.0.113.7","10.0.0.4"]"#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        // what stands before the last, the client has written
        (r#"["10.0.0.1","203.0.113.7"]"#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        (r#"["198.51.100.9","203.0.113.7"]"#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        // a proxy of the cluster, and who called it
        (r#"["8.8.8.8","203.0.113.7","10.0.0.4"]"#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        (r#"["10.0.0.1","10.0.0.4"]"#, r#""10.0.0.4""#, r#""private""#, r#""10.0.0.0/24""#),
        (r#"["10.0.0.4"]"#, r#""10.0.0.4""#, r#""private""#, r#""10.0.0.0/24""#),
        (r#"["2001:db8:1:2::3"]"#, r#""2001:db8:1:2::3""#, r#""public""#, r#""2001:db8:1::/48""#),
        (r#"["203.0.113.7:443"]"#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        (r#""203.0.113.7""#, r#""203.0.113.7""#, r#""public""#, r#""203.0.113.0/24""#),
        (r#"["","300.1.2.3"]"#, r#""300.1.2.3""#, r#""invalid""#, "-"),
        ("[]", "-", "-", "-"),
        ("[7]", "-", "-", "-"),
        ("null", "-", "-", "-"),
        ("{}", "-", "-", "-"),
    ] {
        let event = format!(r#"{{"kind":"Event","verb":"get","requestURI":"/","sourceIPs":{addresses}}}"#);
        check(&[(&event, "src_ip", address), (&event, "src_ip_kind", kind), (&event, "src_net", network)]);
    }
}

#[test]
fn a_binding_grants_its_role_to_its_subjects() {
    let binding = |verb: &str, resource: &str, more: &str| {
        let reference = format!(r#"{{"resource":"{resource}","namespace":"web","name":"b"}}"#);
        on(verb, &reference, more)
    };
    let body = |role: &str, subjects: &str| {
        format!(r#","requestObject":{{"roleRef":{role},"subjects":[{subjects}]}}"#)
    };
    let cluster_admin = r#"{"kind":"ClusterRole","name":"cluster-admin"}"#;
    for (event, grants, public) in [
        (
            binding(
                "create",
                "clusterrolebindings",
                &body(
                    cluster_admin,
                    r#"{"kind":"User","name":"mal"},{"kind":"Group","name":"ops"},{"kind":"ServiceAccount","name":"ci","namespace":"web"}"#,
                ),
            ),
            r#"["ADD|mal|cluster-admin","ADD|group:ops|cluster-admin","ADD|system:serviceaccount:web:ci|cluster-admin"]"#,
            "false",
        ),
        (
            binding(
                "create",
                "rolebindings",
                &body(r#"{"kind":"Role","name":"dev"}"#, r#"{"kind":"User","name":"mal"}"#),
            ),
            r#"["ADD|mal|web/dev"]"#,
            "false",
        ),
        (
            binding(
                "update",
                "clusterrolebindings",
                &body(cluster_admin, r#"{"kind":"Group","name":"system:unauthenticated"}"#),
            ),
            r#"["SET|group:system:unauthenticated|cluster-admin"]"#,
            "true",
        ),
        (
            binding(
                "create",
                "rolebindings",
                &body(cluster_admin, r#"{"kind":"User","name":"system:anonymous"}"#),
            ),
            r#"["ADD|system:anonymous|cluster-admin"]"#,
            "true",
        ),
        (
            binding(
                "create",
                "rolebindings",
                &body(
                    cluster_admin,
                    r#"{"kind":"ServiceAccount","name":"system:anonymous","namespace":"web"}"#,
                ),
            ),
            r#"["ADD|system:serviceaccount:web:system:anonymous|cluster-admin"]"#,
            "false",
        ),
        // a merge patch, and the role from the response
        (
            binding(
                "patch",
                "clusterrolebindings",
                r#","requestObject":{"subjects":[{"kind":"User","name":"mal"}]},"responseObject":{"roleRef":{"kind":"ClusterRole","name":"admin"}}"#,
            ),
            r#"["SET|mal|admin"]"#,
            "false",
        ),
        // JSON patches, without a response
        (
            binding(
                "patch",
                "clusterrolebindings",
                r#","requestObject":[{"op":"add","path":"/subjects/-","value":{"kind":"Group","name":"system:authenticated"}},{"op":"remove","path":"/subjects/0"}]"#,
            ),
            r#"["ADD|group:system:authenticated|clusterrolebindings/b"]"#,
            "true",
        ),
        (
            binding(
                "patch",
                "rolebindings",
                r#","requestObject":[{"op":"replace","path":"/subjects","value":[{"kind":"User","name":"mal"}]}]"#,
            ),
            r#"["SET|mal|rolebindings/b"]"#,
            "false",
        ),
        // the response alone
        (
            binding(
                "create",
                "rolebindings",
                r#","responseObject":{"roleRef":{"name":"view"},"subjects":[{"name":"mal"}]}"#,
            ),
            r#"["ADD|mal|view"]"#,
            "false",
        ),
        (binding("create", "rolebindings", r#","requestObject":{"roleRef":{"name":"view"}}"#), "-", "-"),
        (
            binding("create", "rolebindings", r#","requestObject":{"subjects":[{"kind":"User"}, 7]}"#),
            "-",
            "-",
        ),
        (binding("create", "rolebindings", r#","requestObject":"skipped-too-big-size-object""#), "-", "-"),
        (binding("create", "rolebindings", ""), "-", "-"),
        (binding("delete", "rolebindings", &body(cluster_admin, r#"{"name":"mal"}"#)), "-", "-"),
        (binding("get", "rolebindings", &body(cluster_admin, r#"{"name":"mal"}"#)), "-", "-"),
        (binding("create", "roles", &body(cluster_admin, r#"{"name":"mal"}"#)), "-", "-"),
    ] {
        check(&[(&event, "grants", grants), (&event, "grants_public", public)]);
    }
}

#[test]
fn a_stranger_is_known_by_a_mail_domain_that_is_not_ours() {
    let event = |subject: &str| {
        on(
            "create",
            r#"{"resource":"clusterrolebindings","name":"b"}"#,
            &format!(r#","requestObject":{{"roleRef":{{"name":"view"}},"subjects":[{subject}]}}"#),
        )
    };
    let external = |event: &str, domains: &[&str]| {
        let own_domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        let environment = Environment { own_domains, ..Environment::default() };
        let found =
            columns_in(event, environment).into_iter().find(|(column, _)| *column == "grants_external");
        found.map_or_else(|| "-".to_owned(), |(_, value)| value)
    };
    let user = |name: &str| event(&format!(r#"{{"kind":"User","name":"{name}"}}"#));
    assert_eq!(external(&user("mal@example.net"), &["example.com"]), "true");
    assert_eq!(external(&user("ada@example.com"), &["example.com"]), "false");
    assert_eq!(external(&user("ada@example.com"), &[]), "-");
    assert_eq!(external(&user("system:admin"), &[]), "false");
}

#[test]
fn grants_have_an_end_and_their_flags_do_not() {
    let subjects: Vec<String> = (0..400).map(|i| format!(r#"{{"kind":"User","name":"u{i}"}}"#)).collect();
    let event = on(
        "create",
        r#"{"resource":"clusterrolebindings"}"#,
        &format!(
            r#","requestObject":{{"roleRef":{{"name":"view"}},"subjects":[{},{{"kind":"Group","name":"system:authenticated"}}]}}"#,
            subjects.join(",")
        ),
    );
    assert_eq!(column(&event, "grants").matches("ADD|").count(), crate::limits::MAX_GRANTS);
    assert_eq!(column(&event, "grants_public"), "true");
}

#[test]
fn names_that_rules_write_are_found_in_every_form() {
    let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"create",
        "userAgent":"kubectl","requestURI":"/api/v1/namespaces/web/pods?x=%2fbin%2fsh","responseStatus":{"code":403},
        "annotations":{"authorization.k8s.io/decision":"allow"},
        "objectRef":{"apiGroup":"apps","resource":"pods","subresource":"exec","namespace":"kube-system"},
        "requestObject":{"spec":{"volumes":[{"name":"a"},{"hostPath":{"path":"/etc"}}],
        "containers":[{"name":"c"},{"securityContext":{"capabilities":{"add":["SYS_ADMIN"]}}}]}}}"#;
    for form in forms(event) {
        for (name, expected) in [
            ("verb", r#""create""#),
            ("objectRef.resource", r#""pods""#),
            ("objectRef.subresource", r#""exec""#),
            ("objectRef.namespace", r#""kube-system""#),
            ("objectRef.apiGroup", r#""apps""#),
            ("apiGroup", r#""apps""#),
            ("responseStatus.code", "403"),
            ("requestURI", r#""/api/v1/namespaces/web/pods?x=%2fbin%2fsh""#),
            ("userAgent", r#""kubectl""#),
            ("annotations.authorization.k8s.io/decision", r#""allow""#),
        ] {
            assert_eq!(field(&form, name).as_deref(), Some(expected), "{name} of {form}");
        }
        assert_eq!(field(&form, "impersonatedUser.username"), None);
    }
}

/// A rule's two fields of pods, in every form; a list where there are several places.
#[test]
fn what_a_pod_may_do_is_found_in_every_place() {
    let of = |spec: &str| {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"create","requestObject":{{"spec":{spec}}}}}"#
        )
    };
    let container = |capability: &str| {
        format!(r#"[{{"name":"c"}},{{"securityContext":{{"capabilities":{{"add":["{capability}"]}}}}}}]"#)
    };
    let pod = format!(
        r#"{{"volumes":[{{"name":"v"}},{{"hostPath":{{"path":"/etc"}}}}],"containers":{},"initContainers":{}}}"#,
        container("NET_BIND_SERVICE"),
        container("SYS_ADMIN")
    );
    let in_template = format!(r#"{{"template":{{"spec":{pod}}}}}"#);
    let in_job = format!(r#"{{"jobTemplate":{{"spec":{in_template}}}}}"#);
    let describer = Describer::new(&SOURCE, &Arc::default());
    for spec in [&pod, &in_template, &in_job] {
        for form in &forms(&of(spec))[..3] {
            let raw = describer.unfolded(form);
            let texts = |name: &str| describer.value(&raw, name).map(|value| value.to_json().to_string());
            assert_eq!(texts("hostPath").as_deref(), Some(r#"["/etc"]"#), "{form}");
            assert_eq!(
                texts("capabilities").as_deref(),
                Some(r#"["NET_BIND_SERVICE","SYS_ADMIN"]"#),
                "{form}"
            );
        }
    }
    assert_eq!(describer.value(&of("{}"), "hostPath"), None);
}

#[test]
fn columns_of_log_analytics_may_be_json_in_strings() {
    let row = r#"{"AuditId":"a-1","Stage":"ResponseComplete","Verb":"get","RequestUri":"/api/v1/secrets",
        "ObjectRef":"{\"resource\":\"secrets\",\"namespace\":\"web\",\"name\":\"db\"}","User":"{\"username\":\"ada\"}",
        "SourceIps":"[\"203.0.113.7\"]","ResponseStatus":"{\"code\":403}","StageReceivedTime":"2026-03-02T10:00:00Z",
        "Annotations":"{\"authorization.k8s.io/decision\":\"forbid\"}","RequestObject":"skipped-too-big-size-object"}"#;
    assert_eq!(owner(row), Some("kubernetes.audit"));
    for (name, expected) in [
        ("principal", r#""ada""#),
        ("target", r#""web/secrets/db""#),
        ("src_ip", r#""203.0.113.7""#),
        ("outcome", r#""failure""#),
        ("event_uid", r#""a-1|ResponseComplete|2026-03-02T10:00:00Z""#),
    ] {
        assert_eq!(column(row, name), expected, "{name}");
    }
    assert_eq!(field(row, "stageTimestamp").as_deref(), Some(r#""2026-03-02T10:00:00Z""#));
    assert_eq!(field(row, "annotations.authorization.k8s.io/decision").as_deref(), Some(r#""forbid""#));
}

#[test]
fn an_event_is_its_audit_id_its_stage_and_when_it_was() {
    let at = |time: &str| {
        format!(
            r#"{{"kind":"Event","auditID":"a-1","stage":"ResponseComplete","verb":"get","requestURI":"/",
            "requestReceivedTimestamp":"2026-03-02T09:59:59Z","stageTimestamp":"{time}"}}"#
        )
    };
    // the client may send all its requests under one id
    let (one, other) = (at("2026-03-02T10:00:00.123456Z"), at("2026-03-02T10:00:00.123457Z"));
    // and a delivery may print a moment in its own way
    let again = at("2026-03-02T10:00:00.1234560Z");
    let expected = r#""a-1|ResponseComplete|2026-03-02T10:00:00.123456Z""#;
    check(&[
        (&one, "event_uid", expected),
        (&again, "event_uid", expected),
        (&other, "event_uid", r#""a-1|ResponseComplete|2026-03-02T10:00:00.123457Z""#),
    ]);
    let event =
        r#"{"kind":"Event","auditID":"a-1","stage":"ResponseComplete","verb":"get","requestURI":"/"}"#;
    check(&[
        (event, "event_uid", r#""a-1|ResponseComplete""#),
        (event, "correlation_uid", r#""a-1""#),
        (r#"{"kind":"Event","auditID":"a-1","verb":"get","requestURI":"/"}"#, "event_uid", "-"),
        (
            r#"{"kind":"Event","auditID":null,"stage":"Panic","verb":"get","requestURI":"/"}"#,
            "event_uid",
            "-",
        ),
    ]);
}

#[test]
fn every_form_is_recognised_and_what_nearly_is_one_is_not() {
    let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/","verb":"get"}"#;
    for form in forms(event) {
        assert_eq!(owner(&form), Some("kubernetes.audit"), "{form}");
    }
    for event in [
        // an item of an `EventList`
        r#"{"level":"Metadata","auditID":"a","stage":"RequestReceived","requestURI":"/api","verb":"get"}"#,
        r#"{"kind":"Event","verb":"watch","sourceIPs":["10.0.27.115"],"responseStatus":{"code":403}}"#,
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1beta1","level":"Metadata","user":{"username":"x"}}"#,
        r#"{"category":"kube-audit","properties":{"log":"{\"cut off"}}"#,
        r#"{"category":"Kube-Audit-Admin","properties":"{\"log\":\"{}\"}"}"#,
    ] {
        assert_eq!(owner(event), Some("kubernetes.audit"), "{event}");
    }
    for event in [
        // what `kubectl get events` lists
        r#"{"kind":"Event","apiVersion":"v1","involvedObject":{"kind":"Pod"},"reason":"Failed","message":"x"}"#,
        r#"{"kind":"Event","apiVersion":"events.k8s.io/v1","regarding":{"kind":"Pod"},"verb":"get","objectRef":{}}"#,
        r#"{"kind":"Event","involvedObject":{},"verb":"get","objectRef":{}}"#,
        r#"{"kind":"Event","verb":"get"}"#,
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{}}"#,
        r#"{"kind":"Policy","apiVersion":"audit.k8s.io/v1","rules":[]}"#,
        // Google's entries
        r#"{"protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.core.v1.pods.list"},"resource":{"type":"k8s_cluster"}}"#,
        // other logs of AKS, and of Azure
        r#"{"category":"kube-apiserver","properties":{"log":"I0302 healthz"},"resourceId":"/SUBSCRIPTIONS/X"}"#,
        r#"{"category":"Administrative","operationName":"MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/WRITE","properties":{}}"#,
        r#"{"auditID":"a","stage":"production","verb":"get"}"#,
        r#"{"auditID":"a","stage":"ResponseComplete"}"#,
        r#"{"verb":"get","objectRef":{"resource":"pods"}}"#,
        r#"{"kind":7,"apiVersion":null,"verb":"get","objectRef":{}}"#,
        r#"{"eventVersion":"1.08","eventSource":"eks.amazonaws.com","eventName":"CreateCluster","awsRegion":"eu-west-1"}"#,
    ] {
        assert_ne!(owner(event), Some("kubernetes.audit"), "{event}");
    }
}

#[test]
fn broken_logs_lose_columns_and_no_event() {
    for event in [
        r#"{"category":"kube-audit","properties":{"log":"{\"kind\":\"Event\",\"verb\":"}}"#,
        r#"{"category":"kube-audit","properties":{"log":""}}"#,
        r#"{"category":"kube-audit","properties":{"log":7}}"#,
        r#"{"category":"kube-audit","properties":[]}"#,
        r#"{"category":"kube-audit","properties":null}"#,
    ] {
        let columns = columns_in(event, Environment::default());
        assert_eq!(
            columns,
            [("provider", r#""azure""#.to_owned()), ("service", r#""kubernetes""#.to_owned())],
            "{event}"
        );
    }
    let long = format!(r#"{{"kind":"Event","verb":"get","requestURI":"/{}"}}"#, "x".repeat(1 << 20));
    assert_eq!(column(&long, "target").len(), (1 << 20) + 3);
}

#[test]
fn columns_come_in_their_order() {
    let event = r#"{"kind":"Event","auditID":"a","stage":"Panic","verb":"get","user":{"username":"u"},"requestURI":"/"}"#;
    let columns = columns_in(event, Environment::default());
    let place = |name: &str| COLUMNS.iter().position(|column| column.name == name);
    assert!(columns.iter().map(|(name, _)| place(name)).is_sorted());
}

/// The events of a set of the corpus that are Kubernetes audit events, by their own words.
fn is_audit(event: &str) -> bool {
    let Ok(event) = serde_json::from_str::<serde_json::Value>(event) else { return false };
    let of_aks = event["category"].as_str().is_some_and(|category| category.starts_with("kube-audit"));
    of_aks
        || (event["kind"] == "Event" && event["p_log_type"] != "GCP.AuditLog")
        || event["stage"].is_string()
}

#[test]
fn of_the_corpus_every_audit_event_and_no_other() {
    let Some(corpus) = virga_test_support::corpus() else { return };
    let describer = Describer::new(&SOURCE, &Arc::default());
    let mut audit = 0;
    for folder in ["aws", "azure", "gcp", "genai", "saas"] {
        for entry in std::fs::read_dir(corpus.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if !name.ends_with(".jsonl.gz") {
                continue;
            }
            for event in virga_test_support::events(&corpus, &format!("{folder}/{name}")) {
                let mine = owner(&event) == Some("kubernetes.audit");
                assert_eq!(mine, is_audit(&event), "{folder}/{name}: {event}");
                if mine {
                    audit += 1;
                    let columns = describer.describe(&describer.unfolded(&event));
                    let of_call = ["action", "outcome", "target", "principal"];
                    let has = |name: &&str| columns.iter().any(|(column, _)| column.name == *name);
                    assert!(of_call.iter().filter(|name| has(name)).count() >= 2, "{event}");
                }
            }
        }
    }
    assert_eq!(audit, 106);
}
