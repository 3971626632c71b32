//! Whether an archive is what its table says.
//!
//! In: a version of an archive, and the alerts that stood beside it. Out: each file that is not as its table says, with
//! what is wrong with it; and files that stand there and belong to no version, which a write that was broken off leaves behind. Nobody
//! reads those, and `expire` deletes them.

mod then;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use deltalake::DeltaTable;
use deltalake::arrow::array::{Array, StringArray, TimestampMicrosecondArray};
use deltalake::arrow::datatypes::SchemaRef;
use deltalake::kernel::StructField;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use self::then::{Then, alerts_then};
use crate::alerts::{AlertFile, day_of};
use crate::error::ArchiveError;
use crate::layout::{EVENT_ID, PAGE, RAW, TIME};
use crate::limits::{MAX_COMPARED, MAX_VERIFIED_BYTES};
use crate::location::Location;
use crate::repeats::{EventHash, event_hash};
use crate::table::{Archive, Entry, Partition, Range, partition_of, plain};

/// Something wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file; of the table of alerts with `alerts/` before it.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// How far verification goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The footer of each file.
    Footers,
    /// Every byte of each file: its hash, and each value of each column.
    Everything,
}

/// What verification has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files of the version.
    pub files: usize,
    /// Events of the version, as the table says.
    pub rows: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// The version of the table of alerts that stood beside this one; `None` where there was none, or it is not known.
    pub alert_version: Option<u64>,
    /// Why the alerts were not looked at, where which there were is not known.
    pub alerts_left_out: Option<String>,
    /// Files of alerts.
    pub alert_files: usize,
    /// Alerts, each revision counted, as the table says.
    pub alerts: usize,
    /// Bytes of these files.
    pub alert_bytes: u64,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Files that earlier versions hold and this one does not.
    pub former: usize,
    /// Files that no version holds: left behind by a write that was broken off, or not committed yet.
    pub left_behind: Vec<String>,
    /// Events that stand there again: the same id and the same record in the same source and hour. They are
    /// counted where every byte is read.
    pub duplicates: usize,
}

/// What stands before the path of a file of alerts: paths of events are below their own table.
const ALERTS: &str = "alerts/";
/// Files that are looked at at once.
const AT_ONCE: usize = 2;

impl Archive {
    /// Compares every file of the version at hand, and every file of the alerts that stood beside it, with what its
    /// table says of it. `seen` hears of the bytes of each file that is done.
    ///
    /// # Errors
    /// Where the table itself cannot be read.
    pub async fn verify(&self, depth: Depth, seen: &(dyn Fn(u64) + Sync)) -> Result<Verified, ArchiveError> {
        let entries = self.entries(Range::ALL).await?;
        let mut found = Verified {
            files: entries.len(),
            rows: entries.iter().map(|entry| entry.rows).sum(),
            bytes: entries.iter().map(|entry| entry.size).sum(),
            ..Verified::default()
        };
        let table = columns(&self.events, &self.location)?;
        let store: Arc<dyn ObjectStore> = self.events.object_store();
        let checks = entries.iter().map(|entry| {
            let (store, table) = (Arc::clone(&store), Arc::clone(&table));
            async move {
                let checked = check(&store, entry, table, depth).await;
                seen(entry.size);
                (entry, checked)
            }
        });
        let mut checks = futures::stream::iter(checks).buffered(AT_ONCE);
        let mut twice = Twice::default();
        while let Some((entry, checked)) = checks.next().await {
            match checked {
                Ok(events) => found.duplicates += twice.see(entry, events),
                Err(what) => found.problems.push(Problem { path: entry.path.clone(), what }),
            }
        }
        drop(checks);
        let current: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        find_others(&self.events, &self.location, &current, "", &mut found).await?;
        match alerts_then(self).await {
            Then::Now => self.verify_alerts(depth, seen, &mut found).await?,
            Then::Was(alerts) => {
                let (location, events) = (self.location.clone(), self.events.clone());
                let then = Self { location, events, alerts: *alerts };
                then.verify_alerts(depth, seen, &mut found).await?;
            }
            Then::None => {}
            Then::Unknown(why) => found.alerts_left_out = Some(why),
        }
        found.left_behind.sort();
        Ok(found)
    }

