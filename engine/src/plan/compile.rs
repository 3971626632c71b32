//! The rules of one source → fields, shared tests, expressions by number.
//!
//! In: lowered rules and the source's own word on its fields. Out: a [`SourcePlan`]: a projection for
//! the source to fill, and rules that refer to tests by number. A test that several rules ask is
//! there once.

use std::collections::HashMap;
use std::sync::Arc;

use super::ir::{Expr, FieldKey, LoweredRule, Predicate};
use super::witness::witness;
use crate::event::{ProjectedField, Projection, SourceSpec};
use crate::predicate::Test;
use crate::scan::Dispatch;

/// What runs on the events of one source.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// The source.
    pub source: SourceSpec,
    /// The fields that a batch must have.
    pub projection: Arc<Projection>,
    /// The fields of the plan; column *i* of the projection is field *i*, the whole event comes last.
    pub fields: Vec<FieldPlan>,
    /// The tests, by number.
    pub tests: Vec<TestPlan>,
    /// The rules.
    pub rules: Vec<CompiledRule>,
}

/// A field of a plan.
#[derive(Debug, Clone)]
pub struct FieldPlan {
    /// The field's name; the whole event has none.
    pub key: FieldKey,
    /// The column of the projection; the whole event has none.
    pub column: Option<usize>,
    /// Its tests.
    pub tests: Vec<u32>,
}

/// A test of a plan.
#[derive(Debug, Clone)]
pub struct TestPlan {
    /// The field.
    pub field: u32,
    /// What it asks.
    pub test: Test,
    /// For a comparison of two fields, the other.
    pub other: Option<u32>,
    /// The field is the whole event.
    pub whole_event: bool,
}

/// A rule of a plan.
#[derive(Debug, Clone)]
pub struct CompiledRule {
    /// The rule's number among all loaded rules.
    pub rule: u32,
    /// Its expression.
    pub expr: LocalExpr,
    /// Its witness; `None` where every event is a candidate.
    pub witness: Option<Vec<u32>>,
}

/// An expression over tests by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalExpr {
    /// Never true.
    Never,
    /// A test.
    Test(u32),
    /// All of these.
    And(Box<[LocalExpr]>),
    /// Any of these.
    Or(Box<[LocalExpr]>),
    /// At least so many of these.
    AtLeast(usize, Box<[LocalExpr]>),
    /// Not this.
    Not(Box<LocalExpr>),
}

impl LocalExpr {
    /// Calls `see` with every test.
    pub fn for_each_test(&self, see: &mut impl FnMut(u32)) {
        match self {
            Self::Never => {}
            Self::Test(test) => see(*test),
            Self::Not(inner) => inner.for_each_test(see),
            Self::And(branches) | Self::Or(branches) | Self::AtLeast(_, branches) => {
                branches.iter().for_each(|branch| branch.for_each_test(see));
            }
        }
    }
}

impl SourcePlan {
    /// Compiles the rules that run on a source, given with their numbers. `canonical_only` says of
    /// which the log source sees canonical columns only.
    pub fn new(source: &SourceSpec, rules: &[(u32, &LoweredRule, bool)]) -> Self {
        let mut compiler = Compiler {
            source,
            fields: Vec::new(),
            by_key: HashMap::new(),
            tests: Vec::new(),
            by_test: HashMap::new(),
        };
        let compiled: Vec<(u32, LocalExpr)> = rules
            .iter()
            .map(|(number, rule, canonical)| (*number, compiler.expr(&rule.expr, *canonical)))
            .collect();
        let Compiler { fields, tests, .. } = compiler;
        let rules = compiled
            .into_iter()
            .map(|(rule, expr)| {
                let witness = witness(&expr, &tests);
                CompiledRule { rule, expr, witness }
            })
            .collect();
        let mut plan =
            Self { source: source.clone(), projection: Arc::default(), fields: Vec::new(), tests, rules };
        plan.lay_out(fields);
        plan
    }

