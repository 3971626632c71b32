//! Canonical columns of real events and of our own samples, checked by hand against the providers'
//! documentation and kept: `tests/columns/<source>.json`.
//!
//! Each entry names an event (`corpus`: a file of the corpus, by line from 1; `sample`: a file below
//! `samples`, by record from 1), says on what page its values were checked, and lists all
//! columns that the event gets, no more and no fewer.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use common::{auto, bytes, read};
use serde::Deserialize;
use virga_ingest::sources::{Describer, SOURCES, generic, source};
use virga_test_support::{corpus, events, workspace};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    corpus: Option<String>,
    sample: Option<String>,
    at: usize,
    /// What it is, and where its fields are documented.
    checked: String,
    columns: BTreeMap<String, serde_json::Value>,
}

/// The event of an entry, as a row of the source that `auto` gives it to; `None` without a corpus.
fn event(golden: &Golden, corpus: Option<&Path>) -> Option<(String, String)> {
    let (name, content) = match (&golden.corpus, &golden.sample) {
        (Some(file), None) => (file.clone(), events(corpus?, file).swap_remove(golden.at - 1).into()),
        (None, Some(file)) => (file.clone(), std::fs::read(workspace().join("samples").join(file)).unwrap()),
        _ => panic!("an entry names a `corpus` file or a `sample`"),
    };
    let (kept, _) = read(auto(&[]), vec![bytes(&name, content)]);
    let mut rows = kept.rows();
    let at = if golden.sample.is_some() { golden.at - 1 } else { 0 };
    let (source, .., raw) = rows.swap_remove(at);
    Some((source, raw))
}

#[test]
fn real_events_have_the_columns_that_their_documentation_says() {
    let corpus = corpus();
    let mut wrong = Vec::new();
    for of in SOURCES.iter().filter(|source| source.name != generic::SOURCE.name) {
        let path = workspace().join(format!("ingest/tests/columns/{}.json", of.name));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let goldens: Vec<Golden> = serde_json::from_str(&text).unwrap();
        assert!(goldens.len() >= 3, "{}: three events at the least", of.name);
        for golden in &goldens {
            assert!(golden.checked.len() > 10, "{}: say where it was checked", of.name);
            let Some((owner, raw)) = event(golden, corpus.as_deref()) else { continue };
            let what = format!("{} {:?}{:?} {}", of.name, golden.corpus, golden.sample, golden.at);
            if owner != of.name {
                wrong.push(format!("{what}: read as {owner}"));
                continue;
            }
            let describer = Describer::new(source(&owner).unwrap(), &Arc::default());
            let columns: BTreeMap<String, serde_json::Value> = describer
                .describe(&raw)
                .into_iter()
                .map(|(column, value)| (column.name.to_owned(), value.to_json()))
                .collect();
            if columns != golden.columns {
                let shown = serde_json::to_string_pretty(&columns).unwrap();
                wrong.push(format!("{what}: the columns are\n{shown}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
