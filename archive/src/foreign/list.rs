//! Which files there are, and whose archive it is.
//!
//! In: a location. Out: whether it is an archive of this crate, a Security Lake, or another folder of Parquet
//! files; and of the latter two the files. Tables that know which of their files count (Delta, Iceberg) are
//! not read by globbing: a Delta table is refused, and of Iceberg's that is said.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use crate::error::ArchiveError;
use crate::limits::{MAX_FOOTERS, MAX_FOREIGN_FILES, MAX_LOOKS};
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
    let (mut all, mut looks) = (store.list(None), 0);
    while let Some(object) = all.try_next().await.map_err(ArchiveError::at(doing.clone()))? {
        let found = match named(&object.location) {
            Named::Parquet => true,
            Named::Nothing if looks < MAX_LOOKS => {
                looks += 1;
                begins_as_parquet(&store, &object).await.map_err(ArchiveError::at(doing.clone()))?
            }
            Named::Nothing | Named::Other => false,
        };
        if found {
            return Ok(Family::Foreign);
        }
    }
    // there is nothing: whoever opens it as one of ours says so
    Ok(Family::Own)
}

/// What a file's name says of it.
#[derive(PartialEq, Eq)]
enum Named {
    Parquet,
    /// It has no ending, as what Athena and Hive write: its first bytes say it.
    Nothing,
    Other,
}

/// Files that programs leave beside their data begin with `_` or `.`.
fn named(path: &Path) -> Named {
    let is_hidden = path.parts().any(|part| part.as_ref().starts_with(['_', '.']));
    let name = path.filename().unwrap_or_default();
    match name.to_lowercase().ends_with(".parquet") {
        _ if is_hidden => Named::Other,
        true => Named::Parquet,
        false if name.contains('.') => Named::Other,
        false => Named::Nothing,
    }
}

/// Whether a file of which its name says nothing is one of Parquet.
async fn begins_as_parquet(
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
) -> Result<bool, object_store::Error> {
    // its mark stands at both ends
    let mark = b"PAR1";
    if object.size < 2 * mark.len() as u64 {
        return Ok(false);
    }
    Ok(store.get_range(&object.location, 0..mark.len() as u64).await?.as_ref() == mark)
}

/// Those of files without endings that are of Parquet.
async fn of_parquet(
    store: &Arc<dyn ObjectStore>,
    unnamed: Vec<ObjectMeta>,
) -> Result<Vec<ObjectMeta>, object_store::Error> {
    let look = |object: ObjectMeta| async move {
        let found = begins_as_parquet(store, &object).await?;
        Ok(found.then_some(object))
    };
    let looked = futures::stream::iter(unnamed.into_iter().map(look)).buffered(MAX_FOOTERS);
    looked.try_filter_map(|found| std::future::ready(Ok(found))).try_collect().await
}

fn bounded(count: usize, what: &str, doing: &str) -> Result<(), ArchiveError> {
    if count <= MAX_FOREIGN_FILES {
        return Ok(());
    }
    let cause = format!("it has more than {MAX_FOREIGN_FILES} {what}; name a prefix below it");
    Err(ArchiveError::new(doing, cause))
}

pub(super) async fn list(store: &Arc<dyn ObjectStore>, doing: &str) -> Result<Listed, ArchiveError> {
    let (mut files, mut unnamed, mut notes, mut iceberg) = (Vec::new(), Vec::new(), Vec::new(), false);
    let mut all = store.list(None);
    while let Some(object) = all.try_next().await.map_err(ArchiveError::at(doing.to_owned()))? {
        let path = object.location.as_ref();
        if path.starts_with("_delta_log/") || path.contains("/_delta_log/") {
            let cause = "it is a Delta table of another program, whose files count only as its log says; \
                         write what it holds into files of its own";
            return Err(ArchiveError::new(doing, cause));
        }
        iceberg |= path.ends_with(".metadata.json");
        match named(&object.location) {
            Named::Parquet => files.push(object),
            Named::Nothing => unnamed.push(object),
            Named::Other => {}
        }
        bounded(files.len(), "Parquet files", doing)?;
        // of each it would have to be looked into what it is
        bounded(unnamed.len(), "files without endings", doing)?;
    }
    files.extend(of_parquet(store, unnamed).await.map_err(ArchiveError::at(doing.to_owned()))?);
    bounded(files.len(), "Parquet files", doing)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beyond_a_limit_are_said_to_be_what_they_are() {
        for (count, what, expected) in [
            (MAX_FOREIGN_FILES, "Parquet files", None),
            (MAX_FOREIGN_FILES + 1, "Parquet files", Some("more than 200000 Parquet files")),
            (MAX_FOREIGN_FILES + 1, "files without endings", Some("more than 200000 files without endings")),
        ] {
            let said = bounded(count, what, "listing").err().map(|error| error.to_string());
            assert_eq!(said.is_some(), expected.is_some(), "{count} {what}");
            let says = |said: String| expected.is_some_and(|expected| said.contains(expected));
            assert!(said.is_none_or(says), "{count} {what}");
        }
    }
}
