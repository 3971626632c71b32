//! Who was given what: roles of the directory, application roles, delegated permissions.
//!
//! In: the activity and the modified properties of its targets, whose values are JSON in strings. Out:
//! `ADD|<principal>|<what>` or `REMOVE|<principal>|<what>` for each, and whether one is to a guest. Sigma
//! cannot say "the property called `Role.DisplayName` holds this", for name and value stand apart in a
//! list; so it is derived here.
//!
//! | activity | principal | what |
//! |---|---|---|
//! | `Add member to role` and its kin (eligible, scoped, in PIM) | the user, group or service principal | the role's name |
//! | `Add app role assignment to service principal`, `… grant to user`, `… to group` | the one it is assigned to | `AppRole.Value` (`Mail.Read`) |
//! | `Add delegated permission grant` | the client's service principal | each scope that is new |
//! | `Consent to application` | the application's service principal | each scope that is new |
//!
//! A request for a role grants nothing yet: the record of its completion does. A failed activity is
//! derived too: what it tried.

use std::collections::HashSet;

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::activity::name;
use super::target::Target;
use crate::limits::MAX_GRANTS;
use crate::sources::Inputs;
use crate::sources::entra::{principal_id, property_text};
use crate::sources::json_value::{get, string};

pub(super) const INPUTS: &[&str] = &["operationName", "activityDisplayName", "properties.targetResources"];

/// What kind of thing an activity grants.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Grant {
    Role,
    AppRole,
    Delegated,
    Consent,
}

/// How an activity's name begins, what it holds, and what that grants or takes away.
const ACTIVITIES: &[(&str, &str, Grant)] = &[
    ("add ", "member to role", Grant::Role),
    ("remove ", "member from role", Grant::Role),
    ("add ", "app role assignment", Grant::AppRole),
    ("remove ", "app role assignment", Grant::AppRole),
    ("add ", "delegated permission grant", Grant::Delegated),
    ("remove ", "delegated permission grant", Grant::Delegated),
    ("consent to application", "", Grant::Consent),
];

/// Words of records that stand before or beside a change of a role.
const NO_CHANGE: &[&str] = &["request", "approv", "cancel", "denied", "renew", "fail"];

/// Properties that name the principal of an application role.
const ASSIGNEES: &[&str] = &["User.UPN", "User.ObjectID", "Group.ObjectID", "ServicePrincipal.ObjectID"];

fn grant_of(name: &str) -> Option<(Grant, bool)> {
    let name = name.to_lowercase();
    let (begins, _, grant) =
        ACTIVITIES.iter().find(|(begins, holds, _)| name.starts_with(begins) && name.contains(holds))?;
    let changes = *grant != Grant::Role || !NO_CHANGE.iter().any(|word| name.contains(word));
    changes.then_some((*grant, *begins != "remove "))
}

/// The targets of an activity that adds or removes.
struct Change<'v, 'a> {
    targets: Vec<Target<'v, 'a>>,
    adds: bool,
}

