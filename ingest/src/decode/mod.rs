//! Bytes of one input → the events in it. Pure: over any `Read`, no files, no sockets.
//!
//! ```text
//! reader ──▶ compression (gzip, zstd, plain; capped) ──▶ framing (lines or document) ──▶ frames
//!                                                           └── envelope (what wraps events; carriers
//!                                                               hold them as texts, packed or not; otlp,
//!                                                               insights and log_analytics rebuild them)
//! ```
//!
//! What is read is recognised by its bytes, never by its name: objects are renamed, and a
//! `.json.gz` that a tool has unpacked is still worth reading.

mod carriers;
mod compression;
mod envelope;
mod formats;
mod framing;
mod insights;
mod log_analytics;
mod otlp;
mod packed;
mod utf16;
mod window;

use std::borrow::Cow;

use virga_engine::json::Value;

pub use compression::{Decompressor, ExpansionLimits, StreamFault, is_packed};
pub use framing::{Frame, FrameLimits, Framer, Place};

/// The value of a member of an object.
fn member<'v, 'a>(members: &'v [(Cow<'a, str>, Value<'a>)], name: &str) -> Option<&'v Value<'a>> {
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}
