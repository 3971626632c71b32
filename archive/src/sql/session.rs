//! A session: the tables of an archive at one version, and queries that only read, end in time and hold a
//! bounded amount of memory.
//!
//! In: an archive, and what stands around it ([`Around`]). Out: for each query an [`Answer`], batch by batch,
//! or a [`SqlError`] with its place.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::SchemaProvider;
use datafusion::common::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{
    FunctionRegistry as _, SendableRecordBatchStream, SessionState, SessionStateBuilder,
};
use datafusion::logical_expr::{LogicalPlan, ScalarUDF};
use datafusion::optimizer::Analyzer;
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures::StreamExt as _;
use object_store::ObjectStore;
use tokio::runtime::Handle;

use super::balanced::Balanced;
use super::bounded::BoundedPlanner;
use super::error::{Exceeded, SqlError, SqlErrorKind};
use super::events::{Looked, files_of};
use super::far::Far;
use super::functions::{SigmaMatch, SigmaMatcher};
use super::limits::{Limits, WITHOUT};
use super::sealed::Sealed;
use super::sized::Sizes;
use super::to_char::ToChar;
use super::{meant, read_only, shape, tables};
use crate::error::ArchiveError;
use crate::lake::Lake;
use crate::table::{Entry, Range};

/// The name of the one database that a session shows.
pub(crate) const DATABASE: &str = "virga";

/// The schema that holds its tables.
const SCHEMA: &str = "public";

/// What stands around an archive when it is asked.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// What queries may take.
    pub limits: Limits,
    /// The table `rules`.
    pub rules: Vec<tables::RuleRow>,
    /// What `sigma_match` asks; without it there is no such function.
    pub matcher: Option<Arc<dyn SigmaMatcher>>,
    /// Events count as often as they lie there, and nobody looks which lie there twice.
    pub as_stored: bool,
}

/// An archive that is asked.
#[derive(Clone)]
pub struct Session {
    pub(crate) context: SessionContext,
    pub(crate) limits: Limits,
    tables: Arc<Sealed>,
    files: Arc<RwLock<Files>>,
    looked: Arc<Looked>,
}

/// The files of the version that is read: to say which of them is broken.
#[derive(Default)]
struct Files {
    store: Option<Arc<dyn ObjectStore>>,
    entries: Vec<Entry>,
    version: u64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a query gives.
pub struct Answer {
    stream: SendableRecordBatchStream,
    session: Session,
    /// The files that it reads.
    files: HashSet<String>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("schema", &self.stream.schema()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session on an archive as it is at its version.
    ///
    /// # Errors
    /// Where the archive cannot be read.
    pub async fn open(archive: &Lake, around: Around) -> Result<Self, ArchiveError> {
        let doing = format!("asking {}", archive.location());
        let limits = around.limits;
        let (context, sealed) = context(limits).map_err(ArchiveError::at(doing.clone()))?;
        if let Some(matcher) = around.matcher {
            context.register_udf(ScalarUDF::new_from_impl(SigmaMatch::new(matcher)));
        }
        tables::register_rules(&sealed, &around.rules).map_err(ArchiveError::at(doing))?;
        let files = Files::default();
        let looked = Arc::new(Looked::new(around.as_stored));
        let session = Self { context, limits, tables: sealed, files: Arc::new(RwLock::new(files)), looked };
        session.show(archive).await?;
        Ok(session)
    }

    /// Shows an archive at another version. Queries that run go on as they began.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn show(&self, archive: &Lake) -> Result<(), ArchiveError> {
        let doing = format!("asking {}", archive.location());
        let files = match archive {
            Lake::Own(archive) => {
                let entries = archive.entries(Range::ALL).await?;
                tables::register(&self.context, &self.tables, archive, &entries, &self.looked)
                    .await
                    .map_err(ArchiveError::at(doing))?;
                let store = Some(archive.events.object_store());
                Files { store, entries, version: archive.version() }
            }
            // what of it cannot be read is told by name when it is read
            Lake::Foreign(archive) => {
                let register = tables::register_foreign(&self.context, &self.tables, archive).await;
                register.map_err(ArchiveError::at(doing))?;
                Files::default()
            }
        };
        *self.files.write().unwrap_or_else(std::sync::PoisonError::into_inner) = files;
        Ok(())
    }

    /// The version of the events that is read.
    pub fn version(&self) -> u64 {
        self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner).version
    }

    /// Whether queries wait until it is known which events lie there twice.
    pub(crate) fn is_looking(&self) -> bool {
        self.looked.is_busy()
    }

    /// Begins a query.
    ///
    /// # Errors
    /// Where it is no SQL, does not read, or cannot be planned.
    pub async fn run(&self, sql: &str) -> Result<Answer, SqlError> {
        shape::check(sql)?;
        let (session, sql) = (self.clone(), sql.to_owned());
        let planning = aside(async move { session.plan(&sql).await });
        match tokio::time::timeout(self.limits.time, planning).await {
            Ok(planned) => planned.map_err(|error| SqlError::of(&error, &self.limits))?,
            Err(_) if self.is_looking() => Err(SqlError::exceeded(Exceeded::TimeToLook, &self.limits)),
            Err(_) => Err(SqlError::exceeded(Exceeded::Time, &self.limits)),
        }
    }

