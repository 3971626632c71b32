//! The intermediate form: a boolean expression over tests on fields.

use std::sync::Arc;

use crate::predicate::Test;
use crate::sigma::{Condition, Rule};

/// Where a test looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKey {
    /// The whole event (keywords).
    Event,
    /// A field, by its name in lower case.
    Named(String),
}

impl std::fmt::Display for FieldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Event => write!(f, "(whole event)"),
            Self::Named(name) => write!(f, "{name}"),
        }
    }
}

/// A test on a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Predicate {
    /// Where it looks.
    pub field: FieldKey,
    /// The name as the rule writes it, for people.
    pub shown: String,
    /// What it asks.
    pub test: Test,
}

/// A boolean expression over predicates.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// Never true: a placeholder without values.
    Never,
    /// One test.
    Test(Predicate),
    /// All of these.
    And(Vec<Expr>),
    /// Any of these.
    Or(Vec<Expr>),
    /// At least so many of these.
    AtLeast(usize, Vec<Expr>),
    /// Not this.
    Not(Box<Expr>),
}

/// A rule, lowered.
#[derive(Debug, Clone)]
pub struct LoweredRule {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its selections, each by itself: what `explain` shows.
    pub selections: Vec<LoweredSelection>,
    /// The whole: what runs.
    pub expr: Expr,
}

/// A selection of a rule, lowered.
#[derive(Debug, Clone)]
pub struct LoweredSelection {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub expr: Expr,
}

impl LoweredRule {
    /// The conditions that combine its selections.
    pub fn conditions(&self) -> &[Condition] {
        &self.rule.conditions
    }
}

impl Expr {
    /// Calls `see` with every predicate.
    pub fn for_each_predicate<'e>(&'e self, see: &mut impl FnMut(&'e Predicate)) {
        match self {
            Self::Never => {}
            Self::Test(predicate) => see(predicate),
            Self::And(branches) | Self::Or(branches) | Self::AtLeast(_, branches) => {
                branches.iter().for_each(|branch| branch.for_each_predicate(see));
            }
            Self::Not(inner) => inner.for_each_predicate(see),
        }
    }

    /// Whether an event may be there for which it is true. False only where placeholders without values leave
    /// nothing that could be.
    pub fn can_match(&self) -> bool {
        self.outcomes(&|_| (true, true)).0
    }

    /// Whether it can come out true, and whether it can come out false, where that is known of each test.
    pub fn outcomes(&self, of_test: &dyn Fn(&Predicate) -> (bool, bool)) -> (bool, bool) {
        let at_least = |least: usize, branches: &[Self]| {
            let each: Vec<(bool, bool)> = branches.iter().map(|branch| branch.outcomes(of_test)).collect();
            let can_hold = each.iter().filter(|(holds, _)| *holds).count();
            let must_hold = each.iter().filter(|(_, fails)| !fails).count();
            (can_hold >= least, must_hold < least)
        };
        match self {
            Self::Never => (false, true),
            Self::Test(predicate) => of_test(predicate),
            Self::And(branches) => at_least(branches.len(), branches),
            Self::Or(branches) => at_least(1, branches),
            Self::AtLeast(least, branches) => at_least(*least, branches),
            Self::Not(inner) => {
                let (holds, fails) = inner.outcomes(of_test);
                (fails, holds)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_event_can_make_true_cannot_match() {
        let maybe = || {
            let test = Test::Null;
            Expr::Test(Predicate { field: FieldKey::Named("a".into()), shown: "a".into(), test })
        };
        let not = |expr| Expr::Not(Box::new(expr));
        let never = || Expr::Never;
        for (expr, expected) in [
            (never(), false),
            (maybe(), true),
            (not(never()), true),
            (not(maybe()), true),
            (not(not(never())), false),
            (Expr::And(vec![maybe(), never()]), false),
            (Expr::And(vec![maybe(), not(never())]), true),
            (Expr::Or(vec![never(), never()]), false),
            (Expr::Or(vec![never(), maybe()]), true),
            (not(Expr::Or(vec![maybe(), not(never())])), false),
            (Expr::AtLeast(2, vec![maybe(), never(), never()]), false),
            (Expr::AtLeast(2, vec![maybe(), never(), not(never())]), true),
            (not(Expr::AtLeast(1, vec![maybe(), not(never())])), false),
        ] {
            assert_eq!(expr.can_match(), expected, "{expr:?}");
        }
    }
}
