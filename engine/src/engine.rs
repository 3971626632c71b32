//! The façade: compile rules for sources, scan batches, raise alerts, feed correlations.
//!
//! In: a rule set and the sources at hand. Out: for each batch its hits, for each hit an alert, and what
//! correlations see of it ([`Engine::occurrences`]), which [`crate::correlate::Finite`] or
//! [`crate::correlate::Live`] takes. What could not be loaded, or fits no source, is in the
//! [`LoadReport`]; nothing is dropped in silence.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::alert::{Alert, AlertKind, AlertRule, Evidence, detection_id, show_time, suppressed_id};
use crate::correlate::{self, Dropped, Extractor, Member, Occurrence, Plan, Times, Use};
use crate::event::{ColumnValue, EventBatch, ProjectedField, Projection, Row, SourceSpec, column};
use crate::json::{Cells, Projector, string_text};
use crate::plan::{FieldKey, LoweredRule, SourcePlan};
use crate::predicate::Test;
use crate::rule_set::RuleSet;
use crate::scan::{Hit, Pruner, ScanCounts, Scanner};
use crate::shown::{Described, Fields};

/// What became of the rules of a rule set on the sources at hand.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Rules that run on at least one source.
    pub loaded: usize,
    /// Documents with an error.
    pub rejected: usize,
    /// Rules whose log source no source serves, by number.
    pub unmapped: Vec<usize>,
    /// Rules that no source runs because no lookup table fills a column that they ask for, by number,
    /// with the column.
    pub disabled: Vec<(usize, &'static str)>,
    /// Correlations that run.
    pub correlations: usize,
    /// Correlations that cannot match on the sources at hand, by number: because no lookup table fills a
    /// column, or because rules that they need do not run.
    pub idle_correlations: Vec<(usize, Option<&'static str>)>,
    /// Rules that run and cannot match, by number: the lists that they compare with are empty.
    pub unmatchable: Vec<usize>,
    /// Correlations that run and cannot match, by number: they need such rules.
    pub unmatchable_correlations: Vec<usize>,
    /// Rules that the tuning has switched off.
    pub switched_off: usize,
    /// Rules that only feed a correlation and raise no alert of their own, by number.
    pub muted: Vec<usize>,
    /// Correlations that only feed another one, by number.
    pub muted_correlations: Vec<usize>,
}

/// A rule, and the sources on which it runs.
#[derive(Debug, Clone)]
pub struct LoadedRule {
    /// The rule.
    pub lowered: LoweredRule,
    /// The sources, by name, and whether it sees canonical columns only.
    pub sources: Vec<(String, bool)>,
    /// A column that no lookup table fills, for which some source does not run it.
    pub missing_table: Option<&'static str>,
    fields: Vec<String>,
    /// What alerts say of it.
    about: Arc<AlertRule>,
}

/// A set of rules compiled for a set of sources.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<LoadedRule>,
    scanners: BTreeMap<String, Scanner>,
    /// By source, by rule: what finds the fields that an alert shows.
    describers: BTreeMap<String, HashMap<usize, Projector>>,
    correlations: Vec<Plan>,
    extractors: BTreeMap<String, Extractor>,
    /// By rule: it raises no alerts of its own.
    muted: Vec<bool>,
    report: LoadReport,
    tenant: String,
}

