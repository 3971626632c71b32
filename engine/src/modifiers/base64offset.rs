//! `base64offset`: the value may begin at any byte of a longer text that was encoded. Base64 turns three
//! bytes into four characters, so there are three forms; the characters at either end that also depend on
//! the neighbouring bytes are dropped.

use super::{Apply, Example, Fault, Modifier, Value, plain_bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Characters at the start that hold bits of the one or two bytes before the value.
const DEPENDENT_START: [usize; 3] = [0, 2, 3];

fn offsets(value: Value) -> Result<Value, Fault> {
    let bytes = plain_bytes(value, "base64offset")?;
    let forms = (0..3).filter_map(|shift| {
        let mut shifted = vec![b' '; shift];
        shifted.extend_from_slice(&bytes);
        let text = STANDARD_NO_PAD.encode(&shifted);
        // whole characters only: the last one of an unfinished group holds bits of what follows
        let end = shifted.len() * 8 / 6;
        let start = DEPENDENT_START[shift].min(end);
        // a form of which nothing is left would be found in everything
        (start < end).then(|| Value::Bytes(text.as_bytes()[start..end].to_vec()))
    });
    match forms.collect::<Vec<_>>() {
        forms if forms.is_empty() => Err(Fault::value("`base64offset` needs a text that is not empty")),
        forms => Ok(Value::AnyOf(forms)),
    }
}

pub(super) static MODIFIER: Modifier = Modifier {
    name: "base64offset",
    summary: "The value stands somewhere in a longer text that is in Base64: three forms, one for each position.",
    example: Example {
        selection: r#"data|base64offset|contains: http://"#,
        matches: r#"{"data":"eGh0dHA6Ly9ldmls"}"#,
        misses: r#"{"data":"http://evil"}"#,
    },
    apply: Apply::Value(offsets),
};
