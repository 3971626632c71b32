//! What a change of policy grants, and to whom.
//!
//! In: the changes that an entry reports, or where it reports none the policy that was set. Out:
//! `ADD|<member>|<role>`, `REMOVE|…` or `SET|…` for each, and whether one is to everyone or to a
//! stranger. A failed call is derived too: what it tried.
//!
//! | where | gives |
//! |---|---|
//! | `serviceData.policyDelta.bindingDeltas` (IAM, Cloud Storage), `bindingDeltas` of BigQuery's metadata | `ADD`, `REMOVE` |
//! | `request.policy.bindings` of a call that sets a policy, `acl.policy.bindings` of BigQuery's metadata | `SET` |
//! | `InsertProjectOwnershipInvite` | `ADD\|<member>\|roles/owner` |
//!
//! Members keep Google Cloud's own spelling (`user:ada@example.com`, `allUsers`). Who is a stranger
//! is known only against the user's own domains and projects: where these are not given, a grant to a
//! person or project is neither external nor not, and the column is absent. A grant to everyone is
//! always external. Conditions of a binding are not looked at: what they narrow cannot be told.

use std::borrow::Cow;
use std::collections::BTreeSet;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::super::json_value::{elements, get, string};
use super::Inputs;
use crate::environment::Environment;
use crate::limits::MAX_GRANTS;

pub(super) const INPUTS: &[&str] = &[
    "protoPayload.methodName",
    "resource.labels.project_id",
    "protoPayload.request.member",
    "protoPayload.serviceData.policyDelta.bindingDeltas",
    "protoPayload.metadata.policyDelta.bindingDeltas",
    "protoPayload.metadata.datasetChange.bindingDeltas",
    "protoPayload.metadata.tableChange.bindingDeltas",
    "protoPayload.request.policy.bindings",
    "protoPayload.request.bindings",
    "protoPayload.metadata.datasetChange.dataset.acl.policy.bindings",
    "protoPayload.metadata.datasetCreation.dataset.acl.policy.bindings",
    "protoPayload.metadata.tableChange.table.acl.policy.bindings",
];

const METHOD: usize = 0;
const PROJECT: usize = 1;
const INVITED: usize = 2;
const DELTAS: std::ops::Range<usize> = 3..7;
const REQUESTED: std::ops::Range<usize> = 7..9;
const REPORTED: std::ops::Range<usize> = 9..12;

/// All that one entry grants or takes.
#[derive(Default)]
struct Grants {
    list: Vec<String>,
    any: bool,
    public: bool,
    /// Members that something is granted to, without those that stand for everyone. They may be as many as fit into an
    /// event, all but one of them the user's own.
    members: BTreeSet<String>,
}

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::List(grants.list))
}

pub(super) fn public(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::Bool(grants.public))
}

pub(super) fn external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let grants = read(inputs)?;
    if grants.public {
        return Some(ColumnValue::Bool(true));
    }
    let project = inputs.scalar(PROJECT);
    let circle = Circle { environment: inputs.environment(), project: project.as_deref() };
    let mut known = true;
    for member in &grants.members {
        match circle.is_stranger(member) {
            Some(true) => return Some(ColumnValue::Bool(true)),
            Some(false) => {}
            None => known = false,
        }
    }
    known.then_some(ColumnValue::Bool(false))
}

fn read(inputs: &Inputs<'_>) -> Option<Grants> {
    let method = inputs.string(METHOD).unwrap_or_default();
    let mut grants = Grants::default();
    for deltas in DELTAS.filter_map(|input| inputs.text(input)) {
        grants.read_deltas(deltas);
    }
    if !grants.any {
        let requested = if sets_policy(&method) { REQUESTED } else { 0..0 };
        for bindings in requested.chain(REPORTED).filter_map(|input| inputs.text(input)) {
            grants.read_bindings(bindings);
        }
    }
    if method.ends_with("InsertProjectOwnershipInvite")
        && let Some(member) = inputs.string(INVITED)
    {
        grants.add("ADD", &member, "roles/owner");
    }
    grants.any.then_some(grants)
}

/// `SetIamPolicy`, `google.iam.admin.v1.SetIAMPolicy`, `storage.setIamPermissions`. Others that hold
/// a policy only ask about it.
fn sets_policy(method: &str) -> bool {
    let call = method.rsplit('.').next().unwrap_or_default().to_lowercase();
    matches!(call.as_str(), "setiampolicy" | "setiampermissions")
}

impl Grants {
    fn add(&mut self, what: &str, member: &str, role: &str) {
        self.any = true;
        if what != "REMOVE" {
            if is_everyone(member) {
                self.public = true;
            } else if !self.members.contains(member) {
                self.members.insert(member.to_owned());
            }
        }
        if self.list.len() < MAX_GRANTS {
            self.list.push(format!("{what}|{member}|{role}"));
        }
    }

