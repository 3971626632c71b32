//! What a change of policy grants, and to whom.
//!
//! In: the request parameters in which policies, ACLs, shares and permissions stand, as objects, as
//! JSON in a string, or URL-encoded. Out: `ADD|<principal>|<action>` for each, and whether one is to
//! everyone or to another account. Sigma can say neither "the same statement allows and names", nor
//! look into JSON held in a string; so it is derived here, once.
//!
//! | request | principal | action |
//! |---|---|---|
//! | policy of a resource (bucket, key, trust, repository, secret, …), alone or among attributes | as the Allow statement names it | each action |
//! | policy of an identity (it names no principal) | `user/…`, `role/…`, `group/…`, or the policy itself | each action |
//! | `AttachUserPolicy` and its kin | the same | the policy's ARN |
//! | S3 ACL | `*` (AllUsers), `AuthenticatedUsers`, or the grantee | the permission |
//! | `ModifySnapshotAttribute`, `ModifyImageAttribute` and their RDS kin | `*` or the account | the attribute |
//! | `AddPermission` of Lambda, SNS, SQS; KMS `CreateGrant`; Lake Formation `GrantPermissions` | the principal | the action |
//! | shares of Resource Access Manager, Redshift and Systems Manager; copies of ECR to other registries, and of logs | `*` or whom they name | what they may |
//!
//! What is everyone's by its principal but narrowed by a condition (this organisation, this account,
//! this source) is listed, and not called public; where the condition names an account, it is a grant to that
//! account. A failed call is derived too: what it tried.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use percent_encoding::percent_decode_str;
use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::super::json_value::{get, one_or_more, scalar, string};
use super::Inputs;
use super::action::service_of;
use super::holders::{account_of, is_stranger, named_by};
use crate::limits::MAX_GRANTS;

pub(super) const INPUTS: &[&str] = &[
    "eventSource",
    "eventName",
    "recipientAccountId",
    "userIdentity.accountId",
    "readOnly",
    "requestParameters",
];

const SOURCE: usize = 0;
const NAME: usize = 1;
const ACCOUNT: usize = 2;
const CALLER_ACCOUNT: usize = 3;
const READ_ONLY: usize = 4;
const REQUEST: usize = 5;

/// Parameters that hold a policy document.
const POLICIES: &[&str] = &[
    "policyDocument",
    "inlinePolicy",
    "assumeRolePolicyDocument",
    "bucketPolicy",
    "policy",
    "policyText",
    "resourcePolicy",
    "keyPolicy",
    "accessPolicies",
    "policyInJson",
];

/// Condition keys that tie a statement to someone or somewhere known. After AWS's own definition of
/// "public" for S3 block public access.
const NARROWING_KEYS: &[&str] = &[
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:vpceorgpaths",
    "aws:sourceip",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "kms:calleraccount",
];

/// Flags that tie a statement to a network of one's own, or to AWS's services, where they must be true.
const NARROWING_FLAGS: &[&str] = &["elasticfilesystem:accessedviamounttarget", "aws:principalisawsservice"];

type Members<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// All that one request grants.
#[derive(Default)]
struct Grants {
    list: Vec<String>,
    any: bool,
    public: bool,
    /// Accounts and others that something is granted to.
    holders: Vec<String>,
    /// What is everyone's and narrowed by conditions: for each of them whom it names. All of them must hold.
    narrowed: Vec<Vec<Vec<String>>>,
}

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::List(grants.list))
}

pub(super) fn public(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    read(inputs).map(|grants| ColumnValue::Bool(grants.public))
}

