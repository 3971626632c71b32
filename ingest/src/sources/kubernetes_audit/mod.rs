//! Kubernetes audit: what reached a cluster's API server, `audit.k8s.io/v1` (and `v1beta1`).
//!
//! In: one event as the API server writes it, a line of its log file, an item of what its webhook
//! posts, a message of EKS's CloudWatch log; or AKS's record of it. Out: canonical columns, each from
//! a table below or from the file that is named for its subject.
//!
//! | delivery | where the event stands |
//! |---|---|
//! | file, CloudWatch | the record |
//! | webhook (`EventList`) | an item, without `kind` and `apiVersion` |
//! | AKS diagnostic setting | JSON in the string `properties.log` |
//! | Log Analytics `AzureDiagnostics` | JSON in the string `log_s` |
//! | Log Analytics `AKSAudit`, `AKSAuditAdmin`, `ArcK8sAudit` | the record, as columns with dynamic values |
//!
//! A request gives several events, one a stage, under one `auditID`. The client may choose that id, also the
//! same for all that it does: only with the stage and its time does it prove an event, or one header would
//! make one event, and one alert, of an attack.
//! The time of an event is that of its stage and not that of the request: the end of a watch or of an `exec` is
//! written hours after its beginning, and would come too late for everything that looks at time.
//!
//! The client writes `userAgent`, all of `sourceIPs` but the last (`X-Forwarded-For`), and the
//! `auditID` if it likes (`Audit-ID`). The address is therefore the last of them; where that is no public
//! one, a proxy of the cluster may have called, and the public one nearest to it is who called the proxy.
//! A caller within the cluster can make that one up; that there is an address at all is then his own doing.
//!
//! Google's `k8s.io` entries are Cloud Audit entries and not these.
//!
//! Format: Kubernetes, "Auditing" and "kube-apiserver Audit Configuration (v1)"; Azure Monitor Logs
//! reference, "AKSAudit"; Azure Kubernetes Service, "Monitoring data reference".

mod action;
mod grants;
mod identity;
mod target;

use std::borrow::Cow;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::derive::{first, text};
use super::net::{Address, without_port};
use super::{CLOUD_NORMALIZED, Derivation, Identity, Inputs, Logsource, Otherwise, SourceDef};

/// The source.
pub static SOURCE: SourceDef = SourceDef {
    name: "kubernetes.audit",
    description: "Kubernetes API server audit events, also as AKS and EKS deliver them",
    logsources: &[
        // half of the public rules say `category: application` beside product and service
        Logsource {
            product: Some("kubernetes"),
            service: Some("audit"),
            category: Some("application"),
            canonical_only: false,
        },
        CLOUD_NORMALIZED,
    ],
    aliases: ALIASES,
    computed: COMPUTED,
    recognised_by: &[
        "kind",
        "apiVersion",
        "auditID",
        "stage",
        "verb",
        "requestURI",
        "objectRef",
        "responseStatus",
        "sourceIPs",
        "involvedObject | regarding",
        "category",
        "properties",
        "log_s",
    ],
    recognise,
    // the last seven are the dynamic columns of `AKSAudit`
    unfold: &[
        "properties",
        "properties.log",
        "log_s",
        "ObjectRef",
        "User",
        "ResponseStatus",
        "RequestObject",
        "ResponseObject",
        "Annotations",
        "SourceIps",
    ],
    time_paths: &[
        "stageTimestamp",
        "properties.log.stageTimestamp",
        "log_s.stageTimestamp",
        "StageReceivedTime",
        "requestReceivedTimestamp",
        "properties.log.requestReceivedTimestamp",
        "log_s.requestReceivedTimestamp",
        "RequestReceivedTime",
        "time",
        "TimeGenerated",
        "TimeGenerated [UTC]",
    ],
    identity: Identity {
        natural: &[&[AUDIT_ID, STAGE, STAGE_TIME], &[AUDIT_ID, STAGE]],
        otherwise: Otherwise::Locator,
    },
    derivations: DERIVATIONS,
};