    fn read_deltas(&mut self, deltas: &str) {
        let Ok(deltas) = parse(deltas) else { return };
        for delta in elements(&deltas) {
            let word = |key| get(delta, key).and_then(string);
            let (Some(action), Some(member)) = (word("action"), word("member")) else { continue };
            self.add(&action.to_uppercase(), member, word("role").unwrap_or_default());
        }
    }

    fn read_bindings(&mut self, bindings: &str) {
        let Ok(bindings) = parse(bindings) else { return };
        for binding in elements(&bindings) {
            let role = get(binding, "role").and_then(string).unwrap_or_default();
            let members = get(binding, "members").map(elements).unwrap_or_default();
            members.iter().filter_map(|member: &Value<'_>| string(member)).for_each(|member| {
                self.add("SET", member, role);
            });
        }
    }
}

fn is_everyone(member: &str) -> bool {
    matches!(member, "allUsers" | "allAuthenticatedUsers") || member.ends_with("//goog/public:all")
}

/// Whom the user knows.
struct Circle<'a> {
    environment: &'a Environment,
    /// The project of the entry.
    project: Option<&'a str>,
}

impl Circle<'_> {
    /// Whether a member is none of the user's own; `None` where that cannot be known.
    fn is_stranger(&self, member: &str) -> Option<bool> {
        let (kind, name) = member.split_once(':')?;
        match kind {
            "user" | "group" | "domain" => self.is_foreign_domain(name),
            "serviceAccount" => self.is_foreign_account(name),
            "projectOwner" | "projectEditor" | "projectViewer" => self.is_foreign_project(name),
            // who has been deleted cannot use what they are granted
            "deleted" => Some(false),
            "principal" | "principalSet" => self.is_foreign_identity(name),
            _ => None,
        }
    }

    fn is_foreign_domain(&self, address: &str) -> Option<bool> {
        let known = !self.environment.own_domains.is_empty();
        known.then(|| !self.environment.owns_domain_of(address))
    }

    fn is_foreign_project(&self, project: &str) -> Option<bool> {
        if self.project.is_some_and(|own| own.eq_ignore_ascii_case(project)) {
            return Some(false);
        }
        let known = !self.environment.own_accounts.is_empty();
        known.then(|| !self.environment.owns_account(project))
    }

    /// A service account is of the project that its address names. The agents of Google's own
    /// services act for the project that they serve.
    fn is_foreign_account(&self, address: &str) -> Option<bool> {
        if let Some((project, _)) = address.split_once(".svc.id.goog[") {
            return self.is_foreign_project(project);
        }
        let (name, host) = address.split_once('@')?;
        let host = host.strip_suffix("gserviceaccount.com")?;
        let of_google = || host.strip_suffix(".iam.").is_some_and(is_of_google);
        if name.strip_prefix("service-").is_some_and(is_number) && of_google() {
            return Some(false);
        }
        match host {
            "appspot." => self.is_foreign_project(name),
            // accounts that are called by the project's number
            "developer." | "cloudservices." => {
                let number = name.strip_suffix("-compute").unwrap_or(name);
                self.environment.owns_account(number).then_some(false)
            }
            host => self.is_foreign_project(&project_of(host.strip_suffix(".iam.")?)),
        }
    }

    /// An identity of a pool or of Google's own directory. A pool is known by its project's number.
    fn is_foreign_identity(&self, name: &str) -> Option<bool> {
        if let Some((_, address)) = name.split_once("//goog/") {
            return self.is_foreign_domain(address.rsplit('/').next()?);
        }
        let number = name.split_once("/projects/")?.1.split('/').next()?;
        self.environment.owns_account(number).then_some(false)
    }
}

/// Whether a project is one in which Google's services keep their agents: anybody may name an account of their own
/// project as agents are named.
/// Source: <https://cloud.google.com/iam/docs/service-agents>.
fn is_of_google(project: &str) -> bool {
    const PROJECTS: [&str; 25] = [
        "bigquery-encryption",
        "cloud-cdn-fill",
        "cloud-filer",
        "cloud-memcache-sa",
        "cloud-redis",
        "cloud-tpu",
        "cloudcomposer-accounts",
        "compute-system",
        "container-analysis",
        "container-engine-robot",
        "containerregistry",
        "dataflow-service-producer-prod",
        "dataproc-accounts",
        "dlp-api",
        "endpoints-portal",
        "firebase-rules",
        "gcf-admin-robot",
        "gcp-gae-service",
        "gs-project-accounts",
        "remotebuildexecution",
        "serverless-robot-prod",
        "service-consumer-management",
        "service-networking",
        "sourcerepo-service-accounts",
        "trifacta-gcloud-prod",
    ];
    project.starts_with("gcp-sa-") || project.ends_with(".google.com") || PROJECTS.contains(&project)
}

/// A project of a domain's own (`example.com:web`) is written `web.example.com` in a host name.
fn project_of(host: &str) -> Cow<'_, str> {
    match host.split_once('.') {
        Some((project, domain)) => Cow::Owned(format!("{domain}:{project}")),
        None => Cow::Borrowed(host),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
