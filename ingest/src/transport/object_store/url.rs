//! The address of objects: `s3://bucket/prefix`, and its like.
//!
//! In: what a user names. Out: an [`ObjectUrl`], or `None` for what is no such address (a file), or an
//! error for one that cannot be meant.

use std::sync::Arc;

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// Every scheme, whose it is, and an example.
pub static SCHEMES: &[(&str, Provider, &str)] = &[
    ("s3", Provider::S3, "s3://bucket/prefix"),
    ("s3a", Provider::S3, "s3a://bucket/prefix"),
    ("gs", Provider::Gcs, "gs://bucket/prefix"),
    ("az", Provider::Azure, "az://container/prefix"),
    ("azure", Provider::Azure, "azure://container/prefix"),
    ("abfs", Provider::Azure, "abfs://container@account.dfs.core.windows.net/prefix"),
    ("abfss", Provider::Azure, "abfss://container@account.dfs.core.windows.net/prefix"),
];

/// The address of one object, or of all below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectUrl {
    /// Whose store it is.
    pub provider: Provider,
    /// The scheme as it was written.
    pub scheme: &'static str,
    /// The bucket or container.
    pub bucket: Arc<str>,
    /// The storage account, where the address names one.
    pub account: Option<String>,
    /// The key, or what keys begin with; no slash at its beginning.
    pub prefix: String,
}

impl ObjectUrl {
    /// Reads an address; `None` where it is none of an object store.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (scheme, rest) = text.split_once("://")?;
        let known = SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme))?;
        Some(Self::read(known, rest).map_err(|cause| format!("`{text}`: {cause}; write it as {}", known.2)))
    }

    fn read(known: &(&'static str, Provider, &'static str), rest: &str) -> Result<Self, String> {
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, account) = match host.split_once('@') {
            Some((bucket, host)) if known.1 == Provider::Azure => {
                let account = host.split('.').next().filter(|account| !account.is_empty());
                (bucket, Some(account.ok_or("it names no account")?.to_owned()))
            }
            _ => (host, None),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
        if bucket.is_empty() || !bucket.chars().all(fits) {
            return Err("it names no bucket".into());
        }
        Ok(Self {
            provider: known.1,
            scheme: known.0,
            bucket: bucket.into(),
            account,
            prefix: prefix.trim_start_matches('/').to_owned(),
        })
    }

    /// The address of a key in the same bucket.
    pub fn of_key(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.scheme, self.bucket)
    }
}

impl std::fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}/{}", self.scheme, self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_files() {
        for (text, expected) in [
            ("s3://logs", "S3 logs - ``"),
            ("s3://logs/AWSLogs/", "S3 logs - `AWSLogs/`"),
            ("S3://my.logs/a//b", "S3 my.logs - `a//b`"),
            ("gs://logs/activity/x.json", "Gcs logs - `activity/x.json`"),
            ("az://$logs/x", "Azure $logs - `x`"),
            ("abfss://c@acct.dfs.core.windows.net/p/", "Azure c acct `p/`"),
            ("AWSLogs/", "file"),
            ("/tmp/s3/x", "file"),
            ("https://example.com/x", "file"),
            ("s3://", "error"),
            ("s3:///key", "error"),
            ("gs://a b/x", "error"),
            ("abfss://c@/x", "error"),
        ] {
            let shown = match ObjectUrl::parse(text) {
                None => "file".to_owned(),
                Some(Err(error)) => {
                    assert!(error.contains("write it as"), "{error}");
                    "error".to_owned()
                }
                Some(Ok(url)) => format!(
                    "{:?} {} {} `{}`",
                    url.provider,
                    url.bucket,
                    url.account.as_deref().unwrap_or("-"),
                    url.prefix
                ),
            };
            assert_eq!(shown, expected, "{text}");
        }
    }
}