/// A grant to everyone, or to an account that is neither the event's own nor known to be the user's.
/// Where the event does not say whose it is, that cannot be known of any account.
pub(super) fn external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let grants = read(inputs)?;
    let names_nobody = grants.holders.is_empty() && grants.narrowed.iter().flatten().all(Vec::is_empty);
    if grants.public || names_nobody {
        return Some(ColumnValue::Bool(grants.public));
    }
    let own = inputs.scalar(ACCOUNT).or_else(|| inputs.scalar(CALLER_ACCOUNT))?;
    let environment = inputs.environment();
    let stranger = |holder: &String| is_stranger(holder, &own, environment);
    // what a condition ties to a network, or to whom nobody knows, leaves it to the others
    let to_strangers = |conditions: &Vec<Vec<String>>| {
        let told = conditions.iter().map(|named| named.iter().filter_map(stranger).collect::<Vec<bool>>());
        let told: Vec<Vec<bool>> = told.filter(|told| !told.is_empty()).collect();
        !told.is_empty() && told.iter().all(|told| told.contains(&true))
    };
    let to_holders = grants.holders.iter().any(|holder| stranger(holder) == Some(true));
    Some(ColumnValue::Bool(to_holders || grants.narrowed.iter().any(to_strangers)))
}

fn read(inputs: &Inputs<'_>) -> Option<Grants> {
    if inputs.flag(READ_ONLY) == Some(true) {
        return None;
    }
    let request = inputs.text(REQUEST).filter(|request| request.starts_with('{'))?;
    if !may_grant(request) {
        return None;
    }
    let Ok(Value::Object(request)) = parse(request) else { return None };
    let source = inputs.string(SOURCE).unwrap_or_default();
    let name = inputs.string(NAME).unwrap_or_default();
    let mut grants = Grants::default();
    grants.read_policies(&request);
    grants.read_attached(&name, &request);
    grants.read_acl(&request);
    grants.read_shares(&request);
    grants.read_permissions(service_of(&source), &name, &request);
    grants.read_receivers(service_of(&source), &name, &request);
    grants.any.then_some(grants)
}

/// Words of which a request's text holds one, or it grants nothing: most are ruled out so.
static GRANTING: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = [
        "olicy",
        "ermission",
        "acl",
        "AccessControl",
        "rincipal",
        "x-amz-grant",
        "valuesToAdd",
        "aWSAccountId",
        "accountWithRestoreAccess",
        "consumerIdentifier",
        "replicationConfiguration",
        "destinationArn",
    ];
    AhoCorasick::new(words).ok()
});

fn may_grant(request: &str) -> bool {
    GRANTING.as_ref().is_none_or(|words| words.is_match(request))
}

impl Grants {
    /// Whether no more grants are kept: a statement with many principals and many actions would
    /// otherwise be worked through pair by pair.
    fn is_full(&self) -> bool {
        self.list.len() >= MAX_GRANTS
    }

    fn add(&mut self, principal: &str, action: &str) {
        self.any = true;
        if self.list.len() < MAX_GRANTS {
            self.list.push(format!("ADD|{principal}|{action}"));
        }
    }

    /// Policy documents, of resources and of identities. SQS and SNS keep theirs among other attributes, of
    /// which SNS sets one at a time; that of an access point of several regions stands among its details.
    fn read_policies(&mut self, request: &Members<'_>) {
        for (key, value) in request {
            if POLICIES.iter().any(|policy| key.eq_ignore_ascii_case(policy)) {
                self.read_policy(value, request);
            } else if ["attributes", "details"].iter().any(|holder| key.eq_ignore_ascii_case(holder))
                && let Some(policy) = get(value, "Policy")
            {
                self.read_policy(policy, request);
            }
        }
        if member(request, "attributeName").and_then(string) == Some("Policy")
            && let Some(policy) = member(request, "attributeValue")
        {
            self.read_policy(policy, request);
        }
    }

