//! `lte`: the field is a number, or a text that reads as one, less than or equal to the value.

use super::{Apply, Example, Modifier, compare};
use crate::predicate::Comparison;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "lte",
    summary: "The field is a number less than or equal to the value.",
    example: Example { selection: r#"count|lte: 5"#, matches: r#"{"count":"5"}"#, misses: r#"{"count":6}"# },
    apply: Apply::Value(|value| compare(value, "lte", Comparison::Lte)),
};
