//! Single events that an attack shows itself by, mixed in at a known rate.
//!
//! Each resembles what public rules for CloudTrail look for, always succeeds, and can be told from the
//! ordinary events by the fields alone: most by the name of the call, which no ordinary template has; some
//! by one value (`Suspended`, `0.0.0.0/0`, no second factor), some by who makes the call. So a benchmark
//! that counts what its rules found knows what it should have found.
//!
//! The shapes are those of recorded attacks in the corpus where it has them, with invented values.

use super::people::Who;
use super::shape::{Shape, read, write};

/// A kind of attack event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttackKind {
    /// A trail stops logging.
    StopLogging,
    /// A trail is deleted.
    DeleteTrail,
    /// A trail stops recording management events.
    BlindTrail,
    /// An access key is made for another user.
    CreateAccessKey,
    /// A console password is made for another user.
    CreateLoginProfile,
    /// The console password of another user is changed.
    UpdateLoginProfile,
    /// A user becomes administrator.
    AttachAdminPolicy,
    /// A user gets an inline policy that allows everything.
    PutAdminPolicy,
    /// A role lets another account assume it.
    TrustOtherAccount,
    /// A second factor is switched off.
    DeactivateMfa,
    /// Someone signs in without a second factor.
    LoginWithoutMfa,
    /// The root user acts.
    RootActivity,
    /// A volume snapshot is shared with another account.
    ShareSnapshot,
    /// A machine image is made public.
    PublishImage,
    /// A database snapshot is shared with another account.
    ShareDbSnapshot,
    /// A security group opens to the world.
    OpenSecurityGroup,
    /// Flow logs are deleted.
    DeleteFlowLogs,
    /// A bucket stops keeping old versions.
    SuspendVersioning,
    /// A bucket is opened to everyone.
    PublishBucket,
    /// A user with long-lived keys reads a secret.
    StealSecret,
    /// The Windows password of an instance is fetched.
    GetPasswordData,
    /// The start script of an instance is changed.
    ChangeUserData,
    /// A command is run on instances.
    SendCommand,
    /// A function lets everyone invoke it.
    BackdoorFunction,
    /// A key is to be destroyed.
    ScheduleKeyDeletion,
    /// A log group is deleted.
    DeleteLogGroup,
    /// The recorder of configurations stops.
    StopConfigRecorder,
    /// The threat detector is deleted.
    DeleteDetector,
    /// The hub for findings is switched off.
    DisableSecurityHub,
    /// An account leaves its organisation, and its policies.
    LeaveOrganization,
    /// A user with long-lived keys calls a model.
    InvokeModelByUser,
    /// The log of model calls is switched off.
    DeleteModelLogging,
}

/// One kind of attack event: how it is made.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// Which kind.
    pub kind: AttackKind,
    /// A short name, in words with dashes.
    pub name: &'static str,
    /// The service that is called.
    pub host: &'static str,
    /// The event.
    pub shape: Shape,
}

const fn attack(kind: AttackKind, name: &'static str, host: &'static str, shape: Shape) -> Attack {
    Attack { kind, name, host, shape }
}

const DONE: &str = r#"{"requestId":"<uuid*>","_return":true}"#;
const S3_TRANSFER: &str = r#"{"SignatureVersion":"SigV4","CipherSuite":"<cipher>","bytesTransferredIn":<n:90:900>,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<b64:75>=","bytesTransferredOut":0}"#;
const BUCKET: &str = r#"{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}"#;

