//! `case`: the letters of values in lower, upper or snake case; wildcards and placeholders stay.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_texts};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::sigma::{Part, Pattern};

pub(super) static KIND: TransformationKind =
    TransformationKind { name: "case", summary: "Writes values in lower, upper or snake case.", read };

#[derive(Debug)]
struct Case(fn(&str) -> String);

fn read(keys: &mut Parameters<'_>) -> Made {
    Ok(Box::new(Case(match keys.word("method", &["lower", "upper", "snake_case"])? {
        Some("upper") => |text| text.to_uppercase(),
        Some("snake_case") => snake,
        _ => |text| text.to_lowercase(),
    })))
}

/// `HTTPServer` → `h_t_t_p_server`
fn snake(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for (at, c) in text.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

impl Transformation for Case {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let changed = with_texts(item, |pattern| {
            let part = |part: &Part| match part {
                Part::Text(text) => Part::Text((self.0)(text)),
                other => other.clone(),
            };
            let changed = Pattern { parts: pattern.parts.iter().map(part).collect() };
            Ok((changed != *pattern).then(|| vec![Value::Pattern(changed)]))
        })?;
        Ok(changed.map_or(Changed::No, Changed::item))
    }
}
