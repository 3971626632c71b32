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
}
