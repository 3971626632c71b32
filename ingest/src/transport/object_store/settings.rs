//! What is said of a store, and the client that it makes.
//!
//! In: [`StoreSettings`], from a configuration or from the command line, and the environment. Out: a client
//! of the bucket. Secrets never stand in settings: they come from the environment, from files, from roles.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, resolve_bucket_region};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use serde::Deserialize;

use super::credentials::{self, CredentialSource, Environment};
use super::url::{ObjectUrl, Provider};
use crate::limits::{REQUEST_RETRIES, REQUEST_TIMEOUT, RETRY_TIMEOUT};

/// What is said of a store. What is not said comes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The bucket's region. Else `AWS_REGION`, else the profile's, else it is asked of S3.
    pub region: Option<String>,
    /// The store's address, where it is not the provider's own. Else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// The address of AWS's token service, for roles.
    pub sts_endpoint: Option<String>,
    /// Where credentials for AWS come from.
    pub credentials: CredentialSource,
    /// The profile of the AWS command line.
    pub profile: Option<String>,
    /// The file of its keys. Else `AWS_SHARED_CREDENTIALS_FILE`, else `~/.aws/credentials`.
    pub profile_file: Option<PathBuf>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The secret that the role's owner asks for.
    pub external_id: Option<String>,
    /// The name of the session of an assumed role.
    pub session_name: Option<String>,
    /// Azure's storage account, where the address does not name it. Else `AZURE_STORAGE_ACCOUNT_NAME`.
    pub storage_account: Option<String>,
    /// A file that holds the credential of this store: Google's service account (JSON), or Azure's account key.
    pub key_file: Option<PathBuf>,
    /// A proxy. Else `HTTPS_PROXY` and `NO_PROXY`.
    pub proxy: Option<String>,
    /// Certificates (PEM) to trust besides the system's. Else `AWS_CA_BUNDLE`.
    pub ca_file: Option<PathBuf>,
    /// Whether who reads pays for it.
    pub request_payer: bool,
}

impl StoreSettings {
    /// Paths begin at this folder.
    pub fn resolve(&mut self, base: &Path) {
        let paths = [&mut self.profile_file, &mut self.key_file, &mut self.ca_file];
        for path in paths.into_iter().flatten() {
            *path = base.join(&path);
        }
    }