    /// The same for the table of alerts.
    async fn verify_alerts(
        &self,
        depth: Depth,
        seen: &(dyn Fn(u64) + Sync),
        found: &mut Verified,
    ) -> Result<(), ArchiveError> {
        let files = self.alert_files().await?;
        found.alert_version = self.alerts.version();
        let table = columns(&self.alerts, &self.location)?;
        let store: Arc<dyn ObjectStore> = self.alerts.object_store();
        let checks = files.iter().map(|file| {
            let (store, table) = (Arc::clone(&store), Arc::clone(&table));
            async move {
                let checked = check_alerts(&store, file, table, depth).await;
                seen(u64::try_from(file.size).unwrap_or(0));
                (file, checked)
            }
        });
        let mut checks = futures::stream::iter(checks).buffered(AT_ONCE);
        while let Some((file, checked)) = checks.next().await {
            found.alert_files += 1;
            found.alert_bytes += u64::try_from(file.size).unwrap_or(0);
            found.alerts += file.stats.as_ref().map_or(0, |stats| stats.rows);
            if let Err(what) = checked {
                found.problems.push(Problem { path: format!("{ALERTS}{}", file.path), what });
            }
        }
        drop(checks);
        let current: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        find_others(&self.alerts, &self.location, &current, ALERTS, found).await
    }
}

/// The columns of a table.
fn columns(table: &DeltaTable, location: &Location) -> Result<Arc<Vec<StructField>>, ArchiveError> {
    let doing = format!("reading the columns of {location}");
    let snapshot = table.snapshot().map_err(ArchiveError::at(doing))?;
    Ok(Arc::new(snapshot.schema().fields().cloned().collect()))
}

/// Files that stand in a table's folder and are no part of the version at hand.
async fn find_others(
    table: &DeltaTable,
    location: &Location,
    current: &HashSet<&str>,
    before: &str,
    found: &mut Verified,
) -> Result<(), ArchiveError> {
    let doing = format!("listing {location}");
    // the version at hand may be an earlier one: what later ones hold is not left behind
    let mut latest = table.clone();
    latest.load().await.map_err(ArchiveError::at(doing.clone()))?;
    let snapshot = latest.snapshot().map_err(ArchiveError::at(doing.clone()))?;
    let log = latest.log_store();
    let tombstones = snapshot.all_tombstones(log.as_ref());
    let mut known: HashSet<String> = tombstones
        .map_ok(|tombstone| tombstone.path().into_owned())
        .try_collect()
        .await
        .map_err(ArchiveError::at(doing.clone()))?;
    let views = snapshot.snapshot().file_views(log.as_ref(), None);
    let later: Vec<String> = views
        .map_ok(|view| view.path().into_owned())
        .try_collect()
        .await
        .map_err(ArchiveError::at(doing.clone()))?;
    known.extend(later);
    let objects: Vec<_> =
        table.object_store().list(None).try_collect().await.map_err(ArchiveError::at(doing))?;
    for object in objects {
        let path = object.location.to_string();
        if !path.ends_with(".parquet") || path.starts_with("_delta_log/") || current.contains(path.as_str()) {
            continue;
        }
        match known.contains(&path) {
            true => found.former += 1,
            false => found.left_behind.push(format!("{before}{path}")),
        }
    }
    Ok(())
}

/// Events of the hour that is looked at; entries come in the order of their source and hour.
#[derive(Default)]
struct Twice {
    partition: Option<Partition>,
    seen: HashSet<EventHash>,
}

