//! The address of objects: `s3://bucket/prefix`, and its like.
//!
//! In: what a user names. Out: an [`ObjectUrl`], or `None` for what is no such address (a file), or an
//! error for one that cannot be meant.

use std::sync::Arc;

use http::Uri;

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
    /// The store's own address, where the address names one that is not in Azure's public cloud.
    pub endpoint: Option<String>,
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
        let (bucket, account, endpoint) = match host.split_once('@') {
            Some((bucket, host)) if known.1 == Provider::Azure => {
                let account = host.split('.').next().filter(|account| !account.is_empty());
                (bucket, Some(account.ok_or("it names no account")?.to_owned()), azure_endpoint(host)?)
            }
            _ => (host, None, None),
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
            endpoint,
            prefix: prefix.trim_start_matches('/').to_owned(),
        })
    }

    /// The address of a key in the same bucket.
    pub fn of_key(&self, key: &str) -> String {
        format!("{}://{}/{key}", self.scheme, self.bucket)
    }
}

/// Where blobs of a host are: in Azure's public cloud, which clients know, or in one of others (a government's, China's,
/// Fabric). Of an account the service of files, which addresses name, has the same blobs as that of blobs.
fn azure_endpoint(host: &str) -> Result<Option<String>, String> {
    let Some((account, service)) = host.split_once('.') else { return Ok(None) };
    let service = service.to_ascii_lowercase();
    let name = |part| if part == "dfs" { "blob" } else { part };
    let service = service.split('.').map(name).collect::<Vec<_>>().join(".");
    if service == "blob.core.windows.net" {
        return Ok(None);
    }
    let endpoint = format!("https://{account}.{service}");
    service_address(&endpoint).map(|_| Some(endpoint))
}

/// The address of a service. Clients panic at what is none.
pub fn service_address(text: &str) -> Result<Uri, String> {
    let wrong = || format!("`{text}` is no address of a service: write it as https://host:9000");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_web = uri
        .scheme_str()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    let authority = uri.authority().filter(|authority| is_web && !authority.host().is_empty());
    let authority = authority.ok_or_else(wrong)?;
    let behind_host = authority.as_str().rsplit_once(authority.host()).map_or("", |(_, rest)| rest);
    match behind_host.is_empty() || authority.port_u16().is_some() {
        true => Ok(uri),
        false => Err(wrong()),
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
            ("abfs://c@acct.blob.core.windows.net/p/", "Azure c acct `p/`"),
            (
                "abfss://c@acct.dfs.core.usgovcloudapi.net/p",
                "Azure c acct `p` at https://acct.blob.core.usgovcloudapi.net",
            ),
            (
                "abfss://c@acct.z01.dfs.storage.azure.net/p",
                "Azure c acct `p` at https://acct.z01.blob.storage.azure.net",
            ),
            ("abfss://c@acct.DFS.core.windows.net/P", "Azure c acct `P`"),
            (
                "abfss://c@acct.z01.mydfs.example.com/p",
                "Azure c acct `p` at https://acct.z01.mydfs.example.com",
            ),
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
                    "{:?} {} {} `{}`{}",
                    url.provider,
                    url.bucket,
                    url.account.as_deref().unwrap_or("-"),
                    url.prefix,
                    url.endpoint.map(|endpoint| format!(" at {endpoint}")).unwrap_or_default()
                ),
            };
            assert_eq!(shown, expected, "{text}");
        }
    }
    #[test]
    fn what_is_no_address_of_a_service_is_said_before_a_client_panics_at_it() {
        for (text, is_one) in [
            ("http://127.0.0.1:9000", true),
            ("https://s3.eu-west-1.amazonaws.com/", true),
            ("HTTPS://host/account", true),
            ("http://[::1]:9000", true),
            ("http://user:word@host:1", true),
            ("localhost:9000", false),
            ("127.0.0.1:9000", false),
            ("localhost", false),
            ("", false),
            ("ftp://host", false),
            ("http://", false),
            ("http:///x", false),
            ("http://a b", false),
            ("https://localhost:99999", false),
            ("https://[::1]:99999", false),
            ("https://localhost:x", false),
        ] {
            assert_eq!(service_address(text).is_ok(), is_one, "{text}");
        }
    }
}
