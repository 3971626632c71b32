//! Who called: the principal, its key, its delegates.

use super::*;

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
    let chain = |delegations: &str| {
        format!(
            r#"{{"protoPayload":{{"authenticationInfo":{{"serviceAccountDelegationInfo":[{delegations}]}}}}}}"#
        )
    };
    let by = |address: &str| format!(r#"{{"firstPartyPrincipal":{{"principalEmail":"{address}"}}}}"#);
    let accounts =
        chain(&[by("near@p1.iam.gserviceaccount.com"), by("far@p1.iam.gserviceaccount.com")].join(","));
    let person = chain(&[by("near@p1.iam.gserviceaccount.com"), by("one@example.com")].join(","));
    let pool =
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/subject/x";
    let of_pool = chain(&format!(
        r#"{},{{"principalSubject":"{pool}"}}"#,
        r#"{"principalSubject":"serviceAccount:a@p1.iam.gserviceaccount.com","firstPartyPrincipal":{"principalEmail":"a@p1.iam.gserviceaccount.com"}}"#
    ));
    let third = chain(r#"{"thirdPartyPrincipal":{"thirdPartyClaims":{"sub":"s-1"}}}"#);
    check(&[
        (&accounts, "invoked_by", r#""far@p1.iam.gserviceaccount.com""#),
        (&person, "invoked_by", r#""one@example.com""#),
        (&of_pool, "invoked_by", &format!("\"{pool}\"")),
        (&third, "invoked_by", r#""s-1""#),
    ]);
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
