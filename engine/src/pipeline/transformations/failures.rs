//! `rule_failure`, `detection_item_failure`, `strict_field_mapping_failure`: rules that one's own logs
//! cannot serve are refused, rather than left to match nothing.

use std::collections::BTreeSet;

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Changed, Made, Transformation, TransformationKind};
use crate::plan::ResolvedItem;

pub(super) static RULE: TransformationKind = TransformationKind {
    name: "rule_failure",
    summary: "Refuses the rule, with a message.",
    read: |keys| message(keys, |text| Box::new(RuleFailure(text))),
};

pub(super) static ITEM: TransformationKind = TransformationKind {
    name: "detection_item_failure",
    summary: "Refuses rules that have such a detection item, with a message.",
    read: |keys| message(keys, |text| Box::new(ItemFailure(text))),
};

pub(super) static MAPPING: TransformationKind = TransformationKind {
    name: "strict_field_mapping_failure",
    summary: "Refuses rules with a field that no mapping before has named.",
    read: |_| Ok(Box::new(UnmappedFailure)),
};

fn message(keys: &mut Parameters<'_>, failure: fn(String) -> Box<dyn Transformation>) -> Made {
    Ok(failure(keys.required_text("message")?.value))
}

#[derive(Debug)]
struct RuleFailure(String);

impl Transformation for RuleFailure {
    fn apply(&self, _: &mut Run<'_>) -> Result<(), Refusal> {
        Err(Refusal(self.0.clone()))
    }
}

#[derive(Debug)]
struct ItemFailure(String);

impl Transformation for ItemFailure {
    fn item(&self, _: &ResolvedItem, _: &mut Run<'_>) -> Result<Changed, Refusal> {
        Err(Refusal(self.0.clone()))
    }
}

#[derive(Debug)]
struct UnmappedFailure;

impl Transformation for UnmappedFailure {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        let mut unmapped = BTreeSet::new();
        for selection in &run.rule.selections {
            selection.node.for_each_item(&mut |item| {
                unmapped
                    .extend(item.field.iter().filter(|field| !run.state.mapped.contains(*field)).cloned());
            });
        }
        if unmapped.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = unmapped.into_iter().collect();
        Err(Refusal(format!("no mapping names these fields: {}", names.join(", "))))
    }
}
