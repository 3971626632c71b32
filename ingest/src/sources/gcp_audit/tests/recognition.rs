//! Which entries are audit entries, in every form, and what each is known by.

use super::*;

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
    let expected = r#""l|2026-11-18T08:00:00Z|i""#;
    check(&[
        (r#"{"logname":"l","timestamp":"2026-11-18T08:00:00Z","insertid":"i"}"#, "event_uid", expected),
        // a row of its BigQuery sink
        (
            r#"{"logName":"l","timestamp":"2026-11-18 08:00:00.000000 UTC","insertId":"i"}"#,
            "event_uid",
            expected,
        ),
        (r#"{"logName":"l","timestamp":"odd","insertId":"i"}"#, "event_uid", r#""l|odd|i""#),
    ]);
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
