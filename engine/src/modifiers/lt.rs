//! `lt`: the field is a number, or a text that reads as one, less than the value.

use super::{Apply, Example, Modifier, compare};
use crate::predicate::Comparison;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "lt",
    summary: "The field is a number less than the value.",
    example: Example { selection: r#"count|lt: 5"#, matches: r#"{"count":"4"}"#, misses: r#"{"count":5}"# },
    apply: Apply::Value(|value| compare(value, "lt", Comparison::Lt)),
};
