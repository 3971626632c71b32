//! Events → which rules match which rows.
//!
//! Two ways with one meaning. `reference` walks one event and one rule at a time, straight from the
//! specification: slow, plain, the oracle. `evaluate` looks at values, not rows: each distinct value
//! of a field is put into a *class* (the set of tests that it passes: `classes`), each row into a
//! tuple of classes, and what a tuple means is worked out once and remembered.

mod classes;
mod dispatch;
mod evaluate;
mod prune;
mod quick;
pub mod reference;
mod sketch;

pub use dispatch::{Dispatch, Dispatcher};
pub use evaluate::{Hit, ScanCounts, Scanner};
pub use prune::{Blocks, Facet, Known, MAX_BLOCKS, Pruner};
pub use sketch::{Needles, Sketch};

#[cfg(test)]
mod tests;
