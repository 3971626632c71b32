//! A table in a CSV file: rows by an exact key, or by networks.

use std::collections::HashMap;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::{Prefix, PrefixMap};
use virga_engine::event::{COLUMNS, Column, ColumnValue};

use super::{Matching, asked, value};

/// The values of a row, in the order of the filled columns.
type Row = Box<[Option<ColumnValue>]>;

/// A CSV, read.
#[derive(Debug)]
pub(super) enum CommaSeparated {
    Exact(HashMap<String, Row>),
    Networks(Box<Networks>),
}

/// Rows by network.
#[derive(Debug)]
pub(super) struct Networks {
    v4: PrefixMap<Ipv4Net, Row>,
    v6: PrefixMap<Ipv6Net, Row>,
}

impl CommaSeparated {
    /// Reads a CSV with a header. Where `fills` is empty, the columns of canonical names are taken.
    pub(super) fn new(
        bytes: &[u8],
        matching: Matching,
        key_column: Option<&str>,
        fills: &mut Vec<(&'static Column, String)>,
    ) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let headers = reader.headers().map_err(|error| error.to_string())?.clone();
        let place = |name: &str| {
            let at = headers.iter().position(|header| header.eq_ignore_ascii_case(name));
            at.ok_or_else(|| {
                format!("no column `{name}`; it has {}", headers.iter().collect::<Vec<_>>().join(", "))
            })
        };
        for (at, header) in headers.iter().enumerate() {
            if headers.iter().take(at).any(|other| other.eq_ignore_ascii_case(header)) {
                return Err(format!("the column `{header}` stands twice"));
            }
        }
        let key = key_column.map_or(Ok(0), place)?;
        if fills.is_empty() {
            let named = |column: &&'static Column| column.from_table && place(column.name).is_ok();
            fills.extend(COLUMNS.iter().filter(named).map(|column| (column, column.name.to_owned())));
        }
        if fills.is_empty() {
            return Err(
                "none of its columns has a canonical name: say under `columns` what fills what".into()
            );
        }
        let places: Vec<(&'static Column, usize)> =
            fills.iter().map(|(column, from)| Ok((*column, place(from)?))).collect::<Result<_, String>>()?;
        let mut rows = 0;
        let mut table = match matching {
            Matching::Exact => Self::Exact(HashMap::new()),
            Matching::Cidr => {
                Self::Networks(Box::new(Networks { v4: PrefixMap::new(), v6: PrefixMap::new() }))
            }
        };
        for record in reader.records() {
            // the error of the reader says the line itself
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |(column, at): &(&'static Column, usize)| {
                value(column.kind, record.get(*at).unwrap_or_default())
                    .map_err(|cause| format!("line {line}, {}: {cause}", column.name))
            };
            let row: Row = places.iter().map(cell).collect::<Result<_, _>>()?;
            rows += 1;
            table
                .add(record.get(key).unwrap_or_default(), row)
                .map_err(|cause| format!("line {line}: {cause}"))?;
        }
        if rows == 0 {
            return Err("it has no row".into());
        }
        Ok(table)
    }

    /// Adds a row; a key that stands twice would make the table's answer depend on chance.
    fn add(&mut self, key: &str, row: Row) -> Result<(), String> {
        if key.is_empty() {
            return Err("the key is empty".into());
        }
        let twice = match self {
            Self::Exact(rows) => rows.insert(key.to_lowercase(), row).is_some(),
            Self::Networks(networks) => match network(key)? {
                IpNet::V4(network) => networks.v4.insert(network, row).is_some(),
                IpNet::V6(network) => networks.v6.insert(network, row).is_some(),
            },
        };
        if twice { Err(format!("the key `{key}` stands twice")) } else { Ok(()) }
    }

    pub(super) fn find(&self, key: &str, column: usize) -> Option<ColumnValue> {
        let row = match self {
            Self::Exact(rows) => rows.get(&key.to_lowercase())?,
            Self::Networks(networks) => match asked(key)? {
                IpNet::V4(network) => one_answer(&networks.v4, &network)?,
                IpNet::V6(network) => one_answer(&networks.v6, &network)?,
            },
        };
        row.get(column)?.clone()
    }
}

/// A key of a table: a network, or an address, which is a network of one.
fn network(key: &str) -> Result<IpNet, String> {
    let network =
        key.parse::<IpNet>().or_else(|_| key.parse().map(|address: std::net::IpAddr| address.into()));
    let network = network.map(|network| match network {
        // logs write a mapped address either way
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(network, IpNet::V4),
            None => network,
        },
        other => other,
    });
    network.map(|network| network.trunc()).map_err(|_| format!("`{key}` is no network and no address"))
}

/// The row of the longest network that holds another, where no row is about a part of it only.
fn one_answer<'r, P: Prefix + PartialEq>(rows: &'r PrefixMap<P, Row>, asked: &P) -> Option<&'r Row> {
    let in_part = rows.children(asked).any(|(network, _)| network != *asked);
    rows.get_lpm(asked).filter(|_| !in_part).map(|(_, row)| row)
}
