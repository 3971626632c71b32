//! Which blobs of Azure grow: what a store's client must tell of a blob, and object_store's does not.
//!
//! In: the answers of Azure's store. Out: the same, with a blob's type among its metadata, which the client hands on.
//! An append blob grows, and what was read of it stands as it was. Any other with a new entity tag was written anew:
//! another log under the same name, or the same one as a whole.

use async_trait::async_trait;
use http::HeaderName;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{Attribute, Attributes, ClientOptions};

/// Where the store says it.
const TYPE: &str = "x-ms-blob-type";

/// The name of the metadata in which it is handed on.
const HANDED_ON: &str = "virga-blob-type";
const HANDED_ON_HEADER: HeaderName = HeaderName::from_static("x-ms-meta-virga-blob-type");

/// Whether an object only grows, by what its store says of it.
pub fn grows(said: &Attributes) -> bool {
    said.get(&Attribute::Metadata(HANDED_ON.into())).is_some_and(|value| value.as_ref() == "AppendBlob")
}

/// Makes clients whose answers tell of a blob's type.
#[derive(Debug, Clone, Copy, Default)]
pub struct TellsTypes;

impl HttpConnector for TellsTypes {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Client(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Client(HttpClient);

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut response = self.0.execute(request).await?;
        if let Some(said) = response.headers().get(TYPE).cloned() {
            response.headers_mut().insert(HANDED_ON_HEADER, said);
        }
        Ok(response)
    }
}
