//! The canonical columns, by fact: hand-written events in the documented format, each with what it
//! must give and, where it nearly says something else, what it must not.

mod grants;

use std::sync::Arc;

use super::*;
use crate::sources::Describer;
use crate::sources::testing;
use virga_engine::event::COLUMNS;

fn columns(event: &str) -> Vec<(&'static str, String)> {
    testing::columns(&SOURCE, event)
}

fn column(event: &str, name: &str) -> String {
    testing::column(&SOURCE, event, name)
}

/// `(event, column, expected)`; `-` is absent.
fn check(cases: &[(&str, &str, &str)]) {
    testing::check(&SOURCE, cases);
}

const ROLE_SESSION: &str = r#"{"userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEROLE:i-0abc1234def567890",
    "arn":"arn:aws:sts::123456789012:assumed-role/web/i-0abc1234def567890","accountId":"123456789012",
    "accessKeyId":"ASIAEXAMPLEKEY","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEROLE",
    "arn":"arn:aws:iam::123456789012:role/team/web","accountId":"123456789012","userName":"web"},
    "attributes":{"mfaAuthenticated":"false"}}}}"#;

const USER: &str = r#"{"userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","accountId":"123456789012",
    "arn":"arn:aws:iam::123456789012:user/alice","accessKeyId":"AKIAEXAMPLEKEY","userName":"alice",
    "sessionContext":{"sessionIssuer":{},"attributes":{"mfaAuthenticated":"true"}}}}"#;

