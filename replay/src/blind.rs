//! Rules that could not have matched: because a field that they need occurs nowhere, or because the archive
//! holds nothing of their log.

use std::collections::{BTreeMap, BTreeSet};

use virga_archive::StoredFile;
use virga_engine::Engine;
use virga_engine::event::Projection;
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

/// The dead and the blind rules of a rule set, given what was seen of each source that has events.
pub fn find(engine: &Engine, seen: &BTreeMap<&str, Seen<'_>>) -> (Vec<DeadRule>, Vec<BlindRule>) {
    // by source: the rules that cannot match there, with the fields that never occur
    let mut dead_in: BTreeMap<&str, BTreeMap<u32, BTreeSet<String>>> = BTreeMap::new();
    for (source, seen) in seen {
        dead_in.insert(source, dead_rules(engine, source, seen));
    }
    let (mut dead, mut blind) = (Vec::new(), Vec::new());
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
    (dead, blind)
}

/// The rules that cannot match on a source, whatever its other fields hold, for the want of these.
fn dead_rules(engine: &Engine, source: &str, seen: &Seen<'_>) -> BTreeMap<u32, BTreeSet<String>> {
    let Some(mut pruner) = engine.pruner(source) else { return BTreeMap::new() };
    let absent = Facet::new([], 1);
    let never = |column: usize| seen.columns.get(column).is_some_and(|column| seen.occurs.never(*column));
    let kept = pruner.keep_each(1, &|_| true, &|column| never(column).then_some(Known::Values(&absent)));
    let plan = pruner.plan();
    let mut dead = BTreeMap::new();
    for (rule, _) in plan.rules.iter().zip(kept).filter(|(_, kept)| *kept == 0) {
        let mut fields = BTreeSet::new();
        rule.expr.for_each_test(&mut |test| {
            let field = plan.tests.get(test as usize).and_then(|test| plan.fields.get(test.field as usize));
            if let Some(field) = field.filter(|field| field.column.is_some_and(never)) {
                fields.insert(field.key.to_string());
            }
        });
        dead.insert(rule.rule, fields);
    }
    dead
}
