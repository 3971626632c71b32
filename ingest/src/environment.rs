//! What is known of the user's environment and that no log says: the accounts and domains that are
//! their own, and the lookup tables that tell more about an address or a principal.
//!
//! In: the configuration, read by whoever starts. Out: an [`Environment`] that derivations look into.
//! It changes what events mean, so it is an argument and part of the run: the same events and the same
//! environment give the same columns.

use crate::tables::LookupTable;

/// The environment. An empty one is right for who has said nothing.
#[derive(Debug, Default)]
pub struct Environment {
    /// AWS account ids, Azure tenant and subscription ids, Google Cloud project ids that belong to the
    /// user: a grant to one of them is no grant to a stranger.
    pub own_accounts: Vec<String>,
    /// Mail domains of the user's own people.
    pub own_domains: Vec<String>,
    /// Lookup tables; of two that fill one column the first that knows the key counts.
    pub tables: Vec<LookupTable>,
}

impl Environment {
    /// Whether an account, tenant, subscription or project is the user's own.
    pub fn owns_account(&self, account: &str) -> bool {
        self.own_accounts.iter().any(|own| own.eq_ignore_ascii_case(account))
    }

    /// Whether a mail address or domain is of one of the user's own domains or below it.
    pub fn owns_domain_of(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain).to_lowercase();
        self.own_domains
            .iter()
            .map(|own| own.to_lowercase())
            .any(|own| domain.strip_suffix(&own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_domains_cover_what_is_below_them_and_nothing_that_only_ends_alike() {
        let environment = Environment {
            own_accounts: vec!["My-Project".into()],
            own_domains: vec!["Example.com".into()],
            ..Environment::default()
        };
        for (address, own) in [
            ("ada@example.com", true),
            ("ada@corp.EXAMPLE.com", true),
            ("example.com", true),
            ("ada@badexample.com", false),
            ("ada@example.com.evil.test", false),
            ("", false),
        ] {
            assert_eq!(environment.owns_domain_of(address), own, "{address}");
        }
        assert!(environment.owns_account("my-project"));
        assert!(!environment.owns_account("my-project-2"));
    }
}
