//! Footers of foreign files → what the files are.
//!
//! In: files by name. Out: of each its shape, its events, and from when they are: by the statistics of the
//! column that holds their time, or by that column itself where a footer has none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{max, min};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, TimeUnit};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::schema::types::SchemaDescriptor;

use super::{Faults, ForeignColumn, ForeignLogs, ForeignShape, Unfit, uuids};
use crate::count::Counted;
use crate::limits::MAX_FOOTERS;
use crate::table::Entry;

/// A foreign file that holds events.
#[derive(Debug, Clone)]
pub(crate) struct ForeignFile {
    pub entry: Entry,
    /// When it was written, microseconds since 1970.
    pub modified: i64,
    pub shape: Arc<dyn ForeignShape>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Opened {
    pub files: Vec<ForeignFile>,
    /// By folder and cause: files of products that are not known.
    others: BTreeMap<(String, String), usize>,
}

impl Opened {
    /// What is not read, for whoever reads the rest.
    pub fn left_out(&self) -> Vec<String> {
        let note = |((folder, why), count): (&(String, String), &usize)| {
            format!("{count} files of {folder} are left out: {why}")
        };
        self.others.iter().map(note).collect()
    }
}

/// Shapes that were found, by columns: files of one table have the same.
type Known = HashMap<Vec<ForeignColumn>, Result<Arc<dyn ForeignShape>, Unfit>>;

/// Reads footers, several at once.
pub(super) async fn open(
    store: &Arc<dyn ObjectStore>,
    listed: &[ObjectMeta],
    logs: &dyn ForeignLogs,
    faults: &Faults,
) -> Opened {
    let read = |object: &ObjectMeta| {
        let (store, object) = (Arc::clone(store), object.clone());
        async move {
            let metadata = footer(&store, object.location.as_ref(), object.size).await;
            (object, metadata.map(|(metadata, _)| metadata))
        }
    };
    let mut footers = futures::stream::iter(listed.iter().map(read)).buffered(MAX_FOOTERS);
    let (mut opened, mut known): (Opened, Known) = (Opened::default(), Known::new());
    while let Some((object, metadata)) = footers.next().await {
        let path = object.location.as_ref();
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(cause) => {
                faults.file(path, cause);
                continue;
            }
        };
        let schema = uuids::as_texts(&metadata);
        let mut columns = columns(schema.fields());
        columns.extend(folders(path, schema.fields()).into_iter().map(|(name, _)| ForeignColumn {
            path: vec![name],
            data_type: DataType::Utf8,
            is_folder: true,
        }));
        let shape = known.entry(columns).or_insert_with_key(|columns| logs.shape(columns));
        match shape {
            Ok(shape) => match file(store, &object, &metadata, shape).await {
                Ok(file) => opened.files.push(file),
                Err(cause) => faults.file(path, cause),
            },
            Err(Unfit::Wrong(why)) => faults.file(path, why),
            Err(Unfit::Other(why)) => {
                *opened.others.entry((table_folder(path), why.clone())).or_default() += 1;
            }
        }
    }
    opened
}

/// The folder of a file without those by which a table is parted.
fn table_folder(path: &str) -> String {
    let (folders, _) = path.rsplit_once('/').unwrap_or_default();
    let parts = folders.split('/').take_while(|part| !part.contains('='));
    let folder = parts.collect::<Vec<_>>().join("/");
    if folder.is_empty() { "the archive".to_owned() } else { folder }
}

/// A file's footer, and what reads the rest of it.
pub(super) async fn footer(
    store: &Arc<dyn ObjectStore>,
    path: &str,
    size: u64,
) -> Result<(ArrowReaderMetadata, Counted), String> {
    let mut reader = Counted::open(store, path, size).await.map_err(|error| error.to_string())?;
    let metadata = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new())
        .await
        .map_err(|error| error.to_string())?;
    Ok((metadata, reader))
}