impl Twice {
    /// How many events of a file were there before. Beyond what is compared elsewhere nothing is remembered.
    fn see(&mut self, entry: &Entry, events: Vec<EventHash>) -> usize {
        let partition = partition_of(entry);
        if self.partition.as_ref() != Some(&partition) {
            self.partition = Some(partition);
            self.seen.clear();
        }
        if self.seen.len() + events.len() > MAX_COMPARED {
            self.seen.clear();
        }
        events.into_iter().filter(|event| !self.seen.insert(*event)).count()
    }
}

/// What is wrong with a file, if anything is; else its events, where they are read.
async fn check(
    store: &Arc<dyn ObjectStore>,
    entry: &Entry,
    table: Arc<Vec<StructField>>,
    depth: Depth,
) -> Result<Vec<EventHash>, String> {
    if depth == Depth::Footers {
        let (footer, _) = crate::reader::footer(store, entry).await.map_err(|error| error.cause)?;
        has_rows(entry, footer.metadata().file_metadata().num_rows(), "events")?;
        return has_columns(footer.schema(), &table).map(|()| Vec::new());
    }
    let bytes = whole(store, entry).await?;
    let entry = entry.clone();
    let checked = tokio::task::spawn_blocking(move || check_bytes(&entry, &bytes, &table));
    checked.await.map_err(|error| error.to_string())?
}

/// What is wrong with a file of alerts, if anything is.
async fn check_alerts(
    store: &Arc<dyn ObjectStore>,
    file: &AlertFile,
    table: Arc<Vec<StructField>>,
    depth: Depth,
) -> Result<(), String> {
    let stats = file.stats.as_ref().ok_or("the table does not say how many alerts of when it holds")?;
    let entry = Entry {
        path: file.path.clone(),
        source: String::new(),
        hour: format!("{}T00", file.day),
        size: u64::try_from(file.size).unwrap_or(0),
        rows: stats.rows,
        times: stats.times,
        apart: None,
    };
    if depth == Depth::Footers {
        let (footer, _) = crate::reader::footer(store, &entry).await.map_err(|error| error.cause)?;
        has_rows(&entry, footer.metadata().file_metadata().num_rows(), "alerts")?;
        return has_columns(footer.schema(), &table);
    }
    let (bytes, day) = (whole(store, &entry).await?, file.day.clone());
    let checked = tokio::task::spawn_blocking(move || check_alert_bytes(&entry, &day, &bytes, &table));
    checked.await.map_err(|error| error.to_string())?
}

fn check_alert_bytes(entry: &Entry, day: &str, bytes: &Bytes, table: &[StructField]) -> Result<(), String> {
    is_as_written(entry, bytes)?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|error| error.to_string())?;
    has_columns(builder.schema(), table)?;
    let reader = builder.with_batch_size(PAGE).build().map_err(|error| error.to_string())?;
    let mut rows = 0_usize;
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        rows += batch.num_rows();
        let ids = batch.column_by_name("alert_id").filter(|ids| ids.null_count() == 0);
        ids.ok_or("some of its alerts have no id")?;
        let times = batch.column_by_name("time");
        let times = times.and_then(|column| column.as_any().downcast_ref::<TimestampMicrosecondArray>());
        for time in times.ok_or("its alerts have no time")?.iter() {
            let time = time.ok_or("some of its alerts have no time")?;
            is_within(entry, time, "alert")?;
            if day_of(time) != day {
                let shown = virga_engine::alert::show_time(time);
                return Err(format!("an alert of {shown} is in the folder of another day"));
            }
        }
    }
    has_rows(entry, i64::try_from(rows).unwrap_or(i64::MAX), "alerts")
}

/// The bytes of a file.
async fn whole(store: &Arc<dyn ObjectStore>, entry: &Entry) -> Result<Bytes, String> {
    if entry.size > MAX_VERIFIED_BYTES {
        return Err(format!("its {} bytes are more than this program writes or checks", entry.size));
    }
    let whole = async { store.get(&Path::from(entry.path.as_str())).await?.bytes().await };
    whole.await.map_err(|error: object_store::Error| error.to_string())
}