#[test]
fn a_principal_is_the_role_and_never_the_session() {
    check(&[
        (ROLE_SESSION, "principal", r#""arn:aws:iam::123456789012:role/team/web""#),
        (ROLE_SESSION, "principal_type", r#""AssumedRole""#),
        (ROLE_SESSION, "principal_name", r#""web""#),
        (ROLE_SESSION, "session_name", r#""i-0abc1234def567890""#),
        (ROLE_SESSION, "session_id", r#""ASIAEXAMPLEKEY""#),
        (ROLE_SESSION, "credential_id", r#""ASIAEXAMPLEKEY""#),
        (ROLE_SESSION, "credential_kind", r#""temporary""#),
        (ROLE_SESSION, "mfa", "false"),
        (USER, "principal", r#""arn:aws:iam::123456789012:user/alice""#),
        (USER, "principal_name", r#""alice""#),
        (USER, "session_name", "-"),
        (USER, "session_id", "-"),
        (USER, "credential_id", r#""AKIAEXAMPLEKEY""#),
        (USER, "credential_kind", r#""long_lived""#),
        (USER, "mfa", "true"),
    ]);
}

#[test]
fn a_principal_is_found_in_every_form_of_an_identity() {
    check(&[
        // no issuer: the role out of the session's name
        (
            r#"{"userIdentity":{"type":"AssumedRole","arn":"arn:aws-cn:sts::123456789012:assumed-role/web/me"}}"#,
            "principal",
            r#""arn:aws-cn:iam::123456789012:role/web""#,
        ),
        (
            r#"{"userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/web/me"}}"#,
            "session_name",
            r#""me""#,
        ),
        // a provider or an application stands before the colon
        (
            r#"{"userIdentity":{"type":"WebIdentityUser","principalId":"arn:aws:iam::123456789012:oidc-provider/p:app:sub"}}"#,
            "session_name",
            "-",
        ),
        (
            r#"{"userIdentity":{"type":"FederatedUser","principalId":"123456789012:me"}}"#,
            "session_name",
            r#""me""#,
        ),
        (
            r#"{"userIdentity":{"type":"IdentityCenterUser","credentialId":"c-1"}}"#,
            "credential_id",
            r#""c-1""#,
        ),
        (
            r#"{"userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/web/me"}}"#,
            "principal_name",
            r#""web""#,
        ),
        (
            r#"{"userIdentity":{"type":"Root","arn":"arn:aws:iam::123456789012:root"}}"#,
            "principal",
            r#""arn:aws:iam::123456789012:root""#,
        ),
        (r#"{"userIdentity":{"type":"Root","arn":"arn:aws:iam::123456789012:root"}}"#, "principal_name", "-"),
        (
            r#"{"userIdentity":{"type":"AWSAccount","principalId":"AROAEXAMPLE:s","accountId":"210987654321"}}"#,
            "principal",
            r#""AROAEXAMPLE""#,
        ),
        (r#"{"userIdentity":{"type":"AWSAccount","principalId":"AIDAX:s"}}"#, "principal", r#""AIDAX:s""#),
        (
            r#"{"userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#,
            "principal",
            r#""ec2.amazonaws.com""#,
        ),
        (
            r#"{"userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}}"#,
            "invoked_by",
            r#""ec2.amazonaws.com""#,
        ),
        (
            r#"{"userIdentity":{"type":"IdentityCenterUser","onBehalfOf":{"userId":"e0b4"},"accountId":"123456789012"}}"#,
            "principal",
            r#""e0b4""#,
        ),
        (
            r#"{"userIdentity":{"type":"AWSAccount","accountId":"210987654321"}}"#,
            "principal",
            r#""210987654321""#,
        ),
        (r#"{"userIdentity":null}"#, "principal", "-"),
        (r#"{"eventName":"ConsoleLogin"}"#, "principal", "-"),
        (r#"{"userIdentity":{"arn":"","principalId":null,"invokedBy":"x"}}"#, "principal", r#""x""#),
    ]);
}

#[test]
fn a_credential_is_a_key_or_stands_for_a_bearer_token() {
    let bearer = r#"{"userIdentity":{"arn":"arn:aws:iam::123456789012:user/BedrockAPIKey-x","accessKeyId":"ABSKX"},
        "additionalEventData":{"callWithBearerToken":true}}"#;
    let mantle = r#"{"userIdentity":{"arn":"arn:aws:iam::123456789012:user/x","accessKeyId":"AKIAX"},
        "requestParameters":{"callWithBearerToken":true,"bearerTokenType":"ABSK"}}"#;
    check(&[
        (bearer, "credential_kind", r#""bearer_api_key""#),
        (bearer, "credential_id", r#""arn:aws:iam::123456789012:user/BedrockAPIKey-x""#),
        (mantle, "credential_kind", r#""bearer_api_key""#),
        (mantle, "credential_id", r#""arn:aws:iam::123456789012:user/x""#),
        (&mantle.replace(":true", ":false"), "credential_kind", r#""long_lived""#),
        (&mantle.replace(":true", ":false"), "credential_id", r#""AKIAX""#),
        (
            r#"{"additionalEventData":{"callWithBearerToken":false},"userIdentity":{"accessKeyId":"AKIAX"}}"#,
            "credential_kind",
            r#""long_lived""#,
        ),
        (r#"{"userIdentity":{"accessKeyId":"AROAX"}}"#, "credential_kind", "-"),
        (r#"{"userIdentity":{"accessKeyId":""}}"#, "credential_id", "-"),
        (r#"{"userIdentity":{"accessKeyId":"é"}}"#, "credential_kind", "-"),
        (r#"{"userIdentity":{"accessKeyId":"AKIAX"}}"#, "session_id", "-"),
    ]);
}

#[test]
fn mfa_is_known_only_where_the_log_says_so() {
    check(&[
        (r#"{"additionalEventData":{"MFAUsed":"Yes"}}"#, "mfa", "true"),
        (r#"{"additionalEventData":{"MFAUsed":"No"}}"#, "mfa", "false"),
        (
            r#"{"additionalEventData":{"MFAUsed":"No"},"userIdentity":{"sessionContext":{"attributes":{"mfaAuthenticated":"true"}}}}"#,
            "mfa",
            "false",
        ),
        (r#"{"userIdentity":{"sessionContext":{"attributes":{}}}}"#, "mfa", "-"),
    ]);
}

#[test]
fn a_source_address_has_a_kind_and_a_network() {
    let cases = [
        ("203.0.113.7", "public", Some("203.0.113.0/24")),
        ("035.249.253.232", "public", Some("35.249.253.0/24")),
        ("10.0.3.4", "private", Some("10.0.3.0/24")),
        ("2001:db8:1:2::3", "public", Some("2001:db8:1::/48")),
        ("cloudformation.amazonaws.com", "aws_service", None),
        ("AWS Internal", "internal", None),
        ("203.0.113.xxx", "masked", Some("203.0.113.0/24")),
        ("300.1.2.3", "invalid", None),
        ("amazonaws.com.evil.example", "invalid", None),
    ];
    for (address, kind, network) in cases {
        let event = format!(r#"{{"sourceIPAddress":"{address}"}}"#);
        assert_eq!(column(&event, "src_ip"), format!("{address:?}"));
        assert_eq!(column(&event, "src_ip_kind"), format!("{kind:?}"), "{address}");
        let network = network.map_or("-".to_owned(), |network| format!("{network:?}"));
        assert_eq!(column(&event, "src_net"), network, "{address}");
    }
    assert_eq!(column(r#"{"sourceIPAddress":null}"#, "src_ip_kind"), "-");
}

#[test]
fn what_is_copied_is_copied() {
    let event = r#"{"userAgent":"aws-cli/2 \"x\"","awsRegion":"eu-west-1","recipientAccountId":"012345678901",
        "userIdentity":{"accountId":"123456789012"},"eventSource":"s3.amazonaws.com","eventName":"GetObject",
        "errorCode":"AccessDenied","errorMessage":"no","eventID":"e-1","requestID":"r-1",
        "requestParameters":{"modelId":"arn:aws:bedrock:us-east-1::foundation-model/m"},
        "additionalEventData":{"bytesTransferredOut":89.0,"bytesTransferredIn":"12"}}"#;
    check(&[
        (event, "provider", r#""aws""#),
        (event, "user_agent", r#""aws-cli/2 \"x\"""#),
        (event, "region", r#""eu-west-1""#),
        (event, "account", r#""012345678901""#),
        (r#"{"userIdentity":{"accountId":"123456789012"}}"#, "account", r#""123456789012""#),
        (event, "service", r#""s3""#),
        (event, "action", r#""GetObject""#),
        (event, "error_code", r#""AccessDenied""#),
        (event, "error_message", r#""no""#),
        (event, "event_uid", r#""e-1""#),
        (event, "correlation_uid", r#""r-1""#),
        (event, "bytes_out", "89.0"),
        (event, "bytes_in", "12.0"),
        (event, "model", r#""m""#),
        (r#"{"additionalEventData":{"bytesTransferredOut":"many"}}"#, "bytes_out", "-"),
        (
            r#"{"eventSource":"bedrock-mantle.amazonaws.com","requestParameters":{"model":"anthropic.claude-opus-4-7"}}"#,
            "model",
            r#""anthropic.claude-opus-4-7""#,
        ),
        (r#"{"eventSource":"lex.amazonaws.com","requestParameters":{"model":"x"}}"#, "model", "-"),
    ]);
}

#[test]
fn every_call_has_a_kind() {
    let kind = |source: &str, name: &str, more: &str| {
        column(
            &format!(r#"{{"eventSource":"{source}.amazonaws.com","eventName":"{name}"{more}}}"#),
            "action_kind",
        )
    };
    for (source, name, more, expected) in [
        ("bedrock", "InvokeModel", r#","readOnly":true"#, "ai_invoke"),
        ("bedrock", "InvokeModelWithResponseStream", "", "ai_invoke"),
        ("bedrock", "ConverseStream", "", "ai_invoke"),
        ("bedrock", "InvokeAgent", "", "ai_invoke"),
        ("bedrock-runtime", "Converse", "", "ai_invoke"),
        ("bedrock-mantle", "CreateInference", r#","readOnly":false"#, "ai_invoke"),
        ("bedrock-mantle", "GetInference", r#","readOnly":true"#, "read"),
        ("bedrock", "CreateInferenceProfile", r#","readOnly":false"#, "write"),
        ("sagemaker", "InvokeEndpointWithResponseStream", "", "ai_invoke"),
        ("bedrock", "GetModelInvocationLoggingConfiguration", "", "read"),
        ("bedrock", "CreateModelInvocationJob", r#","readOnly":false"#, "write"),
        ("lambda", "InvokeModel", r#","readOnly":false"#, "write"),
        ("s3", "GetObject", r#","readOnly":true"#, "object_read"),
        ("s3", "GetObjectAcl", r#","readOnly":true"#, "read"),
        ("s3", "HeadObject", r#","readOnly":true"#, "read"),
        ("signin", "ConsoleLogin", r#","readOnly":false"#, "auth"),
        ("signin", "CheckMfa", "", "auth"),
        ("sts", "AssumeRole", r#","readOnly":true"#, "auth"),
        ("sts", "AssumeRoleWithWebIdentity", "", "auth"),
        ("sts", "GetSessionToken", "", "auth"),
        ("sts", "GetFederationToken", "", "auth"),
        ("sts", "GetCallerIdentity", r#","readOnly":true"#, "read"),
        ("iam", "UpdateAssumeRolePolicy", "", "write"),
        ("ec2", "DescribeInstances", "", "read"),
        ("ec2", "RunInstances", "", "write"),
        ("ec2", "RunInstances", r#","readOnly":null"#, "write"),
        ("ec2", "GetPasswordData", r#","readOnly":"False""#, "write"),
        ("kms", "Decrypt", r#","readOnly":true"#, "read"),
        ("cloudtrail", "LookupEvents", "", "read"),
        ("cloudtrail", "Getaway", r#","readOnly":false"#, "write"),
    ] {
        assert_eq!(kind(source, name, more), format!("{expected:?}"), "{source} {name} {more}");
    }
}

#[test]
fn an_outcome_comes_from_the_error_or_from_the_answer_of_a_sign_in() {
    check(&[
        (r#"{"eventName":"GetObject"}"#, "outcome", r#""success""#),
        (r#"{"eventName":"GetObject","errorCode":null}"#, "outcome", r#""success""#),
        (r#"{"eventName":"GetObject","errorCode":"AccessDenied"}"#, "outcome", r#""failure""#),
        (
            r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}}"#,
            "outcome",
            r#""success""#,
        ),
        (
            r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}}"#,
            "outcome",
            r#""failure""#,
        ),
        (
            r#"{"eventSource":"signin.amazonaws.com","eventName":"CheckMfa","responseElements":{"CheckMfa":"Failure"}}"#,
            "outcome",
            r#""failure""#,
        ),
        (
            r#"{"eventSource":"signin.amazonaws.com","eventName":"CredentialVerification","serviceEventDetails":{"CredentialVerification":"Failure"}}"#,
            "outcome",
            r#""failure""#,
        ),
        (
            r#"{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","responseElements":null,"errorMessage":"No username found in supplied account"}"#,
            "outcome",
            r#""failure""#,
        ),
        // a word in the answer of another call is no outcome
        (
            r#"{"eventSource":"ec2.amazonaws.com","eventName":"X","responseElements":{"X":"Failure"}}"#,
            "outcome",
            r#""success""#,
        ),
        (
            r#"{"eventSource":"ec2.amazonaws.com","eventName":"X","errorMessage":"note"}"#,
            "outcome",
            r#""success""#,
        ),
    ]);
}

#[test]
fn insights_and_network_events_are_read() {
    let insight = r#"{"eventVersion":"1.07","eventTime":"2023-07-10T11:42:00Z","eventType":"AwsCloudTrailInsight",
        "eventCategory":"Insight","recipientAccountId":"123456789012","insightDetails":{"state":"Start",
        "eventSource":"ec2.amazonaws.com","eventName":"RunInstances","insightType":"ApiErrorRateInsight",
        "errorCode":"Client.UnauthorizedOperation"}}"#;
    check(&[
        (insight, "service", r#""ec2""#),
        (insight, "action", r#""RunInstances""#),
        (insight, "error_code", r#""Client.UnauthorizedOperation""#),
        (insight, "outcome", "-"),
        (insight, "action_kind", "-"),
        (insight, "principal", "-"),
    ]);
    let network = r#"{"eventVersion":"1.09","eventCategory":"NetworkActivity","eventType":"AwsVpceEvent",
        "userIdentity":{"type":"AWSAccount","principalId":"AIDAEXAMPLE","accountId":"210987654321"},
        "eventSource":"kms.amazonaws.com","eventName":"Decrypt","errorCode":"VpceAccessDenied","vpcEndpointId":"vpce-1"}"#;
    check(&[(network, "outcome", r#""failure""#), (network, "principal", r#""AIDAEXAMPLE""#)]);
}

#[test]
fn a_target_is_the_most_particular_thing_that_is_named() {
    let target = |source: &str, request: &str, more: &str| {
        let event =
            format!(r#"{{"eventSource":"{source}.amazonaws.com","requestParameters":{request}{more}}}"#);
        let text = |name| column(&event, name).trim_matches('"').to_owned();
        (text("target"), text("target_type"))
    };
    for (source, request, more, name, kind) in [
        ("s3", r#"{"bucketName":"b","key":"k/x.txt"}"#, "", "s3://b/k/x.txt", "object"),
        ("s3", r#"{"bucketName":"b","Host":"h"}"#, "", "s3://b", "bucket"),
        ("secretsmanager", r#"{"secretId":"app/db"}"#, "", "app/db", "secret"),
        ("iam", r#"{"userName":"bot","policyArn":"arn:aws:iam::aws:policy/X"}"#, "", "bot", "user"),
        ("iam", r#"{"roleName":"web","policyName":"p"}"#, "", "web", "role"),
        ("ec2", r#"{"snapshotId":"snap-1","attributeType":"x"}"#, "", "snap-1", "snapshot"),
        ("ec2", r#"{"imageId":"ami-1"}"#, "", "ami-1", "image"),
        (
            "ec2",
            r#"{"instancesSet":{"items":[{"instanceId":"i-1"},{"instanceId":"i-2"}]}}"#,
            "",
            "i-1",
            "instance",
        ),
        ("kms", r#"{"keyId":"k-1"}"#, "", "k-1", "key"),
        ("bedrock", r#"{"modelId":"m"}"#, "", "m", "model"),
        (
            "sts",
            r#"{"roleArn":"arn:aws:iam::1:role/r","roleSessionName":"s"}"#,
            "",
            "arn:aws:iam::1:role/r",
            "role",
        ),
        (
            "sagemaker",
            r#"{"trainingJobName":"j","roleArn":"arn:aws:iam::1:role/r"}"#,
            "",
            "j",
            "training_job",
        ),
        ("cloudtrail", r#"{"name":"trail-1"}"#, "", "trail-1", "trail"),
        ("ssm", r#"{"name":"/app/x"}"#, "", "/app/x", "parameter"),
        ("athena", r#"{"name":"q"}"#, "", "q", "resource"),
        (
            "kms",
            "null",
            r#","resources":[{"type":"AWS::KMS::Key","ARN":"arn:aws:kms:::key/1"}]"#,
            "arn:aws:kms:::key/1",
            "key",
        ),
        ("ec2", r#"{"maxResults":5}"#, "", "-", "-"),
        ("ec2", r#"{"userName":null,"imageId":""}"#, "", "-", "-"),
    ] {
        assert_eq!(target(source, request, more), (name.to_owned(), kind.to_owned()), "{source} {request}");
    }
    check(&[
        (r#"{"requestParameters":{"bucketName":"b","key":"k"}}"#, "target_container", r#""s3://b""#),
        (r#"{"requestParameters":{"key":"k"}}"#, "target_container", "-"),
        (r#"{"requestParameters":{"userName":"bot"}}"#, "target_user", r#""bot""#),
        (r#"{"requestParameters":{"roleName":"web"}}"#, "target_user", r#""web""#),
        (
            r#"{"eventSource":"sagemaker.amazonaws.com","requestParameters":{"roleArn":"arn:r"}}"#,
            "passed_role",
            r#""arn:r""#,
        ),
        (r#"{"requestParameters":{"executionRoleArn":"arn:r"}}"#, "passed_role", r#""arn:r""#),
        (
            r#"{"requestParameters":{"role":"arn:aws:iam::1:role/r"}}"#,
            "passed_role",
            r#""arn:aws:iam::1:role/r""#,
        ),
        (r#"{"requestParameters":{"role":"admin"}}"#, "passed_role", "-"),
        (
            r#"{"eventSource":"sts.amazonaws.com","requestParameters":{"roleArn":"arn:r"}}"#,
            "passed_role",
            "-",
        ),
    ]);
}

#[test]
fn columns_come_in_their_order_and_an_empty_event_has_hardly_any() {
    let order: Vec<usize> = columns(ROLE_SESSION)
        .iter()
        .map(|(name, _)| COLUMNS.iter().position(|column| column.name == *name).unwrap())
        .collect();
    assert!(order.is_sorted());
    assert_eq!(columns("{}"), [("provider", "\"aws\"".to_owned())]);
    assert_eq!(columns("not json"), []);
}
