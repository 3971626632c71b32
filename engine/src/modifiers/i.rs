//! `i`: a flag of `re`: case does not count.

use super::{Apply, Example, Modifier, regex_flag};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "i",
    summary: "Behind `re`: case does not count.",
    example: Example {
        selection: r#"userName|re|i: ^ADMIN$"#,
        matches: r#"{"userName":"admin"}"#,
        misses: r#"{"userName":"user"}"#,
    },
    apply: Apply::Value(|value| regex_flag(value, "i", |regex| regex.ignore_case = true)),
};
