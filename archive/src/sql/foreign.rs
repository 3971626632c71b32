//! The table `events` of an archive that another program has written.
//!
//! In: its files. Out: the same columns as an archive of this crate has. Rows become events only when they are
//! asked for, file by file; files whose stretch of time, or whose source, a query excludes are not opened.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt as _;

use super::error::{SqlError, SqlErrorKind};
use super::pruned::{day, hour, pruned};
use crate::file;
use crate::foreign::{ForeignArchive, ForeignFile};
use crate::layout::{self, JSON_SUFFIX};
use crate::limits::MAX_FOREIGN_READERS;
use crate::rows::Rows;

/// The events of a foreign archive.
#[derive(Debug)]
pub(crate) struct ForeignEvents {
    archive: Arc<ForeignArchive>,
    schema: SchemaRef,
}

impl ForeignEvents {
    pub fn new(archive: &Arc<ForeignArchive>) -> Self {
        let mut fields: Vec<Field> =
            layout::base_schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        for (_, stored) in archive.layouts().values().flat_map(|layout| layout.fields()) {
            for name in [stored.column.clone(), format!("{}{JSON_SUFFIX}", stored.column)] {
                if stored.kind.is_none() && !fields.iter().any(|field| *field.name() == name) {
                    fields.push(Field::new(name, DataType::Utf8, true));
                }
            }
        }
        Self { archive: Arc::clone(archive), schema: Arc::new(Schema::new(fields)) }
    }

    /// The files that may hold what filters ask for.
    fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<ForeignFile>> {
        let files = self.archive.files();
        let kept = pruned(state, &self.schema, files.iter().map(|file| &file.entry), filters)?;
        Ok(files.iter().zip(kept).filter(|(_, kept)| *kept).map(|(file, _)| file.clone()).collect())
    }
}

#[async_trait]
impl TableProvider for ForeignEvents {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::clone(&self.schema),
        };
        let files = self.files(state, filters)?;
        let readers = files.len().clamp(1, MAX_FOREIGN_READERS);
        let reader = |number: usize| {
            let own = files.iter().skip(number).step_by(readers).cloned().collect();
            let schema = Arc::clone(&schema);
            Arc::new(Reader { archive: Arc::clone(&self.archive), files: own, schema })
                as Arc<dyn PartitionStream>
        };
        let streams = (0..readers).map(reader).collect();
        // filters are inexact: what they leave is known behind them
        let limit = if filters.is_empty() { limit } else { None };
        Ok(Arc::new(StreamingTableExec::try_new(schema, streams, None, [], false, limit)?))
    }
}

/// Some files, read one after the other.
#[derive(Debug)]
struct Reader {
    archive: Arc<ForeignArchive>,
    files: Vec<ForeignFile>,
    schema: SchemaRef,
}

impl PartitionStream for Reader {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (archive, schema) = (Arc::clone(&self.archive), Arc::clone(&self.schema));
        let batches = futures::stream::iter(self.files.clone()).flat_map(move |file| {
            let (archive, schema) = (Arc::clone(&archive), Arc::clone(&schema));
            futures::stream::try_unfold(None, move |parts| {
                let (archive, schema, file) = (Arc::clone(&archive), Arc::clone(&schema), file.clone());
                async move {
                    let mut parts = match parts {
                        Some(parts) => parts,
                        None => archive.file_parts(&file).map_err(external)?,
                    };
                    let Some(rows) = parts.batch().await.map_err(external)? else {
                        return match archive.faults().of_file(&file.entry.path) {
                            Some(fault) => Err(broken(&fault)),
                            None => Ok(None),
                        };
                    };
                    let batch = table_batch(&rows, &file, parts.layout(), &schema)?;
                    Ok(Some((batch, Some(parts))))
                }
            })
            .boxed()
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

fn external(error: crate::ArchiveError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A file that breaks off makes an answer of which nobody would know that it is not whole.
fn broken(fault: &crate::foreign::Fault) -> DataFusionError {
    let message = format!("{fault}: the file of the archive cannot be read");
    DataFusionError::External(Box::new(SqlError::new(SqlErrorKind::Store, message, "")))
}

/// Rows as the table has them.
fn table_batch(
    rows: &Rows,
    file: &ForeignFile,
    layout: &crate::Layout,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let stored = file::columns(rows, layout).map_err(external)?;
    let count = rows.len();
    let times = || rows.time.values().iter();
    let column = |field: &Arc<Field>| -> Result<ArrayRef> {
        Ok(match field.name().as_str() {
            "source" => {
                Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&file.entry.source, count)))
            }
            "day" => Arc::new(Date32Array::from_iter_values(times().map(|time| day(*time)))),
            "hour" => Arc::new(Int32Array::from_iter_values(times().map(|time| hour(*time)))),
            name => match stored.column_by_name(name) {
                Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
                Some(column) => cast(column, field.data_type())?,
                None => new_null_array(field.data_type(), count),
            },
        })
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
