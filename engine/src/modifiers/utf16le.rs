//! `utf16le`: the value in UTF-16, little-endian.

use super::{Apply, Example, Fault, Modifier, Value, plain_text};
/// UTF-16, little-endian: `wide` is the same under another name.
pub(super) fn encode(value: Value, name: &str) -> Result<Value, Fault> {
    let text = plain_text(value, name)?;
    Ok(Value::Bytes(text.encode_utf16().flat_map(u16::to_le_bytes).collect()))
}

pub(super) static MODIFIER: Modifier = Modifier {
    name: "utf16le",
    summary: "The value in UTF-16, little-endian; usually before base64offset.",
    example: Example {
        selection: r#"data|utf16le|base64offset|contains: cmd"#,
        matches: r#"{"data":"YwBtAGQA"}"#,
        misses: r#"{"data":"Y21k"}"#,
    },
    apply: Apply::Value(|value| encode(value, "utf16le")),
};