    /// A document as an object, as JSON in a string, or URL-encoded; Glacier wraps it once more.
    fn read_policy(&mut self, value: &Value<'_>, request: &Members<'_>) {
        let value = get(value, "policy").unwrap_or(value);
        match value {
            Value::Object(_) => self.read_document(value, request),
            Value::String(text) => {
                let text = if text.trim_start().starts_with('%') {
                    percent_decode_str(text).decode_utf8_lossy().into_owned()
                } else {
                    text.to_string()
                };
                if let Ok(document) = parse(text.trim()) {
                    self.read_document(&document, request);
                }
            }
            _ => {}
        }
    }

    fn read_document(&mut self, document: &Value<'_>, request: &Members<'_>) {
        for statement in get(document, "Statement").map(one_or_more).unwrap_or_default() {
            let allows =
                get(statement, "Effect").and_then(string).is_some_and(|e| e.eq_ignore_ascii_case("Allow"));
            if allows {
                self.read_statement(statement, request);
            }
        }
    }

    fn read_statement(&mut self, statement: &Value<'_>, request: &Members<'_>) {
        let conditions = get(statement, "Condition").map(narrowing).unwrap_or_default();
        let actions = actions(statement);
        for principal in principals(statement, request) {
            if principal.is_everyone {
                self.everyones(conditions.clone());
            } else if let Some(account) = account_of(&principal.name) {
                self.holders.push(account.to_owned());
            }
            for action in &actions {
                if self.is_full() {
                    break;
                }
                self.add(&principal.name, action);
            }
        }
    }

    /// `AttachUserPolicy`, `AttachRolePolicy`, `AttachGroupPolicy`.
    fn read_attached(&mut self, name: &str, request: &Members<'_>) {
        if name.starts_with("Attach")
            && name.ends_with("Policy")
            && let Some(policy) = member(request, "policyArn").and_then(string)
        {
            self.add(&holder(request), policy);
        }
    }

    /// S3 ACLs: canned, in headers, or as a document.
    fn read_acl(&mut self, request: &Members<'_>) {
        for canned in
            member(request, "x-amz-acl").map(one_or_more).unwrap_or_default().iter().filter_map(string)
        {
            match canned {
                "public-read" => self.everyone("*", "READ"),
                "public-read-write" => {
                    self.everyone("*", "READ");
                    self.everyone("*", "WRITE");
                }
                "authenticated-read" => self.everyone("AuthenticatedUsers", "READ"),
                _ => {}
            }
        }
        // headers stand beside the other parameters, or below one of their own
        let below = match member(request, "AccessControlList") {
            Some(Value::Object(headers)) => headers.as_slice(),
            _ => &[],
        };
        for (key, value) in request.iter().chain(below) {
            if let Some(permission) = key.strip_prefix("x-amz-grant-") {
                let permission = permission.to_uppercase().replace('-', "_");
                one_or_more(value).iter().filter_map(string).for_each(|to| self.read_group(to, &permission));
            }
        }
        let policy = member(request, "AccessControlPolicy");
        let list = policy.and_then(|policy| get(policy, "AccessControlList"));
        let owner = policy.and_then(|policy| get(policy, "Owner")).and_then(|owner| get(owner, "ID"));
        let owner = owner.and_then(string);
        for grant in list.and_then(|list| get(list, "Grant")).map(one_or_more).unwrap_or_default() {
            let permission = get(grant, "Permission").and_then(string).unwrap_or("*");
            let Some(grantee) = get(grant, "Grantee") else { continue };
            match (get(grantee, "URI").and_then(string), get(grantee, "ID").and_then(string)) {
                (Some(uri), _) => self.read_group(uri, permission),
                (None, Some(id)) => {
                    if owner.is_some_and(|owner| owner != id) {
                        self.holders.push(id.to_owned());
                    }
                    self.add(id, permission);
                }
                (None, None) => {}
            }
        }
    }

    /// A predefined group of S3, by its URI.
    fn read_group(&mut self, uri: &str, permission: &str) {
        if uri.contains("groups/global/AllUsers") {
            self.everyone("*", permission);
        } else if uri.contains("groups/global/AuthenticatedUsers") {
            self.everyone("AuthenticatedUsers", permission);
        }
    }

