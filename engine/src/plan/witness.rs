//! Witnesses: what must be true of an event before a rule can be.
//!
//! In: a rule's expression over shared tests. Out: a set of tests of which at least one passes on
//! every event that the rule matches, the set chosen that passes least often; or nothing, where the
//! rule can match although all its tests fail (`not …`) or rests on a comparison of two fields.
//! A witness may be weaker than the rule, never stronger.

use super::compile::{LocalExpr, TestPlan};
use crate::predicate::{Shape, Test};

/// The witness of an expression; `None` where there is none.
pub(super) fn witness(expr: &LocalExpr, tests: &[TestPlan]) -> Option<Vec<u32>> {
    choose(expr, tests).map(|(_, mut witness)| {
        witness.sort_unstable();
        witness.dedup();
        witness
    })
}

fn choose(expr: &LocalExpr, tests: &[TestPlan]) -> Option<(u64, Vec<u32>)> {
    match expr {
        // what never matches needs no witness at all
        LocalExpr::Never => Some((0, Vec::new())),
        LocalExpr::Test(test) => cost(&tests[*test as usize]).map(|cost| (cost, vec![*test])),
        LocalExpr::Not(_) => None,
        LocalExpr::And(branches) => {
            branches.iter().filter_map(|branch| choose(branch, tests)).min_by_key(|(cost, _)| *cost)
        }
        LocalExpr::Or(branches) | LocalExpr::AtLeast(_, branches) => {
            let mut union = (0, Vec::new());
            for branch in branches {
                let (cost, witness) = choose(branch, tests)?;
                union.0 += cost;
                union.1.extend(witness);
            }
            Some(union)
        }
    }
}

/// How often a test is likely to pass, relatively.
fn cost(plan: &TestPlan) -> Option<u64> {
    let cost = match &plan.test {
        Test::FieldRef(_) => return None,
        Test::Null | Test::Exists => 10_000,
        Test::Number(_) | Test::Cidr(_) | Test::Time(..) => 4,
        Test::Compare(..) => 100,
        Test::Regex(_) => 50,
        Test::Text(test) => match &test.shape {
            Shape::Exact(_) => 1,
            Shape::Prefix(text) | Shape::Suffix(text) | Shape::Contains(text) if text.len() >= 8 => 2,
            Shape::Prefix(_) | Shape::Suffix(_) | Shape::Contains(_) => 8,
            Shape::Glob(_) => 8,
            Shape::Anything => 10_000,
        },
    };
    Some(if plan.whole_event { cost + 1_000 } else { cost })
}
