//! Which stretches of stored events can hold a match at all.
//!
//! In: for each field of a plan which values occur in which blocks of rows ([`Facet`]), or which pieces of text
//! they hold at all ([`Sketch`]), as whoever stores events keeps it beside them. Out: the blocks in which some
//! rule may match. Of a field of which nothing is known everything is possible. A block may be kept for nothing; none is left out in which a rule matches.
//!
//! ```text
//! eventName = GetObject | DeleteTrail     blocks 0, 2 | 1
//! rule: eventName: DeleteTrail            can match in block 1 alone
//! rule: not eventName: GetObject          can match in block 1: everywhere else all rows hold it
//! ```
//!
//! Fields of few values are asked first: of the others only what stands where some rule that asks for them can
//! still match is looked at. The order changes the cost alone.

use hashbrown::HashMap;

use crate::plan::{LocalExpr, SourcePlan};

use super::classes::FieldMatcher;
use super::sketch::{Needles, Sketch};

/// Blocks of rows as bits: block *i* is bit *i*.
pub type Blocks = u64;

/// So many blocks fit into [`Blocks`].
pub const MAX_BLOCKS: usize = 64;

/// Values of a field whose tests a pruner remembers; beyond it all are forgotten.
const MAX_SEEN: usize = 1 << 15;

/// Bytes of a value that is remembered.
const MAX_SEEN_BYTES: usize = 512;

/// Which values of a field occur where. All texts stand in one, so that a facet is read by a few copies.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Facet {
    text: String,
    /// By value: where its text ends, and the blocks that hold it.
    ends: Vec<u32>,
    blocks: Vec<Blocks>,
    /// The blocks with rows that do not have the field.
    pub absent: Blocks,
}

impl Facet {
    /// Of the texts of cells, each with the blocks that hold it.
    pub fn new<'v>(values: impl IntoIterator<Item = (&'v str, Blocks)>, absent: Blocks) -> Self {
        let mut facet = Self { absent, ..Self::default() };
        for (value, blocks) in values {
            facet.text.push_str(value);
            facet.ends.push(facet.text.len() as u32);
            facet.blocks.push(blocks);
        }
        facet
    }

    /// The values with the blocks that hold them. `None` where the facet was not made by [`Facet::new`] and
    /// its parts do not fit each other.
    pub fn values(&self) -> Option<impl Iterator<Item = (&str, Blocks)>> {
        let mut start = 0;
        let fits = self.ends.len() == self.blocks.len()
            && self.ends.iter().all(|&end| {
                let text = self.text.get(start..end as usize);
                start = end as usize;
                text.is_some()
            });
        let mut start = 0;
        let value = move |(&end, &blocks): (&u32, &Blocks)| {
            let text = self.text.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            (text, blocks)
        };
        fits.then(|| self.ends.iter().zip(&self.blocks).map(value))
    }
}

/// What is known of a field's values in a stretch of stored events.
#[derive(Debug, Clone, Copy)]
pub enum Known<'f> {
    /// All of them, and where each is.
    Values(&'f Facet),
    /// Which pieces of text they hold, wherever.
    Pieces(&'f Sketch),
}

/// Looks for blocks that can be left out. Holds matchers of its own: it looks at other values than the scan.
#[derive(Debug)]
pub struct Pruner {
    plan: SourcePlan,
    matchers: Vec<FieldMatcher>,
    /// By test.
    needles: Vec<Needles>,
    /// By field.
    seen: Vec<Seen>,
    /// By field: the rules that have tests on it.
    asking: Vec<Vec<u32>>,
    /// By test: it stands somewhere under a `not`, so that where it must hold is asked too.
    negated: Vec<bool>,
}

/// Which tests values of a field passed that were seen before: files may hold the same ones again and again.
#[derive(Debug, Default)]
struct Seen {
    passed: HashMap<Box<str>, Box<[u32]>>,
    asked: usize,
    found: usize,
    /// How many values the last facet had.
    values: usize,
}

impl Seen {
    /// Whether values come again often enough to be remembered.
    fn is_useful(&self) -> bool {
        self.asked < MAX_SEEN / 4 || self.found * 4 > self.asked
    }

    fn remember(&mut self, value: &str, passed: &[u32]) {
        if self.passed.len() >= MAX_SEEN {
            self.passed.clear();
        }
        if value.len() <= MAX_SEEN_BYTES {
            self.passed.insert(value.into(), passed.into());
        }
    }
}

/// Where something may hold, and where it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Where {
    may: Blocks,
    must: Blocks,
}

