//! What was acted on.
//!
//! In: `resourceName`, a path of collections and the things in them
//! (`projects/p/zones/z/instances/i`, `core/v1/namespaces/n/pods/p`), the monitored resource and the
//! request. Out: the target as it is named, the kind of the last thing in its path, its bucket, the
//! account or person acted on, the service account that is handed to a job, a machine or a function.

use virga_engine::event::ColumnValue;
use virga_engine::json::parse;

use super::super::derive::member_of;
use super::super::json_value::{elements, get, string};
use super::action::service_of;
use super::{Inputs, text};

pub(super) const NAME_INPUTS: &[&str] =
    &["protoPayload.resourceName", "protoPayload.authorizationInfo.resource"];

pub(super) const TYPE_INPUTS: &[&str] = &[
    "protoPayload.resourceName",
    "protoPayload.authorizationInfo.resource",
    "protoPayload.serviceName",
    "resource.type",
    "resource.labels.bucket_name",
];

const NAME: usize = 0;
const ASKED: usize = 1;
const SERVICE: usize = 2;
const RESOURCE_TYPE: usize = 3;
const BUCKET: usize = 4;

/// Collections, and what kind of thing is in them. Those without a kind say nothing of their own.
const COLLECTIONS: &[(&str, &str)] = &[
    ("projects", "project"),
    ("organizations", "organization"),
    ("folders", "folder"),
    ("locations", "location"),
    ("regions", "location"),
    ("zones", "location"),
    ("publishers", ""),
    ("buckets", "bucket"),
    ("objects", "object"),
    ("managedFolders", "folder"),
    ("secrets", "secret"),
    ("versions", ""),
    ("serviceAccounts", "service_account"),
    ("keys", "key"),
    ("keyRings", "key_ring"),
    ("cryptoKeys", "key"),
    ("cryptoKeyVersions", "key"),
    ("hmacKeys", "key"),
    ("roles", "role"),
    ("workloadIdentityPools", "identity_pool"),
    ("workforcePools", "identity_pool"),
    ("providers", "identity_provider"),
    ("accessPolicies", "access_policy"),
    ("servicePerimeters", "service_perimeter"),
    ("accessLevels", "access_level"),
    ("instances", "instance"),
    ("instanceTemplates", "instance_template"),
    ("disks", "volume"),
    ("snapshots", "snapshot"),
    ("images", "image"),
    ("machineImages", "image"),
    ("networks", "network"),
    ("subnetworks", "subnet"),
    ("firewalls", "firewall"),
    ("routes", "route"),
    ("routers", "router"),
    ("vpnTunnels", "vpn_tunnel"),
    ("packetMirrorings", "packet_mirroring"),
    ("managedZones", "dns_zone"),
    ("sinks", "sink"),
    ("exclusions", "exclusion"),
    ("logs", "log"),
    ("topics", "topic"),
    ("subscriptions", "subscription"),
    ("datasets", "dataset"),
    ("tables", "table"),
    ("routines", "routine"),
    ("jobs", "job"),
    ("builds", "build"),
    ("triggers", "trigger"),
    ("functions", "function"),
    ("services", "service"),
    ("repositories", "repository"),
    ("databases", "database"),
    ("backupRuns", "snapshot"),
    ("clusters", "cluster"),
    ("nodePools", "node_pool"),
    ("deployments", "deployment"),
    ("models", "model"),
    ("endpoints", "endpoint"),
    ("customJobs", "training_job"),
    ("trainingPipelines", "training_job"),
    ("hyperparameterTuningJobs", "training_job"),
    ("tuningJobs", "training_job"),
    ("pipelineJobs", "training_job"),
    ("batchPredictionJobs", "batch_job"),
    ("featurestores", "featurestore"),
    ("indexes", "index"),
    ("indexEndpoints", "endpoint"),
    ("reasoningEngines", "agent"),
    ("cachedContents", "cached_content"),
    ("notebookRuntimes", "notebook"),
    // Kubernetes
    ("namespaces", "namespace"),
    ("nodes", "node"),
    ("pods", "pod"),
    ("configmaps", "config_map"),
    ("cronjobs", "cron_job"),
    ("daemonsets", "daemon_set"),
    ("statefulsets", "stateful_set"),
    ("replicasets", "replica_set"),
    ("clusterroles", "role"),
    ("clusterrolebindings", "role_binding"),
    ("rolebindings", "role_binding"),
    ("serviceaccounts", "service_account"),
    ("certificatesigningrequests", "certificate_request"),
    ("mutatingwebhookconfigurations", "webhook"),
    ("validatingwebhookconfigurations", "webhook"),
];

