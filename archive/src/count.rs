//! Reads an object as a Parquet file, and counts the bytes that it takes. What stands at its end is read once.

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

use crate::limits::{FOOTER_READ, SMALL_FILE};

/// An object of which every byte that is read is counted. Its end is read once.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The object's last bytes.
    tail: Bytes,
    bytes: Arc<AtomicU64>,
}

impl Counted {
    /// Reads the end of an object.
    pub async fn open(store: &Arc<dyn ObjectStore>, path: &str, size: u64) -> object_store::Result<Self> {
        // as a listing has it: what is escaped in it, as Hive does it in folders, is not to be escaped again
        let path = Path::parse(path)?;
        let at_once = if size <= SMALL_FILE { size } else { FOOTER_READ };
        let range = size - at_once..size;
        let tail = match range.is_empty() {
            true => Bytes::new(),
            false => store.get_range(&path, range).await?,
        };
        let bytes = Arc::new(AtomicU64::new(tail.len() as u64));
        Ok(Self { store: Arc::clone(store), path, size, tail, bytes })
    }

    /// The same object with a count of its own, from nothing.
    pub fn anew(&self) -> Self {
        Self { bytes: Arc::default(), ..self.clone() }
    }

    /// What is known already of a range.
    fn known(&self, range: &Range<u64>) -> Option<Bytes> {
        let start = self.size.checked_sub(self.tail.len() as u64)?;
        let at = |end: u64| usize::try_from(end.checked_sub(start)?).ok();
        let (from, to) = (at(range.start)?, at(range.end)?);
        (from <= to && to <= self.tail.len()).then(|| self.tail.slice(from..to))
    }

    /// Some ranges.
    pub async fn ranges(&self, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let known: Vec<Option<Bytes>> = ranges.iter().map(|range| self.known(range)).collect();
        let wanted = ranges.iter().zip(&known).filter(|(_, known)| known.is_none());
        let wanted: Vec<Range<u64>> = wanted.map(|(range, _)| range.clone()).collect();
        if wanted.is_empty() {
            return Ok(known.into_iter().flatten().collect());
        }
        self.add(&wanted);
        let mut read = self.store.get_ranges(&self.path, &wanted).await?.into_iter();
        // one piece comes back for each range that was asked for
        Ok(known.into_iter().filter_map(|known| known.or_else(|| read.next())).collect())
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
        if let Some(known) = self.known(&range) {
            return async move { Ok(known) }.boxed();
        }
        self.add(std::slice::from_ref(&range));
        self.store.get_range(&self.path, range).map_err(ParquetError::from).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { Ok(self.ranges(&ranges).await?) }.boxed()
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
                .with_prefetch_hint(Some(self.tail.len()));
            let size = self.size;
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
