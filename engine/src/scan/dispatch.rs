//! Which fields of an event still matter, once a few of them are known.
//!
//! In: one field after the other, in the order in which the [`Dispatcher`] asks for them: always the one that
//! can end most rules which may still match. Out, once no field can end another: the further fields that a
//! rule which can still match looks at, or a correlation that it feeds. A field that is left out reads as
//! absent, which changes nothing: every rule that looks at it is false already. What a log source need not
//! find, derive and store for an event is most of its work.
//!
//! ```text
//! eventSource = s3 ── eventName = ListBuckets ── src_ip_kind = private ──▶ userAgent, errorCode
//!   rules on iam, ec2, …  on other calls             on new networks
//! ```
//!
//! What is known of a field is its class, the set of quick tests that its value passes, so that however many
//! values there are, the ways through are few; each is worked out once and remembered.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::evaluate::{Truth, truth};
use super::quick::{QuickClasses, is_quick};
use crate::limits::MAX_CLASSES;
use crate::plan::{LocalExpr, SourcePlan};
use crate::predicate::Test;

/// The first field must be able to end so many rules, or it is not worth asking.
const MIN_RULES: usize = 4;

/// Places on ways that are remembered; beyond it all are forgotten.
const MAX_REMEMBERED: usize = 1 << 14;

/// The rules of a plan, and the fields on which each hangs.
#[derive(Debug)]
pub struct Dispatch {
    rules: Vec<Rule>,
    /// By test: the columns that it looks at.
    looks_at: Vec<Vec<u32>>,
    /// By column: the quick tests that look at nothing else.
    tests: Vec<Vec<(u32, Test)>>,
}

#[derive(Debug)]
struct Rule {
    expr: LocalExpr,
    /// The columns that correlations ask for of its matches.
    asked: Vec<u32>,
}

/// What is to be done where so much is known.
#[derive(Debug, Clone)]
enum Next {
    /// This column tells more.
    Ask(u32),
    /// These are all that matter.
    Fill(Arc<[u32]>),
}

impl Dispatch {
    /// Of a plan whose rules feed correlations: `asked` are pairs of a rule's number and the columns that are
    /// asked for. `None` where no field decides enough rules.
    pub fn new(plan: &SourcePlan, asked: &[(u32, Vec<usize>)]) -> Option<Self> {
        let rules = plan.rules.iter().map(|rule| {
            let own = asked.iter().filter(|(number, _)| *number == rule.rule);
            let asked: BTreeSet<u32> =
                own.flat_map(|(_, columns)| columns).map(|column| *column as u32).collect();
            Rule { expr: rule.expr.clone(), asked: asked.into_iter().collect() }
        });
        let column = |field: u32| plan.fields[field as usize].column.map(|column| column as u32);
        let looks_at = plan
            .tests
            .iter()
            .map(|test| [Some(test.field), test.other].into_iter().flatten().filter_map(column).collect());
        let mut tests = vec![Vec::new(); plan.projection.fields.len()];
        for (number, test) in plan.tests.iter().enumerate() {
            if let Some(column) = column(test.field)
                && test.other.is_none()
                && is_quick(&test.test)
            {
                tests[column as usize].push((number as u32, test.test.clone()));
            }
        }
        let dispatch = Self { rules: rules.collect(), looks_at: looks_at.collect(), tests };
        let start = dispatch.next(&dispatch.all(), &[], &HashMap::new(), MIN_RULES);
        matches!(start.0, Next::Ask(_)).then_some(dispatch)
    }

    /// The numbers of all rules.
    fn all(&self) -> Vec<u32> {
        (0..self.rules.len() as u32).collect()
    }

