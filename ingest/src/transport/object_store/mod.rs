//! Objects of S3, Google Cloud Storage and Azure Blob Storage.
//!
//! In: an address (`s3://bucket/prefix`), what is asked for of it, and what is said of the store. Out:
//! [`Input`]s in the order of their keys, several of them being fetched while one is read, within bounded
//! memory. This is the only room of this crate with a runtime: it has one of its own, and whoever reads
//! sees plain readers. They are read outside of any runtime.
//!
//! ```text
//! url ──▶ listing ──▶ keys, pruned by layout ──▶ body (16 at once) ──▶ Input { bucket, key } … in order
//!          settings ─▶ credentials ─▶ profile, sts ┘
//! ```
//!
//! An input's ingest time is the object's modification time: a replay of the same objects reads the same.

mod aws;
mod blob_type;
mod body;
mod credentials;
mod ending;
mod layout;
mod ledger;
mod listing;
mod live;
mod notice;
mod profile;
mod served;
mod settings;
mod sqs;
mod sts;
mod url;

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use virga_engine::event::OriginBase;

pub use aws::{AwsService, ServiceError};
pub use credentials::{CredentialSource, Environment, process_environment, service_endpoint};
pub use layout::{Facts, LAYOUTS, Layout, Selection, Verdict};
pub use live::ObjectsConfig;
pub use settings::StoreSettings;
pub use url::{ObjectUrl, Provider, SCHEMES};

use self::body::{Body, Opened, Wanted, describe, open};
use self::ending::Ending;
use self::listing::{Counts, Found, Walk};
use super::live::Cut;
use super::{Input, InputError, Progress};
use crate::limits::{KEYS_AHEAD, OBJECTS_AT_ONCE};

/// What an iteration over objects has found and left so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Objects to read.
    pub taken: u64,
    /// Their bytes, as they lie.
    pub bytes: u64,
    /// Objects whose names are not those of logs.
    pub passed_over: u64,
    /// Folders in which nothing was asked for.
    pub folders_left: u64,
    /// Objects that were left because of their keys.
    pub objects_left: u64,
}

/// An object on its way: its key, and the store's answer.
struct Coming {
    key: String,
    opened: oneshot::Receiver<Result<Opened, object_store::Error>>,
    slot: OwnedSemaphorePermit,
}

/// What comes next.
enum Next {
    Object(Coming),
    /// A folder that could not be listed, and why.
    Unlisted(String, String),
}

/// The objects of one address, one after the other.
pub struct ObjectInputs {
    url: ObjectUrl,
    coming: mpsc::Receiver<Next>,
    counts: Arc<Counts>,
    progress: Progress,
    runtime: Arc<Held>,
    /// Nothing was found: said once.
    found_any: bool,
    ended: bool,
}

