//! `expand`: `%name%` in the value stands for each value of a list of that name.

use super::{Apply, Example, Fault, Modifier, Value};
use crate::sigma::{Part, Pattern};

pub(super) static MODIFIER: Modifier = Modifier {
    name: "expand",
    summary: "`%name%` stands for each value of the list of that name; `\\%` is a plain percent sign.",
    example: Example {
        // the example's list `example` holds `alice` and `bob`
        selection: r#"userName|expand: "%example%""#,
        matches: r#"{"userName":"Alice"}"#,
        misses: r#"{"userName":"%example%"}"#,
    },
    apply: Apply::Value(expand),
};

fn expand(value: Value) -> Result<Value, Fault> {
    let Value::Pattern(pattern) = value else {
        return Err(Fault::value(format!("`expand` needs a text, not {}", value.word())));
    };
    let parts = pattern.parts.into_iter().flat_map(|part| match part {
        Part::Text(text) => placeholders(&text),
        part => vec![part],
    });
    Ok(Value::Pattern(Pattern { parts: parts.collect() }))
}

/// Splits a text at its `%name%`.
fn placeholders(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("\\%") {
            plain.push('%');
            rest = tail;
        } else if let Some((name, tail)) = placeholder(rest) {
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Placeholder(name.to_owned()));
            rest = tail;
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    parts.push(Part::Text(plain));
    parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
    parts
}

/// `%name%…` → the name and what follows.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = text.strip_prefix('%')?.split_once('%')?;
    (!name.is_empty()).then_some((name, tail))
}
