//! The tables of an archive: which files there are, from when, and how that changes.
//!
//! In: files that are written already. Out: a new version of the table in which they stand, or none of them.
//! A commit is one file that is put where there was none: a crash before it leaves the old version, a crash
//! after it the new one, and what was written and never committed is read by nobody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, Remove, StructField, StructType};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;

use crate::error::ArchiveError;
use crate::file::FileStats;
use crate::layout::{self, PARTITIONS};
use crate::location::Location;

/// An archive: the table of events, and the table of alerts beside it.
#[derive(Debug)]
pub struct Archive {
    location: Location,
    pub(crate) events: DeltaTable,
    pub(crate) alerts: DeltaTable,
}

/// A stretch of event time: from the first moment, up to and without the second; microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first moment.
    pub from: i64,
    /// The first moment behind it.
    pub to: i64,
}

impl Range {
    /// All time.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// Whether a moment is in it.
    pub fn has(&self, time: i64) -> bool {
        (self.from..self.to).contains(&time)
    }

    fn meets(&self, (first, last): (i64, i64)) -> bool {
        first < self.to && last >= self.from
    }
}

/// A file of the events table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the table.
    pub path: String,
    /// The log source of its events.
    pub source: String,
    /// The hour of its events, as `2026-03-02T09`.
    pub hour: String,
    /// Bytes.
    pub size: u64,
    /// Events.
    pub rows: usize,
    /// The earliest and the latest event time, microseconds since 1970; the latest up to a millisecond more.
    pub times: (i64, i64),
}

/// What an archive holds of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The log source.
    pub source: String,
    /// The hour, as `2026-03-02T09`.
    pub hour: String,
    /// Files.
    pub files: usize,
    /// Events.
    pub rows: usize,
    /// Bytes.
    pub size: u64,
}

/// Something wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expired {
    /// Files of events.
    pub files: usize,
    /// Events in them.
    pub rows: usize,
    /// Files that nothing refers to any more, and that are gone from the store.
    pub deleted: usize,
}

/// A file that is written and not yet part of the table.
#[derive(Debug, Clone)]
pub(crate) struct Uncommitted {
    pub path: String,
    pub partition: Partition,
    pub size: u64,
    pub stats: FileStats,
}

/// Where events stand in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    pub source: String,
    /// Hours since 1970.
    pub hour: i64,
}

const HOUR: i64 = 3_600 * 1_000_000;

impl Partition {
    pub fn of(source: &str, time: i64) -> Self {
        Self { source: source.to_owned(), hour: time.div_euclid(HOUR) }
    }

    fn begins(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.hour.saturating_mul(3_600), 0).unwrap_or_default()
    }

    /// Its folder below the table.
    pub fn folder(&self) -> String {
        let begins = self.begins();
        format!("source={}/day={}/hour={}", self.source, begins.format("%Y-%m-%d"), begins.format("%-H"))
    }

    fn values(&self) -> HashMap<String, Option<String>> {
        let begins = self.begins();
        HashMap::from([
            ("source".to_owned(), Some(self.source.clone())),
            ("day".to_owned(), Some(begins.format("%Y-%m-%d").to_string())),
            ("hour".to_owned(), Some(begins.format("%-H").to_string())),
        ])
    }
}