/// A runtime that ends in the background: dropping one waits, which an outer runtime forbids.
struct Held(Option<Runtime>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl ObjectInputs {
    /// The objects of an address. The store is asked at once, to say early what is wrong with it.
    pub fn new(
        url: ObjectUrl,
        selection: &Selection,
        settings: &StoreSettings,
        progress: &Progress,
    ) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("virga-objects")
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start threads for {url}: {error}"))?;
        let store = runtime.block_on(settings.connect(&url, &process_environment))?;
        Ok(Self::over(store, url, selection, progress, runtime))
    }

    fn over(
        store: Arc<dyn ObjectStore>,
        url: ObjectUrl,
        selection: &Selection,
        progress: &Progress,
        runtime: Runtime,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        let (found, keys) = mpsc::channel(KEYS_AHEAD);
        let (opened, coming) = mpsc::channel(OBJECTS_AT_ONCE);
        let walk = Walk {
            store: Arc::clone(&store),
            selection: selection.clone(),
            counts: Arc::clone(&counts),
            found,
        };
        let prefix = url.prefix.clone();
        runtime.spawn(look(walk, prefix));
        runtime.spawn(fetch(store, keys, opened));
        Self {
            url,
            coming,
            counts,
            progress: progress.clone(),
            runtime: Arc::new(Held(Some(runtime))),
            found_any: false,
            ended: false,
        }
    }

    /// What was found and left so far.
    pub fn counts(&self) -> ObjectCounts {
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        ObjectCounts {
            taken: read(&self.counts.taken),
            bytes: read(&self.counts.bytes),
            passed_over: read(&self.counts.passed_over),
            folders_left: read(&self.counts.folders_left),
            objects_left: read(&self.counts.objects_left),
        }
    }

    fn input(&self, coming: Coming) -> Result<Input, InputError> {
        let failed = |cause: String| InputError { path: self.url.of_key(&coming.key), cause };
        let opened = match coming.opened.blocking_recv() {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(failed(describe(&error))),
            Err(_) => return Err(failed("the reading of it ended".into())),
        };
        let reader = ObjectReader {
            body: opened.body,
            cut: Cut::default(),
            _slot: coming.slot,
            _runtime: Arc::clone(&self.runtime),
        };
        Ok(Input {
            base: OriginBase::Object { bucket: Arc::clone(&self.url.bucket), key: coming.key.into() },
            ingest_time: opened.meta.last_modified.timestamp_micros(),
            size: Some(opened.meta.size),
            reader: self.progress.count(reader),
        })
    }

    /// What is said where nothing was found at all.
    fn nothing(&self) -> InputError {
        let counts = self.counts();
        // of the other days nobody has asked
        let left =
            counts.folders_left + counts.objects_left + self.counts.folders_of_days.load(Ordering::Relaxed);
        let cause = match (left, counts.passed_over) {
            (0, 0) => "there are no objects below it".to_owned(),
            (0, passed) => format!("none of its {passed} objects has a log's name"),
            _ => "it has no objects of the times, accounts and regions that are asked for".to_owned(),
        };
        InputError { path: self.url.to_string(), cause }
    }
}

impl Iterator for ObjectInputs {
    type Item = Result<Input, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.coming.blocking_recv() {
            Some(Next::Object(coming)) => {
                self.found_any = true;
                Some(self.input(coming))
            }
            Some(Next::Unlisted(prefix, cause)) => {
                self.found_any = true;
                Some(Err(InputError { path: self.url.of_key(&prefix), cause }))
            }
            None => {
                self.ended = true;
                (!self.found_any).then(|| Err(self.nothing()))
            }
        }
    }
}

/// Finds what the address names: one object, or all below a prefix.
async fn look(walk: Walk, prefix: String) {
    let path = listing::path_of(&prefix).ok().flatten().filter(|_| !prefix.ends_with('/'));
    if let Some(path) = path
        // a store that denies the question is asked by listing
        && let Ok(meta) = walk.store.head(&path).await
    {
        // an object that is named is read whatever its name
        walk.counts.taken.fetch_add(1, Ordering::Relaxed);
        walk.counts.bytes.fetch_add(meta.size, Ordering::Relaxed);
        // whoever asked may be gone
        let _ = walk.found.send(Ok(meta)).await;
        return;
    }
    walk.run(prefix).await;
}

/// Opens what was found, several at once, and hands it on in its order.
async fn fetch(store: Arc<dyn ObjectStore>, mut keys: mpsc::Receiver<Found>, opened: mpsc::Sender<Next>) {
    let slots = Arc::new(Semaphore::new(OBJECTS_AT_ONCE));
    while let Some(found) = keys.recv().await {
        let next = match found {
            Err((prefix, cause)) => Next::Unlisted(prefix, cause),
            Ok(meta) => {
                // a slot is free again when its object has been read: that bounds what is fetched ahead
                let slot = tokio::select! {
                    slot = Arc::clone(&slots).acquire_owned() => slot,
                    () = opened.closed() => return,
                };
                let Ok(slot) = slot else { return };
                let key = meta.location.to_string();
                let wanted = Wanted { location: meta.location, from: 0 };
                Next::Object(Coming {
                    key,
                    opened: open(Arc::clone(&store), wanted, Ending::default(), None),
                    slot,
                })
            }
        };
        if opened.send(next).await.is_err() {
            return;
        }
    }
}

/// The body of an object, with what it needs to be read.
struct ObjectReader {
    body: Body,
    /// Where it is said that the process ends before the object did.
    cut: Cut,
    /// Its place among those read at once.
    _slot: OwnedSemaphorePermit,
    _runtime: Arc<Held>,
}

impl Read for ObjectReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buf);
        if read.as_ref().is_err_and(body::is_cut) {
            self.cut.set();
        }
        read
    }
}
