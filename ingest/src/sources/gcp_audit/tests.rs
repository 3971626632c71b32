//! The canonical columns, by fact: hand-written entries in the documented format, each with what it
//! must give and, where it nearly says something else, what it must not; and the public rules, which
//! must find their fields in every form.

use std::sync::Arc;

use virga_engine::event::{BatchBuilder, COLUMNS, OriginBase, ProjectedField};
use virga_engine::json::{Cells, Projector};

use super::*;
use crate::environment::Environment;
use crate::sources::testing;
use crate::sources::{Arrival, Describer, Normaliser, Outcome, recognise as owner};

/// Column and value pairs of an event, as JSON texts.
fn columns(event: &str, environment: &Arc<Environment>) -> Vec<(&'static str, String)> {
    testing::columns_in(&SOURCE, event, Arc::clone(environment))
}

fn column(event: &str, name: &str) -> String {
    column_in(event, name, &Arc::default())
}

fn column_in(event: &str, name: &str, environment: &Arc<Environment>) -> String {
    testing::column_in(&SOURCE, event, name, Arc::clone(environment))
}

/// `(event, column, expected)`; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    testing::check(&SOURCE, cases);
}

/// An entry with this payload, as each delivery writes it: the entry, a lake's, a sink's row.
fn forms(payload: &serde_json::Value) -> [String; 3] {
    let log = "projects/p1/logs/cloudaudit.googleapis.com%2Factivity";
    let resource = serde_json::json!({"type": "gce_instance", "labels": {"project_id": "p1"}});
    let (time, id) = ("2026-11-18T08:00:00.123456789Z", "x1");
    let mut typed = payload.clone();
    typed["@type"] = "type.googleapis.com/google.cloud.audit.AuditLog".into();
    let mut renamed = payload.clone();
    renamed["at_sign_type"] = "type.googleapis.com/google.cloud.audit.AuditLog".into();
    let mut row = payload.clone();
    for (part, column) in
        [("request", "requestJson"), ("metadata", "metadataJson"), ("response", "responseJson")]
    {
        let text = row.as_object_mut().unwrap().remove(part).map(|part| part.to_string());
        row[column] = text.map_or(serde_json::Value::Null, Into::into);
    }
    let data = row.as_object_mut().unwrap().remove("serviceData");
    row["servicedata_v1_iam"] = data.unwrap_or_default();
    [
        serde_json::json!({"logName": log, "timestamp": time, "insertId": id, "resource": resource, "protoPayload": typed}),
        serde_json::json!({"logname": log, "timestamp": "2026-11-18 08:00:00.123456789", "insertid": id, "resource": resource, "protopayload": renamed}),
        serde_json::json!({"logName": log, "timestamp": "2026-11-18 08:00:00.123456 UTC", "insertId": id, "resource": resource, "protopayload_auditlog": row}),
    ]
    .map(|form| form.to_string())
}

