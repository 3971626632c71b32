//! A store whose requests are tried again.
//!
//! In: any object store. Out: the same store, of which a request that failed for no reason that lasts (a
//! connection that broke, a server that was busy) is made anew, a few times, with growing pauses.
//!
//! Who must not give up says so with a [`Patience`]: it hears of each failure beyond those, and says how long to
//! wait for the next try. Then what only a person mends (a right that is missing, a store that is full) is
//! waited for too; but not by whoever waits [`Patience::for_what_passes`] alone.
//!
//! One request is not safe to repeat: to put an object where there is none, for the first try may have come
//! through without its answer. Whether it did shows in the object: where the very bytes stand already, they
//! are ours.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

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

use crate::limits::{FIRST_PAUSE, MAX_ANNOUNCED, MAX_REQUESTS};

/// Hears why a request has failed and how often one did before it, and says how long to wait for the next try;
/// `None` gives up.
type Wait = dyn Fn(&dyn fmt::Display, u32) -> Option<Duration> + Send + Sync;

/// What goes on where a request has been tried often enough for most.
#[derive(Clone)]
pub struct Patience {
    wait: Arc<Wait>,
    /// Also for what a person must mend.
    for_people: bool,
}

impl Patience {
    /// From what says how long to wait.
    pub fn new(wait: impl Fn(&dyn fmt::Display, u32) -> Option<Duration> + Send + Sync + 'static) -> Self {
        Self { wait: Arc::new(wait), for_people: true }
    }

    /// The same, but what the store refuses is given on at once: at a start it is a mistake.
    #[must_use]
    pub fn for_what_passes(mut self) -> Self {
        self.for_people = false;
        self
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

/// A store whose requests are tried again.
#[derive(Debug, Clone)]
pub(crate) struct Retrying {
    inner: Arc<dyn ObjectStore>,
    patience: Option<Patience>,
    /// It is this machine's disk, whose client reads pieces of a file one after the other.
    is_disk: bool,
}

/// How often a request has failed, and what becomes of it.
struct Tries<'a> {
    patience: Option<&'a Patience>,
    failures: u32,
}

impl Tries<'_> {
    /// Waits for the next try; false where the error is to be given on.
    async fn again(&mut self, error: &Error) -> bool {
        let passes = matches!(error, Error::Generic { .. } | Error::JoinError { .. });
        let mended = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
        let is_worth_it = match self.patience {
            Some(patience) if !patience.for_people => passes && !is_refused(&error.to_string()),
            Some(_) => passes || mended,
            None => passes,
        };
        if !is_worth_it {
            return false;
        }
        self.failures += 1;
        let wait = match self.patience {
            _ if self.failures < MAX_REQUESTS && passes => Some(FIRST_PAUSE * 2u32.pow(self.failures - 1)),
            Some(patience) => (patience.wait)(error, self.failures),
            None => None,
        };
        let Some(wait) = wait else { return false };
        tokio::time::sleep(wait).await;
        true
    }
}

/// Whether a store's words tell of a mistake of whoever asks: of a listing its client keeps the status in the text
/// alone. A status of 4xx, but for those that pass, or a bucket of another region.
fn is_refused(text: &str) -> bool {
    let status = text.split("status code: ").nth(1).and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
    match status {
        Some(status) => (400..500).contains(&status) && !matches!(status, 408 | 425 | 429),
        None => text.contains("redirect without LOCATION"),
    }
}

/// Makes a request until it is served, or cannot be.
async fn tried<T, F: Future<Output = Result<T>>>(
    patience: Option<&Patience>,
    mut request: impl FnMut() -> F,
) -> Result<T> {
    let mut tries = Tries { patience, failures: 0 };
    loop {
        match request().await {
            Err(error) if tries.again(&error).await => {}
            done => return done,
        }
    }
}

impl Retrying {
    pub fn new(inner: Arc<dyn ObjectStore>, patience: Option<Patience>) -> Self {
        Self { inner, patience, is_disk: false }
    }

    /// Whether it is this machine's disk.
    #[must_use]
    pub fn on_disk(self, is_disk: bool) -> Self {
        Self { is_disk, ..self }
    }

    async fn tried<T, F: Future<Output = Result<T>>>(&self, request: impl FnMut() -> F) -> Result<T> {
        tried(self.patience.as_ref(), request).await
    }

