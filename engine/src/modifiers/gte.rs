//! `gte`: the field is a number, or a text that reads as one, greater than or equal to the value.

use super::{Apply, Example, Modifier, compare};
use crate::predicate::Comparison;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "gte",
    summary: "The field is a number greater than or equal to the value.",
    example: Example { selection: r#"count|gte: 5"#, matches: r#"{"count":"5"}"#, misses: r#"{"count":4}"# },
    apply: Apply::Value(|value| compare(value, "gte", Comparison::Gte)),
};
