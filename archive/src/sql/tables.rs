//! The tables: `events`, `alerts`, `coverage`, `rules`, and the view `ocsf`.
//!
//! In: an archive at one version. Out: tables of a session. `events` holds each event once; `alerts` is the Delta
//! table itself, without the handle by which it could be written, and of each alert only the last revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::prelude::{SessionContext, ident};
use deltalake::DeltaTable;
use deltalake::delta_datafusion::DeltaScanNext;
use virga_engine::event::COLUMNS;

use super::events::{Events, Looked};
use super::foreign::ForeignEvents;
use super::sealed::Sealed;
use crate::foreign::ForeignArchive;
use crate::layout::{self, timestamp};
use crate::table::{Archive, Entry, Range};

/// A rule, as the table `rules` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleRow {
    /// Its id, else its name, else file and document: what alerts call it.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its title.
    pub title: String,
    /// `rule` or `correlation`.
    pub kind: String,
    /// Its level.
    pub level: Option<String>,
    /// Its status.
    pub status: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its file.
    pub file: String,
    /// The log sources on which it runs.
    pub sources: Vec<String>,
}

/// Makes the tables of a session, or makes them anew at another version.
pub(crate) async fn register(
    context: &SessionContext,
    tables: &Sealed,
    archive: &Archive,
    entries: &[Entry],
    looked: &Arc<Looked>,
) -> Result<()> {
    let alerts = &archive.alerts;
    alerts.update_datafusion_session(&context.state())?;
    tables.put("events", Arc::new(Events::new(archive, entries, looked, &context.state())?))?;
    tables.put("alerts", last_revisions(context, reader(alerts).await?)?)?;
    tables.put("coverage", memory(coverage(entries)?)?)?;
    view(context, tables).await
}

/// Makes the tables of a session on an archive of another program: there are no alerts.
pub(crate) async fn register_foreign(
    context: &SessionContext,
    tables: &Sealed,
    archive: &Arc<ForeignArchive>,
) -> Result<()> {
    tables.put("events", Arc::new(ForeignEvents::new(archive)))?;
    let alerts = RecordBatch::new_empty(super::alerts_schema());
    tables.put("alerts", memory(alerts)?)?;
    tables.put("coverage", memory(coverage(&archive.entries(Range::ALL))?)?)?;
    view(context, tables).await
}

async fn view(context: &SessionContext, tables: &Sealed) -> Result<()> {
    let view = format!("SELECT {} FROM events", ocsf_columns().join(", "));
    tables.put("ocsf", context.sql(&view).await?.into_view())
}

/// The table `rules`.
pub(crate) fn register_rules(tables: &Sealed, rules: &[RuleRow]) -> Result<()> {
    tables.put("rules", memory(rules_batch(rules)?)?)
}

