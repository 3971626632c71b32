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
    // rows of Log Analytics that a portal exported
    "TimeGenerated [UTC]",
    // other spans and log records of OpenTelemetry; the clock of who only observed comes last
    "endTimeUnixNano",
    "timeUnixNano",
    "startTimeUnixNano",
    "observedTimeUnixNano",
    // audit logs of Okta, OpenAI, Google Workspace
    "published",
    "effective_at",
    "id.time",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::testing::time;

    #[test]
    fn the_first_field_that_holds_a_time_tells_it() {
        for (event, expected) in [
            (
                r#"{"@timestamp":"2024-05-01T10:00:00Z","time":"2024-05-02T10:00:00Z"}"#,
                "2024-05-01T10:00:00Z",
            ),
            (r#"{"timestamp":"soon","time":"2024-05-02T10:00:00Z"}"#, "2024-05-02T10:00:00Z"),
            (r#"{"TimeGenerated [UTC]":"4/28/2021, 3:05:26.000 PM"}"#, "2021-04-28T15:05:26Z"),
            (
                r#"{"startTimeUnixNano":"1714557590000000000","endTimeUnixNano":"1714557600000000000"}"#,
                "2024-05-01T10:00:00Z",
            ),
            (r#"{"timeUnixNano":"0","observedTimeUnixNano":"1714557600000000000"}"#, "2024-05-01T10:00:00Z"),
            (r#"{"published":"2024-05-01T10:00:00.000Z"}"#, "2024-05-01T10:00:00Z"),
            (r#"{"object":"organization.audit_log","effective_at":1714557600}"#, "2024-05-01T10:00:00Z"),
            (
                r#"{"id":{"time":"2024-05-01T10:00:00.000Z","applicationName":"drive"}}"#,
                "2024-05-01T10:00:00Z",
            ),
            // when a thing was made says nothing of what was done to it
            (r#"{"id":"7","created_at":"2019-05-01T10:00:00Z"}"#, "-"),
            (r#"{"id":"2024-05-01T10:00:00Z"}"#, "-"),
        ] {
            assert_eq!(time(&SOURCE, event), expected, "{event}");
        }
    }
}
