//! The canonical columns, by fact: hand-written events in the documented format, each with what it
//! must give and, where it nearly says something else, what it must not.

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

/// The three columns of grants of a request, in account 123456789012.
fn granted(source: &str, name: &str, request: &str) -> [String; 3] {
    let event = format!(
        r#"{{"eventSource":"{source}.amazonaws.com","eventName":"{name}","recipientAccountId":"123456789012","requestParameters":{request}}}"#
    );
    ["grants", "grants_public", "grants_external"].map(|name| column(&event, name))
}

fn quoted(document: &str) -> String {
    serde_json::Value::from(document).to_string()
}

#[test]
fn a_policy_grants_what_it_allows() {
    let everyone = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}"#;
    let public = [r#"["ADD|*|s3:GetObject"]"#, "true", "true"];
    assert_eq!(
        granted(
            "s3",
            "PutBucketPolicy",
            &format!(r#"{{"bucketName":"b","policy":"","bucketPolicy":{everyone}}}"#)
        ),
        public
    );
    assert_eq!(
        granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{}}}"#, quoted(everyone))),
        public
    );
    let encoded = everyone.replace('{', "%7B").replace('"', "%22").replace('}', "%7D");
    assert_eq!(granted("kms", "PutKeyPolicy", &format!(r#"{{"policy":{}}}"#, quoted(&encoded))), public);
    assert_eq!(
        granted(
            "ecr",
            "SetRepositoryPolicy",
            &format!(r#"{{"policyText":{}}}"#, quoted(&format!(" {everyone}\n")))
        ),
        public
    );

    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root","123456789012"],"Service":"ec2.amazonaws.com"},"Action":["sts:AssumeRole"]}}"#;
    assert_eq!(
        granted(
            "iam",
            "UpdateAssumeRolePolicy",
            &format!(r#"{{"roleName":"r","policyDocument":{}}}"#, quoted(trust))
        ),
        [
            r#"["ADD|arn:aws:iam::210987654321:root|sts:AssumeRole","ADD|123456789012|sts:AssumeRole","ADD|ec2.amazonaws.com|sts:AssumeRole"]"#,
            "false",
            "true"
        ]
    );
    let own = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*"}]}"#;
    assert_eq!(
        granted("iam", "CreateRole", &format!(r#"{{"assumeRolePolicyDocument":{}}}"#, quoted(own))),
        [r#"["ADD|arn:aws:iam::123456789012:root|kms:*"]"#, "false", "false"]
    );
    let all_but = r#"{"Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"1"},"NotAction":"iam:*"}]}"#;
    assert_eq!(
        granted("sqs", "SetQueueAttributes", &format!(r#"{{"policy":{}}}"#, quoted(all_but))),
        [r#"["ADD|*|!iam:*"]"#, "true", "true"]
    );
}

#[test]
fn a_policy_of_an_identity_grants_to_that_identity() {
    let policy = quoted(r#"{"Statement":[{"Effect":"Allow","Action":["s3:*","iam:*"],"Resource":"*"}]}"#);
    assert_eq!(
        granted(
            "iam",
            "PutUserPolicy",
            &format!(r#"{{"userName":"bot","policyName":"p","policyDocument":{policy}}}"#)
        ),
        [r#"["ADD|user/bot|s3:*","ADD|user/bot|iam:*"]"#, "false", "false"]
    );
    assert_eq!(
        granted("iam", "CreatePolicy", &format!(r#"{{"policyName":"p","policyDocument":{policy}}}"#))[0],
        r#"["ADD|policy/p|s3:*","ADD|policy/p|iam:*"]"#
    );
    assert_eq!(
        granted(
            "iam",
            "AttachRolePolicy",
            r#"{"roleName":"web","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#
        ),
        [r#"["ADD|role/web|arn:aws:iam::aws:policy/AdministratorAccess"]"#, "false", "false"]
    );
}

#[test]
fn what_grants_nothing_has_no_grants() {
    for (name, request) in [
        ("PutBucketPolicy", r#"{"policy":"","bucketPolicy":{}}"#.to_owned()),
        (
            "PutBucketPolicy",
            format!(
                r#"{{"policy":{}}}"#,
                quoted(r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*"}]}"#)
            ),
        ),
        ("PutBucketPolicy", r#"{"policy":"{broken"}"#.to_owned()),
        ("DetachRolePolicy", r#"{"roleName":"web","policyArn":"arn:x"}"#.to_owned()),
        (
            "ModifySnapshotAttribute",
            r#"{"createVolumePermission":{"remove":{"items":[{"group":"all"}]}}}"#.to_owned(),
        ),
        ("PutBucketAcl", r#"{"x-amz-acl":["private"]}"#.to_owned()),
        ("RunInstances", r#"{"instanceType":"m"}"#.to_owned()),
        ("CreateUser", "null".to_owned()),
        ("CreateUser", r#""text about policy""#.to_owned()),
    ] {
        assert_eq!(granted("x", name, &request), ["-", "-", "-"], "{name} {request}");
    }
    let read_only = r#"{"readOnly":true,"requestParameters":{"policy":{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}}}"#;
    assert_eq!(column(read_only, "grants"), "-");
}

#[test]
fn a_condition_may_narrow_what_is_everyones() {
    let with = |condition: &str| {
        let policy = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"s3:*","Condition":{condition}}}]}}"#
        );
        granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{policy}}}"#))[1].clone()
    };
    for narrow in [
        r#"{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"ForAnyValue:StringLike":{"AWS:PrincipalArn":["arn:aws:iam::123456789012:role/*"]}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:::x"}}"#,
        r#"{"Bool":{"elasticfilesystem:AccessedViaMountTarget":"true"}}"#,
        r#"{"Bool":{"aws:PrincipalIsAWSService":true}}"#,
    ] {
        assert_eq!(with(narrow), "false", "{narrow}");
    }
    for wide in [
        r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}"#,
        r#"{"StringLike":{"aws:PrincipalArn":"*"}}"#,
        r#"{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}"#,
        r#"{"StringEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["0.0.0.0/1","128.0.0.0/1"]}}"#,
        r#"{"IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}}"#,
        r#"{"Bool":{"aws:SecureTransport":"true"}}"#,
        r#"{"Bool":{"elasticfilesystem:AccessedViaMountTarget":"false"}}"#,
        r#"{"BoolIfExists":{"aws:PrincipalIsAWSService":"true"}}"#,
        r#"{"StringEquals":{"s3:x-amz-acl":"private"}}"#,
        "{}",
    ] {
        assert_eq!(with(wide), "true", "{wide}");
    }
}

#[test]
fn shares_acls_and_permissions_are_grants() {
    for (source, name, request, expected) in [
        (
            "ec2",
            "ModifySnapshotAttribute",
            r#"{"snapshotId":"snap-1","createVolumePermission":{"add":{"items":[{"group":"all"}]}}}"#,
            [r#"["ADD|*|createVolumePermission"]"#, "true", "true"],
        ),
        (
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"userId":"210987654321"},{"organizationArn":"arn:o"}]}}}"#,
            [r#"["ADD|210987654321|launchPermission","ADD|arn:o|launchPermission"]"#, "false", "true"],
        ),
        (
            "ec2",
            "ModifySnapshotAttribute",
            r#"{"createVolumePermission":{"add":{"items":[{"userId":"123456789012"}]}}}"#,
            [r#"["ADD|123456789012|createVolumePermission"]"#, "false", "false"],
        ),
        (
            "rds",
            "ModifyDBSnapshotAttribute",
            r#"{"attributeName":"restore","valuesToAdd":["all","210987654321"]}"#,
            [r#"["ADD|*|restore","ADD|210987654321|restore"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"bucketName":"b","AccessControlPolicy":{"AccessControlList":{"Grant":[{"Grantee":{"URI":"http://acs.amazonaws.com/groups/global/AllUsers"},"Permission":"READ"},{"Grantee":{"ID":"abc"},"Permission":"FULL_CONTROL"}]}}}"#,
            [r#"["ADD|*|READ","ADD|abc|FULL_CONTROL"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"AccessControlPolicy":{"AccessControlList":{"Grant":{"Grantee":{"URI":"http://acs.amazonaws.com/groups/global/AuthenticatedUsers"},"Permission":"WRITE"}}}}"#,
            [r#"["ADD|AuthenticatedUsers|WRITE"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"x-amz-acl":["public-read-write"]}"#,
            [r#"["ADD|*|READ","ADD|*|WRITE"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutObjectAcl",
            r#"{"x-amz-grant-read-acp":"uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""}"#,
            [r#"["ADD|*|READ_ACP"]"#, "true", "true"],
        ),
        (
            "s3",
            "PutBucketAcl",
            r#"{"bucketName":"b","AccessControlList":{"x-amz-grant-read":"uri=http://acs.amazonaws.com/groups/global/AllUsers"}}"#,
            [r#"["ADD|*|READ"]"#, "true", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"functionName":"f","principal":"*","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|*|lambda:InvokeFunction"]"#, "true", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"lambda:InvokeFunction","principalOrgID":"o-1"}"#,
            [r#"["ADD|*|lambda:InvokeFunction"]"#, "false", "false"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"210987654321","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|210987654321|lambda:InvokeFunction"]"#, "false", "true"],
        ),
        (
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"events.amazonaws.com","action":"lambda:InvokeFunction"}"#,
            [r#"["ADD|events.amazonaws.com|lambda:InvokeFunction"]"#, "false", "false"],
        ),
        (
            "sns",
            "AddPermission",
            r#"{"aWSAccountId":["210987654321"],"actionName":["Publish"]}"#,
            [r#"["ADD|210987654321|Publish"]"#, "false", "true"],
        ),
        (
            "kms",
            "CreateGrant",
            r#"{"granteePrincipal":"arn:aws:iam::210987654321:role/x","operations":["Decrypt"]}"#,
            [r#"["ADD|arn:aws:iam::210987654321:role/x|kms:Decrypt"]"#, "false", "true"],
        ),
    ] {
        assert_eq!(granted(source, name, request), expected, "{name} {request}");
    }
}

/// Policies that do not stand in a parameter of their own, and shares without a policy.
#[test]
fn what_lets_others_in_is_found_where_each_service_puts_it() {
    let policy = |principal: &str| {
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"a"}}]}}"#)
    };
    let written = |principal: &str| quoted(&policy(principal));
    let stranger = r#"{"AWS":"arn:aws:iam::210987654321:root"}"#;
    let one = |who: &str, what: &str| format!(r#"["ADD|{who}|{what}"]"#);
    let root = one("arn:aws:iam::210987654321:root", "a");
    for (source, name, request, grants, public, external) in [
        (
            "sqs",
            "SetQueueAttributes",
            format!(r#"{{"queueUrl":"q","attributes":{{"Policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "sns",
            "CreateTopic",
            format!(r#"{{"name":"t","attributes":{{"Policy":{}}}}}"#, written("\"*\"")),
            one("*", "a"),
            "true",
            "true",
        ),
        (
            "sns",
            "SetTopicAttributes",
            format!(r#"{{"attributeName":"Policy","attributeValue":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "sns",
            "SetTopicAttributes",
            format!(r#"{{"attributeName":"DeliveryPolicy","attributeValue":{}}}"#, written(stranger)),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "es",
            "UpdateDomainConfig",
            format!(r#"{{"domainName":"d","accessPolicies":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "s3",
            "PutMultiRegionAccessPointPolicy",
            format!(r#"{{"details":{{"name":"m","policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "glue",
            "PutResourcePolicy",
            format!(r#"{{"policyInJson":{}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "glacier",
            "SetVaultAccessPolicy",
            format!(r#"{{"vaultName":"v","policy":{{"policy":{}}}}}"#, written(stranger)),
            root.clone(),
            "false",
            "true",
        ),
        (
            "ram",
            "AssociateResourceShare",
            r#"{"resourceShareArn":"r","principals":["210987654321","arn:aws:iam::123456789012:role/x"]}"#
                .to_owned(),
            r#"["ADD|210987654321|ram:share","ADD|arn:aws:iam::123456789012:role/x|ram:share"]"#.to_owned(),
            "false",
            "true",
        ),
        (
            "ram",
            "DisassociateResourceShare",
            r#"{"resourceShareArn":"r","principals":["210987654321"]}"#.to_owned(),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "redshift",
            "AuthorizeSnapshotAccess",
            r#"{"snapshotIdentifier":"s","accountWithRestoreAccess":"210987654321"}"#.to_owned(),
            one("210987654321", "restore"),
            "false",
            "true",
        ),
        (
            "redshift",
            "RevokeSnapshotAccess",
            r#"{"snapshotIdentifier":"s","accountWithRestoreAccess":"210987654321"}"#.to_owned(),
            "-".to_owned(),
            "-",
            "-",
        ),
        (
            "redshift",
            "AuthorizeDataShare",
            r#"{"dataShareArn":"d","consumerIdentifier":"123456789012"}"#.to_owned(),
            one("123456789012", "datashare"),
            "false",
            "false",
        ),
        (
            "ssm",
            "ModifyDocumentPermission",
            r#"{"name":"d","permissionType":"Share","accountIdsToAdd":["all"]}"#.to_owned(),
            one("*", "share"),
            "true",
            "true",
        ),
        (
            "logs",
            "PutSubscriptionFilter",
            r#"{"logGroupName":"g","destinationArn":"arn:aws:logs:us-east-1:210987654321:destination:d"}"#
                .to_owned(),
            one("arn:aws:logs:us-east-1:210987654321:destination:d", "logs:subscribe"),
            "false",
            "true",
        ),
        (
            "lakeformation",
            "GrantPermissions",
            r#"{"principal":{"dataLakePrincipalIdentifier":"210987654321"},"permissions":["SELECT"]}"#
                .to_owned(),
            one("210987654321", "SELECT"),
            "false",
            "true",
        ),
        (
            "ecr",
            "PutReplicationConfiguration",
            r#"{"replicationConfiguration":{"rules":[{"destinations":[{"region":"r","registryId":"210987654321"}]}]}}"#
                .to_owned(),
            one("210987654321", "ecr:ReplicateImage"),
            "false",
            "true",
        ),
    ] {
        let expected = [grants, public.to_owned(), external.to_owned()];
        assert_eq!(granted(source, name, &request), expected, "{name} {request}");
    }
}

#[test]
fn an_account_is_external_only_to_a_known_one() {
    let request = r#""requestParameters":{"launchPermission":{"add":{"items":[{"userId":"210987654321"}]}}}"#;
    check(&[
        (&format!("{{{request}}}"), "grants_external", "-"),
        (
            &format!(r#"{{"userIdentity":{{"accountId":"210987654321"}},{request}}}"#),
            "grants_external",
            "false",
        ),
    ]);
}

#[test]
fn grants_have_an_end_and_their_flags_do_not() {
    let principals: Vec<String> =
        (0..400).map(|i| format!(r#""arn:aws:iam::123456789012:user/u{i}""#)).collect();
    let policy = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":[{}]}},"Action":"a"}},{{"Effect":"Allow","Principal":"*","Action":"a"}}]}}"#,
        principals.join(",")
    );
    let [grants, public, _] = granted("s3", "PutBucketPolicy", &format!(r#"{{"bucketPolicy":{policy}}}"#));
    assert_eq!(grants.matches("ADD|").count(), crate::limits::MAX_GRANTS);
    assert_eq!(public, "true");
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

#[test]
fn an_account_of_ones_own_is_no_stranger() {
    let event = r#"{"recipientAccountId":"111122223333","eventSource":"ec2.amazonaws.com","eventName":"ModifySnapshotAttribute",
        "requestParameters":{"snapshotId":"s","createVolumePermission":{"add":{"items":[{"userId":"444455556666"}]}}}}"#;
    for (own, external) in [(vec![], true), (vec!["444455556666".to_owned()], false)] {
        let environment = crate::environment::Environment { own_accounts: own, ..Default::default() };
        let describer = Describer::new(&SOURCE, &Arc::new(environment));
        assert_eq!(describer.value(event, "grants_external"), Some(ColumnValue::Bool(external)));
    }
}

/// What is everyone's but for a condition is whose the condition says. The event is of 111122223333.
#[test]
fn a_condition_that_names_a_stranger_lets_a_stranger_in() {
    let outside = |own: &[&str], source: &str, name: &str, request: &str| {
        let event = format!(
            r#"{{"recipientAccountId":"111122223333","eventSource":"{source}.amazonaws.com","eventName":"{name}","requestParameters":{request}}}"#
        );
        let own_accounts = own.iter().map(|own| (*own).to_owned()).collect();
        let environment = crate::environment::Environment { own_accounts, ..Default::default() };
        let describer = Describer::new(&SOURCE, &Arc::new(environment));
        let value = |column| describer.value(&event, column);
        assert_eq!(value("grants_public"), Some(ColumnValue::Bool(false)), "{request}");
        value("grants_external") == Some(ColumnValue::Bool(true))
    };
    let strange = r#""StringEquals":{"aws:PrincipalAccount":"999988887777"}"#;
    for (own, condition, external) in [
        (&[][..], r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#, true),
        (&[], r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#, false),
        (&["999988887777"], r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777"}}"#, false),
        (&[], r#"{"StringEquals":{"aws:PrincipalAccount":["111122223333","999988887777"]}}"#, true),
        (&[], r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/*"}}"#, true),
        (&[], r#"{"ArnLike":{"aws:SourceArn":"arn:aws:sns:eu-west-1:999988887777:t"}}"#, true),
        (&[], r#"{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::bucket"}}"#, false),
        // all conditions hold at once
        (
            &[],
            r#"{"StringEquals":{"aws:PrincipalAccount":"999988887777","aws:SourceAccount":"111122223333"}}"#,
            false,
        ),
        // a network, or an organisation of which nobody knows whose it is, makes a stranger no friend
        (&[], &format!(r#"{{{strange},"IpAddress":{{"aws:SourceIp":"198.51.100.7/32"}}}}"#), true),
        (&[], &format!(r#"{{{strange},"StringLike":{{"aws:PrincipalOrgID":"o-strange1"}}}}"#), true),
        (&["o-own1"], &format!(r#"{{{strange},"StringLike":{{"aws:PrincipalOrgID":"o-own1"}}}}"#), false),
        (&[], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-strange1"}}"#, false),
        (&["o-own1"], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-strange1"}}"#, true),
        (&["o-own1"], r#"{"StringEquals":{"aws:PrincipalOrgID":"o-own1"}}"#, false),
        (&["o-own1"], r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-strange1/r-1/*"}}"#, true),
        (&[], r#"{"IpAddress":{"aws:SourceIp":"198.51.100.7/32"}}"#, false),
        (&[], r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, false),
    ] {
        let policy = format!(
            r#"{{"bucketPolicy":{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Condition":{condition}}}}}}}"#
        );
        assert_eq!(outside(own, "s3", "PutBucketPolicy", &policy), external, "{own:?} {condition}");
    }
    for (own, source, name, request, external) in [
        (
            &[][..],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","sourceAccount":"999988887777"}"#,
            true,
        ),
        (
            &[],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","sourceAccount":"111122223333"}"#,
            false,
        ),
        (
            &["o-own1"],
            "lambda",
            "AddPermission20150331v2",
            r#"{"principal":"*","action":"a","principalOrgID":"o-strange1"}"#,
            true,
        ),
        (
            &[],
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"organizationArn":"arn:aws:organizations::999988887777:organization/o-strange1"}]}}}"#,
            true,
        ),
        (
            &["o-own1"],
            "ec2",
            "ModifyImageAttribute",
            r#"{"launchPermission":{"add":{"items":[{"organizationalUnitArn":"arn:aws:organizations::999988887777:ou/o-own1/ou-1"}]}}}"#,
            false,
        ),
        // load balancers write their logs as AWS's own accounts
        (
            &[],
            "s3",
            "PutBucketPolicy",
            r#"{"bucketPolicy":{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::054676820928:root"},"Action":"s3:PutObject"}}}"#,
            false,
        ),
        (&[], "s3", "PutBucketAcl", &acl("abc", "abc"), false),
        (&[], "s3", "PutBucketAcl", &acl(&"a".repeat(64), &"b".repeat(64)), true),
        (
            &[],
            "s3",
            "PutBucketAcl",
            &acl(&"a".repeat(64), "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"),
            false,
        ),
    ] {
        assert_eq!(outside(own, source, name, request), external, "{own:?} {request}");
    }
}

/// An ACL of a bucket of one canonical user, by which another may read.
fn acl(owner: &str, reader: &str) -> String {
    format!(
        r#"{{"AccessControlPolicy":{{"Owner":{{"ID":"{owner}"}},"AccessControlList":{{"Grant":[{{"Grantee":{{"ID":"{owner}"}},"Permission":"FULL_CONTROL"}},{{"Grantee":{{"ID":"{reader}"}},"Permission":"READ"}}]}}}}}}"#
    )
}