fn memory(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

/// A Delta table at its version, without its log: nothing can be committed to it.
async fn reader(table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
    let snapshot = table.snapshot()?.snapshot().clone();
    Ok(Arc::new(DeltaScanNext::builder().with_eager_snapshot(snapshot).build().await?))
}

/// Each alert once: alerts are kept at least once, and a later revision stands beside an earlier one.
fn last_revisions(
    context: &SessionContext,
    alerts: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>> {
    let order = match alerts.schema().column_with_name("revision") {
        Some(_) => vec![ident("alert_id").sort(true, true), ident("revision").sort(false, false)],
        // a table of an earlier version, which is empty
        None => vec![ident("alert_id").sort(true, true)],
    };
    let columns = alerts.schema().fields().iter().map(|field| ident(field.name())).collect();
    let each = context.read_table(alerts)?.distinct_on(vec![ident("alert_id")], columns, Some(order))?;
    Ok(each.into_view())
}

/// The events by their OCSF names.
fn ocsf_columns() -> Vec<String> {
    let mut columns: Vec<String> = [
        ("event_id", "event_id"),
        (layout::TIME, "time"),
        (layout::INGEST_TIME, "metadata.processed_time"),
        ("source", "metadata.log_name"),
    ]
    .map(|(column, name)| format!("{column} AS \"{name}\""))
    .to_vec();
    let named = COLUMNS.iter().filter(|column| !column.ocsf.is_empty());
    columns.extend(named.map(|column| format!("{} AS \"{}\"", column.name, column.ocsf)));
    columns.push(format!("{} AS \"raw_data\"", layout::RAW));
    // partitions, so that a query by them reads no more than it must
    columns.extend(["day", "hour"].map(str::to_owned));
    columns
}

/// What the archive holds, by source and hour.
#[derive(Default)]
struct Hour {
    files: i64,
    events: i64,
    bytes: i64,
    times: Option<(i64, i64)>,
}

fn coverage(entries: &[Entry]) -> Result<RecordBatch> {
    let mut hours: BTreeMap<(&str, i32, i32), Hour> = BTreeMap::new();
    for entry in entries {
        let Some((day, hour)) = entry.hour.split_once('T') else { continue };
        let day: NaiveDate = day.parse().unwrap_or_default();
        let days = day.signed_duration_since(NaiveDate::default()).num_days();
        let key = (entry.source.as_str(), i32::try_from(days).unwrap_or(0), hour.parse().unwrap_or(0));
        let sum = hours.entry(key).or_default();
        sum.files += 1;
        sum.events += i64::try_from(entry.rows).unwrap_or(i64::MAX);
        sum.bytes += i64::try_from(entry.size).unwrap_or(i64::MAX);
        let (first, last) = sum.times.unwrap_or(entry.times);
        sum.times = Some((first.min(entry.times.0), last.max(entry.times.1)));
    }
    let moment = |of: fn(&(i64, i64)) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray =
            hours.values().map(|hour| hour.times.as_ref().map(of)).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let number =
        |of: fn(&Hour) -> i64| -> ArrayRef { Arc::new(hours.values().map(of).collect::<Int64Array>()) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(hours.keys().map(|(source, ..)| source))),
        Arc::new(Date32Array::from_iter_values(hours.keys().map(|(_, day, _)| *day))),
        Arc::new(Int32Array::from_iter_values(hours.keys().map(|(.., hour)| *hour))),
        number(|hour| hour.events),
        number(|hour| hour.files),
        number(|hour| hour.bytes),
        moment(|(first, _)| *first),
        moment(|(_, last)| *last),
    ];
    Ok(RecordBatch::try_new(coverage_schema(), columns)?)
}

fn coverage_schema() -> SchemaRef {
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("day", DataType::Date32, false),
        Field::new("hour", DataType::Int32, false),
        number("events"),
        number("files"),
        number("bytes"),
        Field::new("first_time", timestamp(), true),
        Field::new("last_time", timestamp(), true),
    ]))
}

fn rules_batch(rules: &[RuleRow]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&RuleRow) -> Option<String>| -> (DataType, ArrayRef) {
        (DataType::Utf8, Arc::new(rules.iter().map(of).collect::<StringArray>()))
    };
    let list = |of: &dyn Fn(&RuleRow) -> &Vec<String>| -> (DataType, ArrayRef) {
        let mut builder = ListBuilder::new(StringBuilder::new());
        for rule in rules {
            of(rule).iter().for_each(|text| builder.values().append_value(text));
            builder.append(true);
        }
        let array = builder.finish();
        (DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), Arc::new(array))
    };
    let columns = [
        ("id", text(&|rule| Some(rule.id.clone()))),
        ("name", text(&|rule| rule.name.clone())),
        ("title", text(&|rule| Some(rule.title.clone()))),
        ("kind", text(&|rule| Some(rule.kind.clone()))),
        ("level", text(&|rule| rule.level.clone())),
        ("status", text(&|rule| rule.status.clone())),
        ("description", text(&|rule| rule.description.clone())),
        ("tags", list(&|rule| &rule.tags)),
        ("sources", list(&|rule| &rule.sources)),
        ("file", text(&|rule| Some(rule.file.clone()))),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, (kind, _))| Field::new(*name, kind.clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, (_, array))| array).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
