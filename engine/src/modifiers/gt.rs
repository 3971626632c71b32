//! `gt`: the field is a number, or a text that reads as one, greater than the value.

use super::{Apply, Example, Modifier, compare};
use crate::predicate::Comparison;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "gt",
    summary: "The field is a number greater than the value.",
    example: Example { selection: r#"count|gt: 5"#, matches: r#"{"count":"6"}"#, misses: r#"{"count":5}"# },
    apply: Apply::Value(|value| compare(value, "gt", Comparison::Gt)),
};
