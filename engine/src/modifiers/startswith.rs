//! `startswith`: the field begins with the value; wildcards in the value keep their meaning.

use super::{Apply, Example, Modifier, open_ends};
use crate::predicate::Relation;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "startswith",
    summary: "The field begins with the value.",
    example: Example {
        selection: r#"eventName|startswith: Delete"#,
        matches: r#"{"eventName":"DeleteTrail"}"#,
        misses: r#"{"eventName":"UnDelete"}"#,
    },
    apply: Apply::Value(|value| open_ends(value, "startswith", false, true, Relation::StartsWith)),
};