const NOWHERE: Where = Where { may: 0, must: 0 };

impl Pruner {
    /// For a plan.
    pub fn new(plan: &SourcePlan) -> Self {
        let matcher = |field: &crate::plan::FieldPlan| {
            FieldMatcher::new(field.tests.iter().map(|&test| (test, &plan.tests[test as usize].test)))
        };
        let mut negated = vec![false; plan.tests.len()];
        plan.rules.iter().for_each(|rule| mark_negated(&rule.expr, false, &mut negated));
        let needles = plan.tests.iter().map(|test| Needles::of(&test.test)).collect();
        Self {
            matchers: plan.fields.iter().map(matcher).collect(),
            needles,
            seen: plan.fields.iter().map(|_| Seen::default()).collect(),
            asking: asking(plan),
            plan: plan.clone(),
            negated,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &SourcePlan {
        &self.plan
    }

    /// The blocks, of those given, in which a rule may match. `known` gives what is known of a column of the
    /// plan's projection.
    pub fn keep<'f>(&mut self, all: Blocks, known: &dyn Fn(usize) -> Option<Known<'f>>) -> Blocks {
        let tests = self.tests(all, &vec![true; self.plan.rules.len()], known);
        let rules = self.plan.rules.iter();
        rules.fold(0, |kept, rule| if kept == all { kept } else { kept | place(&rule.expr, &tests, all).may })
    }

    /// For each rule of the plan, in its order, the blocks in which it may match. A rule that is not
    /// `wanted` gets none, and its fields are not looked at.
    pub fn keep_each<'f>(
        &mut self,
        all: Blocks,
        wanted: &dyn Fn(u32) -> bool,
        known: &dyn Fn(usize) -> Option<Known<'f>>,
    ) -> Vec<Blocks> {
        let rules = &self.plan.rules;
        let wanted: Vec<bool> = rules.iter().map(|rule| wanted(rule.rule)).collect();
        let tests = self.tests(all, &wanted, known);
        let each = self.plan.rules.iter().zip(&wanted);
        each.map(|(rule, wanted)| if *wanted { place(&rule.expr, &tests, all).may } else { 0 }).collect()
    }

