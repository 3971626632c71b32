//! `hashes_fields`: `Hashes: MD5=…` becomes a field for each algorithm. What names no algorithm is
//! known by its length. The fields are alternatives, whatever joined the values before.

use super::super::apply::{Refusal, Run};
use super::super::plain_text::PlainText;
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind, with_values};
use crate::modifiers::Value;
use crate::plan::{ResolvedItem, ResolvedNode};
use crate::sigma::{Pattern, Spanned};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "hashes_fields",
    summary: "Splits a field of several hashes into a field for each algorithm.",
    read,
};

#[derive(Debug)]
struct HashesFields {
    algorithms: Vec<String>,
    prefix: String,
    drop_algorithm: bool,
    fields: Vec<String>,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    keys.required("valid_hash_algos")?;
    let default = || vec!["Hashes".to_owned(), "Hash".to_owned()];
    Ok(Box::new(HashesFields {
        algorithms: keys.texts("valid_hash_algos")?.unwrap_or_default(),
        prefix: keys.text("field_prefix")?.unwrap_or_default(),
        drop_algorithm: keys.flag("drop_algo_prefix")?,
        fields: keys.texts("field_to_parse")?.unwrap_or_else(default),
    }))
}

/// Digits of a hash, and the algorithm that makes so many.
const LENGTHS: &[(usize, &str)] = &[(32, "MD5"), (40, "SHA1"), (64, "SHA256"), (128, "SHA512")];

impl HashesFields {
    /// The algorithm and the hash of a value, where the algorithm is one of those asked for.
    fn split(&self, value: &Value) -> Option<(String, Pattern)> {
        let Value::Pattern(pattern) = value else { return None };
        let text = PlainText::of(pattern).text;
        let separator = if text.contains('|') { '|' } else { '=' };
        let parts: Vec<&str> = text.split(separator).collect();
        let (algorithm, hash) = match parts.as_slice() {
            [algorithm, hash] => {
                (algorithm.trim_start_matches('*').to_uppercase(), hash.trim_matches(['*', '?']))
            }
            [first, ..] => {
                let hash = first.trim_matches(['*', '?']);
                let algorithm = LENGTHS.iter().find(|(length, _)| *length == hash.len())?.1;
                (algorithm.to_owned(), hash)
            }
            [] => return None,
        };
        self.algorithms.contains(&algorithm).then(|| (algorithm, Pattern::parse(hash)))
    }
}

impl Transformation for HashesFields {
    fn item(&self, item: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        let asked = item.field.as_ref().is_some_and(|field| self.fields.contains(field));
        let texts = item.values.values.iter().all(|value| matches!(value.value, Value::Pattern(_)));
        if !asked || !texts {
            return Ok(Changed::No);
        }
        let mut by_field: Vec<(String, Vec<Spanned<Value>>)> = Vec::new();
        for value in &item.values.values {
            let Some((algorithm, hash)) = self.split(&value.value) else { continue };
            let field = match self.drop_algorithm {
                true => self.prefix.clone(),
                false => format!("{}{algorithm}", self.prefix),
            };
            let hash = Spanned { value: Value::Pattern(hash), span: value.span.clone() };
            match by_field.iter_mut().find(|(other, _)| *other == field) {
                Some((_, values)) => values.push(hash),
                None => by_field.push((field, vec![hash])),
            }
        }
        if by_field.iter().any(|(field, _)| field.is_empty()) {
            return Err(Refusal("the hashes have no field: give a `field_prefix`".into()));
        }
        if by_field.is_empty() {
            return Err(Refusal("none of the hashes is of an algorithm in `valid_hash_algos`".into()));
        }
        let of_field = |(field, values): (String, Vec<Spanned<Value>>)| {
            let mut made = ResolvedItem { field: Some(field), ..with_values(item, values) };
            (made.values.all, made.values.negated, made.values.cased) = (false, false, false);
            ResolvedNode::Item(Box::new(made))
        };
        Ok(Changed::To(ResolvedNode::Any(by_field.into_iter().map(of_field).collect())))
    }
}
