//! The tables of an archive: which files there are, from when, and how that changes.
//!
//! In: files that are written already. Out: a new version of the table in which they stand, or none of them.
//! A commit is one file that is put where there was none: a crash before it leaves the old version, a crash
//! after it the new one, and what was written and never committed is read by nobody.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::{Add, LogicalFileView};
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};
use futures::TryStreamExt as _;

use crate::error::ArchiveError;
use crate::file::FileStats;
use crate::layout::{self, PARTITIONS};
use crate::location::Location;
use crate::repeats::APART;

/// An archive: the table of events, and the table of alerts beside it.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(crate) location: Location,
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

    pub(crate) fn meets(&self, (first, last): (i64, i64)) -> bool {
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
    /// The set of files of which it was found that they hold no event twice; this one is of them.
    pub(crate) apart: Option<String>,
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

/// A file that is written and not yet part of the table.
#[derive(Debug, Clone)]
pub(crate) struct Uncommitted {
    pub path: String,
    pub partition: Partition,
    pub size: u64,
    pub stats: FileStats,
}

impl Uncommitted {
    /// What it is once it is part of the table.
    pub fn entry(&self) -> Entry {
        Entry {
            path: self.path.clone(),
            source: self.partition.source.clone(),
            hour: self.partition.begins().format("%Y-%m-%dT%H").to_string(),
            size: self.size,
            rows: self.stats.rows,
            times: self.stats.times,
            apart: None,
        }
    }
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

    pub fn values(&self) -> HashMap<String, Option<String>> {
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
        let missing = || {
            let doing = format!("opening the archive {location}");
            ArchiveError::new(doing, "there is no archive; `virga archive import` makes one")
        };
        Self::find(location).await?.ok_or_else(missing)
    }

    /// Opens an archive where there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn find(location: &Location) -> Result<Option<Self>, ArchiveError> {
        let doing = || format!("opening the archive {location}");
        // a folder that is not there is told of as such, whatever the table format calls it
        if location.folder().is_some_and(|folder| !folder.join("events").join("_delta_log").is_dir()) {
            return Ok(None);
        }
        let events = match load(location, "events").await {
            Ok(events) => events,
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => return Ok(None),
            Err(other) => return Err(ArchiveError::new(doing(), other)),
        };
        let alerts = load(location, "alerts").await.map_err(ArchiveError::at(doing()))?;
        Ok(Some(Self { location: location.clone(), events, alerts }))
    }

    /// What it is known by, wherever it lies: made with it, and no other's.
    ///
    /// # Errors
    /// Where its table does not say it.
    pub fn id(&self) -> Result<String, ArchiveError> {
        let doing = format!("reading {}", self.location);
        let snapshot = self.events.snapshot().map_err(ArchiveError::at(doing))?;
        Ok(snapshot.metadata().id().to_owned())
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
        self.events.version().unwrap_or(0)
    }

    /// Goes to an earlier version of the table of events.
    ///
    /// # Errors
    /// Where there is none, or its files are not known any more.
    pub async fn at_version(&mut self, version: u64) -> Result<(), ArchiveError> {
        let doing = format!("going to version {version} of {}", self.location);
        self.events.load_version(version).await.map_err(ArchiveError::at(doing))
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
        let mut entries = files(&self.events, &self.location).await?;
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
}

/// All files of the table of events.
async fn files(table: &DeltaTable, location: &Location) -> Result<Vec<Entry>, ArchiveError> {
    let doing = format!("reading {location}");
    let snapshot = table.snapshot().map_err(ArchiveError::at(doing.clone()))?.snapshot();
    let log = table.log_store();
    let views: Vec<LogicalFileView> = snapshot
        .file_views(log.as_ref(), None)
        .try_collect()
        .await
        .map_err(ArchiveError::at(doing.clone()))?;
    let entry = |view: &LogicalFileView| {
        if view.deletion_vector_descriptor().is_some() {
            let cause = format!(
                "another program has marked events of {} as deleted and left them where they lie: events are let go of \
                 with `virga archive expire`",
                view.path()
            );
            return Err(ArchiveError::new(doing.clone(), cause));
        }
        // a file that is passed over would be events that nobody misses
        entry_of(view).ok_or_else(|| {
            let cause = format!(
                "the table does not say how many events of which hour {} holds: another program wrote it",
                view.path()
            );
            ArchiveError::new(doing.clone(), cause)
        })
    };
    views.iter().map(entry).collect()
}

async fn load(location: &Location, name: &str) -> Result<DeltaTable, DeltaTableError> {
    location.builder(name)?.load().await
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
    let table = location.builder(name).and_then(|builder| builder.build()).map_err(at)?;
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
pub(crate) fn plain(field: &Field) -> Field {
    match field.data_type() {
        DataType::Dictionary(_, value) => Field::new(field.name(), value.as_ref().clone(), true),
        _ => field.clone(),
    }
}

/// The partition that an entry stands in.
pub(crate) fn partition_of(entry: &Entry) -> Partition {
    let (day, hour) = entry.hour.split_once('T').unwrap_or(("1970-01-01", "0"));
    let day: NaiveDate = day.parse().unwrap_or_default();
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    Partition { source: entry.source.clone(), hour: days * 24 + hour.parse::<i64>().unwrap_or(0) }
}

/// A file as the table's log tells of it.
#[expect(deprecated, reason = "nothing else tells the tags of a file")]
pub(crate) fn action_of(view: &LogicalFileView) -> Add {
    view.add_action()
}

fn entry_of(view: &LogicalFileView) -> Option<Entry> {
    let partition = view.partition_values_map();
    let value = |name: &str| partition.get(name).cloned().flatten();
    let stats: serde_json::Value = serde_json::from_str(view.stats()?.as_str()).ok()?;
    let time = |which: &str| -> Option<i64> {
        let text = stats.get(which)?.get("time")?.as_str()?;
        Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros())
    };
    let hour: u32 = value("hour")?.parse().ok()?;
    Some(Entry {
        path: view.path().into_owned(),
        source: value("source")?,
        hour: format!("{}T{hour:02}", value("day")?),
        size: u64::try_from(view.size()).unwrap_or(0),
        rows: usize::try_from(stats.get("numRecords")?.as_u64()?).ok()?,
        times: (time("minValues")?, time("maxValues")?),
        apart: action_of(view).tags.and_then(|tags| tags.get(APART).cloned().flatten()),
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
            apart: None,
        };
        assert_eq!(partition_of(&entry), partition);
        assert_eq!(Partition::of("s", -1).folder(), "source=s/day=1969-12-31/hour=23");
    }
}
