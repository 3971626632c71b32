//! `cased`: case counts, where Sigma otherwise ignores it.

use super::{Apply, Example, Fault, Modifier, Value};
fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_) | Value::Pattern(_) | Value::Bytes(_) | Value::FieldRef(_))
}

pub(super) static MODIFIER: Modifier = Modifier {
    name: "cased",
    summary: "Case counts.",
    example: Example {
        selection: r#"userName|cased: Admin"#,
        matches: r#"{"userName":"Admin"}"#,
        misses: r#"{"userName":"admin"}"#,
    },
    apply: Apply::Item(|item| {
        let takes_case = |value: &Value| match value {
            Value::AnyOf(values) => values.iter().all(is_text),
            value => is_text(value),
        };
        match item.values.iter().find(|value| !takes_case(&value.value)) {
            Some(value) => Err(Fault::value(format!("`cased` needs a text, not {}", value.value.word()))),
            None => {
                item.cased = true;
                Ok(())
            }
        }
    }),
};
