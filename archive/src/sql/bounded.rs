//! A plan that ends in time.
//!
//! In: what the query engine has planned. Out: the same, but that it fails when its time is over or it gives
//! too many rows. It is part of the plan, so that no way to run a query leads around it. What makes many rows out
//! of few (joins, recursion, lists unnested) is watched by itself: it has always another batch at hand, and
//! whatever adds its rows up would never come back to be asked for the time.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PlanProperties,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner as _};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::dense::dense;
use super::error::Exceeded;
use super::limits::{Limits, TURN};
use super::session::reads_only;

/// Plans queries that end.
#[derive(Debug)]
pub(crate) struct BoundedPlanner {
    pub limits: Limits,
}

#[async_trait]
impl QueryPlanner for BoundedPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // what a statement hides, in whatever way it came here
        reads_only().verify_plan(plan)?;
        let plan = dense(DefaultPhysicalPlanner::default().create_physical_plan(plan, session).await?)?;
        let input = match plan.output_partitioning().partition_count() {
            1 => plan,
            _ => Arc::new(CoalescePartitionsExec::new(plan)),
        };
        let watched = input.transform_up(|node| {
            let limits = Limits { rows: usize::MAX, ..self.limits };
            Ok(match multiplies(node.name()) {
                true => {
                    Transformed::yes(Arc::new(BoundedExec { input: node, limits }) as Arc<dyn ExecutionPlan>)
                }
                false => Transformed::no(node),
            })
        })?;
        Ok(Arc::new(BoundedExec { input: watched.data, limits: self.limits }))
    }
}

/// Whether a step makes many rows out of few.
fn multiplies(name: &str) -> bool {
    name.ends_with("JoinExec") || ["RecursiveQueryExec", "UnnestExec"].contains(&name)
}

/// A step that ends in time: the last of every plan, and those that multiply.
#[derive(Debug)]
struct BoundedExec {
    input: Arc<dyn ExecutionPlan>,
    limits: Limits,
}

impl DisplayAs for BoundedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundedExec: time={:?}, rows={}", self.limits.time, self.limits.rows)
    }
}

impl ExecutionPlan for BoundedExec {
    fn name(&self) -> &str {
        "BoundedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input, limits: self.limits })),
            _ => Err(DataFusionError::Internal("BoundedExec has one input".into())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let Limits { time, rows: most, .. } = self.limits;
        let begin = Instant::now();
        let end = begin + time;
        let stream =
            futures::stream::try_unfold((input, 0, begin), move |(mut input, rows, turn)| async move {
                let exceeded = |what: Exceeded| Err(DataFusionError::External(Box::new(what)));
                // what is always ready would never be asked for the time
                if Instant::now() >= end {
                    return exceeded(Exceeded::Time);
                }
                let batch = match timeout_at(end, input.next()).await {
                    Err(_) => return exceeded(Exceeded::Time),
                    Ok(None) => return Ok(None),
                    Ok(Some(batch)) => batch?,
                };
                // others get their turn: whoever cancels, and the clock; a batch may take as long as a hundred of others
                tokio::task::coop::consume_budget().await;
                let now = Instant::now();
                let turn = if now - turn >= TURN {
                    tokio::task::yield_now().await;
                    now
                } else {
                    turn
                };
                let rows = rows + batch.num_rows();
                match rows > most {
                    true => exceeded(Exceeded::Rows),
                    false => Ok(Some((batch, (input, rows, turn)))),
                }
            });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), stream)))
    }
}
