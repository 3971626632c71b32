//! What was asked for.
//!
//! In: the address and the key of the object (`/account/container/path`). Out: the address without port
//! and query, in which a signature may stand; what it names; the container's address. Names of blobs and
//! files have regard to case, those of hosts have none. The key is preferred over the path of the
//! address to tell container from object, for it names the root container, which an address leaves out.

use virga_engine::event::ColumnValue;

use super::super::azure::resource;
use super::request::without_quotes;
use super::{Inputs, text};

pub(super) const INPUTS: &[&str] =
    &["uri", "properties.objectKey", "properties.serviceType", "resourceId", "_ResourceId"];

/// An address in parts.
struct Address<'a> {
    scheme: &'a str,
    host: String,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.trim().split_once("://")?;
        let rest = rest.split(['?', '#']).next()?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host);
        (!host.is_empty()).then(|| Self {
            scheme,
            host: host.to_lowercase(),
            path: path.trim_end_matches('/'),
        })
    }

    fn text(&self) -> String {
        let Self { scheme, host, path } = self;
        if path.is_empty() { format!("{scheme}://{host}") } else { format!("{scheme}://{host}/{path}") }
    }

    /// `blob`, `dfs`, `file`, `queue`, `table`, …
    fn service(&self) -> Option<&str> {
        self.host.split('.').nth(1)
    }
}

pub(super) fn target(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let uri = inputs.string(0);
    if let Some(address) = uri.as_deref().and_then(Address::parse) {
        return text(address.text());
    }
    let key = inputs.string(1).map(|key| without_quotes(&key).to_owned());
    text(key.or_else(|| of_account(inputs))?)
}

/// The storage account's id, where the record names nothing in it.
fn of_account(inputs: &Inputs<'_>) -> Option<String> {
    [3, 4].into_iter().find_map(|input| resource::normal(&inputs.string(input)?))
}

pub(super) fn target_type(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let uri = inputs.string(0);
    let address = uri.as_deref().and_then(Address::parse);
    if address.is_none() && inputs.string(1).is_none() {
        return text(resource::kind(&of_account(inputs)?)?);
    }
    let names = names(inputs, address.as_ref());
    let service = inputs.string(2).map(|service| service.to_lowercase());
    let service = service.or_else(|| Some(address.as_ref()?.service()?.to_owned()));
    let (outer, inner) = match service.as_deref() {
        Some("file" | "files") => ("share", "object"),
        Some("queue" | "queues") => ("queue", "queue"),
        Some("table" | "tables") => ("table", "table"),
        _ => ("bucket", "object"),
    };
    text(match names.len() {
        0 => "storage_account",
        1 => outer,
        _ => inner,
    })
}

/// The container's address: `https://acct.blob.core.windows.net/container`.
pub(super) fn container(inputs: &Inputs<'_>) -> Option<ColumnValue> {
    let uri = inputs.string(0)?;
    let address = Address::parse(&uri)?;
    let names = names(inputs, Some(&address));
    // `Customers(PartitionKey='a',RowKey='b')` is an entity of the table
    let container = names.first()?.split('(').next()?;
    text(format!("{}://{}/{container}", address.scheme, address.host))
}

/// The names from the container downwards.
fn names(inputs: &Inputs<'_>, address: Option<&Address<'_>>) -> Vec<String> {
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    if let Some(key) = inputs.string(1) {
        // the first is the account
        return parts(without_quotes(&key)).into_iter().skip(1).collect();
    }
    address.map(|address| parts(address.path)).unwrap_or_default()
}
