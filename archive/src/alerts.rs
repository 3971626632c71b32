//! The table of alerts: what the daemon has raised, beside the events.
//!
//! In: alerts as they go out, as JSON. Out: one file for each day of event time and commit. Alerts are
//! delivered at least once, so one may stand there twice, and a later revision beside an earlier one: whoever
//! reads takes the last revision of each id ([`crate::sql`] does), and compaction keeps no other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel as _;
use deltalake::kernel::{Action, Add, LogicalFileView, Remove};
use deltalake::protocol::DeltaOperation;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::commit::{Why, commit_once, is_conflict};
use crate::error::ArchiveError;
use crate::file::FileStats;
use crate::limits::{FIRST_PAUSE, MAX_ALERT_BYTES, MAX_COMMIT_ATTEMPTS, MAX_MERGED};
use crate::sql::alerts_schema;
use crate::table::Archive;

/// An alert as its table keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    id: String,
    revision: i64,
    kind: Option<String>,
    rule: Option<String>,
    title: Option<String>,
    level: Option<String>,
    /// When, when first and when last, microseconds since 1970.
    times: [i64; 3],
    count: i64,
    principal: Option<String>,
    events: String,
    /// `None` where it is too long to be kept as a whole.
    json: Option<String>,
}

impl AlertRow {
    /// From an alert as it goes out.
    ///
    /// # Errors
    /// Where it is no alert.
    pub fn parse(json: &str) -> Result<Self, ArchiveError> {
        let bad = |cause: &dyn std::fmt::Display| ArchiveError::new("reading an alert", cause);
        let alert: Value = serde_json::from_str(json).map_err(|error| bad(&error))?;
        let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let time = |name: &str| -> Result<i64, ArchiveError> {
            let text = text(name).ok_or_else(|| bad(&format!("it has no `{}`", &name[1..])))?;
            read_time(&text).map_err(|error| bad(&format!("`{text}`: {error}")))
        };
        let number = |pointer: &str| alert.pointer(pointer).and_then(Value::as_i64);
        let ids = alert.get("events").and_then(Value::as_array).into_iter().flatten();
        let ids: Vec<&Value> = ids.filter_map(|event| event.get("event_id")).collect();
        Ok(Self {
            id: text("/alert_id").ok_or_else(|| bad(&"it has no `alert_id`"))?,
            revision: number("/revision").unwrap_or(0),
            kind: text("/kind"),
            rule: text("/rule/id"),
            title: text("/rule/title"),
            level: text("/rule/level"),
            times: [time("/time")?, time("/first_seen")?, time("/last_seen")?],
            count: number("/count").unwrap_or(1),
            principal: text("/fields/principal").or_else(|| text("/group/principal")),
            events: serde_json::to_string(&ids).map_err(|error| bad(&error))?,
            json: (json.len() <= MAX_ALERT_BYTES).then(|| json.to_owned()),
        })
    }

    fn day(&self) -> String {
        let [time, ..] = self.times;
        day_of(time)
    }
}

/// A time as [`virga_engine::alert::show_time`] writes it.
fn read_time(text: &str) -> Result<i64, chrono::ParseError> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.timestamp_micros()),
        // a time beyond the calendar is shown as its number
        Err(error) => text.parse().map_err(|_| error),
    }
}

/// The day that an alert of this time stands in.
pub(crate) fn day_of(time: i64) -> String {
    DateTime::from_timestamp_micros(time).unwrap_or_default().format("%Y-%m-%d").to_string()
}

/// A file of alerts of one day.
#[derive(Debug, Clone)]
pub(crate) struct AlertFile {
    pub path: String,
    pub day: String,
    pub size: i64,
    /// How many alerts of which times; another program may have written a file and not said so.
    pub stats: Option<FileStats>,
}

impl AlertFile {
    fn rows(&self) -> usize {
        self.stats.as_ref().map_or(0, |stats| stats.rows)
    }

    /// Whether all of its alerts are from before a moment.
    fn is_before(&self, moment: i64) -> bool {
        let day = || -> Option<i64> {
            let next = self.day.parse::<NaiveDate>().ok()?.succ_opt()?.and_hms_opt(0, 0, 0)?;
            Some(next.and_utc().timestamp_micros())
        };
        match &self.stats {
            Some(stats) => stats.times.1 < moment,
            None => day().is_some_and(|end| end <= moment),
        }
    }
}

