//! Which files there are, and whose archive it is.
//!
//! In: a location. Out: whether it is an archive of this crate, a Security Lake, or another folder of Parquet
//! files; and of the latter two the files. Tables that know which of their files count (Delta, Iceberg) are
//! not read by globbing: a Delta table is refused, and of Iceberg's that is said.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};

use crate::error::ArchiveError;
use crate::limits::MAX_FOREIGN_FILES;
use crate::location::Location;

/// Whose archive it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// One of this crate's.
    Own,
    /// Parquet files of another program.
    Foreign,
}

/// The Parquet files of a location.
pub(super) struct Listed {
    pub files: Vec<ObjectMeta>,
    pub notes: Vec<String>,
}

/// Whose archive it is: one of this crate's has a table of events.
///
/// # Errors
/// Where the location cannot be read.
pub async fn recognise(location: &Location) -> Result<Family, ArchiveError> {
    let doing = format!("opening the archive {location}");
    if location.folder().is_some_and(|folder| !folder.is_dir()) {
        return Ok(Family::Own);
    }
    let store = location.objects().map_err(ArchiveError::at(doing.clone()))?;
    let mut log = store.list(Some(&Path::from("events/_delta_log")));
    if log.try_next().await.map_err(ArchiveError::at(doing.clone()))?.is_some() {
        return Ok(Family::Own);
    }
    let mut all = store.list(None);
    while let Some(object) = all.try_next().await.map_err(ArchiveError::at(doing.clone()))? {
        if is_parquet(&object.location) {
            return Ok(Family::Foreign);
        }
    }
    // there is nothing: whoever opens it as one of ours says so
    Ok(Family::Own)
}

/// Files that programs leave beside their data begin with `_` or `.`.
fn is_parquet(path: &Path) -> bool {
    let is_hidden = path.parts().any(|part| part.as_ref().starts_with(['_', '.']));
    path.as_ref().to_lowercase().ends_with(".parquet") && !is_hidden
}

pub(super) async fn list(store: &Arc<dyn ObjectStore>, doing: &str) -> Result<Listed, ArchiveError> {
    let (mut files, mut notes, mut iceberg) = (Vec::new(), Vec::new(), false);
    let mut all = store.list(None);
    while let Some(object) = all.try_next().await.map_err(ArchiveError::at(doing.to_owned()))? {
        let path = object.location.as_ref();
        if path.starts_with("_delta_log/") || path.contains("/_delta_log/") {
            let cause = "it is a Delta table of another program, whose files count only as its log says; \
                         write what it holds into files of its own";
            return Err(ArchiveError::new(doing, cause));
        }
        iceberg |= path.ends_with(".metadata.json");
        if is_parquet(&object.location) {
            files.push(object);
        }
        if files.len() > MAX_FOREIGN_FILES {
            let cause = format!("it has more than {MAX_FOREIGN_FILES} Parquet files; name a prefix below it");
            return Err(ArchiveError::new(doing, cause));
        }
    }
    if files.is_empty() {
        return Err(ArchiveError::new(doing, "there are no Parquet files"));
    }
    if iceberg {
        notes.push(
            "it is an Iceberg table: all Parquet files that lie there are read, also those that the table has \
             replaced and not yet deleted"
                .to_owned(),
        );
    }
    files.sort_by(|a, b| a.location.as_ref().cmp(b.location.as_ref()));
    Ok(Listed { files, notes })
}
