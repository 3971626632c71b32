//! What was called, of which kind, and with which outcome.

use super::*;

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
                r#"{"serviceName":"login.googleapis.com","methodName":"google.login.LoginService.loginChallenge",
                "metadata":{"event":[{"eventName":"login_challenge","parameter":[
                {"name":"is_second_factor","boolValue":true},
                {"name":"login_challenge_status","value":"Challenge Failed."}]}]}}"#,
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
