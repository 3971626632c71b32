//! Batches that hold what they say, where rows are dealt out.
//!
//! In: the batches of a step. Out: the same rows in the same order, small batches gathered into whole ones, and texts
//! without the room that nobody fills. An hour of a quiet source is a file of its own, and each file a batch: where rows
//! are dealt out by the values of a column, for a join or a window, the query engine puts such batches together with room
//! for a megabyte of texts for every other one of them, and counts it all as memory of the query. A day of files of a
//! minute would need gigabytes for a few thousand events.
//!
//! ```text
//! RepartitionExec: Hash(principal)             DenseExec
//!   DataSourceExec                      ▶        RepartitionExec: Hash(principal)
//!                                                  DenseExec
//!                                                    DataSourceExec
//! ```

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, RecordBatch, StringViewArray};
use arrow::compute::concat_batches;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::StreamExt as _;

/// A plan whose rows are dealt out in dense batches.
///
/// # Errors
/// Where a step does not take another input.
pub(super) fn dense(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let dense = plan.transform_up(|node| {
        let Some(dealt) = node.downcast_ref::<RepartitionExec>() else { return Ok(Transformed::no(node)) };
        if !matches!(dealt.partitioning(), Partitioning::Hash(..)) {
            return Ok(Transformed::no(node));
        }
        let input = above_scan(dealt.input())?;
        let node = replace_children_if_necessary(node, vec![input])?;
        Ok(Transformed::yes(Arc::new(DenseExec { input: node }) as Arc<dyn ExecutionPlan>))
    })?;
    Ok(dense.data)
}

/// The same step, but that what it reads from files comes in dense batches.
fn above_scan(step: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if step.downcast_ref::<DataSourceExec>().is_some() {
        return Ok(Arc::new(DenseExec { input: Arc::clone(step) }));
    }
    match step.children().as_slice() {
        // what takes rows one by one, or deals out whole batches
        [input] if ["FilterExec", "ProjectionExec", "RepartitionExec"].contains(&step.name()) => {
            replace_children_if_necessary(Arc::clone(step), vec![above_scan(input)?])
        }
        _ => Ok(Arc::clone(step)),
    }
}

/// A step that changes no row.
#[derive(Debug)]
struct DenseExec {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for DenseExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DenseExec")
    }
}

impl ExecutionPlan for DenseExec {
    fn name(&self) -> &str {
        "DenseExec"
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
            (Some(input), true) => Ok(Arc::new(Self { input })),
            _ => Err(DataFusionError::Internal("DenseExec has one input".into())),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let most = context.session_config().batch_size();
        let schema = input.schema();
        let stream = futures::stream::try_unfold(Some(input), move |input| async move {
            let Some(mut input) = input else { return Ok(None) };
            let (mut small, mut rows) = (Vec::new(), 0);
            while rows < most {
                match input.next().await {
                    Some(batch) => {
                        let batch = batch?;
                        rows += batch.num_rows();
                        small.push(batch);
                    }
                    None => return Ok(gathered(small)?.map(|batch| (batch, None))),
                }
            }
            Ok(gathered(small)?.map(|batch| (batch, Some(input))))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// Batches as one, without room that nobody fills.
fn gathered(batches: Vec<RecordBatch>) -> Result<Option<RecordBatch>> {
    let batch = match batches.as_slice() {
        [] => return Ok(None),
        [batch] => batch.clone(),
        [first, ..] => concat_batches(&first.schema(), &batches)?,
    };
    let columns = batch.columns().iter().map(filled).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(Some(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?))
}

/// A column whose texts fill at least half of the room that they take.
fn filled(column: &ArrayRef) -> ArrayRef {
    let Some(texts) = column.as_string_view_opt() else { return Arc::clone(column) };
    let room: usize = texts.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    match room > 2 * texts.total_buffer_bytes_used() {
        true => Arc::new(StringViewArray::gc(texts)),
        false => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, Int64Array};
    use datafusion::datasource::MemTable;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    #[tokio::test]
    async fn rows_that_are_dealt_out_come_once_in_batches_without_waste() {
        let texts: Vec<String> =
            (0..5_000).map(|n| format!("a text of more than twelve bytes {n}")).collect();
        // now all of a buffer is used, now a tenth of it
        let small = |at: usize| {
            let all: Vec<&str> = texts.iter().skip(at * 10).take(10).map(String::as_str).collect();
            let whole = StringViewArray::from(all);
            let column: ArrayRef =
                if at.is_multiple_of(2) { Arc::new(whole) } else { Arc::new(whole.slice(3, 1)) };
            let numbers: Int64Array = (0..column.len()).map(|row| Some((at * 10 + row) as i64)).collect();
            RecordBatch::try_from_iter([("text", column), ("n", Arc::new(numbers) as ArrayRef)]).unwrap()
        };
        let batches: Vec<RecordBatch> = (0..500).map(small).collect();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let config = SessionConfig::new().with_target_partitions(2).with_batch_size(512);
        let context = SessionContext::new_with_config(config);
        let (schema, parts) = (batches[0].schema(), batches.chunks(250).map(<[RecordBatch]>::to_vec));
        let table = MemTable::try_new(schema, parts.collect()).unwrap();
        context.register_table("t", Arc::new(table)).unwrap();
        let sql = "SELECT text, row_number() OVER (PARTITION BY text ORDER BY n) AS x FROM t";
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let dealt = |plan: &Arc<dyn ExecutionPlan>| {
            let mut found = None;
            plan.apply(|node| {
                found = found.take().or((node.name() == "DenseExec").then(|| Arc::clone(node)));
                Ok(TreeNodeRecursion::Continue)
            })
            .unwrap();
            found
        };
        assert!(dealt(&plan).is_none());
        let dealt = dealt(&dense(plan).unwrap()).expect("rows are dealt out");
        let answer = collect(dealt, context.task_ctx()).await.unwrap();
        assert_eq!(answer.iter().map(RecordBatch::num_rows).sum::<usize>(), rows);
        assert!(answer.len() < 12, "{} batches", answer.len());
        let room: usize = answer.iter().map(RecordBatch::get_array_memory_size).sum();
        let filled: usize = texts.iter().map(|text| text.len() + 24).sum();
        assert!(room < 3 * filled, "{room} for {filled}");
    }
}
