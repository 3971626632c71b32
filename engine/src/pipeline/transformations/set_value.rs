//! `set_value`: every value of an item becomes one given value.

use super::super::apply::{Refusal, Run};
use super::super::read::{Parameters, wrong_type};
use super::{Changed, Made, Transformation, TransformationKind, with_values};
use crate::modifiers::Value;
use crate::plan::ResolvedItem;
use crate::predicate::Number;
use crate::sigma::yaml::Scalar;
use crate::sigma::{Pattern, Spanned};

pub(super) static KIND: TransformationKind =
    TransformationKind { name: "set_value", summary: "Sets all values to one.", read };

#[derive(Debug)]
struct SetValue(Value);

fn read(keys: &mut Parameters<'_>) -> Made {
    let node = keys.required("value")?;
    let force = keys.word("force_type", &["str", "num"])?;
    let wrong = |cause: &str| wrong_type(keys.file, node, cause);
    let number = |text: &str| Number::parse(text).map(|number| Value::Number(number, text.to_owned()));
    let text = node.text().unwrap_or_default();
    let value = match (node.scalar(), force) {
        (None, _) => return Err(wrong("`value` must be a text, number, boolean or null")),
        (Some(Scalar::Null), Some(_)) => return Err(wrong("null is neither a text nor a number")),
        (Some(Scalar::Null), None) => Value::Null,
        (_, Some("num")) => number(text).ok_or_else(|| wrong("`value` is not a number"))?,
        (Some(Scalar::Text(text)), _) => Value::Pattern(Pattern::parse(text)),
        (_, Some(_)) => Value::Pattern(Pattern::literal(text)),
        (Some(Scalar::Bool(flag)), None) => Value::Bool(flag),
        (Some(Scalar::Number(_)), None) => number(text).ok_or_else(|| wrong("`value` is not a number"))?,
    };
    Ok(Box::new(SetValue(value)))
}

impl Transformation for SetValue {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let values = item.values.values.iter();
        let values = values.map(|value| Spanned { value: self.0.clone(), span: value.span.clone() });
        Ok(Changed::item(with_values(item, values.collect())))
    }
}
