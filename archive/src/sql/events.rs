//! The table `events` of an archive of this crate.
//!
//! In: its files at one version. Out: each event once. Files whose partition or stretch of time a query excludes are
//! not opened. Of the others it is asked what they say of their values, where that can help ([`Asked`]), and DataFusion
//! reads what it needs of the blocks that are left, but for the rows that hold an event which stands in another row
//! already ([`Repeats`]): these too are left out of the file's selection before anything of it is read.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource, wrap_partition_type_in_dict,
    wrap_partition_value_in_dict,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use virga_engine::scan::Blocks;

use super::blocks::Asked;
use super::pruned::pruned;
use crate::layout::PARTITIONS;
use crate::limits::{MAX_AHEAD, MAX_ASKED_BEFORE, MAX_ASKED_IN_VAIN, MAX_HOURS_AT_ONCE};
use crate::prune::{all_blocks, rows_in};
use crate::reader::{StoredFile, selection_of};
use crate::repeats::{Hour, Repeats, by_hour, set_name};
use crate::table::{Archive, Entry, partition_of};

/// What the store of events is called within a session.
const STORE: &str = "virga://events";

/// The events of an archive.
#[derive(Debug)]
pub(crate) struct Events {
    archive: Archive,
    entries: Vec<Entry>,
    /// The columns in the order of the table.
    schema: SchemaRef,
    /// Those that files have, and behind them the partitions.
    stored: TableSchema,
    looked: Arc<Looked>,
}

/// What is known of events that stand twice, for all queries of a session and all versions that it shows.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Events count as often as they lie there: nobody looks.
    pub as_stored: bool,
    /// By the name of an hour's set of files.
    known: Mutex<HashMap<String, Arc<Repeats>>>,
    /// Hours that are looked at now.
    now: AtomicUsize,
}

impl Looked {
    pub fn new(as_stored: bool) -> Self {
        Self { as_stored, ..Self::default() }
    }

    /// Whether a query waits for it now.
    pub fn is_busy(&self) -> bool {
        self.now.load(Ordering::SeqCst) > 0
    }

    /// Forgets sets of files that the version at hand does not have: a server shows one after the other.
    fn keep(&self, entries: &[Entry]) {
        let names = by_hour(entries).into_values().map(|files| name_of(&files));
        let names: HashSet<String> = names.collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, _| names.contains(name));
    }

    /// What stands twice in an hour. `files` are all that it has.
    async fn repeats(&self, archive: &Archive, files: &[Entry]) -> Result<Arc<Repeats>> {
        if self.as_stored {
            return Ok(Arc::default());
        }
        let name = name_of(files);
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(repeats) = known().get(&name) {
            return Ok(Arc::clone(repeats));
        }
        let busy = Busy::new(&self.now);
        let repeats = archive.repeats(files).await;
        drop(busy);
        let repeats = Arc::new(repeats.map_err(|error| DataFusionError::External(Box::new(error)))?);
        known().insert(name, Arc::clone(&repeats));
        Ok(repeats)
    }
}

fn name_of(files: &[Entry]) -> String {
    set_name(files.iter().map(|file| file.path.as_str()))
}

/// Counts as long as it lives: a query that is given up drops it.
struct Busy<'n>(&'n AtomicUsize);

impl<'n> Busy<'n> {
    fn new(now: &'n AtomicUsize) -> Self {
        now.fetch_add(1, Ordering::SeqCst);
        Self(now)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Events {
    /// The table, whose files these are.
    pub fn new(
        archive: &Archive,
        entries: &[Entry],
        looked: &Arc<Looked>,
        state: &dyn Session,
    ) -> Result<Self> {
        let url = ObjectStoreUrl::parse(STORE)?;
        state.runtime_env().register_object_store(url.as_ref(), archive.events.object_store());
        let stored = archive.events.snapshot()?.snapshot().arrow_schema();
        let schema = Schema::new(stored.fields().iter().map(|field| shown(field)).collect::<Vec<_>>());
        let is_partition = |field: &&Arc<Field>| PARTITIONS.contains(&field.name().as_str());
        let files: Vec<Arc<Field>> = schema.fields().iter().filter(|f| !is_partition(f)).cloned().collect();
        let partitions = PARTITIONS.iter().map(|name| schema.field_with_name(name).cloned().map(Arc::new));
        let partitions = partitions.collect::<std::result::Result<Vec<_>, _>>()?;
        let stored =
            TableSchema::builder(Arc::new(Schema::new(files))).with_table_partition_cols(partitions).build();
        looked.keep(entries);
        let entries = entries.to_vec();
        Ok(Self {
            archive: archive.clone(),
            entries,
            schema: Arc::new(schema),
            stored,
            looked: Arc::clone(looked),
        })
    }

    /// The files that may hold what filters ask for, each with the rows of it to read; and the rows of all.
    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<(Vec<PartitionedFile>, usize)> {
        let kept = pruned(state, &self.schema, &self.entries, filters)?;
        let kept =
            self.entries.iter().zip(kept).filter(|(_, kept)| *kept).map(|(entry, _)| Part::whole(entry));
        let kept: Vec<Part<'_>> = match Asked::of(state, &self.schema, filters) {
            Some(asked) => self.asked(&Arc::new(asked), kept.collect()).await?,
            None => kept.collect(),
        };
        let hours: HashSet<(&str, &str)> =
            kept.iter().map(|part| (part.entry.source.as_str(), part.entry.hour.as_str())).collect();
        let mut all = by_hour(&self.entries);
        all.retain(|(source, hour), _| hours.contains(&(source, hour)));
        let look = |(hour, files): (Hour, Vec<Entry>)| async move {
            Ok::<_, DataFusionError>((hour, self.looked.repeats(&self.archive, &files).await?))
        };
        let looks: Vec<_> = all.into_iter().map(look).collect();
        let repeats: HashMap<Hour, Arc<Repeats>> =
            futures::stream::iter(looks).buffered(MAX_HOURS_AT_ONCE).try_collect().await?;
        let mut rows = 0;
        let file = |part: &Part<'_>| {
            let passed = repeats.get(&(part.entry.source.clone(), part.entry.hour.clone()));
            let passed = passed.map_or(&[][..], |repeats| repeats.of(&part.entry.path));
            rows += part.entry.rows - passed.len();
            partitioned(part, passed)
        };
        let files = kept.iter().map(file).collect();
        Ok((files, rows))
    }

