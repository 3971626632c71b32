//! `base64`: the value is encoded in Base64.

use super::{Apply, Example, Modifier, Value, plain_bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "base64",
    summary: "The field is the value in Base64.",
    example: Example {
        selection: r#"data|base64: hello"#,
        matches: r#"{"data":"aGVsbG8="}"#,
        misses: r#"{"data":"hello"}"#,
    },
    apply: Apply::Value(|value| {
        Ok(Value::Bytes(STANDARD.encode(plain_bytes(value, "base64")?).into_bytes()))
    }),
};
