//! Whose something is that is granted: of a principal, or of what a condition ties a grant to, the account or
//! organisation; and whether that is a stranger's.
//!
//! | text | whose |
//! |---|---|
//! | `123456789012` | the account's |
//! | `arn:aws:iam::123456789012:role/x`, of STS too | the account's |
//! | in a condition or a share any ARN with an account | the account's |
//! | `o-a1b2c3d4e5`, `o-a1b2c3d4e5/r-1`, and in an ARN of AWS Organizations | the organisation's |
//! | a canonical user id of S3: 64 hexadecimal digits | somebody's who is not told |

use crate::environment::Environment;

/// Accounts of AWS by which load balancers write their access logs, one for each region that is older than August 2022
/// (Elastic Load Balancing User Guide, "Enable access logs"). Every bucket for such logs lets one in.
const LOAD_BALANCERS: &[&str] = &[
    "009996457667",
    "027434742980",
    "033677994240",
    "037604701340",
    "048591011584",
    "054676820928",
    "076674570225",
    "098369216593",
    "114774131450",
    "127311923021",
    "156460612806",
    "190560391635",
    "383597477331",
    "507241528517",
    "582318560864",
    "589379963580",
    "600734575887",
    "635631232127",
    "638102146993",
    "652711504416",
    "718504428378",
    "754344448648",
    "783225319266",
    "797873946194",
    "897822967062",
    "985666609251",
];

/// Canonical user ids by which CloudFront writes its logs (Amazon CloudFront Developer Guide, "Access logs").
const LOG_DELIVERY: &[&str] = &[
    "a52cb28745c0c06e84ec548334e44bfa7fc2a85c54af20cd59e4969344b7af56",
    "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0",
];

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The account of a principal: an account id, or the account of an IAM or STS name.
pub(super) fn account_of(principal: &str) -> Option<&str> {
    if is_account(principal) {
        return Some(principal);
    }
    let mut parts = principal.strip_prefix("arn:")?.split(':');
    let (_, service, _, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    (matches!(service, "iam" | "sts") && is_account(account)).then_some(account)
}

/// Whom a value of a condition or of a share names: an account, an organisation, or an ARN with either.
pub(super) fn named_by(value: &str) -> Option<&str> {
    let account = value.split(':').nth(4).filter(|account| is_account(account));
    (is_account(value) || account.is_some() || organization_of(value).is_some()).then_some(value)
}

/// `o-a1b2c3d4e5`, by itself, before a path below it, or in an ARN of AWS Organizations.
fn organization_of(text: &str) -> Option<&str> {
    let path = text.split(':').next_back()?;
    let mut pieces = path.split('/').filter(|piece| piece.starts_with("o-"));
    pieces.next().filter(|id| id.bytes().skip(2).all(|b| b.is_ascii_alphanumeric()) && id.len() > 2)
}

/// Whether somebody is neither `own`, the account that the event is of, nor known to be the user's; `None` where that
/// cannot be told. Whose an organisation is shows where the user has named theirs, or by the account that manages it.
pub(super) fn is_stranger(holder: &str, own: &str, environment: &Environment) -> Option<bool> {
    let knows_organizations = environment.own_accounts.iter().any(|own| own.starts_with("o-"));
    match organization_of(holder) {
        Some(id) if knows_organizations => return Some(!environment.owns_account(id)),
        _ => {}
    }
    if holder.len() == 64 && holder.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Some(!LOG_DELIVERY.contains(&holder));
    }
    let account = account_of(holder).or_else(|| holder.split(':').nth(4).filter(|text| is_account(text)));
    let is_strange = |account: &str| {
        account != own && !environment.owns_account(account) && !LOAD_BALANCERS.contains(&account)
    };
    account.map(is_strange)
}
