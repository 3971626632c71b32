//! Moments that are far away, as people write them: `time < '9999-12-31'`.
//!
//! In: a plan. Out: the same, with each text that stands for a moment before 1678 or after 2261 taken to the microsecond.
//! The query engine takes what is written to the nanosecond, and of those sixty-four bits hold few centuries; `time`
//! itself is kept in microseconds. Whatever else stays as it is: a moment of our days may have nanoseconds.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable as _, LogicalPlan, cast};
use datafusion::optimizer::AnalyzerRule;

/// Stands before types are made to fit each other.
#[derive(Debug)]
pub(super) struct Far;

impl AnalyzerRule for Far {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let read = plan.transform_down_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            // what an expression is called is the name of a column, by which the steps above it ask for it
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expression| {
                let name = names.save(&expression);
                let read = expression.transform_up(|part| Ok(read(part, &schema)))?;
                Ok(read.update_data(|expression| name.restore(expression)))
            })
        });
        Ok(read?.data)
    }

    fn name(&self) -> &'static str {
        "far"
    }
}

/// A part of an expression: a cast, or a comparison of a moment with texts.
fn read(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let zone = |of: &Expr| match of.get_type(schema) {
        Ok(DataType::Timestamp(_, zone)) => Some(zone),
        _ => None,
    };
    match part {
        Expr::Cast(written) => match (written.expr.as_ref(), written.field.data_type()) {
            (Expr::Literal(text, _), DataType::Timestamp(TimeUnit::Nanosecond, zone)) if is_far(text) => {
                Transformed::yes(cast(Expr::Literal(text.clone(), None), micros(zone.as_ref())))
            }
            _ => Transformed::no(Expr::Cast(written)),
        },
        Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) if op.supports_propagation() => {
            let zones = (zone(&left), zone(&right));
            let changed = compare(&mut left, zones.1) | compare(&mut right, zones.0);
            told(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
        }
        Expr::Between(Between { expr, negated, mut low, mut high }) => {
            let changed = compare_all(&mut [low.as_mut(), high.as_mut()], zone(&expr), schema);
            told(Expr::Between(Between { expr, negated, low, high }), changed)
        }
        Expr::InList(InList { expr, mut list, negated }) => {
            let changed = compare_all(&mut list.iter_mut().collect::<Vec<_>>(), zone(&expr), schema);
            told(Expr::InList(InList { expr, list, negated }), changed)
        }
        other => Transformed::no(other),
    }
}

fn told(expression: Expr, changed: bool) -> Transformed<Expr> {
    if changed { Transformed::yes(expression) } else { Transformed::no(expression) }
}

/// Makes a text or a day a moment, where it is compared with one of this zone and is far, or may be. Whether it was.
fn compare(side: &mut Expr, zone: Option<Option<Arc<str>>>) -> bool {
    let is_moment = match &*side {
        Expr::Literal(ScalarValue::Date32(_) | ScalarValue::Date64(_), _) => true,
        Expr::Literal(text, _) => is_far(text),
        // DATE '9999-12-31'
        Expr::Cast(day) => {
            *day.field.data_type() == DataType::Date32 && matches!(*day.expr, Expr::Literal(..))
        }
        _ => false,
    };
    match zone {
        Some(zone) if is_moment => {
            *side = cast(std::mem::take(side), micros(zone.as_ref()));
            true
        }
        _ => false,
    }
}

/// The same of several that are compared with one moment, and so are of one type: where one is far all are taken to the
/// microsecond.
fn compare_all(all: &mut [&mut Expr], zone: Option<Option<Arc<str>>>, schema: &DFSchema) -> bool {
    let Some(zone) = zone else { return false };
    let changed = all.iter_mut().fold(false, |changed, one| compare(one, Some(zone.clone())) | changed);
    let kind = |one: &Expr| one.get_type(schema).ok();
    let is_micros =
        |one: &&mut Expr| matches!(kind(one), Some(DataType::Timestamp(TimeUnit::Microsecond, _)));
    if !changed && !all.iter().any(is_micros) {
        return false;
    }
    for one in all {
        let is_text = matches!(one, Expr::Literal(..));
        if is_text || matches!(kind(one), Some(DataType::Timestamp(TimeUnit::Nanosecond, _))) {
            **one = cast(std::mem::take(*one), micros(zone.as_ref()));
        }
    }
    true
}

fn micros(zone: Option<&Arc<str>>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone.cloned())
}

/// Whether a text is a moment in microseconds, and none in nanoseconds.
fn is_far(text: &ScalarValue) -> bool {
    let is_text = matches!(text.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is = |unit| text.cast_to(&DataType::Timestamp(unit, None)).is_ok_and(|moment| !moment.is_null());
    is_text && is(TimeUnit::Microsecond) && !is(TimeUnit::Nanosecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nanoseconds_cannot_hold_is_far() {
        for (text, far) in [
            ("9999-12-31T23:59:59.999999Z", true),
            ("9000-01-01", true),
            ("2262-04-12", true),
            ("1600-01-01 00:00:00", true),
            ("2262-04-11", false),
            ("2026-03-02T09:00:00.123456789Z", false),
            ("1678-01-01", false),
            ("no moment", false),
        ] {
            assert_eq!(is_far(&ScalarValue::from(text)), far, "{text}");
        }
        assert!(!is_far(&ScalarValue::from(9_000_i64)));
    }
}
