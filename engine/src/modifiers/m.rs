//! `m`: a flag of `re`: `^` and `$` match at each line.

use super::{Apply, Example, Modifier, regex_flag};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "m",
    summary: "Behind `re`: `^` and `$` match at each line.",
    example: Example {
        selection: r#"text|re|m: ^b$"#,
        matches: r#"{"text":"a\nb"}"#,
        misses: r#"{"text":"ab"}"#,
    },
    apply: Apply::Value(|value| regex_flag(value, "m", |regex| regex.multi_line = true)),
};
