//! `set_state`: a value that `processing_state` conditions of later items ask for.

use super::super::apply::{Refusal, Run, StateValue};
use super::super::conditions::state_value;
use super::super::read::Parameters;
use super::{Made, Transformation, TransformationKind};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "set_state",
    summary: "Sets a value that conditions of later items ask for.",
    read,
};

#[derive(Debug)]
struct SetState {
    key: String,
    value: StateValue,
}

fn read(keys: &mut Parameters<'_>) -> Made {
    let key = keys.required_text("key")?.value;
    Ok(Box::new(SetState { key, value: state_value(keys, "val")? }))
}

impl Transformation for SetState {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        run.state.values.insert(self.key.clone(), self.value.clone());
        Ok(())
    }
}