/// Monitored resources, for entries whose resource has no name that says its kind.
const RESOURCES: &[(&str, &str)] = &[
    ("project", "project"),
    ("gcs_bucket", "bucket"),
    ("gce_instance", "instance"),
    ("gce_disk", "volume"),
    ("gce_snapshot", "snapshot"),
    ("gce_image", "image"),
    ("service_account", "service_account"),
    ("iam_role", "role"),
    ("cloudkms_cryptokey", "key"),
    ("bigquery_dataset", "dataset"),
    ("cloudsql_database", "database"),
    ("cloud_function", "function"),
    ("logging_sink", "sink"),
    ("dns_managed_zone", "dns_zone"),
    ("pubsub_topic", "topic"),
    ("k8s_cluster", "cluster"),
    ("gke_cluster", "cluster"),
    ("deployment", "deployment"),
];

/// Kinds that hold others: an unknown collection below them is a thing of its own.
const HOLDERS: &[&str] = &["project", "organization", "folder", "location", "namespace"];

fn look_up(table: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(key, _)| *key == name).map(|(_, kind)| *kind)
}

/// The kind of the last thing in a path. What follows `objects` is one name, slashes and all.
fn kind_in(name: &str) -> Option<&'static str> {
    let mut kind = None;
    let mut segments = name.trim_start_matches('/').split('/');
    while let Some(segment) = segments.next() {
        match look_up(COLLECTIONS, segment) {
            Some("object") => return Some("object"),
            Some(found) => {
                if !found.is_empty() {
                    kind = Some(found);
                }
                // its id, which may be called as a collection is
                segments.next();
            }
            None if kind.is_some_and(|kind| HOLDERS.contains(&kind)) && segment != "global" => kind = None,
            None => {}
        }
    }
    kind
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let named = inputs.string(NAME).or_else(|| inputs.string(ASKED)).and_then(|name| kind_in(&name));
    let kind = match named {
        Some(kind) => kind,
        None => look_up(RESOURCES, &inputs.string(RESOURCE_TYPE)?)?,
    };
    let of_logs = kind == "bucket" && inputs.string(SERVICE).is_some_and(|s| service_of(&s) == "logging");
    text(if of_logs { "log_bucket" } else { kind })
}

/// Cloud Storage names a bucket `projects/_/buckets/…`; Cloud Logging has buckets too.
pub(super) fn container(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let of_storage = inputs.string(SERVICE).is_some_and(|service| service_of(&service) == "storage");
    let name = inputs.string(NAME).unwrap_or_default();
    let named = member_of(&name, "buckets").filter(|_| of_storage || name.starts_with("projects/_/"));
    match named {
        Some(bucket) => text(format!("gs://{bucket}")),
        None => text(format!("gs://{}", inputs.string(BUCKET)?)),
    }
}

pub(super) fn k8s_namespace(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    inputs.string(SERVICE).filter(|service| service == "k8s.io")?;
    text(member_of(&inputs.string(NAME)?, "namespaces")?)
}

pub(super) const USER_INPUTS: &[&str] =
    &["resource.labels.email_id", "protoPayload.resourceName", "protoPayload.metadata.event"];

/// A service account, or the person that a Workspace administrator acted on.
pub(super) fn user(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(email) = inputs.string(0) {
        return text(email);
    }
    if let Some(name) = inputs.string(1)
        && let Some(account) = member_of(&name, "serviceAccounts")
    {
        return text(account);
    }
    text(parameter(inputs.text(2)?, "USER_EMAIL")?)
}