    /// Files, without those and those blocks of which they say themselves that no row in them passes.
    async fn asked<'e>(&self, asked: &Arc<Asked>, files: Vec<Part<'e>>) -> Result<Vec<Part<'e>>> {
        let store = self.archive.events.object_store();
        let ask = |part: Part<'e>| {
            let (asked, store, entry) = (Arc::clone(asked), Arc::clone(&store), part.entry.clone());
            async move {
                // on all threads: to unpack what a file says takes as long as to read it
                let says = SpawnedTask::spawn(async move { says(&store, &entry, &asked).await });
                let blocks = says.await.map_err(|error| DataFusionError::External(Box::new(error)))?;
                Ok::<_, DataFusionError>(Part { blocks, ..part })
            }
        };
        let (mut kept, mut files) = (Vec::with_capacity(files.len()), files.into_iter().peekable());
        let mut in_vain: usize = 0;
        while files.peek().is_some() {
            let some: Vec<Part<'e>> = files.by_ref().take(MAX_ASKED_BEFORE).collect();
            let rows: usize = some.iter().map(|part| part.entry.rows).sum();
            let asks: Vec<_> = some.into_iter().map(ask).collect();
            let answers: Vec<Part<'e>> =
                futures::stream::iter(asks).buffered(MAX_AHEAD).try_collect().await?;
            let left: usize = answers.iter().map(Part::rows).sum();
            kept.extend(answers.into_iter().filter(|part| part.rows() > 0));
            // what is true of nearly all rows is asked of fewer files
            in_vain = if left * 8 > rows * 7 { (in_vain * 2).clamp(1, MAX_ASKED_IN_VAIN) } else { 0 };
            kept.extend(files.by_ref().take(in_vain * MAX_ASKED_BEFORE));
        }
        Ok(kept)
    }
}

/// The blocks of each row group in which a row may pass; `None` where all have to be read.
async fn says(store: &Arc<dyn ObjectStore>, entry: &Entry, asked: &Asked) -> Option<Vec<(usize, Blocks)>> {
    // who reads a file that cannot be opened is told of it
    let mut file = StoredFile::of(Arc::clone(store), entry).await.ok()?;
    file.learn_by_name(asked.columns.iter().map(String::as_str)).await.ok()?;
    let groups = (0..file.groups()).map(|group| (file.rows(group), asked.blocks(&file, group)));
    let groups: Vec<(usize, Blocks)> = groups.collect();
    groups.iter().any(|(rows, blocks)| *blocks != all_blocks(*rows)).then_some(groups)
}

/// What of a file is read.
struct Part<'e> {
    entry: &'e Entry,
    /// By row group: its rows, and the blocks of them; `None` where all are read.
    blocks: Option<Vec<(usize, Blocks)>>,
}

impl<'e> Part<'e> {
    fn whole(entry: &'e Entry) -> Self {
        Self { entry, blocks: None }
    }

    fn rows(&self) -> usize {
        match &self.blocks {
            Some(groups) => groups.iter().map(|(rows, blocks)| rows_in(*blocks, *rows)).sum(),
            None => self.entry.rows,
        }
    }

