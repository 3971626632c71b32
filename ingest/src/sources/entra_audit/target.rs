//! What an activity was about.
//!
//! In: `targetResources`, a list: the first is what was changed, the others what it was changed with (the
//! role beside its new member, the application beside the owner). Out: the target and its kind, and the
//! first user in the list.

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use crate::sources::Inputs;
use crate::sources::derive::text;
use crate::sources::entra::principal_id;
use crate::sources::json_value::{elements, get, string};

pub(super) const INPUTS: &[&str] = &["properties.targetResources"];

/// One thing that an activity was about.
#[derive(Clone, Copy)]
pub(super) struct Target<'v, 'a>(&'v Value<'a>);

impl<'v, 'a> Target<'v, 'a> {
    pub(super) fn of(value: &'v Value<'a>) -> Vec<Self> {
        elements(value).iter().map(Self).collect()
    }

    fn field(self, name: &str) -> Option<&'v str> {
        get(self.0, name).and_then(string)
    }

    pub(super) fn is(self, kind: &str) -> bool {
        self.field("type").is_some_and(|found| found.eq_ignore_ascii_case(kind))
    }

    pub(super) fn display_name(self) -> Option<&'v str> {
        self.field("displayName")
    }

    /// The address of a user, else the id, else the name.
    pub(super) fn id(self) -> Option<String> {
        ["userPrincipalName", "id", "displayName"].iter().find_map(|name| principal_id(self.field(name)?))
    }

    /// Its properties that were changed.
    pub(super) fn modified(self) -> &'v [Value<'a>] {
        get(self.0, "modifiedProperties").map(elements).unwrap_or_default()
    }

    /// Its kind in our words: `ServicePrincipal` → `service_principal`.
    fn kind(self) -> Option<String> {
        let kind = self.field("type").filter(|kind| *kind != "N/A")?;
        if kind.eq_ignore_ascii_case("App") {
            return Some("application".to_owned());
        }
        let mut words = String::with_capacity(kind.len() + 2);
        for letter in kind.trim().chars() {
            match letter {
                ' ' | '-' => words.push('_'),
                letter if letter.is_uppercase() => {
                    if !words.is_empty() && !words.ends_with('_') {
                        words.push('_');
                    }
                    words.extend(letter.to_lowercase());
                }
                letter => words.push(letter),
            }
        }
        Some(words)
    }
}

/// What an input's list of targets gives.
fn found<T>(inputs: &Inputs<'_>, pick: impl Fn(&[Target<'_, '_>]) -> Option<T>) -> Option<T> {
    let targets = parse(inputs.text(0)?).ok()?;
    pick(&Target::of(&targets))
}

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(found(inputs, |targets| targets.first()?.id())?)
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(found(inputs, |targets| targets.first()?.kind())?)
}

pub(super) fn target_user(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    text(found(inputs, |targets| targets.iter().find(|target| target.is("User"))?.id())?)
}
