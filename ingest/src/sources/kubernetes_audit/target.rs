//! What was acted on, and as which service account a workload is to run.
//!
//! In: `objectRef`, and where it lacks the name (the server made one up, or the log is terse) the
//! object of the response or request. Out: `<namespace>/<resource>/<name>`, with as much of it as
//! there is: `kube-system/secrets` is a list, `clusterroles/admin` has no namespace, `/version` is no
//! object at all.

use virga_engine::event::ColumnValue;

use super::action::path_of;
use super::{Inputs, text};

pub(super) const INPUTS: &[&str] = &[
    "objectRef.namespace",
    "objectRef.resource",
    "objectRef.name",
    "responseObject.metadata.name",
    "requestObject.metadata.name",
    "requestURI",
];

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let Some(resource) = inputs.string(1) else {
        return text(path_of(&inputs.string(5)?));
    };
    let name = (2..5).find_map(|input| inputs.string(input));
    let parts: Vec<_> = [inputs.string(0), Some(resource), name].into_iter().flatten().collect();
    text(parts.join("/"))
}

/// Resources by their kind's word. A resource that is not here keeps its own.
const KINDS: &[(&str, &str)] = &[
    ("pods", "pod"),
    ("secrets", "secret"),
    ("configmaps", "config_map"),
    ("services", "service"),
    ("serviceaccounts", "service_account"),
    ("namespaces", "namespace"),
    ("nodes", "node"),
    ("events", "event"),
    ("persistentvolumes", "volume"),
    ("persistentvolumeclaims", "volume_claim"),
    ("deployments", "deployment"),
    ("daemonsets", "daemon_set"),
    ("statefulsets", "stateful_set"),
    ("replicasets", "replica_set"),
    ("jobs", "job"),
    ("cronjobs", "cron_job"),
    ("roles", "role"),
    ("clusterroles", "role"),
    ("rolebindings", "role_binding"),
    ("clusterrolebindings", "role_binding"),
    ("networkpolicies", "network_policy"),
    ("ingresses", "ingress"),
    ("mutatingwebhookconfigurations", "webhook"),
    ("validatingwebhookconfigurations", "webhook"),
    ("certificatesigningrequests", "certificate_request"),
    ("customresourcedefinitions", "resource_definition"),
];

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let Some(resource) = inputs.string(1) else {
        inputs.string(5)?;
        return text("path");
    };
    let resource = resource.to_lowercase();
    let kind = KINDS.iter().find(|(name, _)| *name == resource).map(|(_, kind)| *kind);
    text(kind.unwrap_or(&resource))
}

pub(super) const PASSED_ROLE_INPUTS: &[&str] = &[
    "objectRef.namespace",
    "requestObject.spec.serviceAccountName",
    "requestObject.spec.template.spec.serviceAccountName",
    "requestObject.spec.jobTemplate.spec.template.spec.serviceAccountName",
];

/// The service account that a pod, or the pods of a workload, are to run as: named as it will act.
pub(super) fn passed_role(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let account = (1..4).find_map(|input| inputs.string(input))?;
    text(format!("system:serviceaccount:{}:{account}", inputs.string(0)?))
}
