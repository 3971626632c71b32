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

use std::collections::HashMap;

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
    /// By field: the tests that values pass which were seen before. Files hold the same ones again and again.
    seen: Vec<HashMap<Box<str>, Box<[u32]>>>,
    /// By test: it stands somewhere under a `not`, so that where it must hold is asked too.
    negated: Vec<bool>,
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
            seen: vec![HashMap::new(); plan.fields.len()],
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
        let tests = self.tests(all, known);
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
        let mut asked = vec![false; self.plan.fields.len()];
        for (rule, _) in rules.iter().zip(&wanted).filter(|(_, wanted)| **wanted) {
            rule.expr.for_each_test(&mut |test| asked[self.plan.tests[test as usize].field as usize] = true);
        }
        let columns: Vec<bool> = (0..self.plan.projection.fields.len())
            .map(|column| {
                self.plan.fields.iter().zip(&asked).any(|(f, asked)| *asked && f.column == Some(column))
            })
            .collect();
        let tests = self.tests(all, &|column| known(column).filter(|_| columns.get(column) == Some(&true)));
        let each = self.plan.rules.iter().zip(&wanted);
        each.map(|(rule, wanted)| if *wanted { place(&rule.expr, &tests, all).may } else { 0 }).collect()
    }

    /// Where each test may hold and must hold.
    fn tests<'f>(&mut self, all: Blocks, known: &dyn Fn(usize) -> Option<Known<'f>>) -> Vec<Where> {
        let unknown = Where { may: all, must: 0 };
        let mut places = vec![unknown; self.plan.tests.len()];
        for ((field, matcher), seen) in self.plan.fields.iter().zip(&mut self.matchers).zip(&mut self.seen) {
            // what compares two fields says nothing of one of them alone
            let tests: Vec<u32> = field
                .tests
                .iter()
                .copied()
                .filter(|&t| self.plan.tests[t as usize].other.is_none())
                .collect();
            let facet = match field.column.and_then(known) {
                None => continue,
                Some(Known::Values(facet)) => facet,
                Some(Known::Pieces(sketch)) => {
                    for test in tests.into_iter().filter(|&t| !sketch.may_hold(&self.needles[t as usize])) {
                        places[test as usize] = NOWHERE;
                    }
                    continue;
                }
            };
            let Some(values) = facet.values() else { continue };
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
            for (value, blocks) in values {
                if let Some(passed) = seen.get(value) {
                    see(passed, blocks);
                    continue;
                }
                let passed = matcher.classify(value);
                see(passed, blocks);
                if seen.len() >= MAX_SEEN {
                    seen.clear();
                }
                if value.len() <= MAX_SEEN_BYTES {
                    seen.insert(value.into(), passed.into());
                }
            }
            if facet.absent & all != 0 {
                see(matcher.absent(), facet.absent);
            }
            for (test, fails) in fails {
                places[test as usize].must = all & !fails;
            }
        }
        places
    }
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
            let each = pruner.keep_each(all, &|_| true, &known);
            prop_assert_eq!(each.iter().fold(0, |kept, one| kept | one), kept);
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