impl Engine {
    /// Compiles rules for sources.
    pub fn new(set: &RuleSet, sources: &[SourceSpec]) -> Self {
        let rules: Vec<LoadedRule> = set.rules.iter().map(|rule| route(rule, sources)).collect();
        let mut correlations = correlate::plan(&set.correlations);
        let by_key: HashMap<String, usize> =
            rules.iter().enumerate().map(|(number, rule)| (rule.lowered.rule.key(), number)).collect();
        let mut feeding = Feeding { rules: &rules, by_key: &by_key, missing: vec![None; correlations.len()] };
        let (mut scanners, mut extractors) = (BTreeMap::new(), BTreeMap::new());
        for source in sources {
            let own: Vec<(u32, &LoweredRule, bool)> = rules
                .iter()
                .enumerate()
                .flat_map(|(number, rule)| {
                    let here = rule.sources.iter().filter(|(name, _)| *name == source.name);
                    here.map(move |(_, canonical)| (number as u32, &rule.lowered, *canonical))
                })
                .collect();
            let mut plan = SourcePlan::new(source, &own);
            let extractor = feeding.extractor(&correlations, source, &mut plan);
            let asked: Vec<(u32, Vec<usize>)> =
                extractor.uses.iter().map(|one| (one.rule, one.columns().collect())).collect();
            plan.leave_out(&asked);
            extractors.insert(source.name.clone(), extractor);
            scanners.insert(source.name.clone(), Scanner::new(plan));
        }
        let idle_correlations = feeding.idle(&correlations, &extractors, &|_| true);
        let can_match = |rule: usize| rules[rule].lowered.expr.can_match();
        let starved = feeding.idle(&correlations, &extractors, &can_match);
        let about = |key: &str| {
            let rule = &rules[*by_key.get(key)?].lowered.rule;
            Some((rule.file.name.clone(), rule.level))
        };
        // a correlation that sees nothing silences nobody
        let runs = |number: usize| idle_correlations.iter().all(|(idle, _)| *idle != number);
        let muted_keys = correlate::mute(&mut correlations, &set.blocks_of_none, &runs, &about);
        let mut muted = vec![false; rules.len()];
        for number in muted_keys.iter().filter_map(|key| by_key.get(key)) {
            muted[*number] = true;
        }
        let idle = (0..rules.len()).filter(|&i| rules[i].sources.is_empty());
        let (disabled, unmapped): (Vec<usize>, Vec<usize>) =
            idle.partition(|&i| rules[i].missing_table.is_some());
        let disabled: Vec<_> =
            disabled.into_iter().filter_map(|i| Some((i, rules[i].missing_table?))).collect();
        let report = LoadReport {
            loaded: rules.len() - unmapped.len() - disabled.len(),
            rejected: set.rejected,
            unmapped,
            disabled,
            correlations: correlations.len() - idle_correlations.len(),
            unmatchable: (0..rules.len())
                .filter(|&i| !rules[i].sources.is_empty() && !can_match(i))
                .collect(),
            unmatchable_correlations: starved
                .into_iter()
                .map(|(number, _)| number)
                .filter(|&number| runs(number))
                .collect(),
            idle_correlations,
            switched_off: set.switched_off,
            muted: (0..rules.len()).filter(|&rule| muted[rule]).collect(),
            muted_correlations: (0..correlations.len())
                .filter(|&number| correlations[number].muted)
                .collect(),
        };
        Self {
            rules,
            describers: scanners.keys().map(|source: &String| (source.clone(), HashMap::new())).collect(),
            scanners,
            correlations,
            extractors,
            muted,
            report,
            tenant: String::new(),
        }
    }

    /// What became of the rules.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// The rules, by number.
    pub fn rules(&self) -> &[LoadedRule] {
        &self.rules
    }

    /// The correlations, inner ones first.
    pub fn correlations(&self) -> &[Plan] {
        &self.correlations
    }

    /// Whether a rule only feeds correlations, and its hits are no alerts.
    pub fn is_muted(&self, rule: u32) -> bool {
        self.muted.get(rule as usize).copied().unwrap_or(false)
    }