/// Its length is the table's, and its hash the one in its name.
fn is_as_written(entry: &Entry, bytes: &Bytes) -> Result<(), String> {
    if bytes.len() as u64 != entry.size {
        return Err(format!("it has {} bytes, the table says {}", bytes.len(), entry.size));
    }
    let is_named = |named| blake3::hash(bytes).to_hex().starts_with(named);
    match hash_in_name(&entry.path).is_none_or(is_named) {
        true => Ok(()),
        false => {
            Err("its bytes are not those that were written: their hash is not the one in its name".into())
        }
    }
}

fn check_bytes(entry: &Entry, bytes: &Bytes, table: &[StructField]) -> Result<Vec<EventHash>, String> {
    is_as_written(entry, bytes)?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|error| error.to_string())?;
    has_columns(builder.schema(), table)?;
    let reader = builder.with_batch_size(PAGE).build().map_err(|error| error.to_string())?;
    let (mut rows, mut events) = (0_usize, Vec::new());
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        rows += batch.num_rows();
        let texts = |name: &str| batch.column_by_name(name)?.as_any().downcast_ref::<StringArray>();
        let ids = texts(EVENT_ID).filter(|ids| ids.null_count() == 0);
        let ids = ids.ok_or("some of its events have no id")?;
        let raw = texts(RAW).ok_or("its events have no text")?;
        let both = ids.iter().zip(raw.iter());
        events.extend(both.map(|(id, raw)| event_hash(id.unwrap_or_default(), raw.unwrap_or_default())));
        let times = batch.column_by_name(TIME);
        let times = times.and_then(|column| column.as_any().downcast_ref::<TimestampMicrosecondArray>());
        let times = times.ok_or("its events have no time")?;
        has_times(entry, times)?;
    }
    has_rows(entry, i64::try_from(rows).unwrap_or(i64::MAX), "events")?;
    Ok(events)
}

/// The hash that a file is named by; what another program has written is named otherwise.
fn hash_in_name(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?.strip_suffix(".parquet")?;
    (name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(name)
}

fn has_rows(entry: &Entry, rows: i64, what: &str) -> Result<(), String> {
    match usize::try_from(rows) == Ok(entry.rows) {
        true => Ok(()),
        false => Err(format!("it has {rows} {what}, the table says {}", entry.rows)),
    }
}

fn has_times(entry: &Entry, times: &TimestampMicrosecondArray) -> Result<(), String> {
    let hour = partition_of(entry);
    for time in times.iter() {
        let Some(time) = time else { return Err("some of its events have no time".into()) };
        is_within(entry, time, "event")?;
        if Partition::of(&entry.source, time) != hour {
            let shown = virga_engine::alert::show_time(time);
            return Err(format!("an event of {shown} is in the folder of another hour"));
        }
    }
    Ok(())
}

fn is_within(entry: &Entry, time: i64, what: &str) -> Result<(), String> {
    let (first, last) = entry.times;
    match (first..=last).contains(&time) {
        true => Ok(()),
        false => {
            let shown = virga_engine::alert::show_time(time);
            Err(format!("an {what} of {shown} is outside of the times that the table says"))
        }
    }
}

/// Each column of a file is one of the table, of the same type.
fn has_columns(schema: &SchemaRef, table: &[StructField]) -> Result<(), String> {
    for field in schema.fields() {
        let found: StructField = (&plain(field))
            .try_into_kernel()
            .map_err(|error: deltalake::arrow::error::ArrowError| error.to_string())?;
        let Some(known) = table.iter().find(|known| known.name() == field.name()) else {
            return Err(format!("the table has no column `{}`", field.name()));
        };
        if known.data_type() != found.data_type() {
            return Err(format!(
                "its column `{}` holds {}, the table's {}",
                field.name(),
                found.data_type(),
                known.data_type()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_program_are_hashes() {
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(hash_in_name(&format!("source=a/day=b/hour=1/{hash}.parquet")), Some(hash));
        assert_eq!(hash_in_name("part-00000-0123456789abcdef0123456789abcdef-c000.snappy.parquet"), None);
    }
}
