//! `exists`: whether the field is there at all; what it holds does not matter.

use super::{Apply, Example, Fault, Modifier, Value};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "exists",
    summary: "The field is there (true) or not (false); null is there.",
    example: Example {
        selection: r#"errorCode|exists: true"#,
        matches: r#"{"errorCode":null}"#,
        misses: r#"{"eventName":"GetObject"}"#,
    },
    apply: Apply::Value(|value| match value {
        Value::Bool(b) => Ok(Value::Exists(b)),
        other => Err(Fault::value(format!("`exists` needs true or false, not {}", other.word()))),
    }),
};
