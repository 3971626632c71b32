//! `set_custom_attribute`: a key of one's own on the rule; alerts carry it.

use super::super::apply::{Refusal, Run};
use super::super::read::Parameters;
use super::{Made, Transformation, TransformationKind};
use crate::sigma::node_to_json;

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "set_custom_attribute",
    summary: "Sets a key of one's own on the rule, which its alerts carry.",
    read,
};

#[derive(Debug)]
struct SetCustomAttribute {
    name: String,
    value: serde_json::Value,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let name = keys.required_text("attribute")?.value;
    Ok(Box::new(SetCustomAttribute { name, value: node_to_json(keys.required("value")?) }))
}

impl Transformation for SetCustomAttribute {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        run.rule.rule.custom.insert(self.name.clone(), self.value.clone());
        Ok(())
    }
}