impl Archive {
    /// Opens an archive that is there.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub async fn open(location: &Location) -> Result<Self, ArchiveError> {
        let doing = || format!("opening the archive {location}");
        // a folder that is not there is told of as such, whatever the table format calls it
        if location.folder().is_some_and(|folder| !folder.join("events").join("_delta_log").is_dir()) {
            return Err(ArchiveError::new(doing(), "there is no archive; `virga archive import` makes one"));
        }
        let events = load(location, "events").await.map_err(|error| match error {
            DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_) => {
                ArchiveError::new(doing(), "there is no archive; `virga archive import` makes one")
            }
            other => ArchiveError::new(doing(), other),
        })?;
        let alerts = load(location, "alerts").await.map_err(ArchiveError::at(doing()))?;
        Ok(Self { location: location.clone(), events, alerts })
    }

    /// Opens an archive, or makes an empty one.
    ///
    /// # Errors
    /// Where it can neither be read nor made.
    pub async fn open_or_create(location: &Location) -> Result<Self, ArchiveError> {
        if let Some(folder) = location.folder() {
            let doing = || format!("making the archive {}", folder.display());
            for table in ["events", "alerts"] {
                std::fs::create_dir_all(folder.join(table)).map_err(ArchiveError::at(doing()))?;
            }
        }
        let events = create(location, "events", &layout::base_schema(), &PARTITIONS).await?;
        let alerts = create(location, "alerts", &crate::sql::alerts_schema(), &["day"]).await?;
        Ok(Self { location: location.clone(), events, alerts })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The version of the table of events: a commit adds one.
    pub fn version(&self) -> u64 {
        self.events.version().map_or(0, |version| u64::try_from(version).unwrap_or(0))
    }

    /// Goes to an earlier version of the table of events.
    ///
    /// # Errors
    /// Where there is none, or its files are not known any more.
    pub async fn at_version(&mut self, version: u64) -> Result<(), ArchiveError> {
        let doing = format!("going to version {version} of {}", self.location);
        let wanted = version.try_into().map_err(ArchiveError::at(doing.clone()))?;
        self.events.load_version(wanted).await.map_err(ArchiveError::at(doing))
    }

    /// Learns what others have committed since.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn refresh(&mut self) -> Result<(), ArchiveError> {
        let doing = format!("reading {}", self.location);
        self.events.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
        self.alerts.update_state().await.map_err(ArchiveError::at(doing))
    }

    /// The files of events that may hold some of a stretch of time, by source, hour and path.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn entries(&self, range: Range) -> Result<Vec<Entry>, ArchiveError> {
        let adds = adds(&self.events, &self.location).await?;
        let mut entries: Vec<Entry> = adds.iter().filter_map(entry_of).collect();
        entries.retain(|entry| range.meets(entry.times));
        entries.sort_by(|a, b| (&a.source, &a.hour, &a.path).cmp(&(&b.source, &b.hour, &b.path)));
        Ok(entries)
    }

    /// What it holds, by source and hour.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn coverage(&self, range: Range) -> Result<Vec<Coverage>, ArchiveError> {
        let mut by: BTreeMap<(String, String), Coverage> = BTreeMap::new();
        for entry in self.entries(range).await? {
            let (source, hour) = (entry.source.clone(), entry.hour.clone());
            let nothing = || Coverage {
                source: entry.source.clone(),
                hour: entry.hour.clone(),
                files: 0,
                rows: 0,
                size: 0,
            };
            let sum = by.entry((source, hour)).or_insert_with(nothing);
            sum.files += 1;
            sum.rows += entry.rows;
            sum.size += entry.size;
        }
        Ok(by.into_values().collect())
    }

    /// Bytes of a file of events.
    pub(crate) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let doing = format!("writing {path} of {}", self.location);
        let store = self.events.object_store();
        store.put(&Path::from(path), Bytes::from(bytes).into()).await.map_err(ArchiveError::at(doing))?;
        Ok(())
    }

    /// Makes files part of the table, and takes others out, all at once.
    pub(crate) async fn commit(
        &mut self,
        add: &[Uncommitted],
        remove: &[Entry],
        is_compaction: bool,
    ) -> Result<(), ArchiveError> {
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        self.learn_columns(add).await?;
        let doing = format!("committing to {}", self.location);
        let now = Utc::now().timestamp_millis();
        let mut actions: Vec<Action> =
            add.iter().map(|file| Action::Add(add_action(file, now, !is_compaction))).collect();
        actions.extend(remove.iter().map(|entry| Action::Remove(remove_action(entry, now, !is_compaction))));
        let operation = match (is_compaction, remove.is_empty()) {
            (true, _) => DeltaOperation::Optimize { predicate: None, target_size: 0 },
            (false, true) => DeltaOperation::Write {
                mode: SaveMode::Append,
                partition_by: Some(PARTITIONS.map(str::to_owned).to_vec()),
                predicate: None,
            },
            (false, false) => DeltaOperation::Delete { predicate: Some("expired".into()) },
        };
        let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing.clone()))?.snapshot();
        CommitBuilder::from(CommitProperties::default())
            .with_actions(actions)
            .build(Some(snapshot), self.events.log_store(), operation)
            .await
            .map_err(ArchiveError::at(doing.clone()))?;
        self.events.update_state().await.map_err(ArchiveError::at(doing))
    }

    /// Columns that files have and the table does not yet.
    async fn learn_columns(&mut self, add: &[Uncommitted]) -> Result<(), ArchiveError> {
        let doing = format!("adding columns to {}", self.location);
        for _ in 0..10 {
            let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing.clone()))?;
            let known: HashSet<String> =
                snapshot.schema().fields().map(|field| field.name().clone()).collect();
            let new: HashSet<&String> = add
                .iter()
                .flat_map(|file| &file.stats.columns)
                .filter(|column| !known.contains(*column))
                .collect();
            if new.is_empty() {
                return Ok(());
            }
            let mut new: Vec<&String> = new.into_iter().collect();
            new.sort();
            let fields: Vec<StructField> = new
                .into_iter()
                .map(|column| StructField::nullable(column.clone(), deltalake::kernel::DataType::STRING))
                .collect();
            let added = self.events.clone().add_columns().with_fields(fields).await;
            match added {
                Ok(table) => self.events = table,
                // somebody else changed the table meanwhile
                Err(DeltaTableError::Transaction { .. }) => {
                    self.events.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
                }
                Err(error) => return Err(ArchiveError::new(doing, error)),
            }
        }
        Err(ArchiveError::new(doing, "others change its columns without end"))
    }

    /// Lets go of events that are older than a moment, and of files that nothing refers to any more since
    /// `keep`: until then, earlier versions can be read.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn expire(&mut self, before: i64, keep: Duration) -> Result<Expired, ArchiveError> {
        let old: Vec<Entry> = self
            .entries(Range { from: i64::MIN, to: before })
            .await?
            .into_iter()
            .filter(|e| e.times.1 < before)
            .collect();
        self.commit(&[], &old, false).await?;
        let doing = format!("deleting files of {}", self.location);
        let (table, metrics) = self
            .events
            .clone()
            .vacuum()
            .with_retention_period(keep)
            .with_enforce_retention_duration(false)
            .with_mode(deltalake::operations::vacuum::VacuumMode::Full)
            .await
            .map_err(ArchiveError::at(doing))?;
        self.events = table;
        Ok(Expired {
            files: old.len(),
            rows: old.iter().map(|entry| entry.rows).sum(),
            deleted: metrics.files_deleted.len(),
        })
    }

    /// Reads every file's footer, and says what is not as the table says; and which files stand there that
    /// are not part of it.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn verify(&self) -> Result<(usize, Vec<Problem>), ArchiveError> {
        let entries = self.entries(Range::ALL).await?;
        let mut problems = Vec::new();
        for entry in &entries {
            let problem = |what: String| Problem { path: entry.path.clone(), what };
            match crate::reader::footer(&self.events.object_store(), entry).await {
                Err(error) => problems.push(problem(error.cause)),
                Ok(footer) => {
                    let rows = footer.metadata().file_metadata().num_rows();
                    if usize::try_from(rows) != Ok(entry.rows) {
                        problems
                            .push(problem(format!("it has {rows} events, the table says {}", entry.rows)));
                    }
                }
            }
        }
        let known: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        let doing = format!("listing {}", self.location);
        let store = self.events.object_store();
        let found: Vec<_> = store.list(None).try_collect().await.map_err(ArchiveError::at(doing))?;
        for object in found {
            let path = object.location.to_string();
            if path.ends_with(".parquet")
                && !path.starts_with("_delta_log/")
                && !known.contains(path.as_str())
            {
                problems.push(Problem { path, what: "no version that is current refers to it".into() });
            }
        }
        Ok((entries.len(), problems))
    }
}