    /// What every client of this store shares: timeouts, proxy, certificates.
    pub fn client_options(&self, environment: Environment<'_>) -> Result<ClientOptions, String> {
        let mut options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
        if let Some(proxy) = &self.proxy {
            options = options.with_proxy_url(proxy);
        }
        let ca_file = self.ca_file.clone().or_else(|| environment("AWS_CA_BUNDLE").map(PathBuf::from));
        if let Some(path) = ca_file {
            let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let pem = std::fs::read(&path).map_err(|error| at(&error))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| at(&error))?;
            if certificates.is_empty() {
                return Err(at(&"holds no certificate"));
            }
            options = certificates.into_iter().fold(options, ClientOptions::with_root_certificate);
        }
        Ok(options)
    }

    /// Whether these settings can work at all, before anybody is asked: a store that is away is no mistake.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn prove(&self, url: &ObjectUrl, environment: Environment<'_>) -> Result<(), String> {
        let options = self.client_options(environment)?;
        let asked = (options.clone(), RetryConfig::default());
        match url.provider {
            // its region may have to be asked of the store
            Provider::S3 => credentials::find(self, environment, &options).map(drop),
            Provider::Gcs => self.gcs(url, environment, asked).map(drop),
            Provider::Azure => self.azure(url, environment, asked).map(drop),
        }
    }

    /// A client of the bucket.
    pub async fn connect(
        &self,
        url: &ObjectUrl,
        environment: Environment<'_>,
    ) -> Result<Arc<dyn ObjectStore>, String> {
        self.connect_trying(url, environment, REQUEST_RETRIES).await
    }

    /// The same, whose requests are tried again so often at the most: for whoever tries again by itself, and says
    /// so.
    pub async fn connect_trying(
        &self,
        url: &ObjectUrl,
        environment: Environment<'_>,
        retries: usize,
    ) -> Result<Arc<dyn ObjectStore>, String> {
        let options = self.client_options(environment)?;
        let retry =
            RetryConfig { max_retries: retries, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let store = match url.provider {
            Provider::S3 => self.s3(url, environment, (options, retry)).await,
            Provider::Gcs => self.gcs(url, environment, (options, retry)),
            Provider::Azure => self.azure(url, environment, (options, retry)),
        };
        store.map_err(|cause| format!("cannot use {url}: {cause}"))
    }

    async fn s3(
        &self,
        url: &ObjectUrl,
        environment: Environment<'_>,
        (options, retry): (ClientOptions, RetryConfig),
    ) -> Result<Arc<dyn ObjectStore>, String> {
        let found = credentials::find(self, environment, &options)?;
        let endpoint = self.endpoint.clone().or_else(|| environment("AWS_ENDPOINT_URL_S3"));
        let endpoint = endpoint.or_else(|| environment("AWS_ENDPOINT_URL"));
        let region = match (found.region, &endpoint) {
            (Some(region), _) => region,
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => resolve_bucket_region(&url.bucket, &options)
                .await
                .map_err(|error| format!("{error}; AWS_REGION names the bucket's region"))?,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&*url.bucket)
            .with_region(region)
            .with_retry(retry)
            .with_request_payer(self.request_payer);
        for name in S3_VARIABLES {
            if let (Ok(key), Some(value)) = (name.to_ascii_lowercase().parse(), environment(name)) {
                builder = builder.with_config(key, value);
            }
        }
        let mut options = options;
        if let Some(endpoint) = endpoint {
            options = options.with_allow_http(is_http(&endpoint));
            builder = builder.with_endpoint(endpoint);
        }
        builder = match found.provider {
            Some(provider) => builder.with_credentials(provider),
            None => builder.with_skip_signature(true),
        };
        let store = builder.with_client_options(options).build().map_err(|error| error.to_string())?;
        Ok(Arc::new(store))
    }

    fn gcs(
        &self,
        url: &ObjectUrl,
        environment: Environment<'_>,
        (options, retry): (ClientOptions, RetryConfig),
    ) -> Result<Arc<dyn ObjectStore>, String> {
        let mut builder =
            GoogleCloudStorageBuilder::from_env().with_bucket_name(&*url.bucket).with_retry(retry);
        if let Some(path) = &self.key_file {
            builder = builder.with_service_account_path(path.to_string_lossy());
        }
        let mut options = options;
        if let Some(endpoint) = self.endpoint.clone().or_else(|| environment("STORAGE_EMULATOR_HOST")) {
            options = options.with_allow_http(is_http(&endpoint));
            builder = builder.with_base_url(&endpoint);
        }
        if self.credentials == CredentialSource::None {
            builder = builder.with_skip_signature(true);
        }
        let store = builder.with_client_options(options).build().map_err(|error| error.to_string())?;
        Ok(Arc::new(store))
    }

    fn azure(
        &self,
        url: &ObjectUrl,
        environment: Environment<'_>,
        (options, retry): (ClientOptions, RetryConfig),
    ) -> Result<Arc<dyn ObjectStore>, String> {
        let mut builder =
            MicrosoftAzureBuilder::from_env().with_container_name(&*url.bucket).with_retry(retry);
        let account = url.account.clone().or_else(|| self.storage_account.clone());
        if let Some(account) = account {
            builder = builder.with_account(account);
        } else if ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"]
            .iter()
            .all(|name| environment(name).is_none())
        {
            return Err("it names no storage account: set AZURE_STORAGE_ACCOUNT_NAME".into());
        }
        if let Some(path) = &self.key_file {
            let key =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            builder = builder.with_access_key(key.trim());
        }
        let mut options = options;
        let endpoint = self.endpoint.clone().or_else(|| environment("AZURE_STORAGE_ENDPOINT"));
        if let Some(endpoint) = endpoint {
            options = options.with_allow_http(is_http(&endpoint));
            builder = builder.with_endpoint(endpoint);
        }
        if self.credentials == CredentialSource::None {
            builder = builder.with_skip_signature(true);
        }
        let store = builder.with_client_options(options).build().map_err(|error| error.to_string())?;
        Ok(Arc::new(store))
    }
}

/// Variables that say how objects of S3 are written and asked for, beside those of credentials and endpoints. Of
/// Google's and Azure's stores all are read.
const S3_VARIABLES: [&str; 8] = [
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SKIP_SIGNATURE",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_UNSIGNED_PAYLOAD",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
];

fn is_http(endpoint: &str) -> bool {
    endpoint.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
}
