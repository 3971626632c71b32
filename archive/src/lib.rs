//! The lake: events and alerts as Parquet files in Delta tables, on disk or in an object store.
//!
//! ```text
//! EventBatch ─▶ rows (plain columns) ─▶ writer (sorted files, facets) ─▶ table (atomic commits)
//!                                                                          │
//!      EventBatch ◀─ cells ◀─ reader ◀─ prune (facets, what rules need) ◀──┘──▶ sql
//! ```
//!
//! What is stored comes back as it was: a batch that is read holds the very cells that were written, so that
//! rules say the same of it. The lake knows no log source, no correlation and no sink.

mod alerts;
mod cells;
mod commit;
mod compact;
mod count;
mod error;
mod facets;
mod file;
pub mod foreign;
mod index;
mod joined;
mod known;
mod lake;
mod layout;
pub mod limits;
mod location;
mod mend;
mod prune;
mod reader;
mod redact;
mod redacted;
mod repeats;
mod retry;
mod rows;
pub mod sql;
mod table;
mod texts;
mod verify;
mod writer;

pub use alerts::{AlertRow, CompactedAlerts};
pub use cells::CellArray;
pub use commit::Expired;
pub use compact::Compacted;
pub use error::ArchiveError;
pub use file::FileStats;
pub use lake::{Ahead, Lake, LakeFiles, WillAsk};
pub use layout::{BLOCK, Layout, ROW_GROUP};
pub use location::Location;
pub use prune::{Pruned, Wanted, all_blocks, has_block, rows_in};
pub use reader::{Needed, NeededBlocks, NeededEvents, Rebuild, StoredEvents, StoredFile, Who};
pub use redact::{MASK, RedactAction, Redaction, may_be_json, redact};
pub use repeats::Repeats;
pub use retry::Patience;
pub use table::{Archive, Coverage, Entry, Range};
pub use texts::TextColumn;
pub use verify::{Depth, Problem, Verified};
pub use writer::{EventWriter, Written};
