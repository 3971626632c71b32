//! What the logs of Microsoft Entra ID share: three delivery forms, the tenant, names of people, the
//! place of an address, and the lists of keys and values in which details stand.
//!
//! In: the inputs of a derivation. Out: the value of its column.
//!
//! | form | where the fields of a record stand | peculiar to it |
//! |---|---|---|
//! | Event Hubs and storage (diagnostic settings) | in `properties`, under Graph's names | around them `time`, `category`, `operationName`, `resultType`, `tenantId`, `location` |
//! | Microsoft Graph | at the top | no category, no operation, no tenant |
//! | Log Analytics | at the top, the first letter a capital | `Type` is the table; columns of type dynamic come as objects or as JSON in strings; `TenantId` is the workspace, `AADTenantId` the tenant |
//!
//! Names are found in any case, so the aliases `*` → `properties.*` and `properties.*` → `*` make nearly
//! every name of one form find its value in the others.
//!
//! Format: "Microsoft Entra activity logs schema", "Sign-in log schema in Azure Monitor", "Interpret the
//! audit log schema in Azure Monitor"; Azure Monitor table reference.

mod place;

pub(super) use place::{COORDINATES, COUNTRY_INPUTS, country, latitude, longitude};

use std::borrow::Cow;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::Inputs;
use super::derive::text;
use super::json_value::{elements, get, string};

/// The provider of whose tenants these are the logs stands so in their resource ids.
const DIRECTORY: &str = "microsoft.aadiam";

/// Whether a resource id is that of a directory: `/tenants/…/providers/Microsoft.aadiam`.
pub(super) fn is_directory(resource: &str) -> bool {
    resource.to_ascii_lowercase().contains(DIRECTORY)
}

/// Whether a name is one of several, in any case.
pub(super) fn is_any(name: &str, of: &[&str]) -> bool {
    of.iter().any(|other| other.eq_ignore_ascii_case(name))
}

pub(super) const TENANT_INPUTS: &[&str] =
    &["AADTenantId", "tenantId", "resourceId", "Type", "TimeGenerated", "homeTenantId", "resourceTenantId"];

/// The tenant whose log it is. `TenantId` of Log Analytics is a workspace, so there another field must
/// say it. Graph's rows do not say it; where home and resource are one tenant it can be no other.
pub(super) fn tenant(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    if let Some(tenant) = inputs.string(0) {
        return text(tenant);
    }
    let is_table_row = inputs.has(3) || inputs.has(4);
    if let Some(tenant) = inputs.string(1).filter(|_| !is_table_row) {
        return text(tenant);
    }
    if let Some(tenant) = inputs.string(2).as_deref().and_then(tenant_of) {
        return text(tenant);
    }
    let (home, resource) = (inputs.string(5)?, inputs.string(6)?);
    text(Some(home).filter(|home| *home == resource)?)
}

/// `/tenants/<id>/providers/Microsoft.aadiam` → `<id>`.
fn tenant_of(resource: &str) -> Option<&str> {
    let mut parts = resource.strip_prefix('/')?.split('/');
    parts.next().filter(|first| first.eq_ignore_ascii_case("tenants"))?;
    parts.next().filter(|tenant| !tenant.is_empty())
}

/// A name by which a principal is known: an address or an id in lower case, because the logs write them
/// now so and now so; any other name as it stands. The id of nobody is none.
pub(super) fn principal_id(name: &str) -> Option<String> {
    match name.trim() {
        "" | "00000000-0000-0000-0000-000000000000" => None,
        name if name.contains('@') || is_id(name) => Some(name.to_lowercase()),
        name => Some(name.to_owned()),
    }
}

fn is_id(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The first of several inputs that names a principal.
pub(super) fn first_principal(inputs: &Inputs<'_>, at: &[usize]) -> Option<String> {
    at.iter().find_map(|input| principal_id(&inputs.string(*input)?))
}

/// The value of a key in a list of `{"key": …, "value": …}`, of which some forms write `Key` and `Value`.
pub(super) fn detail(list: &str, key: &str) -> Option<String> {
    let list = parse(list).ok()?;
    let entry = elements(&list).iter().find(|entry| {
        get(entry, "key").and_then(string).is_some_and(|name| name.eq_ignore_ascii_case(key))
    })?;
    let value = get(entry, "value").and_then(string)?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// What a modified property holds: audit logs write its value as JSON in a string (`"\"Reader\""`,
/// `"[\"Reader\"]"`), but not always.
pub(super) fn property_text(value: &Value<'_>) -> Option<String> {
    let raw = string(value)?;
    let held = match parse(raw) {
        Ok(Value::String(text)) => text,
        Ok(Value::Array(items)) => match items.first() {
            Some(Value::String(text)) => text.clone(),
            _ => return None,
        },
        Ok(Value::Null) => return None,
        _ => Cow::Borrowed(raw),
    };
    let held = held.trim();
    (!held.is_empty()).then(|| held.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_id_names_its_tenant() {
        for (resource, tenant, directory) in [
            ("/tenants/t-1/providers/Microsoft.aadiam", Some("t-1"), true),
            ("/TENANTS/t-1/PROVIDERS/MICROSOFT.AADIAM", Some("t-1"), true),
            ("/tenants//providers/Microsoft.aadiam", None, true),
            ("/subscriptions/s-1/providers/Microsoft.Authorization", None, false),
            ("00000003-0000-0000-c000-000000000000", None, false),
            ("", None, false),
        ] {
            assert_eq!((tenant_of(resource), is_directory(resource)), (tenant, directory), "{resource}");
        }
    }

    #[test]
    fn a_principal_is_an_address_or_id_in_lower_case() {
        for (name, principal) in [
            ("Ada@Example.com", Some("ada@example.com")),
            ("B1C34143-E405", Some("b1c34143-e405")),
            ("MS-PIM", Some("MS-PIM")),
            (" ", None),
            ("00000000-0000-0000-0000-000000000000", None),
        ] {
            assert_eq!(principal_id(name).as_deref(), principal, "{name}");
        }
    }

    #[test]
    fn a_detail_is_found_by_its_key() {
        for (list, value) in [
            (r#"[{"key":"a","value":"1"},{"key":"User-Agent","value":" curl "}]"#, Some("curl")),
            (r#"[{"Key":"user-agent","Value":"curl"}]"#, Some("curl")),
            (r#"[{"key":"User-Agent","value":""}]"#, None),
            (r#"[{"key":"User-Agent"}]"#, None),
            (r#"[null,1,"x"]"#, None),
            (r#"{"User-Agent":"curl"}"#, None),
            (r#"[{"key":"#, None),
            ("\"None\"", None),
        ] {
            assert_eq!(detail(list, "User-Agent").as_deref(), value, "{list}");
        }
    }

    #[test]
    fn a_property_is_read_out_of_the_json_that_its_value_is() {
        for (value, held) in [
            (r#""\"Global Administrator\"""#, Some("Global Administrator")),
            (r#""[\"Guest\"]""#, Some("Guest")),
            (r#""Global Administrator""#, Some("Global Administrator")),
            (r#""\" Mail.Read\"""#, Some("Mail.Read")),
            (r#""true""#, Some("true")),
            (r#""\"\"""#, None),
            (r#""[]""#, None),
            (r#""null""#, None),
            ("null", None),
            ("12", None),
        ] {
            assert_eq!(property_text(&parse(value).unwrap()).as_deref(), held, "{value}");
        }
    }
}
