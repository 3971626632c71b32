//! Calls about who may do what, and about secrets: IAM, STS, KMS, Secrets Manager, SSM, sign-in.
//!
//! The weights are the counts of the native trail and of the console set together, thinned out where one
//! attack tool alone had made them (a sweep of `GetPasswordData`, forty parameters made and deleted), and
//! with what an ordinary organisation does all day that the corpus has little of: roles assumed by
//! services, by pods and by pipelines.
//!
//! Two calls are kept apart from the attacks of the same name: here only workloads read secrets, and nobody
//! signs in without a second factor.

use super::people::Who;
use super::shape::{Service, Shape, global, read, service, write};

/// The services of this file.
pub const SERVICES: [Service; 9] = [
    global("iam", 1372, 900, IAM),
    Service { denied: ("AccessDenied", ASSUME_DENIED), ..service("sts", 221, 620, STS) },
    Service { denied: ("AccessDenied", KMS_DENIED), ..service("kms", 828, 1000, KMS) },
    service("secretsmanager", 803, 480, SECRETS),
    service("ssm", 1683, 1000, SSM),
    global("organizations", 14, 25, ORGANIZATIONS),
    service("signin", 10, 18, SIGN_IN),
    service("sso", 0, 15, SSO),
    service("access-analyzer", 0, 10, ANALYZER),
];

const ASSUME_DENIED: &str =
    "User: <me> is not authorized to perform: <action> on resource: arn:aws:iam::<account>:role/<role>";
const KMS_DENIED: &str = "User: <me> is not authorized to perform: <action> on the resource because no resource-based policy allows it";
const NO_ENTITY: &str = "NoSuchEntityException";

