//! `contains`: the value stands anywhere in the field.

use super::{Apply, Example, Modifier, open_ends};
use crate::predicate::Relation;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "contains",
    summary: "The value stands anywhere in the field.",
    example: Example {
        selection: r#"userAgent|contains: boto3"#,
        matches: r#"{"userAgent":"aws-cli Boto3/1.34"}"#,
        misses: r#"{"userAgent":"curl"}"#,
    },
    apply: Apply::Value(|value| open_ends(value, "contains", true, true, Relation::Contains)),
};
