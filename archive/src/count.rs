//! Counts the bytes that reading a file takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetObjectReader};
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

/// A reader that counts.
pub(crate) struct Counted {
    inner: ParquetObjectReader,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(inner: ParquetObjectReader) -> Self {
        Self { inner, bytes: Arc::default() }
    }

    /// Where the count stands, also when the reader is gone.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    fn add(&self, ranges: &[Range<u64>]) {
        let sum = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        self.bytes.fetch_add(sum, Ordering::Relaxed);
    }
}

impl AsyncFileReader for Counted {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.add(std::slice::from_ref(&range));
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.add(&ranges);
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.inner.get_metadata(options)
    }
}
