//! `convert_type`: numbers become texts, or texts whole numbers.

use super::super::apply::{Refusal, Run};
use super::super::plain_text::PlainText;
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_values};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::predicate::Number;
use crate::sigma::{Pattern, Spanned};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "convert_type",
    summary: "Turns numbers into texts, or texts into whole numbers.",
    read,
};

#[derive(Debug)]
struct ConvertType {
    to_number: bool,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    keys.required("target_type")?;
    Ok(Box::new(ConvertType { to_number: keys.word("target_type", &["str", "num"])? == Some("num") }))
}

impl ConvertType {
    /// The value converted; what is neither text nor number stays.
    fn convert(&self, value: &Value) -> Result<Value, Refusal> {
        Ok(match value {
            Value::AnyOf(values) => {
                Value::AnyOf(values.iter().map(|value| self.convert(value)).collect::<Result<_, _>>()?)
            }
            Value::Pattern(pattern) if self.to_number => {
                let text = PlainText::of(pattern).text;
                let whole: Result<i64, _> = text.trim().parse();
                let number = whole.ok().and_then(|whole| Number::parse(&whole.to_string()));
                let number = number.ok_or_else(|| Refusal(format!("`{text}` is no whole number")))?;
                Value::Number(number, text.trim().to_owned())
            }
            Value::Number(_, text) if !self.to_number => Value::Pattern(Pattern::literal(text.clone())),
            other => other.clone(),
        })
    }
}

impl Transformation for ConvertType {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let mut values = Vec::with_capacity(item.values.values.len());
        for value in &item.values.values {
            values.push(Spanned { value: self.convert(&value.value)?, span: value.span.clone() });
        }
        let changed = values.iter().zip(&item.values.values).any(|(new, old)| new.value != old.value);
        Ok(if changed { Changed::item(with_values(item, values)) } else { Changed::No })
    }
}
