//! What a call was about: things, service accounts that are handed on, models.

use super::*;

#[test]
fn a_target_is_of_the_kind_of_the_last_thing_in_its_path() {
    for (service, name, kind) in [
        ("storage", "projects/_/buckets/b", "bucket"),
        ("storage", "projects/_/buckets/b/objects/models/keys/k.bin", "object"),
        ("logging", "projects/p/locations/global/buckets/_Default", "log_bucket"),
        ("logging", "projects/p/sinks/s", "sink"),
        ("secretmanager", "projects/1/secrets/s/versions/3", "secret"),
        ("iam", "projects/-/serviceAccounts/123", "service_account"),
        ("iam", "projects/p/serviceAccounts/a@p.iam.gserviceaccount.com/keys/k", "key"),
        ("iam", "projects/p/roles/CustomRole", "role"),
        ("iam", "projects/p/locations/global/workloadIdentityPools/a/providers/b", "identity_provider"),
        ("cloudkms", "projects/p/locations/us/keyRings/r/cryptoKeys/k", "key"),
        ("cloudresourcemanager", "projects/p", "project"),
        ("cloudresourcemanager", "organizations/1", "organization"),
        ("compute", "projects/p/zones/z/instances/disks", "instance"),
        ("compute", "projects/p/global/images/i", "image"),
        ("compute", "projects/p/global/snapshots/s", "snapshot"),
        ("compute", "projects/p/zones/z/instances/i/SerialPort/1", "instance"),
        ("bigquery", "projects/p/datasets/d/tables/t", "table"),
        ("aiplatform", "projects/p/locations/l/publishers/google/models/m@002", "model"),
        ("aiplatform", "projects/p/locations/l/endpoints/7", "endpoint"),
        ("aiplatform", "projects/p/locations/l", "location"),
        ("k8s.io", "core/v1/namespaces/default/pods/x/exec", "pod"),
        ("k8s.io", "core/v1/namespaces/default", "namespace"),
        ("k8s.io", "rbac.authorization.k8s.io/v1/clusterrolebindings/b", "role_binding"),
        ("admin", "organizations/1/groupSettings", "-"),
        ("x", "brands/1", "-"),
        ("x", "", "-"),
    ] {
        let event = format!(
            r#"{{"protoPayload":{{"serviceName":"{service}.googleapis.com","resourceName":"{name}"}}}}"#
        );
        let kind = if kind == "-" { kind.to_owned() } else { format!("{kind:?}") };
        let target = if name.is_empty() { "-".to_owned() } else { format!("{name:?}") };
        check(&[(&event, "target_type", &kind), (&event, "target", &target)]);
    }
    check(&[
        (
            r#"{"resource":{"type":"gce_instance"},"protoPayload":{"resourceName":"123456"}}"#,
            "target_type",
            r#""instance""#,
        ),
        (
            r#"{"protoPayload":{"authorizationInfo":[{"resource":"projects/p/roles/r"}]}}"#,
            "target",
            r#""projects/p/roles/r""#,
        ),
    ]);
}

#[test]
fn a_bucket_a_namespace_and_a_user_are_named() {
    check(&[
        (
            r#"{"protoPayload":{"serviceName":"storage.googleapis.com","resourceName":"projects/_/buckets/b/objects/o"}}"#,
            "target_container",
            r#""gs://b""#,
        ),
        (r#"{"resource":{"labels":{"bucket_name":"b"}}}"#, "target_container", r#""gs://b""#),
        (r#"{"resource":{"labels":{"bucket_name":""}}}"#, "target_container", "-"),
        (
            r#"{"protoPayload":{"serviceName":"logging.googleapis.com","resourceName":"projects/p/locations/l/buckets/b"}}"#,
            "target_container",
            "-",
        ),
        (
            r#"{"protoPayload":{"serviceName":"k8s.io","resourceName":"core/v1/namespaces/pay/pods/x"}}"#,
            "k8s_namespace",
            r#""pay""#,
        ),
        (
            r#"{"protoPayload":{"serviceName":"x","resourceName":"core/v1/namespaces/pay/pods/x"}}"#,
            "k8s_namespace",
            "-",
        ),
        (
            r#"{"resource":{"labels":{"email_id":"a@p.iam.gserviceaccount.com"}}}"#,
            "target_user",
            r#""a@p.iam.gserviceaccount.com""#,
        ),
        (
            r#"{"resource":{"labels":{"email_id":""}},"protoPayload":{"resourceName":"projects/-/serviceAccounts/123"}}"#,
            "target_user",
            r#""123""#,
        ),
        (
            r#"{"protoPayload":{"metadata":{"event":[{"parameter":[{"name":"GROUP_EMAIL","value":"g"},{"name":"USER_EMAIL","value":"bob@example.com"}]}]}}}"#,
            "target_user",
            r#""bob@example.com""#,
        ),
        (r#"{"protoPayload":{"metadata":{"event":[{"parameter":"x"},7]}}}"#, "target_user", "-"),
    ]);
}

#[test]
fn a_service_account_that_is_handed_on_is_told() {
    for (request, expected) in [
        (
            r#"{"serviceAccounts":[{"email":"a@p.iam.gserviceaccount.com"}]}"#,
            r#""a@p.iam.gserviceaccount.com""#,
        ),
        (r#"{"customJob":{"jobSpec":{"serviceAccount":"a@example.com"}}}"#, r#""a@example.com""#),
        (
            r#"{"build":{"serviceAccount":"projects/p/serviceAccounts/a@p.iam.gserviceaccount.com"}}"#,
            r#""a@p.iam.gserviceaccount.com""#,
        ),
        (
            r#"{"function":{"serviceConfig":{"serviceAccountEmail":"a@p.iam.gserviceaccount.com"}}}"#,
            r#""a@p.iam.gserviceaccount.com""#,
        ),
        (
            r#"{"email":"1-compute@developer.gserviceaccount.com"}"#,
            r#""1-compute@developer.gserviceaccount.com""#,
        ),
        (r#"{"email":"ada@example.com"}"#, "-"),
        (r#"{"serviceAccounts":[{"email":"default"}]}"#, "-"),
        (r#"{"serviceAccounts":"..."}"#, "-"),
        (r#""...""#, "-"),
        ("null", "-"),
    ] {
        check(&[(&format!(r#"{{"protoPayload":{{"request":{request}}}}}"#), "passed_role", expected)]);
    }
}

#[test]
fn a_model_is_the_publishers_the_projects_or_its_endpoint() {
    for (service, name, expected) in [
        (
            "aiplatform",
            "projects/p/locations/l/publishers/google/models/gemini-2.5-pro",
            r#""gemini-2.5-pro""#,
        ),
        ("aiplatform", "projects/p/locations/l/models/123", r#""123""#),
        ("aiplatform", "projects/p/locations/l/endpoints/456", r#""456""#),
        ("aiplatform", "projects/p/locations/l", "-"),
        ("storage", "projects/_/buckets/b/objects/models/x", "-"),
    ] {
        let event = format!(
            r#"{{"protoPayload":{{"serviceName":"{service}.googleapis.com","resourceName":"{name}"}}}}"#
        );
        check(&[(&event, "model", expected)]);
    }
    check(&[(
        r#"{"protoPayload":{"serviceName":"aiplatform.googleapis.com","request":{"model":"publishers/google/models/m"}}}"#,
        "model",
        r#""m""#,
    )]);
}