impl Change<'_, '_> {
    fn property(&self, name: &str) -> Option<&Value<'_>> {
        let mut properties = self.targets.iter().flat_map(|target| target.modified());
        properties.find(|property| {
            get(property, "displayName")
                .and_then(string)
                .is_some_and(|found| found.eq_ignore_ascii_case(name))
        })
    }

    /// A property's value: of a removal, the old one.
    fn value(&self, name: &str) -> Option<String> {
        let property = self.property(name)?;
        let sides = if self.adds { ["newValue", "oldValue"] } else { ["oldValue", "newValue"] };
        sides.iter().find_map(|side| property_text(get(property, side)?))
    }

    fn role(&self) -> Option<(String, Vec<String>)> {
        let member = ["User", "ServicePrincipal", "Group"]
            .iter()
            .find_map(|kind| self.targets.iter().find(|target| target.is(kind))?.id())?;
        let beside =
            || self.targets.iter().find(|target| target.is("Role"))?.display_name().map(str::to_owned);
        let role = self.value("Role.DisplayName").or_else(beside);
        let role = role.or_else(|| self.value("Role.TemplateId")).or_else(|| self.value("Role.ObjectID"))?;
        Some((member, vec![role]))
    }

    fn app_role(&self) -> Option<(String, Vec<String>)> {
        let assignee = ASSIGNEES.iter().find_map(|name| principal_id(&self.value(name)?))?;
        let names = ["AppRole.Value", "AppRole.DisplayName", "AppRole.Id"];
        Some((assignee, vec![names.iter().find_map(|name| self.value(name))?]))
    }

    /// The scopes that a grant of permissions has now and had not before, or of a removal the other way
    /// round; a removal may name them as new.
    fn delegated(&self) -> Option<(String, Vec<String>)> {
        let client = principal_id(&self.value("ServicePrincipal.ObjectID")?)?;
        let property = self.property("DelegatedPermissionGrant.Scope")?;
        let scopes = |side| get(property, side).and_then(property_text).unwrap_or_default();
        let (old, new) = (scopes("oldValue"), scopes("newValue"));
        let forwards = self.adds || old.is_empty();
        Some((client, if forwards { gained(&old, &new) } else { gained(&new, &old) }))
    }

    /// `[[… Scope: User.Read, …]] => [[… Scope: User.Read Mail.Read, …]]`, before and after.
    fn consent(&self) -> Option<(String, Vec<String>)> {
        let client = self.targets.first()?.id()?;
        let permissions = self.value("ConsentAction.Permissions")?;
        let (old, new) = permissions.split_once("=>").unwrap_or(("", &permissions));
        Some((client, gained(&scopes_in(old), &scopes_in(new))))
    }
}

/// The words of a list that another has not, each once.
fn gained(old: &str, new: &str) -> Vec<String> {
    let mut known: HashSet<&str> = old.split_whitespace().collect();
    let gained = new.split_whitespace().filter(|scope| known.insert(scope));
    gained.take(MAX_GRANTS).map(str::to_owned).collect()
}

/// All that stands behind `Scope:` in the entries of one side.
fn scopes_in(entries: &str) -> String {
    let scopes = entries.split("Scope:").skip(1).filter_map(|rest| rest.split([',', ']']).next());
    scopes.collect::<Vec<_>>().join(" ")
}

/// The principal and what it was given, or what was taken from it.
fn read(inputs: &Inputs<'_>) -> Option<(bool, String, Vec<String>)> {
    let (grant, adds) = grant_of(&name(inputs)?)?;
    let targets = parse(inputs.text(2)?).ok()?;
    let change = Change { targets: Target::of(&targets), adds };
    let (principal, what) = match grant {
        Grant::Role => change.role(),
        Grant::AppRole => change.app_role(),
        Grant::Delegated => change.delegated(),
        Grant::Consent => change.consent(),
    }?;
    (!what.is_empty()).then_some((adds, principal, what))
}

pub(super) fn grants(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let (adds, principal, what) = read(inputs)?;
    let verb = if adds { "ADD" } else { "REMOVE" };
    let list = what.iter().map(|what| format!("{verb}|{principal}|{what}")).collect();
    Some(ColumnValue::List(list))
}

/// Whether something is given to a guest of another organisation. Of an application the log does not say
/// whose it is.
pub(super) fn external(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let (adds, principal, _) = read(inputs)?;
    let (name, _) = principal.split_once('@')?;
    let external = home_of_guest(name).is_some_and(|home| !inputs.environment().owns_domain_of(home));
    Some(ColumnValue::Bool(adds && external))
}

/// The home domain of a guest, from the part of the address before the `@`: `bob_example.net#ext#` →
/// `example.net`.
fn home_of_guest(name: &str) -> Option<&str> {
    let home = name.strip_suffix("#ext#")?;
    Some(home.rsplit_once('_').map_or(home, |(_, domain)| domain))
}
