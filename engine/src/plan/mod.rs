//! Rules → what runs.
//!
//! The pipeline of this folder: `lower` (the tree of a rule → an expression over tests, modifiers
//! applied) → `compile` (the rules of one source → fields,
//! tests shared between rules, and for each rule a *witness*: tests of which at least one passes on
//! every event that the rule can match).

mod compile;
mod ir;
mod lower;
mod witness;

pub use compile::{CompiledRule, FieldPlan, LocalExpr, SourcePlan, TestPlan};
pub use ir::{Expr, FieldKey, LoweredRule, LoweredSelection, Predicate};
pub use lower::{Lists, lower};