    /// `None` where all rows are read.
    fn selection(&self, passed: &[u32]) -> Option<RowSelection> {
        let without = (!passed.is_empty()).then(|| without(passed, self.entry.rows));
        let selectors = self.blocks.iter().flatten().flat_map(|(rows, blocks)| {
            let selectors: Vec<RowSelector> = selection_of(*blocks, *rows).into();
            selectors
        });
        let blocks = self.blocks.is_some().then(|| RowSelection::from(selectors.collect::<Vec<_>>()));
        match (blocks, without) {
            (Some(blocks), Some(without)) => Some(blocks.intersection(&without)),
            (blocks, without) => blocks.or(without),
        }
    }
}

#[async_trait]
impl TableProvider for Events {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (files, rows) = self.files(state, filters).await?;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let mut options = datafusion::common::config::TableParquetOptions::new();
        options.global = state.config_options().execution.parquet.clone();
        let source: Arc<dyn FileSource> =
            Arc::new(ParquetSource::new(self.stored.clone()).with_table_parquet_options(options));
        let stored = self.stored.table_schema();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all).iter();
        let columns = columns.map(|at| stored.index_of(self.schema.field(*at).name()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        let mut statistics = Statistics::new_unknown(stored);
        statistics.num_rows = match filters.is_empty() {
            true => Precision::Exact(rows),
            false => Precision::Inexact(rows),
        };
        // filters are inexact: what they leave is known behind them
        let limit = if filters.is_empty() { limit } else { None };
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE)?, source)
            .with_file_groups(FileGroup::new(files).split_files(state.config().target_partitions()))
            .with_statistics(statistics)
            .with_projection_indices(Some(columns))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The paths of the files that a plan reads.
pub(super) fn files_of(plan: &Arc<dyn ExecutionPlan>) -> HashSet<String> {
    let (mut found, mut left_over) = (HashSet::new(), vec![plan]);
    while let Some(step) = left_over.pop() {
        left_over.extend(step.children());
        let scan = step.downcast_ref::<DataSourceExec>();
        let Some(scan) = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>()) else {
            continue;
        };
        let files = scan.file_groups.iter().flat_map(FileGroup::iter);
        found.extend(files.map(|file| file.object_meta.location.to_string()));
    }
    found
}

/// A column as queries see it.
fn shown(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8 if field.name() == "source" => wrap_partition_type_in_dict(DataType::Utf8),
        DataType::Utf8 => DataType::Utf8View,
        other => other.clone(),
    };
    Field::new(field.name(), kind, true)
}

/// A file with the values of its partitions, without what need not be read and the rows that are passed over.
fn partitioned(part: &Part<'_>, passed: &[u32]) -> PartitionedFile {
    let entry = part.entry;
    let partition = partition_of(entry);
    let source = ScalarValue::Utf8(Some(entry.source.clone()));
    let file = PartitionedFile::new(entry.path.clone(), entry.size).with_partition_values(vec![
        wrap_partition_value_in_dict(source),
        ScalarValue::Date32(i32::try_from(partition.hour.div_euclid(24)).ok()),
        ScalarValue::Int32(i32::try_from(partition.hour.rem_euclid(24)).ok()),
    ]);
    match part.selection(passed) {
        Some(selection) => file.with_extension(ParquetRowSelection::new(selection)),
        None => file,
    }
}

/// All rows but some, which come in order.
fn without(passed: &[u32], rows: usize) -> RowSelection {
    let mut selectors = Vec::new();
    let mut next = 0;
    for run in passed.chunk_by(|a, b| a + 1 == *b) {
        let first = run.first().map_or(0, |row| *row as usize);
        if first > next {
            selectors.push(RowSelector::select(first - next));
        }
        selectors.push(RowSelector::skip(run.len()));
        next = first + run.len();
    }
    if rows > next {
        selectors.push(RowSelector::select(rows - next));
    }
    selectors.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_leaves_out_what_is_passed_over_and_nothing_else() {
        for (passed, rows) in
            [(vec![], 3), (vec![0], 3), (vec![2], 3), (vec![0, 1, 2], 3), (vec![1, 2, 5], 9)]
        {
            let selection: Vec<RowSelector> = without(&passed, rows).into();
            let mut row = 0;
            let mut left_out = Vec::new();
            for selector in selection {
                left_out
                    .extend((row..row + selector.row_count).filter(|_| selector.skip).map(|row| row as u32));
                row += selector.row_count;
            }
            assert_eq!((left_out, row), (passed, rows));
        }
    }

    #[test]
    fn what_is_known_of_a_set_of_files_goes_with_the_set() {
        let entry = |path: &str| Entry {
            path: path.into(),
            source: "s".into(),
            hour: "2026-03-02T09".into(),
            size: 1,
            rows: 1,
            times: (0, 0),
            apart: None,
        };
        let (before, after) = (vec![entry("a"), entry("b")], vec![entry("a"), entry("b"), entry("c")]);
        let looked = Looked::new(false);
        looked.known.lock().unwrap().insert(name_of(&before), Arc::default());
        looked.keep(&before);
        assert_eq!(looked.known.lock().unwrap().len(), 1);
        looked.keep(&after);
        assert_eq!(looked.known.lock().unwrap().len(), 0);
    }
}
