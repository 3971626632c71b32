//! The long-running process: reads logs, detects, and survives being killed at any instant.
//!
//! ```text
//! inputs ─▶ workers: decode, scan ─▶ correlator ─▶ outbox ─▶ sinks
//!                                        │ └──▶ archive: events, alerts
//!                                    checkpoint: positions, watermarks, state, outbox, all or nothing
//!                                        │
//! inputs ◀── acknowledge ────────────────┘
//! ```
//!
//! [`pipeline`] says how pieces go through in one order, [`checkpoint`] what a restart goes on from,
//! [`archive`] how what is kept stands before both, [`redact`] what is not kept, [`run`](run::run) how all of it begins and ends.

pub mod archive;
mod broken;
pub mod check;
pub mod checkpoint;
pub mod clock;
pub mod config;
pub mod limits;
pub mod log;
pub mod marks;
pub mod outbox;
pub mod partitions;
pub mod pipeline;
mod private;
pub mod quarantine;
pub mod redact;
pub mod reload;
pub mod rotate;
pub mod rules;
pub mod run;
pub mod serve;
pub mod sinks;
pub mod suppress;
mod zero;
