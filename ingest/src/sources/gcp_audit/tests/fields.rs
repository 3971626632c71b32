//! The public rules find their fields in every form.

use super::*;

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
