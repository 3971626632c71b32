//! Who a token speaks for.
//!
//! In: claims of the token with which a request was made, under their long names (Resource Manager,
//! Key Vault) or their short ones. Out: the principal. A user is known by the user principal name, an
//! application or managed identity by its object id, as the Activity log's own `caller` has it.
//!
//! Format: Azure Monitor documentation, "Azure Activity Log event schema"; Microsoft identity platform,
//! "Access token claims reference".

use virga_engine::event::ColumnValue;

use super::super::Inputs;

/// A principal as all logs of Azure are to name it: lower case, an object id with its hyphens.
pub(in crate::sources) fn normal(principal: &str) -> Option<String> {
    let principal = principal.trim().to_lowercase();
    if principal.is_empty() {
        return None;
    }
    Some(hyphenated(&principal).unwrap_or(principal))
}

/// `9b117c67170e4aed9702658b3fddc889` → `9b117c67-170e-4aed-9702-658b3fddc889`: the evidence of a role
/// assignment writes ids so.
fn hyphenated(id: &str) -> Option<String> {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| id.get(range);
    Some(format!("{}-{}-{}-{}-{}", part(0..8)?, part(8..12)?, part(12..16)?, part(16..20)?, part(20..32)?))
}

/// The first input that names a principal.
pub(in crate::sources) fn first(inputs: &Inputs<'_>, of: std::ops::Range<usize>) -> Option<String> {
    of.into_iter().find_map(|input| normal(&inputs.string(input)?))
}

/// Whether a second factor was used: the methods of authentication, as a list with commas (`pwd,mfa`) or
/// an array. A token without them belongs to no person.
pub(in crate::sources) fn mfa(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let methods = (0..inputs.len()).find_map(|input| inputs.text(input).filter(|text| *text != "\"\""))?;
    let mut methods = methods.split([',', ' ', '"', '[', ']', '\\']);
    Some(ColumnValue::Bool(methods.any(|method| matches!(method, "mfa" | "ngcmfa"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_has_one_name() {
        for (written, expected) in [
            (" Ada@Example.com", Some("ada@example.com")),
            ("9B117C67170E4AED9702658B3FDDC889", Some("9b117c67-170e-4aed-9702-658b3fddc889")),
            ("9b117c67-170e-4aed-9702-658b3fddc889", Some("9b117c67-170e-4aed-9702-658b3fddc889")),
            ("zb117c67170e4aed9702658b3fddc889", Some("zb117c67170e4aed9702658b3fddc889")),
            ("ééééééééééééééééé", Some("ééééééééééééééééé")),
            ("  ", None),
        ] {
            assert_eq!(normal(written).as_deref(), expected, "{written}");
        }
    }
}