/// What a table says of a file.
fn stats_of(view: &LogicalFileView) -> Option<FileStats> {
    let stats: Value = serde_json::from_str(view.stats()?.as_str()).ok()?;
    let time = |which: &str| read_time(stats.get(which)?.get("time")?.as_str()?).ok();
    Some(FileStats {
        rows: usize::try_from(stats.get("numRecords")?.as_u64()?).ok()?,
        times: (time("minValues")?, time("maxValues")?),
        columns: Vec::new(),
    })
}

/// What became of the files of alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactedAlerts {
    /// Files that were replaced.
    pub replaced: usize,
    /// Files that stand for them.
    pub written: usize,
    /// Rows that told of an alert again, or of an earlier revision.
    pub duplicates: usize,
}

impl Archive {
    /// Makes alerts part of the archive, all at once. Those of one id and revision that are among them twice
    /// are kept once.
    ///
    /// # Errors
    /// Where they cannot be written or committed; none of them is part of the archive then.
    pub async fn add_alerts(&mut self, rows: &[AlertRow]) -> Result<(), ArchiveError> {
        let mut days: BTreeMap<String, BTreeMap<(&str, i64), &AlertRow>> = BTreeMap::new();
        for row in rows {
            days.entry(row.day()).or_default().insert((&row.id, row.revision), row);
        }
        let mut files = Vec::new();
        for (day, rows) in days {
            let batch = batch_of(&rows.into_values().collect::<Vec<_>>())?;
            files.push(self.put_alerts(&day, &batch).await?);
        }
        self.commit_alerts(&files, &[], Why::Import).await
    }

    /// Merges the files of each day, and keeps of each alert its last revision.
    ///
    /// # Errors
    /// Where a file cannot be read or written. Days that were done before are done.
    pub async fn compact_alerts(&mut self) -> Result<CompactedAlerts, ArchiveError> {
        let mut days: BTreeMap<String, Vec<AlertFile>> = BTreeMap::new();
        for file in self.alert_files().await? {
            days.entry(file.day.clone()).or_default().push(file);
        }
        let mut sum = CompactedAlerts::default();
        for (day, files) in days {
            // packed well, what is merged takes some times as much memory
            let is_much = files.iter().map(|file| file.size).sum::<i64>() > (MAX_MERGED / 8) as i64;
            if files.len() < 2 || is_much {
                continue;
            }
            let mut batches = Vec::new();
            for file in &files {
                batches.extend(self.read_alerts(file).await?);
            }
            let (batch, duplicates) = last_revisions(&batches)?;
            let merged = self.put_alerts(&day, &batch).await?;
            let old: Vec<AlertFile> = files.into_iter().filter(|file| file.path != merged.path).collect();
            self.commit_alerts(std::slice::from_ref(&merged), &old, Why::Compaction).await?;
            sum.replaced += old.len();
            sum.written += 1;
            sum.duplicates += duplicates;
        }
        Ok(sum)
    }

    /// Lets go of files whose last alert is older than a moment; how many, and how many alerts that were.
    pub(crate) async fn expire_alerts(&mut self, before: i64) -> Result<(usize, usize), ArchiveError> {
        let old: Vec<AlertFile> =
            self.alert_files().await?.into_iter().filter(|file| file.is_before(before)).collect();
        self.commit_alerts(&[], &old, Why::Expiry).await?;
        Ok((old.len(), old.iter().map(AlertFile::rows).sum()))
    }

    async fn put_alerts(&self, day: &str, batch: &RecordBatch) -> Result<AlertFile, ArchiveError> {
        let bytes = packed(batch).map_err(ArchiveError::at("packing alerts"))?;
        let hash = blake3::hash(&bytes).to_hex();
        let path = format!("day={day}/{}.parquet", hash.get(..32).unwrap_or_default());
        let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let doing = format!("writing {path} of the alerts of {}", self.location);
        let store = self.alerts.object_store();
        store
            .put(&Path::from(path.as_str()), Bytes::from(bytes).into())
            .await
            .map_err(ArchiveError::at(doing))?;
        let stats = FileStats { rows: batch.num_rows(), times: times_of(batch), columns: Vec::new() };
        Ok(AlertFile { path, day: day.to_owned(), size, stats: Some(stats) })
    }

