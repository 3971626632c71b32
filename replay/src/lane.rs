//! One log source of the archive: what the rule sets ask of its events, laid side by side.
//!
//! In: the plans of one or two rule sets. Out: a projection that holds what any of them asks for, where each
//! finds its own columns in it, and for each rule the columns that it has tests on (they are read of all
//! events) and those that correlations ask for of its matches (they are read of these alone).

use std::sync::Arc;

use virga_archive::Wanted;
use virga_engine::Engine;
use virga_engine::event::{ProjectedField, Projection};

/// What the rule sets ask of one log source.
#[derive(Debug)]
pub struct Lane {
    /// All fields.
    pub union: Arc<Projection>,
    /// By rule set.
    pub parts: Vec<Part>,
    /// Where the canonical columns stand that hits are counted by.
    pub entities: Vec<usize>,
    /// Where the canonical columns stand that labels speak of.
    pub labels: Vec<usize>,
}

/// What one rule set asks.
#[derive(Debug)]
pub struct Part {
    /// What tells which blocks may hold a match.
    pub wanted: Wanted,
    /// What its batches must hold.
    pub projection: Arc<Projection>,
    /// Where the columns of its projection stand among all.
    pub columns: Vec<usize>,
    /// Its rules, in the order of its plan.
    pub rules: Vec<PartRule>,
}

/// A rule of a rule set.
#[derive(Debug)]
pub struct PartRule {
    /// Its number in its engine.
    pub rule: u32,
    /// The columns that it has tests on.
    pub tests: Vec<usize>,
    /// The columns that correlations ask for of its matches.
    pub asked: Vec<usize>,
    /// It looks at whole events.
    pub whole: bool,
}

impl Lane {
    /// For a source; `None` where no rule set knows it.
    pub fn new(
        source: &str,
        engines: &[&Engine],
        entities: &[&'static str],
        labels: &[&'static str],
    ) -> Option<Self> {
        let mut fields: Vec<ProjectedField> = Vec::new();
        let mut place = |field: &ProjectedField| -> usize {
            fields.iter().position(|known| known == field).unwrap_or_else(|| {
                fields.push(field.clone());
                fields.len() - 1
            })
        };
        let mut parts = Vec::new();
        for engine in engines {
            let (plan, pruner) = (engine.plan(source)?, engine.pruner(source)?);
            let columns: Vec<usize> = plan.projection.fields.iter().map(&mut place).collect();
            let asked = engine.asked(source);
            let rules = plan.rules.iter().map(|rule| {
                let (mut tests, mut whole) = (Vec::new(), false);
                rule.expr.for_each_test(&mut |test| {
                    let Some(test) = plan.tests.get(test as usize) else { return };
                    for field in [Some(test.field), test.other].into_iter().flatten() {
                        let Some(field) = plan.fields.get(field as usize) else { continue };
                        match field.column.and_then(|column| columns.get(column)) {
                            Some(column) => tests.push(*column),
                            None => whole = true,
                        }
                    }
                });
                tests.sort_unstable();
                tests.dedup();
                let own = asked.iter().filter(|(number, _)| *number == rule.rule);
                let asked =
                    own.flat_map(|(_, asked)| asked).filter_map(|column| columns.get(*column).copied());
                PartRule { rule: rule.rule, tests, asked: asked.collect(), whole }
            });
            parts.push(Part {
                wanted: Wanted::new(pruner),
                projection: Arc::clone(&plan.projection),
                rules: rules.collect(),
                columns: columns.clone(),
            });
        }
        let mut canonical = |names: &[&'static str]| {
            names.iter().map(|name| place(&ProjectedField::canonical(name))).collect()
        };
        let (entities, labels) = (canonical(entities), canonical(labels));
        let union = Arc::new(Projection { fields, dispatch: None });
        Some(Self { union, parts, entities, labels })
    }

    /// Whether any rule runs on the source.
    pub fn has_rules(&self) -> bool {
        self.parts.iter().any(|part| !part.rules.is_empty())
    }
}