    /// Gives `take` what correlations see of the hits of a batch. What they cannot use is counted in
    /// `dropped`, by correlation.
    pub fn occurrences(
        &self,
        batch: &EventBatch,
        hits: &[Hit],
        times: Times,
        dropped: &mut [Dropped],
        take: &mut dyn FnMut(Occurrence<'_>),
    ) {
        if let Some(extractor) = self.extractors.get(batch.source().as_ref()) {
            extractor.occurrences(batch, hits, times, dropped, take);
        }
    }

    /// The fields that batches of a source must have; `None` where the engine does not know it.
    pub fn projection(&self, source: &str) -> Option<Arc<Projection>> {
        self.scanners.get(source).map(|scanner| Arc::clone(&scanner.plan().projection))
    }

    /// For each rule that feeds correlations on a source: the columns of its projection that they ask for of
    /// its matches.
    pub fn asked(&self, source: &str) -> Vec<(u32, Vec<usize>)> {
        let uses = self.extractors.get(source).into_iter().flat_map(|extractor| &extractor.uses);
        uses.map(|one| (one.rule, one.columns().collect())).collect()
    }

    /// What runs on a source.
    pub fn plan(&self, source: &str) -> Option<&SourcePlan> {
        self.scanners.get(source).map(Scanner::plan)
    }

    /// What tells which stored events of a source need not be read.
    pub fn pruner(&self, source: &str) -> Option<Pruner> {
        self.scanners.get(source).map(|scanner| Pruner::new(scanner.plan()))
    }

    /// What scanning a source has cost so far.
    pub fn counts(&self, source: &str) -> Option<ScanCounts> {
        self.scanners.get(source).map(Scanner::counts)
    }

    /// The rules that match the rows of a batch, by row, then by rule.
    ///
    /// # Panics
    /// Where the batch is of a source that the engine was not built for, or was made for another
    /// projection.
    pub fn scan(&mut self, batch: &EventBatch, hits: &mut Vec<Hit>) {
        let scanner = self.scanners.get_mut(batch.source().as_ref());
        scanner.expect("a batch of a source that the engine was built for").scan(batch, hits);
    }

    /// The alert of a hit. `columns` are the canonical columns of the event, `computed` gives the fields
    /// that its source computes.
    pub fn alert(
        &mut self,
        batch: &EventBatch,
        hit: Hit,
        columns: &Described,
        computed: &dyn Fn(&str) -> Option<ColumnValue>,
    ) -> Alert {
        let row = batch.row(hit.row as usize);
        let fields = Fields::new(self.rule_fields(hit.rule as usize, row, computed), columns);
        let LoadedRule { lowered, about, .. } = &self.rules[hit.rule as usize];
        let time = show_time(row.time());
        Alert {
            alert_id: detection_id(&self.tenant, &about.id, &row.event_id()),
            revision: 0,
            kind: AlertKind::Detection,
            rule: Arc::clone(about),
            time: time.clone(),
            first_seen: time.clone(),
            last_seen: time.clone(),
            group: Map::new(),
            count: 1,
            events: vec![Evidence {
                event_id: row.event_id().into_owned(),
                time,
                source: row.source().to_owned(),
                origin: row.origin(),
            }],
            fields,
            continues: None,
            custom: lowered.rule.custom.clone(),
        }
    }

    /// For a rule with `suppress`: the id that equal events of one bucket share. An event that lacks one
    /// of the fields is equal to no other.
    pub fn suppressed_id(&self, hit: Hit, alert: &Alert, row: Row<'_>) -> Option<String> {
        let LoadedRule { lowered, about, .. } = &self.rules[hit.rule as usize];
        let suppress = lowered.rule.suppress.as_ref()?;
        let value = |field: &String| {
            let canonical = || alert.fields.get(column(field)?.name);
            alert.fields.get(field).or_else(canonical).map(|value| value.to_string())
        };
        let values: Vec<String> = suppress.by.iter().map(value).collect::<Option<_>>()?;
        Some(suppressed_id(&self.tenant, &about.id, &values, suppress, row.time()))
    }

    /// What the rule's `fields`, and those that it is suppressed by, hold.
    fn rule_fields(
        &mut self,
        rule: usize,
        row: Row<'_>,
        computed: &dyn Fn(&str) -> Option<ColumnValue>,
    ) -> Map<String, Value> {
        let names = &self.rules[rule].fields;
        if names.is_empty() {
            return Map::new();
        }
        let Some(scanner) = self.scanners.get(row.source()) else { return Map::new() };
        let source = &scanner.plan().source;
        // a rule that sees canonical columns only must not show native fields of the same names
        let canonical =
            self.rules[rule].sources.iter().any(|(name, canonical)| *canonical && *name == source.name);
        let resolve = |name: &String| match canonical {
            true => ProjectedField::canonical(name).paths,
            false => ProjectedField::resolve(name, source).paths,
        };
        let Some(describers) = self.describers.get_mut(row.source()) else { return Map::new() };
        let projector = describers
            .entry(rule)
            .or_insert_with(|| Projector::new(&names.iter().map(resolve).collect::<Vec<_>>()));
        let mut cells = Cells::default();
        let mut fields = Map::new();
        if projector.project(row.raw(), &mut cells).is_ok() {
            for (slot, name) in names.iter().enumerate() {
                let mut texts: Vec<Value> = cells.texts(slot, row.raw()).map(shown).collect();
                match texts.len() {
                    0 => {}
                    1 => drop(fields.insert(name.clone(), texts.remove(0))),
                    _ => drop(fields.insert(name.clone(), Value::Array(texts))),
                }
            }
        }
        // what the source computes is what the rule saw
        for name in names.iter().filter(|name| !canonical && source.computes(name)) {
            if let Some(value) = computed(name) {
                fields.insert(name.clone(), value.to_json());
            }
        }
        fields
    }
}

/// A value of an event as an alert shows it: what `serde_json` does not read (lone surrogates, control
/// characters), as the text that it is.
fn shown(text: &str) -> Value {
    let as_text = || string_text(text).map_or_else(|| text.into(), |text| text.into_owned().into());
    serde_json::from_str(text).unwrap_or_else(|_| as_text())
}

/// Finds out which rules feed which correlations, and from where they take the fields.
struct Feeding<'a> {
    rules: &'a [LoadedRule],
    by_key: &'a HashMap<String, usize>,
    /// By correlation: a column that no lookup table fills, for which some source does not feed it.
    missing: Vec<Option<&'static str>>,
}

