//! `extract_fields`: the named groups of a regular expression become fields of their own.

use super::super::apply::{Refusal, Run};
use super::super::plain_text::PlainText;
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_values};
use crate::diagnostic::{Diagnostic, codes};
use crate::modifiers::Value;
use crate::plan::{ResolvedItem, ResolvedNode};
use crate::predicate::Number;
use crate::sigma::{Pattern, Spanned};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "extract_fields",
    summary: "Turns the named groups of an expression over values into fields.",
    read,
};

#[derive(Debug)]
struct ExtractFields {
    regex: ::regex::Regex,
    prefix: Option<String>,
    preserve_unmatched: bool,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let regex = keys.regex("regex", true)?;
    if regex.capture_names().flatten().next().is_none() {
        let place = keys.required("regex")?.span.clone();
        let cause = "the expression names no group, as in `(?P<account>[0-9]+)`";
        return Err(Box::new(Diagnostic::error(codes::BAD_REGEX, keys.file, place, cause)));
    }
    Ok(Box::new(ExtractFields {
        regex,
        prefix: keys.text("field_prefix")?,
        preserve_unmatched: keys.flag("preserve_unmatched")?,
    }))
}

/// What a group caught, as a value of a rule.
fn value(text: &str) -> Value {
    if matches!(text.to_lowercase().as_str(), "null" | "none") {
        return Value::Null;
    }
    let leading_zero = text.starts_with('0') && text != "0";
    match Number::parse(text).filter(|_| !leading_zero) {
        Some(number) => Value::Number(number, text.to_owned()),
        None => Value::Pattern(Pattern::parse(text)),
    }
}

impl ExtractFields {
    /// The fields that a value makes; `None` where the expression does not match it.
    fn extracted(&self, item: &ResolvedItem, of: &Spanned<Value>) -> Option<ResolvedNode> {
        let Value::Pattern(pattern) = &of.value else { return None };
        let text = PlainText::of(pattern).text;
        let captures = self.regex.captures(&text)?;
        let mut nodes = Vec::new();
        for name in self.regex.capture_names().flatten() {
            let Some(caught) = captures.name(name).filter(|caught| !caught.is_empty()) else { continue };
            let field =
                self.prefix.as_ref().map_or_else(|| name.to_owned(), |prefix| format!("{prefix}.{name}"));
            let values = vec![Spanned { value: value(caught.as_str()), span: of.span.clone() }];
            let mut made = ResolvedItem { field: Some(field), ..with_values(item, values) };
            (made.values.all, made.values.negated, made.values.cased) = (false, false, false);
            made.values.has_field = true;
            nodes.push(ResolvedNode::Item(Box::new(made)));
        }
        (!nodes.is_empty()).then_some(ResolvedNode::All(nodes))
    }
}

impl Transformation for ExtractFields {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let texts = item.values.values.iter().all(|value| matches!(value.value, Value::Pattern(_)));
        if !texts {
            return Ok(Changed::No);
        }
        let extracted: Vec<Option<ResolvedNode>> =
            item.values.values.iter().map(|value| self.extracted(item, value)).collect();
        if extracted.iter().all(Option::is_none) {
            return Ok(Changed::No);
        }
        let mut nodes = Vec::new();
        for (made, value) in extracted.into_iter().zip(&item.values.values) {
            match made {
                Some(made) => nodes.push(made),
                None if self.preserve_unmatched => {
                    nodes.push(ResolvedNode::Item(Box::new(with_values(item, vec![value.clone()]))));
                }
                None => {}
            }
        }
        Ok(Changed::To(if item.values.all { ResolvedNode::All(nodes) } else { ResolvedNode::Any(nodes) }))
    }
}
