//! `s`: a flag of `re`: `.` also matches line breaks.

use super::{Apply, Example, Modifier, regex_flag};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "s",
    summary: "Behind `re`: `.` also matches line breaks.",
    example: Example {
        selection: r#"text|re|s: a.b"#,
        matches: r#"{"text":"a\nb"}"#,
        misses: r#"{"text":"ab"}"#,
    },
    apply: Apply::Value(|value| regex_flag(value, "s", |regex| regex.dot_all = true)),
};
