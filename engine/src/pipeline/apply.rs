//! A rule through the items of all pipelines.
//!
//! In: a resolved rule and the pipelines in their order. Out: the rule changed, or a diagnostic at the
//! rule that says which item of which pipeline refused it, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::transformations::Changed;
use super::{Pipelines, ProcessingItem, Vars};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::limits::{MAX_PATTERN_BYTES, MAX_RULE_PREDICATES};
use crate::plan::{ResolvedItem, ResolvedNode, ResolvedRule};

/// Applies all pipelines to a rule.
///
/// # Errors
/// Where an item cannot be applied to it, or refuses it.
pub fn apply(pipelines: &Pipelines, rule: &mut ResolvedRule) -> Result<(), Box<Diagnostic>> {
    // of variables that several pipelines name, the last counts, for all of them
    let vars: Vars = pipelines.0.iter().flat_map(|pipeline| pipeline.vars.clone()).collect();
    let mut state = State::default();
    for pipeline in &pipelines.0 {
        for item in &pipeline.items {
            let mut run = Run { rule, item, state: &mut state, vars: &vars, file: &pipeline.file };
            run.apply().map_err(|Refusal(cause)| {
                let place = rule.rule.logsource.span.clone();
                let cause = format!("item {} of the pipeline {}: {cause}", item.number, pipeline.name);
                Box::new(Diagnostic::error(codes::PIPELINE_REFUSED, &rule.rule.file, place, cause))
            })?;
        }
    }
    Ok(())
}

/// Why a rule cannot pass an item.
#[derive(Debug)]
pub(super) struct Refusal(pub String);

/// A value that an item has left for later ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StateValue {
    Number(f64),
    Text(String),
    Bool(bool),
}

/// What is known of one rule's way.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Items that were for the rule, by id.
    pub applied: BTreeSet<String>,
    /// What `set_state` has set.
    pub values: BTreeMap<String, StateValue>,
    /// Names that a mapping has given or taken away.
    pub mapped: BTreeSet<String>,
}

/// One item at work on one rule.
pub(super) struct Run<'r> {
    pub rule: &'r mut ResolvedRule,
    pub item: &'r ProcessingItem,
    pub state: &'r mut State,
    pub vars: &'r Vars,
    pub file: &'r Arc<SourceFile>,
}

impl Run<'_> {
    pub fn apply(&mut self) -> Result<(), Refusal> {
        if !self.item.rule_conditions.hold(self.rule, self.state)? {
            return Ok(());
        }
        let item = self.item;
        item.transformation.apply(self)?;
        self.check_size()?;
        self.state.applied.extend(item.id.clone());
        Ok(())
    }

    /// An item may multiply what a rule asks for, and the next one that: told where it happens.
    fn check_size(&self) -> Result<(), Refusal> {
        let (mut values, mut bytes) = (0, 0);
        for selection in &self.rule.selections {
            selection.node.for_each_item(&mut |item| {
                values += item.values.values.len().max(1);
                bytes += item.values.values.iter().map(|value| value.value.bytes()).sum::<usize>();
            });
        }
        if values > MAX_RULE_PREDICATES || bytes > MAX_PATTERN_BYTES {
            return Err(Refusal(format!(
                "the rule has grown to {values} values of {bytes} bytes; it may have {MAX_RULE_PREDICATES} of {MAX_PATTERN_BYTES}"
            )));
        }
        Ok(())
    }

    /// Hands each detection item for which the conditions hold to the transformation.
    pub fn each_item(&mut self) -> Result<(), Refusal> {
        let mut selections = std::mem::take(&mut self.rule.selections);
        let done = selections.iter_mut().try_for_each(|selection| self.node(&mut selection.node));
        self.rule.selections = selections;
        done
    }

    fn node(&mut self, node: &mut ResolvedNode) -> Result<(), Refusal> {
        match node {
            ResolvedNode::All(nodes) | ResolvedNode::Any(nodes) => {
                nodes.iter_mut().try_for_each(|node| self.node(node))
            }
            ResolvedNode::Item(item) => {
                let conditions = self.item;
                if !conditions.item_conditions.hold(item, self.state)?
                    || !conditions.field_conditions.hold_for_item(item, self.state)?
                {
                    return Ok(());
                }
                match conditions.transformation.item(item, self)? {
                    Changed::No => {}
                    Changed::To(mut changed) => {
                        self.mark(&mut changed);
                        *node = changed;
                    }
                }
                Ok(())
            }
        }
    }

    /// Notes on all items of a node that this processing item has changed or made them.
    pub fn mark(&self, node: &mut ResolvedNode) {
        match node {
            ResolvedNode::All(nodes) | ResolvedNode::Any(nodes) => {
                nodes.iter_mut().for_each(|node| self.mark(node));
            }
            ResolvedNode::Item(item) => item.applied.extend(self.item.id.clone()),
        }
    }

    /// Whether the field name conditions hold for a name.
    pub fn is_for_field(&self, name: Option<&str>, item: Option<&ResolvedItem>) -> Result<bool, Refusal> {
        self.item.field_conditions.hold(name, item, self.state)
    }
}
