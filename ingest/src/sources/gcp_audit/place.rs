//! Where: project, organisation, region.
//!
//! In: the labels of the monitored resource, the log's name (`projects/…/logs/…`) and the resource's.
//! Out: what the labels say, else what the names say. A name may stand for "any project" (`_`, `-`).

use virga_engine::event::ColumnValue;
use virga_engine::json::{Value, parse};

use super::super::derive::member_of;
use super::{Inputs, text};

pub(super) const REGION_INPUTS: &[&str] = &[
    "resource.labels.location",
    "resource.labels.zone",
    "resource.labels.region",
    "protoPayload.resourceLocation.currentLocations",
    "protoPayload.resourceName",
];

const LOCATIONS: usize = 3;
const NAME: usize = 4;

/// How a request says that it means all places.
const EVERYWHERE: &str = "-";

/// What the labels say, or where the resource is, if that is one place, or what its name says.
pub(super) fn region(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let labelled = || (0..LOCATIONS).find_map(|input| inputs.string(input)).map(|place| place.into_owned());
    let placed = || inputs.text(LOCATIONS).and_then(only_string);
    let named = || {
        let name = inputs.string(NAME)?;
        let place = ["locations", "zones", "regions"].iter().find_map(|word| member_of(&name, word))?;
        Some(place.to_owned())
    };
    text(labelled().or_else(placed).or_else(named).filter(|place| place != EVERYWHERE)?)
}

/// The string of a list that has no other.
fn only_string(list: &str) -> Option<String> {
    match parse(list).ok()? {
        Value::Array(elements) => match elements.as_slice() {
            [Value::String(only)] => Some(only.clone().into_owned()),
            _ => None,
        },
        _ => None,
    }
}

pub(super) const ACCOUNT_INPUTS: &[&str] =
    &["resource.labels.project_id", "logName", "protoPayload.resourceName"];

pub(super) fn account(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    labelled_or_named(inputs, "projects")
}

pub(super) const ORG_INPUTS: &[&str] =
    &["resource.labels.organization_id", "logName", "protoPayload.resourceName"];

pub(super) fn org(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    labelled_or_named(inputs, "organizations")
}

/// The first input, or what follows a word at the beginning of one of the others.
fn labelled_or_named(inputs: &Inputs<'_>, word: &str) -> Option<ColumnValue> {
    if let Some(label) = inputs.scalar(0) {
        return text(label);
    }
    let named = |input| {
        let name = inputs.string(input)?;
        let rest = name.trim_start_matches('/').strip_prefix(word)?.strip_prefix('/')?;
        let id = rest.split('/').next().filter(|id| !matches!(*id, "" | "_" | "-"))?;
        Some(id.to_owned())
    };
    text((1..inputs.len()).find_map(named)?)
}
