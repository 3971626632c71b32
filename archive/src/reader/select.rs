//! Which rows of a row group are read, and where they stand among others.

use std::sync::Arc;

use arrow::array::{Int32Builder, StringArray, StringBuilder};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use virga_engine::scan::Blocks;

use crate::cells::CellArray;
use crate::layout::BLOCK;
use crate::prune::has_block;

/// Rows of some blocks among those of more.
pub(super) struct Spread {
    pub mask: Blocks,
    /// The mask's, and others.
    pub blocks: Blocks,
    /// The rows of the row group.
    pub all: usize,
}

impl Spread {
    pub fn count(&self) -> usize {
        self.each().filter(|(_, is_there)| *is_there).map(|(rows, _)| rows).sum()
    }

    /// The rows of each block, and whether it is one of the mask's.
    fn each(&self) -> impl Iterator<Item = (usize, bool)> {
        let blocks = (0..self.all.div_ceil(BLOCK)).filter(|block| has_block(self.blocks, *block));
        blocks.map(|block| (BLOCK.min(self.all - block * BLOCK), has_block(self.mask, block)))
    }

    pub fn cells(&self, cells: CellArray) -> CellArray {
        if self.mask == self.blocks {
            return cells;
        }
        let (mut keys, mut from) = (Int32Builder::new(), 0);
        for (rows, is_there) in self.each() {
            match is_there {
                true => {
                    keys.append_array(&cells.keys().slice(from, rows));
                    from += rows;
                }
                false => keys.append_nulls(rows),
            }
        }
        CellArray::new(keys.finish(), Arc::clone(cells.values()))
    }

    pub fn texts(&self, texts: StringArray) -> StringArray {
        if self.mask == self.blocks {
            return texts;
        }
        let (mut spread, mut from) = (StringBuilder::new(), 0);
        for (rows, is_there) in self.each() {
            match is_there {
                true => {
                    texts.slice(from, rows).iter().for_each(|text| spread.append_option(text));
                    from += rows;
                }
                false => (0..rows).for_each(|_| spread.append_null()),
            }
        }
        spread.finish()
    }
}

/// The rows of blocks.
pub(super) fn rows_of(blocks: Blocks, rows: usize) -> impl Iterator<Item = u32> {
    (0..rows).filter(move |row| has_block(blocks, row / BLOCK)).map(|row| row as u32)
}

pub(crate) fn selection_of(blocks: Blocks, rows: usize) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    for block in 0..rows.div_ceil(BLOCK) {
        let length = BLOCK.min(rows - block * BLOCK);
        selectors.push(match has_block(blocks, block) {
            true => RowSelector::select(length),
            false => RowSelector::skip(length),
        });
    }
    selectors.into()
}

pub(crate) fn selection_of_rows(rows: &[u32], all: usize) -> RowSelection {
    let ranges = rows.iter().map(|&row| row as usize..row as usize + 1);
    RowSelection::from_consecutive_ranges(joined(ranges), all)
}

/// Ranges that follow one another as one.
fn joined(
    ranges: impl Iterator<Item = std::ops::Range<usize>>,
) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut ranges = ranges.peekable();
    std::iter::from_fn(move || {
        let mut range = ranges.next()?;
        while let Some(next) = ranges.next_if(|next| next.start == range.end) {
            range.end = next.end;
        }
        Some(range)
    })
}