    /// What is everyone's, but for conditions.
    fn everyones(&mut self, conditions: Vec<Vec<String>>) {
        if conditions.is_empty() {
            self.public = true;
        } else if self.narrowed.len() < MAX_GRANTS {
            self.narrowed.push(conditions);
        }
    }

    fn everyone(&mut self, principal: &str, action: &str) {
        self.public = true;
        self.add(principal, action);
    }

    /// Snapshots and images that are shared: EC2's `add` lists, RDS's `valuesToAdd`.
    fn read_shares(&mut self, request: &Members<'_>) {
        for attribute in ["createVolumePermission", "launchPermission"] {
            let added = member(request, attribute).and_then(|change| get(change, "add"));
            for item in added.and_then(|add| get(add, "items")).map(one_or_more).unwrap_or_default() {
                if get(item, "group").and_then(string) == Some("all") {
                    self.everyone("*", attribute);
                } else if let Some(account) = get(item, "userId").and_then(scalar) {
                    self.account(account, attribute);
                } else if let Some(other) = get(item, "organizationArn")
                    .or_else(|| get(item, "organizationalUnitArn"))
                    .and_then(string)
                {
                    self.holders.extend(named_by(other).map(str::to_owned));
                    self.add(other, attribute);
                }
            }
        }
        let attribute = member(request, "attributeName").and_then(string).unwrap_or("restore");
        for value in
            member(request, "valuesToAdd").map(one_or_more).unwrap_or_default().iter().filter_map(scalar)
        {
            match value {
                "all" => self.everyone("*", attribute),
                account => self.account(account, attribute),
            }
        }
    }

    /// `AddPermission` of Lambda (also of its layers), SNS and SQS, and `CreateGrant` of KMS.
    fn read_permissions(&mut self, service: &str, name: &str, request: &Members<'_>) {
        if name.starts_with("AddPermission") || name.starts_with("AddLayerVersionPermission") {
            let conditions = ["principalOrgID", "organizationId", "sourceAccount", "sourceArn"].iter();
            let conditions = conditions.filter_map(|key| member(request, key).and_then(scalar));
            let named = |value: &str| named_by(value).map(str::to_owned).into_iter().collect();
            let conditions = conditions.filter(|value| !value.is_empty()).map(named);
            let action = member(request, "action").and_then(string).unwrap_or("*");
            match member(request, "principal").and_then(scalar) {
                Some("*") => {
                    self.everyones(conditions.collect());
                    self.add("*", action);
                }
                Some(principal) => self.account(principal, action),
                None => {}
            }
            self.read_queue_permissions(request);
        }
        if service == "kms"
            && name == "CreateGrant"
            && let Some(grantee) = member(request, "granteePrincipal").and_then(string)
        {
            for operation in
                member(request, "operations").map(one_or_more).unwrap_or_default().iter().filter_map(string)
            {
                self.account(grantee, &format!("kms:{operation}"));
            }
        }
    }

    /// SNS and SQS name accounts and actions in lists.
    fn read_queue_permissions(&mut self, request: &Members<'_>) {
        let list = |keys: [&str; 2]| {
            keys.iter().find_map(|key| member(request, key)).map(one_or_more).unwrap_or_default()
        };
        let actions: Vec<&str> = list(["actionName", "actions"]).iter().filter_map(string).collect();
        for account in list(["aWSAccountId", "aWSAccountIds"]).iter().filter_map(scalar) {
            for action in &actions {
                match account {
                    "*" => self.everyone("*", action),
                    account => self.account(account, action),
                }
            }
        }
    }

