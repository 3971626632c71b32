//! `utf16be`: the value in UTF-16, big-endian.

use super::{Apply, Example, Modifier, Value, plain_text};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "utf16be",
    summary: "The value in UTF-16, big-endian; usually before base64offset.",
    example: Example {
        selection: r#"data|utf16be|base64offset|contains: cmd"#,
        matches: r#"{"data":"AGMAbQBk"}"#,
        misses: r#"{"data":"Y21k"}"#,
    },
    apply: Apply::Value(|value| {
        let text = plain_text(value, "utf16be")?;
        Ok(Value::Bytes(text.encode_utf16().flat_map(u16::to_be_bytes).collect()))
    }),
};
