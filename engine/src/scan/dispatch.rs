//! Which fields of an event still matter, once a few of them are known.
//!
//! In: the cells of a plan's *key* fields, those that most rules demand something of: of a trail the service
//! and the call. Out: the other fields that some rule which can still match looks at, or a correlation that it
//! feeds. A field that is left out reads as absent, which changes nothing: every rule that looks at it is
//! false already. What a log source need not find, derive and store for an event is most of its work.
//!
//! ```text
//! eventSource = s3, eventName = ListBuckets
//!   rules on iam, ec2, kms, …                 false, whatever else the event holds
//!   errorCode, userIdentity.accessKeyId, …    looked at by rules that ask for no service
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::classes::FieldMatcher;
use super::evaluate::{Truth, truth};
use crate::plan::{LocalExpr, SourcePlan};
use crate::predicate::{Shape, Test};

/// So many fields are keys at most: more would know more, and repeat less.
const MAX_KEYS: usize = 3;

/// A key must decide so many rules at least, or it is not worth its look-up.
const MIN_RULES: usize = 4;

/// Combinations of keys that are remembered; beyond it all are forgotten.
const MAX_REMEMBERED: usize = 1 << 14;

/// Bytes of a combination that is remembered: names of services and calls are far shorter, and what is longer
/// is somebody's attempt to fill the memory.
const MAX_REMEMBERED_BYTES: usize = 1 << 10;

/// Separates the cells of a combination: no JSON text holds it unescaped.
const SEPARATOR: char = '\u{1}';

/// What is known of a plan's keys.
#[derive(Debug)]
pub struct Dispatch {
    keys: Vec<Key>,
    rules: Vec<Rule>,
    /// By test: the columns that it looks at.
    looks_at: Vec<Vec<u32>>,
    columns: usize,
}

#[derive(Debug)]
struct Key {
    column: usize,
    tests: Vec<(u32, Test)>,
}

#[derive(Debug)]
struct Rule {
    expr: LocalExpr,
    /// The columns that correlations ask for of its matches.
    asked: Vec<u32>,
}

impl Dispatch {
    /// Of a plan whose rules feed correlations: `asked` are pairs of a rule's number and the columns that are
    /// asked for. `None` where no field decides enough rules.
    pub fn new(plan: &SourcePlan, asked: &[(u32, Vec<usize>)]) -> Option<Self> {
        let mut deciding: HashMap<usize, usize> = HashMap::new();
        for rule in &plan.rules {
            let mut demanded = HashSet::new();
            demanded_columns(&rule.expr, plan, &mut demanded);
            demanded.into_iter().for_each(|column| *deciding.entry(column).or_default() += 1);
        }
        let mut best: Vec<(usize, usize)> =
            deciding.into_iter().filter(|(_, rules)| *rules >= MIN_RULES).map(|(c, n)| (n, c)).collect();
        best.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(MAX_KEYS);
        if best.is_empty() {
            return None;
        }
        let key = |(_, column): (usize, usize)| {
            let fields = plan.fields.iter().filter(|field| field.column == Some(column));
            let tests = fields.flat_map(|field| &field.tests).copied();
            let alone = tests.filter(|&test| plan.tests[test as usize].other.is_none());
            Key { column, tests: alone.map(|test| (test, plan.tests[test as usize].test.clone())).collect() }
        };
        let rules = plan.rules.iter().map(|rule| {
            let own = asked.iter().filter(|(number, _)| *number == rule.rule);
            let asked: HashSet<u32> =
                own.flat_map(|(_, columns)| columns).map(|column| *column as u32).collect();
            Rule { expr: rule.expr.clone(), asked: asked.into_iter().collect() }
        });
        let column = |field: u32| plan.fields[field as usize].column.map(|column| column as u32);
        let looks_at = plan
            .tests
            .iter()
            .map(|test| [Some(test.field), test.other].into_iter().flatten().filter_map(column).collect());
        Some(Self {
            rules: rules.collect(),
            looks_at: looks_at.collect(),
            columns: plan.projection.fields.len(),
            keys: best.into_iter().map(key).collect(),
        })
    }
}

/// Calls `see` with the tests on which the truth of an expression still hangs.
fn open_tests(expr: &LocalExpr, known: &impl Fn(u32) -> Truth, see: &mut impl FnMut(u32)) {
    if truth(expr, known) != Truth::Unknown {
        return;
    }
    match expr {
        LocalExpr::Never => {}
        LocalExpr::Test(test) => see(*test),
        LocalExpr::Not(inner) => open_tests(inner, known, see),
        LocalExpr::And(branches) | LocalExpr::Or(branches) | LocalExpr::AtLeast(_, branches) => {
            branches.iter().for_each(|branch| open_tests(branch, known, see));
        }
    }
}

