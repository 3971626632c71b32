//! `wide`: another name for `utf16le`.

use super::{Apply, Example, Modifier, utf16le};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "wide",
    summary: "Another name for utf16le.",
    example: Example {
        selection: r#"data|wide|base64offset|contains: cmd"#,
        matches: r#"{"data":"YwBtAGQA"}"#,
        misses: r#"{"data":"Y21k"}"#,
    },
    apply: Apply::Value(|value| utf16le::encode(value, "wide")),
};
