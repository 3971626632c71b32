//! Calls, as Google Cloud's audit log writes them.

use super::*;

/// A call that is signed with a service account's key; each account has one.
pub(super) fn gcp_call(account: &str, ip: &str, service: &str, method: &str) -> Event {
    let email = format!("{account}@{PROJECT}.iam.gserviceaccount.com");
    let key =
        format!("//iam.googleapis.com/projects/{PROJECT}/serviceAccounts/{email}/keys/5c1e0d7f3a29b864");
    let who = json!({"principalEmail": email, "principalSubject": format!("serviceAccount:{email}"),
        "serviceAccountKeyName": key});
    let payload = json!({"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "status": {},
        "authenticationInfo": who, "serviceName": service, "methodName": method,
        "requestMetadata": {"callerIp": ip, "callerSuppliedUserAgent": "google-cloud-sdk gcloud/551.0.0",
            "requestAttributes": {"auth": {}}, "destinationAttributes": {}},
        "authorizationInfo": [{"resource": format!("projects/{PROJECT}"), "granted": true}],
        "resourceName": format!("projects/{PROJECT}")});
    let raw = json!({"protoPayload": payload, "severity": "INFO",
        "resource": {"type": "project", "labels": {"project_id": PROJECT}},
        "logName": format!("projects/{PROJECT}/logs/cloudaudit.googleapis.com%2Fdata_access")});
    Event::new(GCP_AUDIT, raw)
}