    /// The column in which batches hold a field that no rule tests but somebody wants to see.
    pub fn ask(&mut self, name: &str, canonical: bool) -> usize {
        let field = match canonical {
            true => ProjectedField::canonical(name),
            false => ProjectedField::resolve(name, &self.source),
        };
        if let Some(known) = self.projection.fields.iter().position(|known| *known == field) {
            return known;
        }
        let projection = Arc::make_mut(&mut self.projection);
        projection.fields.push(field);
        projection.fields.len() - 1
    }

    /// Lets a source leave out what cannot matter for an event. `asked` are columns that correlations ask for
    /// of a rule's matches.
    pub fn leave_out(&mut self, asked: &[(u32, Vec<usize>)]) {
        let dispatch = Dispatch::new(self, asked).map(Arc::new);
        Arc::make_mut(&mut self.projection).dispatch = dispatch;
    }

    /// Gives each field its column, and the whole event the last place.
    fn lay_out(&mut self, fields: Vec<(FieldKey, Option<ProjectedField>)>) {
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by_key(|&i| fields[i].1.is_none());
        let mut renumbered = vec![0u32; fields.len()];
        for (new, &old) in order.iter().enumerate() {
            renumbered[old] = new as u32;
        }
        for test in &mut self.tests {
            test.field = renumbered[test.field as usize];
            test.other = test.other.map(|other| renumbered[other as usize]);
        }
        let mut projected = Vec::new();
        for &old in &order {
            let (key, field) = &fields[old];
            let column = field.as_ref().map(|field| {
                projected.push(field.clone());
                projected.len() - 1
            });
            let number = self.fields.len() as u32;
            let tests =
                (0..self.tests.len() as u32).filter(|&t| self.tests[t as usize].field == number).collect();
            self.fields.push(FieldPlan { key: key.clone(), column, tests });
        }
        self.projection = Arc::new(Projection { fields: projected, dispatch: None });
    }
}

struct Compiler<'s> {
    source: &'s SourceSpec,
    fields: Vec<(FieldKey, Option<ProjectedField>)>,
    by_key: HashMap<(FieldKey, bool), u32>,
    tests: Vec<TestPlan>,
    by_test: HashMap<(u32, Test), u32>,
}

impl Compiler<'_> {
    fn field(&mut self, key: &FieldKey, canonical: bool) -> u32 {
        if let Some(&field) = self.by_key.get(&(key.clone(), canonical)) {
            return field;
        }
        let projected = match key {
            FieldKey::Event => None,
            FieldKey::Named(name) if canonical => Some(ProjectedField::canonical(name)),
            FieldKey::Named(name) => Some(ProjectedField::resolve(name, self.source)),
        };
        let field = self.fields.len() as u32;
        self.fields.push((key.clone(), projected));
        self.by_key.insert((key.clone(), canonical), field);
        field
    }

    fn test(&mut self, predicate: &Predicate, canonical: bool) -> u32 {
        let field = self.field(&predicate.field, canonical);
        if let Some(&test) = self.by_test.get(&(field, predicate.test.clone())) {
            return test;
        }
        let other = match &predicate.test {
            Test::FieldRef(test) => Some(self.field(&FieldKey::Named(test.field.clone()), canonical)),
            _ => None,
        };
        let number = self.tests.len() as u32;
        let whole_event = predicate.field == FieldKey::Event;
        self.tests.push(TestPlan { field, test: predicate.test.clone(), other, whole_event });
        self.by_test.insert((field, predicate.test.clone()), number);
        number
    }

    fn expr(&mut self, expr: &Expr, canonical: bool) -> LocalExpr {
        match expr {
            Expr::Never => LocalExpr::Never,
            Expr::Test(predicate) => LocalExpr::Test(self.test(predicate, canonical)),
            Expr::Not(inner) => LocalExpr::Not(Box::new(self.expr(inner, canonical))),
            Expr::And(branches) => LocalExpr::And(self.branches(branches, canonical)),
            Expr::Or(branches) => LocalExpr::Or(self.branches(branches, canonical)),
            Expr::AtLeast(n, branches) => LocalExpr::AtLeast(*n, self.branches(branches, canonical)),
        }
    }

    fn branches(&mut self, branches: &[Expr], canonical: bool) -> Box<[LocalExpr]> {
        branches.iter().map(|branch| self.expr(branch, canonical)).collect()
    }
}