/// The columns of which a rule demands that a value be one of a few, or begin, end or hold so.
fn demanded_columns(expr: &LocalExpr, plan: &SourcePlan, demanded: &mut HashSet<usize>) {
    let column_of = |expr: &LocalExpr| match expr {
        LocalExpr::Test(test) => {
            let test = &plan.tests[*test as usize];
            let is_exact = matches!(&test.test, Test::Text(text) if matches!(text.shape, Shape::Exact(_)));
            if is_exact { plan.fields[test.field as usize].column } else { None }
        }
        _ => None,
    };
    match expr {
        LocalExpr::Test(_) => demanded.extend(column_of(expr)),
        LocalExpr::And(branches) => {
            branches.iter().for_each(|branch| demanded_columns(branch, plan, demanded));
        }
        LocalExpr::Or(branches) => {
            let mut columns = branches.iter().map(column_of);
            if let Some(Some(first)) = columns.next()
                && columns.all(|column| column == Some(first))
            {
                demanded.insert(first);
            }
        }
        _ => {}
    }
}

/// Answers for one event after another; remembers what it has answered.
#[derive(Debug)]
pub struct Dispatcher {
    dispatch: Arc<Dispatch>,
    matchers: Vec<FieldMatcher>,
    known: HashMap<String, Arc<[u32]>>,
    combination: String,
}

impl Dispatcher {
    /// For a plan's keys.
    pub fn new(dispatch: &Arc<Dispatch>) -> Self {
        let matcher = |key: &Key| FieldMatcher::new(key.tests.iter().map(|(number, test)| (*number, test)));
        Self {
            matchers: dispatch.keys.iter().map(matcher).collect(),
            dispatch: Arc::clone(dispatch),
            known: HashMap::new(),
            combination: String::new(),
        }
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.dispatch.keys.len()
    }

    /// The column of a key.
    pub fn column(&self, key: usize) -> usize {
        self.dispatch.keys[key].column
    }

    /// Begins an event.
    pub fn begin(&mut self) {
        self.combination.clear();
    }

    /// Takes the cell of the next key; an absent one is `None`.
    pub fn key(&mut self, cell: Option<&str>) {
        match cell {
            Some(cell) => {
                self.combination.push('=');
                self.combination.push_str(cell);
            }
            None => self.combination.push('-'),
        }
        self.combination.push(SEPARATOR);
    }

    /// The other columns that matter, once all keys are taken.
    pub fn needed(&mut self) -> Arc<[u32]> {
        if let Some(known) = self.known.get(self.combination.as_str()) {
            return Arc::clone(known);
        }
        let needed: Arc<[u32]> = self.work_out().into();
        if self.combination.len() > MAX_REMEMBERED_BYTES {
            return needed;
        }
        if self.known.len() >= MAX_REMEMBERED {
            self.known.clear();
        }
        self.known.insert(self.combination.clone(), Arc::clone(&needed));
        needed
    }

    fn work_out(&mut self) -> Vec<u32> {
        let mut verdicts: HashMap<u32, bool> = HashMap::new();
        let cells = self.combination.split_terminator(SEPARATOR);
        for ((key, matcher), cell) in self.dispatch.keys.iter().zip(&mut self.matchers).zip(cells) {
            let passed: Vec<u32> = match cell.strip_prefix('=') {
                Some(cell) => matcher.classify(cell).to_vec(),
                None => matcher.absent().to_vec(),
            };
            verdicts.extend(key.tests.iter().map(|(test, _)| (*test, passed.binary_search(test).is_ok())));
        }
        let known = |test: u32| verdicts.get(&test).map_or(Truth::Unknown, |passes| Truth::of(*passes));
        let mut needed = vec![false; self.dispatch.columns];
        for rule in self.dispatch.rules.iter().filter(|rule| truth(&rule.expr, &known) != Truth::False) {
            rule.asked.iter().for_each(|column| needed[*column as usize] = true);
            open_tests(&rule.expr, &known, &mut |test| {
                self.dispatch.looks_at[test as usize]
                    .iter()
                    .for_each(|column| needed[*column as usize] = true);
            });
        }
        for key in &self.dispatch.keys {
            needed[key.column] = false;
        }
        (0..needed.len() as u32).filter(|column| needed[*column as usize]).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::event::EventBatch;
    use crate::plan::Lists;
    use crate::{Engine, RuleSet};

    /// Rules that demand a service and a call, and some that demand neither.
    fn engine() -> Engine {
        let mut text = String::new();
        for (number, (service, call)) in
            [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "y"), ("c", "w")].iter().enumerate()
        {
            text += &format!(
                "title: r{number}\nlogsource: {{product: p}}\ndetection: {{s: {{service: {service}, call: {call}, f{number}: 1}}, t: {{g: null}}, condition: s and not t}}\n---\n"
            );
        }
        text += "title: open\nlogsource: {product: p}\ndetection: {s: {open|contains: o}, t: {service: a}, condition: s and not t}\n---\n";
        text += "title: other\nlogsource: {product: p}\ndetection: {s: {f0|fieldref: f1}, condition: s}\n";
        let file = Arc::new(SourceFile { name: "t.yml".into(), text });
        Engine::new(&RuleSet::load([file], &Lists::new()), &[crate::testing::source()])
    }