/// All files of a table.
async fn adds(table: &DeltaTable, location: &Location) -> Result<Vec<Add>, ArchiveError> {
    let doing = format!("reading {location}");
    let snapshot = table.snapshot().map_err(ArchiveError::at(doing.clone()))?.snapshot();
    let log = table.log_store();
    let views = snapshot.file_views(log.as_ref(), None);
    views.map_ok(|view| view.add_action()).try_collect().await.map_err(ArchiveError::at(doing))
}

async fn load(location: &Location, name: &str) -> Result<DeltaTable, DeltaTableError> {
    let url = location.table(name).map_err(|error| DeltaTableError::Generic(error.to_string()))?;
    DeltaTableBuilder::from_url(url)?.with_storage_options(location.options.clone()).load().await
}

async fn create(
    location: &Location,
    name: &str,
    schema: &Schema,
    partitions: &[&str],
) -> Result<DeltaTable, ArchiveError> {
    let doing = format!("making the table {name} of {location}");
    let at = |error: DeltaTableError| ArchiveError::new(doing.clone(), error);
    match load(location, name).await {
        Ok(table) => return Ok(table),
        Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {}
        Err(error) => return Err(at(error)),
    }
    let fields: Vec<Field> = schema.fields().iter().map(|field| plain(field)).collect();
    let kernel: StructType =
        (&Schema::new(fields)).try_into_kernel().map_err(ArchiveError::at(doing.clone()))?;
    let url = location.table(name)?;
    let table = DeltaTableBuilder::from_url(url)
        .and_then(|builder| builder.with_storage_options(location.options.clone()).build())
        .map_err(at)?;
    let made = table
        .create()
        .with_columns(kernel.fields().cloned())
        .with_partition_columns(partitions.iter().copied())
        .with_save_mode(SaveMode::Ignore)
        .with_table_name(name)
        .await;
    made.map_err(at)
}

