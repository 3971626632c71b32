//! Reads an object as a Parquet file, and counts the bytes that it takes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::limits::FOOTER_READ;

/// An object of which every byte that is asked for is counted.
pub(crate) struct Counted {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    pub fn new(store: &Arc<dyn ObjectStore>, path: &str, size: u64) -> Self {
        Self { store: Arc::clone(store), path: Path::from(path), size, bytes: Arc::default() }
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
        self.store.get_range(&self.path, range).map_err(ParquetError::from).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.add(&ranges);
        async move { Ok(self.store.get_ranges(&self.path, &ranges).await?) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let offsets = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::offset_index_policy);
            let columns = options.map_or(PageIndexPolicy::Skip, ArrowReaderOptions::column_index_policy);
            let reader = ParquetMetaDataReader::new()
                .with_metadata_options(options.map(|options| options.metadata_options().clone()))
                .with_offset_index_policy(offsets)
                .with_column_index_policy(columns)
                .with_prefetch_hint(Some(FOOTER_READ));
            let size = self.size;
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