    async fn read_alerts(&self, file: &AlertFile) -> Result<Vec<RecordBatch>, ArchiveError> {
        let doing = || format!("reading {} of the alerts of {}", file.path, self.location);
        let got = self.alerts.object_store().get(&Path::from(file.path.as_str())).await;
        let bytes =
            got.map_err(ArchiveError::at(doing()))?.bytes().await.map_err(ArchiveError::at(doing()))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build());
        let batches: Result<Vec<_>, _> = reader.map_err(ArchiveError::at(doing()))?.collect();
        batches.map_err(ArchiveError::at(doing()))
    }

    pub(crate) async fn alert_files(&self) -> Result<Vec<AlertFile>, ArchiveError> {
        let doing = format!("reading the alerts of {}", self.location);
        let snapshot = self.alerts.snapshot().map_err(ArchiveError::at(doing.clone()))?.snapshot();
        let log = self.alerts.log_store();
        let views: Vec<LogicalFileView> =
            snapshot.file_views(log.as_ref(), None).try_collect().await.map_err(ArchiveError::at(doing))?;
        let file = |view: &LogicalFileView| AlertFile {
            path: view.path().into_owned(),
            day: view.partition_values_map().get("day").cloned().flatten().unwrap_or_default(),
            size: view.size(),
            stats: stats_of(view),
        };
        Ok(views.iter().map(file).collect())
    }

    /// Makes files part of the table, and takes others out, all at once; on top of the version at hand, and
    /// anew where somebody else was first.
    async fn commit_alerts(
        &mut self,
        add: &[AlertFile],
        remove: &[AlertFile],
        why: Why,
    ) -> Result<(), ArchiveError> {
        let doing = format!("committing alerts to {}", self.location);
        let mut pause = FIRST_PAUSE;
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            self.learn_alert_columns().await?;
            let there: HashSet<String> =
                self.alert_files().await?.into_iter().map(|file| file.path).collect();
            if !remove.iter().all(|file| there.contains(&file.path)) {
                let cause = "another program has replaced the same files; nothing was changed, try again";
                return Err(ArchiveError::new(doing, cause));
            }
            let new: Vec<&AlertFile> = add.iter().filter(|file| !there.contains(&file.path)).collect();
            if new.is_empty() && remove.is_empty() {
                return Ok(());
            }
            let (actions, operation) = change(&new, remove, why);
            match commit_once(&mut self.alerts, actions, operation).await {
                Ok(()) => return Ok(()),
                Err(error) if is_conflict(&error) => {}
                Err(error) => {
                    // what follows a commit may fail where the commit did not
                    self.alerts.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
                    let now = self.alert_files().await?;
                    let has = |path: &str| now.iter().any(|file| file.path == path);
                    let is_so =
                        new.iter().all(|file| has(&file.path)) && !remove.iter().any(|file| has(&file.path));
                    return if is_so { Ok(()) } else { Err(ArchiveError::new(doing, error)) };
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(FIRST_PAUSE * 32);
            self.alerts.update_state().await.map_err(ArchiveError::at(doing.clone()))?;
        }
        Err(ArchiveError::new(doing, "others commit without end; nothing was changed, try again"))
    }

    /// Columns that a table made by an earlier version does not have.
    async fn learn_alert_columns(&mut self) -> Result<(), ArchiveError> {
        let doing = format!("adding columns to the alerts of {}", self.location);
        let snapshot = self.alerts.snapshot().map_err(ArchiveError::at(doing.clone()))?;
        let known: HashSet<String> = snapshot.schema().fields().map(|field| field.name().clone()).collect();
        let schema = alerts_schema();
        let new = schema.fields().iter().filter(|field| !known.contains(field.name()));
        let new: Result<Vec<_>, _> = new.map(|field| field.as_ref().try_into_kernel()).collect();
        let new = new.map_err(ArchiveError::at(doing.clone()))?;
        if !new.is_empty() {
            self.alerts =
                self.alerts.clone().add_columns().with_fields(new).await.map_err(ArchiveError::at(doing))?;
        }
        Ok(())
    }
}

