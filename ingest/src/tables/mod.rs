//! Lookup tables.
use virga_engine::event::{Column, ColumnValue};

/// A lookup table.
#[derive(Debug)]
pub struct LookupTable {
    /// The column whose value is looked up.
    pub key: &'static Column,
}

impl LookupTable {
    /// The columns that it fills.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        std::iter::empty()
    }

    /// What it says of a key, for one of its columns by number.
    pub fn find(&self, _key: &str, _column: usize) -> Option<ColumnValue> {
        None
    }
}
