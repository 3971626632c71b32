//! `[archive]`: where events and alerts are kept.

use std::path::Path;

use serde::Deserialize;
use virga_ingest::transport::object_store::StoreSettings;
use virga_ingest::units::{Size, Span};

/// The archive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// A folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    pub url: String,
    /// How often it is committed, and a checkpoint written behind it.
    #[serde(default = "every")]
    pub every: Span,
    /// Bytes read, and of alerts, after which a commit does not wait for its time.
    #[serde(default = "size")]
    pub size: Size,
    /// How the store is reached, where the environment does not say it.
    pub store: Option<StoreSettings>,
}

fn every() -> Span {
    Span::seconds(60)
}

fn size() -> Size {
    Size(256 << 20)
}

impl ArchiveConfig {
    /// A folder begins at the configuration's.
    pub(super) fn resolve(&mut self, base: &Path) {
        if !self.url.is_empty() && !self.url.contains("://") {
            self.url = base.join(&self.url).display().to_string();
        }
        if let Some(store) = &mut self.store {
            store.resolve(base);
        }
    }

    pub(super) fn prove(&self) -> Result<(), String> {
        if self.url.is_empty() {
            return Err("[archive] url is empty: write a folder, s3://, gs:// or az://".into());
        }
        if self.every.0.is_zero() {
            return Err("[archive] every is zero: write a length of time such as \"1m\"".into());
        }
        if self.size.0 == 0 {
            return Err("[archive] size is zero: every piece would be a commit".into());
        }
        if self.store.is_some() && !self.url.contains("://") {
            return Err("[archive.store] is about object stores, and [archive] url names a folder".into());
        }
        Ok(())
    }
}
