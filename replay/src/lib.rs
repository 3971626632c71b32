//! Rules against the archive: the same plan and the same correlation core as live, over stored events.
//!
//! ```text
//! archive ─▶ prune (facets × rules) ─▶ cells ─▶ scan A, scan B ─▶ hits ─▶ whole events of the hits alone
//!                                                                            │
//!      report ◀─ tally, diff, curves, labels, blind spots ◀─ correlations ◀──┘
//! ```
//!
//! Time is an argument, and so are log sources and the place where hits go that are too many for memory: this
//! crate knows neither clocks nor sockets nor providers.

mod answer;
mod blind;
mod curve;
mod diff;
mod error;
mod expect;
mod html;
mod labels;
mod lane;
mod limits;
mod lock;
mod pass;
mod reach;
mod report;
mod sources;
mod tally;
pub mod time;
mod top;

pub use curve::{Collector, Curve, Point, is_called};
pub use error::ReplayError;
pub use expect::{Check, Expectations, junit};
pub use html::html;
pub use labels::{Labels, Score};
pub use lock::{Lock, LockedSet};
pub use pass::{AlertSink, Question, RuleSide, Step, World, run};
pub use reach::Reach;
pub use report::{
    ArchiveSummary, BlindRule, Cost, DeadRule, DiffEvent, DiffReport, DiffRule, Flip, Report, RuleCost,
    RuleReport, SetReport, Suppressed, TopReport,
};
pub use sources::LogSources;
pub use top::Counted;
