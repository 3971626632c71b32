//! What a backtest asks of log sources: it knows none itself.

use std::sync::Arc;

use arrow::array::StringArray;
use virga_archive::CellArray;
use virga_engine::event::{Column, ColumnValue, ProjectedField, Projection};

/// What log sources say of raw events.
pub trait LogSources {
    /// All canonical columns of an event.
    fn columns(&self, source: &str, raw: &str) -> Vec<(&'static Column, ColumnValue)>;

    /// One canonical column or computed field of an event.
    fn value(&self, source: &str, raw: &str, name: &str) -> Option<ColumnValue>;

    /// Whether the archive can hold a field of a source: one that another program has written may have no place
    /// for it.
    fn keeps(&self, _source: &str, _field: &ProjectedField) -> bool {
        true
    }

    /// The cells of fields that an archive does not hold, from the events themselves.
    ///
    /// # Errors
    /// Where the source is not known, or an event cannot be read.
    fn cells(
        &self,
        source: &str,
        fields: &Arc<Projection>,
        raw: &StringArray,
    ) -> Result<Vec<CellArray>, String>;
}
