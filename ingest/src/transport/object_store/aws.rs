//! Signed calls to AWS services that `object_store` does not know: STS here, SQS elsewhere.
//!
//! In: a body and its headers. Out: the answer's body, or the service's own word on what is wrong. The client
//! is `object_store`'s own, so that proxies, certificates and timeouts are the same for all. An answer of
//! 5xx or 429 and a broken connection are tried again with growing pauses, each time signed anew.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector, HttpRequestBody, ReqwestConnector};

use super::url::service_address;
use crate::limits::{MAX_SERVICE_ANSWER, REQUEST_RETRIES};

/// A service of AWS at an endpoint.
#[derive(Debug, Clone)]
pub struct AwsService {
    client: HttpClient,
    endpoint: String,
    /// The name that signatures carry.
    name: &'static str,
    region: String,
    /// `None` for calls that are not signed.
    credentials: Option<AwsCredentialProvider>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The status of the answer; `None` where there was none.
    pub status: Option<u16>,
    /// What the service or the connection said.
    pub message: String,
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ServiceError {}

impl AwsService {
    /// A service of this name at this endpoint.
    pub fn new(
        name: &'static str,
        endpoint: &str,
        region: &str,
        credentials: Option<AwsCredentialProvider>,
        options: &ClientOptions,
    ) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{endpoint}: {error}");
        let uri = service_address(endpoint)?;
        let options = options.clone().with_allow_http(uri.scheme_str() == Some("http"));
        let client = ReqwestConnector::default().connect(&options).map_err(|error| wrong(&error))?;
        let endpoint = if uri.path().is_empty() { format!("{endpoint}/") } else { endpoint.to_owned() };
        Ok(Self { client, endpoint, name, region: region.to_owned(), credentials })
    }

    /// Sends a body, again where that may help, and gives the answer's.
    pub async fn post(&self, headers: &[(&'static str, &str)], body: &str) -> Result<Bytes, ServiceError> {
        self.post_again(headers, body, REQUEST_RETRIES).await
    }

    /// The same, again so often at the most.
    pub async fn post_again(
        &self,
        headers: &[(&'static str, &str)],
        body: &str,
        retries: usize,
    ) -> Result<Bytes, ServiceError> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..retries {
            match self.post_once(headers, body).await {
                Err(error) if error.is_passing() => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                settled => return settled,
            }
        }
        self.post_once(headers, body).await
    }

    async fn post_once(&self, headers: &[(&'static str, &str)], body: &str) -> Result<Bytes, ServiceError> {
        let failed =
            |error: &dyn std::fmt::Display| ServiceError { status: None, message: error.to_string() };
        let mut request = Request::builder().method("POST").uri(&self.endpoint);
        for (name, value) in headers {
            request = request.header(*name, HeaderValue::from_str(value).map_err(|error| failed(&error))?);
        }
        let body = HttpRequestBody::from(body.to_owned());
        let mut request = request.body(body).map_err(|error| failed(&error))?;
        if let Some(provider) = &self.credentials {
            let credential = provider.get_credential().await.map_err(|error| ServiceError {
                // who gives them has refused
                status: matches!(error, object_store::Error::Unauthenticated { .. }).then_some(403),
                message: chain(&error),
            })?;
            AwsAuthorizer::new(&credential, self.name, &self.region).authorize(&mut request, None);
        }
        let answer = self.client.execute(request).await.map_err(|error| failed(&chain(&error)))?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(|error| failed(&chain(&error)))?;
        match status.is_success() {
            true if body.len() > MAX_SERVICE_ANSWER => Err(failed(&"the answer is too long")),
            true => Ok(body),
            false => Err(ServiceError { status: Some(status.as_u16()), message: said(status, &body) }),
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl ServiceError {
    /// There was no answer, and the process ends.
    pub fn unanswered() -> Self {
        Self { status: None, message: "there was no answer, and the process ends".into() }
    }

    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        // SQS says with a status of 400 that it is asked too often
        self.status.is_none_or(|status| status >= 500 || status == 429) || self.message.contains("Throttl")
    }
}

/// An error with its causes: what a connection broke on stands in the last.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// A service's own words, shortened: they may be a page of a proxy.
fn said(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.is_empty() {
        true => status.canonical_reason().unwrap_or("no reason given").to_owned(),
        false => words.join(" ").chars().take(400).collect(),
    }
}
