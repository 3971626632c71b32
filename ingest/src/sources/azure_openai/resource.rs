//! What an Azure resource id says.
//!
//! In: `/SUBSCRIPTIONS/<id>/RESOURCEGROUPS/<group>/PROVIDERS/MICROSOFT.X/<TYPE>/<NAME>`, which an
//! event hub writes in upper case, Log Analytics in lower case and people as they like. Out: the id in
//! lower case, its subscription, and whether it is a provider's.

use virga_engine::event::ColumnValue;

use crate::sources::Inputs;
use crate::sources::derive::text;

/// Where a diagnostic record has its resource's id; Log Analytics has `_ResourceId` in every table and
/// `ResourceId` in some.
pub(in crate::sources) const ID: &[&str] = &["resourceId | _ResourceId"];

/// The first input's id in lower case, without a slash at its end.
pub(in crate::sources) fn id(inputs: &Inputs<'_>) -> Option<String> {
    let id = inputs.string(0)?.trim().trim_end_matches('/').to_lowercase();
    (!id.is_empty()).then_some(id)
}

/// `target`
pub(in crate::sources) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(id(inputs)?)
}

/// `account`: the subscription.
pub(in crate::sources) fn subscription(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let id = id(inputs)?;
    let subscription = id.strip_prefix("/subscriptions/")?.split('/').next()?;
    text(Some(subscription).filter(|id| !id.is_empty())?)
}

/// Whether an id is of a provider, given in lower case: `microsoft.apimanagement`.
pub(in crate::sources) fn is_of(id: &str, provider: &str) -> bool {
    id.to_lowercase().split("/providers/").nth(1).is_some_and(|rest| {
        rest.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
