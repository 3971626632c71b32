//! What was acted on.
//!
//! In: `requestParameters`, in which each API names its object in its own way, and the event's
//! `resources`. Out: the target and its kind, from one table: the first parameter that is there wins,
//! so what is more particular stands first (a key in a bucket, a user before the policy attached to
//! it, any thing before the role it is given).

use virga_engine::event::ColumnValue;

use super::action::service_of;
use super::{Inputs, text};

/// Parameters that name a target, and what kind of thing they name.
const PARAMETERS: &[(&str, &str)] = &[
    ("requestParameters.bucketName", "bucket"),
    ("requestParameters.secretId", "secret"),
    ("requestParameters.userName", "user"),
    ("requestParameters.roleName", "role"),
    ("requestParameters.instanceProfileName", "instance_profile"),
    ("requestParameters.snapshotId", "snapshot"),
    ("requestParameters.dBSnapshotIdentifier", "snapshot"),
    ("requestParameters.dBClusterSnapshotIdentifier", "snapshot"),
    ("requestParameters.imageId", "image"),
    ("requestParameters.modelId", "model"),
    ("requestParameters.keyId", "key"),
    ("requestParameters.functionName", "function"),
    ("requestParameters.layerName", "layer"),
    ("requestParameters.trailName", "trail"),
    ("requestParameters.detectorId", "detector"),
    ("requestParameters.instanceId", "instance"),
    ("requestParameters.volumeId", "volume"),
    ("requestParameters.groupId", "security_group"),
    ("requestParameters.dBInstanceIdentifier", "database"),
    ("requestParameters.dBClusterIdentifier", "database"),
    ("requestParameters.tableName", "table"),
    ("requestParameters.trainingJobName", "training_job"),
    ("requestParameters.endpointName", "endpoint"),
    ("requestParameters.endpointConfigName", "endpoint"),
    ("requestParameters.modelName", "model"),
    ("requestParameters.notebookInstanceName", "notebook"),
    ("requestParameters.guardrailIdentifier", "guardrail"),
    ("requestParameters.knowledgeBaseId", "knowledge_base"),
    ("requestParameters.agentId", "agent"),
    ("requestParameters.repositoryName", "repository"),
    ("requestParameters.topicArn", "topic"),
    ("requestParameters.queueUrl", "queue"),
    ("requestParameters.stackName", "stack"),
    ("requestParameters.clusterName", "cluster"),
    ("requestParameters.routeTableId", "route_table"),
    ("requestParameters.networkAclId", "network_acl"),
    ("requestParameters.subnetId", "subnet"),
    ("requestParameters.vpcId", "vpc"),
    ("requestParameters.sAMLProviderArn", "identity_provider"),
    ("requestParameters.openIDConnectProviderArn", "identity_provider"),
    ("requestParameters.serialNumber", "mfa_device"),
    ("requestParameters.groupName", "group"),
    ("requestParameters.policyArn", "policy"),
    ("requestParameters.policyName", "policy"),
    ("requestParameters.accessKeyId", "access_key"),
    ("requestParameters.roleArn", "role"),
    ("requestParameters.resourceArn", "resource"),
    ("requestParameters.name", "resource"),
    ("requestParameters.instancesSet.items.instanceId", "instance"),
];

/// What stands before [`PARAMETERS`] in the inputs.
const OTHERS: [&str; 4] = ["eventSource", "requestParameters.key", "resources.ARN", "resources.type"];

/// The paths of [`OTHERS`] and of [`PARAMETERS`].
pub(super) static INPUTS: [&str; OTHERS.len() + PARAMETERS.len()] = inputs();

const fn inputs() -> [&'static str; OTHERS.len() + PARAMETERS.len()] {
    let mut inputs = [""; OTHERS.len() + PARAMETERS.len()];
    let mut at = 0;
    while at < inputs.len() {
        inputs[at] = if at < OTHERS.len() { OTHERS[at] } else { PARAMETERS[at - OTHERS.len()].0 };
        at += 1;
    }
    inputs
}

/// The target and its kind.
fn find(inputs: &Inputs<'_>) -> Option<(String, String)> {
    for (number, (_, kind)) in PARAMETERS.iter().enumerate() {
        let Some(value) = inputs.scalar(OTHERS.len() + number) else { continue };
        return Some(match *kind {
            "bucket" => match inputs.string(1) {
                Some(key) => (format!("s3://{value}/{key}"), "object".to_owned()),
                None => (format!("s3://{value}"), "bucket".to_owned()),
            },
            "resource" => (value.into_owned(), named(inputs).to_owned()),
            kind => (value.into_owned(), kind.to_owned()),
        });
    }
    let arn = inputs.string(2)?;
    // AWS::S3::Object → object
    let kind = inputs.string(3).and_then(|kind| Some(kind.rsplit_once("::")?.1.to_lowercase()));
    Some((arn.into_owned(), kind.unwrap_or_else(|| "resource".to_owned())))
}

/// What a parameter called just `name` names, by service.
fn named(inputs: &Inputs<'_>) -> &'static str {
    match inputs.string(0).as_deref().map(service_of) {
        Some("cloudtrail") => "trail",
        Some("ssm") => "parameter",
        Some("secretsmanager") => "secret",
        _ => "resource",
    }
}

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.0)
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(find(inputs)?.1)
}

pub(super) const CONTAINER_INPUTS: &[&str] = &["requestParameters.bucketName"];

pub(super) fn container(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(format!("s3://{}", inputs.string(0)?))
}

pub(super) const USER_INPUTS: &[&str] = &["requestParameters.userName", "requestParameters.roleName"];

pub(super) const PASSED_ROLE_INPUTS: &[&str] = &[
    "eventSource",
    "requestParameters.roleArn",
    "requestParameters.executionRoleArn",
    "requestParameters.taskRoleArn",
    "requestParameters.role",
];

/// The role that is handed to a service. Assuming a role hands it to nobody.
pub(super) fn passed_role(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if inputs.string(0).is_some_and(|source| service_of(&source) == "sts") {
        return None;
    }
    let named = (1..4).find_map(|input| inputs.string(input));
    // Lambda's parameter; elsewhere `role` may be any word
    let arn = || inputs.string(4).filter(|role| role.starts_with("arn:"));
    text(named.or_else(arn)?)
}