impl Feeding<'_> {
    fn extractor(&mut self, correlations: &[Plan], source: &SourceSpec, plan: &mut SourcePlan) -> Extractor {
        let mut uses = Vec::new();
        for (number, correlation) in correlations.iter().enumerate() {
            for (member, asks) in correlation.members.iter().enumerate() {
                let Member::Rule(key) = &asks.member else { continue };
                let Some(&rule) = self.by_key.get(key) else { continue };
                let here = self.rules[rule].sources.iter().find(|(name, _)| *name == source.name);
                let Some((_, canonical)) = here else { continue };
                // what an outer correlation asks for may be missing: it drops those events itself
                let needed = asks.group_by.iter().chain(&asks.value);
                if let Some(column) = needed.filter_map(|name| source.missing_table(name)).next() {
                    self.missing[number] = Some(column.name);
                    continue;
                }
                let mut columns = |names: &[String]| -> Vec<usize> {
                    names.iter().map(|name| plan.ask(name, *canonical)).collect()
                };
                uses.push(Use {
                    rule: rule as u32,
                    correlation: number,
                    member,
                    group_by: columns(&asks.group_by),
                    value: columns(&asks.value),
                    carry: correlation.carry(columns(&asks.carry)),
                    looks_at: correlation.looks_at(),
                    missing_is_a_group: correlation.correlation.missing_is_a_group,
                });
            }
        }
        uses.sort_by_key(|one: &Use| one.rule);
        Extractor { uses }
    }

    /// The correlations that see nothing where only these rules give something.
    fn idle(
        &self,
        correlations: &[Plan],
        extractors: &BTreeMap<String, Extractor>,
        gives: &dyn Fn(usize) -> bool,
    ) -> Vec<(usize, Option<&'static str>)> {
        // by correlation: which of its rules give it something, as bits
        let mut given = vec![0u64; correlations.len()];
        let uses = extractors.values().flat_map(|extractor| &extractor.uses);
        for one in uses.filter(|one| gives(one.rule as usize)) {
            given[one.correlation] |= 1 << one.member;
        }
        // inner ones stand before outer ones
        let mut fed = vec![false; correlations.len()];
        for (number, correlation) in correlations.iter().enumerate() {
            for (member, asks) in correlation.members.iter().enumerate() {
                if matches!(asks.member, Member::Correlation(inner) if fed[inner]) {
                    given[number] |= 1 << member;
                }
            }
            fed[number] = correlation.can_match_with(given[number]);
        }
        (0..correlations.len())
            .filter(|&number| !fed[number])
            .map(|number| (number, self.missing[number]))
            .collect()
    }
}

/// The sources that a rule runs on.
fn route(rule: &LoweredRule, sources: &[SourceSpec]) -> LoadedRule {
    let asked = &rule.rule.logsource.value;
    let (mut serving, mut missing_table) = (Vec::new(), None);
    for source in sources {
        let mapping =
            source.serves(asked.product.as_deref(), asked.service.as_deref(), asked.category.as_deref());
        if mapping.is_none() && !source.all_logsources {
            continue;
        }
        let mut missing = None;
        rule.expr.for_each_predicate(&mut |predicate| {
            if let FieldKey::Named(field) = &predicate.field {
                missing = missing.or(source.missing_table(field));
            }
            if let Test::FieldRef(test) = &predicate.test {
                missing = missing.or(source.missing_table(&test.field));
            }
        });
        match missing {
            None => {
                serving.push((source.name.clone(), mapping.is_some_and(|mapping| mapping.canonical_only)))
            }
            Some(column) => missing_table = Some(column.name),
        }
    }
    let mut fields = rule.rule.fields.clone();
    for field in rule.rule.suppress.iter().flat_map(|suppress| &suppress.by) {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    let about = Arc::new(AlertRule::of(&rule.rule));
    LoadedRule { lowered: rule.clone(), sources: serving, missing_table, fields, about }
}
