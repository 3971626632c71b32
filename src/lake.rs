//! Archives of this program and of others, for the commands that read events.
//!
//! In: an address, and which layout the archive has, where the user says it. Out: a [`Lake`]. What this file
//! adds is what the archive does not know: which shapes log sources have elsewhere, and how their rows become
//! batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use serde_json::{Map, Value};
use virga_archive::foreign::{
    DataType, Family, ForeignArchive, ForeignColumn, ForeignLogs, ForeignShape, Unfit, recognise,
};
use virga_archive::{Archive, ArchiveError, Lake, Layout, Location};
use virga_engine::Engine;
use virga_engine::event::{BatchBuilder, EventBatch, OriginBase, ProjectedField, Projection};
use virga_ingest::environment::Environment;
use virga_ingest::sources::stored::{self, Kind, Plan, StoredColumn};
use virga_ingest::sources::time::parse_time;
use virga_ingest::sources::{Arrival, Normaliser, SourceDef, source};
use virga_ingest::transport::object_store::{ObjectUrl, StoreSettings, process_environment};

use crate::commands::Failure;
use crate::show;

/// Who wrote an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// As it looks.
    #[default]
    Auto,
    /// `virga archive import`.
    Virga,
    /// Amazon Security Lake: OCSF.
    SecurityLake,
    /// Parquet files with the columns of the log itself, as Athena and others write them.
    Parquet,
}

/// Whose archive it is, where that cannot be seen.
#[derive(clap::Args, Clone, Copy, Default)]
pub struct LayoutArgs {
    /// How the archive is laid out.
    #[arg(long = "layout", value_enum, default_value = "auto")]
    pub layout: LayoutName,
}

impl LayoutName {
    /// The shape that all files must have.
    fn shape(self) -> Option<&'static str> {
        match self {
            Self::Auto | Self::Virga => None,
            Self::SecurityLake => Some(stored::SECURITY_LAKE),
            Self::Parquet => Some(stored::PARQUET),
        }
    }
}

/// Where an archive is that a user names. Its store is reached as inputs reach theirs.
pub async fn location(text: &str) -> Result<Location, Failure> {
    location_by(text, &StoreSettings::default()).await
}

/// The same, where something is said of its store.
pub async fn location_by(text: &str, settings: &StoreSettings) -> Result<Location, Failure> {
    let location = Location::new(text).map_err(|error| error.to_string())?;
    let Some(url) = ObjectUrl::parse(text) else { return Ok(location) };
    let store = settings.connect(&url?, &process_environment).await?;
    Ok(location.within(store))
}

/// Opens an archive, and says what of it is left out. `version` asks for an earlier version of one of ours.
///
/// # Errors
/// Where there is none, or nothing of it is known.
pub async fn open(
    location: &Location,
    layout: LayoutName,
    version: Option<u64>,
    logs: &StoredLogs,
    engines: &[&Engine],
) -> Result<Lake, Failure> {
    let failed = |error: ArchiveError| Failure::Message(error.to_string());
    let family = match layout {
        LayoutName::Auto => recognise(location).await.map_err(failed)?,
        LayoutName::Virga => Family::Own,
        LayoutName::SecurityLake | LayoutName::Parquet => Family::Foreign,
    };
    if family == Family::Own {
        let mut archive = Archive::open(location).await.map_err(failed)?;
        if let Some(version) = version {
            archive.at_version(version).await.map_err(failed)?;
        }
        return Ok(Lake::Own(Box::new(archive)));
    }
    if version.is_some() {
        return Err(format!("{location} is not an archive of virga's: it has no versions").into());
    }
    let archive = ForeignArchive::open(location, logs, layouts(&logs.environment, engines)).await;
    Ok(Lake::Foreign(Arc::new(archive.map_err(failed)?)))
}

/// What is kept of each source that others store: canonical columns, and what rules ask for.
fn layouts(environment: &Arc<Environment>, engines: &[&Engine]) -> HashMap<String, Layout> {
    let sources = stored::SHAPES.iter().filter_map(|shape| source(shape.source));
    let layout = |source: &'static SourceDef| {
        let mut asked = Projection::default();
        for fields in engines.iter().filter_map(|engine| engine.projection(source.name)) {
            asked.fields.extend(fields.fields.iter().cloned());
        }
        (source.name.to_owned(), Layout::new(&source.spec_in(environment).columns, &asked))
    };
    sources.map(layout).collect()
}

/// Says what of an archive was left out or could not be read; whether there was anything that should have been.
pub fn tell(lake: &Lake, quiet: bool) -> bool {
    let Lake::Foreign(archive) = lake else { return false };
    let faults = archive.faults().all();
    if !quiet {
        for note in archive.notes() {
            show::say!("{}note:{:#} {}", show::BOLD, show::BOLD, show::printable(note));
        }
        for fault in faults.iter().take(FAULTS_SHOWN) {
            let fault = show::printable(&fault.to_string());
            show::say!("{}unreadable:{:#} {fault}", show::BOLD, show::BOLD);
        }
        if faults.len() > FAULTS_SHOWN {
            let more = faults.len() - FAULTS_SHOWN;
            show::say!("{}unreadable:{:#} {more} more", show::BOLD, show::BOLD);
        }
    }
    !faults.is_empty()
}

