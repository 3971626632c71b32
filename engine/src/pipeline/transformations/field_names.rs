//! `field_name_mapping`, `field_name_prefix_mapping`, `field_name_prefix`, `field_name_suffix`: a
//! field has another name in one's own logs.
//!
//! Fields of detection items, fields that they refer to, the rule's list of `fields` and those that it is
//! suppressed by are renamed.
//! A name with several others becomes an *or* of them. Under the key null a mapping gives keywords a
//! field, in which they are looked for.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind};
use crate::modifiers::Value;
use crate::plan::{ResolvedItem, ResolvedNode};
use crate::predicate::FieldRefTest;
use crate::sigma::Spanned;

pub(super) static MAPPING: TransformationKind = TransformationKind {
    name: "field_name_mapping",
    summary: "Renames fields, each by its whole name, to one or several others.",
    read: |keys| read(keys.mapping("mapping")?, Renaming::Whole),
};

pub(super) static PREFIX_MAPPING: TransformationKind = TransformationKind {
    name: "field_name_prefix_mapping",
    summary: "Renames what fields begin with; the first prefix that fits counts.",
    read: |keys| read(keys.mapping("mapping")?, Renaming::Prefixes),
};

pub(super) static PREFIX: TransformationKind = TransformationKind {
    name: "field_name_prefix",
    summary: "Puts a text before each field's name.",
    read: |keys: &mut Parameters<'_>| Ok(Box::new(Renaming::Prefix(keys.required_text("prefix")?.value))),
};

pub(super) static SUFFIX: TransformationKind = TransformationKind {
    name: "field_name_suffix",
    summary: "Puts a text behind each field's name.",
    read: |keys: &mut Parameters<'_>| Ok(Box::new(Renaming::Suffix(keys.required_text("suffix")?.value))),
};

type Entries = Vec<(Option<String>, Vec<String>)>;

#[derive(Debug)]
enum Renaming {
    Whole(Entries),
    Prefixes(Entries),
    Prefix(String),
    Suffix(String),
}

fn read(entries: Entries, renaming: fn(Entries) -> Renaming) -> Made {
    Ok(Box::new(renaming(entries)))
}

impl Renaming {
    /// The names that a field has now; `None` where it keeps its own.
    fn names(&self, field: &str) -> Option<Vec<String>> {
        match self {
            Self::Whole(entries) => {
                let entry = entries.iter().find(|(name, _)| name.as_deref() == Some(field));
                entry.map(|(_, names)| names.clone())
            }
            Self::Prefixes(entries) => entries.iter().find_map(|(prefix, names)| {
                let rest = field.strip_prefix(prefix.as_deref()?)?;
                Some(names.iter().map(|name| format!("{name}{rest}")).collect())
            }),
            Self::Prefix(prefix) => Some(vec![format!("{prefix}{field}")]),
            Self::Suffix(suffix) => Some(vec![format!("{field}{suffix}")]),
        }
    }

    /// The same, where the conditions hold for the name; what is renamed is remembered.
    fn renamed(
        &self,
        field: &str,
        item: Option<&ResolvedItem>,
        run: &mut Run<'_>,
    ) -> Result<Option<Vec<String>>, Refusal> {
        if !run.is_for_field(Some(field), item)? {
            return Ok(None);
        }
        let Some(names) = self.names(field) else { return Ok(None) };
        run.state.mapped.insert(field.to_owned());
        run.state.mapped.extend(names.iter().cloned());
        Ok(Some(names))
    }

    /// Values in which fields that are referred to have their new names; `None` where none has one.
    fn references(
        &self,
        item: &ResolvedItem,
        run: &mut Run<'_>,
    ) -> Result<Option<Vec<Spanned<Value>>>, Refusal> {
        let mut values = Vec::new();
        let mut changed = false;
        for value in &item.values.values {
            let Value::FieldRef(test) = &value.value else {
                values.push(value.clone());
                continue;
            };
            let names = self.renamed(&test.field, Some(item), run)?;
            changed |= names.is_some();
            if names.as_ref().is_some_and(Vec::is_empty) {
                return Err(Refusal(format!("`{}` has no name left", test.field)));
            }
            for field in names.unwrap_or_else(|| vec![test.field.clone()]) {
                let test = FieldRefTest { field, ..test.clone() };
                values.push(Spanned { value: Value::FieldRef(test), span: value.span.clone() });
            }
        }
        Ok(changed.then_some(values))
    }

    /// The fields that keywords are looked for in.
    fn for_keywords(&self) -> Option<&[String]> {
        let Self::Whole(entries) = self else { return None };
        entries.iter().find(|(name, _)| name.is_none()).map(|(_, names)| names.as_slice())
    }
}

impl Transformation for Renaming {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        let mut fields = Vec::new();
        for field in std::mem::take(&mut run.rule.rule.fields) {
            let names = self.renamed(&field, None, run)?;
            fields.extend(names.unwrap_or_else(|| vec![field]));
        }
        run.rule.rule.fields = fields;
        if let Some(suppress) = &run.rule.rule.suppress {
            let mut by = Vec::new();
            for field in suppress.by.clone() {
                by.extend(self.renamed(&field, None, run)?.unwrap_or_else(|| vec![field]));
            }
            if let Some(suppress) = &mut run.rule.rule.suppress {
                suppress.by = by;
            }
        }
        run.each_item()
    }

    fn item(&self, item: &ResolvedItem, run: &mut Run<'_>) -> Result<Changed, Refusal> {
        let references = self.references(item, run)?;
        let names = match &item.field {
            Some(field) => self.renamed(field, Some(item), run)?,
            None if run.is_for_field(None, Some(item))? => self.for_keywords().map(<[String]>::to_vec),
            None => None,
        };
        if references.is_none() && names.is_none() {
            return Ok(Changed::No);
        }
        let mut changed = item.clone();
        if let Some(values) = references {
            changed.values.values = values;
        }
        let Some(names) = names else { return Ok(Changed::item(changed)) };
        if names.is_empty() {
            return Err(Refusal(format!(
                "`{}` has no name left",
                item.field.as_deref().unwrap_or("keywords")
            )));
        }
        if changed.field.is_none() {
            changed.values.has_field = true;
            // in a field, as in the whole event, a keyword may stand anywhere
            for value in &mut changed.values.values {
                if let Value::Pattern(pattern) = &mut value.value {
                    pattern.open_start();
                    pattern.open_end();
                }
            }
        }
        let named = |name: String| {
            ResolvedNode::Item(Box::new(ResolvedItem { field: Some(name), ..changed.clone() }))
        };
        let mut nodes: Vec<ResolvedNode> = names.into_iter().map(named).collect();
        Ok(Changed::To(if nodes.len() == 1 { nodes.remove(0) } else { ResolvedNode::Any(nodes) }))
    }
}