    /// Puts an object where there is none; an earlier try that came through counts.
    async fn create(&self, location: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        let mut tries = Tries { patience: self.patience.as_ref(), failures: 0 };
        loop {
            match self.inner.put_opts(location, payload.clone(), options.clone()).await {
                Err(Error::AlreadyExists { path, source }) if tries.failures > 0 => {
                    return match self.is_ours(location, payload).await? {
                        true => Ok(PutResult { e_tag: None, version: None }),
                        false => Err(Error::AlreadyExists { path, source }),
                    };
                }
                Err(error) if tries.again(&error).await => {}
                done => return done,
            }
        }
    }

    async fn is_ours(&self, location: &Path, payload: &PutPayload) -> Result<bool> {
        let found = self.tried(|| async { self.inner.get(location).await?.bytes().await }).await?;
        Ok(payload.iter().flatten().eq(found.iter()))
    }
}

/// Tells the system which pieces of a file will be read, so that the disk looks for all of them at once: pages of columns
/// lie far apart. Threads that each read a piece did it as well, and each held on to memory.
#[cfg(target_os = "linux")]
fn announce(path: &str, ranges: &[Range<u64>]) {
    let Ok(file) = std::fs::File::open(path) else { return };
    for range in ranges {
        let length = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        // a hint: without it they are read one after the other
        rustix::fs::fadvise(&file, range.start, length, rustix::fs::Advice::WillNeed).ok();
    }
}

#[cfg(not(target_os = "linux"))]
fn announce(_: &str, _: &[Range<u64>]) {}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A listing as a whole, so that it can be made anew.
fn listed(
    patience: Option<Patience>,
    make: impl Fn() -> BoxStream<'static, Result<ObjectMeta>> + Send + Sync + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let whole = async move { tried(patience.as_ref(), || make().try_collect::<Vec<_>>()).await };
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
                self.tried(|| self.inner.put_opts(location, payload.clone(), opts.clone())).await
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
        self.tried(|| self.inner.get_opts(location, options.clone())).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bytes: u64 = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        if self.is_disk && ranges.len() > 1 && bytes <= MAX_ANNOUNCED {
            let (path, ranges) = (format!("/{location}"), ranges.to_vec());
            // whether it came to that or not, they are read now
            tokio::task::spawn_blocking(move || announce(&path, &ranges)).await.ok();
        }
        self.tried(|| self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let this = this.clone();
            async move {
                let location = location?;
                match this.tried(|| this.inner.delete(&location)).await {
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
        listed(self.patience.clone(), move || inner.list(prefix.as_ref()))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, prefix, offset) = (Arc::clone(&self.inner), prefix.cloned(), offset.clone());
        listed(self.patience.clone(), move || {
            let after = offset.clone();
            // a store may give all of them: Azure's does, which knows no offset in the version that its client speaks
            let is_behind = move |found: &ObjectMeta| std::future::ready(found.location > after);
            inner.list_with_offset(prefix.as_ref(), &offset).try_filter(is_behind).boxed()
        })
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.tried(|| self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_from_what_passes() {
        for (text, refused) in [
            (
                "… max_retries: 1 - Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>",
                true,
            ),
            ("Server returned non-2xx status code: 403 Forbidden: ", true),
            ("Server returned non-2xx status code: 429 Too Many Requests: ", false),
            ("Server returned non-2xx status code: 503 Service Unavailable: <Code>SlowDown</Code>", false),
            ("error sending request: tcp connect error: Connection refused", false),
            (
                "Received redirect without LOCATION, this normally indicates an incorrectly configured region",
                true,
            ),
        ] {
            assert_eq!(is_refused(text), refused, "{text}");
        }
    }

    #[tokio::test]
    async fn patience_for_what_passes_alone_gives_on_what_is_refused_and_waits_for_the_rest() {
        let all = Patience::new(|_, _| Some(Duration::ZERO));
        let some = all.clone().for_what_passes();
        let error = |said: &'static str| Error::Generic { store: "S3", source: said.into() };
        let denied = || Error::PermissionDenied { path: "a".into(), source: "no".into() };
        for (patience, error, waits) in [
            (Some(&all), error("status code: 403 Forbidden"), true),
            (Some(&all), denied(), true),
            (Some(&some), error("status code: 403 Forbidden"), false),
            (Some(&some), denied(), false),
            (Some(&some), error("status code: 503 Service Unavailable"), true),
            (None, error("status code: 503 Service Unavailable"), false),
        ] {
            let mut tries = Tries { patience, failures: MAX_REQUESTS };
            assert_eq!(tries.again(&error).await, waits, "{error}");
        }
    }
}
