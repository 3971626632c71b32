//! `all`: every value of the list must match. On a single value it changes nothing; the loader warns.

use super::{Apply, Example, Modifier};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "all",
    summary: "All values must match, not just one.",
    example: Example {
        selection: r#"policy|contains|all: [Allow, s3]"#,
        matches: r#"{"policy":"Allow s3:*"}"#,
        misses: r#"{"policy":"Allow ec2:*"}"#,
    },
    apply: Apply::Item(|item| {
        item.all = true;
        Ok(())
    }),
};