    /// Calls without a policy that name whom they let in.
    fn read_receivers(&mut self, service: &str, name: &str, request: &Members<'_>) {
        let (key, action) = match (service, name) {
            ("ram", "CreateResourceShare" | "AssociateResourceShare") => ("principals", "ram:share"),
            ("redshift", "AuthorizeSnapshotAccess") => ("accountWithRestoreAccess", "restore"),
            ("redshift", "AuthorizeDataShare") => ("consumerIdentifier", "datashare"),
            ("ssm", "ModifyDocumentPermission") => ("accountIdsToAdd", "share"),
            ("logs", "PutSubscriptionFilter") => ("destinationArn", "logs:subscribe"),
            ("lakeformation", "GrantPermissions") => return self.read_lake_permissions(request),
            ("ecr", "PutReplicationConfiguration") => return self.read_replication(request),
            _ => return,
        };
        let receivers = member(request, key).map(one_or_more).unwrap_or_default();
        receivers.iter().filter_map(scalar).for_each(|receiver| self.receiver(receiver, action));
    }

    fn read_lake_permissions(&mut self, request: &Members<'_>) {
        let principal = member(request, "principal").and_then(|it| get(it, "dataLakePrincipalIdentifier"));
        let Some(principal) = principal.and_then(scalar) else { return };
        let permissions = member(request, "permissions").map(one_or_more).unwrap_or_default();
        for permission in permissions.iter().filter_map(string) {
            self.receiver(principal, permission);
        }
    }

    /// To which registries ECR copies images.
    fn read_replication(&mut self, request: &Members<'_>) {
        let rules = member(request, "replicationConfiguration").and_then(|it| get(it, "rules"));
        for rule in rules.map(one_or_more).unwrap_or_default() {
            let destinations = get(rule, "destinations").map(one_or_more).unwrap_or_default();
            for registry in destinations.iter().filter_map(|it| get(it, "registryId")).filter_map(scalar) {
                self.receiver(registry, "ecr:ReplicateImage");
            }
        }
    }

    /// An account, an organisation, a principal, or all.
    fn receiver(&mut self, receiver: &str, action: &str) {
        if receiver == "all" {
            self.everyone("*", action);
        } else {
            self.holders.extend(named_by(receiver).map(str::to_owned));
            self.add(receiver, action);
        }
    }

    fn account(&mut self, principal: &str, action: &str) {
        if let Some(account) = account_of(principal) {
            self.holders.push(account.to_owned());
        }
        self.add(principal, action);
    }
}

struct Principal {
    name: String,
    is_everyone: bool,
}

/// Whom a statement names; a statement that names nobody belongs to an identity's own policy.
fn principals(statement: &Value<'_>, request: &Members<'_>) -> Vec<Principal> {
    let named = |name: &str| Principal { name: name.to_owned(), is_everyone: name == "*" };
    match (get(statement, "Principal"), get(statement, "NotPrincipal")) {
        (Some(Value::String(name)), _) => vec![named(name)],
        (Some(Value::Object(kinds)), _) => {
            kinds.iter().flat_map(|(_, names)| one_or_more(names)).filter_map(scalar).map(named).collect()
        }
        (Some(_), _) => Vec::new(),
        // allowed to all but a few
        (None, Some(_)) => vec![named("*")],
        (None, None) => vec![Principal { name: holder(request), is_everyone: false }],
    }
}

/// The identity that a policy without principals is put on.
fn holder(request: &Members<'_>) -> String {
    for (key, kind) in
        [("userName", "user"), ("roleName", "role"), ("groupName", "group"), ("policyName", "policy")]
    {
        if let Some(name) = member(request, key).and_then(string) {
            return format!("{kind}/{name}");
        }
    }
    member(request, "policyArn").and_then(string).unwrap_or("policy").to_owned()
}

fn actions<'v>(statement: &'v Value<'_>) -> Vec<Cow<'v, str>> {
    if let Some(actions) = get(statement, "Action") {
        return one_or_more(actions).iter().filter_map(string).map(Cow::Borrowed).collect();
    }
    let all_but = get(statement, "NotAction").map(one_or_more).unwrap_or_default();
    all_but.iter().filter_map(string).map(|action| Cow::Owned(format!("!{action}"))).collect()
}

