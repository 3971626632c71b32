//! The keys below a prefix, in their order, without looking where nothing can be.
//!
//! In: a store, a prefix, a [`Selection`]. Out: the objects to read, ordered by key, through a bounded
//! channel, and counts of what was not taken. Folders are looked at one by one only where they tell
//! something that was asked for; below that all keys come with a thousand to an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::mpsc;

use super::body::describe;
use super::layout::{Selection, Verdict};
use crate::limits::MAX_FOLDER_DEPTH;
use crate::transport::names;

/// What was found and what was left, shared with whoever reports it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Objects to read.
    pub taken: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Objects whose names are not those of logs.
    pub passed_over: AtomicU64,
    /// Folders that were left because nothing in them was asked for.
    pub folders_left: AtomicU64,
    /// Objects that were left because of their keys.
    pub objects_left: AtomicU64,
    /// Folders of which only some days were looked at.
    pub folders_of_days: AtomicU64,
}

/// What a walk gives: an object, or why a folder could not be listed (the prefix and the cause).
pub type Found = Result<ObjectMeta, (String, String)>;

/// One walk below a prefix.
pub struct Walk {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// What is asked for.
    pub selection: Selection,
    /// What was found and left.
    pub counts: Arc<Counts>,
    /// Where what is found goes.
    pub found: mpsc::Sender<Found>,
}

/// What is still to be looked at.
enum Step {
    Folder(String, usize),
    Whole(String),
    Object(ObjectMeta),
}

/// Whoever took what was found is gone.
struct Gone;

impl Walk {
    /// Walks, until all is found or nobody takes it.
    pub async fn run(self, prefix: String) {
        // the folder that holds what the prefix begins, so that `s3://b/AWSLogs` is `s3://b/AWSLogs/`
        let folder = match prefix.is_empty() || prefix.ends_with('/') {
            true => prefix,
            false => format!("{prefix}/"),
        };
        // depth first, last on top
        let mut pending = vec![Step::Folder(folder, 0)];
        while let Some(step) = pending.pop() {
            let done = match step {
                Step::Object(meta) => self.take(meta).await,
                Step::Whole(folder) => self.whole(&folder).await,
                Step::Folder(folder, depth) => self.folder(&folder, depth, &mut pending).await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    async fn folder(&self, folder: &str, depth: usize, pending: &mut Vec<Step>) -> Result<(), Gone> {
        match self.selection.folder(folder) {
            Verdict::Leave => {
                self.counts.folders_left.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Verdict::All => {
                pending.push(Step::Whole(folder.to_owned()));
                Ok(())
            }
            Verdict::Days(days) => {
                self.counts.folders_of_days.fetch_add(1, Ordering::Relaxed);
                pending.extend(days.into_iter().rev().map(Step::Whole));
                Ok(())
            }
            Verdict::Descend if depth > MAX_FOLDER_DEPTH => {
                self.give(Err((folder.to_owned(), format!("more than {MAX_FOLDER_DEPTH} folders deep"))))
                    .await
            }
            Verdict::Descend => self.descend(folder, depth, pending).await,
        }
    }

    async fn descend(&self, folder: &str, depth: usize, pending: &mut Vec<Step>) -> Result<(), Gone> {
        let listed = match path_of(folder) {
            Ok(path) => self.store.list_with_delimiter(path.as_ref()).await.map_err(|error| describe(&error)),
            Err(cause) => Err(cause),
        };
        let listed = match listed {
            Ok(listed) => listed,
            Err(cause) => return self.give(Err((folder.to_owned(), cause))).await,
        };
        let mut below: Vec<(String, Step)> = Vec::new();
        for prefix in listed.common_prefixes {
            let prefix = format!("{prefix}/");
            if names::is_beside_logs(&prefix) {
                self.counts.folders_left.fetch_add(1, Ordering::Relaxed);
            } else {
                below.push((prefix.clone(), Step::Folder(prefix, depth + 1)));
            }
        }
        below.extend(listed.objects.into_iter().map(|meta| (meta.location.to_string(), Step::Object(meta))));
        below.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        pending.extend(below.into_iter().map(|(_, step)| step));
        Ok(())
    }

    async fn whole(&self, folder: &str) -> Result<(), Gone> {
        let path = match path_of(folder) {
            Ok(path) => path,
            Err(cause) => return self.give(Err((folder.to_owned(), cause))).await,
        };
        let mut objects = self.store.list(path.as_ref());
        while let Some(next) = objects.next().await {
            match next {
                Ok(meta) => self.take(meta).await?,
                // what follows a failed answer is not known
                Err(error) => return self.give(Err((folder.to_owned(), describe(&error)))).await,
            }
        }
        Ok(())
    }

    async fn take(&self, meta: ObjectMeta) -> Result<(), Gone> {
        let key = meta.location.as_ref();
        let counts = &self.counts;
        if names::is_beside_logs(key) || !names::is_log_object(key) || meta.size == 0 {
            counts.passed_over.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if !self.selection.key(key) {
            counts.objects_left.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        counts.taken.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(meta.size, Ordering::Relaxed);
        self.give(Ok(meta)).await
    }

    async fn give(&self, found: Found) -> Result<(), Gone> {
        self.found.send(found).await.map_err(|_| Gone)
    }
}

/// A prefix as the store takes it; `None` for all of a bucket.
pub fn path_of(prefix: &str) -> Result<Option<Path>, String> {
    let trimmed = prefix.trim_matches('/');
    if trimmed.is_empty() {
        return Ok(None);
    }
    Path::parse(trimmed).map(Some).map_err(|error| error.to_string())
}