/// Every column, and every member of an object, with its path.
fn columns(fields: &Fields) -> Vec<ForeignColumn> {
    fn walk(fields: &Fields, above: &[String], found: &mut Vec<ForeignColumn>) {
        for field in fields {
            let path: Vec<String> = above.iter().cloned().chain([field.name().clone()]).collect();
            let data_type = field.data_type().clone();
            found.push(ForeignColumn { path: path.clone(), data_type, is_folder: false });
            if let DataType::Struct(members) = field.data_type() {
                walk(members, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(fields, &[], &mut found);
    found
}

/// What the folders of a file say (`awsregion=eu-west-1/`) that stands in none of its columns: whoever parts a table so
/// takes the column out of its files. A value that is none is not told.
pub(super) fn folders(path: &str, columns: &Fields) -> Vec<(String, String)> {
    let in_file = |name: &str| columns.iter().any(|column| column.name().eq_ignore_ascii_case(name));
    let names = path.rsplit_once('/').map_or("", |(folders, _)| folders).split('/');
    names
        .filter_map(|folder| folder.split_once('='))
        .filter(|(name, value)| !in_file(name) && !value.is_empty() && *value != NO_VALUE)
        .map(|(name, value)| (name.to_owned(), unescaped(value)))
        .collect()
}

/// What Hive and Spark write for a value that is null.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A folder's value without the escapes of characters that folders cannot have.
fn unescaped(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

async fn file(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    metadata: &ArrowReaderMetadata,
    shape: &Arc<dyn ForeignShape>,
) -> Result<ForeignFile, String> {
    let modified = object.last_modified.timestamp_micros();
    let rows = usize::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or(0);
    let times = times(store, object, metadata, shape.as_ref()).await?;
    // an event without a time has its file's
    let (first, last) = match times {
        Some(((first, last), true)) => (first, last),
        Some(((first, last), false)) => (first.min(modified), last.max(modified)),
        None => (modified, modified),
    };
    let entry = Entry {
        path: object.location.to_string(),
        source: shape.source().to_owned(),
        hour: hour(first),
        size: object.size,
        rows,
        times: (first, last),
        apart: None,
    };
    Ok(ForeignFile { entry, modified, shape: Arc::clone(shape) })
}

fn hour(time: i64) -> String {
    let moment = chrono::DateTime::from_timestamp_micros(time).unwrap_or_default();
    moment.format("%Y-%m-%dT%H").to_string()
}

/// The first and the last event time of a file, and whether every row has one.
type Times = Option<((i64, i64), bool)>;

async fn times(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    metadata: &ArrowReaderMetadata,
    shape: &dyn ForeignShape,
) -> Result<Times, String> {
    let Some([name]) = shape.time() else {
        // a time within an object has no statistics that are read here
        return read_times(store, object, metadata, shape).await;
    };
    match statistics(metadata, name, shape) {
        Some(times) => Ok(Some(times)),
        None => read_times(store, object, metadata, shape).await,
    }
}

/// By the statistics of all row groups; none where one says nothing that is sure.
fn statistics(
    metadata: &ArrowReaderMetadata,
    name: &str,
    shape: &dyn ForeignShape,
) -> Option<((i64, i64), bool)> {
    let groups = metadata.metadata().row_groups();
    let converter = StatisticsConverter::try_new(name, metadata.schema(), metadata.parquet_schema()).ok()?;
    let bounds = [converter.row_group_mins(groups).ok()?, converter.row_group_maxes(groups).ok()?];
    let nulls = converter.row_group_null_counts(groups).ok()?;
    if bounds.iter().any(|bound| bound.null_count() > 0) || groups.is_empty() {
        return None;
    }
    let [first, last] = bounds.map(|bound| bounds_of(&bound, shape));
    let whole = nulls.iter().all(|count| count == Some(0));
    Some(((first?.0, last?.1), whole))
}

/// The smallest and the largest of some times; none where one is no time, or they are texts: that the first and the last
/// are of one form says nothing of those between, and `09:30:00-10:00` is later than `10:00:00Z`.
fn bounds_of(times: &ArrayRef, shape: &dyn ForeignShape) -> Option<(i64, i64)> {
    match times.data_type() {
        DataType::Int64 | DataType::Timestamp(_, _) => {
            let scale = |value: i64| match times.data_type() {
                DataType::Timestamp(TimeUnit::Second, _) => Some(value.saturating_mul(1_000_000)),
                DataType::Timestamp(TimeUnit::Millisecond, _) => Some(value.saturating_mul(1_000)),
                DataType::Timestamp(TimeUnit::Microsecond, _) => Some(value),
                DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(value.div_euclid(1_000)),
                _ => shape.moment(&value.to_string()),
            };
            let numbers = arrow::compute::cast(times, &DataType::Int64).ok()?;
            let numbers = arrow::array::AsArray::as_primitive::<Int64Type>(&numbers);
            Some((scale(min(numbers)?)?, scale(max(numbers)?)?))
        }
        _ => None,
    }
}

/// By the column itself: every value is read, whatever its form.
async fn read_times(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
    metadata: &ArrowReaderMetadata,
    shape: &dyn ForeignShape,
) -> Result<Times, String> {
    let Some(path) = shape.time() else { return Ok(None) };
    let leaf = leaf(metadata.parquet_schema(), path);
    let Some(leaf) = leaf else { return Ok(None) };
    let reader = Counted::open(store, object.location.as_ref(), object.size);
    let reader = reader.await.map_err(|error| error.to_string())?;
    let mut rows = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata.clone())
        .with_projection(ProjectionMask::leaves(metadata.parquet_schema(), [leaf]))
        .build()
        .map_err(|error| error.to_string())?;
    let (mut found, mut whole): (Option<(i64, i64)>, bool) = (None, true);
    while let Some(batch) = rows.try_next().await.map_err(|error| error.to_string())? {
        for row in super::parts::objects(&batch)? {
            let mut value = row.get(path.first().map_or("", String::as_str));
            for name in path.iter().skip(1) {
                value = value.and_then(|value| value.get(name));
            }
            match value.and_then(|value| shape.moment(&value.to_string())) {
                Some(time) => {
                    let (first, last) = found.unwrap_or((time, time));
                    found = Some((first.min(time), last.max(time)));
                }
                None => whole = false,
            }
        }
    }
    Ok(found.map(|times| (times, whole)))
}

fn leaf(schema: &SchemaDescriptor, path: &[String]) -> Option<usize> {
    (0..schema.num_columns()).find(|at| schema.column(*at).path().parts() == path)
}

/// The schema of a file's columns without what cannot be told in JSON.
pub(super) fn is_told(field: &Field) -> bool {
    match field.data_type() {
        DataType::Union(_, _) | DataType::Interval(_) | DataType::Duration(_) => false,
        DataType::Struct(members) => members.iter().all(|member| is_told(member)),
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => is_told(item),
        _ => true,
    }
}

/// The columns of a batch that can be told in JSON.
pub(super) fn told(batch: &RecordBatch) -> Result<RecordBatch, String> {
    let schema = batch.schema();
    let kept: Vec<usize> = (0..batch.num_columns()).filter(|at| is_told(schema.field(*at))).collect();
    batch.project(&kept).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_left_out_are_counted_by_the_folder_of_their_table() {
        for (path, expected) in [
            ("x.parquet", "the archive"),
            ("000000_0", "the archive"),
            ("year=2026/x.parquet", "the archive"),
            ("lake/flows/x.parquet", "lake/flows"),
            ("lake/flows/x.PARQUET", "lake/flows"),
            ("lake/flows/000000_0", "lake/flows"),
            ("lake/flows/000001_0", "lake/flows"),
            ("lake/flows/year=2026/hour=3/000000_0", "lake/flows"),
            ("lake/spark.parquet/part-0", "lake/spark.parquet"),
        ] {
            assert_eq!(table_folder(path), expected, "{path}");
        }
    }
}
