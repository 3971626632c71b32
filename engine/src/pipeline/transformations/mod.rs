//! The transformations of processing pipelines, one file each, and the slice that lists them.
//!
//! In: the parameters of a processing item. Out: a [`Transformation`], which changes a rule or, asked
//! for each detection item that its conditions hold for, that item.

mod add_condition;
mod case;
mod change_logsource;
mod convert_type;
mod drop_detection_item;
mod extract_fields;
mod failures;
mod field_names;
mod hashes_fields;
mod map_string;
mod nest;
mod placeholders;
mod regex;
mod replace_string;
mod rule_fields;
mod set_custom_attribute;
mod set_state;
mod set_value;

use std::fmt::Debug;

use super::ProcessingItem;
use super::apply::{Refusal, Run};
use super::read::{Parameters, Placed};
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::modifiers::Value;
use crate::plan::{ResolvedItem, ResolvedNode};
use crate::sigma::{Pattern, Spanned};

/// A kind of transformation.
#[derive(Debug)]
pub struct TransformationKind {
    /// Its name, as pipelines write it under `type`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    read: fn(&mut Parameters<'_>) -> Made,
}

/// A transformation, or what is wrong with its parameters.
type Made = Result<Box<dyn Transformation>, Box<Diagnostic>>;

/// Every transformation; `nest` stands beside them, for it holds items.
pub static TRANSFORMATIONS: &[&TransformationKind] = &[
    &field_names::MAPPING,
    &field_names::PREFIX_MAPPING,
    &field_names::PREFIX,
    &field_names::SUFFIX,
    &drop_detection_item::KIND,
    &add_condition::KIND,
    &change_logsource::KIND,
    &replace_string::KIND,
    &map_string::KIND,
    &regex::KIND,
    &case::KIND,
    &set_value::KIND,
    &convert_type::KIND,
    &hashes_fields::KIND,
    &extract_fields::KIND,
    &placeholders::VALUES,
    &placeholders::WILDCARDS,
    &rule_fields::ADD,
    &rule_fields::REMOVE,
    &rule_fields::SET,
    &set_custom_attribute::KIND,
    &set_state::KIND,
    &failures::RULE,
    &failures::ITEM,
    &failures::MAPPING,
    &nest::KIND,
];

/// Transformations of pySigma that have no meaning here, and why.
pub static REFUSED: &[(&str, &str)] = &[
    ("query_expression_placeholders", "it writes query text, and Virga makes none"),
    ("embed", "it changes query text, and Virga makes none"),
    ("simple_template", "it changes query text, and Virga makes none"),
    ("template", "it changes query text, and Virga makes none"),
    ("json", "it changes query text, and Virga makes none"),
    ("replace", "it changes query text, and Virga makes none"),
    ("field_name_transform", "its function is Python code, which a pipeline file cannot hold"),
    ("file_placeholders", "it reads files while rules load: put the values into a list (`--lists`)"),
    ("http_placeholders", "it reads the network while rules load: put the values into a list (`--lists`)"),
    ("command_placeholders", "it runs commands while rules load: put the values into a list (`--lists`)"),
];

/// What a processing item does.
pub(super) trait Transformation: Debug + Send + Sync {
    /// Changes a rule; by default item by item.
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        run.each_item()
    }

    /// Changes a detection item.
    fn item(&self, _item: &ResolvedItem, _run: &mut Run<'_>) -> Result<Changed, Refusal> {
        Ok(Changed::No)
    }
}

/// What became of a detection item.
pub(super) enum Changed {
    /// It stays as it is.
    No,
    /// It is another now, or several; one that is no more is an empty [`ResolvedNode::All`].
    To(ResolvedNode),
}

impl Changed {
    fn item(item: ResolvedItem) -> Self {
        Self::To(ResolvedNode::Item(Box::new(item)))
    }
}

/// The transformation of a processing item.
pub(super) fn read(kind: &Placed, keys: &mut Parameters<'_>) -> Made {
    let name = kind.value.as_str();
    if let Some(found) = TRANSFORMATIONS.iter().find(|known| known.name == name) {
        keys.name(&format!("the transformation `{name}`"));
        return (found.read)(keys);
    }
    let error = |code, cause| Diagnostic::error(code, keys.file, kind.span.clone(), cause);
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        let cause = format!("the transformation `{name}` is not supported: {why}");
        return Err(Box::new(error(codes::UNSUPPORTED_TRANSFORMATION, cause)));
    }
    let diagnostic = error(codes::UNKNOWN_TRANSFORMATION, format!("there is no transformation `{name}`"));
    Err(Box::new(match nearest(name, TRANSFORMATIONS.iter().map(|known| known.name)) {
        Some(near) => diagnostic.with_help(format!("did you mean `{near}`?")),
        None => diagnostic.with_help("`virga rules transformations` lists them"),
    }))
}

/// A `nest` around items.
pub(super) fn nest(items: Vec<ProcessingItem>) -> Box<dyn Transformation> {
    Box::new(nest::Nest { items })
}

/// An item with each of its texts handed to a function, which gives the values that take its place, or
/// nothing where it stays. `None` where all stay.
fn with_texts(
    item: &ResolvedItem,
    mut change: impl FnMut(&Pattern) -> Result<Option<Vec<Value>>, Refusal>,
) -> Result<Option<ResolvedItem>, Refusal> {
    let mut values = Vec::with_capacity(item.values.values.len());
    let mut changed = false;
    for value in &item.values.values {
        let new = match &value.value {
            Value::Pattern(pattern) => change(pattern)?,
            _ => None,
        };
        changed |= new.is_some();
        let new = new.unwrap_or_else(|| vec![value.value.clone()]);
        values.extend(new.into_iter().map(|new| Spanned { value: new, span: value.span.clone() }));
    }
    Ok(changed.then(|| with_values(item, values)))
}

/// An item with other values; one that has none left asks whether the field is absent.
fn with_values(item: &ResolvedItem, mut values: Vec<Spanned<Value>>) -> ResolvedItem {
    if values.is_empty() {
        values.push(Spanned { value: Value::Null, span: item.span.clone() });
    }
    let mut item = item.clone();
    item.values.values = values;
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transformation_is_either_there_or_refused_and_each_once() {
        let names: Vec<&str> = TRANSFORMATIONS
            .iter()
            .map(|kind| kind.name)
            .chain(REFUSED.iter().map(|(name, _)| *name))
            .collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name} twice");
        }
        assert!(TRANSFORMATIONS.iter().all(|kind| kind.summary.ends_with('.')));
    }
}