    /// Where each test may hold and must hold, as far as the wanted rules depend on it.
    fn tests<'f>(
        &mut self,
        all: Blocks,
        wanted: &[bool],
        known: &dyn Fn(usize) -> Option<Known<'f>>,
    ) -> Vec<Where> {
        let mut places = vec![Where { may: all, must: 0 }; self.plan.tests.len()];
        let mut order: Vec<usize> = (0..self.plan.fields.len()).collect();
        order.sort_by_key(|field| self.seen[*field].values);
        for field in order {
            let Some(column) = self.plan.fields[field].column else { continue };
            let blocks = self.alive(field, &places, all, wanted);
            match if blocks == 0 { None } else { known(column) } {
                None => {}
                Some(Known::Values(facet)) => self.values(field, facet, (all, blocks), &mut places),
                Some(Known::Pieces(sketch)) => {
                    for test in self.alone(field) {
                        if !sketch.may_hold(&self.needles[test as usize]) {
                            places[test as usize] = NOWHERE;
                        }
                    }
                }
            }
        }
        places
    }

    /// The blocks in which some wanted rule that asks for a field can still match.
    fn alive(&self, field: usize, places: &[Where], all: Blocks, wanted: &[bool]) -> Blocks {
        let mut alive = 0;
        for &rule in self.asking[field].iter().filter(|rule| wanted[**rule as usize]) {
            if alive == all {
                break;
            }
            alive |= place(&self.plan.rules[rule as usize].expr, places, all).may;
        }
        alive
    }

    /// The tests of a field alone: what compares two fields says nothing of one of them.
    fn alone(&self, field: usize) -> Vec<u32> {
        let tests = self.plan.fields[field].tests.iter().copied();
        tests.filter(|&test| self.plan.tests[test as usize].other.is_none()).collect()
    }

    /// What the values of a field in some blocks say of its tests. Of other blocks it says anything, for there no
    /// rule depends on it.
    fn values(&mut self, field: usize, facet: &Facet, (all, blocks): (Blocks, Blocks), places: &mut [Where]) {
        let tests = self.alone(field);
        let (seen, matcher) = (&mut self.seen[field], &mut self.matchers[field]);
        let Some(values) = facet.values() else { return };
        tests.iter().for_each(|&test| places[test as usize] = NOWHERE);
        // where a test must hold is asked of those under a `not` alone
        let negated = tests.iter().copied().filter(|&t| self.negated[t as usize]);
        let mut fails: Vec<(u32, Blocks)> = negated.map(|test| (test, 0)).collect();
        let mut see = |passed: &[u32], blocks: Blocks| {
            passed.iter().for_each(|&test| places[test as usize].may |= blocks & all);
            for (test, fails) in &mut fails {
                if passed.binary_search(test).is_err() {
                    *fails |= blocks;
                }
            }
        };
        seen.values = facet.ends.len();
        let is_useful = seen.is_useful();
        if !is_useful {
            seen.passed = HashMap::new();
        }
        for (value, there) in values.filter(|(_, there)| there & blocks != 0) {
            if is_useful {
                seen.asked += 1;
                if let Some(passed) = seen.passed.get(value) {
                    seen.found += 1;
                    see(passed, there);
                    continue;
                }
            }
            let passed = matcher.classify(value);
            see(passed, there);
            if is_useful {
                seen.remember(value, passed);
            }
        }
        if facet.absent & blocks != 0 {
            see(matcher.absent(), facet.absent);
        }
        for (test, fails) in fails {
            places[test as usize].must = all & !fails;
        }
    }
}

/// By field of a plan: the rules that have tests on it.
fn asking(plan: &SourcePlan) -> Vec<Vec<u32>> {
    let mut asking: Vec<Vec<u32>> = vec![Vec::new(); plan.fields.len()];
    for (rule, compiled) in (0..).zip(&plan.rules) {
        compiled.expr.for_each_test(&mut |test| {
            let test = &plan.tests[test as usize];
            for field in [Some(test.field), test.other].into_iter().flatten() {
                let rules = &mut asking[field as usize];
                if rules.last() != Some(&rule) {
                    rules.push(rule);
                }
            }
        });
    }
    asking
}

fn mark_negated(expr: &LocalExpr, under_not: bool, negated: &mut [bool]) {
    match expr {
        LocalExpr::Never => {}
        LocalExpr::Test(test) => negated[*test as usize] |= under_not,
        LocalExpr::Not(inner) => mark_negated(inner, true, negated),
        LocalExpr::And(branches) | LocalExpr::Or(branches) | LocalExpr::AtLeast(_, branches) => {
            branches.iter().for_each(|branch| mark_negated(branch, under_not, negated));
        }
    }
}

