//! Facets: which values of a column occur in which blocks of a file.
//!
//! In: the cells of a column, row group by row group. Out: for each value the blocks that hold it, kept in
//! the file's footer. Unlike minima and maxima they serve any test, also one that ignores case or looks into
//! the middle of a text: the test is run over the values.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, StringArray};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use virga_engine::scan::{Blocks, Facet};

use crate::cells::CellArray;
use crate::layout::BLOCK;
use crate::limits::{MAX_FACET_BYTES, MAX_FACET_VALUES, MAX_FACETS_UNFOLDED};
use crate::prune::all_blocks;

/// The footer's key.
pub(crate) const FOOTER_KEY: &str = "virga.facets";

/// By row group: facets by column.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub(crate) struct FileFacets {
    groups: Vec<BTreeMap<String, Facet>>,
}

impl FileFacets {
    /// Adds what one row group of so many rows holds; a column without cells is one that no event has.
    pub fn add_group<'c>(
        &mut self,
        rows: usize,
        columns: impl Iterator<Item = (&'c str, Option<&'c CellArray>)>,
    ) {
        let nowhere = || Facet { values: Vec::new(), absent: all_blocks(rows) };
        let facet = |cells: Option<&CellArray>| cells.map_or_else(|| Some(nowhere()), facet);
        let facets = columns.filter_map(|(name, cells)| Some((name.to_owned(), facet(cells)?))).collect();
        self.groups.push(facets);
    }

    /// The facet of a column in a row group, where there is one.
    pub fn facet(&self, group: usize, column: &str) -> Option<&Facet> {
        self.groups.get(group)?.get(column)
    }

    /// As it stands in a footer.
    pub fn to_text(&self) -> Option<String> {
        let bytes = postcard::to_allocvec(self).ok()?;
        Some(STANDARD.encode(zstd::bulk::compress(&bytes, 3).ok()?))
    }

    /// From a footer; `None` where it cannot be read, and nothing is known then.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        // a footer from elsewhere must not unfold without end
        let bytes = zstd::bulk::decompress(&bytes, MAX_FACETS_UNFOLDED).ok()?;
        postcard::from_bytes(&bytes).ok()
    }
}

fn facet(cells: &CellArray) -> Option<Facet> {
    let values = cells.values().as_any().downcast_ref::<StringArray>()?;
    if cells.len() > BLOCK * virga_engine::scan::MAX_BLOCKS {
        return None;
    }
    let mut blocks = vec![0; values.len()];
    let mut absent = 0;
    for (row, key) in cells.keys().iter().enumerate() {
        let block = 1 << (row / BLOCK);
        match key {
            Some(key) => blocks[key as usize] |= block,
            None => absent |= block,
        }
    }
    // batches that were joined may hold a value twice
    let mut joined: HashMap<&str, Blocks> = HashMap::new();
    for (key, blocks) in blocks.iter().enumerate().filter(|(_, blocks)| **blocks != 0) {
        *joined.entry(values.value(key)).or_default() |= blocks;
        if joined.len() > MAX_FACET_VALUES {
            return None;
        }
    }
    let bytes: usize = joined.keys().map(|value| value.len() + 8).sum();
    let mut values: Vec<(String, Blocks)> =
        joined.into_iter().map(|(value, blocks)| (value.to_owned(), blocks)).collect();
    values.sort_unstable();
    (bytes <= MAX_FACET_BYTES).then_some(Facet { values, absent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facet_says_which_blocks_hold_a_value_and_comes_back_from_a_footer() {
        let rows = 2 * BLOCK + 1;
        let cells: CellArray =
            (0..rows).map(|row| (row != 5).then_some(if row < BLOCK { "\"a\"" } else { "\"b\"" })).collect();
        let mut facets = FileFacets::default();
        facets.add_group(rows, [("x", Some(&cells)), ("z", None)].into_iter());
        let read = FileFacets::from_text(&facets.to_text().unwrap()).unwrap();
        assert_eq!(read, facets);
        let facet = read.facet(0, "x").unwrap();
        assert_eq!(facet.values, [("\"a\"".to_owned(), 1), ("\"b\"".to_owned(), 6)]);
        assert_eq!(facet.absent, 1);
        let nowhere = read.facet(0, "z").unwrap();
        assert_eq!((nowhere.values.len(), nowhere.absent), (0, 7));
        assert!(read.facet(0, "y").is_none() && read.facet(1, "x").is_none());
        assert!(FileFacets::from_text("no facets").is_none());
    }

    #[test]
    fn what_is_new_in_every_event_has_none() {
        let texts: Vec<String> = (0..=MAX_FACET_VALUES).map(|n| n.to_string()).collect();
        let cells: CellArray = texts.iter().map(|text| Some(text.as_str())).collect();
        assert!(facet(&cells).is_none());
    }
}
