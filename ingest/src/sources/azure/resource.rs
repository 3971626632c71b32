//! Resource ids: where something stands and what it is.
//!
//! In: `/subscriptions/<id>/resourceGroups/<name>/providers/<namespace>/<type>/<name>/…`, in any case,
//! with a resource of another provider below it (`…/providers/Microsoft.Insights/diagnosticSettings/x`),
//! or without a subscription (`/providers/Microsoft.Management/managementGroups/x`). Out: the id in
//! lower case, its subscription, and the kind of thing that it names.
//!
//! Format: Azure Resource Manager documentation, "Resource providers and resource types" and the ids of
//! "Scope for resources".

use virga_engine::event::ColumnValue;

use super::super::Inputs;
use super::super::derive::text;

/// What is called by one word in every cloud, or has a plain one. What is not here keeps its type.
const KINDS: &[(&str, &str)] = &[
    ("microsoft.authorization/locks", "lock"),
    ("microsoft.authorization/policyassignments", "policy"),
    ("microsoft.authorization/policydefinitions", "policy"),
    ("microsoft.authorization/roleassignments", "role_assignment"),
    ("microsoft.authorization/roledefinitions", "role"),
    ("microsoft.cognitiveservices/accounts", "ai_account"),
    ("microsoft.cognitiveservices/accounts/deployments", "ai_deployment"),
    ("microsoft.compute/disks", "volume"),
    ("microsoft.compute/images", "image"),
    ("microsoft.compute/snapshots", "snapshot"),
    ("microsoft.compute/virtualmachines", "instance"),
    ("microsoft.containerregistry/registries", "registry"),
    ("microsoft.containerservice/managedclusters", "cluster"),
    ("microsoft.documentdb/databaseaccounts", "database"),
    ("microsoft.insights/diagnosticsettings", "diagnostic_setting"),
    ("microsoft.keyvault/locations/deletedvaults", "vault"),
    ("microsoft.keyvault/vaults", "vault"),
    ("microsoft.keyvault/vaults/keys", "key"),
    ("microsoft.keyvault/vaults/secrets", "secret"),
    ("microsoft.kubernetes/connectedclusters", "cluster"),
    ("microsoft.machinelearningservices/workspaces", "ml_workspace"),
    ("microsoft.machinelearningservices/workspaces/onlineendpoints", "endpoint"),
    ("microsoft.managedidentity/userassignedidentities", "identity"),
    ("microsoft.management/managementgroups", "management_group"),
    ("microsoft.network/azurefirewalls", "firewall"),
    ("microsoft.network/networksecuritygroups", "security_group"),
    ("microsoft.network/networksecuritygroups/securityrules", "security_group"),
    ("microsoft.network/routetables", "route_table"),
    ("microsoft.network/virtualnetworks", "virtual_network"),
    ("microsoft.network/virtualnetworks/subnets", "subnet"),
    ("microsoft.operationalinsights/workspaces", "log_workspace"),
    ("microsoft.resources/deployments", "deployment"),
    ("microsoft.sql/servers/databases", "database"),
    ("microsoft.storage/storageaccounts", "storage_account"),
    ("microsoft.storage/storageaccounts/blobservices/containers", "bucket"),
    ("microsoft.storage/storageaccounts/fileservices/shares", "share"),
];

/// Where a record of a resource's own log has the resource's id; Log Analytics has `_ResourceId` in every
/// table and `ResourceId` in some.
pub(in crate::sources) const ID: &[&str] = &["resourceId | _ResourceId"];

/// Whether an id is of a provider, given in lower case: `microsoft.apimanagement`.
pub(in crate::sources) fn is_of(id: &str, provider: &str) -> bool {
    id.to_lowercase().split("/providers/").nth(1).is_some_and(|rest| {
        rest.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// A resource id in lower case, with the stroke that it begins with and without one at its end.
pub(in crate::sources) fn normal(id: &str) -> Option<String> {
    let id = id.trim().trim_end_matches('/').to_lowercase();
    if id.starts_with("subscriptions/") {
        return Some(format!("/{id}"));
    }
    Some(id).filter(|id| id.starts_with('/'))
}

/// The first input that holds a resource id.
pub(in crate::sources) fn first(inputs: &Inputs<'_>) -> Option<String> {
    (0..inputs.len()).find_map(|input| normal(&inputs.string(input)?))
}

/// A resource id among the inputs, as a column.
pub(in crate::sources) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(first(inputs)?)
}

/// The kind of thing that a resource id among the inputs names.
pub(in crate::sources) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(kind(&first(inputs)?)?)
}

/// The subscription of a resource id among the inputs, or an input that is one itself.
pub(in crate::sources) fn account(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text((0..inputs.len()).find_map(|input| {
        let written = inputs.string(input)?;
        match normal(&written) {
            Some(id) => subscription(&id).map(str::to_owned),
            None => Some(written.trim().to_lowercase()).filter(|id| has_shape_of_guid(id)),
        }
    })?)
}

fn has_shape_of_guid(id: &str) -> bool {
    id.len() == 36 && id.bytes().filter(|byte| *byte == b'-').count() == 4
}

/// The subscription of a resource id in lower case.
pub(in crate::sources) fn subscription(id: &str) -> Option<&str> {
    id.strip_prefix("/subscriptions/")?.split('/').next().filter(|id| !id.is_empty())
}

/// The kind of thing that a resource id in lower case names.
pub(in crate::sources) fn kind(id: &str) -> Option<String> {
    let Some(kind) = resource_type(id) else { return place(id).map(str::to_owned) };
    let word = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, word)| (*word).to_owned());
    Some(word.unwrap_or(kind))
}