/// What ties a statement to someone or somewhere known: for each such test of its condition whom it names.
fn narrowing(condition: &Value<'_>) -> Vec<Vec<String>> {
    let Value::Object(operators) = condition else { return Vec::new() };
    let mut narrowing = Vec::new();
    let must_be_there = operators.iter().filter(|(operator, _)| operator.eq_ignore_ascii_case("null"));
    let must_be_there: Vec<&str> = must_be_there
        .filter_map(|(_, tests)| if let Value::Object(tests) = tests { Some(tests) } else { None })
        .flatten()
        .filter(|(_, value)| is_false(value))
        .map(|(key, _)| &**key)
        .collect();
    for (operator, tests) in operators {
        let operator = operator.to_lowercase();
        // for all values it holds of a request that has none
        let (operator, of_all) = match operator.strip_prefix("forallvalues:") {
            Some(operator) => (operator, true),
            None => (operator.trim_start_matches("foranyvalue:"), false),
        };
        let holds_without =
            |key: &str| of_all && !must_be_there.iter().any(|there| there.eq_ignore_ascii_case(key));
        let positive =
            ["stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"];
        let Value::Object(tests) = tests else { continue };
        if operator == "bool" {
            for (key, value) in tests {
                let is_flag = NARROWING_FLAGS.contains(&key.to_lowercase().as_str());
                if is_flag && is_true(value) && !holds_without(key) {
                    narrowing.push(Vec::new());
                }
            }
        }
        if !positive.contains(&operator) {
            continue;
        }
        for (key, values) in tests {
            let values = one_or_more(values);
            let is_key = NARROWING_KEYS.contains(&key.to_lowercase().as_str());
            if is_key && !values.iter().any(is_open) && !holds_without(key) {
                let named = values.iter().filter_map(scalar).filter_map(named_by).take(MAX_GRANTS);
                narrowing.push(named.map(str::to_owned).collect());
            }
        }
    }
    narrowing
}

/// `true` of a condition, alone or in a list.
fn is_true(value: &Value<'_>) -> bool {
    is_flag(value, true)
}

/// `false` of a condition, alone or in a list.
fn is_false(value: &Value<'_>) -> bool {
    is_flag(value, false)
}

fn is_flag(value: &Value<'_>, flag: bool) -> bool {
    match one_or_more(value) {
        [Value::Bool(own)] => *own == flag,
        [Value::String(text)] => text.eq_ignore_ascii_case(if flag { "true" } else { "false" }),
        _ => false,
    }
}

/// A value of a condition that lets everything through, or so much that nobody is known by it: a
/// wildcard where neither account nor organisation is fixed, a variable, a network of more than a 256th of the
/// addresses.
fn is_open(value: &Value<'_>) -> bool {
    let Some(text) = scalar(value) else {
        // an empty string lets nobody through
        return !matches!(value, Value::String(_));
    };
    let wide = |prefix: &str| prefix.parse::<u8>().is_ok_and(|bits| bits < 8);
    text.contains("${")
        || (text.contains(['*', '?']) && named_by(text).is_none() && !is_one_bucket(text))
        || text
            .split_once('/')
            .is_some_and(|(address, prefix)| address.parse::<std::net::IpAddr>().is_ok() && wide(prefix))
}

/// The ARN of one bucket, `arn:aws:s3:*:*:photos`: a bucket's name is nobody else's, and its ARN has neither region nor
/// account.
fn is_one_bucket(arn: &str) -> bool {
    let pieces: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(pieces.as_slice(), ["arn", _, "s3", _, _, bucket] if !bucket.split('/').next().unwrap_or_default().contains(['*', '?']))
}

fn member<'v, 'a>(members: &'v Members<'a>, key: &str) -> Option<&'v Value<'a>> {
    members.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}
