//! A store whose requests are tried again.
//!
//! In: any object store. Out: the same store, of which a request that failed for no reason that lasts (a
//! connection that broke, a server that was busy) is made anew, a few times, with growing pauses.
//!
//! One request is not safe to repeat: to put an object where there is none, for the first try may have come
//! through without its answer. Whether it did shows in the object: where the very bytes stand already, they
//! are ours.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result,
};

use crate::limits::{FIRST_PAUSE, MAX_REQUESTS};

/// A store whose requests are tried again.
#[derive(Debug, Clone)]
pub(crate) struct Retrying {
    inner: Arc<dyn ObjectStore>,
}

/// Whether the next try may end otherwise.
fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::JoinError { .. })
}

/// Makes a request until it is served, or cannot be.
async fn tried<T, F: Future<Output = Result<T>>>(mut request: impl FnMut() -> F) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..MAX_REQUESTS {
        match request().await {
            Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
            done => return done,
        }
        pause *= 2;
    }
    request().await
}

impl Retrying {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    /// Puts an object where there is none; an earlier try that came through counts.
    async fn create(&self, location: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.inner.put_opts(location, payload.clone(), options.clone()).await {
                Err(error) if may_pass(&error) && attempt < MAX_REQUESTS => tokio::time::sleep(pause).await,
                Err(Error::AlreadyExists { path, source }) if attempt > 1 => {
                    return match self.is_ours(location, payload).await? {
                        true => Ok(PutResult { e_tag: None, version: None }),
                        false => Err(Error::AlreadyExists { path, source }),
                    };
                }
                done => return done,
            }
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn is_ours(&self, location: &Path, payload: &PutPayload) -> Result<bool> {
        let found = tried(|| async { self.inner.get(location).await?.bytes().await }).await?;
        Ok(payload.iter().flatten().eq(found.iter()))
    }
}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A listing as a whole, so that it can be made anew.
fn listed(
    make: impl Fn() -> BoxStream<'static, Result<ObjectMeta>> + Send + Sync + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let whole = async move { tried(|| make().try_collect::<Vec<_>>()).await };
    let flat = |found: Result<Vec<ObjectMeta>>| match found {
        Ok(found) => stream::iter(found.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    };
    stream::once(whole).map(flat).flatten().boxed()
}

#[async_trait]
impl ObjectStore for Retrying {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        match opts.mode {
            PutMode::Overwrite => {
                tried(|| self.inner.put_opts(location, payload.clone(), opts.clone())).await
            }
            PutMode::Create => self.create(location, &payload, &opts).await,
            PutMode::Update(_) => self.inner.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        tried(|| self.inner.get_opts(location, options.clone())).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        tried(|| self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let inner = Arc::clone(&self.inner);
        let delete = move |location: Result<Path>| {
            let inner = Arc::clone(&inner);
            async move {
                let location = location?;
                match tried(|| inner.delete(&location)).await {
                    // an earlier try came through
                    Ok(()) | Err(Error::NotFound { .. }) => Ok(location),
                    Err(error) => Err(error),
                }
            }
        };
        locations.map(delete).buffered(10).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
        listed(move || inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix, offset) = (Arc::clone(&self.inner), prefix.cloned(), offset.clone());
        listed(move || inner.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        tried(|| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