/// Delta tables know texts, not how they are coded.
fn plain(field: &Field) -> Field {
    match field.data_type() {
        DataType::Dictionary(_, value) => Field::new(field.name(), value.as_ref().clone(), true),
        _ => field.clone(),
    }
}

fn add_action(file: &Uncommitted, now: i64, data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: file.partition.values(),
        size: i64::try_from(file.size).unwrap_or(i64::MAX),
        modification_time: now,
        data_change,
        stats: Some(file.stats.to_json()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    }
}

fn remove_action(entry: &Entry, now: i64, data_change: bool) -> Remove {
    Remove {
        path: entry.path.clone(),
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(partition_of(entry).values()),
        size: Some(i64::try_from(entry.size).unwrap_or(i64::MAX)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

/// The partition that an entry stands in.
pub(crate) fn partition_of(entry: &Entry) -> Partition {
    let (day, hour) = entry.hour.split_once('T').unwrap_or(("1970-01-01", "0"));
    let day: NaiveDate = day.parse().unwrap_or_default();
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    Partition { source: entry.source.clone(), hour: days * 24 + hour.parse::<i64>().unwrap_or(0) }
}

fn entry_of(add: &Add) -> Option<Entry> {
    let value = |name: &str| add.partition_values.get(name).cloned().flatten();
    let stats: serde_json::Value = serde_json::from_str(add.stats.as_deref()?).ok()?;
    let time = |which: &str| -> Option<i64> {
        let text = stats.get(which)?.get("time")?.as_str()?;
        Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
    };
    let hour: u32 = value("hour")?.parse().ok()?;
    Some(Entry {
        path: add.path.clone(),
        source: value("source")?,
        hour: format!("{}T{hour:02}", value("day")?),
        size: u64::try_from(add.size).unwrap_or(0),
        rows: usize::try_from(stats.get("numRecords")?.as_u64()?).ok()?,
        times: (time("minValues")?, time("maxValues")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_by_source_day_and_hour() {
        let partition = Partition::of("aws.cloudtrail", 1_772_442_000_000_000);
        assert_eq!(partition.folder(), "source=aws.cloudtrail/day=2026-03-02/hour=9");
        let entry = Entry {
            path: String::new(),
            source: "aws.cloudtrail".into(),
            hour: "2026-03-02T09".into(),
            size: 0,
            rows: 0,
            times: (0, 0),
        };
        assert_eq!(partition_of(&entry), partition);
        assert_eq!(Partition::of("s", -1).folder(), "source=s/day=1969-12-31/hour=23");
    }
}
