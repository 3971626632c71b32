//! Archives that other programs have written: folders of Parquet files, among them Amazon Security Lake.
//!
//! In: a location, and what log sources say of columns and rows ([`ForeignLogs`]). Out: the same as of an
//! archive of one's own: entries, and files that hold cells. A foreign file is read row by row, each row
//! becomes the event that its source would have written, and the events are packed in memory into files as
//! this crate writes them: whoever reads those sees no difference, and nothing is written anywhere.
//!
//! ```text
//! list ──▶ footers: columns ─▶ a shape, statistics ─▶ from when ──▶ entries
//! entry ──▶ rows ─▶ JSON ─▶ events ─▶ batch ─▶ pack ──▶ StoredFile in memory, one at a time
//! ```
//!
//! A file that cannot be read is told with its name, and the others go on; so is a row.

mod faults;
mod files;
mod list;
mod parts;
mod uuids;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use serde_json::{Map, Value};
use virga_engine::event::{EventBatch, OriginBase, Projection};

use crate::error::ArchiveError;
use crate::layout::Layout;
use crate::location::Location;
use crate::table::{Entry, Range};

pub use arrow::datatypes::DataType;
pub use faults::{Fault, Faults};
pub(crate) use files::ForeignFile;
pub use list::{Family, recognise};
pub use parts::{Lines, Parts};

/// A column of a file, or a member of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForeignColumn {
    /// The column, the member in it, and so on.
    pub path: Vec<String>,
    /// Its type.
    pub data_type: DataType,
    /// It stands in no file: its values are those of the folders by which the files are parted.
    pub is_folder: bool,
}

/// Why a file's rows are no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// They are of a product that no log source knows: the file is left out, and that is told.
    Other(String),
    /// They are nothing that is known, or a column has the wrong type.
    Wrong(String),
}

/// What log sources say of files.
pub trait ForeignLogs: Send + Sync + fmt::Debug {
    /// What rows of such columns are.
    ///
    /// # Errors
    /// Where they are nothing that is known.
    fn shape(&self, columns: &[ForeignColumn]) -> Result<Arc<dyn ForeignShape>, Unfit>;
}

/// How rows of certain columns become events.
pub trait ForeignShape: Send + Sync + fmt::Debug {
    /// What users call it.
    fn name(&self) -> &str;

    /// The log source of the events.
    fn source(&self) -> &str;

    /// The column of the event time.
    fn time(&self) -> Option<&[String]>;

    /// Reads a time as it stands in that column, as JSON; microseconds since 1970.
    fn moment(&self, text: &str) -> Option<i64>;

    /// The event of a row, as its source writes it.
    ///
    /// # Errors
    /// Where the row is none.
    fn event(&self, row: &Map<String, Value>) -> Result<String, String>;

    /// A batch of events, each with its row, from 1; and those that cannot be read, with the cause.
    fn batch(
        &self,
        projection: &Arc<Projection>,
        events: &[(u64, String)],
        arrival: (&OriginBase, i64),
    ) -> (EventBatch, Vec<(u64, String)>);
}

/// An archive that another program has written.
#[derive(Debug)]
pub struct ForeignArchive {
    location: Location,
    store: Arc<dyn ObjectStore>,
    files: Vec<ForeignFile>,
    layouts: HashMap<String, Layout>,
    faults: Faults,
    /// What whoever reads of it must know.
    notes: Vec<String>,
}

impl ForeignArchive {
    /// Opens it: lists its files and reads their footers.
    ///
    /// # Errors
    /// Where there is none, or none of its files holds events that are known.
    pub async fn open(
        location: &Location,
        logs: &dyn ForeignLogs,
        layouts: HashMap<String, Layout>,
    ) -> Result<Self, ArchiveError> {
        let doing = format!("opening {location}");
        let store = location.objects().map_err(ArchiveError::at(doing.clone()))?;
        let listed = list::list(&store, &doing).await?;
        let faults = Faults::default();
        let opened = files::open(&store, &listed.files, logs, &faults).await;
        let mut notes = listed.notes;
        notes.extend(opened.left_out());
        if opened.files.is_empty() {
            let why = faults.all().into_iter().map(|fault| fault.to_string()).chain(opened.left_out());
            let why: Vec<String> = why.take(3).collect();
            return Err(ArchiveError::new(doing, format!("no file of it holds events: {}", why.join("; "))));
        }
        Ok(Self { location: location.clone(), store, files: opened.files, layouts, faults, notes })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The names of the shapes of its files.
    pub fn shapes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.files.iter().map(|file| file.shape.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What could not be read so far.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What whoever reads of it must know: what was left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What is stored of each source.
    pub(crate) fn layouts(&self) -> &HashMap<String, Layout> {
        &self.layouts
    }

    pub(crate) fn files(&self) -> &[ForeignFile] {
        &self.files
    }

    /// Its files with events of a stretch of time.
    pub fn entries(&self, range: Range) -> Vec<Entry> {
        let entries = self.files.iter().map(|file| file.entry.clone());
        entries.filter(|entry| range.meets(entry.times)).collect()
    }

    /// A file's events, packed in memory.
    ///
    /// # Errors
    /// Where the entry is none of this archive's.
    pub fn parts(&self, entry: &Entry) -> Result<Parts, ArchiveError> {
        let doing = || format!("reading {}", entry.path);
        let file = self.file(&entry.path);
        self.file_parts(file.ok_or_else(|| ArchiveError::new(doing(), "there is no such file"))?)
    }

    /// Whether a file is one of it, by its path below the archive.
    pub fn has(&self, path: &str) -> bool {
        self.file(path).is_some()
    }

    fn file(&self, path: &str) -> Option<&ForeignFile> {
        // they are in the order of their paths
        let at = self.files.binary_search_by(|file| file.entry.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    pub(crate) fn file_parts(&self, file: &ForeignFile) -> Result<Parts, ArchiveError> {
        let layout = self.layouts.get(file.shape.source()).ok_or_else(|| {
            let cause = format!("there is no layout for {}", file.shape.source());
            ArchiveError::new(format!("reading {}", file.entry.path), cause)
        })?;
        Ok(Parts::new(&self.store, file, layout, self.location.origin(&file.entry.path), &self.faults))
    }

    /// All events as text, file by file: each with its place.
    pub fn lines(&self) -> impl Iterator<Item = Lines> + '_ {
        self.files
            .iter()
            .map(|file| Lines::new(&self.store, file, self.location.origin(&file.entry.path), &self.faults))
    }
}
