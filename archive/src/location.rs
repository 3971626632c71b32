//! Where an archive is: a folder, or a prefix of an object store.
//!
//! In: a path or URL (`s3://bucket/prefix`, `gs://…`, `az://…`, `file:///…`). Out: the same as a URL. What is no folder
//! gets its store from whoever names it: how one is reached, and with which credentials, is not known here.

use std::path::{Component, PathBuf};
use std::sync::Arc;

use deltalake::logstore::StorageConfig;
use deltalake::{DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use url::Url;
use virga_engine::event::OriginBase;

use crate::error::ArchiveError;
use crate::retry::{Patience, Retrying};

/// Where an archive is.
#[derive(Debug, Clone)]
pub struct Location {
    pub(crate) url: Url,
    /// The store of what is no folder, or one that stands for the disk.
    store: Option<Arc<dyn ObjectStore>>,
    patience: Option<Patience>,
}

/// Commits put a new file only where there is none, which S3 does by itself.
const STORE_OPTIONS: [(&str, &str); 1] = [("conditional_put", "etag")];

impl Location {
    /// From a path or URL.
    ///
    /// # Errors
    /// Where the text is neither a path nor a URL of a known store.
    pub fn new(text: &str) -> Result<Self, ArchiveError> {
        let doing = format!("archive {text}");
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_lowercase());
        let url = match scheme.as_deref() {
            Some("s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss") => {
                Url::parse(&literal(text.trim_end_matches('/'))).map_err(ArchiveError::at(doing))?
            }
            Some("file") => Url::parse(text).map_err(ArchiveError::at(doing))?,
            Some(scheme) => {
                let cause = format!("`{scheme}://` is no store; there are s3, gs, az, and folders");
                return Err(ArchiveError::new(doing, cause));
            }
            None => {
                let path =
                    std::path::absolute(PathBuf::from(text)).map_err(ArchiveError::at(doing.clone()))?;
                let path = resolved(&path);
                Url::from_directory_path(&path)
                    .map_err(|()| ArchiveError::new(doing, "the path cannot be written as a URL"))?
            }
        };
        Ok(Self { url, store: None, patience: None })
    }

    /// The same place in this store, whose root is the root of the URL's: what reaches it, or stands between an archive
    /// and its store, to watch or to disturb it.
    #[must_use]
    pub fn within(mut self, store: Arc<dyn ObjectStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// The objects below it, with paths from there. Requests that fail for a moment are made anew.
    pub(crate) fn objects(&self) -> Result<Arc<dyn ObjectStore>, DeltaTableError> {
        let root = self.root(&self.url)?;
        let path = Path::from_url_path(self.url.path()).map_err(object_store::Error::from)?;
        let retrying = Retrying::new(root, self.patience.clone()).on_disk(self.folder().is_some());
        Ok(Arc::new(PrefixStore::new(retrying, path)))
    }

    /// Where an object below it is, for whoever looks for it.
    pub(crate) fn origin(&self, path: &str) -> OriginBase {
        match self.folder() {
            Some(folder) => OriginBase::File { path: folder.join(path).to_string_lossy().as_ref().into() },
            None => {
                // in a URL a key's letters are escaped
                let prefix = percent_encoding::percent_decode_str(self.url.path().trim_matches('/'));
                let prefix = prefix.decode_utf8_lossy();
                let key = if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") };
                OriginBase::Object {
                    bucket: self.url.host_str().unwrap_or_default().into(),
                    key: key.as_str().into(),
                }
            }
        }
    }

    fn root(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DeltaTableError> {
        match &self.store {
            Some(store) => Ok(Arc::clone(store)),
            None if self.folder().is_none() => {
                Err(DeltaTableError::Generic(format!("nothing was given that reaches the store of {url}")))
            }
            None => {
                let config = StorageConfig::parse_options(STORE_OPTIONS)?;
                Ok(deltalake::logstore::logstore_for(url, config)?.root_object_store(None))
            }
        }
    }

    /// The same place for somebody who does not give up where a request fails again and again.
    #[must_use]
    pub fn patient(mut self, patience: Patience) -> Self {
        self.patience = Some(patience);
        self
    }

    /// What reads and writes a table below it. Requests that fail for a moment are made anew.
    pub(crate) fn builder(&self, name: &str) -> Result<DeltaTableBuilder, DeltaTableError> {
        let url = self.table(name).map_err(|error| DeltaTableError::Generic(error.to_string()))?;
        let root = self.root(&url)?;
        let store = Retrying::new(root, self.patience.clone()).on_disk(self.folder().is_some());
        Ok(DeltaTableBuilder::from_url(url.clone())?
            .with_storage_options(STORE_OPTIONS.map(|(name, value)| (name.into(), value.into())).into())
            .with_storage_backend(Arc::new(store), url))
    }

    /// A table below it.
    pub(crate) fn table(&self, name: &str) -> Result<Url, ArchiveError> {
        let mut url = self.url.clone();
        let path = format!("{}/{name}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    /// Proves that an object can be put there and taken away again; leaves nothing behind. Whether an archive is
    /// there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn prove(&self) -> Result<bool, ArchiveError> {
        let doing = || format!("writing to {self}");
        let built = self.builder("events").and_then(|builder| builder.build());
        let store = built.map_err(ArchiveError::at(doing()))?.object_store();
        let proof = Path::from("_virga_proof");
        store.put(&proof, PutPayload::from_static(b"proof")).await.map_err(ArchiveError::at(doing()))?;
        store.delete(&proof).await.map_err(ArchiveError::at(doing()))?;
        let log = Path::from("_delta_log");
        let first = store.list(Some(&log)).try_next().await.map_err(ArchiveError::at(doing()))?;
        Ok(first.is_some())
    }

    /// Whether it is on this machine's disk.
    pub fn folder(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file").then(|| self.url.to_file_path().ok()).flatten()
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.folder() {
            Some(folder) => write!(f, "{}", folder.display()),
            None => write!(f, "{}", self.url),
        }
    }
}

/// An address whose `#` and `?` are letters of a key, as those of inputs are, and not what URLs mean by them: an archive
/// would lie elsewhere than it was asked for. What is escaped with `%` is not: archives are where it led to.
fn literal(text: &str) -> String {
    text.replace('#', "%23").replace('?', "%3F")
}

/// A path without `..`, which stores do not know: a folder's parent is that of where a link leads to, as far as there
/// is something.
fn resolved(path: &std::path::Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                resolved = resolved.canonicalize().unwrap_or(resolved);
                resolved.pop();
            }
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_stores_are_locations_and_nothing_else_is() {
        let of = |text: &str| Location::new(text);
        assert_eq!(
            of("s3://bucket/lake/").unwrap().table("events").unwrap().as_str(),
            "s3://bucket/lake/events"
        );
        assert_eq!(
            of("S3://bucket/a#b?c/lake").unwrap().table("events").unwrap().as_str(),
            "s3://bucket/a%23b%3Fc/lake/events"
        );
        assert!(of("azure://container/lake").is_ok());
        assert_eq!(of("/tmp/lake").unwrap().table("events").unwrap().path(), "/tmp/lake/events");
        assert_eq!(of("/tmp/la ke").unwrap().folder(), Some("/tmp/la ke/".into()));
        assert_eq!(
            of("/tmp/there is no/./such/../lake").unwrap().folder(),
            Some("/tmp/there is no/lake/".into())
        );
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("a/b")).unwrap();
        std::os::unix::fs::symlink(real.join("a/b"), real.join("link")).unwrap();
        // the parent of what a link leads to
        let by_link = of(&format!("{}/link/../lake", real.display())).unwrap();
        assert_eq!(by_link.folder(), Some(format!("{}/a/lake/", real.display()).into()));
        assert!(of("ftp://host/x").is_err());
        for (text, key) in [
            ("s3://b", "2026/x.parquet"),
            ("s3://b/lake/", "lake/2026/x.parquet"),
            ("s3://b/a#b?c/la ke", "a#b?c/la ke/2026/x.parquet"),
            ("s3://b/r\u{e9}gion/l%20k", "r\u{e9}gion/l k/2026/x.parquet"),
        ] {
            let expected = OriginBase::Object { bucket: "b".into(), key: key.into() };
            assert_eq!(of(text).unwrap().origin("2026/x.parquet"), expected, "{text}");
        }
        // nobody is asked on the way there who was not named
        assert!(of("s3://b").unwrap().objects().unwrap_err().to_string().contains("nothing was given"));
    }
}