#[test]
fn every_form_gives_the_same_columns() {
    let payload = serde_json::json!({
        "serviceName": "aiplatform.googleapis.com",
        "methodName": "google.cloud.aiplatform.v1.JobService.CreateCustomJob",
        "resourceName": "projects/p1/locations/us-central1/customJobs/7",
        "status": {"code": 7, "message": "no"},
        "authenticationInfo": {"principalEmail": "ada@example.com", "serviceAccountKeyName": "//k/1"},
        "authorizationInfo": [{"permission": "aiplatform.customJobs.create", "granted": true}],
        "requestMetadata": {"callerIp": "198.51.100.7", "callerSuppliedUserAgent": "gcloud"},
        "request": {"customJob": {"jobSpec": {"serviceAccount": "run@p1.iam.gserviceaccount.com"}}},
        "serviceData": {"policyDelta": {"bindingDeltas": [{"action": "ADD", "member": "user:x@example.net", "role": "r"}]}},
        "metadata": {"event": [{"parameter": [{"name": "USER_EMAIL", "value": "bob@example.com"}]}]},
    });
    let [plain, lake, row] = forms(&payload).map(|form| {
        assert_eq!(owner(&form).map(|source| source.name), Some("gcp.audit"), "{form}");
        let mut columns = columns(&form, &Arc::default());
        columns.retain(|(name, _)| *name != "event_uid");
        columns
    });
    assert_eq!(plain, lake);
    assert_eq!(plain, row);
    let names: Vec<_> = plain.iter().map(|(name, _)| *name).collect();
    for name in ["principal", "passed_role", "grants", "target_user", "error_code", "user_agent"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
}

#[test]
fn an_entry_is_known_by_log_time_and_insert_id_or_by_its_place() {
    let place = Arrival {
        base: &OriginBase::File { path: "x".into() },
        line: Some(1),
        record: None,
        ingest_time: 1_800_000_000_000_000,
    };
    let projection = Arc::default();
    let mut normaliser = Normaliser::new(&SOURCE, &projection, &Arc::default());
    let mut batch = BatchBuilder::new(SOURCE.name.into(), Arc::clone(&projection));
    for (event, time_missing, id_missing) in [
        (
            r#"{"protoPayload":{},"logName":"l","timestamp":"2026-11-18T08:00:00Z","insertId":"i"}"#,
            false,
            false,
        ),
        (r#"{"protoPayload":{},"logName":"l","timestamp":"2026-11-18T08:00:00Z"}"#, false, true),
        (r#"{"protoPayload":{},"receiveTimestamp":"2026-11-18 08:00:00.1"}"#, false, true),
        (
            r#"{"protoPayload":{"requestMetadata":{"requestAttributes":{"time":"2026-11-18T08:00:00Z"}}}}"#,
            false,
            true,
        ),
        (r#"{"protoPayload":{},"timestamp":"...","insertId":"i"}"#, true, true),
    ] {
        let outcome = normaliser.normalise(event, &place, &mut batch).unwrap();
        assert_eq!(outcome, Outcome::Row { time_missing, id_missing }, "{event}");
    }
    check(&[(
        r#"{"logname":"l","timestamp":"2026-11-18T08:00:00Z","insertid":"i"}"#,
        "event_uid",
        r#""l|2026-11-18T08:00:00Z|i""#,
    )]);
}

#[test]
fn audit_entries_are_recognised_and_nothing_else_is() {
    let name = |event: &str| owner(event).map(|source| source.name);
    for ours in [
        r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog"}}"#,
        r#"{"protopayload":{"at_sign_type":"type.googleapis.com/google.cloud.audit.AuditLog"}}"#,
        r#"{"protoPayload":{"methodName":"x"},"logName":"organizations/1/logs/cloudaudit.googleapis.com%2Fpolicy"}"#,
        r#"{"protoPayload":{},"logname":"projects/p/logs/cloudaudit.googleapis.com/system_event"}"#,
        r#"{"protoPayload":{"methodName":"compute.instances.list"}}"#,
        r#"{"protoPayload":{"authorizationInfo":[{"permission":"iam.roles.update"}]}}"#,
        r#"{"protopayload_auditlog":{"methodName":"x"},"logName":"l"}"#,
        r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"k8s.io"}}"#,
        r#"{"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"login.googleapis.com"}}"#,
    ] {
        assert_eq!(name(ours), Some("gcp.audit"), "{ours}");
    }
    for other in [
        r#"{"jsonPayload":{"@type":"type.googleapis.com/google.cloud.loadbalancing.type.LoadBalancerLogEntry"},"logName":"projects/p/logs/requests","insertId":"i","timestamp":"2026-11-18T08:00:00Z"}"#,
        r#"{"jsonPayload":{"connection":{}},"logName":"projects/p/logs/compute.googleapis.com%2Fvpc_flows"}"#,
        r#"{"textPayload":"x","logName":"projects/p/logs/testlog"}"#,
        // App Engine's requests
        r#"{"protoPayload":{"@type":"type.googleapis.com/google.appengine.logging.v1.RequestLog","method":"GET"},"logName":"projects/p/logs/appengine.googleapis.com%2Frequest_log"}"#,
        r#"{"protoPayload":{"methodName":"x"},"logName":"projects/p/logs/mine"}"#,
        // Access Transparency
        r#"{"jsonPayload":{"@type":"type.googleapis.com/google.cloud.audit.TransparencyLog"},"logName":"organizations/1/logs/cloudaudit.googleapis.com%2Faccess_transparency"}"#,
        r#"{"protoPayload":"text","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity"}"#,
        r#"{"protopayload_auditlog":null,"protoPayload":null}"#,
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","verb":"create","auditID":"a","stage":"ResponseComplete"}"#,
        r#"{"methodName":"x","serviceName":"y","logName":"z"}"#,
        // the Workspace reports API
        r#"{"kind":"admin#reports#activity","id":{"applicationName":"login"},"actor":{"email":"a@example.com"}}"#,
        "{}",
    ] {
        assert_ne!(name(other), Some("gcp.audit"), "{other}");
    }
    let cloudtrail =
        r#"{"eventSource":"s3.amazonaws.com","eventName":"GetObject","protoPayload":{"methodName":"x"}}"#;
    assert_eq!(name(cloudtrail), Some("aws.cloudtrail"));
}

#[test]
fn a_principal_is_an_address_or_a_subject_or_only_a_place() {
    let auth = |info: &str| format!(r#"{{"protoPayload":{{"authenticationInfo":{info}}}}}"#);
    for (info, principal, kind, name) in [
        (r#"{"principalEmail":"ada@example.com"}"#, "ada@example.com", "user", "ada@example.com"),
        (
            r#"{"principalEmail":"ci@p1.iam.gserviceaccount.com","principalSubject":"user:ci@p1.iam.gserviceaccount.com"}"#,
            "ci@p1.iam.gserviceaccount.com",
            "service_account",
            "ci@p1.iam.gserviceaccount.com",
        ),
        (
            r#"{"principalEmail":"1-compute@developer.gserviceaccount.com"}"#,
            "1-compute@developer.gserviceaccount.com",
            "service_account",
            "1-compute@developer.gserviceaccount.com",
        ),
        (
            r#"{"principalEmail":"","principalSubject":"serviceAccount:ci@p1.iam.gserviceaccount.com"}"#,
            "ci@p1.iam.gserviceaccount.com",
            "service_account",
            "ci@p1.iam.gserviceaccount.com",
        ),
        (
            r#"{"principalSubject":"principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada@example.com"}"#,
            "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada@example.com",
            "workforce",
            "ada@example.com",
        ),
        (
            r#"{"principalEmail":null,"principalSubject":"principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/repo:a/b"}"#,
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/repo:a/b",
            "workload",
            "repo:a/b",
        ),
        (
            r#"{"principalSubject":"serviceAccount:p1.svc.id.goog[ns/app]"}"#,
            "p1.svc.id.goog[ns/app]",
            "workload",
            "p1.svc.id.goog[ns/app]",
        ),
        (
            r#"{"principalEmail":"system:serviceaccount:kube-system:job-controller"}"#,
            "system:serviceaccount:kube-system:job-controller",
            "service_account",
            "system:serviceaccount:kube-system:job-controller",
        ),
        (r#"{"principalEmail":"system:anonymous"}"#, "system:anonymous", "system", "system:anonymous"),
    ] {
        let event = auth(info);
        for (column, expected) in [
            ("principal", principal),
            ("principal_type", kind),
            ("principal_name", name),
            ("credential_id", principal),
        ] {
            check(&[(&event, column, &format!("{expected:?}"))]);
        }
        check(&[(&event, "credential_kind", "-")]);
    }
    let denied = r#"{"protoPayload":{"authenticationInfo":{},"requestMetadata":{"callerIp":"203.0.113.7"}}}"#;
    check(&[
        (denied, "principal", r#""unknown@203.0.113.7""#),
        (denied, "principal_type", "-"),
        (denied, "principal_name", "-"),
        (denied, "credential_id", "-"),
        (r#"{"protoPayload":{"authenticationInfo":"..."}}"#, "principal", "-"),
        (r#"{"protoPayload":{"authenticationInfo":{"principalEmail":7}}}"#, "principal", "-"),
    ]);
}

#[test]
fn a_key_and_delegates_are_told() {
    let keyed = r#"{"protoPayload":{"authenticationInfo":{"principalEmail":"ci@p1.iam.gserviceaccount.com",
        "serviceAccountKeyName":"//iam.googleapis.com/projects/p1/serviceAccounts/ci@p1.iam.gserviceaccount.com/keys/ab12"}}}"#;
    let delegated = r#"{"protoPayload":{"authenticationInfo":{"principalEmail":"ci@p1.iam.gserviceaccount.com",
        "serviceAccountDelegationInfo":[{"firstPartyPrincipal":{"principalEmail":"one@example.com"}},
        {"firstPartyPrincipal":{"principalEmail":"two@p1.iam.gserviceaccount.com"}}]}}}"#;
    let federated = r#"{"protoPayload":{"authenticationInfo":{"serviceAccountDelegationInfo":[
        {"principalSubject":"principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/x"}]}}}"#;
    check(&[
        (
            keyed,
            "credential_id",
            r#""//iam.googleapis.com/projects/p1/serviceAccounts/ci@p1.iam.gserviceaccount.com/keys/ab12""#,
        ),
        (keyed, "credential_kind", r#""service_key""#),
        (keyed, "invoked_by", "-"),
        (delegated, "invoked_by", r#""one@example.com""#),
        (
            federated,
            "invoked_by",
            r#""principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/x""#,
        ),
        (r#"{"protoPayload":{"authenticationInfo":{"serviceAccountDelegationInfo":[]}}}"#, "invoked_by", "-"),
    ]);
}

#[test]
fn a_source_address_may_be_a_word() {
    for (address, kind, network) in [
        ("203.0.113.7", "public", Some("203.0.113.0/24")),
        ("2001:db8:1:2::3", "public", Some("2001:db8:1::/48")),
        ("10.0.3.4", "private", Some("10.0.3.0/24")),
        ("private", "internal", None),
        ("gce-internal-ip", "internal", None),
        ("300.1.2.3", "invalid", None),
    ] {
        let event = format!(r#"{{"protoPayload":{{"requestMetadata":{{"callerIP":"{address}"}}}}}}"#);
        let network = network.map_or("-".to_owned(), |network| format!("{network:?}"));
        check(&[
            (&event, "src_ip", &format!("{address:?}")),
            (&event, "src_ip_kind", &format!("{kind:?}")),
            (&event, "src_net", &network),
        ]);
    }
    check(&[(r#"{"protoPayload":{"requestMetadata":"..."}}"#, "src_ip", "-")]);
}

#[test]
fn a_place_comes_from_labels_or_else_from_names() {
    check(&[
        (
            r#"{"resource":{"labels":{"project_id":"p1","location":"us"}},"logName":"projects/p2/logs/x"}"#,
            "account",
            r#""p1""#,
        ),
        (r#"{"resource":{"labels":{"project_id":""}},"logName":"projects/p2/logs/x"}"#, "account", r#""p2""#),
        (
            r#"{"resource":"...","protoPayload":{"resourceName":"projects/p3/secrets/s"}}"#,
            "account",
            r#""p3""#,
        ),
        (r#"{"resource":{"labels":{"project_id":481}}}"#, "account", r#""481""#),
        (r#"{"protoPayload":{"resourceName":"projects/_/buckets/b"}}"#, "account", "-"),
        (r#"{"protoPayload":{"resourceName":"projects/-/serviceAccounts/1"}}"#, "account", "-"),
        (r#"{"logName":"organizations/12/logs/cloudaudit.googleapis.com%2Factivity"}"#, "account", "-"),
        (r#"{"logName":"organizations/12/logs/cloudaudit.googleapis.com%2Factivity"}"#, "org", r#""12""#),
        (r#"{"protoPayload":{"resourceName":"organizations/13"}}"#, "org", r#""13""#),
        (
            r#"{"resource":{"labels":{"organization_id":"14"}},"logName":"folders/1/logs/x"}"#,
            "org",
            r#""14""#,
        ),
        (r#"{"resource":{"labels":{"location":"","zone":"us-a"}}}"#, "region", r#""us-a""#),
        (r#"{"protoPayload":{"resourceLocation":{"currentLocations":["us"]}}}"#, "region", r#""us""#),
        (r#"{"protoPayload":{"resourceLocation":{"currentLocations":["us","eu"]}}}"#, "region", "-"),
        (
            r#"{"protoPayload":{"resourceName":"projects/p/locations/us-central1/publishers/google/models/m"}}"#,
            "region",
            r#""us-central1""#,
        ),
        (r#"{"protoPayload":{"resourceLocation":"..."}}"#, "region", "-"),
    ]);
}

#[test]
fn every_call_has_a_kind() {
    let kind = |service: &str, method: &str, log: &str, info: &str| {
        column(
            &format!(
                r#"{{"logName":"projects/p/logs/cloudaudit.googleapis.com%2F{log}","protoPayload":{{"serviceName":"{service}","methodName":"{method}","authorizationInfo":[{info}]}}}}"#
            ),
            "action_kind",
        )
    };
    let ai = "aiplatform.googleapis.com";
    let v1 = "google.cloud.aiplatform.v1";
    for (service, method, log, info, expected) in [
        (ai, &*format!("{v1}.PredictionService.Predict"), "data_access", "", "ai_invoke"),
        (ai, &format!("{v1}beta1.PredictionService.StreamGenerateContent"), "data_access", "", "ai_invoke"),
        (ai, &format!("{v1}.PredictionService.RawPredict"), "data_access", "", "ai_invoke"),
        (ai, &format!("{v1}.PredictionService.StreamRawPredict"), "data_access", "", "ai_invoke"),
        (ai, &format!("{v1}beta1.LlmBidiService.BidiGenerateContent"), "data_access", "", "ai_invoke"),
        (
            "us-central1-aiplatform.googleapis.com",
            &format!("{v1}.PredictionService.Predict"),
            "x",
            "",
            "ai_invoke",
        ),
        (ai, &format!("{v1}beta1.PredictionService.CountTokens"), "data_access", "", "read"),
        (ai, &format!("{v1}.ModelService.ExportModel"), "activity", "", "write"),
        (ai, &format!("{v1}.ModelService.ListModels"), "data_access", "", "read"),
        ("other.googleapis.com", "x.PredictionService.Predict", "data_access", "", "read"),
        ("storage.googleapis.com", "storage.objects.get", "data_access", "", "object_read"),
        ("storage.googleapis.com", "google.storage.objects.get", "policy", "", "object_read"),
        ("storage.googleapis.com", "storage.objects.list", "data_access", "", "read"),
        ("storage.googleapis.com", "storage.objects.create", "data_access", "", "write"),
        ("storage.googleapis.com", "storage.getIamPermissions", "data_access", "", "read"),
        ("storage.googleapis.com", "storage.setIamPermissions", "activity", "", "write"),
        ("iamcredentials.googleapis.com", "GenerateAccessToken", "data_access", "", "auth"),
        ("iamcredentials.googleapis.com", "SignBlob", "data_access", "", "auth"),
        (
            "sts.googleapis.com",
            "google.identity.sts.v1.SecurityTokenService.ExchangeToken",
            "data_access",
            "",
            "auth",
        ),
        ("login.googleapis.com", "google.login.LoginService.loginSuccess", "data_access", "", "auth"),
        ("iap.googleapis.com", "AuthorizeUser", "data_access", "", "auth"),
        ("iap.googleapis.com", "google.cloud.iap.v1.X.SetIamPolicy", "activity", "", "write"),
        ("compute.googleapis.com", "beta.compute.instances.aggregatedList", "data_access", "", "read"),
        ("compute.googleapis.com", "compute.instances.preempted", "system_event", "", "write"),
        ("cloudresourcemanager.googleapis.com", "TestIamPermissions", "data_access", "", "read"),
        ("pubsub.googleapis.com", "google.pubsub.v1.Publisher.BatchCreate", "data_access", "", "write"),
        // the type of the permission comes before all verbs
        (
            "bigquery.googleapis.com",
            "InsertJob",
            "data_access",
            r#"{"permissionType":"DATA_READ","permission":"bigquery.jobs.create"}"#,
            "read",
        ),
        (
            "x",
            "GetThing",
            "data_access",
            r#"{"permissionType":"DATA_READ"},{"permissionType":"DATA_WRITE"}"#,
            "write",
        ),
        // the verb of the permission before the call's own
        (
            "bigquery.googleapis.com",
            "InsertJob",
            "data_access",
            r#"{"permission":"bigquery.tables.getData"}"#,
            "read",
        ),
        (
            "compute.googleapis.com",
            "v1.compute.instances.insert",
            "activity",
            r#"{"permission":"compute.subnetworks.use"},{"permission":"compute.instances.create"}"#,
            "write",
        ),
        (
            "cloudkms.googleapis.com",
            "Encrypt",
            "data_access",
            r#"{"permission":"cloudkms.cryptoKeyVersions.useToEncrypt"}"#,
            "read",
        ),
        ("x", "jobservice.jobcompleted", "data_access", "", "read"),
        ("x", "Frobnicate", "activity", "", "write"),
    ] {
        assert_eq!(kind(service, method, log, info), format!("{expected:?}"), "{service} {method} {info}");
    }
    check(&[
        (
            r#"{"protoPayload":{"authorizationInfo":[{"permission":"iam.roles.update"}]}}"#,
            "action_kind",
            r#""write""#,
        ),
        (r#"{"protoPayload":{"authorizationInfo":[{"permission":"iam.roles.dunno"}]}}"#, "action_kind", "-"),
        (r#"{"protoPayload":{"serviceName":"Storage.googleapis.com"}}"#, "service", r#""storage""#),
        (r#"{"protoPayload":{"serviceName":"k8s.io"}}"#, "service", r#""k8s.io""#),
    ]);
}

#[test]
fn an_outcome_comes_from_the_status_and_from_the_log() {
    let payload = |payload: &str| {
        format!(
            r#"{{"logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","protoPayload":{payload}}}"#
        )
    };
    for (status, outcome, code, message) in [
        ("{}", "success", "-", "-"),
        (r#"{"status":{}}"#, "success", "-", "-"),
        (r#"{"status":null}"#, "success", "-", "-"),
        (r#"{"status":{"code":0,"message":"OK"}}"#, "success", "-", "-"),
        (r#"{"status":{"code":"0"}}"#, "success", "-", "-"),
        (r#"{"status":{"message":"Connection succeeded."}}"#, "success", "-", "-"),
        (r#"{"status":{"code":7,"message":"no"}}"#, "failure", r#""7""#, r#""no""#),
        (r#"{"status":{"code":"5"}}"#, "failure", r#""5""#, "-"),
        (r#"{"status":"..."}"#, "success", "-", "-"),
    ] {
        let event = payload(status);
        check(&[
            (&event, "outcome", &format!("{outcome:?}")),
            (&event, "error_code", code),
            (&event, "error_message", message),
        ]);
    }
    let policy = |payload: &str| {
        format!(
            r#"{{"logName":"projects/p/logs/cloudaudit.googleapis.com%2Fpolicy","protoPayload":{payload}}}"#
        )
    };
    check(&[
        (&policy("{}"), "outcome", r#""failure""#),
        (&policy(r#"{"status":{"message":"denied"}}"#), "error_message", r#""denied""#),
        // on trial: nothing was denied
        (&policy(r#"{"metadata":{"dryRun":true},"status":{"code":7}}"#), "outcome", "-"),
        (
            &payload(
                r#"{"serviceName":"login.googleapis.com","methodName":"google.login.LoginService.loginFailure"}"#,
            ),
            "outcome",
            r#""failure""#,
        ),
        (
            &payload(
                r#"{"serviceName":"login.googleapis.com","methodName":"google.login.LoginService.loginSuccess"}"#,
            ),
            "outcome",
            r#""success""#,
        ),
    ]);
}

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

/// The three columns of grants.
fn granted(payload: &str, environment: &Arc<Environment>) -> [String; 3] {
    let event = format!(r#"{{"resource":{{"labels":{{"project_id":"p1"}}}},"protoPayload":{payload}}}"#);
    ["grants", "grants_public", "grants_external"].map(|name| column_in(&event, name, environment))
}

fn known() -> Arc<Environment> {
    Arc::new(Environment {
        own_accounts: vec!["p1".into(), "p2".into(), "481".into(), "example.com:web".into()],
        own_domains: vec!["example.com".into()],
        ..Environment::default()
    })
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

#[test]
fn nothing_that_is_odd_is_lost_or_panics() {
    let odd = [
        "null",
        "7",
        "true",
        r#""""#,
        r#""...""#,
        r#""é""#,
        "[]",
        "[[]]",
        "[null]",
        "{}",
        r#"[{"a":1}]"#,
        r#""\ud800""#,
    ];
    for value in odd {
        for path in [
            "authenticationInfo",
            "authorizationInfo",
            "requestMetadata",
            "resourceName",
            "methodName",
            "serviceName",
            "status",
            "request",
            "metadata",
            "serviceData",
            "resourceLocation",
        ] {
            let event = format!(
                r#"{{"logName":{value},"timestamp":{value},"insertId":{value},"resource":{value},"operation":{value},"protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","{path}":{value}}}}}"#
            );
            assert!(!columns(&event, &known()).is_empty(), "{event}");
            assert_eq!(owner(&event).map(|source| source.name), Some("gcp.audit"), "{event}");
        }
    }
    let broken = r#"{"protopayload_auditlog":{"requestJson":"{\"policy\":","methodName":"SetIamPolicy"}}"#;
    check(&[(broken, "grants", "-"), (broken, "action", r#""SetIamPolicy""#)]);
}

#[test]
fn columns_come_in_their_order_and_an_empty_entry_has_hardly_any() {
    let event =
        &forms(&serde_json::json!({"methodName": "SetIamPolicy", "serviceName": "x.googleapis.com"}))[0];
    let order: Vec<usize> = columns(event, &Arc::default())
        .iter()
        .map(|(name, _)| COLUMNS.iter().position(|column| column.name == *name).unwrap())
        .collect();
    assert!(order.is_sorted());
    assert_eq!(
        columns(r#"{"protoPayload":{}}"#, &Arc::default()),
        [("provider", "\"gcp\"".to_owned()), ("outcome", "\"success\"".to_owned())]
    );
    assert_eq!(columns("not json", &Arc::default()), []);
}

/// The texts that a field of a rule finds in an event.
fn found(field: &str, event: &str) -> Vec<String> {
    let event = Describer::new(&SOURCE, &Arc::default()).unfolded(event).into_owned();
    let paths = ProjectedField::resolve(field, &SOURCE.spec()).paths;
    let mut cells = Cells::default();
    Projector::new(&[paths]).project(&event, &mut cells).unwrap();
    cells.texts(0, &event).map(|text| text.trim_matches('"').to_owned()).collect()
}

#[test]
fn names_that_public_rules_write_are_found_in_every_form() {
    let payload = serde_json::json!({
        "serviceName": "accesscontextmanager.googleapis.com",
        "methodName": "v1.compute.firewalls.insert",
        "resourceName": "projects/p1",
        "status": {"code": 7},
        "authenticationInfo": {"principalEmail": "ada@example.com"},
        "authorizationInfo": [
            {"permission": "a.b.create", "granted": true},
            {"permission": "a.b.delete", "granted": false},
        ],
        "requestMetadata": {"callerIp": "198.51.100.7", "callerSuppliedUserAgent": "curl"},
        "request": {"name": "n", "policy": {"etag": "e"}},
        "metadata": {"event": [{"eventName": "x"}]},
        "serviceData": {"policyDelta": {"auditConfigDeltas": [{"action": "REMOVE"}]}},
    });
    for (field, values) in [
        ("gcp.audit.method_name", &["v1.compute.firewalls.insert"] as &[_]),
        ("GCP.Audit.Method_Name", &["v1.compute.firewalls.insert"]),
        ("gcp.audit.service_name", &["accesscontextmanager.googleapis.com"]),
        ("gcp.audit.resource_name", &["projects/p1"]),
        ("gcp.audit.status.code", &["7"]),
        ("gcp.audit.authentication_info.principal_email", &["ada@example.com"]),
        ("gcp.audit.authorization_info.permission", &["a.b.create", "a.b.delete"]),
        ("gcp.audit.authorization_info.granted", &["true", "false"]),
        ("gcp.audit.request_metadata.caller_ip", &["198.51.100.7"]),
        ("gcp.audit.request_metadata.caller_supplied_user_agent", &["curl"]),
        ("gcp.audit.request.name", &["n"]),
        ("data.protoPayload.authorizationInfo.permission", &["a.b.create", "a.b.delete"]),
        ("data.protoPayload.authorizationInfo.granted", &["true", "false"]),
        ("data.protoPayload.serviceName", &["accesscontextmanager.googleapis.com"]),
        ("data.protoPayload.methodName", &["v1.compute.firewalls.insert"]),
        ("data.protoPayload.request.name", &["n"]),
        ("data.protoPayload.metadata.event.eventName", &["x"]),
        ("data.protoPayload.logName", &["projects/p1/logs/cloudaudit.googleapis.com%2Factivity"]),
        ("data.protoPayload.resource.type", &["gce_instance"]),
        ("data.resource.type", &["gce_instance"]),
        ("data.logName", &["projects/p1/logs/cloudaudit.googleapis.com%2Factivity"]),
        ("protoPayload.methodName", &["v1.compute.firewalls.insert"]),
        ("protoPayload.status.code", &["7"]),
        ("protoPayload.request.policy.etag", &["e"]),
        ("protoPayload.request", &[r#"{"name":"n","policy":{"etag":"e"}}"#]),
        ("protoPayload.metadata.event.eventName", &["x"]),
        ("protoPayload.serviceData.policyDelta.auditConfigDeltas.action", &["REMOVE"]),
        ("resource.labels.project_id", &["p1"]),
        ("gcp.audit.nothing", &[]),
    ] {
        for form in forms(&payload) {
            assert_eq!(found(field, &form), values, "{field} in {form}");
        }
    }
}

#[test]
fn the_type_of_a_payload_is_found_where_a_lake_has_put_it() {
    let [plain, lake, _] = forms(&serde_json::json!({"methodName": "x"}));
    for field in ["protoPayload.@type", "gcp.audit.type"] {
        for form in [&plain, &lake] {
            assert_eq!(found(field, form), ["type.googleapis.com/google.cloud.audit.AuditLog"], "{field}");
        }
    }
}
