//! Correlations: rules over the matches of rules.
//!
//! ```text
//! correlations ─▶ link ─▶ plan ──────────┐
//! batch + hits ─▶ extract ─▶ occurrences ─┼─▶ live    any order, watermark  ─┐
//!                                         └─▶ finite  sorted, then in order ─┴▶ fold by group ─▶ alerts
//!                                                                               kinds: one file a type
//! ```
//!
//! What an alert says is a function of the set of hits, in event time: not of their order, nor of how
//! often they came. Live and finite take the same steps for a group (`fold`), and differ in when they
//! know that nothing more will come.

mod about;
mod carried;
mod chain;
mod extract;
mod finite;
mod fold;
mod hit;
mod kinds;
mod link;
mod live;
mod machine;
mod mute;
mod node;
mod occurrence;
mod pending;
mod plan;
mod slab;
mod snapshot;
mod waiting;
mod watermark;
mod words;

pub use carried::Carried;
pub use extract::{Dropped, Times};
pub(crate) use extract::{Extractor, Use};
pub use finite::{Finite, MemorySpill, Spill};
pub(crate) use link::{Candidate, link, named};
pub use link::{LinkedCorrelation, Member};
pub use live::{CorrelationCounts, LateHit, Live, LiveLimits};
pub use machine::Explained;
pub(crate) use mute::{Block, mute};
pub use occurrence::{Occurrence, Occurrences, Value};
pub use plan::{Plan, PlanMember, plan};
pub use snapshot::{SnapshotError, readable};
pub use watermark::{Watermarks, clamped};