/// Messages about files and rows that are printed; a report has all of them.
const FAULTS_SHOWN: usize = 10;

/// What was left out of an archive, or could not be read, for a report.
pub fn notes(lake: &Lake) -> Vec<String> {
    let Lake::Foreign(archive) = lake else { return Vec::new() };
    let shapes = format!("the archive is not virga's: its files are read as {}", archive.shapes().join(", "));
    let faults = archive.faults().all();
    let faults = faults.iter().map(|fault| format!("not read: {fault}"));
    std::iter::once(shapes).chain(archive.notes().iter().cloned()).chain(faults).collect()
}

/// The shapes that log sources have elsewhere.
#[derive(Debug)]
pub struct StoredLogs {
    environment: Arc<Environment>,
    named: Option<&'static str>,
    found: Mutex<Vec<Arc<StoredShape>>>,
}

impl StoredLogs {
    /// In an environment; of files of that layout.
    pub fn new(environment: &Arc<Environment>, layout: LayoutName) -> Self {
        Self { environment: Arc::clone(environment), named: layout.shape(), found: Mutex::default() }
    }

    /// Whether any file that was seen can hold a field of a source; true where none was.
    pub fn keeps(&self, name: &str, field: &ProjectedField) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shapes = found.iter().filter(|shape| shape.source.name == name).peekable();
        shapes.peek().is_none() || shapes.any(|shape| shape.keeps(field))
    }
}

impl ForeignLogs for StoredLogs {
    fn shape(&self, columns: &[ForeignColumn]) -> Result<Arc<dyn ForeignShape>, Unfit> {
        let columns: Vec<StoredColumn> = columns.iter().map(column).collect();
        let plan = Plan::of(&columns, self.named).map_err(|unfit| match unfit {
            stored::Unfit::Other(why) => Unfit::Other(why),
            stored::Unfit::Wrong(why) => Unfit::Wrong(why),
        })?;
        let source = source(plan.shape().source)
            .ok_or_else(|| Unfit::Wrong(format!("there is no source {}", plan.shape().source)))?;
        let shape = Arc::new(StoredShape { plan, source, environment: Arc::clone(&self.environment) });
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&shape));
        Ok(shape)
    }
}

fn column(column: &ForeignColumn) -> StoredColumn {
    let kind = kind(&column.data_type);
    let type_name = column.data_type.to_string();
    StoredColumn { path: column.path.clone(), kind, type_name, is_folder: column.is_folder }
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => Kind::Text,
        DataType::Dictionary(_, value) => kind(value),
        DataType::Boolean => Kind::Bool,
        DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 => Kind::Time,
        DataType::List(_) | DataType::LargeList(_) => Kind::List,
        DataType::Map(_, _) => Kind::Map,
        DataType::Struct(_) => Kind::Object,
        number if number.is_numeric() => Kind::Number,
        _ => Kind::Other,
    }
}

/// How rows of certain columns become events of a source.
#[derive(Debug)]
struct StoredShape {
    plan: Plan,
    source: &'static SourceDef,
    environment: Arc<Environment>,
}

impl StoredShape {
    /// Whether a field can be known: at one of its paths, or from what it is derived of.
    fn keeps(&self, field: &ProjectedField) -> bool {
        let spec = self.source.spec();
        let derived =
            self.source.derivations.iter().filter(|one| field.column.is_some_and(|c| c.name == one.column));
        let computed = self
            .source
            .computed
            .iter()
            .filter(|one| field.computed && one.column.eq_ignore_ascii_case(&field.name));
        let mut from = derived.chain(computed).peekable();
        if field.paths.is_empty() && from.peek().is_none() {
            // the id, the time, and what lookup tables fill in
            return true;
        }
        let mut inputs = from.flat_map(|one| match one.inputs {
            [] => vec![""],
            inputs => inputs.iter().flat_map(|input| input.split(" | ")).collect(),
        });
        field.paths.iter().any(|path| self.plan.gives(path))
            || inputs.any(|input| {
                input.is_empty()
                    || ProjectedField::resolve(input, &spec).paths.iter().any(|path| self.plan.gives(path))
            })
    }
}

impl ForeignShape for StoredShape {
    fn name(&self) -> &str {
        self.plan.shape().name
    }

    fn source(&self) -> &str {
        self.source.name
    }

    fn time(&self) -> Option<&[String]> {
        self.plan.time()
    }

    fn moment(&self, text: &str) -> Option<i64> {
        parse_time(text)
    }

    fn event(&self, row: &Map<String, Value>) -> Result<String, String> {
        self.plan.event(row)
    }

    fn batch(
        &self,
        projection: &Arc<Projection>,
        events: &[(u64, String)],
        (base, ingest_time): (&OriginBase, i64),
    ) -> (EventBatch, Vec<(u64, String)>) {
        let mut normaliser = Normaliser::new(self.source, projection, &self.environment);
        let mut builder = BatchBuilder::new(self.source.name.into(), Arc::clone(projection));
        let mut unreadable = Vec::new();
        for (row, event) in events {
            let arrival = Arrival { base, line: Some(*row), record: None, ingest_time };
            if let Err(cause) = normaliser.normalise(event, &arrival, &mut builder) {
                unreadable.push((*row, cause.to_string()));
            }
        }
        (builder.finish(), unreadable)
    }
}
