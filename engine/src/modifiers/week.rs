//! `week`: the week of the date in the field, as it is written there; no zone is converted.

use super::{Apply, Example, Modifier, time_part};
use crate::predicate::TimePart;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "week",
    summary: "The week of the date in the field.",
    example: Example {
        selection: r#"eventTime|week: 47"#,
        matches: r#"{"eventTime":"2026-11-20T23:05:00Z"}"#,
        misses: r#"{"eventTime":"2025-10-01T00:00:00Z"}"#,
    },
    apply: Apply::Value(|value| time_part(value, TimePart::Week)),
};
