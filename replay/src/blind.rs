//! Rules that could not have matched: because a field that they need occurs nowhere, because the archive has no
//! place for it, or because it holds nothing of their log.

use std::collections::{BTreeMap, BTreeSet};

use virga_archive::StoredFile;
use virga_engine::Engine;
use virga_engine::event::{ProjectedField, Projection};
use virga_engine::scan::{Facet, Known};

use crate::report::{BlindRule, DeadRule};

/// Which fields of a source's events occur.
#[derive(Debug, Default)]
pub struct Occurs {
    fields: Vec<Occurrence>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Occurrence {
    /// In no event of any file so far.
    #[default]
    Never,
    /// Some file does not say.
    Unknown,
    /// In some event.
    Somewhere,
}

impl Occurs {
    /// Learns what a file holds.
    pub fn see(&mut self, file: &StoredFile, union: &Projection) {
        self.fields.resize(union.fields.len(), Occurrence::Never);
        for (known, field) in self.fields.iter_mut().zip(&union.fields) {
            *known = match (*known, file.occurs(field)) {
                (Occurrence::Somewhere, _) | (_, Some(true)) => Occurrence::Somewhere,
                (Occurrence::Unknown, _) | (_, None) => Occurrence::Unknown,
                (Occurrence::Never, Some(false)) => Occurrence::Never,
            };
        }
    }

    fn never(&self, column: usize) -> bool {
        self.fields.get(column) == Some(&Occurrence::Never)
    }
}

/// What is known of one source.
pub struct Seen<'s> {
    /// Its fields.
    pub occurs: &'s Occurs,
    /// Where the columns of the rule set's projection stand among them.
    pub columns: &'s [usize],
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Rules that no event here could match.
    pub dead: Vec<DeadRule>,
    /// Rules whose log, or whose fields, the archive cannot hold.
    pub blind: Vec<BlindRule>,
    /// Rules of whose fields the archive cannot hold some.
    pub partly: Vec<BlindRule>,
}

/// The fields of rules, by rule.
type ByRule = BTreeMap<u32, BTreeSet<String>>;

/// The dead and the blind rules of a rule set, given what was seen of each source that has events, and which
/// fields the archive can hold.
pub fn find(
    engine: &Engine,
    seen: &BTreeMap<&str, Seen<'_>>,
    keeps: &dyn Fn(&str, &ProjectedField) -> bool,
) -> Found {
    // by source: the rules that cannot match there, with the fields that never occur
    let mut dead_in: BTreeMap<&str, ByRule> = BTreeMap::new();
    let (mut lost_in, mut looks_in) = (dead_in.clone(), dead_in.clone());
    for (source, seen) in seen {
        let Some(plan) = engine.plan(source) else { continue };
        let lacks: Vec<bool> = plan.projection.fields.iter().map(|field| !keeps(source, field)).collect();
        let never = |column: usize| seen.columns.get(column).is_some_and(|column| seen.occurs.never(*column));
        let lacking = |column: usize| lacks.get(column) == Some(&true);
        dead_in.insert(source, dead_rules(engine, source, &never));
        if lacks.contains(&true) {
            lost_in.insert(source, dead_rules(engine, source, &lacking));
            looks_in.insert(source, looking(engine, source, &lacking));
        }
    }
    let Found { mut dead, mut blind, mut partly } = Found::default();
    for (number, rule) in engine.rules().iter().enumerate() {
        let of = &rule.lowered.rule;
        let here: Vec<&str> = rule
            .sources
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| seen.contains_key(name))
            .collect();
        if here.is_empty() {
            let missing = match (rule.sources.is_empty(), rule.missing_table) {
                (true, Some(column)) => format!("a lookup table that fills {column}"),
                (true, None) => format!("no log source serves {}", of.logsource.value),
                (false, _) => {
                    let names: Vec<&str> = rule.sources.iter().map(|(name, _)| name.as_str()).collect();
                    format!("events of {}", names.join(", "))
                }
            };
            blind.push(BlindRule { id: of.key(), title: of.title.clone(), missing });
            continue;
        }
        let number = number as u32;
        let lacking = |of: &BTreeMap<&str, ByRule>| -> Vec<BTreeSet<String>> {
            here.iter().filter_map(|source| of.get(source)?.get(&number).cloned()).collect()
        };
        let (lost, looks) = (lacking(&lost_in), lacking(&looks_in));
        let told = |fields: Vec<BTreeSet<String>>| {
            let fields: BTreeSet<String> = fields.into_iter().flatten().collect();
            let missing =
                format!("the archive has no place for {}", fields.into_iter().collect::<Vec<_>>().join(", "));
            BlindRule { id: of.key(), title: of.title.clone(), missing }
        };
        if lost.len() == here.len() {
            blind.push(told(lost));
            continue;
        }
        if !looks.is_empty() {
            partly.push(told(looks));
        }
        let fields: Vec<_> = here.iter().filter_map(|source| dead_in.get(source)?.get(&number)).collect();
        if fields.len() == here.len() {
            let fields: BTreeSet<String> = fields.into_iter().flatten().cloned().collect();
            dead.push(DeadRule {
                id: of.key(),
                title: of.title.clone(),
                sources: here.iter().map(|name| (*name).to_owned()).collect(),
                fields: fields.into_iter().collect(),
            });
        }
    }
    Found { dead, blind, partly }
}

/// The fields of a test that stand in such columns.
fn fields_in(
    plan: &virga_engine::plan::SourcePlan,
    test: u32,
    is_one: &dyn Fn(usize) -> bool,
) -> Option<String> {
    let field = plan.tests.get(test as usize).and_then(|test| plan.fields.get(test.field as usize))?;
    field.column.is_some_and(is_one).then(|| field.key.to_string())
}

/// The rules that cannot match on a source, whatever its other fields hold, for the want of these.
fn dead_rules(engine: &Engine, source: &str, never: &dyn Fn(usize) -> bool) -> ByRule {
    let Some(mut pruner) = engine.pruner(source) else { return ByRule::new() };
    let absent = Facet::new([], 1);
    let kept = pruner.keep_each(1, &|_| true, &|column| never(column).then_some(Known::Values(&absent)));
    let plan = pruner.plan();
    let mut dead = ByRule::new();
    for (rule, _) in plan.rules.iter().zip(kept).filter(|(_, kept)| *kept == 0) {
        let mut fields = BTreeSet::new();
        rule.expr.for_each_test(&mut |test| fields.extend(fields_in(plan, test, never)));
        dead.insert(rule.rule, fields);
    }
    dead
}

/// The rules of a source that look at these.
fn looking(engine: &Engine, source: &str, is_one: &dyn Fn(usize) -> bool) -> ByRule {
    let Some(plan) = engine.plan(source) else { return ByRule::new() };
    let mut looking = ByRule::new();
    for rule in &plan.rules {
        let mut fields = BTreeSet::new();
        rule.expr.for_each_test(&mut |test| fields.extend(fields_in(plan, test, is_one)));
        if !fields.is_empty() {
            looking.insert(rule.rule, fields);
        }
    }
    looking
}
