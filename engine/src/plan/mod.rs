//! Rules → what runs.
//!
//! The way through this folder: `resolve` (the tree of a rule → the same with its modifiers applied;
//! what stands around rules, filters and processing pipelines, works on that) → `lower` (→ an
//! expression over tests) → `compile` (the rules of one source → fields,
//! tests shared between rules, and for each rule a *witness*: tests of which at least one passes on
//! every event that the rule can match).

mod compile;
mod ir;
mod lower;
mod resolve;
mod witness;

pub use compile::{CompiledRule, FieldPlan, LocalExpr, SourcePlan, TestPlan};
pub use ir::{Expr, FieldKey, LoweredRule, LoweredSelection, Predicate};
pub use lower::{Lists, detection_beside, lower, lower_resolved};
pub use resolve::{
    Beside, RULE_SCOPE, ResolvedItem, ResolvedNode, ResolvedRule, ResolvedSelection, Scope, resolve,
};
