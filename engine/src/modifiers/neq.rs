//! `neq`: the negation of what the item would ask otherwise, also true of an absent field.

use super::{Apply, Example, Modifier};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "neq",
    summary: "The field has none of the values; an absent field has none.",
    example: Example {
        selection: r#"awsRegion|neq: eu-central-1"#,
        matches: r#"{"awsRegion":"us-east-1"}"#,
        misses: r#"{"awsRegion":"eu-central-1"}"#,
    },
    apply: Apply::Item(|item| {
        item.negated = true;
        Ok(())
    }),
};
