//! Rules and events in, alerts out.
//!
//! ```text
//! rule text ─▶ sigma ─▶ modifiers ─▶ plan ─▶ scan ◀─ event (Arrow batch) ◀─ json
//!              tree     values       tests    │
//!                                             ▼
//!                                        hits ─▶ alert
//! ```
//!
//! The engine is pure. It knows no files, no sockets, no clock, no threads, no environment, and no
//! provider: what a log source is called and where its fields stand it learns from a
//! [`event::SourceSpec`]. The same rules and the same events give the same alerts, byte for byte.

pub mod alert;
pub mod cases;
pub mod correlate;
pub mod diagnostic;
mod engine;
pub mod event;
pub mod json;
pub mod limits;
pub mod modifiers;
pub mod pipeline;
pub mod plan;
pub mod predicate;
mod rule_set;
pub mod scan;
mod shown;
pub mod sigma;
#[cfg(test)]
mod testing;
pub mod tuning;
mod unheard;
mod unserved;

pub use engine::{Engine, LoadReport, LoadedRule};
pub use rule_set::{RuleSet, Surroundings};
