//! Selections: what stands under `detection`, beside the condition.
//!
//! In: the node of a selection. Out: a [`Detection`]: a mapping is an *and* of its fields, a list of
//! mappings an *or*, a list of scalars keywords that are looked for in the whole event.

use std::ops::Range;
use std::sync::Arc;

use super::value::{RuleValue, Spanned};
use super::yaml::{Kind, Node, Scalar};
use crate::diagnostic::{Diagnostic, SourceFile, codes};

/// A selection of a rule, by name.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Its name.
    pub name: Spanned<String>,
    /// What it asks for.
    pub detection: Detection,
}

/// What a selection asks for.
#[derive(Debug, Clone)]
pub enum Detection {
    /// All of these (a mapping).
    All(Vec<Detection>),
    /// Any of these (a list of mappings).
    Any(Vec<Detection>),
    /// A field, or keywords, with values.
    Item(FieldItem),
}

/// `field|modifier|modifier: values`, or keywords.
#[derive(Debug, Clone)]
pub struct FieldItem {
    /// The field; `None` for keywords, which are looked for in the whole event.
    pub field: Option<Spanned<String>>,
    /// The modifiers, in their order.
    pub modifiers: Vec<Spanned<String>>,
    /// The values.
    pub values: Vec<Spanned<RuleValue>>,
    /// Where the item stands.
    pub span: Range<usize>,
}

/// Reads what stands under a selection's name.
pub(crate) fn parse(node: &Node, file: &Arc<SourceFile>) -> Result<Detection, Diagnostic> {
    match &node.kind {
        Kind::Map(pairs) if pairs.is_empty() => Err(empty(node, file)),
        Kind::List(items) if items.is_empty() => Err(empty(node, file)),
        Kind::Map(pairs) => {
            let items: Result<Vec<_>, _> = pairs.iter().map(|(key, value)| item(key, value, file)).collect();
            Ok(Detection::All(items?))
        }
        Kind::List(items) if items.iter().all(|item| item.scalar().is_some()) => {
            keywords(items, node.span.clone(), file)
        }
        Kind::List(items) => {
            let branches: Result<Vec<_>, _> = items.iter().map(|item| branch(item, file)).collect();
            Ok(Detection::Any(branches?))
        }
        Kind::Scalar { .. } if node.scalar() == Some(Scalar::Null) => Err(empty(node, file)),
        Kind::Scalar { .. } => keywords(std::slice::from_ref(node), node.span.clone(), file),
    }
}

fn empty(node: &Node, file: &Arc<SourceFile>) -> Diagnostic {
    Diagnostic::error(codes::EMPTY_DETECTION, file, node.span.clone(), "the selection holds nothing")
}

/// One element of a list that is not all scalars.
fn branch(node: &Node, file: &Arc<SourceFile>) -> Result<Detection, Diagnostic> {
    match node.kind {
        Kind::List(_) => {
            let cause = "a list of a selection may hold mappings or keywords, not lists";
            Err(Diagnostic::error(codes::WRONG_TYPE, file, node.span.clone(), cause))
        }
        _ => parse(node, file),
    }
}

fn keywords(nodes: &[Node], span: Range<usize>, file: &Arc<SourceFile>) -> Result<Detection, Diagnostic> {
    let values: Result<Vec<_>, _> = nodes.iter().map(|node| value(node, file)).collect();
    let values = values?;
    if let Some(null) = values.iter().find(|value| value.value == RuleValue::Null) {
        let cause = "null is not a keyword: it can only be asked of a field";
        return Err(Diagnostic::error(codes::WRONG_TYPE, file, null.span.clone(), cause));
    }
    Ok(Detection::Item(FieldItem { field: None, modifiers: Vec::new(), values, span }))
}

fn item(key: &Node, node: &Node, file: &Arc<SourceFile>) -> Result<Detection, Diagnostic> {
    let text = key.text().unwrap_or_default();
    // where the key stands letter for letter, each modifier has a place of its own
    let quote = usize::from(matches!(&key.kind, Kind::Scalar { plain: false, .. }));
    let verbatim = file.text.get(key.span.start + quote..).is_some_and(|rest| rest.starts_with(text));
    let mut at = key.span.start + quote;
    let mut pieces = text.split('|').map(|piece| {
        let span = if verbatim { at..at + piece.len() } else { key.span.clone() };
        at += piece.len() + 1;
        Spanned { value: piece.to_owned(), span }
    });
    let field = pieces.next().filter(|field| !field.value.is_empty());
    let modifiers: Vec<_> = pieces.collect();
    let values: Vec<_> = match &node.kind {
        Kind::List(items) => items.iter().map(|item| value(item, file)).collect::<Result<_, _>>()?,
        _ => vec![value(node, file)?],
    };
    if values.is_empty() {
        let cause = format!("`{text}` has an empty list: nothing could match it");
        return Err(Diagnostic::error(codes::EMPTY_DETECTION, file, node.span.clone(), cause)
            .with_help("ask for absence with `field: null`, or take the line out"));
    }
    let span = key.span.start..node.span.end.max(key.span.end);
    Ok(Detection::Item(FieldItem { field, modifiers, values, span }))
}

fn value(node: &Node, file: &Arc<SourceFile>) -> Result<Spanned<RuleValue>, Diagnostic> {
    let value = match node.scalar() {
        Some(Scalar::Null) => RuleValue::Null,
        Some(Scalar::Bool(b)) => RuleValue::Bool(b),
        Some(Scalar::Number(number)) => RuleValue::Number(number.to_owned()),
        Some(Scalar::Text(text)) if is_no_number(node) => {
            let cause = format!("`{text}` is not a number that a value could be compared with");
            return Err(Diagnostic::error(codes::BAD_VALUE, file, node.span.clone(), cause)
                .with_help("put it in quotes if the text is meant"));
        }
        Some(Scalar::Text(text)) => RuleValue::Text(text.to_owned()),
        None => {
            let cause = format!("a value must be a text, number, boolean or null, not {}", node.word());
            return Err(Diagnostic::error(codes::WRONG_TYPE, file, node.span.clone(), cause)
                .with_help("a nested field is written with dots: `a.b.c: value`"));
        }
    };
    Ok(Spanned { value, span: node.span.clone() })
}

/// Infinity and not-a-number as YAML writes them.
fn is_no_number(node: &Node) -> bool {
    let Kind::Scalar { text, plain: true } = &node.kind else { return false };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(&unsigned)
}
