//! What a binding gives, and to whom.
//!
//! In: the request body of a change to a `RoleBinding` or `ClusterRoleBinding` (audit level `Request`
//! or above; the response where the request has none). Out: `ADD|<subject>|<role>`, or `SET|…` where
//! the list is replaced as a whole: by an update and by a merge patch. A failed request is derived too:
//! what it tried.
//!
//! | subject | written as |
//! |---|---|
//! | `User` | its name, as `principal` has it |
//! | `ServiceAccount` | `system:serviceaccount:<namespace>:<name>`, as `principal` has it |
//! | `Group` | `group:<name>` |
//!
//! A cluster role is its name, a role `<namespace>/<name>`. A patch cannot change the role and seldom
//! says it: then the response does, or the binding's own name stands for it.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::super::json_value::{get, string};
use super::Inputs;
use crate::limits::MAX_GRANTS;

pub(super) const INPUTS: &[&str] = &[
    "verb",
    "objectRef.resource",
    "objectRef.namespace",
    "objectRef.name",
    "requestObject",
    "responseObject",
];

const NAMESPACE: usize = 2;
const REQUEST: usize = 4;
const RESPONSE: usize = 5;

/// Names that stand for everybody who reaches the cluster, with a credential or without.
const EVERYONE: &[&str] = &["system:anonymous", "system:unauthenticated", "system:authenticated"];

/// All that one request gives.
#[derive(Default)]
struct Grants {
    list: Vec<String>,
    any: bool,
    public: bool,
    /// Mail addresses that something is given to.
    addresses: Vec<String>,
}

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::List(grants.list))
}

pub(super) fn public(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::Bool(grants.public))
}

/// A grant to everyone, or to a mail address of somebody else's domain. Where nobody has said which domains are their
/// own, that cannot be known of any address.
pub(super) fn external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let grants = read(inputs)?;
    let environment = inputs.environment();
    if grants.public || grants.addresses.is_empty() {
        return Some(ColumnValue::Bool(grants.public));
    }
    if environment.own_domains.is_empty() {
        return None;
    }
    Some(ColumnValue::Bool(grants.addresses.iter().any(|address| !environment.owns_domain_of(address))))
}

fn read(inputs: &Inputs<'_>) -> Option<Grants> {
    let resource = inputs.string(1)?;
    if !["rolebindings", "clusterrolebindings"].iter().any(|name| name.eq_ignore_ascii_case(&resource)) {
        return None;
    }
    let verb = inputs.string(0)?.to_lowercase();
    let word = match verb.as_str() {
        "create" => "ADD",
        "update" | "patch" | "replace" => "SET",
        _ => return None,
    };
    let object = |input: usize| inputs.text(input).and_then(|text| parse(text).ok());
    let (request, response) = (object(REQUEST), object(RESPONSE));
    let role = role_of(inputs, request.as_ref(), response.as_ref());
    let mut grants = Grants::default();
    match &request {
        Some(Value::Array(changes)) => grants.read_changes(changes, &role),
        Some(body @ Value::Object(_)) => grants.read_subjects(word, get(body, "subjects"), &role),
        _ => grants.read_subjects(word, response.as_ref().and_then(|body| get(body, "subjects")), &role),
    }
    grants.any.then_some(grants)
}

/// The role that is given.
fn role_of(inputs: &Inputs<'_>, request: Option<&Value<'_>>, response: Option<&Value<'_>>) -> String {
    let reference = [request, response].into_iter().flatten().find_map(|body| get(body, "roleRef"));
    if let Some(reference) = reference
        && let Some(name) = get(reference, "name").and_then(string)
    {
        let is_role =
            get(reference, "kind").and_then(string).is_some_and(|kind| kind.eq_ignore_ascii_case("Role"));
        return match inputs.string(NAMESPACE) {
            Some(namespace) if is_role => format!("{namespace}/{name}"),
            _ => name.to_owned(),
        };
    }
    let binding = inputs.string(3).unwrap_or_default();
    format!("{}/{binding}", inputs.string(1).unwrap_or_default())
}

impl Grants {
    /// The operations of a JSON patch: one subject added, or all of them set.
    fn read_changes(&mut self, changes: &[Value<'_>], role: &str) {
        for change in changes {
            let member = |name: &str| get(change, name).and_then(string).unwrap_or_default();
            let adds = matches!(member("op"), "add" | "replace");
            match member("path").strip_prefix("/subjects") {
                Some("") if adds => self.read_subjects("SET", get(change, "value"), role),
                Some(at) if adds && at.matches('/').count() == 1 => {
                    if let Some(subject) = get(change, "value") {
                        self.read_subject("ADD", subject, role);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_subjects(&mut self, word: &str, subjects: Option<&Value<'_>>, role: &str) {
        if let Some(Value::Array(subjects)) = subjects {
            subjects.iter().for_each(|subject| self.read_subject(word, subject, role));
        }
    }

    fn read_subject(&mut self, word: &str, subject: &Value<'_>, role: &str) {
        let Some(name) = get(subject, "name").and_then(string) else { return };
        let kind = get(subject, "kind").and_then(string).unwrap_or("User");
        let who = match kind {
            "ServiceAccount" => {
                let namespace = get(subject, "namespace").and_then(string).unwrap_or_default();
                format!("system:serviceaccount:{namespace}:{name}")
            }
            "Group" => format!("group:{name}"),
            _ => name.to_owned(),
        };
        if kind != "ServiceAccount" {
            self.public |= EVERYONE.contains(&name);
            if name.contains('@') {
                self.addresses.push(name.to_owned());
            }
        }
        self.any = true;
        if self.list.len() < MAX_GRANTS {
            self.list.push(format!("{word}|{who}|{role}"));
        }
    }
}