    /// What is to be done where these columns have been taken, and these tests are known to pass, or not; and
    /// which of the rules may still match. A column is asked for that can end so many rules at least.
    fn next(
        &self,
        rules: &[u32],
        taken: &[(u32, u32)],
        verdicts: &HashMap<u32, bool>,
        least: usize,
    ) -> (Next, Vec<u32>) {
        let known = |test: u32| verdicts.get(&test).map_or(Truth::Unknown, |passes| Truth::of(*passes));
        let alone = |test: u32| match self.looks_at[test as usize].as_slice() {
            [column] if self.tests[*column as usize].iter().any(|(own, _)| *own == test) => {
                taken.iter().all(|(of, _)| of != column).then_some(*column)
            }
            _ => None,
        };
        let mut needed = BTreeSet::new();
        // by column: how many rules it can end that look at others too
        let mut ends: HashMap<u32, (usize, usize)> = HashMap::new();
        let mut left = Vec::new();
        for &number in rules {
            let rule = &self.rules[number as usize];
            let so_far = truth(&rule.expr, &known);
            if so_far == Truth::False {
                continue;
            }
            left.push(number);
            let mut own: BTreeSet<u32> = rule.asked.iter().copied().collect();
            open_tests(&rule.expr, &known, &mut |test| own.extend(&self.looks_at[test as usize]));
            if so_far == Truth::Unknown && own.len() > 1 {
                let demanded = deciding(&rule.expr, &known, &alone, false);
                for column in deciding(&rule.expr, &known, &alone, true) {
                    let (rules, surely) = ends.entry(column).or_default();
                    *rules += 1;
                    *surely += usize::from(demanded.contains(&column));
                }
            }
            needed.extend(own);
        }
        let best = ends.into_iter().filter(|(_, (rules, _))| *rules >= least);
        // what a rule demands is seldom there; what it forbids is, too
        let next = match best.max_by_key(|(column, (rules, surely))| (*surely, *rules, u32::MAX - column)) {
            Some((column, _)) => Next::Ask(column),
            None => {
                let is_taken = |column: &u32| taken.iter().any(|(of, _)| of == column);
                Next::Fill(needed.into_iter().filter(|column| !is_taken(column)).collect())
            }
        };
        (next, left)
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

/// The columns that can make an expression false by themselves, of those that are not known. `alone` gives
/// the column of a test that looks at no other. With `forbidden` also those that do so by what must not be
/// there.
fn deciding(
    expr: &LocalExpr,
    known: &impl Fn(u32) -> Truth,
    alone: &impl Fn(u32) -> Option<u32>,
    forbidden: bool,
) -> BTreeSet<u32> {
    ending(expr, false, known, alone, forbidden)
}

/// The columns that can make an expression true, or false, by themselves.
fn ending(
    expr: &LocalExpr,
    end: bool,
    known: &impl Fn(u32) -> Truth,
    alone: &impl Fn(u32) -> Option<u32>,
    forbidden: bool,
) -> BTreeSet<u32> {
    let of = |branch: &LocalExpr| ending(branch, end, known, alone, forbidden);
    let open = |branches: &[LocalExpr]| -> Vec<BTreeSet<u32>> {
        branches.iter().filter(|branch| truth(branch, known) == Truth::Unknown).map(of).collect()
    };
    // one branch that is false ends a conjunction; all must be true for it to be true
    let any = |sets: Vec<BTreeSet<u32>>| sets.into_iter().flatten().collect();
    let all = |sets: Vec<BTreeSet<u32>>| {
        sets.into_iter().reduce(|all, set| all.intersection(&set).copied().collect()).unwrap_or_default()
    };
    match expr {
        LocalExpr::Never => BTreeSet::new(),
        LocalExpr::Test(test) if known(*test) == Truth::Unknown => alone(*test).into_iter().collect(),
        LocalExpr::Test(_) => BTreeSet::new(),
        LocalExpr::Not(inner) if forbidden => ending(inner, !end, known, alone, forbidden),
        LocalExpr::Not(_) => BTreeSet::new(),
        LocalExpr::And(branches) => match end {
            false => any(open(branches)),
            true => all(open(branches)),
        },
        LocalExpr::Or(branches) => match end {
            false => all(open(branches)),
            true => any(open(branches)),
        },
        // which of them there are not enough of is not asked
        LocalExpr::AtLeast(..) => BTreeSet::new(),
    }
}

/// Answers for one event after another; remembers what it has answered.
#[derive(Debug)]
pub struct Dispatcher {
    dispatch: Arc<Dispatch>,
    /// By column; made once it is asked for.
    columns: Vec<Option<AskedColumn>>,
    /// The first is where nothing is known.
    places: Vec<Place>,
    at: u32,
    batch: u64,
}

#[derive(Debug)]
struct AskedColumn {
    classes: QuickClasses,
    /// The batch that `by_value` is about.
    batch: u64,
    /// By number of the value in that batch: its class.
    by_value: Vec<u32>,
}

/// A place on a way.
#[derive(Debug)]
struct Place {
    /// The columns that were taken, and their classes.
    taken: Vec<(u32, u32)>,
    /// The rules that may still match.
    rules: Vec<u32>,
    next: Next,
    /// By class of the column that is asked for.
    places: HashMap<u32, u32>,
}

/// Not looked at yet.
const UNSEEN: u32 = u32::MAX;
/// The class of what is not quick to say: it tells nothing.
const UNSAID: u32 = u32::MAX - 1;

impl Dispatcher {
    /// For a plan.
    pub fn new(dispatch: &Arc<Dispatch>) -> Self {
        let columns = dispatch.tests.iter().map(|_| None).collect();
        let mut dispatcher =
            Self { dispatch: Arc::clone(dispatch), columns, places: Vec::new(), at: 0, batch: 0 };
        dispatcher.forget();
        dispatcher
    }

    fn forget(&mut self) {
        self.columns.iter_mut().for_each(|column| *column = None);
        let (next, rules) = self.dispatch.next(&self.dispatch.all(), &[], &HashMap::new(), 1);
        self.places = vec![Place { taken: Vec::new(), rules, next, places: HashMap::new() }];
    }

    /// Begins an event of a batch; batches are told apart by their numbers.
    pub fn begin(&mut self, batch: u64) {
        self.at = 0;
        self.batch = batch;
        let classes = self.columns.iter().flatten().map(|column| column.classes.len()).max().unwrap_or(0);
        if self.places.len() > MAX_REMEMBERED || classes > MAX_CLASSES {
            self.forget();
        }
    }

    /// The column that is asked for next, if any.
    #[inline]
    pub fn asks(&self) -> Option<usize> {
        match self.places[self.at as usize].next {
            Next::Ask(column) => Some(column as usize),
            Next::Fill(_) => None,
        }
    }

    /// Takes the value of the column that was asked for, with its number in the batch; `None` where the event
    /// has none.
    pub fn take(&mut self, value: Option<(usize, &str)>) {
        let Some(column) = self.asks() else { return };
        let class = self.class(column, value);
        self.at = match self.places[self.at as usize].places.get(&class) {
            Some(place) => *place,
            None => self.find(column as u32, class),
        };
    }

    /// The other columns that matter, once none is asked for.
    pub fn needed(&self) -> &[u32] {
        match &self.places[self.at as usize].next {
            Next::Fill(columns) => columns,
            Next::Ask(_) => &[],
        }
    }

    fn class(&mut self, column: usize, value: Option<(usize, &str)>) -> u32 {
        let tests = &self.dispatch.tests[column];
        let of = self.columns[column].get_or_insert_with(|| AskedColumn {
            classes: QuickClasses::new(tests),
            batch: 0,
            by_value: Vec::new(),
        });
        let Some((number, cell)) = value else { return of.classes.class(None).unwrap_or(UNSAID) };
        if of.batch != self.batch {
            of.by_value.clear();
            of.batch = self.batch;
        }
        if of.by_value.len() <= number {
            of.by_value.resize(number + 1, UNSEEN);
        }
        if of.by_value[number] == UNSEEN {
            of.by_value[number] = of.classes.class(Some(cell)).unwrap_or(UNSAID);
        }
        of.by_value[number]
    }

    /// The place behind the present one, which nobody has been to.
    fn find(&mut self, column: u32, class: u32) -> u32 {
        let mut taken = self.places[self.at as usize].taken.clone();
        taken.push((column, class));
        let mut verdicts: HashMap<u32, bool> = HashMap::new();
        for (column, class) in taken.iter().filter(|(_, class)| *class != UNSAID) {
            let Some(of) = &self.columns[*column as usize] else { continue };
            let passed = of.classes.tests(*class);
            let tests = &self.dispatch.tests[*column as usize];
            verdicts.extend(tests.iter().map(|(test, _)| (*test, passed.binary_search(test).is_ok())));
        }
        let (next, rules) = self.dispatch.next(&self.places[self.at as usize].rules, &taken, &verdicts, 1);
        let place = self.places.len() as u32;
        self.places.push(Place { taken, rules, next, places: HashMap::new() });
        self.places[self.at as usize].places.insert(class, place);
        place
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
            dispatcher.begin(1);
            let mut asked: Vec<usize> = Vec::new();
            while let Some(column) = dispatcher.asks() {
                let value = value(&members, &projection.fields[column].name);
                dispatcher.take(value.as_deref().map(|value| (0, value)));
                prop_assert!(!asked.contains(&column), "asked twice");
                asked.push(column);
            }
            let needed = dispatcher.needed();
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
                column.is_some_and(|column| asked.contains(&column) || needed.contains(&(column as u32)))
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
        let mut batch = 0;
        let mut asked_and_needed = |event: &[(&str, &str)]| {
            batch += 1;
            dispatcher.begin(batch);
            let mut asked: Vec<String> = Vec::new();
            while let Some(column) = dispatcher.asks() {
                let name = projection.fields[column].name.as_str();
                let value = event.iter().find(|(of, _)| *of == name);
                dispatcher.take(value.map(|(_, value)| (0, *value)));
                asked.push(name.to_owned());
            }
            let name = |column: &u32| projection.fields[*column as usize].name.as_str();
            let mut needed: Vec<&str> = dispatcher.needed().iter().map(name).collect();
            needed.sort_unstable();
            (asked.join(" "), needed.join(" "))
        };
        let pair = |asked: &str, needed: &str| (asked.to_owned(), needed.to_owned());
        let known = [("service", "\"b\""), ("call", "\"x\"")];
        // without g the rule on b and x is over; numbers are not quick to say
        assert_eq!(asked_and_needed(&known), pair("service call g", "f0 f1 open"));
        let whole = [known[0], known[1], ("g", "\"1\"")];
        assert_eq!(asked_and_needed(&whole), pair("service call g", "f0 f1 f2 open"));
        let unsaid = [known[0], known[1], ("g", "1")];
        assert_eq!(asked_and_needed(&unsaid), pair("service call g", "f0 f1 f2 open"));
        assert_eq!(asked_and_needed(&[("service", "\"q\"")]), pair("service", "f0 f1 open"));
        assert_eq!(asked_and_needed(&[("service", "\"a\"")]), pair("service call", "f0 f1"));
    }
}
