//! Any JSON object, for the logs that have no source of their own here.
//!
//! In: any object. Out: its native fields; it has no canonical columns, for nothing is known of it.
//! Which Sigma log sources it serves is the user's word, given when the program runs: see [`spec`].
//! The event time is the first of [`TIME_FIELDS`] that holds a time. A field called `id` may be
//! anything (a rule's number, a user), so an event's id is a hash of where the event stood.

use virga_engine::event::{LogsourceMapping, SourceSpec};

use super::{Identity, Otherwise, SourceDef};

/// Fields that are looked at for the event time, in this order; in any case, as all names are.
pub const TIME_FIELDS: &[&str] = &[
    "@timestamp",
    "timestamp",
    "eventTime",
    "event_time",
    "TimeGenerated",
    "UtcTime",
    "time",
    "_time",
    "ts",
    "datetime",
    "date",
    "createdDateTime",
    "activityDateTime",
    "EventTimestamp",
    "TimeCreated",
    "CreationTime",
    "SystemTime",
    "Event.System.TimeCreated.SystemTime",
    "Event.System.TimeCreated.#attributes.SystemTime",
    "event.created",
];

/// The generic source.
pub static SOURCE: SourceDef = SourceDef {
    name: "generic",
    description: "any JSON object",
    logsources: &[],
    aliases: &[],
    computed: &[],
    recognised_by: &[],
    recognise: |_| true,
    unfold: &[],
    time_paths: TIME_FIELDS,
    identity: Identity { natural: &[], otherwise: Otherwise::Locator },
    derivations: &[],
};

/// The generic source as the user wants it: for the rules of these log sources, or of all.
pub fn spec(logsources: Vec<LogsourceMapping>, all_logsources: bool) -> SourceSpec {
    SourceSpec { logsources, all_logsources, ..SOURCE.spec() }
}