const IAM: &[Shape] = &[
    read("GetUser", 90).p(r#"{"userName":"<user>"}"#).fails(NO_ENTITY, "No user is called <user>.", 30),
    read("GetUser", 30),
    read("GetRole", 110).p(r#"{"roleName":"<role>"}"#).fails(NO_ENTITY, "No role is called <role>.", 60),
    read("ListAccessKeys", 50).p(r#"{"userName":"<user>"}"#),
    read("GetAccessKeyLastUsed", 48).p(r#"{"accessKeyId":"AKIA<id32:16>"}"#),
    read("ListAttachedRolePolicies", 80).p(r#"{"roleName":"<role>"}"#),
    read("ListRolePolicies", 65).p(r#"{"roleName":"<role>"}"#),
    read("ListMFADevices", 30).p(r#"{"userName":"<user>"}"#),
    read("GetLoginProfile", 27).p(r#"{"userName":"<user>"}"#).fails(NO_ENTITY, "The user <user> has no login profile.", 300),
    read("ListGroupsForUser", 23).p(r#"{"userName":"<user>"}"#),
    read("ListUsers", 18).p(r#"{"maxItems":<n:100:1000>}"#),
    read("ListRoles", 25).p(r#"{"marker":"<b64:120>","maxItems":1000}"#),
    read("GetInstanceProfile", 25).p(r#"{"instanceProfileName":"<role>"}"#).fails(NO_ENTITY, "No instance profile is called <role>.", 80),
    read("GetServiceLastAccessedDetails", 14).p(r#"{"jobId":"<uuid*>"}"#),
    read("ListInstanceProfilesForRole", 20).p(r#"{"roleName":"<role>"}"#),
    read("ListUserTags", 13).p(r#"{"userName":"<user>"}"#),
    read("GetRolePolicy", 40).p(r#"{"policyName":"<policy>","roleName":"<role>"}"#),
    read("ListSSHPublicKeys", 8).p(r#"{"userName":"<user>"}"#),
    read("ListPolicies", 10).p(r#"{"onlyAttached":<pick:true|false>,"scope":"Local","maxItems":<n:100:1000>}"#),
    read("GetPolicy", 45).p(r#"{"policyArn":"arn:aws:iam::<account>:policy/<policy>"}"#).fails(NO_ENTITY, "Policy arn:aws:iam::<account>:policy/<policy> was not found.", 40),
    read("GetPolicyVersion", 40).p(r#"{"policyArn":"arn:aws:iam::<account>:policy/<policy>","versionId":"v<n:1:9>"}"#),
    read("ListEntitiesForPolicy", 8).p(r#"{"policyArn":"arn:aws:iam::<account>:policy/<policy>"}"#),
    read("ListAttachedUserPolicies", 8).p(r#"{"userName":"<user>"}"#),
    read("ListUserPolicies", 8).p(r#"{"userName":"<user>"}"#),
    read("GetAccountSummary", 7),
    read("GetOpenIDConnectProvider", 8).p(r#"{"openIDConnectProviderArn":"arn:aws:iam::<account>:oidc-provider/oidc.eks.<region>.amazonaws.com/id/<AZ:32>"}"#),
    read("GenerateCredentialReport", 4).by(Who::Workload),
    write("CreateRole", 14).p(r#"{"path":"/","roleName":"<role>","assumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"<pick:lambda|ec2|ecs-tasks|states>.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}","maxSessionDuration":3600}"#)
        .r(r#"{"role":{"path":"/","roleName":"<role>","roleId":"AROA<id32:17>","arn":"arn:aws:iam::<account>:role/<role>","createDate":"<date>","assumeRolePolicyDocument":"%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D"}}"#)
        .fails("EntityAlreadyExistsException", "Role with name <role> already exists.", 40),
    write("DeleteRole", 13).p(r#"{"roleName":"<role>"}"#).fails("DeleteConflictException", "Cannot delete entity, must detach all policies first.", 90),
    write("AttachRolePolicy", 22).p(r#"{"roleName":"<role>","policyArn":"arn:aws:iam::<account>:policy/<policy>"}"#),
    write("DetachRolePolicy", 12).p(r#"{"roleName":"<role>","policyArn":"arn:aws:iam::<account>:policy/<policy>"}"#),
    write("PutRolePolicy", 18).p(r#"{"roleName":"<role>","policyName":"<policy>","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\",\"s3:ListBucket\"],\"Resource\":[\"arn:aws:s3:::<bucket>\",\"arn:aws:s3:::<bucket>/*\"]}]}"}"#),
    write("TagRole", 18).p(r#"{"roleName":"<role>","tags":[{"key":"team","value":"<word>"},{"key":"env","value":"<env>"}]}"#),
];

const ASSUMED: &str = r#"{"credentials":{"accessKeyId":"ASIA<id32:16>","sessionToken":"IQoJb3JpZ2luX2VjE<b64:340>","expiration":"<date>"},"assumedRoleUser":{"assumedRoleId":"AROA<id32:17>:<session>","arn":"arn:aws:sts::<account>:assumed-role/<role>/<session>"}}"#;
const ROLE: &str =
    r#"{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<role>"}"#;

const STS: &[Shape] = &[
    read("AssumeRole", 150).by(Who::Service("ec2.amazonaws.com")).p(r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<instance>"}"#).r(ASSUMED).on(ROLE),
    read("AssumeRole", 110).by(Who::Service("lambda.amazonaws.com")).p(r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<function>","durationSeconds":<n:900:43200>}"#).r(ASSUMED).on(ROLE),
    read("AssumeRole", 40).by(Who::Service("ecs-tasks.amazonaws.com")).p(r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<hex:32>"}"#).r(ASSUMED).on(ROLE),
    read("AssumeRole", 25).by(Who::Service("config.amazonaws.com")).p(r#"{"roleArn":"arn:aws:iam::<account>:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig","roleSessionName":"AWSConfig-<word>-<hex:8>"}"#).r(ASSUMED)
        .on(r#"{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"}"#),
    read("AssumeRole", 90).p(r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<session>","durationSeconds":<n:900:3600>}"#).r(ASSUMED).on(ROLE),
    read("AssumeRole", 25).p(r#"{"roleArn":"arn:aws:iam::<account2>:role/<role>","roleSessionName":"<session>","externalId":"<uuid*>"}"#).r(ASSUMED)
        .on(r#"{"accountId":"<account2>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account2>:role/<role>"}"#),
    read("AssumeRoleWithWebIdentity", 40).by(Who::Workload).p(r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<session>","durationSeconds":3600}"#).r(ASSUMED).on(ROLE)
        .fails("ExpiredTokenException", "Token expired: current date/time must be before the expiration date/time", 25),
    read("GetCallerIdentity", 120),
];

const KEY: &str =
    r#"{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<kmskey>"}"#;

const KMS: &[Shape] = &[
    read("Decrypt", 150).via("secretsmanager.amazonaws.com", 750).p(r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"SecretARN":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>","SecretVersionId":"<uuid*>"}}"#).on(KEY),
    read("Decrypt", 120).via("ssm.amazonaws.com", 350).p(r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:<region>:<account>:parameter<param>"}}"#).on(KEY),
    read("Decrypt", 140).p(r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<bucket>"}}"#).on(KEY),
    read("Encrypt", 40).p(r#"{"encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:<region>:<account>:parameter<param>"},"keyId":"alias/aws/ssm","encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#).on(KEY),
    read("GenerateDataKey", 120).via("s3.amazonaws.com", 400).p(r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<kmskey>","keySpec":"AES_256","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<bucket>"}}"#).on(KEY),
    read("ListAliases", 32).p(r#"{"limit":100,"keyId":"<kmskey>"}"#),
    read("DescribeKey", 60).p(r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<kmskey>"}"#).on(KEY)
        .fails("NotFoundException", "Alias arn:aws:kms:<region>:<account>:alias/<word> is not found.", 40),
    read("GetKeyPolicy", 12).p(r#"{"keyId":"<kmskey>","policyName":"default"}"#).on(KEY),
    read("GetKeyRotationStatus", 12).p(r#"{"keyId":"<kmskey>"}"#).on(KEY),
    read("ListResourceTags", 10).p(r#"{"keyId":"<kmskey>"}"#).on(KEY),
    write("CreateGrant", 12).by(Who::Workload).p(r#"{"keyId":"arn:aws:kms:<region>:<account>:key/<kmskey>","granteePrincipal":"arn:aws:iam::<account>:role/<role>","operations":["Decrypt","GenerateDataKeyWithoutPlaintext"],"constraints":{"encryptionContextSubset":{"aws:ebs:id":"<vol>"}}}"#)
        .r(r#"{"grantId":"<hex:64>","keyId":"arn:aws:kms:<region>:<account>:key/<kmskey>"}"#).on(KEY),
];

const SECRETS: &[Shape] = &[
    read("GetSecretValue", 150).by(Who::Workload).p(r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>","versionStage":"AWSCURRENT"}"#)
        .fails("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 25),
    read("DescribeSecret", 60).p(r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#),
    read("GetResourcePolicy", 45).p(r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#),
    read("ListSecrets", 15).p(r#"{"maxResults":<n:10:100>,"filters":[{"key":"name","values":["<env>/<word>"]}]}"#),
    write("CreateSecret", 14).by(Who::Pipeline).p(r#"{"name":"<secret>","clientRequestToken":"<UUID>","description":"","forceOverwriteReplicaSecret":false}"#)
        .r(r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#),
    write("PutSecretValue", 18).p(r#"{"secretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>","clientRequestToken":"<UUID>"}"#)
        .r(r#"{"arn":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#),
    write("StartSecretVersionDelete", 14).reported("secretsmanager.amazonaws.com", "")
        .a(r#"{"ARN":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>","Name":"<label>"}"#),
    write("EndSecretVersionDelete", 14).reported("secretsmanager.amazonaws.com", "")
        .a(r#"{"ARN":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>","Name":"<label>"}"#),
    write("RotationSucceeded", 3).reported("secretsmanager.amazonaws.com", r#"{"SecretId":"arn:aws:secretsmanager:<region>:<account>:secret:<secret>"}"#),
];

const PARAMETER: &str =
    r#"{"accountId":"<account>","ARN":"arn:aws:ssm:<region>:<account>:parameter<param>"}"#;

const SSM: &[Shape] = &[
    read("DescribeParameters", 60).p(r#"{"parameterFilters":[{"key":"Name","option":"Equals","values":["<param>"]}],"shared":false}"#)
        .fails("ThrottlingException", "Rate exceeded", 120),
    read("GetParameter", 110).p(r#"{"name":"<param>","withDecryption":true}"#).on(PARAMETER)
        .fails("ParameterNotFound", "", 25),
    read("GetParameters", 35).p(r#"{"names":[<some:1:6:param>],"withDecryption":true}"#),
    read("GetParametersByPath", 30).p(r#"{"path":"/<env>/<word>/<word>","recursive":true,"withDecryption":true,"maxResults":10}"#),
    read("ListTagsForResource", 50).p(r#"{"resourceType":"Parameter","resourceId":"<param>"}"#),
    write("PutParameter", 40).p(r#"{"name":"<param>","value":"HIDDEN_DUE_TO_SECURITY_REASONS","type":"SecureString","overwrite":true,"allowedPattern":"","tier":"Standard"}"#)
        .r(r#"{"version":<n:1:90>,"tier":"Standard"}"#).on(PARAMETER).fails("ThrottlingException", "Rate exceeded", 110),
    write("DeleteParameter", 30).p(r#"{"name":"<param>"}"#).on(PARAMETER).fails("ThrottlingException", "Rate exceeded", 140),
    read("DescribeInstanceInformation", 42).p(r#"{"filters":[{"key":"InstanceIds","values":[<some:1:4:instance>]}]}"#),
    write("UpdateInstanceInformation", 90).by(Who::Workload).p(r#"{"instanceId":"<instance>","agentVersion":"3.<n:1:3>.<n:100:2300>.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"<pick:2|2023>","iPAddress":"<ip10>","computerName":"<privatehost>.<region>.compute.internal","agentName":"amazon-ssm-agent"}"#),
    write("UpdateInstanceAssociationStatus", 40).by(Who::Workload).p(r#"{"associationId":"<uuid>","instanceId":"<instance>","executionResult":{"executionDate":"<date>","status":"<pick:InProgress|Success>","executionSummary":"<n:1:4> out of <n:4:6> plugins processed","errorCode":""}}"#)
        .on(r#"{"accountId":"<account>","ARN":"arn:aws:ssm:<region>:<account>:association/<uuid>"},{"accountId":"<account>","ARN":"arn:aws:ec2:<region>:<account>:instance/<instance>"}"#),
    read("ListInstanceAssociations", 40).by(Who::Workload).p(r#"{"instanceId":"<instance>","maxResults":20}"#),
    write("PutInventory", 12).by(Who::Workload).p(r#"{"instanceId":"<instance>","items":[{"typeName":"AWS:<pick:Application|Network|InstanceInformation>","schemaVersion":"1.<n:0:1>","captureTime":"<now>","contentHash":"<b64:22>=="}]}"#),
    write("PutComplianceItems", 8).by(Who::Workload).p(r#"{"resourceId":"<instance>","resourceType":"ManagedInstance","complianceType":"Association","executionSummary":{"executionTime":"<date>","executionId":"<uuid*>","executionType":"Command"},"items":[],"itemContentHash":"<hex:64>"}"#),
    read("GetCommandInvocation", 8).p(r#"{"commandId":"<uuid*>","instanceId":"<instance>"}"#).fails("InvocationDoesNotExist", "", 90),
    read("GetConnectionStatus", 8).by(Who::Console).p(r#"{"target":"<instance>"}"#),
    read("DescribeSessions", 5).by(Who::Console).p(r#"{"state":"Active","filters":[{"key":"Owner","value":"<me>"}]}"#),
    write("OpenDataChannel", 15).by(Who::Workload).p(r#"{"sessionId":"<first>.<word>-<hex:17>"}"#),
];

const ORGANIZATIONS: &[Shape] = &[
    read("DescribeOrganization", 29),
    read("ListDelegatedAdministrators", 27)
        .p(r#"{"servicePrincipal":"<pick:securityhub|guardduty|config|sso|ram>.amazonaws.com"}"#),
    read("ListAccounts", 12).p(r#"{"maxResults":20,"nextToken":"<b64:160>"}"#),
    read("DescribeAccount", 10).p(r#"{"accountId":"<account2>"}"#).fails(
        "AWSOrganizationsNotInUseException",
        "Your account is not a member of an organization.",
        70,
    ),
    read("ListParents", 6).p(r#"{"childId":"<account2>"}"#),
];

const SIGN_IN: &[Shape] = &[
    write("ConsoleLogin", 12).sign_in().to("signin.aws.amazon.com").r(r#"{"ConsoleLogin":"Success"}"#)
        .a(r#"{"LoginTo":"https://<region>.console.aws.amazon.com/console/home?region=<region>&state=hashArgs%23&isauthcode=true&oauthStart=17<n:10000000:60000000><n:100:999>","MobileVersion":"No","MFAIdentifier":"arn:aws:iam::<account>:mfa/<word>-<n:1:99>","MFAUsed":"Yes"}"#)
        .fails("", "Failed authentication", 100),
    write("CheckMfa", 4).sign_in().to("signin.aws.amazon.com").r(r#"{"CheckMfa":"Success"}"#)
        .a(r#"{"MfaType":"<pick:Virtual MFA|U2F MFA>"}"#),
];

const SSO: &[Shape] = &[
    read("ListDirectoryAssociations", 2),
    read("ListAccountAssignments", 5).p(r#"{"instanceArn":"arn:aws:sso:::instance/ssoins-<hex:16>","accountId":"<account2>","permissionSetArn":"arn:aws:sso:::permissionSet/ssoins-<hex:16>/ps-<hex:16>"}"#),
    read("GetRoleCredentials", 12).by(Who::Console).p(r#"{"roleName":"<pick:ReadOnly|PowerUser|Admin>Access","accountId":"<account>"}"#),
];

const ANALYZER: &[Shape] = &[
    read("ListPolicyGenerations", 6).p(r#"{"principalArn":"arn:aws:iam::<account>:role/<role>"}"#),
    read("ListAnalyzers", 4).p(r#"{"type":"ACCOUNT"}"#),
    read("ValidatePolicy", 4).p(r#"{"policyType":"IDENTITY_POLICY","locale":"EN","maxResults":"100"}"#),
];
