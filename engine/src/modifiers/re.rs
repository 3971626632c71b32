//! `re`: a regular expression, with the syntax that runs in linear time (no look-around, no
//! back-references). It takes the text as the rule writes it: backslashes are the expression's own.

use super::{Apply, Example, Fault, Modifier, Value};
use crate::diagnostic::codes;
use crate::predicate::RegexTest;

pub(super) static MODIFIER: Modifier = Modifier {
    name: "re",
    summary: "A regular expression matches somewhere in the field; case counts.",
    example: Example {
        selection: r#"userName|re: ^svc-[0-9]+$"#,
        matches: r#"{"userName":"svc-12"}"#,
        misses: r#"{"userName":"SVC-12"}"#,
    },
    apply: Apply::Raw(expression),
};

fn expression(value: Value) -> Result<Value, Fault> {
    let pattern = match value {
        Value::Text(text) | Value::Number(_, text) => text,
        Value::Pattern(_) | Value::Bytes(_) => {
            return Err(Fault::chain("`re` must come before other modifiers of the text"));
        }
        other => return Err(Fault::value(format!("`re` needs a text, not {}", other.word()))),
    };
    let regex = RegexTest { pattern, ignore_case: false, multi_line: false, dot_all: false };
    match regex.compile() {
        Ok(_) => Ok(Value::Regex(regex)),
        Err(error) => {
            let fault = Fault { code: codes::BAD_REGEX, cause: error.to_string(), help: String::new() };
            Err(fault.with_help(
                "look-around and back-references are not supported: they do not run in linear time",
            ))
        }
    }
}
