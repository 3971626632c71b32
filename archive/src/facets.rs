//! What is known of a file's values without reading them: which stand in which blocks, or what they hold at all.
//!
//! In: the cells of a column, row group by row group. Out: for each column a *section*, which stands in the file
//! behind its rows; the file's index says where, so that who asks of three columns reads three sections. A column with
//! few values has a facet: for each value the blocks that hold it. Unlike minima and maxima that serves any test,
//! also one that ignores case or looks into the middle of a text: the test is run over the values. Of a column
//! with many values the pieces of text are kept that occur at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use arrow::array::{Array as _, StringArray};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use virga_engine::scan::{Blocks, Facet, Known, Sketch};

use crate::cells::{CellArray, texts};
use crate::error::ArchiveError;
use crate::index::unfolded;
use crate::layout::BLOCK;
use crate::limits::{MAX_FACET_BYTES, MAX_FACET_VALUES};
use crate::prune::all_blocks;

/// What a section says of one row group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Written {
    Values(Facet),
    Pieces(Vec<u8>),
}

/// Gathers what a file will say.
#[derive(Debug, Default)]
pub(crate) struct SectionWriter {
    columns: BTreeMap<String, Vec<Option<Written>>>,
}

impl SectionWriter {
    /// Adds the cells of a column's next row group.
    pub fn add(&mut self, column: &str, cells: &CellArray) {
        let values = texts(cells);
        let written = match facet(cells, values) {
            Some(facet) => Some(Written::Values(facet)),
            None => pieces(values.iter().flatten()),
        };
        self.columns.entry(column.to_owned()).or_default().push(written);
    }

    /// Adds the values of a column's next row group: too many for a facet.
    pub fn add_many<'v>(&mut self, column: &str, values: impl Iterator<Item = &'v str>) {
        self.columns.entry(column.to_owned()).or_default().push(pieces(values));
    }

    /// The sections as they stand in a file: the small ones last, next to the footer, with which they are read.
    pub fn finish(self) -> Result<Vec<(String, Vec<u8>)>, ArchiveError> {
        let doing = "writing what is known of a file";
        let told = self.columns.into_iter().filter(|(_, groups)| groups.iter().any(Option::is_some));
        let packed = told.map(|(column, groups)| {
            let bytes = postcard::to_allocvec(&groups).map_err(ArchiveError::at(doing))?;
            Ok((column, zstd::bulk::compress(&bytes, 3).map_err(ArchiveError::at(doing))?))
        });
        let mut packed: Vec<(String, Vec<u8>)> = packed.collect::<Result<_, ArchiveError>>()?;
        packed.sort_by_key(|(_, section)| std::cmp::Reverse(section.len()));
        Ok(packed)
    }
}

/// What is known of one row group of a column.
#[derive(Debug, Clone)]
enum Fact {
    Values(Facet),
    Pieces(Sketch),
}

/// What was read of a file's sections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    columns: HashMap<String, Learnt>,
}

/// A column's section, unfolded when it is asked for: that takes many times as much memory.
#[derive(Debug, Clone)]
struct Learnt {
    packed: Bytes,
    groups: OnceLock<Vec<Option<Fact>>>,
}

impl Facts {
    /// Takes a section.
    pub fn learn(&mut self, column: &str, section: Bytes) {
        self.columns.insert(column.to_owned(), Learnt { packed: section, groups: OnceLock::new() });
    }

    /// Whether a column's section was taken.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// What is known of a column in a row group.
    pub fn known(&self, group: usize, column: &str) -> Option<Known<'_>> {
        let Learnt { packed, groups } = self.columns.get(column)?;
        groups.get_or_init(|| unfold(packed)).get(group)?.as_ref().map(|fact| match fact {
            Fact::Values(facet) => Known::Values(facet),
            Fact::Pieces(sketch) => Known::Pieces(sketch),
        })
    }
}

/// What a section says. Where it cannot be read nothing is known of its column, and all is read.
fn unfold(section: &[u8]) -> Vec<Option<Fact>> {
    let groups: Vec<Option<Written>> = postcard::from_bytes(&unfolded(section)).unwrap_or_default();
    let fact = |written| match written {
        Some(Written::Values(facet)) => Some(Fact::Values(facet)),
        Some(Written::Pieces(bytes)) => Sketch::from_bytes(&bytes).map(Fact::Pieces),
        None => None,
    };
    groups.into_iter().map(fact).collect()
}

/// The facet of a column that no event has.
pub(crate) fn nowhere(rows: usize) -> Facet {
    Facet::new([], all_blocks(rows))
}

fn pieces<'v>(values: impl Iterator<Item = &'v str>) -> Option<Written> {
    let mut sketch = Sketch::default();
    values.for_each(|value| sketch.add(value));
    sketch.is_useful().then(|| Written::Pieces(sketch.to_bytes()))
}

fn facet(cells: &CellArray, values: &StringArray) -> Option<Facet> {
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
    let mut joined: hashbrown::HashMap<&str, Blocks> = hashbrown::HashMap::new();
    for (key, blocks) in blocks.iter().enumerate().filter(|(_, blocks)| **blocks != 0) {
        *joined.entry(values.value(key)).or_default() |= blocks;
        if joined.len() > MAX_FACET_VALUES {
            return None;
        }
    }
    let bytes: usize = joined.keys().map(|value| value.len() + 8).sum();
    let mut values: Vec<(&str, Blocks)> = joined.into_iter().collect();
    values.sort_unstable();
    (bytes <= MAX_FACET_BYTES).then(|| Facet::new(values, absent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(writer: SectionWriter) -> Facts {
        let mut facts = Facts::default();
        for (column, bytes) in writer.finish().unwrap() {
            facts.learn(&column, bytes.into());
        }
        facts
    }

    #[test]
    fn a_facet_says_which_blocks_hold_a_value_and_comes_back_from_a_file() {
        let rows = 2 * BLOCK + 1;
        let cells: CellArray =
            (0..rows).map(|row| (row != 5).then_some(if row < BLOCK { "\"a\"" } else { "\"b\"" })).collect();
        let mut writer = SectionWriter::default();
        writer.add("x", &cells);
        let facts = read(writer);
        let Some(Known::Values(facet)) = facts.known(0, "x") else { panic!("{facts:?}") };
        let values: Vec<(&str, Blocks)> = facet.values().unwrap().collect();
        assert_eq!(values, [("\"a\"", 1), ("\"b\"", 6)]);
        assert_eq!(facet.absent, 1);
        assert_eq!(nowhere(rows).absent, 7);
        assert!(facts.known(0, "y").is_none() && facts.known(1, "x").is_none());
    }

    #[test]
    fn what_is_new_in_every_event_has_a_sketch() {
        let texts: Vec<String> = (0..=MAX_FACET_VALUES).map(|n| format!("\"agent {n}\"")).collect();
        let cells: CellArray = texts.iter().map(|text| Some(text.as_str())).collect();
        let mut writer = SectionWriter::default();
        writer.add("x", &cells);
        writer.add_many("y", texts.iter().map(String::as_str));
        let facts = read(writer);
        for column in ["x", "y"] {
            assert!(matches!(facts.known(0, column), Some(Known::Pieces(_))), "{column}");
        }
    }

    #[test]
    fn of_a_section_that_cannot_be_read_nothing_is_known() {
        let mut facts = Facts::default();
        facts.learn("x", Bytes::from_static(b"no section"));
        assert!(facts.known(0, "x").is_none() && facts.has("x"));
    }
}