/// The type of the last resource of an id: its provider's namespace and the types in it.
fn resource_type(id: &str) -> Option<String> {
    let (_, below) = id.rsplit_once("/providers/")?;
    let mut parts = below.split('/');
    let mut kind = parts.next()?.to_owned();
    let mut named = false;
    // type, name, type, name, …
    while let Some(part) = parts.next() {
        kind.push('/');
        kind.push_str(part);
        named = true;
        parts.next();
    }
    named.then_some(kind)
}

/// What an id names that ends before any provider.
fn place(id: &str) -> Option<&'static str> {
    let mut parts = id.strip_prefix("/subscriptions/")?.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some("subscription"),
        (Some("resourcegroups"), Some(_), None) => Some("resource_group"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_id_says_its_subscription_and_kind() {
        let group = "/subscriptions/S-1/resourceGroups/rg";
        for (id, account, expected) in [
            ("/subscriptions/S-1".to_owned(), Some("s-1"), Some("subscription")),
            ("/subscriptions/S-1/".to_owned(), Some("s-1"), Some("subscription")),
            (group.to_owned(), Some("s-1"), Some("resource_group")),
            (format!("{group}/resources"), Some("s-1"), None),
            (format!("{group}/providers/Microsoft.KeyVault/vaults/v"), Some("s-1"), Some("vault")),
            (format!("{group}/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/V/SECRETS/S"), Some("s-1"), Some("secret")),
            (
                format!(
                    "{group}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default/containers/c"
                ),
                Some("s-1"),
                Some("bucket"),
            ),
            (
                format!(
                    "{group}/providers/Microsoft.KeyVault/vaults/v/providers/Microsoft.Insights/diagnosticSettings/d"
                ),
                Some("s-1"),
                Some("diagnostic_setting"),
            ),
            (
                format!("{group}/providers/Microsoft.Web/sites/s/slots/t"),
                Some("s-1"),
                Some("microsoft.web/sites/slots"),
            ),
            (
                "/providers/Microsoft.Management/managementGroups/mg".to_owned(),
                None,
                Some("management_group"),
            ),
            ("subscriptions/S-1/resourceGroups/rg/".to_owned(), Some("s-1"), Some("resource_group")),
            ("/providers/Microsoft.Authorization".to_owned(), None, None),
            ("/tenants/t".to_owned(), None, None),
            ("/".to_owned(), None, None),
        ] {
            let id = normal(&id).unwrap_or_default();
            assert_eq!(subscription(&id), account, "{id}");
            assert_eq!(kind(&id).as_deref(), expected, "{id}");
        }
        assert_eq!(normal("vault"), None);
        assert!(KINDS.is_sorted());
    }

    #[test]
    fn an_id_is_of_the_provider_that_it_names() {
        let account =
            "/SUBSCRIPTIONS/S/RESOURCEGROUPS/G/PROVIDERS/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/A/PROJECTS/P";
        for (id, provider, expected) in [
            (account, "microsoft.cognitiveservices", true),
            (account, "microsoft.apimanagement", false),
            ("/subscriptions/s/providers/Microsoft.ApiManagement", "microsoft.apimanagement", true),
            ("/subscriptions/s/providers/microsoft.apimanagements/x", "microsoft.apimanagement", false),
            ("/subscriptions/s/resourceGroups/microsoft.apimanagement", "microsoft.apimanagement", false),
            ("", "microsoft.apimanagement", false),
        ] {
            assert_eq!(is_of(id, provider), expected, "{id}");
        }
    }
}
