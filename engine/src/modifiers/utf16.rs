//! `utf16`: the value in UTF-16, little-endian, behind a byte order mark.

use super::{Apply, Example, Modifier, Value, plain_text};
const BYTE_ORDER_MARK: u16 = 0xFEFF;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "utf16",
    summary: "The value in UTF-16 behind a byte order mark; usually before base64.",
    example: Example {
        selection: r#"data|utf16|base64: cmd"#,
        matches: r#"{"data":"//5jAG0AZAA="}"#,
        misses: r#"{"data":"YwBtAGQA"}"#,
    },
    apply: Apply::Value(|value| {
        let text = plain_text(value, "utf16")?;
        let units = std::iter::once(BYTE_ORDER_MARK).chain(text.encode_utf16());
        Ok(Value::Bytes(units.flat_map(u16::to_le_bytes).collect()))
    }),
};