    async fn plan(&self, sql: &str) -> Result<Answer, SqlError> {
        let state = self.context.state();
        let mut statement =
            state.sql_to_statement(sql, &Dialect::PostgreSQL).map_err(|error| self.words(&error))?;
        read_only::check(&statement)?;
        meant::correct(&mut statement);
        let plan = planned(state, statement).await.map_err(|error| self.words(&error))?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(|error| self.words(&error))?;
        let task = Arc::new(frame.task_ctx());
        let steps = match frame.create_physical_plan().await {
            Ok(steps) => steps,
            Err(error) => return Err(self.explain(&error, None).await),
        };
        let files = files_of(&steps);
        match execute_stream(steps, task) {
            Ok(stream) => Ok(Answer { stream, session: self.clone(), files }),
            Err(error) => Err(self.explain(&error, Some(&files)).await),
        }
    }

    fn words(&self, error: &DataFusionError) -> SqlError {
        SqlError::of(error, &self.limits)
    }

    /// An error in words; where the archive cannot be read, with the file that is broken: one of those that the query
    /// reads, where that is known.
    pub(crate) async fn explain(&self, error: &DataFusionError, read: Option<&HashSet<String>>) -> SqlError {
        let mut own = self.words(error);
        if own.kind == SqlErrorKind::Store
            && let Some((path, cause)) = self.broken_file(&own.message, read).await
        {
            own.message = format!("{path} of the archive cannot be read: {cause}");
        }
        own
    }

    /// The file that an error names; else the first that is not there or is no Parquet file.
    async fn broken_file(&self, said: &str, read: Option<&HashSet<String>>) -> Option<(String, String)> {
        let (store, entries) = {
            let files = self.files.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            (files.store.clone()?, files.entries.clone())
        };
        let mut entries: Vec<Entry> =
            entries.into_iter().filter(|entry| read.is_none_or(|read| read.contains(&entry.path))).collect();
        entries.sort_by_key(|entry| !said.contains(&entry.path));
        for entry in &entries {
            if let Err(error) = crate::reader::footer(&store, entry).await {
                return Some((format!("events/{}", entry.path), error.cause));
            }
        }
        None
    }
}

impl Answer {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// Where a limit is met, the archive cannot be read, or a value does not fit.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        match self.stream.next().await {
            None => Ok(None),
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => Err(self.session.explain(&error, Some(&self.files)).await),
        }
    }
}

/// What a statement means: nothing that does more than read. Whoever carries out a plan gets it from here.
///
/// # Errors
/// Where it names what is not there, or does not read.
pub(crate) async fn planned(
    state: SessionState,
    statement: Statement,
) -> Result<LogicalPlan, DataFusionError> {
    let plan = state.statement_to_plan(statement).await?;
    reads_only().verify_plan(&plan).map_err(|error| {
        let words = error.strip_backtrace();
        let refused = SqlError::refused(words.trim_start_matches("Error during planning: "));
        DataFusionError::External(Box::new(refused))
    })?;
    Ok(plan)
}

/// Does work that may take long without ever waiting for anything, so that its time can be over, and others go on
/// meanwhile. What nobody waits for any more comes to its end by itself.
///
/// # Errors
/// Where it has panicked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, DataFusionError> {
    let here = Handle::current();
    let done = tokio::task::spawn_blocking(move || here.block_on(work)).await;
    done.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))
}

/// What a plan may hold.
pub(crate) fn reads_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

/// Everything but the tables, and the schema into which they are put.
fn context(limits: Limits) -> Result<(SessionContext, Arc<Sealed>), DataFusionError> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(DATABASE, SCHEMA)
        .with_create_default_catalog_and_schema(true)
        .with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    let pool = TrackConsumersPool::new(GreedyMemoryPool::new(limits.memory), NonZeroUsize::MIN);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()?;
    // before the others, which copy conditions and go through them
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(Balanced));
    rules.insert(1, Arc::new(Far));
    rules.push(Arc::new(Sizes { most: limits.memory }));
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rules(rules)
        .with_query_planner(Arc::new(BoundedPlanner { limits }))
        .build();
    let mut context = SessionContext::new_with_state(state);
    datafusion_functions_json::register_all(&mut context)?;
    for name in WITHOUT {
        context.deregister_udf(name);
    }
    let to_char = context.udf("to_char")?;
    context.register_udf(ScalarUDF::new_from_impl(ToChar(to_char)));
    let sealed = Arc::new(Sealed::default());
    if let Some(catalog) = context.catalog(DATABASE) {
        catalog.register_schema(SCHEMA, Arc::clone(&sealed) as Arc<dyn SchemaProvider>)?;
    }
    Ok((context, sealed))
}
