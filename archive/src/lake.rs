//! An archive of one's own, or of another program: the same for whoever reads events.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use virga_engine::event::ProjectedField;

use crate::error::ArchiveError;
use crate::foreign::{ForeignArchive, Parts};
use crate::limits::MAX_AHEAD;
use crate::location::Location;
use crate::reader::StoredFile;
use crate::repeats::{Repeats, is_apart};
use crate::table::{Archive, Entry, Range};

/// Where events are read from.
#[derive(Debug)]
pub enum Lake {
    /// An archive of this crate's.
    Own(Box<Archive>),
    /// Files of another program.
    Foreign(Arc<ForeignArchive>),
}

/// The files that an entry is read as: itself, or what is made of it in memory, one after the other.
#[derive(Debug)]
pub enum LakeFiles {
    /// A file of an archive of this crate's.
    Own(Option<Box<StoredFile>>),
    /// What is made of a foreign one.
    Foreign(Box<Parts>),
}

impl Lake {
    /// Where it is.
    pub fn location(&self) -> &Location {
        match self {
            Self::Own(archive) => archive.location(),
            Self::Foreign(archive) => archive.location(),
        }
    }

    /// Its version; files of other programs have none that is known here.
    pub fn version(&self) -> u64 {
        match self {
            Self::Own(archive) => archive.version(),
            Self::Foreign(_) => 0,
        }
    }

    /// Learns what others have committed since; files of other programs stay those that there were.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn refresh(&mut self) -> Result<(), ArchiveError> {
        match self {
            Self::Own(archive) => archive.refresh().await,
            Self::Foreign(_) => Ok(()),
        }
    }

    /// Its files with events of a stretch of time.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn entries(&self, range: Range) -> Result<Vec<Entry>, ArchiveError> {
        match self {
            Self::Own(archive) => archive.entries(range).await,
            Self::Foreign(archive) => Ok(archive.entries(range)),
        }
    }

    /// Whether it is known that no event of an hour is there twice, or nobody can know. `files` are all that it
    /// has.
    pub fn is_apart(&self, files: &[Entry]) -> bool {
        match self {
            Self::Own(_) => is_apart(files),
            Self::Foreign(_) => true,
        }
    }

    /// The rows to pass over of the files of an hour of a source, which hold events that stand in others too.
    /// `files` are all that the hour has. Of files of other programs nobody knows.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub async fn repeats(&self, files: &[Entry]) -> Result<Repeats, ArchiveError> {
        match self {
            Self::Own(archive) => archive.repeats(files).await,
            Self::Foreign(_) => Ok(Repeats::default()),
        }
    }

    /// Opens an entry.
    ///
    /// # Errors
    /// Where it is not there, or is no Parquet file.
    pub async fn open(&self, entry: &Entry) -> Result<LakeFiles, ArchiveError> {
        match self {
            Self::Own(archive) => {
                let file = StoredFile::open(archive, entry).await?;
                Ok(LakeFiles::Own(Some(Box::new(file))))
            }
            Self::Foreign(archive) => archive.parts(entry).map(|parts| LakeFiles::Foreign(Box::new(parts))),
        }
    }
}

/// What somebody will ask of an entry: the fields of which he wants to know what the file says; `None` where he
/// will not open it.
pub type WillAsk = Option<Arc<[ProjectedField]>>;

/// Entries that are opened in their order, some ahead of whoever reads them: a store far away takes long to answer
/// and answers many at once.
pub struct Ahead<'l> {
    opened: BoxStream<'l, (Entry, Option<Result<LakeFiles, ArchiveError>>)>,
}

impl std::fmt::Debug for Ahead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").finish_non_exhaustive()
    }
}

impl Ahead<'_> {
    /// The next entry, opened where it was to be.
    pub async fn next(&mut self) -> Option<(Entry, Option<Result<LakeFiles, ArchiveError>>)> {
        self.opened.next().await
    }
}

impl Lake {
    /// Opens entries in their order.
    pub fn ahead(&self, entries: Vec<(Entry, WillAsk)>) -> Ahead<'_> {
        let open = move |(entry, asks): (Entry, WillAsk)| async move {
            let opened = match asks {
                Some(fields) => Some(self.open_and_fetch(&entry, &fields).await),
                None => None,
            };
            (entry, opened)
        };
        // a disk answers at once, and each file more takes memory
        let ahead = if self.location().folder().is_some() { 2 } else { MAX_AHEAD };
        Ahead { opened: futures::stream::iter(entries).map(open).buffered(ahead).boxed() }
    }

    async fn open_and_fetch(
        &self,
        entry: &Entry,
        fields: &[ProjectedField],
    ) -> Result<LakeFiles, ArchiveError> {
        let mut files = self.open(entry).await?;
        // of another program's file nothing is known before it is read
        if let LakeFiles::Own(Some(file)) = &mut files {
            file.learn(&fields.iter().collect::<Vec<_>>()).await?;
        }
        Ok(files)
    }
}

impl LakeFiles {
    /// The next file.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub async fn next(&mut self) -> Result<Option<StoredFile>, ArchiveError> {
        match self {
            Self::Own(file) => Ok(file.take().map(|file| *file)),
            Self::Foreign(parts) => parts.next().await,
        }
    }
}