    proptest! {
        /// An event of which only the needed fields are there matches what the whole event matches.
        #[test]
        fn what_is_left_out_changes_no_verdict(
            service in 0usize..5, call in 0usize..5, given in 0u32..512,
        ) {
            let mut engine = engine();
            let projection = engine.projection("test").unwrap();
            let mut dispatcher = Dispatcher::new(projection.dispatch.as_ref().unwrap());
            let mut members: Vec<(String, String)> = Vec::new();
            let service = ["\"a\"", "\"b\"", "\"c\"", "\"q\"", ""][service];
            let call = ["\"x\"", "\"y\"", "\"z\"", "\"w\"", ""][call];
            for (name, value) in [("service", service), ("call", call)] {
                if !value.is_empty() {
                    members.push((name.into(), value.into()));
                }
            }
            for (bit, name) in ["f0", "f1", "f2", "f3", "f4", "f5", "g", "open"].iter().enumerate() {
                if given & (1 << bit) != 0 {
                    members.push(((*name).into(), if *name == "open" { "\"oo\"".into() } else { "1".into() }));
                }
            }
            let value = |members: &[(String, String)], name: &str| {
                members.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
            };
            dispatcher.begin();
            for key in 0..dispatcher.keys() {
                let name = projection.fields[dispatcher.column(key)].name.clone();
                dispatcher.key(value(&members, &name).as_deref());
            }
            let needed = dispatcher.needed();
            let keys: Vec<usize> = (0..dispatcher.keys()).map(|key| dispatcher.column(key)).collect();
            let event = |kept: &dyn Fn(&str) -> bool| {
                let inner: Vec<String> = members
                    .iter()
                    .filter(|(name, _)| kept(name))
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", inner.join(","))
            };
            let is_needed = |name: &str| {
                let column = projection.fields.iter().position(|field| field.name == name);
                column.is_some_and(|column| keys.contains(&column) || needed.contains(&(column as u32)))
            };
            let mut hits = |event: String| {
                let batch = EventBatch::of_raw("test", &projection, [event.as_str()]).unwrap();
                let mut hits = Vec::new();
                engine.scan(&batch, &mut hits);
                hits
            };
            prop_assert_eq!(hits(event(&|_| true)), hits(event(&is_needed)));
        }
    }

    #[test]
    fn fields_of_other_services_do_not_matter() {
        let engine = engine();
        let projection = engine.projection("test").unwrap();
        let mut dispatcher = Dispatcher::new(projection.dispatch.as_ref().unwrap());
        let mut needed = |service: &str, call: &str| {
            dispatcher.begin();
            for key in 0..dispatcher.keys() {
                let name = projection.fields[dispatcher.column(key)].name.as_str();
                dispatcher.key(Some(if name == "service" { service } else { call }));
            }
            let mut names: Vec<&str> = dispatcher
                .needed()
                .iter()
                .map(|column| projection.fields[*column as usize].name.as_str())
                .collect();
            names.sort_unstable();
            names
        };
        assert_eq!(needed("\"b\"", "\"x\""), ["f0", "f1", "f2", "g", "open"]);
        assert_eq!(needed("\"q\"", "\"x\""), ["f0", "f1", "open"]);
        assert_eq!(needed("\"a\"", "\"q\""), ["f0", "f1"]);
    }
}
