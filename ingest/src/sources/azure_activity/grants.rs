//! What a request grants, and to whom.
//!
//! In: the operation and the bodies of request and answer. The request stands in the record of the
//! start, the answer in that of the end, both as texts. Out: `ADD|<principal>|<role>` for each, whether
//! one is to everyone or outside.
//!
//! | operation | principal | what |
//! |---|---|---|
//! | `roleAssignments/write`, `/delete` (`REMOVE`) | object id | id of the role's definition |
//! | `registrationDefinitions/write`: resources put into another tenant's hands | object id there | the same |
//! | `blobServices/containers/write` with `publicAccess` | `*` | `publicAccess/Blob`, `publicAccess/Container` |
//!
//! Everyone is also a principal of a role (`Everyone`). That a principal comes from outside is said only
//! of a group of another tenant (`ForeignGroup`) and of resources in other hands; a user may be a guest,
//! which no record tells, and then nothing is said. A failed request is derived too: what it tried.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::super::azure::body::held;
use super::super::azure::claims;
use super::super::json_value::{get, scalar};
use super::operation::operation;
use super::{Inputs, text};
use crate::limits::MAX_GRANTS;

/// The inputs of `operation`, then the bodies.
pub(super) const INPUTS: &[&str] = &[
    "operationName.value | operation_name.value",
    "operationName",
    "OperationNameValue",
    "properties.message",
    "authorization.action",
    "properties.requestbody",
    "properties.responseBody",
];

const BODIES: [usize; 2] = [5, 6];

/// How a body is read, by the end of its operation.
type Reader = fn(&Value<'_>, &Inputs<'_>) -> Option<Grants>;

const READERS: &[(&str, Reader)] = &[
    ("/roleassignments/write", |body, _| role_assignment(body, "ADD")),
    ("/roleassignments/delete", |body, _| role_assignment(body, "REMOVE")),
    ("/registrationdefinitions/write", delegation),
    ("/blobservices/containers/write", |body, _| container(body)),
];

/// What one request grants.
struct Grants {
    list: Vec<String>,
    user: Option<String>,
    public: bool,
    /// Whether a grant is to the outside, where that can be known.
    external: Option<bool>,
}

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::List(grants.list))
}

pub(super) fn public(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::Bool(grants.public))
}

pub(super) fn external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    // everyone is a stranger too
    read(inputs)
        .and_then(|grants| if grants.public { Some(true) } else { grants.external })
        .map(ColumnValue::Bool)
}

/// Who is given a role or loses it.
pub(super) fn target_user(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(read(inputs)?.user?)
}

fn read(inputs: &Inputs<'_>) -> Option<Grants> {
    let operation = operation(inputs)?.to_lowercase();
    let (_, reader) = READERS.iter().find(|(end, _)| operation.ends_with(end))?;
    BODIES.into_iter().find_map(|input| {
        let held = held(inputs, input)?;
        reader(&parse(held.trim()).ok()?, inputs)
    })
}

/// `{"properties":{"principalId":…,"principalType":…,"roleDefinitionId":…}}`; of old versions without
/// the kind of principal.
fn role_assignment(body: &Value<'_>, change: &str) -> Option<Grants> {
    let properties = get(body, "properties").unwrap_or(body);
    let principal = claims::normal(get(properties, "principalId").and_then(scalar)?)?;
    let role = role(properties)?;
    let kind = get(properties, "principalType").and_then(scalar).unwrap_or_default();
    let adds = change == "ADD";
    let is_kind = |name: &str| adds && kind.eq_ignore_ascii_case(name);
    let public = is_kind("Everyone");
    let named = if public { "*" } else { &principal };
    Some(Grants {
        list: vec![format!("{change}|{named}|{role}")],
        user: (!public).then(|| principal.clone()),
        public,
        external: if adds { is_kind("ForeignGroup").then_some(true) } else { Some(false) },
    })
}

/// `{"properties":{"managedByTenantId":…,"authorizations":[{"principalId":…,"roleDefinitionId":…}]}}`
fn delegation(body: &Value<'_>, inputs: &Inputs<'_>) -> Option<Grants> {
    let properties = get(body, "properties").unwrap_or(body);
    let tenant = get(properties, "managedByTenantId").and_then(scalar)?;
    let lists = ["authorizations", "eligibleAuthorizations"].map(|list| get(properties, list));
    let all = lists.into_iter().flatten().filter_map(|list| match list {
        Value::Array(authorizations) => Some(authorizations),
        _ => None,
    });
    let grant = |authorization: &Value<'_>| {
        let principal = claims::normal(get(authorization, "principalId").and_then(scalar)?)?;
        Some(format!("ADD|{principal}|{}", role(authorization)?))
    };
    let list: Vec<String> = all.flatten().filter_map(grant).take(MAX_GRANTS).collect();
    let external = Some(!inputs.environment().owns_account(tenant));
    (!list.is_empty()).then_some(Grants { list, user: None, public: false, external })
}

/// The id of a role's definition, without the place where it is defined.
fn role(of: &Value<'_>) -> Option<String> {
    let id = get(of, "roleDefinitionId").and_then(scalar)?.trim_end_matches('/');
    claims::normal(id.rsplit('/').next()?)
}

/// `{"properties":{"publicAccess":"Blob"}}`: single blobs, or `Container`: their list too. `None` grants
/// nothing.
fn container(body: &Value<'_>) -> Option<Grants> {
    let properties = get(body, "properties").unwrap_or(body);
    let access = get(properties, "publicAccess").and_then(scalar)?;
    let access = ["Blob", "Container"].into_iter().find(|name| name.eq_ignore_ascii_case(access))?;
    let list = vec![format!("ADD|*|publicAccess/{access}")];
    Some(Grants { list, user: None, public: true, external: Some(false) })
}