fn place(expr: &LocalExpr, tests: &[Where], all: Blocks) -> Where {
    let places = |branches: &[LocalExpr]| -> Vec<Where> {
        branches.iter().map(|branch| place(branch, tests, all)).collect()
    };
    match expr {
        LocalExpr::Never => NOWHERE,
        LocalExpr::Test(test) => tests[*test as usize],
        LocalExpr::Not(inner) => {
            let Where { may, must } = place(inner, tests, all);
            Where { may: all & !must, must: all & !may }
        }
        LocalExpr::And(branches) => {
            let start = Where { may: all, must: all };
            places(branches).iter().fold(start, |a, b| Where { may: a.may & b.may, must: a.must & b.must })
        }
        LocalExpr::Or(branches) => {
            places(branches).iter().fold(NOWHERE, |a, b| Where { may: a.may | b.may, must: a.must | b.must })
        }
        LocalExpr::AtLeast(least, branches) => {
            let places = places(branches);
            let reach = |of: &dyn Fn(&Where) -> Blocks| {
                (0..MAX_BLOCKS).fold(0, |reached, block| {
                    let held = places.iter().filter(|place| of(place) & (1 << block) != 0).count();
                    if held >= *least { reached | (1 << block) } else { reached }
                }) & all
            };
            Where { may: reach(&|place| place.may), must: reach(&|place| place.must) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::event::{EventBatch, Projection};
    use crate::plan::Lists;
    use crate::{Engine, RuleSet};

    const RULES: &str = r#"
title: a
logsource: {product: aws, service: audit}
detection: {s: {a: x}, condition: s}
---
title: b
logsource: {product: aws, service: audit}
detection: {s: {a|contains: y}, t: {b: 1}, condition: s and not t}
---
title: c
logsource: {product: aws, service: audit}
detection: {s: {b|exists: false}, t: {a|startswith: q}, u: {a|fieldref: b}, condition: 2 of them}
---
title: d
logsource: {product: aws, service: audit}
detection: {s: {a: null}, t: [{b|gte: 3}, {c: z}], condition: s and t}
"#;

    fn engine() -> Engine {
        let file = Arc::new(SourceFile { name: "t.yml".into(), text: RULES.into() });
        let set = RuleSet::load([file], &Lists::new());
        Engine::new(&set, &[crate::testing::source()])
    }

    /// What is in which block of four rows.
    fn facets(batch: &EventBatch, projection: &Projection) -> Vec<Facet> {
        use arrow_array::{Array, StringArray};
        let facet = |column: usize| {
            let cells = &batch.fields()[column];
            let values = cells.values().as_any().downcast_ref::<StringArray>().unwrap();
            let (mut known, mut absent): (std::collections::BTreeMap<&str, Blocks>, _) = Default::default();
            for row in 0..cells.len() {
                let block = 1 << (row / 4);
                match cells.key(row).map(|key| values.value(key)) {
                    None => absent |= block,
                    Some(text) => *known.entry(text).or_default() |= block,
                }
            }
            Facet::new(known, absent)
        };
        (0..projection.fields.len()).map(facet).collect()
    }

    fn sketch(facet: &Facet) -> Sketch {
        let mut sketch = Sketch::default();
        facet.values().unwrap().for_each(|(value, _)| sketch.add(value));
        sketch
    }

    /// The blocks in which a rule may match by all that is known, looked at in the order of the plan.
    fn by_all_that_is_known<'f>(
        pruner: &mut Pruner,
        all: Blocks,
        known: &dyn Fn(usize) -> Option<Known<'f>>,
    ) -> Vec<Blocks> {
        let mut places = vec![Where { may: all, must: 0 }; pruner.plan.tests.len()];
        for field in 0..pruner.plan.fields.len() {
            match pruner.plan.fields[field].column.and_then(known) {
                None => {}
                Some(Known::Values(facet)) => pruner.values(field, facet, (all, all), &mut places),
                Some(Known::Pieces(sketch)) => {
                    let out = pruner.alone(field).into_iter();
                    out.filter(|&test| !sketch.may_hold(&pruner.needles[test as usize]))
                        .for_each(|test| places[test as usize] = NOWHERE);
                }
            }
        }
        pruner.plan.rules.iter().map(|rule| place(&rule.expr, &places, all).may).collect()
    }

    proptest! {
        #[test]
        fn no_block_with_a_match_is_left_out_and_unknown_fields_are_possible(
            rows in proptest::collection::vec((0usize..6, 0usize..5, 0usize..3), 1..64),
            unknown in 0usize..4,
            sketched in 0usize..4,
        ) {
            let mut engine = engine();
            let projection = engine.projection("test").unwrap();
            let a = ["", r#""a":"x","#, r#""a":"xy","#, r#""a":null,"#, r#""a":"q1","#, r#""a":["y","1"],"#];
            let b = ["", r#""b":1,"#, r#""b":"1","#, r#""b":7,"#, r#""b":"q1","#];
            let c = ["", r#""c":"z","#, r#""c":"w","#];
            let events: Vec<String> =
                rows.iter().map(|(x, y, z)| format!("{{{}{}{}\"n\":0}}", a[*x], b[*y], c[*z])).collect();
            let batch =
                EventBatch::of_raw("test", &projection, events.iter().map(String::as_str)).unwrap();
            let facets = facets(&batch, &projection);
            let all = (1u64 << events.len().div_ceil(4)) - 1;
            let mut pruner = engine.pruner("test").unwrap();
            let sketches: Vec<Sketch> = facets.iter().map(sketch).collect();
            let known = |column: usize| match () {
                () if column == unknown => None,
                () if column == sketched => Some(Known::Pieces(&sketches[column])),
                () => Some(Known::Values(&facets[column])),
            };
            let kept = pruner.keep(all, &known);
            let mut hits = Vec::new();
            engine.scan(&batch, &mut hits);
            for hit in &hits {
                prop_assert!(kept & (1 << (hit.row / 4)) != 0, "row {} of {events:?}", hit.row);
            }
            prop_assert_eq!(kept & !all, 0);
            // in whatever order the fields are asked, which is another now, and whatever is remembered
            prop_assert_eq!(pruner.keep(all, &known), kept);
            let each = pruner.keep_each(all, &|_| true, &known);
            prop_assert_eq!(each.iter().fold(0, |kept, one| kept | one), kept);
            prop_assert_eq!(&by_all_that_is_known(&mut pruner, all, &known), &each);
            for hit in &hits {
                let rule = pruner.plan().rules.iter().position(|rule| rule.rule == hit.rule).unwrap();
                prop_assert!(each[rule] & (1 << (hit.row / 4)) != 0, "rule {} at row {}", hit.rule, hit.row);
                let alone = pruner.keep_each(all, &|rule| rule == hit.rule, &known);
                prop_assert_eq!(alone[rule], each[rule]);
            }
        }
    }

    #[test]
    fn blocks_that_cannot_match_are_left_out() {
        let engine = engine();
        let mut pruner = engine.pruner("test").unwrap();
        let columns: Vec<String> = pruner.plan().projection.fields.iter().map(|f| f.name.clone()).collect();
        let facet = |column: usize| {
            let values = match columns[column].as_str() {
                // a: x in block 0, w in block 1; b everywhere 1
                "a" => vec![("\"x\"", 1), ("\"w\"", 2)],
                "b" => vec![("1", 3)],
                _ => Vec::new(),
            };
            Facet::new(values, 0)
        };
        let facets: Vec<Facet> = (0..columns.len()).map(facet).collect();
        assert_eq!(pruner.keep(3, &|column| facets.get(column).map(Known::Values)), 1);
    }

    #[test]
    fn a_text_that_occurs_nowhere_rules_its_rule_out() {
        let text = "
title: long
logsource: {product: aws, service: audit}
detection: {s: {a|contains: trufflehog}, condition: s}
";
        let file = Arc::new(SourceFile { name: "t.yml".into(), text: text.into() });
        let engine = Engine::new(&RuleSet::load([file], &Lists::new()), &[crate::testing::source()]);
        let mut pruner = engine.pruner("test").unwrap();
        let mut kept = |value: &str| {
            let mut sketch = Sketch::default();
            sketch.add(value);
            pruner.keep(3, &|_| Some(Known::Pieces(&sketch)))
        };
        assert_eq!((kept("\"TruffleHog/3\""), kept("\"Truffle Hog\"")), (3, 0));
    }
}
