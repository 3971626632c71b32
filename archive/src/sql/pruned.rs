//! Which files a query need not open.
//!
//! In: files with their source and stretch of time, and what a query filters by. Out: for each file whether it may
//! hold something that passes. A file may be kept for nothing; none with an event that passes is left out.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::layout;
use crate::table::Entry;

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = 3_600_000_000;

/// For each file whether it may hold what filters ask for.
pub(crate) fn pruned<'e>(
    state: &dyn Session,
    schema: &SchemaRef,
    entries: impl IntoIterator<Item = &'e Entry>,
    filters: &[Expr],
) -> Result<Vec<bool>> {
    let entries: Vec<&Entry> = entries.into_iter().collect();
    let Some(filter) = conjunction(filters.to_vec()) else { return Ok(vec![true; entries.len()]) };
    let columns = DFSchema::try_from(schema.as_ref().clone())?;
    let filter = state.create_physical_expr(filter, &columns)?;
    let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema)).try_build(filter)?;
    pruning.prune(&Statistics { entries, schema })
}

/// The day of a moment, since 1970.
pub(crate) fn day(time: i64) -> i32 {
    i32::try_from(time.div_euclid(DAY)).unwrap_or_default()
}

/// The hour of a moment within its day.
pub(crate) fn hour(time: i64) -> i32 {
    i32::try_from(time.div_euclid(HOUR).rem_euclid(24)).unwrap_or_default()
}

/// What is known of files before they are read.
struct Statistics<'e> {
    entries: Vec<&'e Entry>,
    schema: &'e SchemaRef,
}

impl Statistics<'_> {
    fn bounds(&self, column: &Column, of: fn((i64, i64)) -> i64) -> Option<ArrayRef> {
        let times = self.entries.iter().map(|entry| of(entry.times));
        let bounds: ArrayRef = match column.name.as_str() {
            layout::TIME => Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
            "day" => Arc::new(Date32Array::from_iter_values(times.map(day))),
            // of a file that spans a change of hour nothing is known
            "hour" => Arc::new(Int32Array::from_iter(self.entries.iter().map(|entry| {
                let (first, last) = entry.times;
                (first.div_euclid(HOUR) == last.div_euclid(HOUR)).then(|| hour(first))
            }))),
            "source" => Arc::new(StringArray::from_iter_values(
                self.entries.iter().map(|entry| entry.source.as_str()),
            )),
            _ => return None,
        };
        cast(&bounds, self.schema.field_with_name(&column.name).ok()?.data_type()).ok()
    }
}

impl PruningStatistics for Statistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |(first, _)| first)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |(_, last)| last)
    }

    fn num_containers(&self) -> usize {
        self.entries.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