/// Every kind of attack event, in the order of [`AttackKind`]; each is as likely as the next.
pub const ATTACKS: [Attack; 32] = [
    attack(AttackKind::StopLogging, "stop-logging", "cloudtrail",
        write("StopLogging", 1).p(r#"{"name":"arn:aws:cloudtrail:<region>:<account>:trail/<trail>"}"#)),
    attack(AttackKind::DeleteTrail, "delete-trail", "cloudtrail",
        write("DeleteTrail", 1).p(r#"{"name":"<trail>"}"#)),
    attack(AttackKind::BlindTrail, "blind-trail", "cloudtrail",
        write("PutEventSelectors", 1).p(r#"{"trailName":"<trail>","eventSelectors":[{"readWriteType":"ReadOnly","includeManagementEvents":false,"dataResources":[],"excludeManagementEventSources":[]}]}"#)
            .r(r#"{"trailARN":"arn:aws:cloudtrail:<region>:<account>:trail/<trail>","eventSelectors":[{"readWriteType":"ReadOnly","includeManagementEvents":false,"dataResources":[],"excludeManagementEventSources":[]}]}"#)),
    attack(AttackKind::CreateAccessKey, "create-access-key", "iam",
        write("CreateAccessKey", 1).p(r#"{"userName":"<user>"}"#)
            .r(r#"{"accessKey":{"userName":"<user>","accessKeyId":"AKIA<id32:16>","status":"Active","createDate":"<date>"}}"#)),
    attack(AttackKind::CreateLoginProfile, "create-login-profile", "iam",
        write("CreateLoginProfile", 1).p(r#"{"userName":"<user>","passwordResetRequired":false}"#)
            .r(r#"{"loginProfile":{"userName":"<user>","createDate":"<date>","passwordResetRequired":false}}"#)),
    attack(AttackKind::UpdateLoginProfile, "update-login-profile", "iam",
        write("UpdateLoginProfile", 1).p(r#"{"userName":"<user>","passwordResetRequired":false}"#)),
    attack(AttackKind::AttachAdminPolicy, "attach-admin-policy", "iam",
        write("AttachUserPolicy", 1).p(r#"{"userName":"<user>","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}"#)),
    attack(AttackKind::PutAdminPolicy, "put-admin-policy", "iam",
        write("PutUserPolicy", 1).p(r#"{"userName":"<user>","policyName":"<policy>","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]}"}"#)),
    attack(AttackKind::TrustOtherAccount, "trust-other-account", "iam",
        write("UpdateAssumeRolePolicy", 1).p(r#"{"roleName":"<role>","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::<account2>:root\"},\"Action\":\"sts:AssumeRole\"}]}"}"#)),
    attack(AttackKind::DeactivateMfa, "deactivate-mfa", "iam",
        write("DeactivateMFADevice", 1).p(r#"{"userName":"<user>","serialNumber":"arn:aws:iam::<account>:mfa/<user>"}"#)),
    attack(AttackKind::LoginWithoutMfa, "login-without-mfa", "signin",
        write("ConsoleLogin", 1).sign_in().to("signin.aws.amazon.com").r(r#"{"ConsoleLogin":"Success"}"#)
            .a(r#"{"LoginTo":"https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true&state=<hex:16>","MobileVersion":"No","MFAUsed":"No"}"#)),
    attack(AttackKind::RootActivity, "root-activity", "iam",
        read("ListUsers", 1).by(Who::Root).p(r#"{"maxItems":<n:100:1000>}"#)),
    attack(AttackKind::ShareSnapshot, "share-snapshot", "ec2",
        write("ModifySnapshotAttribute", 1).p(r#"{"snapshotId":"<snap>","createVolumePermission":{"add":{"items":[{"userId":"<account2>"}]}},"attributeType":"CREATE_VOLUME_PERMISSION"}"#).r(DONE)),
    attack(AttackKind::PublishImage, "publish-image", "ec2",
        write("ModifyImageAttribute", 1).p(r#"{"imageId":"<ami>","launchPermission":{"add":{"items":[{"group":"all"}]}},"attributeType":"launchPermission"}"#).r(DONE)),
    attack(AttackKind::ShareDbSnapshot, "share-db-snapshot", "rds",
        write("ModifyDBSnapshotAttribute", 1).p(r#"{"dBSnapshotIdentifier":"<db>-<hex:8>","attributeName":"restore","valuesToAdd":["<account2>"]}"#)
            .r(r#"{"dBSnapshotIdentifier":"<db>-<hex:8>","dBSnapshotAttributes":[{"attributeName":"restore","attributeValues":["<account2>"]}]}"#)),
    attack(AttackKind::OpenSecurityGroup, "open-security-group", "ec2",
        write("AuthorizeSecurityGroupIngress", 1).p(r#"{"groupId":"<sg>","ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":<pick:22|3389|5432>,"toPort":65535,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}"#)
            .r(r#"{"requestId":"<uuid*>","_return":true,"securityGroupRuleSet":{"items":[{"groupOwnerId":"<account>","groupId":"<sg>","securityGroupRuleId":"<sgrule>","isEgress":false,"ipProtocol":"tcp","toPort":65535,"cidrIpv4":"0.0.0.0/0"}]}}"#)),
    attack(AttackKind::DeleteFlowLogs, "delete-flow-logs", "ec2",
        write("DeleteFlowLogs", 1).p(r#"{"DeleteFlowLogsRequest":{"FlowLogId":{"tag":1,"content":"<fl>"}}}"#)
            .r(r#"{"DeleteFlowLogsResponse":{"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/","requestId":"<uuid*>","unsuccessful":""}}"#)),
    attack(AttackKind::SuspendVersioning, "suspend-versioning", "s3",
        write("PutBucketVersioning", 1).p(r#"{"versioning":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","VersioningConfiguration":{"Status":"Suspended","xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"}}"#)
            .a(S3_TRANSFER).on(BUCKET).to("<bucket>.s3.<region>.amazonaws.com")),
    attack(AttackKind::PublishBucket, "publish-bucket", "s3",
        write("PutBucketPolicy", 1).p(r#"{"policy":"","bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","bucketPolicy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::<bucket>/*"}]}}"#)
            .a(S3_TRANSFER).on(BUCKET).to("<bucket>.s3.<region>.amazonaws.com")),
    attack(AttackKind::StealSecret, "steal-secret", "secretsmanager",
        read("GetSecretValue", 1).by(Who::User).p(r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#)),
    attack(AttackKind::GetPasswordData, "get-password-data", "ec2",
        read("GetPasswordData", 1).p(r#"{"instanceId":"<instance>"}"#)),
    attack(AttackKind::ChangeUserData, "change-user-data", "ec2",
        write("ModifyInstanceAttribute", 1).p(r#"{"instanceId":"<instance>","attribute":"userData","userData":"<sensitiveDataRemoved>"}"#).r(DONE)),
    attack(AttackKind::SendCommand, "send-command", "ssm",
        write("SendCommand", 1).p(r#"{"instanceIds":["<instance>"],"documentName":"AWS-RunShellScript","parameters":"HIDDEN_DUE_TO_SECURITY_REASONS","interactive":false}"#)
            .r(r#"{"command":{"commandId":"<uuid*>","documentName":"AWS-RunShellScript","documentVersion":"$DEFAULT","comment":"","expiresAfter":"<date>","parameters":"HIDDEN_DUE_TO_SECURITY_REASONS","instanceIds":["<instance>"],"targets":[],"requestedDateTime":"<date>","status":"Pending","statusDetails":"Pending","targetCount":1,"completedCount":0,"errorCount":0}}"#)),
    attack(AttackKind::BackdoorFunction, "backdoor-function", "lambda",
        write("AddPermission20150331v2", 1).p(r#"{"functionName":"<function>","statementId":"<label>","action":"lambda:InvokeFunction","principal":"*"}"#)
            .r(r#"{"statement":"{\"Sid\":\"<label>\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"arn:aws:lambda:<region>:<account>:function:<function>\"}"}"#)),
    attack(AttackKind::ScheduleKeyDeletion, "schedule-key-deletion", "kms",
        write("ScheduleKeyDeletion", 1).p(r#"{"keyId":"<kmskey>","pendingWindowInDays":7}"#)
            .r(r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<kmskey>","deletionDate":"<date>","keyState":"PendingDeletion","pendingWindowInDays":7}"#)
            .on(r#"{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<kmskey>"}"#)),
    attack(AttackKind::DeleteLogGroup, "delete-log-group", "logs",
        write("DeleteLogGroup", 1).p(r#"{"logGroupName":"<loggroup>"}"#)),
    attack(AttackKind::StopConfigRecorder, "stop-config-recorder", "config",
        write("StopConfigurationRecorder", 1).p(r#"{"configurationRecorderName":"<word>"}"#)),
    attack(AttackKind::DeleteDetector, "delete-detector", "guardduty",
        write("DeleteDetector", 1).p(r#"{"detectorId":"<hex:32>"}"#)),
    attack(AttackKind::DisableSecurityHub, "disable-security-hub", "securityhub",
        write("DisableSecurityHub", 1)),
    attack(AttackKind::LeaveOrganization, "leave-organization", "organizations",
        write("LeaveOrganization", 1)),
    attack(AttackKind::InvokeModelByUser, "invoke-model-by-user", "bedrock",
        read("InvokeModel", 1).by(Who::User).p(r#"{"modelId":"<model>"}"#).a(r#"{"inferenceRegion":"<region>"}"#).to("bedrock-runtime.<region>.amazonaws.com")),
    attack(AttackKind::DeleteModelLogging, "delete-model-logging", "bedrock",
        write("DeleteModelInvocationLoggingConfiguration", 1)),
];

impl AttackKind {
    fn attack(self) -> &'static Attack {
        &ATTACKS[self as usize]
    }

    /// A short name, such as `stop-logging`.
    pub fn name(self) -> &'static str {
        self.attack().name
    }
}