/// A parameter of a Workspace event: `[{"parameter": [{"name": …, "value": …}]}]`.
fn parameter(events: &str, name: &str) -> Option<String> {
    let events = parse(events).ok()?;
    let parameters = elements(&events).iter().filter_map(|event| get(event, "parameter"));
    let mut named = parameters
        .flat_map(|parameters| elements(parameters))
        .filter(|parameter| get(parameter, "name").and_then(string).is_some_and(|own| own == name));
    named.find_map(|parameter| string(get(parameter, "value")?)).map(str::to_owned)
}

/// Where requests name the service account that what they make will run as.
pub(super) const PASSED_ROLE_INPUTS: &[&str] = &[
    // Vertex AI
    "protoPayload.request.customJob.jobSpec.serviceAccount",
    "protoPayload.request.pipelineJob.serviceAccount",
    "protoPayload.request.trainingPipeline.trainingTaskInputs.serviceAccount",
    "protoPayload.request.hyperparameterTuningJob.trialJobSpec.serviceAccount",
    "protoPayload.request.batchPredictionJob.serviceAccount",
    "protoPayload.request.deployedModel.serviceAccount",
    "protoPayload.request.reasoningEngine.spec.serviceAccount",
    "protoPayload.request.notebookRuntimeTemplate.serviceAccount",
    // Workbench
    "protoPayload.request.instance.gceSetup.serviceAccounts.email",
    "protoPayload.request.instance.serviceAccount",
    // Compute Engine: an instance, its template
    "protoPayload.request.serviceAccounts.email",
    "protoPayload.request.properties.serviceAccounts.email",
    // Cloud Functions, Cloud Run, App Engine
    "protoPayload.request.function.serviceConfig.serviceAccountEmail",
    "protoPayload.request.function.serviceAccountEmail",
    "protoPayload.request.service.template.serviceAccount",
    "protoPayload.request.service.spec.template.spec.serviceAccountName",
    "protoPayload.request.job.template.template.serviceAccount",
    "protoPayload.request.version.serviceAccount",
    // Cloud Build, Dataproc, Dataflow, GKE
    "protoPayload.request.build.serviceAccount",
    "protoPayload.request.cluster.config.gceClusterConfig.serviceAccount",
    "protoPayload.request.job.environment.serviceAccountEmail",
    "protoPayload.request.cluster.nodeConfig.serviceAccount",
    "protoPayload.request.nodePool.config.serviceAccount",
    // a change of an instance's account; elsewhere this may be a person's address
    "protoPayload.request.email",
];

/// The address of the account, also where the request names its resource. Any other word (`default`)
/// names no account.
pub(super) fn passed_role(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let account = |input| {
        let named = inputs.string(input)?;
        let address = named.rsplit_once("serviceAccounts/").map_or(named.as_ref(), |(_, address)| address);
        let is_account = address.ends_with("gserviceaccount.com");
        let of_accounts = input + 1 < inputs.len() && address.contains('@');
        (is_account || of_accounts).then(|| address.to_owned())
    };
    text((0..inputs.len()).find_map(account)?)
}

pub(super) const MODEL_INPUTS: &[&str] = &[
    "protoPayload.serviceName",
    "protoPayload.resourceName",
    "protoPayload.request.model",
    "protoPayload.request.endpoint",
];

/// The model of a publisher or a project, else the endpoint that it is deployed to.
pub(super) fn model(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let service = inputs.string(0)?;
    let service = service_of(&service);
    if !service.ends_with("aiplatform") && service != "generativelanguage" {
        return None;
    }
    let named = |input| model_in(&inputs.string(input)?).map(str::to_owned);
    text((1..inputs.len()).find_map(named)?)
}

/// `…/publishers/google/models/m` → `m`, `…/endpoints/7` → `7`.
fn model_in(name: &str) -> Option<&str> {
    member_of(name, "models").or_else(|| member_of(name, "endpoints"))
}
