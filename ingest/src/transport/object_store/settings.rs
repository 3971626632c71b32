//! What is said of a store, and the client that it makes.
//!
//! In: [`StoreSettings`], from a configuration or from the command line, and the environment. Out: a client
//! of the bucket. Secrets never stand in settings: they come from the environment, from files, from roles.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, resolve_bucket_region};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig, StaticCredentialProvider};
use serde::Deserialize;

use super::blob_type::TellsTypes;
use super::credentials::{self, CredentialSource, Environment};
use super::url::{ObjectUrl, Provider, service_address};
use crate::limits::{REQUEST_RETRIES, REQUEST_TIMEOUT, RETRY_TIMEOUT};

/// What is said of a store. What is not said comes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// The bucket's region. Else `AWS_REGION`, else the profile's, else it is asked of S3.
    pub region: Option<String>,
    /// The store's address, where it is not the provider's own. Else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`;
    /// `STORAGE_EMULATOR_HOST`; `AZURE_STORAGE_ENDPOINT`.
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
        self.prove_kind(url.provider)?;
        let options = self.client_options(environment)?;
        let asked = (options.clone(), RetryConfig::default());
        match url.provider {
            // its region may have to be asked of the store
            Provider::S3 => {
                self.s3_endpoint(environment)?;
                credentials::find(self, environment, &options).map(drop)
            }
            Provider::Gcs => self.gcs(url, environment, asked).map(drop),
            Provider::Azure => self.azure(url, environment, asked).map(drop),
        }
    }

    /// What is said of a store and is none of its kind would be passed over: it is a mistake.
    fn prove_kind(&self, provider: Provider) -> Result<(), String> {
        use Provider::{Azure, Gcs, S3};
        let is_of_s3 = !matches!(self.credentials, CredentialSource::Auto | CredentialSource::None);
        let said: [(&str, bool, &[Provider], &str); 11] = [
            ("region", self.region.is_some(), &[S3], "S3 alone"),
            ("sts_endpoint", self.sts_endpoint.is_some(), &[S3], "S3 alone"),
            ("profile", self.profile.is_some(), &[S3], "S3 alone"),
            ("profile_file", self.profile_file.is_some(), &[S3], "S3 alone"),
            ("role_arn", self.role_arn.is_some(), &[S3], "S3 alone"),
            ("external_id", self.external_id.is_some(), &[S3], "S3 alone"),
            ("session_name", self.session_name.is_some(), &[S3], "S3 alone"),
            ("request_payer", self.request_payer, &[S3], "S3 alone"),
            ("credentials", is_of_s3, &[S3], "S3 alone, but for `auto` and `none`"),
            ("storage_account", self.storage_account.is_some(), &[Azure], "Azure alone"),
            ("key_file", self.key_file.is_some(), &[Gcs, Azure], "Google and Azure alone"),
        ];
        match said.iter().find(|(_, is_said, of, _)| *is_said && !of.contains(&provider)) {
            Some((name, _, _, whose)) => Err(format!("`{name}` is said of stores of {whose}")),
            None => Ok(()),
        }
    }

    /// The address of S3, where it is not Amazon's own.
    fn s3_endpoint(&self, environment: Environment<'_>) -> Result<Option<String>, String> {
        let endpoint = self.endpoint.clone().or_else(|| environment("AWS_ENDPOINT_URL_S3"));
        proved(endpoint.or_else(|| environment("AWS_ENDPOINT_URL")))
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
        let of_kind = self.prove_kind(url.provider).and_then(|()| self.client_options(environment));
        let options = of_kind.map_err(|cause| format!("cannot use {url}: {cause}"))?;
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
        let endpoint = self.s3_endpoint(environment)?;
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
        let emulator = environment("STORAGE_EMULATOR_HOST").filter(|_| self.endpoint.is_none());
        if emulator.is_some() && self.key_file.is_none() {
            // nobody is asked who one is
            let nobody = GcpCredential { bearer: String::new() };
            builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody)));
        }
        // as Google's own clients take it: with a scheme or without
        let emulator =
            emulator.map(|host| if host.contains("://") { host } else { format!("http://{host}") });
        let mut options = options;
        if let Some(endpoint) = proved(self.endpoint.clone().or(emulator))? {
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
        builder = builder.with_http_connector(TellsTypes);
        let account = url.account.clone().or_else(|| self.storage_account.clone());
        if let Some(account) = account {
            builder = builder.with_account(account);
        } else if ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"]
            .iter()
            .all(|name| environment(name).is_none())
        {
            return Err(
                "it names no storage account: set AZURE_STORAGE_ACCOUNT_NAME (a connection string is not \
                        read)"
                    .into(),
            );
        }
        if let Some(path) = &self.key_file {
            let key =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            builder = builder.with_access_key(key.trim());
        }
        let mut options = options;
        let endpoint = self.endpoint.clone().or_else(|| url.endpoint.clone());
        let endpoint = endpoint.or_else(|| environment("AZURE_STORAGE_ENDPOINT"));
        let endpoint = endpoint.or_else(|| environment("AZURE_ENDPOINT"));
        proved(environment("AZURITE_BLOB_STORAGE_URL"))?;
        if let Some(endpoint) = proved(endpoint)? {
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

/// The address of a store, if it is one.
fn proved(endpoint: Option<String>) -> Result<Option<String>, String> {
    endpoint.map(|endpoint| service_address(&endpoint).map(|_| endpoint)).transpose()
}

fn is_http(endpoint: &str) -> bool {
    endpoint.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said_before_anybody_is_asked() {
        for (url, settings, environment, said) in [
            (
                "s3://b",
                r#"{"endpoint":"localhost:9000"}"#,
                None,
                "`localhost:9000` is no address of a service",
            ),
            ("s3://b", "{}", Some(("AWS_ENDPOINT_URL", "http://a b")), "`http://a b` is no address"),
            ("gs://b", r#"{"endpoint":"https://host:99999"}"#, None, "`https://host:99999` is no address"),
            ("az://c", r#"{"endpoint":"host","storage_account":"a"}"#, None, "`host` is no address"),
            ("az://c", "{}", None, "it names no storage account"),
            ("gs://b", r#"{"role_arn":"arn:x"}"#, None, "`role_arn` is said of stores of S3 alone"),
            (
                "az://c",
                r#"{"profile":"audit","storage_account":"a"}"#,
                None,
                "`profile` is said of stores of S3",
            ),
            (
                "az://c",
                r#"{"credentials":"instance"}"#,
                None,
                "`credentials` is said of stores of S3 alone, but",
            ),
            (
                "gs://b",
                r#"{"storage_account":"a"}"#,
                None,
                "`storage_account` is said of stores of Azure alone",
            ),
            ("s3://b", r#"{"key_file":"k"}"#, None, "`key_file` is said of stores of Google and Azure alone"),
            // both forms that Google's own clients take
            ("gs://b", "{}", Some(("STORAGE_EMULATOR_HOST", "127.0.0.1:9023")), ""),
            ("gs://b", "{}", Some(("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9023")), ""),
            ("az://c", r#"{"storage_account":"a","credentials":"none"}"#, None, ""),
        ] {
            let settings: StoreSettings = serde_json::from_str(settings).unwrap();
            let get = |name: &str| environment.filter(|(key, _)| *key == name).map(|(_, is)| is.to_owned());
            let proved = settings.prove(&ObjectUrl::parse(url).unwrap().unwrap(), &get);
            match (proved, said) {
                (Ok(()), "") => {}
                (proved, said) => {
                    let cause = proved.unwrap_err();
                    assert!(!said.is_empty() && cause.contains(said), "{url} {said}: {cause}");
                }
            }
        }
    }
}
