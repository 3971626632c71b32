//! The members that hold what is known of an action, under both their names.
//!
//! In: nothing. Out: aliases of each to the other, so that a rule in the words of the documentation
//! (`api_key.created.data.scopes`) finds what a collector has written as `api_key_created`, and the other
//! way round. Types that the documentation gives no member (`tenant.…`, `resource.deleted`) have none here.

/// A member as the documentation writes it and as collectors do.
const MEMBERS: [(&str, &str); 53] = [
    ("api_key.created.*", "api_key_created.*"),
    ("api_key.updated.*", "api_key_updated.*"),
    ("api_key.deleted.*", "api_key_deleted.*"),
    ("certificate.created.*", "certificate_created.*"),
    ("certificate.updated.*", "certificate_updated.*"),
    ("certificate.deleted.*", "certificate_deleted.*"),
    ("certificates.activated.*", "certificates_activated.*"),
    ("certificates.deactivated.*", "certificates_deactivated.*"),
    ("checkpoint.permission.created.*", "checkpoint_permission_created.*"),
    ("checkpoint.permission.deleted.*", "checkpoint_permission_deleted.*"),
    ("external_key.registered.*", "external_key_registered.*"),
    ("external_key.removed.*", "external_key_removed.*"),
    ("group.created.*", "group_created.*"),
    ("group.updated.*", "group_updated.*"),
    ("group.deleted.*", "group_deleted.*"),
    ("invite.sent.*", "invite_sent.*"),
    ("invite.accepted.*", "invite_accepted.*"),
    ("invite.deleted.*", "invite_deleted.*"),
    ("ip_allowlist.created.*", "ip_allowlist_created.*"),
    ("ip_allowlist.updated.*", "ip_allowlist_updated.*"),
    ("ip_allowlist.deleted.*", "ip_allowlist_deleted.*"),
    ("ip_allowlist.config.activated.*", "ip_allowlist_config_activated.*"),
    ("ip_allowlist.config.deactivated.*", "ip_allowlist_config_deactivated.*"),
    ("login.failed.*", "login_failed.*"),
    ("logout.failed.*", "logout_failed.*"),
    ("organization.updated.*", "organization_updated.*"),
    ("project.created.*", "project_created.*"),
    ("project.updated.*", "project_updated.*"),
    ("project.archived.*", "project_archived.*"),
    ("project.deleted.*", "project_deleted.*"),
    ("rate_limit.updated.*", "rate_limit_updated.*"),
    ("rate_limit.deleted.*", "rate_limit_deleted.*"),
    ("role.created.*", "role_created.*"),
    ("role.updated.*", "role_updated.*"),
    ("role.deleted.*", "role_deleted.*"),
    ("role.assignment.created.*", "role_assignment_created.*"),
    ("role.assignment.deleted.*", "role_assignment_deleted.*"),
    ("role.bound_to_resource.*", "role_bound_to_resource.*"),
    ("role.unbound_from_resource.*", "role_unbound_from_resource.*"),
    ("scim.enabled.*", "scim_enabled.*"),
    ("scim.disabled.*", "scim_disabled.*"),
    ("service_account.created.*", "service_account_created.*"),
    ("service_account.updated.*", "service_account_updated.*"),
    ("service_account.deleted.*", "service_account_deleted.*"),
    ("user.added.*", "user_added.*"),
    ("user.updated.*", "user_updated.*"),
    ("user.deleted.*", "user_deleted.*"),
    ("workload_identity_provider.created.*", "workload_identity_provider_created.*"),
    ("workload_identity_provider.updated.*", "workload_identity_provider_updated.*"),
    ("workload_identity_provider.deleted.*", "workload_identity_provider_deleted.*"),
    ("workload_identity_provider_mapping.created.*", "workload_identity_provider_mapping_created.*"),
    ("workload_identity_provider_mapping.updated.*", "workload_identity_provider_mapping_updated.*"),
    ("workload_identity_provider_mapping.deleted.*", "workload_identity_provider_mapping_deleted.*"),
];

/// Each name of a member and where it stands under the other.
pub(super) const ALIASES: &[(&str, &str)] = &{
    let mut all = [("", ""); 2 * MEMBERS.len()];
    let mut at = 0;
    while at < MEMBERS.len() {
        let (documented, collected) = MEMBERS[at];
        all[2 * at] = (documented, collected);
        all[2 * at + 1] = (collected, documented);
        at += 1;
    }
    all
};
