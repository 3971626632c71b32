//! `add_field`, `remove_field`, `set_field`: the rule's list of `fields`, which an alert shows.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Made, Transformation, TransformationKind};

pub(super) static ADD: TransformationKind = TransformationKind {
    name: "add_field",
    summary: "Adds fields to those that an alert shows.",
    read: |keys| read(keys, "field", RuleFields::Add),
};

pub(super) static REMOVE: TransformationKind = TransformationKind {
    name: "remove_field",
    summary: "Takes fields out of those that an alert shows.",
    read: |keys| read(keys, "field", RuleFields::Remove),
};

pub(super) static SET: TransformationKind = TransformationKind {
    name: "set_field",
    summary: "Says which fields an alert shows.",
    read: |keys| read(keys, "fields", RuleFields::Set),
};

#[derive(Debug)]
enum RuleFields {
    Add(Vec<String>),
    Remove(Vec<String>),
    Set(Vec<String>),
}

fn read(keys: &mut Parameters<'_>, key: &'static str, fields: fn(Vec<String>) -> RuleFields) -> Made {
    keys.required(key)?;
    Ok(Box::new(fields(keys.texts(key)?.unwrap_or_default())))
}

impl Transformation for RuleFields {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        let fields = &mut run.rule.rule.fields;
        match self {
            Self::Add(more) => fields.extend(more.iter().cloned()),
            Self::Set(all) => fields.clone_from(all),
            Self::Remove(gone) => {
                for name in gone {
                    if let Some(at) = fields.iter().position(|field| field == name) {
                        fields.remove(at);
                    }
                }
            }
        }
        Ok(())
    }
}
