//! A table in a MaxMind DB file (`.mmdb`).

use maxminddb::{PathElement, Reader};
use serde_json::Value;
use virga_engine::event::{Column, ColumnKind, ColumnValue};

use super::{asked, value};

/// A database, and for each filled column its kind and where in a record it stands.
#[derive(Debug)]
pub(super) struct MaxMind {
    reader: Reader<Vec<u8>>,
    columns: Vec<(ColumnKind, Vec<String>)>,
}

impl MaxMind {
    pub(super) fn new(bytes: Vec<u8>, fills: &[(&'static Column, String)]) -> Result<Self, String> {
        let reader = Reader::from_source(bytes).map_err(|error| format!("no MaxMind database: {error}"))?;
        let path = |from: &str| from.split('.').map(str::to_owned).collect();
        let columns = fills.iter().map(|(column, from)| (column.kind, path(from))).collect();
        Ok(Self { reader, columns })
    }

    pub(super) fn find(&self, key: &str, column: usize) -> Option<ColumnValue> {
        let (kind, path) = self.columns.get(column)?;
        let asked = asked(key)?;
        let found = self.reader.lookup(asked.network()).ok()?;
        // of a network an answer that is narrower holds for a part only
        if asked.prefix_len() < asked.max_prefix_len() && found.network().ok()?.prefix() > asked.prefix_len()
        {
            return None;
        }
        let path: Vec<PathElement<'_>> = path.iter().map(|step| element(step)).collect();
        read(*kind, &found.decode_path::<Value>(&path).ok()??)
    }
}

fn element(step: &str) -> PathElement<'_> {
    step.parse::<usize>().map_or(PathElement::Key(step), PathElement::Index)
}

fn read(kind: ColumnKind, found: &Value) -> Option<ColumnValue> {
    let text = |found: &Value| found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    match found {
        Value::Null => None,
        Value::Array(items) if kind == ColumnKind::List => {
            Some(ColumnValue::List(items.iter().map(text).collect()))
        }
        Value::Array(_) | Value::Object(_) => None,
        scalar => value(kind, &text(scalar)).ok().flatten(),
    }
}
