//! `endswith`: the field ends with the value; wildcards in the value keep their meaning.

use super::{Apply, Example, Modifier, open_ends};
use crate::predicate::Relation;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "endswith",
    summary: "The field ends with the value.",
    example: Example {
        selection: r#"eventSource|endswith: .amazonaws.com"#,
        matches: r#"{"eventSource":"s3.amazonaws.com"}"#,
        misses: r#"{"eventSource":"s3.amazonaws.com.evil"}"#,
    },
    apply: Apply::Value(|value| open_ends(value, "endswith", true, false, Relation::EndsWith)),
};
