//! Lookup tables: what is known of an address, an account or a principal beside the log.
//!
//! In: a file and a [`TableSpec`] that says which canonical column is looked up and which are filled.
//! Out: a [`LookupTable`]. A table fills only columns that are made for it (`src_asn`, `src_country`,
//! `src_tags`, …) and only where the log itself does not say; a rule that asks for such a column runs
//! only where some table fills it.
//!
//! | file | key | |
//! |---|---|---|
//! | `.csv`, `match = "exact"` | any text, in any case | `account`, `principal`, `user_agent`, … |
//! | `.csv`, `match = "cidr"` | networks and addresses; the longest that holds the address counts | |
//! | `.mmdb` | MaxMind DB; columns are paths such as `location.latitude` | GeoLite2, ASN and kin |
//!
//! An address whose last octet the log hides is known only by its /24, as `src_net` is: a table speaks
//! of a network where one answer holds for all of it.

mod comma_separated;
mod maxmind;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;
use virga_engine::event::{COLUMNS, Column, ColumnKind, ColumnValue, column};

use crate::sources::net::Address;
use comma_separated::CommaSeparated;
use maxmind::MaxMind;

/// A table as the configuration names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// The file; a relative path is meant from the configuration's folder.
    pub file: PathBuf,
    /// The canonical column whose value is looked up.
    pub key: String,
    /// How a CSV's keys are compared. [default: cidr for `src_ip` and `src_net`, else exact]
    #[serde(rename = "match")]
    pub matching: Option<Matching>,
    /// The CSV's column of keys. [default: the first]
    pub key_column: Option<String>,
    /// Which canonical column is filled from which of the table's. [default, for a CSV: those of equal
    /// names]
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
}

/// How keys are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Matching {
    /// As texts, in any case.
    Exact,
    /// As networks that hold an address.
    Cidr,
}

/// A lookup table.
#[derive(Debug)]
pub struct LookupTable {
    /// The canonical column whose value is looked up.
    pub key: &'static Column,
    /// The file that it was read from.
    pub file: PathBuf,
    /// A hash of the file's content, in hexadecimal: the table's version.
    pub version: String,
    fills: Vec<&'static Column>,
    data: Data,
}

#[derive(Debug)]
enum Data {
    CommaSeparated(CommaSeparated),
    MaxMind(Box<MaxMind>),
}

/// Why a table cannot be used, with its file and, where there is one, its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(String);

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl LookupTable {
    /// Reads a table. `base` is the folder that a relative path is meant from.
    ///
    /// # Errors
    /// Where the file cannot be read, is not what its name says, or a column is none that it may fill.
    pub fn load(spec: &TableSpec, base: &Path) -> Result<Self, TableError> {
        let file = base.join(&spec.file);
        let bytes =
            std::fs::read(&file).map_err(|error| TableError(format!("{}: {error}", file.display())))?;
        Self::new(spec, file.clone(), bytes)
            .map_err(|cause| TableError(format!("{}: {cause}", file.display())))
    }

    fn new(spec: &TableSpec, file: PathBuf, bytes: Vec<u8>) -> Result<Self, String> {
        let key = column(&spec.key).ok_or_else(|| format!("`{}` is no canonical column", spec.key))?;
        // a table that can never answer must not make rules run that wait for its columns
        if key.kind != ColumnKind::Text || key.from_table {
            let cause = "a key is a text that logs say themselves, such as src_ip, account or principal";
            return Err(format!("`{}` cannot be a key: {cause}", spec.key));
        }
        let mut fills: Vec<(&'static Column, String)> = Vec::new();
        for (name, from) in &spec.columns {
            fills.push((fillable(name)?, from.clone()));
        }
        let version = blake3::hash(&bytes).to_hex().as_str().get(..16).unwrap_or_default().to_owned();
        let is_mmdb = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("mmdb"));
        let data = if is_mmdb {
            if spec.matching == Some(Matching::Exact) || spec.key_column.is_some() {
                return Err(
                    "a MaxMind table is looked up by address: take `match` and `key_column` out".into()
                );
            }
            if fills.is_empty() {
                let example = "columns = { src_country = \"country.iso_code\" }";
                return Err(format!("a MaxMind table needs `columns`, as in {example}"));
            }
            Data::MaxMind(Box::new(MaxMind::new(bytes, &fills)?))
        } else {
            let by_address = matches!(key.name, "src_ip" | "src_net");
            let matching = spec.matching.unwrap_or(if by_address { Matching::Cidr } else { Matching::Exact });
            Data::CommaSeparated(CommaSeparated::new(
                &bytes,
                matching,
                spec.key_column.as_deref(),
                &mut fills,
            )?)
        };
        Ok(Self { key, file, version, fills: fills.into_iter().map(|(column, _)| column).collect(), data })
    }

    /// The columns that it fills.
    pub fn columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.fills.iter().copied()
    }

    /// What it says of a key, for one of its columns by number.
    pub fn find(&self, key: &str, column: usize) -> Option<ColumnValue> {
        match &self.data {
            Data::CommaSeparated(table) => table.find(key, column),
            Data::MaxMind(table) => table.find(key, column),
        }
    }
}

/// What a looked-up value stands for: an address, the /24 of a masked one, a network.
fn asked(key: &str) -> Option<IpNet> {
    match Address::parse(key) {
        Address::V4(address) => Some(IpNet::V4(address.into())),
        Address::V6(address) => Some(IpNet::V6(address.into())),
        Address::Masked([a, b, c]) => Ipv4Net::new([a, b, c, 0].into(), 24).ok().map(IpNet::V4),
        Address::Hidden | Address::Internal | Address::Invalid => key.parse().ok(),
    }
}

/// The column of that name, if a table may fill it.
fn fillable(name: &str) -> Result<&'static Column, String> {
    column(name).filter(|column| column.from_table).ok_or_else(|| {
        let names: Vec<&str> =
            COLUMNS.iter().filter(|column| column.from_table).map(|column| column.name).collect();
        format!("`{name}` is no column that a table fills; there are {}", names.join(", "))
    })
}

/// A text of a table as a column's value; `None` where it is empty.
fn value(kind: ColumnKind, text: &str) -> Result<Option<ColumnValue>, String> {
    let text = text.trim();
    let wrong = |what: &str| format!("`{text}` is no {what}");
    Ok(Some(match kind {
        _ if text.is_empty() => return Ok(None),
        ColumnKind::Text => ColumnValue::Text(text.to_owned()),
        // autonomous systems are written 64500 and AS64500
        ColumnKind::Int => {
            let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
            ColumnValue::Int(digits.parse().map_err(|_| wrong("whole number"))?)
        }
        ColumnKind::Float => {
            let number: f64 = text.parse().map_err(|_| wrong("number"))?;
            ColumnValue::Float(Some(number).filter(|n| n.is_finite()).ok_or_else(|| wrong("number"))?)
        }
        ColumnKind::Bool => match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => ColumnValue::Bool(true),
            "false" | "no" | "0" => ColumnValue::Bool(false),
            _ => return Err(wrong("true or false")),
        },
        ColumnKind::List => {
            let items = text.split([';', '|']).map(str::trim).filter(|item| !item.is_empty());
            ColumnValue::List(items.map(str::to_owned).collect())
        }
    }))
}

#[cfg(test)]
mod tests;