/// The columns of a file: those of the table but for the day, which is its partition.
fn file_schema() -> SchemaRef {
    let schema = alerts_schema();
    let fields: Vec<_> = schema.fields().iter().filter(|field| field.name() != "day").cloned().collect();
    Arc::new(Schema::new(fields))
}

fn batch_of(rows: &[&AlertRow]) -> Result<RecordBatch, ArchiveError> {
    let text = |of: &dyn Fn(&AlertRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<StringArray>())
    };
    let time = |of: usize| -> ArrayRef {
        let times = rows.iter().map(|row| row.times.get(of).copied());
        Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let number = |of: fn(&AlertRow) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<Int64Array>())
    };
    let columns = HashMap::from([
        ("alert_id", text(&|row| Some(row.id.clone()))),
        ("revision", number(|row| row.revision)),
        ("kind", text(&|row| row.kind.clone())),
        ("rule_id", text(&|row| row.rule.clone())),
        ("rule_title", text(&|row| row.title.clone())),
        ("level", text(&|row| row.level.clone())),
        ("time", time(0)),
        ("first_seen", time(1)),
        ("last_seen", time(2)),
        ("count", number(|row| row.count)),
        ("principal", text(&|row| row.principal.clone())),
        ("event_ids", text(&|row| Some(row.events.clone()))),
        ("alert", text(&|row| row.json.clone())),
    ]);
    let schema = file_schema();
    let arrays: Option<Vec<ArrayRef>> =
        schema.fields().iter().map(|field| columns.get(field.name().as_str()).cloned()).collect();
    let arrays = arrays.ok_or_else(|| ArchiveError::new("packing alerts", "a column is not known"))?;
    RecordBatch::try_new(schema, arrays).map_err(ArchiveError::at("packing alerts"))
}

fn packed(batch: &RecordBatch) -> parquet::errors::Result<Vec<u8>> {
    let level = ZstdLevel::try_new(3)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.into_inner()
}

fn times_of(batch: &RecordBatch) -> (i64, i64) {
    let times = batch.column_by_name("time");
    let times = times.and_then(|times| times.as_any().downcast_ref::<TimestampMicrosecondArray>());
    let values = || times.into_iter().flat_map(|times| times.iter().flatten());
    (values().min().unwrap_or(0), values().max().unwrap_or(0))
}

/// Of each alert its last revision, in the order of ids; and how many rows that leaves out.
fn last_revisions(batches: &[RecordBatch]) -> Result<(RecordBatch, usize), ArchiveError> {
    let doing = "merging alerts";
    let all = concat_batches(&file_schema(), batches).map_err(ArchiveError::at(doing))?;
    let ids: StringArray = crate::reader::column(&all, "alert_id")?;
    let revisions: Int64Array = crate::reader::column(&all, "revision")?;
    let mut last: BTreeMap<&str, (i64, u32)> = BTreeMap::new();
    for row in 0..all.num_rows() {
        let known = last.entry(ids.value(row)).or_insert((i64::MIN, 0));
        *known = (*known).max((revisions.value(row), row as u32));
    }
    let rows: UInt32Array = last.values().map(|(_, row)| *row).collect();
    let kept = take_record_batch(&all, &rows).map_err(ArchiveError::at(doing))?;
    Ok((kept, all.num_rows() - rows.len()))
}

fn change(add: &[&AlertFile], remove: &[AlertFile], why: Why) -> (Vec<Action>, DeltaOperation) {
    let now = Utc::now().timestamp_millis();
    let values = |file: &AlertFile| HashMap::from([("day".to_owned(), Some(file.day.clone()))]);
    let data_change = why.changes_data();
    let adds = add.iter().map(|file| {
        Action::Add(Add {
            path: file.path.clone(),
            partition_values: values(file),
            size: file.size,
            modification_time: now,
            data_change,
            stats: file.stats.as_ref().map(FileStats::to_json),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    });
    let removes = remove.iter().map(|file| {
        Action::Remove(Remove {
            path: file.path.clone(),
            data_change,
            deletion_timestamp: Some(now),
            extended_file_metadata: Some(true),
            partition_values: Some(values(file)),
            size: Some(file.size),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        })
    });
    (adds.chain(removes).collect(), why.operation(&["day"]))
}
