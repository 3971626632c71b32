//! Long chains of conditions, laid out flat.
//!
//! In: a plan. Out: the same with each chain of `OR`s, or of `AND`s, as a balanced tree. Whoever investigates pastes lists
//! of a thousand keys; read from left to right such a chain is a thousand deep, and the query engine goes through
//! conditions by calling itself, until the stack of its thread is over; and who takes a condition apart to a bounded
//! depth sees little of it. The order in which conditions stand stays, and a chain means the same however it is
//! bracketed, also where something is `NULL`. Of a column that must be none of several values each is compared with each
//! other by the engine: as a list they are looked at once.
//!
//! ```text
//! ((a OR b) OR c) OR d                ▶      (a OR b) OR (c OR d)
//! a <> 1 AND b AND a <> 2             ▶      a NOT IN (1, 2) AND b
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::error::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// The first of the rules by which a plan is read.
#[derive(Debug)]
pub(super) struct Balanced;

impl AnalyzerRule for Balanced {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let balanced = plan.transform_down_with_subqueries(|plan| {
            // anywhere else what an expression is called is the name of a column, and a list is called otherwise
            let may_list = matches!(plan, LogicalPlan::Filter(_));
            plan.map_expressions(|expression| expression.transform_down(|part| Ok(balanced(part, may_list))))
        });
        Ok(balanced?.data)
    }

    fn name(&self) -> &'static str {
        "balanced"
    }
}

/// A chain as a balanced tree; whatever else as it is.
fn balanced(expression: Expr, may_list: bool) -> Transformed<Expr> {
    let Some(op) = joining(&expression) else { return Transformed::no(expression) };
    let mut conditions = operands(expression, op);
    if op == Operator::And && may_list {
        conditions = listed(conditions);
    }
    Transformed::yes(joined(conditions, op))
}

/// The same conditions, where those that one column is none of several values of one type are one.
fn listed(conditions: Vec<Expr>) -> Vec<Expr> {
    let mut places: HashMap<(Column, DataType), usize> = HashMap::new();
    let mut all: Vec<Expr> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::NotEq, right }) = &condition else {
            all.push(condition);
            continue;
        };
        let (Expr::Column(column), Expr::Literal(value, _)) = (left.as_ref(), right.as_ref()) else {
            all.push(condition);
            continue;
        };
        match places.entry((column.clone(), value.data_type())) {
            Entry::Vacant(new) => {
                new.insert(all.len());
                all.push(condition);
            }
            Entry::Occupied(place) => {
                let first = &mut all[*place.get()];
                match first {
                    Expr::InList(list) => list.list.push(right.as_ref().clone()),
                    Expr::BinaryExpr(before) => {
                        let values = vec![before.right.as_ref().clone(), right.as_ref().clone()];
                        *first = before.left.as_ref().clone().in_list(values, true);
                    }
                    _ => all.push(condition),
                }
            }
        }
    }
    all
}

/// `AND` or `OR`, where an expression is joined by it.
fn joining(expression: &Expr) -> Option<Operator> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => Some(*op),
        _ => None,
    }
}

/// What one operator joins, in its order, however deep it stands.
fn operands(expression: Expr, op: Operator) -> Vec<Expr> {
    let (mut found, mut left_over) = (Vec::new(), vec![expression]);
    while let Some(next) = left_over.pop() {
        match next {
            Expr::BinaryExpr(chain) if chain.op == op => left_over.extend([*chain.right, *chain.left]),
            other => found.push(other),
        }
    }
    found
}

/// Joins at least one condition.
fn joined(mut conditions: Vec<Expr>, op: Operator) -> Expr {
    let second = conditions.split_off(conditions.len().div_ceil(2));
    match conditions.pop() {
        Some(only) if second.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            let (left, right) = (Box::new(joined(conditions, op)), Box::new(joined(second, op)));
            Expr::BinaryExpr(BinaryExpr { left, op, right })
        }
        // no chain is without conditions
        None => datafusion::logical_expr::lit(op == Operator::And),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn depth(expression: &Expr) -> usize {
        match expression {
            Expr::BinaryExpr(chain) => 1 + depth(&chain.left).max(depth(&chain.right)),
            _ => 0,
        }
    }

    #[test]
    fn what_one_column_must_not_be_is_one_list() {
        let chain = |parts: Vec<Expr>| listed(parts).iter().map(ToString::to_string).collect::<Vec<_>>();
        let not = |name: &str, value: Expr| col(name).not_eq(value);
        assert_eq!(
            chain(vec![
                not("a", lit("x")),
                col("b").eq(lit(1)),
                not("a", lit("y")),
                not("c", lit("x")),
                not("a", lit(5)),
                not("a", lit("z")),
                lit("w").not_eq(col("a")),
                not("a", col("b")),
            ]),
            [
                r#"a NOT IN ([Utf8("x"), Utf8("y"), Utf8("z")])"#,
                "b = Int32(1)",
                r#"c != Utf8("x")"#,
                "a != Int32(5)",
                r#"Utf8("w") != a"#,
                "a != b",
            ]
        );
    }

    #[test]
    fn a_chain_stays_what_it_says_and_is_no_deeper_than_it_must() {
        for (chain, most) in [(1, 0), (2, 1), (3, 2), (4, 2), (1_000, 10)] {
            for (op, join) in [(Operator::Or, Expr::or as fn(Expr, Expr) -> Expr), (Operator::And, Expr::and)]
            {
                let all: Vec<Expr> = (0..chain).map(|number| col(format!("c{number}"))).collect();
                let chained = all.clone().into_iter().reduce(join).unwrap();
                let tree = balanced(chained, true).data;
                assert_eq!(depth(&tree), most, "{chain}");
                assert_eq!(operands(tree, op), all);
            }
        }
    }
}
