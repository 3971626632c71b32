//! A role's session in AWS, by its ARN.
//!
//! `arn:aws:sts::111122223333:assumed-role/Name/session` → the role's own ARN
//! (`arn:aws:iam::111122223333:role/Name`), its name, the session's. The path of a role is not in the
//! session's ARN, and so is missing in the role's.

/// The parts of a session's ARN.
pub(super) struct RoleSession<'a> {
    partition: &'a str,
    account: &'a str,
    pub(super) role: &'a str,
    pub(super) session: &'a str,
}

impl<'a> RoleSession<'a> {
    /// Nothing where the name is not that of a role's session.
    pub(super) fn of(arn: &'a str) -> Option<Self> {
        let (partition, rest) = arn.split_once(":sts::").filter(|(start, _)| start.starts_with("arn:"))?;
        let (account, rest) = rest.split_once(":assumed-role/")?;
        let (role, session) = rest.split_once('/')?;
        Some(Self { partition, account, role, session })
    }

    pub(super) fn role_arn(&self) -> String {
        format!("{}:iam::{}:role/{}", self.partition, self.account, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_a_role_and_nothing_else_is_one() {
        let parts = |arn| RoleSession::of(arn).map(|of| (of.role_arn(), of.role, of.session));
        assert_eq!(
            parts("arn:aws-cn:sts::111122223333:assumed-role/Name/i-1"),
            Some(("arn:aws-cn:iam::111122223333:role/Name".to_owned(), "Name", "i-1"))
        );
        for other in [
            "arn:aws:iam::111122223333:role/Name",
            "arn:aws:sts::111122223333:federated-user/ada",
            "arn:aws:sts::111122223333:assumed-role/Name",
            "x:sts::1:assumed-role/Name/i-1",
            "",
        ] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
