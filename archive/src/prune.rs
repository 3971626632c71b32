//! What of a file need not be read.
//!
//! In: what rules ask for, and what is known of a file's values. Out: for each row group the blocks of 2,048 rows in which some
//! rule may match. A block may be kept for nothing; none with a match is left out.

use virga_engine::scan::{Blocks, MAX_BLOCKS, Pruner};

use crate::layout::BLOCK;
use crate::reader::StoredFile;

/// What rules ask for of one source.
#[derive(Debug)]
pub struct Wanted {
    pruner: Pruner,
}

/// The blocks of a row group that may hold a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// The row group.
    pub group: usize,
    /// Its rows.
    pub rows: usize,
    /// The blocks to read.
    pub blocks: Blocks,
}

impl Pruned {
    /// The rows of the blocks to read.
    pub fn kept(&self) -> usize {
        rows_in(self.blocks, self.rows)
    }
}

/// How many of so many rows stand in some blocks.
pub fn rows_in(blocks: Blocks, rows: usize) -> usize {
    let of = |block: usize| BLOCK.min(rows - block * BLOCK);
    (0..rows.div_ceil(BLOCK)).filter(|block| has_block(blocks, *block)).map(of).sum()
}

/// Whether a block is one of some. Another program may write row groups of more blocks than there are bits: the last
/// bit stands for all further ones, of which nothing is known by themselves.
pub fn has_block(blocks: Blocks, block: usize) -> bool {
    blocks & (1 << block.min(MAX_BLOCKS - 1)) != 0
}

/// All blocks of so many rows.
pub fn all_blocks(rows: usize) -> Blocks {
    match rows.div_ceil(BLOCK) {
        64.. => Blocks::MAX,
        blocks => (1 << blocks) - 1,
    }
}

impl Wanted {
    /// What the rules of a pruner's plan ask for.
    pub fn new(pruner: Pruner) -> Self {
        Self { pruner }
    }

    /// The row groups of a file with the blocks that may hold a match.
    pub fn prune(&mut self, file: &StoredFile) -> Vec<Pruned> {
        (0..file.groups()).map(|group| self.group(file, group)).collect()
    }

    /// For each rule of the plan, in its order, the blocks of a row group in which it may match. A rule that is
    /// not `wanted` gets none.
    pub fn each(&mut self, file: &StoredFile, group: usize, wanted: &dyn Fn(u32) -> bool) -> Vec<Blocks> {
        let all = all_blocks(file.rows(group));
        let projection = std::sync::Arc::clone(&self.pruner.plan().projection);
        let known = |column: usize| projection.fields.get(column).and_then(|field| file.known(group, field));
        self.pruner.keep_each(all, wanted, &known)
    }

    fn group(&mut self, file: &StoredFile, group: usize) -> Pruned {
        let rows = file.rows(group);
        let all = all_blocks(rows);
        let projection = std::sync::Arc::clone(&self.pruner.plan().projection);
        let known = |column: usize| projection.fields.get(column).and_then(|field| file.known(group, field));
        let blocks = self.pruner.keep(all, &known);
        Pruned { group, rows, blocks }
    }
}
