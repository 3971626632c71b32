//! Rows → `EventBatch`es of a bounded size.
//!
//! In: rows, by way of the builder. Out: a batch whenever enough rows or bytes have come together.
//! Batches of one source follow one another in the order of their events.

use std::sync::Arc;

use virga_engine::event::{BatchBuilder, EventBatch, Projection};

use crate::limits::{BATCH_BYTES, BATCH_ROWS};

/// How large a batch may grow.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Rows.
    pub rows: usize,
    /// Bytes of raw events and of field values.
    pub bytes: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { rows: BATCH_ROWS, bytes: BATCH_BYTES }
    }
}

/// Collects the rows of one source.
pub struct Batcher {
    builder: BatchBuilder,
    limits: BatchLimits,
    /// Bytes are counted over all fields, which is not worth doing after each row.
    look_again_at: usize,
}

/// Rows between two looks at the bytes.
const ROWS_BETWEEN_LOOKS: usize = 64;

impl Batcher {
    /// A batcher of a source's rows.
    pub fn new(source: &str, projection: Arc<Projection>, limits: BatchLimits) -> Self {
        let builder = BatchBuilder::new(source.into(), projection);
        Self { builder, limits, look_again_at: 0 }
    }

    /// Where rows are added.
    pub fn builder(&mut self) -> &mut BatchBuilder {
        &mut self.builder
    }

    /// The batch, if it is full; ask after each row. `row_bytes` is the size of the row just added.
    pub fn take_full(&mut self, row_bytes: usize) -> Option<EventBatch> {
        let rows = self.builder.len();
        if rows >= self.limits.rows {
            return self.take();
        }
        if rows >= self.look_again_at || row_bytes * ROWS_BETWEEN_LOOKS >= self.limits.bytes {
            self.look_again_at = rows + ROWS_BETWEEN_LOOKS;
            if self.builder.bytes() >= self.limits.bytes {
                return self.take();
            }
        }
        None
    }

    /// The batch, full or not, unless it is empty.
    pub fn take(&mut self) -> Option<EventBatch> {
        self.look_again_at = 0;
        if self.builder.is_empty() { None } else { Some(self.builder.finish()) }
    }
}
