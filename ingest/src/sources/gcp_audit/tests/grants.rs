//! Who is granted what, and who of them is a stranger.

use super::*;

/// The three columns of grants.
fn granted(payload: &str, environment: &Arc<Environment>) -> [String; 3] {
    let event = format!(r#"{{"resource":{{"labels":{{"project_id":"p1"}}}},"protoPayload":{payload}}}"#);
    ["grants", "grants_public", "grants_external"].map(|name| column_in(&event, name, environment))
}

#[test]
fn grants_are_the_changes_or_else_the_policy_that_was_set() {
    let deltas = r#"{"methodName":"SetIamPolicy","serviceData":{"policyDelta":{"bindingDeltas":[
        {"action":"ADD","role":"roles/owner","member":"user:x@example.net"},
        {"action":"REMOVE","role":"roles/viewer","member":"allUsers"}]}},
        "request":{"policy":{"bindings":[{"role":"roles/viewer","members":["allUsers"]}]}}}"#;
    assert_eq!(
        granted(deltas, &known()),
        [r#"["ADD|user:x@example.net|roles/owner","REMOVE|allUsers|roles/viewer"]"#, "false", "true"]
    );
    let set = |method: &str| {
        format!(
            r#"{{"methodName":"{method}","serviceData":{{"policyDelta":{{}}}},"request":{{"policy":{{"bindings":[
                {{"role":"roles/run.invoker","members":["allAuthenticatedUsers","user:ada@example.com"]}}]}}}}}}"#
        )
    };
    let expected = [
        r#"["SET|allAuthenticatedUsers|roles/run.invoker","SET|user:ada@example.com|roles/run.invoker"]"#,
        "true",
        "true",
    ];
    for method in ["SetIamPolicy", "google.iam.admin.v1.SetIAMPolicy", "v1.compute.disks.setIamPolicy"] {
        assert_eq!(granted(&set(method), &Arc::default()), expected, "{method}");
    }
    for method in ["TestIamPermissions", "GetIamPolicy", "google.x.CreateThing"] {
        assert_eq!(granted(&set(method), &known()), ["-", "-", "-"], "{method}");
    }
    for (payload, grants) in [
        (
            r#"{"methodName":"InsertProjectOwnershipInvite","request":{"member":"user:x@example.net","projectId":"p1"}}"#,
            r#"["ADD|user:x@example.net|roles/owner"]"#,
        ),
        (
            r#"{"methodName":"x.UpdateDataset","metadata":{"datasetChange":{"bindingDeltas":[{"action":"ADD","member":"user:x@example.net","role":"roles/bigquery.dataViewer"}]}}}"#,
            r#"["ADD|user:x@example.net|roles/bigquery.dataViewer"]"#,
        ),
        (
            r#"{"methodName":"x.UpdateTable","metadata":{"tableChange":{"table":{"acl":{"policy":{"bindings":[{"role":"r","members":["user:x@example.net"]}]}}}}}}"#,
            r#"["SET|user:x@example.net|r"]"#,
        ),
    ] {
        assert_eq!(granted(payload, &known()), [grants, "false", "true"], "{payload}");
    }
    for nothing in [
        r#"{"methodName":"SetIamPolicy"}"#,
        r#"{"methodName":"SetIamPolicy","request":"..."}"#,
        r#"{"methodName":"SetIamPolicy","request":{"policy":{"bindings":"x"}}}"#,
        r#"{"methodName":"SetIamPolicy","request":{"policy":{"bindings":[7,{"role":"r"},{"members":"x"}]}}}"#,
        r#"{"methodName":"SetIamPolicy","serviceData":{"policyDelta":{"bindingDeltas":[{"role":"r"},null]}}}"#,
    ] {
        assert_eq!(granted(nothing, &known()), ["-", "-", "-"], "{nothing}");
    }
}

#[test]
fn who_is_a_stranger_is_known_only_against_the_users_own() {
    for (member, in_known, in_unknown) in [
        ("user:ada@example.com", "false", "-"),
        ("user:ada@corp.example.com", "false", "-"),
        ("user:x@example.net", "true", "-"),
        ("group:all@example.net", "true", "-"),
        ("domain:example.com", "false", "-"),
        ("domain:example.net", "true", "-"),
        // the project of the entry is its own
        ("serviceAccount:a@p1.iam.gserviceaccount.com", "false", "false"),
        ("serviceAccount:a@p2.iam.gserviceaccount.com", "false", "-"),
        ("serviceAccount:a@p9.iam.gserviceaccount.com", "true", "-"),
        ("serviceAccount:a@web.example.com.iam.gserviceaccount.com", "false", "-"),
        ("serviceAccount:p2@appspot.gserviceaccount.com", "false", "-"),
        ("serviceAccount:p9.svc.id.goog[ns/app]", "true", "-"),
        ("serviceAccount:481-compute@developer.gserviceaccount.com", "false", "-"),
        ("serviceAccount:999@cloudservices.gserviceaccount.com", "-", "-"),
        ("serviceAccount:service-999@gcp-sa-logging.iam.gserviceaccount.com", "false", "false"),
        ("serviceAccount:service-999@compute-system.iam.gserviceaccount.com", "false", "false"),
        ("serviceAccount:service-999@cloud-ml.google.com.iam.gserviceaccount.com", "false", "false"),
        // anybody may name an account so
        ("serviceAccount:service-999@p9.iam.gserviceaccount.com", "true", "-"),
        ("serviceAccount:service-999@mygoogle.com.iam.gserviceaccount.com", "true", "-"),
        ("projectOwner:p1", "false", "false"),
        ("projectViewer:p9", "true", "-"),
        ("deleted:user:x@example.net?uid=1", "false", "false"),
        ("principal://goog/subject/x@example.net", "true", "-"),
        (
            "principalSet://iam.googleapis.com/projects/481/locations/global/workloadIdentityPools/ci/*",
            "false",
            "-",
        ),
        (
            "principalSet://iam.googleapis.com/projects/999/locations/global/workloadIdentityPools/ci/*",
            "-",
            "-",
        ),
        ("allUsers", "true", "true"),
        ("principalSet://goog/public:all", "true", "true"),
        ("odd", "-", "-"),
    ] {
        let payload = format!(
            r#"{{"serviceData":{{"policyDelta":{{"bindingDeltas":[{{"action":"ADD","member":"{member}","role":"r"}}]}}}}}}"#
        );
        assert_eq!(granted(&payload, &known())[2], in_known, "{member}");
        assert_eq!(granted(&payload, &Arc::default())[2], in_unknown, "{member}");
    }
    let taken = r#"{"serviceData":{"policyDelta":{"bindingDeltas":[{"action":"REMOVE","member":"user:x@example.net","role":"r"}]}}}"#;
    assert_eq!(granted(taken, &Arc::default())[1..], ["false", "false"]);
}

#[test]
fn grants_have_an_end_and_their_flags_do_not() {
    let members: Vec<String> = (0..400).map(|i| format!(r#""user:u{i}@example.com""#)).collect();
    let payload = format!(
        r#"{{"methodName":"SetIamPolicy","request":{{"policy":{{"bindings":[{{"role":"r","members":[{},"allUsers"]}}]}}}}}}"#,
        members.join(",")
    );
    let [grants, public, _] = granted(&payload, &known());
    assert_eq!(grants.matches("SET|").count(), crate::limits::MAX_GRANTS);
    assert_eq!(public, "true");
}