/// Names that are no paths of the record: public rules ask for `apiGroup` without `objectRef`. The last
/// two find every field a level deeper, in AKS's records.
const ALIASES: &[(&str, &str)] = &[
    ("apiGroup", "objectRef.apiGroup"),
    ("apiGroup", "properties.log.objectRef.apiGroup"),
    ("apiGroup", "log_s.objectRef.apiGroup"),
    ("stageTimestamp", "StageReceivedTime"),
    ("requestReceivedTimestamp", "RequestReceivedTime"),
    ("*", "properties.log.*"),
    ("*", "log_s.*"),
];

const AUDIT_ID: &str = "auditID | properties.log.auditID | log_s.auditID";

const STAGE: &str = "stage | properties.log.stage | log_s.stage";

const STAGE_TIME: &str =
    "stageTimestamp | properties.log.stageTimestamp | log_s.stageTimestamp | StageReceivedTime";

/// The stages of a request.
const STAGES: &[&str] = &["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];

/// The categories of AKS that hold audit events: all of them, and all but `get` and `list`.
const AKS_CATEGORIES: &[&str] = &["kube-audit", "kube-audit-admin"];

/// An audit event says its API group, or is an `Event` with a verb and what it was about (the objects
/// that `kubectl get events` lists are about an `involvedObject`), or says its id and its stage. AKS's
/// record says its category.
fn recognise(inputs: &Inputs<'_>) -> bool {
    let is = |input: usize, word: &str| inputs.string(input).is_some_and(|is| is.eq_ignore_ascii_case(word));
    if AKS_CATEGORIES.iter().any(|category| is(10, category)) {
        return inputs.has(11) || inputs.has(12);
    }
    match inputs.string(1) {
        Some(version) if !version.starts_with("audit.k8s.io/") => return false,
        Some(_) => return is(0, "Event"),
        None => {}
    }
    let about = (5..=8).any(|input| inputs.has(input));
    match inputs.string(0) {
        Some(_) => is(0, "Event") && inputs.has(4) && about && !inputs.has(9),
        None => inputs.has(2) && STAGES.iter().any(|stage| is(3, stage)) && (inputs.has(4) || about),
    }
}

/// Two fields of pods that public rules ask for by their bare names. They may stand in a pod, in the
/// template of a workload or of a job, and in each kind of container: all of them count, for one that is
/// harmless must not hide another.
const COMPUTED: &[Derivation] = &[
    Derivation { column: "hostPath", inputs: HOST_PATHS, derive: all_texts },
    Derivation { column: "capabilities", inputs: CAPABILITIES, derive: all_texts },
];

const HOST_PATHS: &[&str] = &[
    "requestObject.spec.volumes.hostPath.path",
    "requestObject.spec.template.spec.volumes.hostPath.path",
    "requestObject.spec.jobTemplate.spec.template.spec.volumes.hostPath.path",
];

const CAPABILITIES: &[&str] = &[
    "requestObject.spec.containers.securityContext.capabilities.add",
    "requestObject.spec.initContainers.securityContext.capabilities.add",
    "requestObject.spec.ephemeralContainers.securityContext.capabilities.add",
    "requestObject.spec.template.spec.containers.securityContext.capabilities.add",
    "requestObject.spec.template.spec.initContainers.securityContext.capabilities.add",
    "requestObject.spec.jobTemplate.spec.template.spec.containers.securityContext.capabilities.add",
    "requestObject.spec.jobTemplate.spec.template.spec.initContainers.securityContext.capabilities.add",
];

/// Every text in any of the inputs, lists opened.
fn all_texts(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let mut texts = Vec::new();
    for found in (0..inputs.len()).flat_map(|input| inputs.texts(input)) {
        if let Ok(value) = parse(found) {
            value.for_each_leaf(&mut |leaf| {
                if let Value::String(text) = leaf {
                    texts.push(text.clone().into_owned());
                }
            });
        }
    }
    (!texts.is_empty()).then_some(ColumnValue::List(texts))
}

const DERIVATIONS: &[Derivation] = &[
    Derivation { column: "provider", inputs: identity::PROVIDER_INPUTS, derive: identity::provider },
    Derivation { column: "principal", inputs: &["user.username"], derive: identity::principal },
    Derivation { column: "principal_type", inputs: &["user.username"], derive: identity::principal_type },
    Derivation { column: "principal_name", inputs: &["user.username"], derive: identity::principal_name },
    Derivation { column: "session_name", inputs: identity::SESSION_INPUTS, derive: identity::session_name },
    Derivation { column: "session_id", inputs: identity::CREDENTIAL_INPUTS, derive: identity::session_id },
    Derivation {
        column: "credential_id",
        inputs: identity::CREDENTIAL_INPUTS,
        derive: identity::credential_id,
    },
    Derivation {
        column: "credential_kind",
        inputs: identity::CREDENTIAL_INPUTS,
        derive: identity::credential_kind,
    },
    Derivation { column: "src_ip", inputs: &["sourceIPs"], derive: src_ip },
    Derivation { column: "src_ip_kind", inputs: &["sourceIPs"], derive: src_ip_kind },
    Derivation { column: "src_net", inputs: &["sourceIPs"], derive: src_net },
    Derivation { column: "user_agent", inputs: &["userAgent"], derive: first },
    Derivation { column: "account", inputs: &["resourceId", "_ResourceId"], derive: identity::cluster },
    Derivation { column: "service", inputs: &[], derive: |_| text("kubernetes") },
    Derivation { column: "action", inputs: action::INPUTS, derive: action::action },
    Derivation { column: "action_kind", inputs: action::INPUTS, derive: action::kind },
    Derivation { column: "outcome", inputs: action::OUTCOME_INPUTS, derive: action::outcome },
    Derivation { column: "error_code", inputs: action::OUTCOME_INPUTS, derive: action::error_code },
    Derivation { column: "error_message", inputs: action::OUTCOME_INPUTS, derive: action::error_message },
    Derivation { column: "target", inputs: target::INPUTS, derive: target::target },
    Derivation { column: "target_type", inputs: target::INPUTS, derive: target::target_type },
    Derivation { column: "target_user", inputs: &["impersonatedUser.username"], derive: identity::principal },
    Derivation { column: "passed_role", inputs: target::PASSED_ROLE_INPUTS, derive: target::passed_role },
    Derivation { column: "grants", inputs: grants::INPUTS, derive: grants::grants },
    Derivation { column: "grants_public", inputs: grants::INPUTS, derive: grants::public },
    Derivation { column: "grants_external", inputs: grants::INPUTS, derive: grants::external },
    Derivation { column: "correlation_uid", inputs: &["auditID"], derive: first },
    Derivation { column: "k8s_namespace", inputs: &["objectRef.namespace"], derive: first },
];

/// The texts of a list, or the one text.
fn texts_of_list<'a>(inputs: &Inputs<'a>, input: usize) -> Vec<Cow<'a, str>> {
    if let Some(text) = inputs.string(input) {
        return vec![text];
    }
    let Some(Ok(Value::Array(values))) = inputs.text(input).map(parse) else { return Vec::new() };
    let texts = values.into_iter().filter_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    texts.collect()
}

/// The first of several texts in a list, or the one text: the values of `user.extra`.
fn first_of_list<'a>(inputs: &Inputs<'a>, input: usize) -> Option<Cow<'a, str>> {
    texts_of_list(inputs, input).into_iter().next()
}

/// Of `sourceIPs` the one that a client outside cannot have made up: what stands before it, it can.
fn caller<'a>(inputs: &Inputs<'a>) -> Option<Cow<'a, str>> {
    let mut addresses = texts_of_list(inputs, 0);
    let public = addresses.iter().rposition(|address| Address::parse(address).kind() == "public");
    match public {
        Some(public) => Some(addresses.swap_remove(public)),
        None => addresses.pop(),
    }
}

fn src_ip(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(without_port(&caller(inputs)?))
}

fn src_ip_kind(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(Address::parse(&caller(inputs)?).kind())
}

fn src_net(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(Address::parse(&caller(inputs)?).network()?)
}

#[cfg(test)]
mod tests;
