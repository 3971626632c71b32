//! `nest`: items under one set of rule conditions. It is a pipeline of its own: what was set or
//! mapped before is not seen inside, what is set or mapped inside is seen behind it.

use super::super::ProcessingItem;
use super::super::apply::{Refusal, Run, State};
use super::{Transformation, TransformationKind};
use crate::diagnostic::{Diagnostic, codes};

pub(super) static KIND: TransformationKind = TransformationKind {
    name: "nest",
    summary: "Applies several items under the conditions of one.",
    // its items are read where items are read
    read: |keys| {
        let place = keys.required("type")?.span.clone();
        Err(Box::new(Diagnostic::error(codes::MISSING_KEY, keys.file, place, "`nest` needs `items`")))
    },
};

#[derive(Debug)]
pub(super) struct Nest {
    pub items: Vec<ProcessingItem>,
}

impl Transformation for Nest {
    fn apply(&self, run: &mut Run<'_>) -> Result<(), Refusal> {
        let mut state = State { applied: run.state.applied.clone(), ..State::default() };
        for item in &self.items {
            let mut inner =
                Run { rule: &mut *run.rule, item, state: &mut state, vars: run.vars, file: run.file };
            inner.apply().map_err(|Refusal(cause)| Refusal(format!("item {}: {cause}", item.number)))?;
        }
        run.state.applied.append(&mut state.applied);
        run.state.values.append(&mut state.values);
        run.state.mapped.append(&mut state.mapped);
        Ok(())
    }
}
